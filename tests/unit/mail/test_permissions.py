"""Who may do what, and what has to be proved besides: one table."""

import pytest

from dispatcher.commands import COMMANDS
from dispatcher.commands.parser import parse
from dispatcher.errors import SettingsError
from dispatcher.mail.permissions import Allowed, Denied, Unproved, approvers, check, judge, may
from dispatcher.mail.proof import Proof
from dispatcher.mail.sender import Sender
from dispatcher.settings import Permissions
from tests.unit.inventories import FLEET

ADMIN = Sender("admin@example.com", "administrador", "pt_BR")
ANA = Sender("ana@example.com", "operador", "pt_BR")
MACCHANGE = COMMANDS["MACCHANGE"].example
ADD = "WHITELIST ADD bia@example.com"
STATIC, TOTP, CONFIRMED = (Proof(kind=kind) for kind in ("static", "totp", "confirmation"))
DEFAULT = Permissions()


def judged(subject, proof=STATIC, sender=ADMIN, **demands):
    return judge(sender, parse(subject, FLEET), proof, Permissions(demands=demands))


@pytest.mark.parametrize(
    ("subject", "proof", "demands", "expected"),
    [
        ("CHECKIP=203.0.113.7", STATIC, {}, Allowed()),
        ("CHECKIP=203.0.113.7", STATIC, {"CHECKIP": "confirmation"}, Unproved("confirmation")),
        (MACCHANGE, STATIC, {}, Unproved("confirmation")),
        (MACCHANGE, TOTP, {}, Allowed()),
        (MACCHANGE, CONFIRMED, {}, Allowed()),
        (MACCHANGE, STATIC, {"MACCHANGE": "token"}, Allowed()),
        (MACCHANGE, STATIC, {"MACCHANGE": "totp"}, Unproved("totp")),
        (MACCHANGE, TOTP, {"MACCHANGE": "totp"}, Allowed()),
        (f"{MACCHANGE} SIMULAR", STATIC, {"MACCHANGE": "totp"}, Allowed()),
        (ADD, STATIC, {}, Unproved("confirmation")),
        (ADD, STATIC, {"WHITELIST": "token"}, Unproved("confirmation")),
        (ADD, TOTP, {}, Unproved("confirmation")),
        (ADD, STATIC, {"WHITELIST": "totp"}, Unproved("totp")),
        (ADD, TOTP, {"WHITELIST": "totp"}, Unproved("confirmation")),
        (ADD, CONFIRMED, {"WHITELIST": "totp"}, Allowed()),
        (f"{ADD} SIMULAR", STATIC, {}, Allowed()),
        ("WHITELIST LIST", STATIC, {"WHITELIST": "totp"}, Allowed()),
        ("AJUDA", STATIC, {"AJUDA": "totp"}, Allowed()),
    ],
)
def test_each_command_asks_for_its_proof(subject, proof, demands, expected):
    """The command's own demand or the settings'; changes of the whitelist are confirmed whatever they say."""
    assert expected == judged(subject, proof, **demands)


@pytest.mark.parametrize("proof", [STATIC, TOTP, CONFIRMED])
def test_no_proof_makes_up_for_a_missing_permission(proof):
    """An operator changes no whitelist, and a list of commands counts for administrators too."""
    assert Denied(COMMANDS["WHITELIST"], "role") == judged(ADD, proof, ANA)
    only = Sender("admin@example.com", "administrador", "pt_BR", ("CHECKIP",))
    assert Denied(COMMANDS["MACCHANGE"], "commands") == judged(MACCHANGE, proof, only)
    assert Denied(COMMANDS["WHITELIST"], "commands") == judged(f"{ADD} SIMULAR", proof, only)


@pytest.mark.parametrize("commands", [(), ("CHECKIP",), None])
def test_everybody_may_ask_for_help(commands):
    """AJUDA is there for whoever is on the list, whatever else is."""
    assert may(Sender("ana@example.com", "operador", "pt_BR", commands), COMMANDS["AJUDA"])


def test_an_unknown_role_may_nothing():
    """A row of another version of the program, or of a person's own hand, opens only one's own jobs.

    DESFAZER is judged by what it undoes.
    """
    odd = Sender("ana@example.com", "chefe", "pt_BR")
    assert {"AJUDA", "STATUS", "CANCELAR", "DESFAZER"} == {
        word for word, kind in COMMANDS.items() if may(odd, kind)
    }


def test_demands_of_no_command_are_an_error():
    """A misspelt keyword would be silently without effect."""
    check(Permissions(demands={"CHECKIP": "totp"}))
    with pytest.raises(SettingsError, match=r"MACCHANG\."):
        check(Permissions(demands={"MACCHANG": "totp"}))
    check(Permissions(approval=("CHECKIP",)))
    with pytest.raises(SettingsError, match=r"permissions\.approval .*MACCHANG\."):
        check(Permissions(approval=("MACCHANG",)))


@pytest.mark.parametrize("subject", [MACCHANGE, "CHECKIP=203.0.113.7", ADD])
def test_what_another_administrator_has_to_approve(subject):
    """No proof of one's own makes up for somebody else's word; a preview needs none."""
    asked = Permissions(approval=("MACCHANGE", "CHECKIP", "WHITELIST"), demands={"CHECKIP": "totp"})
    request = parse(subject, FLEET)
    assert Unproved("approval") == judge(ADMIN, request, TOTP, asked)
    assert Allowed() == judge(ADMIN, parse(f"{subject} SIMULAR", FLEET), STATIC, asked)
    assert Allowed() == judge(ADMIN, request, CONFIRMED, asked)


def test_who_may_approve():
    """Administrators who may use the command themselves, but not who asks."""
    other = Sender("bia@example.com", "administrador", "pt_BR")
    only = Sender("eva@example.com", "administrador", "pt_BR", ("CHECKIP",))
    assert [other] == approvers([ADMIN, other, only, ANA], ADMIN.address, COMMANDS["MACCHANGE"])
    assert [ADMIN, other, only] == approvers([ADMIN, other, only], ANA.address, COMMANDS["CHECKIP"])


def test_an_undo_has_no_demand_of_its_own():
    """It would have no effect: what the undone command asks for counts."""
    for given in ({"demands": {"DESFAZER": "totp"}}, {"approval": ["DESFAZER"]}):
        with pytest.raises(SettingsError, match="DESFAZER pede sempre o mesmo"):
            check(Permissions(**given))
