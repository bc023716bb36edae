"""Which Debian mirror to build from: the one that this machine's apt is set up with."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterator

APT = Path("/etc/apt")
SUITES = re.compile(r"^(bullseye|bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$")


def debian_mirror(apt: Path = APT) -> str:
    """URI of the first source that offers a Debian suite's `main`; $ATHOME_LAB_MIRROR has the last word."""
    if mirror := os.environ.get("ATHOME_LAB_MIRROR"):
        return mirror
    for uri, suites, components in _sources(apt):
        if "main" in components and any(SUITES.match(suite) for suite in suites):
            return uri
    raise MachineError(
        f"no Debian mirror in {apt}/sources.list or sources.list.d/: on a machine that is not Debian, "
        "name one: ATHOME_LAB_MIRROR=<URI of a Debian mirror> python3 -m lab up"
    )


def _sources(apt: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """(URI, suites, components) of every binary source, deb822 and one-line format; see sources.list(5)."""
    for file in sorted((apt / "sources.list.d").glob("*.sources")):
        text = re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE)
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                key.lower(): value.split()
                for key, value in re.findall(r"^([\w-]+):((?:.*(?:\n[ \t].*)*))", stanza, re.MULTILINE)
            }
            if "deb" in fields.get("types", []) and "no" not in fields.get("enabled", []):
                for uri in fields.get("uris", []):
                    yield uri, fields.get("suites", []), fields.get("components", [])
    for file in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))):
        if file.is_file():
            for line in re.findall(r"^\s*deb\s+(?:\[[^\]]*\]\s*)?([^#\n]+)", file.read_text(), re.MULTILINE):
                uri, suite, *components = line.split()
                yield uri, [suite], components
