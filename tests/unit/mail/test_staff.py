"""Senders and tokens in the database."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from dispatcher.errors import StoreError
from dispatcher.mail.address import normalise
from dispatcher.mail.proof import Proof
from dispatcher.mail.senders import Sender, SenderError
from dispatcher.mail.tokens import Tokens

OPERATOR, ADMIN = "operador@lab.example", "admin@lab.example"


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_none(value):
    """Any text is refused with ValueError or has one spelling, which is its own."""
    try:
        address = normalise(value)
    except ValueError:
        return
    assert address.isascii()
    assert address == address.lower() == normalise(address)


@pytest.mark.parametrize(
    "address",
    ["", "@", "operador", "operador@localhost", "@lab.example", "operador@", "a@b@lab.example",
     "a b@lab.example", '"a"@lab.example', "a@[192.0.2.1]",
     "a@-lab.example", "a@lab..example", "\u043eperador@lab.example",
     "operador@lab\u200b.example", "operador@\uff4cab.example", f"{'a' * 65}@lab.example"],
)  # fmt: skip
def test_no_address(address):
    """What is no plain address, or has a second reading, is refused."""
    with pytest.raises(ValueError, match=r"not|no "):
        normalise(address)


def test_international_domain():
    """A domain with accents has one spelling in ASCII, whichever of the two was written."""
    assert normalise("Ana@São.example") == normalise("ana@xn--so-sia.example") == "ana@xn--so-sia.example"


def test_senders(staff):
    """A sender is found by the normalised address, listed, and gone with the tokens when removed."""
    staff.senders.add(" Ana@LAB.example ", role="administrador", language="en")
    ana = Sender("ana@lab.example", "administrador", "en")
    assert ana == staff.senders.get("ana@lab.example")
    assert [ADMIN, "ana@lab.example", "athome@lab.example", OPERATOR] == [
        sender.address for sender in staff.senders.all()
    ]
    staff.senders.remove(OPERATOR)
    assert staff.senders.get(OPERATOR) is None
    assert staff.tokens.all(OPERATOR) == []


def test_sender_errors_say_what_to_do(staff):
    """Adding no address or a known one, and removing an unknown one, name the command that helps."""
    for action in (
        lambda: staff.senders.add("operador"),
        lambda: staff.senders.add(OPERATOR.upper()),
        lambda: staff.senders.remove("ninguem@lab.example"),
        lambda: staff.tokens.issue("ninguem@lab.example", ""),
        lambda: staff.tokens.issue("ninguem", ""),
        lambda: staff.tokens.enable(99, enabled=True),
    ):
        with pytest.raises(SenderError) as raised:
            action()
        assert "athome " in raised.value.way_out or "operador@example.com" in raised.value.way_out


def proves(tokens, sender, token):
    """Whether a token counts for a sender, in a mail that arrives now."""
    return isinstance(tokens.prove(sender, token, time.time()), Proof)


def test_a_token_belongs_to_one_sender(staff):
    """A token counts for its sender alone, in upper and lower case, and no longer once disabled."""
    token = staff.tokens.issue(OPERATOR, "novo telefone")
    assert re.fullmatch("[0-9A-F]{8}", token)
    assert proves(staff.tokens, OPERATOR, token)
    assert proves(staff.tokens, OPERATOR, token.lower())
    assert not proves(staff.tokens, ADMIN, token)
    assert not proves(staff.tokens, "ninguem@lab.example", token)
    issued = staff.tokens.all(OPERATOR)[-1]
    assert issued.description == "novo telefone"
    staff.tokens.enable(issued.id, enabled=False)
    assert not proves(staff.tokens, OPERATOR, token)
    assert proves(staff.tokens, OPERATOR, "7E57C0DE")  # the others stay


def test_the_database_alone_guesses_nothing(staff):
    """No token is in the table, and under another pepper none of its digests fits."""
    with staff.engine.connect() as connection:
        rows = connection.execute(text("SELECT digest, description FROM tokens")).all()
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest, _description in rows)
    assert "7e57c0de" not in repr(rows).lower()
    other = Tokens(staff.engine, b"another pepper than before")
    assert not proves(other, OPERATOR, "7E57C0DE")


def test_a_database_that_fails_is_a_store_error(staff):
    """When the tokens cannot be read or written, it is a StoreError: the mail waits."""
    with staff.engine.begin() as connection:
        connection.execute(text("DROP TABLE tokens"))
    for action in (
        lambda: proves(staff.tokens, OPERATOR, "7E57C0DE"),
        lambda: staff.tokens.issue(OPERATOR, ""),
    ):
        with pytest.raises(StoreError):
            action()
