"""A case without any fleet: what the inventory and Ansible say is given by the test."""

from types import SimpleNamespace

import pytest

from dispatcher.health.doctor.case import Case
from dispatcher.health.doctor.fleet import Seen
from dispatcher.inventory import Inventory
from dispatcher.settings import Settings


@pytest.fixture
def case(tmp_path):
    """Return a maker of cases: settings by section, groups, the hosts' variables, and what the run said."""

    def make(*, language="pt_BR", groups=None, hosts=None, seen=None, **settings):
        inventory = Inventory(groups or {}, hosts or {})
        path = tmp_path / "settings.yml"
        path.touch(mode=0o600)
        return Case(
            path,
            Settings.model_validate({"state_dir": str(tmp_path), **settings}, context={"folder": tmp_path}),
            language,
            SimpleNamespace(read=lambda: inventory),
            SimpleNamespace(seen=lambda: seen or Seen(), by_hand=lambda: "ansible-playbook …"),
        )

    return make
