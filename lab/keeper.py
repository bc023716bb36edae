"""The process outside the lab: starts the supervisor in new namespaces, and cleans up after its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab import state
from lab.supervisor import FAILED

CHECKOUT = Path(__file__).resolve().parent.parent
NAMESPACES = (
    "--mount",
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
)


def main(name: str, mode: str, weed: str, ttl: int) -> None:
    """Run the lab of this name from its prepared folder until it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = state.folder_of(name)
    log = folder / "logs/supervisor.log"
    supervisor = [sys.executable, "-m", "lab.supervisor", str(folder), name, mode, weed, str(ttl)]
    with log.open("wb") as output:
        process = subprocess.Popen(["unshare", *NAMESPACES, *supervisor], cwd=CHECKOUT, stderr=output)
    try:
        if child := _only_child(process):
            state.write(
                folder, state.Running(name, mode, time.time() + ttl, state.Process.of(os.getpid()), child)
            )
            child.end(None, timeout=None)
        process.wait()
        if problem := log.read_text(errors="replace").strip():
            print(f"{FAILED}{problem}", flush=True)
    finally:
        process.kill()  # unshare takes the supervisor with it
        process.wait()
        state.remove(name)


def _only_child(process: subprocess.Popen[bytes]) -> state.Process | None:
    """Find the process that unshare forks into the new PID namespace; None when it ended before."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        if found := children.read_text().split():
            return state.Process.of(int(found[0]))
        time.sleep(0.005)
    return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
