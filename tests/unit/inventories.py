"""The fleet of the unit tests, as Ansible would have read it."""

from dispatcher.inventory import Inventory

FLEET = Inventory(
    groups={
        "sip_servers": ("gv1p", "gv2p", "gv3p", "voip1", "voip3"),
        "checkip_servers": ("gv1p", "gv2p", "gv3p", "voip1"),
        "macchange_servers": ("gv1p", "gv2p", "gv3p"),
    },
    variables={
        "gv1p": {"audios_from": "audio"},
        "gv2p": {"audios_from": "audio"},
        "gv3p": {},
        "voip1": {"audios_from": "s3"},
        "voip3": {"audios_from": "s3"},
    },
)
