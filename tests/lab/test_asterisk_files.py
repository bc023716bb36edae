"""Asterisk's files on gv1p, gv2p, gv3p are such as people keep them by hand."""

import subprocess
from pathlib import Path

import pytest

from lab import host

ASTERISK = host.FILES / "arimonitor/etc/asterisk"


@pytest.mark.lab
@pytest.mark.parametrize("server", ["gv1p", "gv2p", "gv3p"])
@pytest.mark.parametrize("name", sorted(path.name for path in ASTERISK.iterdir()))
def test_asterisks_files_are_laid_byte_for_byte(server, name):
    """A server's copy of Asterisk's files has every byte that the checkout has."""
    copied = Path(f"/run/lab/hosts/{server}/root/etc/asterisk") / name
    assert copied.read_bytes() == (ASTERISK / name).read_bytes()


def test_asterisks_files_are_as_people_keep_them():
    """Both files are Latin-1 and no UTF-8, with CRLF in places and LF elsewhere."""
    for name, words in (("users.conf", "Manutenção"), ("macs.csv", "Recepção")):
        content = (ASTERISK / name).read_bytes()
        assert words.encode("latin-1") in content
        with pytest.raises(UnicodeDecodeError):
            content.decode("utf-8")
        ends = {line.endswith(b"\r\n") for line in content.splitlines(keepends=True)}
        assert {True, False} == ends


def test_the_files_in_the_checkout_keep_their_line_ends():
    """Git takes the files as bytes, whatever its settings on another machine."""
    paths = sorted(ASTERISK.iterdir())
    done = subprocess.run(
        ["git", "check-attr", "text", "--", *paths], cwd=ASTERISK, capture_output=True, text=True, check=True
    )
    assert ["unset"] * len(paths) == [line.rpartition(" ")[2] for line in done.stdout.splitlines()]
