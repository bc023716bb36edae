"""AJUDA speaks of this fleet: every example can be sent as it stands."""

from datetime import datetime, timezone

import pytest

from dispatcher.commands.context import Context
from dispatcher.commands.help import Help
from dispatcher.commands.local import Desk
from dispatcher.commands.parser import available, parse
from dispatcher.inventory import Inventory
from dispatcher.replies.samples.commands import Line
from dispatcher.settings import Permissions

ELSEWHERE = Inventory(
    groups={"sip_servers": ("norte", "sul"), "checkip_servers": ("sul",), "macchange_servers": ("norte",)},
    variables={"norte": {"audios_from": "s3", "audio_collection_default_server": "sul"},
               "sul": {"audios_from": "s3"}},
)  # fmt: skip


def described(topic: str = "", **permissions: object) -> dict[str, dict]:
    """What AJUDA says of each command, by its keyword."""
    commands = available(ELSEWHERE)
    desk = Desk(
        whitelist=None, asker=None, commands=commands, queue=Line(()), language="pt_BR",
        context=Context((), ELSEWHERE, datetime.now(timezone.utc), commands),
        permissions=Permissions(**permissions),
    )  # fmt: skip
    said = Help(topic=topic).carry_out(desk, check=False)
    return {one["keyword"]: one for one in said.data["commands"]}


@pytest.mark.parametrize("keyword", available(ELSEWHERE))
def test_an_example_is_valid_on_this_very_fleet(keyword):
    """Its server is one of the command's own, and not one that is only in our documents."""
    one = described(keyword)[keyword]
    command = parse(one["example"], ELSEWHERE).command
    assert keyword == command.keyword
    if "server" in type(command).model_fields:
        assert command.server in one["servers"]
        assert set(one["servers"]) <= {"norte", "sul"}
    if one["preview"]:
        assert parse(f"{one['preview']} SIMULAR", ELSEWHERE).check


def test_a_field_that_may_be_left_out_says_what_it_then_means():
    """Only RAMAIS has a default, and only where the inventory names one."""
    assert {"RAMAIS": "sul"} == {word: one["default"] for word, one in described().items() if one["default"]}


def test_what_somebody_else_has_to_approve_says_so():
    """Before it is sent, and not only in its answer."""
    assert [] == [word for word, one in described().items() if one["approval"]]
    asked = described(approval=("MACCHANGE",))
    assert ["MACCHANGE"] == [word for word, one in asked.items() if one["approval"]]
