"""One host: its own files over a shared image, and the process that becomes its first."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import IO, TYPE_CHECKING

from lab import cgroups, images, keys, mail, network, topology

if TYPE_CHECKING:
    from collections.abc import Mapping

REBOOT = 133  # nspawn's exit status when the container asks to be started again
PLACE = Path("/run/lab/hosts")  # in the lab's own /run, so in memory
FILES = Path(__file__).parent / "files"
INIT = Path(__file__).parent / "host_init.sh"


@dataclass(frozen=True)
class Setup:
    """What every host of one lab has in common."""

    lab: str
    folder: Path  # the lab's, with keys and logs
    mode: str  # systemd or plain
    weed: Path  # the SeaweedFS program


def root_of(host: topology.Host) -> Path:
    """Return the host's root as seen from the lab's mount namespace."""
    return PLACE / host.name / "root"


def start(host: topology.Host, setup: Setup) -> subprocess.Popen[bytes]:
    """Start the first process of a prepared host; its console goes to logs/<host>.log."""
    with (setup.folder / "logs" / f"{host.name}.log").open("ab") as log:
        return _nspawn(host, setup, log) if setup.mode == "systemd" else _plain(host, log)


def prepare(host: topology.Host, setup: Setup) -> None:
    """Mount an overlay of the image and a folder in memory that holds the host's own files."""
    image = images.image_path(images.IMAGES[host.image])
    upper, work, root = (PLACE / host.name / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir(parents=True)
    values = mail.values(setup.folder) if host.name == "mail" else {}
    for layer in ("every-host", *(service.name for service in host.services), host.name):
        lay(FILES / layer, upper, values)
    _write_identity(host, setup, upper)
    _mask_absent_services(host, image, upper)
    layers = f"lowerdir={image},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", host.name, "-o", layers, root], check=True)
    if host.name == "mail":
        mail.write_private_files(setup.folder, root)
    if topology.WEED in host.services:
        _write_weed(setup, root)


def lay(source: Path, target: Path, values: Mapping[str, str]) -> None:
    """Copy a tree of configuration and programs; *.in is a string.Template to be filled with `values`."""
    for path in sorted(source.rglob("*")):
        to = target / path.relative_to(source)
        if path.is_symlink():
            to.parent.mkdir(parents=True, exist_ok=True)
            to.symlink_to(path.readlink())
        elif path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".in":
            to.with_suffix("").write_text(Template(path.read_text()).substitute(values))
        else:
            shutil.copyfile(path, to)
            if os.access(path, os.X_OK):
                to.chmod(0o755)


def _write_identity(host: topology.Host, setup: Setup, upper: Path) -> None:
    ssh, home = setup.folder / "ssh", upper / "root/.ssh"
    home.mkdir(mode=0o700, parents=True)
    (upper / "root").chmod(0o700)
    shutil.copyfile(ssh / "id_ed25519.pub", home / "authorized_keys")
    key = upper / "etc/ssh/ssh_host_ed25519_key"
    key.touch(mode=0o600)
    shutil.copyfile(ssh / f"host-{host.name}", key)
    (upper / "etc/hostname").write_text(f"{host.name}\n")
    (upper / "etc/hosts").write_text(network.hosts_file())
    # With an identity of its own systemd takes this for no first boot, and presets no units.
    (upper / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")


def _mask_absent_services(host: topology.Host, image: Path, upper: Path) -> None:
    """Keep systemd from starting what the image holds but this host does not run."""
    units = upper / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for service in {service for other in topology.HOSTS for service in other.services} - set(host.services):
        if (image / f"lib/systemd/system/{service.name}.service").exists():
            (units / f"{service.name}.service").symlink_to("/dev/null")


def _write_weed(setup: Setup, root: Path) -> None:
    program = root / "usr/local/bin/weed"
    program.touch()
    subprocess.run(["mount", "--bind", "-o", "ro", setup.weed, program], check=True)  # 150 MB need no copy
    access, secret = (
        (setup.folder / "secrets" / f"s3-{kind}-key").read_text() for kind in ("access", "secret")
    )
    keys.write_private(root / "etc/weed.env", f"AWS_ACCESS_KEY_ID={access}\nAWS_SECRET_ACCESS_KEY={secret}\n")


def _nspawn(host: topology.Host, setup: Setup, log: IO[bytes]) -> subprocess.Popen[bytes]:
    cgroups.enter(setup.lab, host.name)
    command = [
        "systemd-nspawn", "--quiet", "--boot", f"--directory={root_of(host)}", f"--machine={host.name}",
        "--register=no", "--keep-unit", f"--network-namespace-path=/run/netns/{host.name}",
        # nspawn withholds it next to a namespace path; nft would then fail while fail2ban says 'banned'
        "--capability=CAP_NET_ADMIN",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe",
    ]  # fmt: skip
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _plain(host: topology.Host, log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [
        "ip", "netns", "exec", host.name,
        "unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child",
        "sh", str(INIT), host.name, str(root_of(host)), *(service.name for service in host.services),
    ]  # fmt: skip
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}
    )
