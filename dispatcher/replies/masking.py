"""What a daemon says may quote a MAC: whoever may not know it reads only those of the own command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dispatcher.runs.report import HostResult

_MAC = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})(?![0-9a-f])",
    re.IGNORECASE,
)


def masked(host: HostResult) -> HostResult:
    """Return a server's result without the MACs, in errors of programs and daemons, that were not sent."""
    if "mac_before" not in host.data:
        return host
    sent = {host.data["mac_before"], host.data.get("mac_after")}
    notices = (notice.model_copy(update={"data": _without(notice.data, sent)}) for notice in host.notices)
    return host.model_copy(update={"data": _without(host.data, sent), "notices": tuple(notices)})


def _without(data: Mapping[str, Any], sent: set[str | None]) -> dict[str, Any]:
    def mask(found: re.Match[str]) -> str:
        return found[0] if re.sub("[:.-]", "", found[0]).lower() in sent else "(MAC)"

    return {**data, "error": _MAC.sub(mask, str(data["error"]))} if "error" in data else dict(data)
