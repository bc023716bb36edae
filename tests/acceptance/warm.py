"""`athome` started once for many commands: each is a fork of it, with the caller's files and arguments.

An `athome` of its own takes half a second to start, and the documents have a hundred. As a program:
`warm.py SOCKET CLIENT` writes the command CLIENT, and then answers on SOCKET until it is ended.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

CLIENT = """#!/usr/bin/python3 -IS
import json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect({socket!r})
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [asked], [0, 1, 2])
process = int(server.recv(32))
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(process, number))
sys.exit(int(server.recv(32)))
"""


def serve(path: str) -> None:
    """Answer each caller in a process of its own."""
    import dispatcher.cli  # noqa: F401, PLC0415 - what takes half a second

    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(path)
    server.listen(16)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for whoever answers
    # A shell that has started the tests in the background has had Ctrl-C ignored for all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    while True:
        caller = server.accept()[0]
        if os.fork() == 0:
            server.close()
            answer(caller)
        caller.close()


def answer(caller: socket.socket) -> None:
    """Run the caller's command, tell its number at once and its exit status at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked, files, _flags, _address = socket.recv_fds(caller, 1 << 20, 3)
    process = os.fork()
    if process == 0:
        caller.close()
        run(*json.loads(asked), files)
    caller.send(str(process).encode())
    caller.send(str(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])).encode())
    os._exit(0)


def run(arguments: list[str], folder: str, environment: dict[str, str], files: list[int]) -> None:
    """Be this very `athome`."""
    from dispatcher.cli import main  # noqa: PLC0415 - loaded long before

    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - end with us
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["athome", *arguments]
    status: object = 1
    try:
        main()
    except SystemExit as ended:
        status = ended.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(CLIENT.format(socket=sys.argv[1]))
    Path(sys.argv[2]).chmod(0o755)
    serve(sys.argv[1])
