"""An error or a file's name may have a MAC in it: not everybody may read one that was not sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dispatcher.runs.report import HostResult

_MAC = re.compile(
    r"(?<![0-9a-f])(?<!\dT)"  # 20260131T120000000000-0a1b is a transaction
    r"(?:[0-9a-f]{2}([:. -]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|[0-9a-f]{4}([:. -])[0-9a-f]{4}\2[0-9a-f]{4})"
    r"(?![0-9a-f])",
    re.IGNORECASE,
)


def masked(host: HostResult) -> HostResult:
    """Return a server's result without the MACs that were not sent, wherever they stand."""
    if "mac_before" not in host.data:
        return host
    sent = {host.data["mac_before"], host.data.get("mac_after")}
    notices = (notice.model_copy(update={"data": _without(notice.data, sent)}) for notice in host.notices)
    return host.model_copy(update={"data": _without(host.data, sent), "notices": tuple(notices)})


def _without(value: Any, sent: set[str | None]) -> Any:
    def mask(found: re.Match[str]) -> str:
        return found[0] if re.sub("[:. -]", "", found[0]).lower() in sent else "(MAC)"

    if isinstance(value, Mapping):
        return {name: _without(item, sent) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without(item, sent) for item in value]
    return _MAC.sub(mask, value) if isinstance(value, str) else value
