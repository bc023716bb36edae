"""The root file systems: built once with mmdebstrap, kept outside the checkout by a hash of their recipe."""

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

COMMON = "openssh-server iproute2 procps hostname rsyslog systemd systemd-sysv dbus ca-certificates tzdata"
FAIL2BAN = "fail2ban nftables iptables python3 python3-systemd python3-pyinotify whois"
MAIL = "python3 dovecot-imapd dovecot-lmtpd postfix opendkim opendkim-tools opendmarc dnsmasq"
# No manuals; and no half-written disk to fear, as a failed build is thrown away as a whole.
SHARE = "path-exclude=/usr/share"
DPKG = f"{SHARE}/man/* {SHARE}/doc/* {SHARE}/locale/* force-unsafe-io"
# rsyslog must not read (and so drain) the outer machine's kernel log; nobody renews packages in a lab.
QUIET = r"""
set -e
sed -i /imklog/d "$1/etc/rsyslog.conf"
rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/resolv.conf"
chroot "$1" systemctl mask -q systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer \
    e2scrub_all.timer fstrim.timer dpkg-db-backup.timer getty@tty1.service console-getty.service
"""
REPORT_EVERY = 10.0  # seconds between two progress lines
LOG_TAIL = 15  # lines shown of the log of a build that failed


@dataclass(frozen=True, kw_only=True)
class Image:
    """A recipe. What is written here decides the cache key: change it, and the image is built anew."""

    name: str
    suite: str
    packages: str  # Debian packages, separated by spaces
    dpkg: str = DPKG  # options of dpkg, likewise
    finish: str = QUIET  # shell commands run by mmdebstrap on the finished root, "$1"

    @property
    def key(self) -> str:
        """Folder name in the cache: the name and a hash of the recipe."""
        return f"{self.name}-{hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:12]}"


IMAGES = {
    image.name: image
    for image in (
        # Also of audio2, on which the dispatcher is installed: hence python3-venv.
        Image(name="sip", suite="bookworm", packages=f"{COMMON} {FAIL2BAN} python3-venv"),
        Image(name="mail", suite="bookworm", packages=f"{COMMON} {MAIL}"),
        # The fleet's old audio host. bullseye is the last Debian with Python 2.7.
        Image(name="py27", suite="bullseye", packages=f"{COMMON} python2.7 zip p7zip-full"),
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


def ensure(wanted: Iterable[str], say: Callable[[str], None]) -> None:
    """Build those of these images that are missing, side by side; `say` gets the progress.

    Raises ImageError.
    """
    missing = [IMAGES[name] for name in sorted(set(wanted)) if not image_path(IMAGES[name]).is_dir()]
    if not missing:
        return
    names = ", ".join(image.name for image in missing)
    say(f"images to build, once: {names}; one to three minutes; kept in {cache_folder()}")
    mirror = debian_mirror()
    with ThreadPoolExecutor(max_workers=2) as pool:
        for built in [pool.submit(build, image, mirror, say) for image in missing]:
            built.result()


def build(image: Image, mirror: str, say: Callable[[str], None]) -> None:
    """Build one image unless somebody else just did; the folder gets its name when it is complete."""
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
        f"--include={','.join(image.packages.split())}",
        *(f"--dpkgopt={option}" for option in image.dpkg.split()),
        f"--customize-hook={image.finish}",
        image.suite, str(folder), mirror,
    ]  # fmt: skip


def _watch(process: subprocess.Popen[bytes], image: Image, log: Path, say: Callable[[str], None]) -> None:
    """Wait for the build; now and then say how far it is."""
    try:
        while _still_runs(process):
            say(f"image {image.name}: {progress(log.read_text(errors='replace'))}")
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _still_runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(REPORT_EVERY)
    except subprocess.TimeoutExpired:
        return True
    return False


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
