"""Runs the module again and again on one Python, as a process each time, without its start-up time.

Started with the module's path. Reads a request a line, {"args", "environment", "kill_at"}, and answers
a line: {"status", "out", "err"}. With ``kill_at`` n the run kills itself (SIGKILL) before its n-th step: the
n-th call of a function that changes something outside of the process, and once more while a program runs.
Python 2.7 and newer.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

STEPS = ((os, "mkdir"), (os, "rename"), (os, "unlink"), (os, "fsync"), (subprocess, "Popen"))
PATIENCE = 120


def load(path):
    """The module's names."""
    names = {"__name__": "mac_binding"}
    with open(path, "rb") as file:  # noqa: PTH123 - Python 2.7 has no pathlib
        exec(compile(file.read(), path, "exec"), names)  # noqa: S102 - the module under test
    return names


def count_down(steps, owner, name):
    """Replace a function by one that ends the process when it is its turn."""
    function = getattr(owner, name)

    def count():
        steps[0] -= 1
        if steps[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def step(*args, **more):
        count()
        result = function(*args, **more)
        if name == "Popen":  # a moment in which the program runs
            count()
        return result

    setattr(owner, name, step)


def run(module, request, out, err):
    """The child: what the module's own main does."""
    os.setsid()
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.environ.update(request["environment"])
    if request["kill_at"]:
        steps = [request["kill_at"]]
        for owner, name in STEPS:
            count_down(steps, owner, name)
    result = module["work"](request["args"])
    os.write(1, json.dumps(result, sort_keys=True).encode())
    os._exit(1 if result["failed"] else 0)


def one(module, request):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            try:
                run(module, request, out, err)
            except BaseException as error:  # noqa: BLE001 - the child goes no further
                os.write(2, repr(error).encode())
            finally:
                os._exit(99)
        end = time.time() + PATIENCE
        ended, status = 0, 0
        while not ended:
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended and time.time() > end:
                os.killpg(child, signal.SIGKILL)
            time.sleep(0 if ended else 0.001)
        out.seek(0)
        err.seek(0)
        status = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return {"status": status, "out": out.read().decode(), "err": err.read().decode("utf-8", "replace")}


def main():
    module = load(sys.argv[1])
    for line in iter(sys.stdin.readline, ""):
        answer = one(module, json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
