"""Where the recordings are, and where the archives go: S3, or the file server."""

from __future__ import annotations

import re

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.chart import Chart
from dispatcher.health.doctor.fleet import Look
from dispatcher.health.doctor.unreachable import unreachable
from dispatcher.i18n import N_
from dispatcher.replies.measures import size
from dispatcher.replies.visible import visible

_PUBLISHING = ("audio.publishable", "audio.publish_failed", "audio.no_space", "audio.no_source")
_ERROR = re.compile(r"An error occurred \((\w+)\) when calling the \w+ operation")
_FULL = 0.05  # of a disk, below which recordings may soon be lost
# What S3 and its library say → what to do. The first that occurs counts.
_WAYS_OUT = {
    "NoSuchBucket": N_("O bucket não existe nesse S3: corrija o nome (e a região), ou crie-o."),
    "InvalidAccessKeyId": N_("As credenciais não são desse S3: confira credentials_file e profile."),
    "SignatureDoesNotMatch": N_("As credenciais não são desse S3: confira credentials_file e profile."),
    "Unable to locate credentials": N_(
        "Não há credenciais: indique credentials_file, ou dê-as à conta do serviço (~/.aws/credentials)."
    ),
    "could not be found": N_("O perfil não existe no arquivo de credenciais: corrija profile."),
    "RequestTimeTooSkewed": N_("O relógio desta máquina está errado: timedatectl set-ntp true"),
    "AccessDenied": N_(
        "A conta não pode: dê-lhe s3:ListBucket e s3:GetObject nas gravações, e s3:PutObject, s3:GetObject, "
        "s3:DeleteObject, s3:AbortMultipartUpload e s3:ListBucketMultipartUploads no bucket dos arquivos."
    ),
    "Forbidden": N_("A conta não pode, ou as credenciais são de outra: confira credentials_file e profile."),
    "endpoint URL": N_("O S3 não responde: confira endpoint, e a rede desta máquina."),
    "the link": N_("O link não abre desta máquina: confira endpoint (é ele que está no link) e a rede."),
    "no such folder": N_("A pasta não existe no servidor de arquivos: corrija audio_collection_layout.root."),
    "ermission denied": N_("A conta do Ansible não lê a pasta: corrija as permissões, ou ansible_user."),
}


def look(case: Case, chart: Chart) -> None:
    """Say what the run of doctor.yml found."""
    _ = case.words.gettext
    with chart.step("recordings"):
        order = list(case.inventory.read().variables)
        looks = sorted(
            case.fleet.seen().recordings, key=lambda look: (_publishing(look), order.index(look.host))
        )
    if not looks:
        chart.ok("recordings", _("Nenhum servidor tem gravações a reunir (audios_from)."))
    for look in looks:
        if look.result.code == "audio.readable":
            _readable(case, chart, look)
        elif look.result.code == "audio.publishable":
            where = look.result.data.get("where", "")
            chart.ok("publish", _("Arquivos prontos: {0} aceita, e o link abre.").format(where))
        elif look.result.code == "host.unreachable":
            unreachable(case, chart, look, _collector(case, look))
        else:
            _refused(case, chart, look)


def _collector(case: Case, look: Look) -> str:
    return str(case.inventory.read().variables[look.host].get("audios_from", ""))


def _readable(case: Case, chart: Chart, look: Look) -> None:
    _ = case.words.gettext
    data, place = look.result.data, look.result.data.get("root", "")
    where = f"{_collector(case, look)}:{place}" if "free" in data else place
    if data.get("empty"):
        chart.warning(
            look.host, _("Gravações de {0}: {1} está vazio.").format(look.host, where),
            _("Confira audio_collection_layout.root: talvez estejam em outro lugar."),
        )  # fmt: skip
    elif "free" in data and data["free"] < _FULL * data["size"]:
        chart.warning(
            look.host, _("Restam só {0} em {1}.").format(size(data["free"], case.language), where),
            _("Libere espaço nesse servidor: gravações novas podem não caber."),
        )  # fmt: skip
    else:
        chart.ok(look.host, _("Gravações de {0}: {1} pode ser lido.").format(look.host, where))


def _refused(case: Case, chart: Chart, look: Look) -> None:
    _ = case.words.gettext
    words = str(look.result.data.get("error") or look.words)
    missing = ", ".join(look.result.data.get("missing") or ())
    publishing = _publishing(look)
    if missing:
        said, way_out = _("Falta no inventário: {0}.").format(missing), _("Preencha: {0}").format(missing)
    else:
        said = visible(_ERROR.sub(r"\1", words))
        way_out = next((_(text) for sign, text in _WAYS_OUT.items() if sign in words), "") or _(
            "Confira audio_collection_source, audio_collection_publish e o lugar das gravações."
        )
    title = _("Arquivos prontos") if publishing else _("Gravações de {0}").format(look.host)
    place = look.result.data.get("where" if publishing else "root", "")
    said = f"{title}: {place}: {said}" if place and place not in said else f"{title}: {said}"
    chart.failing("publish" if publishing else look.host, said, way_out)


def _publishing(look: Look) -> bool:
    return look.result.code in _PUBLISHING
