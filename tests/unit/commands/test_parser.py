"""A subject is either a valid command or every problem at once with a valid subject to copy."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.commands import COMMANDS, InvalidCommand
from dispatcher.commands.parser import MAX_LENGTH, Request
from dispatcher.commands.parser import parse as parse_for
from dispatcher.errors import InventoryError
from dispatcher.inventory import Inventory
from tests.unit.inventories import FLEET


def parse(subject: str) -> Request:
    return parse_for(subject, FLEET)


def refusal(subject: str) -> InvalidCommand:
    with pytest.raises(InvalidCommand) as caught:
        parse(subject)
    return caught.value


@pytest.mark.parametrize(
    ("subject", "canonical", "check"),
    [
        ("CHECKIP=3.3.3.3", "CHECKIP=3.3.3.3", False),
        ("  checkip = 3.3.3.3  ", "CHECKIP=3.3.3.3", False),
        ("CHECKIP=2001:DB8:0:0::5", "CHECKIP=2001:db8::5", False),
        ("CHECKIP=::ffff:3.3.3.3", "CHECKIP=3.3.3.3", False),
        ("CHECKIP=10.1.2.3", "CHECKIP=10.1.2.3", False),
        ("CHECKIP=3.3.3.3 SIMULAR", "CHECKIP=3.3.3.3", True),
        ("CHECKIP=3.3.3.3 check", "CHECKIP=3.3.3.3", True),
    ],
)
def test_a_valid_subject_has_one_canonical_form(subject, canonical, check):
    """However a valid command is written, it becomes the same canonical subject."""
    request = parse(subject)
    assert (canonical, check) == (request.command.subject(), request.check)


@pytest.mark.parametrize(
    ("subject", "field", "code", "corrected"),
    [
        ("", "", "subject.empty", "CHECKIP=203.0.113.7"),
        ("   ", "", "subject.empty", "CHECKIP=203.0.113.7"),
        ("SALVE", "", "command.unknown", "CHECKIP=203.0.113.7"),
        ("CHEKIP=3.3.3.3", "", "command.unknown", "CHECKIP=3.3.3.3"),
        ("CHEKIP 3.3.3.3", "", "command.unknown", "CHECKIP=3.3.3.3"),
        ("CHECKIP:3.3.3.3", "CHECKIP", "field.missing", "CHECKIP=3.3.3.3"),
        ("CHECKIP", "CHECKIP", "field.missing", "CHECKIP=203.0.113.7"),
        ("CHECKIP 3.3.3.3", "CHECKIP", "field.missing", "CHECKIP=3.3.3.3"),
        ("CHECKIP=", "CHECKIP", "field.empty", "CHECKIP=203.0.113.7"),
        ("CHECKIP=3.3.3", "CHECKIP", "address.invalid", "CHECKIP=203.0.113.7"),
        ("CHECKIP=3.3.3.3.3", "CHECKIP", "address.invalid", "CHECKIP=203.0.113.7"),
        ("CHECKIP=003.3.3.3", "CHECKIP", "address.invalid", "CHECKIP=3.3.3.3"),
        ("CHECKIP=3,3,3,3", "CHECKIP", "address.invalid", "CHECKIP=3.3.3.3"),
        ("CHECKIP=3.3.3.3:5060", "CHECKIP", "address.invalid", "CHECKIP=3.3.3.3"),
        ("CHECKIP=<3.3.3.3>", "CHECKIP", "address.invalid", "CHECKIP=3.3.3.3"),
        ("CHECKIP=https://3.3.3.3/", "CHECKIP", "address.invalid", "CHECKIP=3.3.3.3"),
        ("CHECKIP=ip [2001:db8::5]", "CHECKIP", "address.invalid", "CHECKIP=2001:db8::5"),
        ("CHECKIP=de 3.3.3.3 a 3.3.3.5", "CHECKIP", "address.invalid", "CHECKIP=203.0.113.7"),
        ("CHECKIP=3.3.3.3 obrigado", "CHECKIP", "field.extra_text", "CHECKIP=3.3.3.3"),
        ("CHECKIP=gv1p", "CHECKIP", "address.name", "CHECKIP=203.0.113.7"),
        ("CHECKIP=gv1p.example.com", "CHECKIP", "address.name", "CHECKIP=203.0.113.7"),
        ("CHECKIP=3.3.3.0/24", "CHECKIP", "address.network", "CHECKIP=203.0.113.7"),
        ("CHECKIP=3.3.3.3/24", "CHECKIP", "address.network", "CHECKIP=3.3.3.3"),
        ("CHECKIP=3.3.3.3/32", "CHECKIP", "address.network", "CHECKIP=3.3.3.3"),
        ("CHECKIP=127.0.0.1", "CHECKIP", "address.loopback", "CHECKIP=203.0.113.7"),
        ("CHECKIP=::1", "CHECKIP", "address.loopback", "CHECKIP=203.0.113.7"),
        ("CHECKIP=::ffff:127.0.0.1", "CHECKIP", "address.loopback", "CHECKIP=203.0.113.7"),
        ("CHECKIP=0.0.0.0", "CHECKIP", "address.unspecified", "CHECKIP=203.0.113.7"),
        ("CHECKIP=224.0.0.1", "CHECKIP", "address.multicast", "CHECKIP=203.0.113.7"),
        ("CHECKIP=169.254.1.1", "CHECKIP", "address.link_local", "CHECKIP=203.0.113.7"),
        ("CHECKIP=fe80::1%eth0", "CHECKIP", "address.link_local", "CHECKIP=203.0.113.7"),
        ("CHECKIP=255.255.255.255", "CHECKIP", "address.reserved", "CHECKIP=203.0.113.7"),
        ("CHECKIP=３.3.3.3", "", "subject.not_ascii", "CHECKIP=3.3.3.3"),
        ("“CHECKIP=3.3.3.3”", "", "subject.not_ascii", "CHECKIP=3.3.3.3"),
        ("CHECKIP=3.3.3.3…", "", "subject.not_ascii", "CHECKIP=3.3.3.3"),
        ("СHECKIP=3.3.3.3", "", "subject.not_ascii", "CHECKIP=203.0.113.7"),  # a Cyrillic С
        ("CHECKIP=3.3.3.3\u200b", "", "subject.not_ascii", "CHECKIP=3.3.3.3"),
        ("CHECKIP=3.3\x00.3.3", "", "subject.control", "CHECKIP=203.0.113.7"),
        ("CHECKIP={{ 7*7 }}", "", "subject.template", "CHECKIP=203.0.113.7"),
        ("CHECKIP={{lookup('pipe','id')}}", "", "subject.template", "CHECKIP=203.0.113.7"),
        ("CHECKIP=3.3.3.3 {% raw %}", "", "subject.template", "CHECKIP=203.0.113.7"),
        ("CHECKIP=" + "3" * MAX_LENGTH, "", "subject.too_long", "CHECKIP=203.0.113.7"),
    ],
)
def test_a_bad_subject_names_field_and_reason_and_a_subject_to_copy(subject, field, code, corrected):
    """Each bad input is refused by its own code, and the corrected subject keeps what was understood."""
    error = refusal(subject)
    assert [(field, code)] == [(problem.field, problem.code) for problem in error.problems]
    assert corrected == error.corrected


@pytest.mark.parametrize(
    ("subject", "corrected"),
    [
        ("CHEKIP=3.3.3.3 SIMULAR", "CHECKIP=3.3.3.3 SIMULAR"),
        ("CHECKIP 3.3.3.3 SIMULAR", "CHECKIP=3.3.3.3 SIMULAR"),
        ("CHECKIP=3.3.3.3 SIMULA", "CHECKIP=3.3.3.3 SIMULAR"),
        ("CHECKIP=3.3.3.3 SIMULAR.", "CHECKIP=3.3.3.3 SIMULAR"),
        ("CHECKIP=3.3.3 check", "CHECKIP=203.0.113.7 SIMULAR"),
        ("CHECKIP SIMULAR", "CHECKIP=203.0.113.7 SIMULAR"),
        ("SIMULAR CHECKIP=3.3.3.3", "CHECKIP=3.3.3.3 SIMULAR"),
        ("SIMULAR CHECKIP 3.3.3.3", "CHECKIP=3.3.3.3 SIMULAR"),
        ("simular", "CHECKIP=203.0.113.7 SIMULAR"),
    ],
)
def test_a_broken_preview_is_never_corrected_to_the_real_thing(subject, corrected):
    """Whoever wanted to look first gets a subject that looks first."""
    error = refusal(subject)
    assert corrected == error.corrected
    assert parse(error.corrected).check


@pytest.mark.parametrize("scope", ["eth0", "$(reboot) x;y", "<b>", "{ {"])
def test_an_address_carries_nothing_behind_a_percent_sign(scope):
    """A scope is any text at all: it is refused, and the address without it is offered."""
    error = refusal(f"CHECKIP=2001:db8::1%{scope}")
    assert ["address.invalid"] == [problem.code for problem in error.problems]
    assert "CHECKIP=2001:db8::1" == error.corrected


def test_all_problems_come_at_once():
    """Nobody has to write three mails to hear of three mistakes."""
    error = refusal("CHECKIP=3.3.3 SERVER=gv1p CHECKIP=4.4.4.4")
    assert {"field.unknown", "field.duplicate", "address.invalid"} == {p.code for p in error.problems}


def test_a_long_bad_value_is_shown_shortened():
    """A reply does not carry back a kilobyte of rubbish."""
    assert all(len(problem.value) <= 80 for problem in refusal("CHECKIP=" + "x" * 900).problems)


WORDS = (
    "MACCHANGE=3010", "MACATUAL=", "MACFUTURO=", "MACATUAL", "MACFUTRO=", "SERVER=", "gv2p", "SIMULAR",
    "MACATUAL=010203040506", "MACATUAL=010203040599", "MACFUTURO=010203040506", "MACFUTURO=0102.0304.0599",
    "SERVER=GV2P", "SERVER=gvp2", "CHECKIP=3.3.3.3", "MACCHANGE", "RAMAIS=1121,1122", "RAMAIS=1121-1125",
    "RAMAIS", "SERVER=voip3", "SERVER=gv3p", "INICIO=01/11/2025 00:00", "INICIO=31/02/2025",
    "INICIO=24/11/2999", "FIM=05/11/2025", "FIM=05/11/2025 24:00", "FIM=04/11/2018 00:30",
    "INICIO=03/11/2018", "FIM=", "INICIO",
)  # fmt: skip


@given(
    st.text(max_size=200)
    | st.text("CHECKIP=.:/ 0123456789abcdef{}%,SIMULAR", max_size=80).map("CHECKIP=".__add__)
    | st.lists(st.sampled_from(WORDS) | st.text(".:-, 0123456789abcdefOl", max_size=20)).map(" ".join)
)
def test_any_text_is_a_command_or_a_refusal_with_a_valid_correction(subject):
    """No text whatever gets a traceback, and what is offered to copy is itself accepted."""
    try:
        request = parse(subject)
    except InvalidCommand as error:
        assert error.problems
        parse(error.corrected)
    else:
        assert request.command.subject() == parse(request.command.subject()).command.subject()


@given(st.ip_addresses())
def test_an_accepted_address_is_the_one_that_was_written(address):
    """The command runs with the address of the mail and no other."""
    try:
        request = parse(f"CHECKIP={address}")
    except InvalidCommand as error:
        assert address.is_multicast or address.is_reserved or not address.is_global, error
    else:
        mapped = getattr(address, "ipv4_mapped", None)
        assert (mapped or ip_address(str(address))) == ip_address(
            request.command.extravars()["checkip_address"]
        )


def test_every_row_of_the_table_is_under_its_own_keyword_and_has_a_valid_example():
    """The table of commands cannot lie about itself."""
    for keyword, kind in COMMANDS.items():
        assert keyword == kind.keyword
        assert kind is type(parse(kind.example).command)


def test_a_command_that_no_server_takes_part_in_does_not_exist_there():
    """A fleet without MAC tables is offered what it has servers for, and its mailbox does not stand still."""
    fleet = Inventory(groups={"checkip_servers": ("one",), "macchange_servers": ()}, variables={})
    with pytest.raises(InvalidCommand) as caught:
        parse_for(COMMANDS["MACCHANGE"].example, fleet)
    assert ("command.unknown", "CHECKIP, WHITELIST, STATUS, CANCELAR, DESFAZER, AJUDA") == (
        caught.value.problems[0].code, caught.value.problems[0].data["known"],
    )  # fmt: skip
    assert "CHECKIP=203.0.113.7" == caught.value.corrected


def test_a_fleet_that_takes_part_in_nothing_is_an_error_of_the_inventory():
    """There is no valid command to offer: the inventory has to be put right."""
    with pytest.raises(InventoryError, match="checkip_servers"):
        parse_for("CHECKIP=3.3.3.3", Inventory(groups={}, variables={}))
