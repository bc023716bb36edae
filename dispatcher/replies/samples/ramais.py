"""What RAMAIS is answered: on the way, ready, previewed, incomplete, nothing there, too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dispatcher.jobs.job import Job
from dispatcher.replies.compose import Reply
from dispatcher.replies.samples.studio import Sample, Studio, ordered, running
from dispatcher.runs.report import HostResult, Notice, Progress, Report

LINK = (
    "https://s3.example.com/audios/audios_voip3_202511010000_202511052359_7e57c0de7e57c0de7e57c0de7e57c0de.zip"
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=7E57C0DE%2F20261123%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20261123T140512Z&X-Amz-Expires=259200&X-Amz-SignedHeaders=host&X-Amz-Signature="
    + "7e57c0de"
    * 8
)
PERIOD: dict[str, Any] = {"extensions": ["1121", "1122", "1130"], "server": "voip3"} | {
    "start": "2025-11-01 00:00", "end": "2025-11-05 23:59",
}  # fmt: skip
_PER_EXTENSION = [
    {"extension": "1121", "files": 58, "bytes": 39_400_000, "seconds": 14_820, "days": [
        {"day": f"2025-11-0{day}", "files": files} for day, files in ((1, 3), (3, 27), (4, 21), (5, 7))
    ]},
    {"extension": "1122", "files": 23, "bytes": 17_900_000, "seconds": None, "days": [
        {"day": "2025-11-04", "files": 23}
    ]},
    {"extension": "1130", "files": 0, "bytes": 0, "seconds": None, "days": []},
]  # fmt: skip
PLANNED = PERIOD | {
    "files": 81, "bytes": 57_300_000, "per_extension": _PER_EXTENSION, "unparsed": 0,
    "source": "s3", "scanned": 2140, "folders_missing": 0, "missing": [], "missing_count": 0,
}  # fmt: skip
COLLECTED = PLANNED | {
    "link": LINK, "expires": 1795701912, "name": "audios_voip3_202511010000_202511052359_7e57c0de.zip",
    "size": 57_312_345, "sha256": "7e57c0de" * 8,
}  # fmt: skip
_LOST = [
    {"name": f"out-5511912345678-1121-2025110{number % 5 + 1}-10{number:02}00-17620{number:05}.{number}.wav",
     "why": why}
    for number, why in enumerate(["archived", "missing", "unreadable", "changed", "empty"] * 5)
]  # fmt: skip
_QUEUES = Notice(code="audio.queues")


def ramais_job(*, language: str = "pt_BR", check: bool = False) -> Job:
    """Return Ana's job."""
    subject = "RAMAIS=1121,1122,1130 SERVER=voip3 INICIO=01/11/2025 FIM=05/11/2025"
    return running(replace(ordered(subject, language), check=check))


def ramais_result(
    studio: Studio, outcome: str, code: str, data: dict[str, Any], *notices: Notice, check: bool = False
) -> Reply:
    """Return the answer to a collection from voip3."""
    made = HostResult.model_validate(
        {"host": "voip3", "outcome": outcome, "code": f"audio.{code}", "data": data, "notices": notices}
    )
    status = "failed" if outcome == "failed" else "successful"
    report = Report(status=status, check=check, hosts=(made,), seconds=37.2)
    return studio.composer.result(ramais_job(language=studio.language, check=check), report)


def _preview(studio: Studio) -> Reply:
    data = PLANNED | {"missing": _LOST[:1], "missing_count": 1}
    missing = Notice(code="audio.missing", data={"count": 1})
    return ramais_result(studio, "changed", "would_collect", data, missing, _QUEUES, check=True)


def _incomplete(studio: Studio) -> Reply:
    missing = Notice(code="audio.missing", data={"count": 31})
    data = COLLECTED | {"missing": _LOST, "missing_count": 31}
    clock = Notice(code="audio.clock", data={"count": 2})
    return ramais_result(studio, "changed", "collected", data, missing, clock)


def _many(studio: Studio) -> Reply:
    days = [{"day": f"2025-11-{day:02}", "files": day} for day in range(1, 31)]
    rows = [
        {"extension": f"{1100 + n}", "files": 465, "bytes": 91_000_000, "seconds": 86_400, "days": days}
        for n in range(100)
    ]
    return ramais_result(studio, "ok", "reused", COLLECTED | {"per_extension": rows, "files": 46_500})


def _nothing(studio: Studio) -> Reply:
    nearest = {"before": "2025-10-31 18:22", "after": None}
    data = PERIOD | {"scanned": 2140, "nearest": nearest, "folders_missing": 1}
    return ramais_result(studio, "ok", "nothing_found", data, _QUEUES)


def _too_much(studio: Studio) -> Reply:
    limits = {"what": "bytes", "count": 12_400_000_000, "limit": 10_737_418_240}
    data = PERIOD | limits | {"fits": "2025-11-01 00:00 – 2025-11-04 11:29"}
    return ramais_result(studio, "failed", "too_much", data)


def _collecting(studio: Studio) -> Reply:
    progress = Progress(files=12, of=812, bytes=6_100_000, of_bytes=410_000_000)
    return studio.composer.collecting(ramais_job(language=studio.language), progress)


SAMPLES: Mapping[str, Sample] = {
    "collecting": _collecting,
    "ramais": lambda studio: ramais_result(studio, "changed", "collected", COLLECTED),
    "ramais-queues": lambda studio: ramais_result(studio, "changed", "collected", COLLECTED, _QUEUES),
    "ramais-preview": _preview,
    "ramais-incomplete": _incomplete,
    "ramais-many": _many,
    "ramais-nothing": _nothing,
    "ramais-too-much": _too_much,
}
