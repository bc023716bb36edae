"""Why SSH does not reach a server, by SSH's own words, and the line that helps."""

from __future__ import annotations

import re
import shlex
import subprocess

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.health.doctor.fleet import Look
from dispatcher.i18n import N_
from dispatcher.replies.visible import visible

_PATIENCE = 5  # seconds for ssh to read its configuration
# SSH's words → what is the matter, what to do, and a line to copy. The first that occurs counts.
_REASONS = {
    "IDENTIFICATION HAS CHANGED": (
        N_("a chave do servidor mudou"),
        N_("Se ele foi reinstalado, tire a chave velha e ponha a nova, conferida no console dele:"),
        "ssh-keygen -R {name} -f {known_hosts}",
    ),
    "Host key verification failed": (
        N_("a chave do servidor não está em known_hosts"),
        N_("Acrescente-a, e compare a impressão digital com a do próprio servidor:"),
        "ssh-keyscan{port} {address} >> {known_hosts}",
    ),
    "UNPROTECTED PRIVATE KEY": (
        N_("o SSH não usa a nossa chave, porque outras contas podem lê-la"),
        N_("Feche o arquivo da chave (runs.private_key_file), que deve ter o modo 0600."),
        "",
    ),
    "Permission denied": (
        N_("o servidor não aceita a nossa chave SSH"),
        N_("Ponha a chave pública do serviço em authorized_keys da conta {user} nesse servidor:"),
        "ssh-copy-id -i CHAVE.pub{port} {user}@{address}",
    ),
    "Connection refused": (
        N_("o servidor recusa a conexão SSH"),
        N_("Inicie o sshd nesse servidor, ou corrija ansible_port no inventário (agora {number})."),
        "",
    ),
    "Could not resolve": (
        N_("o nome não tem endereço"),
        N_("Corrija ansible_host no inventário (agora {address}), ou o DNS."),
        "",
    ),
    "timed out": (
        N_("não responde"),
        N_("Confira se está ligado, a rede, o firewall, e ansible_host no inventário (agora {address})."),
        "",
    ),
    "No route to host": (
        N_("não há caminho até ele na rede"),
        N_("Confira se está ligado, a rede, e ansible_host no inventário (agora {address})."),
        "",
    ),
}
_OTHERWISE = N_("Tente à mão, com a conta do serviço:"), "ssh{port} {user}@{address}"


def unreachable(case: Case, chart: Chart, look: Look, host: str) -> None:
    """Note it of the host that did not answer, once."""
    _ = case.words.gettext
    if any(finding.check == host and finding.status == "failing" for finding in chart.findings):
        return
    variables = case.inventory.read().variables.get(host, {})
    # As text: it may be a template, which nobody has filled in here.
    address, number = str(variables.get("ansible_host") or host), str(variables.get("ansible_port") or 22)
    values = {
        "address": address,
        "number": number,
        "port": f" -p {number}" if number != "22" else "",
        "name": address if number == "22" else f"'[{address}]:{number}'",
        "user": variables.get("ansible_user") or "root",
        "known_hosts": _known_hosts(case, str(variables.get("ansible_ssh_common_args") or ""), address),
    }
    known = next((entry for sign, entry in _REASONS.items() if sign in look.words), None)
    if known:
        reason, prose, line = known
        said = f"{host}: {_(reason)}."
    else:
        prose, line = _OTHERWISE
        said = _("{0}: sem acesso por SSH: {1}").format(host, visible(look.words))
    way_out = _(prose).format(**values) + (f"\n{line.format(**values)}" if line else "")
    chart.failing(host, said, way_out)


def _known_hosts(case: Case, options: str, address: str) -> str:
    """Return the file that SSH itself would take the server's key from."""
    config = case.settings.runs.ssh_config_file
    more = ["-F", str(config)] if config else []
    try:
        said = subprocess.run(
            ["ssh", *more, *shlex.split(options), "-G", address], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_PATIENCE, check=True,
        ).stdout  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return "~/.ssh/known_hosts"
    found = re.search(r"(?m)^userknownhostsfile (\S+)", said)
    return found[1] if found else "~/.ssh/known_hosts"
