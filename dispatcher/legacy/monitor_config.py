"""monitor_config.txt: how the predecessor reached its mailbox, and who might write to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dispatcher.i18n import N_
from dispatcher.legacy.keyvalue import Pair, Unreadable, pairs
from dispatcher.legacy.rows import Wrong

NAME = "monitor_config.txt"
KEYS = ("MODE", "EMAIL_SERVICE", "EMAIL_PASSWORD", "QUEUE_DIR", "WHITELIST")


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """The file. ``known``: the lines of our keys that count; ``unknown``: those of others."""

    known: dict[str, Pair]
    unknown: tuple[Pair, ...] = ()
    overridden: tuple[Pair, ...] = ()  # lines of a key that stands again further down
    wrong: tuple[Wrong, ...] = ()

    def value(self, key: str) -> str:
        """Return a key's value, empty when it has none."""
        pair = self.known.get(key)
        return pair.value if pair else ""

    @property
    def master(self) -> bool:
        """Whether this machine read the mailbox."""
        return self.value("MODE").lower() == "master"


def parse(text: str) -> MonitorConfig:
    """Return what the file says. A line that is wrong stands in ``wrong`` and stops no other."""
    known: dict[str, Pair] = {}
    unknown: list[Pair] = []
    overridden: list[Pair] = []
    wrong: list[Wrong] = []
    for one in pairs(text):
        if isinstance(one, Unreadable):
            wrong.append(Wrong(str(one.line), "—", N_("não é CHAVE=valor; corrija a linha ou apague-a")))
        elif one.key not in KEYS:
            unknown.append(one)
        else:
            if one.key in known:
                overridden.append(known[one.key])
            # A password may have a # in it.
            known[one.key] = replace(one, value=one.whole) if one.key == "EMAIL_PASSWORD" else one
    mode = known.get("MODE")
    if mode and mode.value.lower() not in ("master", "slave"):
        wrong.append(Wrong(str(mode.line), "MODE", N_("esperado: master ou slave; corrija a linha")))
    return MonitorConfig(known, tuple(unknown), tuple(overridden), tuple(wrong))
