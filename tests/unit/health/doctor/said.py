"""What Ansible would have said of a server, and what an area makes of it."""

from dispatcher.health.doctor.chart import Chart
from dispatcher.health.doctor.fleet import Look
from dispatcher.runs.report import HostResult

GROUPS = {
    "sip_servers": ("gv1p",), "checkip_servers": ("gv1p",), "macchange_servers": ("gv1p",),
    "audio_servers": ("audio",), "dispatchers": ("audio2",),
}  # fmt: skip
HOSTS = {name: {"ansible_host": "192.0.2.11", "audios_from": "audio"} for name in ("gv1p", "audio", "audio2")}


def found(look, made):
    """What an area notes of a case: the bad ones, else all."""
    chart = Chart("area")
    look(made, chart)
    return [one for one in chart.findings if one.status != "ok"] or chart.findings


def heard(code, words="", *, host="gv1p", during=(0.0, 0.0), of_recordings=False, notices=(), **data):
    """Return what one task said of a host: a code with its data."""
    outcome = "unreachable" if code == "host.unreachable" else "ok"
    result = HostResult(host=host, outcome=outcome, code=code, data=data, notices=tuple(notices))
    return Look(host, result, words, during, of_recordings)
