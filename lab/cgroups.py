"""A control group for each host: without one of its own, units in a container fail with 219/CGROUP."""

from __future__ import annotations

import time
from pathlib import Path


def trees(mounts: Path = Path("/proc/self/mounts")) -> list[Path]:
    """List the hierarchies that systemd uses: cgroup2 wherever it is mounted, and v1's name=systemd."""
    found = []
    for line in mounts.read_text().splitlines():
        _source, place, kind, options, *_rest = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(place))
    return found


def enter(lab: str, member: str) -> None:
    """Move this process, and so what it starts from now on, into a group of the lab; made when missing."""
    for tree in trees():
        group = tree / f"athome-lab.{lab}" / member
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text("0")


def remove(lab: str, timeout: float = 5) -> None:
    """Remove every group of the lab. Its processes are dead; the kernel may need a moment to notice."""
    end = time.monotonic() + timeout
    for tree in trees():
        top = tree / f"athome-lab.{lab}"
        for group in sorted({top, *top.glob("**/")}, key=lambda path: -len(path.parts)):
            while group.is_dir() and not _removed(group):
                if time.monotonic() > end:
                    raise TimeoutError(f"{group} does not empty")
                time.sleep(0.02)


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # busy
        return False
    return True
