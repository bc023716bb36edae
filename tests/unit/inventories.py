"""The fleet of the unit tests, as Ansible would have read it."""

from dispatcher.inventory import Inventory

FLEET = Inventory(
    groups={
        "checkip_servers": ("gv1p", "gv2p", "gv3p", "voip1"),
        "macchange_servers": ("gv1p", "gv2p", "gv3p"),
    },
    variables={},
)
