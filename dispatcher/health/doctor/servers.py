"""Each server by SSH: Python, fail2ban, the files of the MACs, arimonitor."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.health.doctor.fleet import Look
from dispatcher.health.doctor.unreachable import unreachable
from dispatcher.i18n import N_
from dispatcher.replies.sentences import sentence
from dispatcher.replies.visible import visible

# ansible-core → the oldest Python that its own modules still run on; before 2.17 also 2.7.
_OLDEST = {(2, 17): (3, 7), (2, 18): (3, 8), (2, 20): (3, 9)}
_WAYS_OUT = {
    "fail2ban.down": N_(
        "Inicie-o nesse servidor (systemctl start fail2ban); por que parou: journalctl -u fail2ban"
    ),
    "fail2ban.absent": N_("Instale o fail2ban nesse servidor, ou tire-o do grupo checkip_servers."),
    "fail2ban.unsupported": N_("Atualize o fail2ban nesse servidor para o 0.11.2 ou mais novo."),
    "mac_binding.file_error": N_(
        "Confira o arquivo no servidor; se ele fica em outro lugar, corrija mac_binding_files no inventário."
    ),
    "mac_binding.not_confirmed": N_(
        "Complete mac_binding_files no inventário (roles/mac_binding/README.md)."
    ),
    "mac_binding.verify_failed": N_(
        "Confira se o arimonitor está rodando nesse servidor, e mac_binding_verify no inventário."
    ),
    "mac_binding.managed": N_("Um painel gera esse arquivo: troque MACs nele, ou tire o servidor do grupo."),
    "mac_binding.locked": N_("Uma mudança está em andamento: repita daqui a um minuto."),
    "ansible.arguments": N_("Corrija essas variáveis no inventário; o README da role diz os valores."),
}
_OTHERWISE = N_("Veja o que o Ansible diz desse servidor:")


def look(case: Case, chart: Chart) -> None:
    """Say what the run of doctor.yml found, server by server."""
    with chart.step("inventory"):
        inventory = case.inventory.read()
    with chart.step("servers"):
        looks = case.fleet.seen().servers
    for host in inventory.variables:
        for look in looks:
            if look.host == host:
                _one(case, chart, look)
    _silent(case, chart, [host for host in inventory.variables if host not in {look.host for look in looks}])


def _one(case: Case, chart: Chart, look: Look) -> None:
    code = look.result.code
    if code == "host.unreachable":
        unreachable(case, chart, look, look.host)
    elif found := _WELL.get(code):
        found(case, chart, look)
    else:
        _wrong(case, chart, look)
    for notice in look.result.notices:
        if said := _NOTICES.get(notice.code):
            said(case, chart, look, notice.data)


def _wrong(case: Case, chart: Chart, look: Look) -> None:
    _ = case.words.gettext
    code = look.result.code
    if (
        "not found" in look.words and code == "ansible.task_failed"
    ):  # its interpreter, by the words of its shell
        chart.failing(
            look.host, _("{0}: o Python do inventário não existe no servidor.").format(look.host),
            _("Ponha o caminho certo em ansible_python_interpreter, em hosts.yml."),
        )  # fmt: skip
        return
    said = sentence(code, look.result.data, case.language)
    if code == "mac_binding.file_error":  # to whoever sent a command it says that nothing was changed
        data = look.result.data
        said = _("{0} não pode ser lido: {1}.").format(data.get("file"), data.get("error"))
    by_hand = f"{_(_OTHERWISE)}\n{case.fleet.by_hand()} --limit {look.host}"
    chart.failing(look.host, f"{look.host}: {said}", _(_WAYS_OUT[code]) if code in _WAYS_OUT else by_hand)


def _server(case: Case, chart: Chart, look: Look) -> None:
    _ = case.words.gettext
    python = str(look.result.data.get("python", ""))
    chart.ok(look.host, _("{0}: responde por SSH; Python {1}.").format(look.host, python))
    core = version("ansible-core")
    oldest = oldest_python(core)
    if oldest and python and _numbers(python) < oldest:
        chart.warning(
            look.host,
            _("{0}: o Python {1} é antigo demais para os módulos do ansible-core {2}.").format(
                look.host, python, core
            ),
            _("Os comandos daqui funcionam; outros playbooks, não. Atualize o Python quando puder."),
        )


def oldest_python(core: str) -> tuple[int, ...] | None:
    """Return the oldest Python that this ansible-core's own modules run on; None: any that we know."""
    known = [python for since, python in sorted(_OLDEST.items()) if _numbers(core) >= since]
    return known[-1] if known else None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())


def _fail2ban(case: Case, chart: Chart, look: Look) -> None:
    _ = case.words.gettext
    data = look.result.data
    jails = data.get("all_jails") or []
    said = _("{0}: fail2ban {1}").format(look.host, data.get("version", ""))
    if jails:
        chart.ok(look.host, f"{said}, jails {', '.join(map(str, jails))}.")
    else:
        chart.warning(
            look.host, _("{0}, sem nenhuma jail.").format(said),
            _("Ligue ao menos a jail do asterisk em jail.local: sem ela, ninguém é bloqueado."),
        )  # fmt: skip


def _macs(case: Case, chart: Chart, look: Look) -> None:
    _plural = case.words.ngettext
    count = look.result.data.get("extensions", 0)
    said = _plural("{0}: {1} ramal com MAC.", "{0}: {1} ramais com MAC.", count)
    chart.ok(look.host, said.format(look.host, count))


def _not_root(case: Case, chart: Chart, look: Look, data: dict[str, object]) -> None:
    _ = case.words.gettext
    said = _("{0}: o Ansible entra como {1}, e não como root.").format(look.host, data.get("account"))
    chart.warning(
        look.host, said,
        _("CHECKIP e MACCHANGE precisam de root: ansible_user: root, ou ansible_become: true."),
    )  # fmt: skip


def _untold(case: Case, chart: Chart, look: Look, data: dict[str, object]) -> None:
    _ = case.words.gettext
    chart.failing(
        look.host,
        _("{0}: o arimonitor não pode ser avisado: {1}.").format(
            look.host, visible(str(data.get("error", "")))
        ),
        _("Confira o arimonitor nesse servidor, e mac_binding_notify no inventário."),
    )


def _no_macs(case: Case, chart: Chart, look: Look, data: dict[str, object]) -> None:
    _ = case.words.gettext
    chart.warning(
        look.host, _("{0}: nenhum ramal tem MAC em {1}.").format(look.host, data.get("file")),
        _("Confira key ou pattern desse arquivo em mac_binding_files."),
    )  # fmt: skip


def _silent(case: Case, chart: Chart, hosts: list[str]) -> None:
    """Of a server that was to be looked at nothing was heard: the time was over before."""
    _ = case.words.gettext
    inventory = case.inventory.read()
    for host in hosts:
        if host not in inventory.groups.get("dispatchers", ()):
            chart.failing(
                host, _("{0}: não respondeu a tempo.").format(host),
                _("Confira se está ligado e na rede, e a sua carga."),
            )  # fmt: skip


_WELL: dict[str, Callable[[Case, Chart, Look], None]] = {
    "server.seen": _server,
    "fail2ban.not_banned": _fail2ban,
    "fail2ban.banned": _fail2ban,
    "mac_binding.readable": _macs,
}
_NOTICES: dict[str, Callable[[Case, Chart, Look, dict[str, object]], None]] = {
    "server.not_root": _not_root,
    "server.notify_missing": _untold,
    "mac_binding.no_macs": _no_macs,
}
