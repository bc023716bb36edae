"""MACCHANGE as technicians type it: one canonical form, or what is wrong and how it would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.commands import InvalidCommand
from dispatcher.commands.macchange import MacChange
from dispatcher.commands.parser import Request
from dispatcher.commands.parser import parse as parse_for
from dispatcher.inventory import Inventory
from tests.unit.inventories import FLEET

EXAMPLE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599 SERVER=gv2p"
REMOVE = "MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO= SERVER=gv2p"
ADD = "MACCHANGE=3010 MACATUAL= MACFUTURO=010203040599 SERVER=gv2p"


def parse(subject: str) -> Request:
    return parse_for(subject, FLEET)


def refusal(subject: str) -> InvalidCommand:
    with pytest.raises(InvalidCommand) as caught:
        parse(subject)
    return caught.value


@pytest.mark.parametrize(
    ("subject", "canonical"),
    [
        (EXAMPLE, EXAMPLE),
        ("MACCHANGE=3010 SERVER=gv2p MACFUTURO=010203040599 MACATUAL=010203040506", EXAMPLE),
        ("macchange=3010 macatual=01:02:03:04:05:06 macfuturo=01-02-03-04-05-99 server=GV2P", EXAMPLE),
        ("MACCHANGE=3010 MACATUAL=0102.0304.0506 MACFUTURO=01 02 03 04 05 99 SERVER=gv2p", EXAMPLE),
        ("MACCHANGE = 3010  MACATUAL = 010203-040506 MACFUTURO =010203 040599 SERVER = gv2p", EXAMPLE),
        (EXAMPLE.replace("0599", "0599."), EXAMPLE),
        (f"{EXAMPLE} SIMULAR", f"{EXAMPLE} SIMULAR"),
        (REMOVE, REMOVE),
        ("MACCHANGE=3010 MACATUAL=010203040506 SERVER=gv2p MACFUTURO=", REMOVE),
        (f"{REMOVE} check", f"{REMOVE} SIMULAR"),
        ("MACCHANGE=3010 MACATUAL=010203040506 SERVER=gv2p MACFUTURO= SIMULAR", f"{REMOVE} SIMULAR"),
        (ADD, ADD),
        ("MACCHANGE=0301 MACATUAL= MACFUTURO=ABCDEF012345 SERVER=Gv1P",
         "MACCHANGE=0301 MACATUAL= MACFUTURO=abcdef012345 SERVER=gv1p"),
    ],
)  # fmt: skip
def test_a_valid_subject_has_one_canonical_form(subject, canonical):
    """In any order, notation and case: MACs become plain and lower-case, servers as the fleet has them."""
    assert canonical == parse(subject).subject


@pytest.mark.parametrize(
    ("subject", "problems", "corrected", "invented"),
    [
        # the extension
        (EXAMPLE.replace("3010", ""), ["MACCHANGE field.empty"], EXAMPLE, ["MACCHANGE"]),
        (EXAMPLE.replace("3010", "recepcao"), ["MACCHANGE extension.invalid"], EXAMPLE, ["MACCHANGE"]),
        (EXAMPLE.replace("3010", "SIP/3010"), ["MACCHANGE extension.invalid 3010"], EXAMPLE, []),
        (EXAMPLE.replace("3010", "12345678901"), ["MACCHANGE extension.invalid"], EXAMPLE, ["MACCHANGE"]),
        (EXAMPLE.replace("3010", "3010,3011"), ["MACCHANGE extension.list 3010"], EXAMPLE, []),
        (EXAMPLE.replace("3010", "3010 a 3015"), ["MACCHANGE extension.list 3010"], EXAMPLE, []),
        (EXAMPLE.replace("3010", "3010-3015"), ["MACCHANGE extension.list 3010"], EXAMPLE, []),
        (EXAMPLE.replace("3010", "3010 novo"), ["MACCHANGE field.extra_text 3010"], EXAMPLE, []),
        # the MACs
        (EXAMPLE.replace("0599", "059"), ["MACFUTURO mac.invalid"], EXAMPLE, ["MACFUTURO"]),
        (EXAMPLE.replace("0599", "05999"), ["MACFUTURO mac.invalid"], EXAMPLE, ["MACFUTURO"]),
        (EXAMPLE.replace("0599", "059G"), ["MACFUTURO mac.character"], EXAMPLE, ["MACFUTURO"]),
        (EXAMPLE.replace("=010203040599", "=O1O2O3O4O599"), ["MACFUTURO mac.character 010203040599"],
         EXAMPLE, []),
        (EXAMPLE.replace("=010203040599", "=0l:02:03:04:05:99"), ["MACFUTURO mac.character 010203040599"],
         EXAMPLE, []),
        (EXAMPLE.replace("=010203040599", "=1:2:3:4:5:99"), ["MACFUTURO mac.invalid 010203040599"],
         EXAMPLE, []),
        (EXAMPLE.replace("0599", "0599,"), ["MACFUTURO mac.character 010203040599"], EXAMPLE, []),
        (EXAMPLE.replace("0599", "0599 obrigado"), ["MACFUTURO field.extra_text 010203040599"], EXAMPLE, []),
        (EXAMPLE.replace("010203040599", "-"), ["MACFUTURO mac.invalid"], EXAMPLE, ["MACFUTURO"]),
        (EXAMPLE.replace("010203040599", "vazio"), ["MACFUTURO mac.character"], EXAMPLE, ["MACFUTURO"]),
        (EXAMPLE.replace("010203040599", "000000000000"), ["MACFUTURO mac.all_zeros"],
         EXAMPLE, ["MACFUTURO"]),
        (EXAMPLE.replace("010203040506", "FF:FF:FF:FF:FF:FF"), ["MACATUAL mac.all_ones"],
         EXAMPLE, ["MACATUAL"]),
        (EXAMPLE.replace("0599", "0506"), ["MACFUTURO mac.same"], EXAMPLE, ["MACFUTURO"]),
        (EXAMPLE.replace("0506", "0599"), ["MACFUTURO mac.same"], EXAMPLE, ["MACATUAL", "MACFUTURO"]),
        ("MACCHANGE=3010 MACATUAL= MACFUTURO= SERVER=gv2p", ["MACFUTURO mac.both_empty"],
         ADD, ["MACFUTURO"]),
        ("MACCHANGE=3010 MACATUAL=010203040599 MACFUTURO=x SERVER=gv2p", ["MACFUTURO mac.character"],
         EXAMPLE, ["MACATUAL", "MACFUTURO"]),
        # the server
        (EXAMPLE.replace("gv2p", "gvp2"), ["SERVER server.unknown gv2p"], EXAMPLE, []),
        (EXAMPLE.replace("gv2p", "gv2"), ["SERVER server.unknown gv2p"], EXAMPLE, []),
        (EXAMPLE.replace("gv2p", "gv2p."), ["SERVER server.unknown gv2p"], EXAMPLE, []),
        (EXAMPLE.replace("gv2p", "gv4p"), ["SERVER server.unknown"], EXAMPLE, ["SERVER"]),
        (EXAMPLE.replace("gv2p", "voip1"), ["SERVER server.unknown"], EXAMPLE, ["SERVER"]),
        (EXAMPLE.replace("gv2p", "GV2P ok"), ["SERVER field.extra_text gv2p"], EXAMPLE, []),
        (EXAMPLE.replace("gv2p", ""), ["SERVER server.missing"], EXAMPLE, ["SERVER"]),
        # the keys: a forgotten MACFUTURO never means that the MAC is to be removed
        ("MACCHANGE=3010 MACATUAL=010203040506 SERVER=gv2p", ["MACFUTURO field.missing_may_be_empty"],
         EXAMPLE, ["MACFUTURO"]),
        ("MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO SERVER=gv2p",
         ["MACFUTURO field.missing_may_be_empty"], EXAMPLE, ["MACFUTURO"]),
        ("MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO= MACFUTURO=010203040599 SERVER=gv2p",
         ["MACFUTURO field.duplicate"], EXAMPLE, []),
        ("MACCHANGE=3010 MACATUAL=010203040506 MACFUTURO=010203040599", ["SERVER server.missing"],
         EXAMPLE, ["SERVER"]),
        (EXAMPLE.replace("MACFUTURO", "MACFUTRO"), ["MACFUTRO field.unknown MACFUTURO"], EXAMPLE, []),
        (EXAMPLE.replace("MACFUTURO=", "MACFUTURO "), ["MACFUTURO field.missing"], EXAMPLE, []),
        (EXAMPLE.replace("MACFUTURO=", "MACFUTURO: "), ["MACFUTURO field.missing"], EXAMPLE, []),
        (EXAMPLE.replace(" SERVER", "; SERVER"), ["MACFUTURO mac.character 010203040599"], EXAMPLE, []),
        (EXAMPLE.replace(" ", ";"),
         ["MACCHANGE extension.invalid", "MACATUAL field.missing_may_be_empty",
          "MACFUTURO field.missing_may_be_empty", "SERVER server.missing"], EXAMPLE, []),
        (EXAMPLE.replace("=", " "), ["MACCHANGE field.missing"], EXAMPLE, []),
        (EXAMPLE.replace("MACCHANGE", "MACHANGE"), [" command.unknown MACCHANGE"], EXAMPLE, []),
        ("SERVER=gv2p MACFUTURO=010203040599 MACATUAL=010203040506 MACCHANGE=3010", [" command.unknown"],
         EXAMPLE, []),
        ("MACCHANGE", ["MACCHANGE field.missing"],
         EXAMPLE, ["MACCHANGE", "MACATUAL", "MACFUTURO", "SERVER"]),
        (EXAMPLE.replace("0599", "05{{9}}9"), [" subject.template"], "CHECKIP=203.0.113.7", ["CHECKIP"]),
    ],
)  # fmt: skip
def test_a_bad_subject_tells_what_was_meant_and_what_is_only_an_example(
    subject, problems, corrected, invented
):
    """Each mistake has its code; what was understood is kept, and values that were made up are named."""
    error = refusal(subject)
    found = [" ".join(filter(None, (p.field or " ", p.code, p.suggestion))).strip() for p in error.problems]
    assert [problem.strip() for problem in problems] == found
    assert corrected == error.corrected
    assert tuple(invented) == error.invented


def test_all_problems_come_at_once():
    """Four mistakes in four fields, and the two MACs together, need one mail."""
    error = refusal("MACCHANGE=3010,3011 MACATUAL=0102 MACFUTURO=O10203040599 SERVER=gvp2")
    assert ["extension.list", "mac.invalid", "mac.character", "server.unknown"] == [
        problem.code for problem in error.problems
    ]
    error = refusal("MACCHANGE=x MACATUAL=010203040506 MACFUTURO=01:02:03:04:05:06 SERVER=x")
    assert ["extension.invalid", "mac.same", "server.unknown"] == [p.code for p in error.problems]


@pytest.mark.parametrize(
    ("servers", "corrected"), [(("gv2p", "gv3p"), "gv2p"), (("sip-a", "sip-b"), "sip-a"), (("x",), "x")]
)
def test_a_correction_names_a_server_of_this_very_fleet(servers, corrected):
    """The example's server where the fleet has it, else its first: never one that would be refused again."""
    fleet = Inventory(groups={"macchange_servers": servers}, variables={})
    with pytest.raises(InvalidCommand) as caught:
        parse_for(EXAMPLE.replace("gv2p", "voip9"), fleet)
    assert caught.value.corrected == EXAMPLE.replace("gv2p", corrected)
    assert ", ".join(servers) == caught.value.problems[0].data["known"]
    assert parse_for(caught.value.corrected, fleet)


def test_names_that_differ_in_case_alone_are_told_apart():
    """Who writes a name exactly gets exactly that server."""
    fleet = Inventory(groups={"macchange_servers": ("SIP", "sip")}, variables={})
    for name in ("SIP", "sip"):
        assert (name,) == parse_for(EXAMPLE.replace("gv2p", name), fleet).command.servers(fleet)


def test_the_command_goes_to_its_one_server_with_plain_macs():
    """It locks and changes one server, and the role gets 12 lower-case hex digits, or nothing."""
    command = parse(EXAMPLE.replace("=010203040599", "=AA:BB:CC:DD:EE:FF")).command
    assert ("gv2p",) == command.servers(FLEET)
    assert {
        "macchange_extension": "3010",
        "macchange_mac_before": "010203040506",
        "macchange_mac_after": "aabbccddeeff",
    } == command.extravars()
    assert "" == parse(REMOVE).command.extravars()["macchange_mac_after"]
    assert "" == parse(ADD).command.extravars()["macchange_mac_before"]


@pytest.mark.parametrize("subject", [EXAMPLE, REMOVE, ADD])
def test_a_stored_command_is_the_same_again_whatever_the_fleet_is_now(subject):
    """A job that waits is not lost when its server is renamed: it is Ansible that will say so."""
    command = parse(subject).command
    assert command == MacChange.model_validate(command.model_dump(mode="json"))


MACS = st.binary(min_size=6, max_size=6).filter(lambda mac: mac not in (bytes(6), b"\xff" * 6))


@st.composite
def notations(draw) -> tuple[str, str]:
    """A MAC as somebody may write it, and its normal form."""
    plain = draw(MACS).hex()
    size = draw(st.sampled_from([2, 4, 6, 12]))
    groups = [plain[place : place + size] for place in range(0, 12, size)]
    written = draw(st.sampled_from([":", "-", ".", " ", ": "])).join(groups)
    return draw(st.sampled_from([written, written.upper(), written.title()])), plain


@given(notations(), notations(), st.integers(0, 9_999_999_999), st.sampled_from(["gv1p", "Gv3P"]))
def test_any_notation_of_a_mac_gives_the_same_command(before, after, extension, server):
    """However two MACs are written, the command that runs has these two and no others."""
    subject = f"MACCHANGE={extension} MACATUAL={before[0]} MACFUTURO={after[0]} SERVER={server}"
    if before[1] == after[1]:
        assert ["mac.same"] == [problem.code for problem in refusal(subject).problems]
    else:
        assert {
            "macchange_extension": str(extension),
            "macchange_mac_before": before[1],
            "macchange_mac_after": after[1],
        } == parse(subject).command.extravars()


@given(st.text("0123456789abcdefABCDEFOoIlgxz:.- ", max_size=30), st.sampled_from(["MACATUAL", "MACFUTURO"]))
def test_no_mac_is_made_of_what_is_none(text, field):
    """What runs has the digits that were written; what is offered instead is offered, never run."""
    other = {"MACATUAL": "MACFUTURO", "MACFUTURO": "MACATUAL"}[field]
    subject = f"MACCHANGE=3010 {field}={text} {other}=0a0b0c0d0e0f SERVER=gv2p"
    digits = "".join(text.split()).replace(":", "").replace(".", "").replace("-", "").lower()
    try:
        command = parse(subject).command
    except InvalidCommand as error:
        assert error.problems
        assert parse(error.corrected)
    else:
        assert digits == (getattr(command, field.lower()) or "")
        assert digits or not text.strip()


@given(st.text("0123456789", min_size=1, max_size=14), st.text(" ,;-eax.", max_size=4), st.text("0123456789"))
def test_an_extension_is_the_one_that_was_written(first, between, second):
    """No part of a list or of a longer number is taken for the extension."""
    written = first + between + second
    try:
        command = parse(EXAMPLE.replace("3010", written)).command
    except InvalidCommand as error:
        assert parse(error.corrected)
    else:
        assert written.strip() == command.extravars()["macchange_extension"]
