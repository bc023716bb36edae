"""Changes of the whitelist: what may never happen does not, and what happens is written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from dispatcher.jobs import schema
from dispatcher.jobs.database import connect, transaction
from dispatcher.mail.sender import Sender
from dispatcher.mail.senders import SenderError, Senders
from dispatcher.mail.whitelist import Change, ChangeRefused, Whitelist, objection

ADMIN = Sender("admin@example.com", "administrador", "pt_BR")
ANA = Sender("ana@example.com", "operador", "pt_BR")
SENDERS = st.builds(
    Sender,
    st.sampled_from(["a@example.com", "b@example.com", "c@example.com"]),
    st.sampled_from(["operador", "administrador"]),
    st.just("pt_BR"),
)
CHANGES = st.builds(Change, st.sampled_from(["add", "remove", "change"]), SENDERS)
ACTORS = st.sampled_from(["a@example.com", "b@example.com", "c@example.com", "shell:root"])


@given(st.lists(st.tuples(CHANGES, ACTORS), max_size=30))
def test_once_there_is_an_administrator_there_always_is_one(steps):
    """Whatever is tried by whom in which order, somebody is left who may change the list by mail."""
    listed = {ADMIN.address: ADMIN, "a@example.com": Sender("a@example.com", "administrador", "pt_BR")}
    for change, by in steps:
        before = dict(listed)
        if objection(listed, change, by) is None:
            if change.action == "remove":
                del listed[change.sender.address]
            else:
                listed[change.sender.address] = change.sender
            assert by.startswith("shell:") or before[by].privileged
            assert by not in before or by in listed
        assert any(one.privileged for one in listed.values())


@pytest.fixture
def engine(tmp_path):
    return connect(f"sqlite:///{tmp_path}/athome.db")


def test_a_change_and_its_history_are_one(engine):
    """A change that is rolled back leaves no row; one that is kept says who made it and what it set."""
    senders = Senders(engine)
    senders.add(ADMIN.address, "administrador")

    def die(_whitelist, _before):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        senders.add(ANA.address, after=die)
    assert senders.get(ANA.address) is None
    assert 1 == len(senders.history(10))
    with transaction(engine) as connection:
        Whitelist(connection, ADMIN.address).apply(Change("add", ANA))
    assert ("add", ADMIN.address, "operador") == (
        (event := senders.history(1)[0]).action, event.changed_by, event.detail["role"],
    )  # fmt: skip


def test_a_sender_is_changed_at_the_shell(engine):
    """Role, language and commands, each alone; the same again is refused, as is an unknown address."""
    senders = Senders(engine)
    senders.add(ADMIN.address, "administrador")
    senders.add(" Ana@Example.com ", commands=("CHECKIP",))
    assert ("CHECKIP",) == senders.get(ANA.address).commands
    assert "administrador" == senders.change(ANA.address, role="administrador").role
    assert Sender(ANA.address, "administrador", "en", ("CHECKIP",)) == senders.change(
        ANA.address, language="en"
    )
    assert senders.change(ANA.address, commands=None).commands is None
    for address, values in ((ANA.address, {"language": "en"}), ("bia@example.com", {"role": "operador"})):
        with pytest.raises(SenderError):
            senders.change(address, **values)
    assert ["change", "change", "change", "add"] == [one.action for one in senders.history(9, ANA.address)]


def test_the_tokens_go_with_their_sender(engine):
    """No token is left over that would count again for whoever gets this address later."""
    senders = Senders(engine)
    senders.add(ADMIN.address, "administrador")
    senders.add(ANA.address)
    with transaction(engine) as connection:
        row = {
            "sender": ANA.address,
            "digest": "0" * 64,
            "description": "",
            "enabled": True,
            "issued_at": 0.0,
        }
        connection.execute(schema.tokens.insert().values(row))
        with pytest.raises(ChangeRefused, match="not_allowed"):
            Whitelist(connection, ANA.address).apply(Change("remove", ADMIN))
    senders.remove(ANA.address)
    with transaction(engine) as connection:
        assert 0 == connection.execute(select(func.count()).select_from(schema.tokens)).scalar()
