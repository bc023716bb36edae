"""Ansible's events become one result for each host, and one report of the run."""

import pytest

from dispatcher.runs.events import host_result, progress
from dispatcher.runs.report import Diff, HostResult, Notice, Progress, from_results


def event(kind: str, **data: object) -> dict:
    return {
        "event": kind,
        "event_data": {"host": "gv1p", "task": "Let the address in", "duration": 0.5, **data},
    }


MODULE = {
    "changed": True,
    "outcome": "changed",
    "code": "fail2ban.unbanned",
    "data": {"address": "203.0.113.7", "jails": ["sshd"]},
    "notices": [{"code": "fail2ban.subnet_ban", "data": {"network": "203.0.113.0/24", "jail": "recidive"}}],
    "diff": [{"before_header": "a", "after_header": "b", "before": "1\n", "after": "2\n"}],
    "undo": {"state": "absent"},
}


def test_a_modules_result_is_taken_as_it_is():
    """Code, data, notices, diff and undo of a module arrive in the report."""
    assert HostResult(
        host="gv1p",
        outcome="changed",
        code="fail2ban.unbanned",
        data={"address": "203.0.113.7", "jails": ["sshd"]},
        notices=(Notice(code="fail2ban.subnet_ban", data={"network": "203.0.113.0/24", "jail": "recidive"}),),
        diff=(Diff(before_header="a", after_header="b", before="1\n", after="2\n"),),
        undo={"state": "absent"},
        seconds=0.5,
    ) == host_result(event("runner_on_ok", res=MODULE))


def test_a_modules_failure_keeps_its_own_code():
    """A module that fails says why itself."""
    result = host_result(
        event("runner_on_failed", res={"outcome": "failed", "code": "fail2ban.down", "failed": True})
    )
    assert ("failed", "fail2ban.down") == (result.outcome, result.code)


def test_a_failure_without_a_reason_has_the_modules_own_words():
    """Nobody is told "not given" while the module did say what went wrong."""
    res = {"outcome": "failed", "code": "fail2ban.error", "data": {}, "msg": "no space left", "failed": True}
    assert {"error": "no space left"} == host_result(event("runner_on_failed", res=res)).data


@pytest.mark.parametrize(
    ("given", "outcome", "code"),
    [
        (
            event("runner_on_unreachable", res={"msg": "Connection timed out"}),
            "unreachable",
            "host.unreachable",
        ),
        (event("runner_on_failed", res={"msg": "no python"}), "failed", "ansible.task_failed"),
        (
            event(
                "runner_on_failed",
                task_action="ansible.builtin.validate_argument_spec",
                res={"argument_errors": ["missing required arguments: x"]},
            ),
            "failed",
            "ansible.arguments",
        ),
    ],
)
def test_what_ends_before_the_module_has_a_code(given, outcome, code):
    """A host that could not be worked on is in the report with its reason."""
    result = host_result(given)
    assert (outcome, code) == (result.outcome, result.code)


@pytest.mark.parametrize(
    "given",
    [
        event("runner_on_ok", res={"msg": "Hello"}),
        event("runner_on_failed", ignore_errors=True, res={"msg": "never mind"}),
        event("runner_on_start"),
        {"event": "playbook_on_stats", "event_data": {}},
        {"event": "verbose"},
    ],
)
def test_what_is_not_final_is_no_result(given):
    """Tasks beside the command's own say nothing about the host's outcome."""
    assert host_result(given) is None


HALF = {"files": 6, "of": 12, "bytes": 600, "of_bytes": 1200}


@pytest.mark.parametrize("kind", ["runner_on_ok", "runner_retry"])
def test_how_far_the_work_is_comes_from_the_plan_and_from_each_retry(kind):
    """Both say files and bytes, and neither is a result."""
    given = event(kind, res={"progress": HALF, "attempts": 3, "msg": "building"})
    assert Progress(files=6, of=12, bytes=600, of_bytes=1200) == progress(given)
    assert host_result(given) is None


@pytest.mark.parametrize(
    "given",
    [
        event("runner_on_ok", res=MODULE),
        event("runner_on_ok"),
        event("runner_on_failed", res={"progress": HALF}),
        event("runner_retry", res={"progress": {"files": "many"}}),
        event("runner_retry", res={"progress": "half"}),
        event("runner_retry", res={}),
        {"event": "verbose"},
    ],
)
def test_an_event_that_says_nothing_of_progress_has_none(given):
    """What another task returns, or something half written, stops nothing."""
    assert progress(given) is None


def results(**outcomes: str) -> dict[str, HostResult]:
    return {host: HostResult(host=host, outcome=outcome, code="x.y") for host, outcome in outcomes.items()}


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ({"gv1p": "changed", "gv2p": "ok"}, "successful"),
        ({"gv1p": "changed", "gv2p": "unreachable"}, "partial"),
        ({"gv1p": "ok", "gv2p": "failed"}, "partial"),
        ({"gv1p": "failed", "gv2p": "unreachable"}, "failed"),
        ({"gv1p": "ok"}, "partial"),
        ({}, "failed"),
    ],
)
def test_the_status_counts_the_servers_that_did(outcomes, status):
    """All, some or none: successful, partial, failed; a server without a result has not done it."""
    report = from_results("failed", results(**outcomes), ["gv1p", "gv2p"], check=False, seconds=1.0)
    assert status == report.status
    assert ["gv1p", "gv2p"] == [host.host for host in report.hosts]


@pytest.mark.parametrize("status", ["timeout", "canceled"])
def test_a_run_that_was_ended_keeps_what_was_done(status):
    """Servers that were finished keep their result, the others say why there is none."""
    report = from_results(status, results(gv1p="changed"), ["gv1p", "gv2p"], check=False, seconds=1.0)
    assert status == report.status
    assert ["x.y", f"run.{status}"] == [host.code for host in report.hosts]
