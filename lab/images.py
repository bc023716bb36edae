"""The root file systems: built once with mmdebstrap, cached outside the checkout under a hash of their recipe."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import ImageError
from lab.mirror import debian_mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COMMON = (
    "openssh-server", "iproute2", "procps", "hostname", "rsyslog", "systemd", "systemd-sysv", "dbus", "logrotate",
    "ca-certificates", "tzdata",
)  # fmt: skip
# No manual pages, no half-written disk to fear: a failed build is thrown away as a whole.
DPKG = ("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/locale/*",
        "force-unsafe-io")  # fmt: skip
REPORT_EVERY = 10.0  # seconds between two progress lines
LOG_TAIL = 15  # lines shown of the log of a build that failed


@dataclass(frozen=True, kw_only=True)
class Image:
    """A recipe. What is written here decides the cache key: change it, and the image is built anew."""

    name: str
    suite: str
    packages: tuple[str, ...]
    dpkg: tuple[str, ...] = DPKG
    commands: tuple[str, ...] = ()  # run in the finished root by mmdebstrap, "$1" is its path

    @property
    def key(self) -> str:
        """Folder name in the cache: the name and a hash of the recipe."""
        return f"{self.name}-{hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:12]}"


# rsyslog must not read the outer machine's kernel log (imklog would drain it); nobody rotates or renews in a lab.
QUIET = (
    "sed -i '/imklog/d' \"$1/etc/rsyslog.conf\"",
    'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/resolv.conf"',
    'chroot "$1" systemctl mask -q systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer'
    " e2scrub_all.timer fstrim.timer dpkg-db-backup.timer getty@tty1.service console-getty.service",
)

IMAGES = {
    image.name: image
    for image in (
        Image(
            name="sip",
            suite="bookworm",
            packages=(*COMMON, "fail2ban", "nftables", "iptables", "python3", "python3-systemd", "python3-pyinotify",
                      "whois"),  # fmt: skip
            commands=QUIET,
        ),
        Image(
            name="mail",
            suite="bookworm",
            packages=(*COMMON, "python3", "dovecot-imapd", "dovecot-lmtpd", "postfix", "opendkim", "opendkim-tools",
                      "opendmarc", "dnsmasq"),  # fmt: skip
            commands=QUIET,
        ),
        # The fleet's old audio host. bullseye is the last Debian with Python 2.7.
        Image(
            name="py27",
            suite="bullseye",
            packages=(*COMMON, "python2.7", "zip", "p7zip-full"),
            commands=QUIET,
        ),
    )
}


def cache_folder() -> Path:
    """Where images are kept: $ATHOME_LAB_CACHE, else $XDG_CACHE_HOME/athome-lab, else ~/.cache/athome-lab."""
    if folder := os.environ.get("ATHOME_LAB_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "athome-lab"


def image_path(image: Image) -> Path:
    """Folder of the finished image, whether it exists or not."""
    return cache_folder() / "images" / image.key


def ensure(names: Iterable[str], say: Callable[[str], None]) -> None:
    """Build whichever of these images are missing, side by side; `say` gets lines of progress. Raises ImageError."""
    missing = [IMAGES[name] for name in sorted(set(names)) if not image_path(IMAGES[name]).is_dir()]
    if not missing:
        return
    say(f"images to build, once: {', '.join(i.name for i in missing)} (about 2 minutes; kept in {cache_folder()})")
    mirror = debian_mirror()
    with ThreadPoolExecutor(max_workers=2) as pool:
        for built in [pool.submit(build, image, mirror, say) for image in missing]:
            built.result()


def build(image: Image, mirror: str, say: Callable[[str], None]) -> None:
    """Build one image unless somebody else just did; the folder appears under its name when it is complete."""
    target = image_path(image)
    target.parent.mkdir(parents=True, exist_ok=True)
    log = cache_folder() / f"{image.key}.log"
    with _locked(target.with_suffix(".lock"), f"image {image.name}", say):
        if target.is_dir():
            return
        unfinished = target.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        started = time.monotonic()
        with log.open("wb") as out:
            process = subprocess.Popen(_mmdebstrap(image, unfinished, mirror), stdout=out, stderr=out)
            _watch(process, image, log, say)
        if process.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL:])
            raise ImageError(f"image {image.name} could not be built; the log {log} ends with:\n{tail}")
        unfinished.rename(target)
        say(f"image {image.name}: ready after {time.monotonic() - started:.0f} s")


def _mmdebstrap(image: Image, folder: Path, mirror: str) -> list[str]:
    return [
        "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--verbose",
        f"--include={','.join(image.packages)}",
        *(f"--dpkgopt={option}" for option in image.dpkg),
        *(f"--customize-hook={command}" for command in image.commands),
        image.suite, str(folder), mirror,
    ]  # fmt: skip


def _watch(process: subprocess.Popen[bytes], image: Image, log: Path, say: Callable[[str], None]) -> None:
    """Wait for the build; now and then say how far it is."""
    while True:
        try:
            process.wait(REPORT_EVERY)
        except subprocess.TimeoutExpired:
            say(f"image {image.name}: {progress(log.read_text(errors='replace'))}")
        except BaseException:
            process.terminate()
            process.wait()
            raise
        else:
            return


def progress(log: str) -> str:
    """How far a build is, read from its log: packages fetched, unpacked and set up, of how many."""
    total = sum(int(count) for count in re.findall(r"(\d+) newly installed", log))
    steps = (("Setting up", "set up"), ("Unpacking", "unpacked"), ("Get:", "fetched"))
    for text, word in steps:
        if (done := len(re.findall(rf"^{text}", log, re.MULTILINE))) and total:
            return f"{min(done, total)} of {total} packages {word}"
    return "reading the package lists"


@contextmanager
def _locked(path: Path, what: str, say: Callable[[str], None]) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{what}: another process is building it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
