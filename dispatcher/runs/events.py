"""Ansible's events → one result for each host, and how far the work is.

A command's module returns its result in the one fixed shape (``outcome``, ``code``, ``data``, …); the last
such result of a host is the host's. What ends before the module could speak gets a code here. A step that
has no outcome yet may have ``progress``: what is to be done, and each time it is asked again, what is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from dispatcher.runs.report import Diff, HostResult, Notice, Progress

_SHOWN = 500  # characters of Ansible's own words that are kept


def host_result(event: Mapping[str, Any]) -> HostResult | None:
    """Return what an event says about its host; None when it says nothing final.

    ``event`` is Ansible Runner's dictionary (``event``, ``event_data`` with ``host``, ``res``, ``task``).
    """
    data = event.get("event_data", {})
    result = data.get("res") or {}
    kind, host, seconds = event.get("event"), data.get("host"), float(data.get("duration") or 0)
    if kind == "runner_on_unreachable":
        return _failed(host, "host.unreachable", {"msg": _words(result)}, seconds, outcome="unreachable")
    if kind not in ("runner_on_ok", "runner_on_failed") or data.get("ignore_errors"):
        return None
    if "outcome" in result and "code" in result:
        return _from_module(host, result, seconds)
    if kind == "runner_on_ok":
        return None
    if str(data.get("task_action", "")).endswith("validate_argument_spec"):
        errors = [str(error)[:_SHOWN] for error in result.get("argument_errors", [])]
        return _failed(host, "ansible.arguments", {"errors": errors}, seconds)
    return _failed(
        host, "ansible.task_failed", {"task": data.get("task", ""), "msg": _words(result)}, seconds
    )


def progress(event: Mapping[str, Any]) -> Progress | None:
    """Return how far the work is; None when an event does not say."""
    said = (event.get("event_data", {}).get("res") or {}).get("progress")
    if event.get("event") not in ("runner_on_ok", "runner_retry") or not said:
        return None
    try:
        return Progress.model_validate(said)
    except ValidationError:  # the work goes on all the same
        return None


def _from_module(host: str, result: Mapping[str, Any], seconds: float) -> HostResult:
    diff = result.get("diff") or []
    return HostResult(
        host=host,
        outcome=result["outcome"],
        code=result["code"],
        data=_data(result),
        notices=tuple(Notice(**notice) for notice in result.get("notices") or ()),
        diff=tuple(Diff(**part) for part in ([diff] if isinstance(diff, dict) else diff)),
        undo=result.get("undo"),
        seconds=seconds,
    )


def _data(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result's data; a failure without a reason in it gets the module's own words."""
    data = dict(result.get("data") or {})
    if result["outcome"] == "failed" and not data.get("error") and _words(result):
        data["error"] = _words(result)
    return data


def _failed(
    host: str, code: str, data: dict[str, Any], seconds: float, outcome: str = "failed"
) -> HostResult:
    return HostResult(host=host, outcome=outcome, code=code, data=data, seconds=seconds)


def _words(result: Mapping[str, Any]) -> str:
    return str(result.get("msg") or result.get("module_stderr") or "").strip()[:_SHOWN]
