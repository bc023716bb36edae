"""SQLite's lock and log work on this machine's own disks: on a network's, two writers damage the file."""

from __future__ import annotations

from pathlib import Path

from dispatcher.errors import StoreError

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "glusterfs", "lustre", "beegfs",
    "gpfs", "orangefs", "pvfs2", "ocfs2", "gfs2",
    "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.davfs", "fuse.davfs2", "fuse.curlftpfs", "fuse.glusterfs",
    "fuse.ceph", "fuse.ceph-fuse", "fuse.gcsfuse", "fuse.blobfuse", "fuse.goofys", "fuse.juicefs",
}  # fmt: skip


def refuse_network(folder: Path) -> None:
    """Raise StoreError when the folder, which exists, lies on a network file system."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # no /proc: nobody can tell
        return
    kind = file_system(folder.resolve(), mounts)
    if kind in _NETWORK:
        raise StoreError(
            f"{folder} fica num sistema de arquivos de rede ({kind}), em que SQLite não é confiável.",
            "Indique em state_dir uma pasta do disco desta máquina, ou use PostgreSQL em database.url.",
        )


def file_system(path: Path, mounts: str) -> str | None:
    """Return the type of the file system that a path lies on, by /proc/self/mountinfo (proc(5))."""
    found, longest = None, -1
    for line in mounts.splitlines():
        fields, _dash, rest = line.partition(" - ")
        point = Path(fields.split(" ")[4].encode().decode("unicode_escape"))
        # Of two mounts on one place the later one is seen.
        if (point == path or point in path.parents) and len(point.parts) >= longest:
            found, longest = rest.split(" ")[0], len(point.parts)
    return found
