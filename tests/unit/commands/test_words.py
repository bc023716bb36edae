"""Commands of words: what they read, and what is said of what they cannot read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.commands import InvalidCommand, NotPermitted
from dispatcher.commands.parser import parse
from dispatcher.mail.address import normalise
from dispatcher.mail.permissions import may
from dispatcher.mail.sender import Sender
from tests.unit.inventories import FLEET

ADMIN = Sender("admin@example.com", "administrador", "pt_BR")
ANA = Sender("ana@example.com", "operador", "pt_BR")
NEW = "nova.pessoa@example.com"
LISTED = {one.address: one for one in (ADMIN, ANA)}


def read(subject: str, sender: Sender = ADMIN):
    return parse(subject, FLEET, may=lambda kind: may(sender, kind))


def refused(subject: str, sender: Sender = ADMIN) -> InvalidCommand:
    with pytest.raises(InvalidCommand) as caught:
        read(subject, sender)
    return caught.value


@pytest.mark.parametrize(
    ("subject", "canonical"),
    [
        ("WHITELIST LIST", "WHITELIST LIST"),
        ("whitelist  add  Ana@Example.COM", "WHITELIST ADD ana@example.com"),
        ("WHITELIST: ADD ana+voip@example.com admin", "WHITELIST ADD ana+voip@example.com ADMIN"),
        ("WHITELIST=REMOVE ana@xn--so-sia.example", "WHITELIST REMOVE ana@xn--so-sia.example"),
        ("WHITELIST ADD ana@example.com ADMINISTRADOR CHECK", "WHITELIST ADD ana@example.com ADMIN SIMULAR"),
        ("help", "AJUDA"),
        ("HELP macchange", "AJUDA MACCHANGE"),
        ("AJUDA: WHITELIST", "AJUDA WHITELIST"),
    ],
)
def test_words_have_one_canonical_form(subject, canonical):
    """Spaces, cases, a sign too many and the other language mean the same; a + in an address stays."""
    assert canonical == read(subject).subject
    assert canonical == read(canonical).subject


@pytest.mark.parametrize(
    ("subject", "code", "suggestion", "corrected", "invented"),
    [
        ("WHITELIST", "action", None, "WHITELIST LIST", ()),
        ("WHITELIST ADDD ana@example.com", "action", "ADD", "WHITELIST ADD ana@example.com", ()),
        ("WHITELIST INCLUIR a@example.com ADMIN", "action", "ADD", "WHITELIST ADD a@example.com ADMIN", ()),
        ("WHITELIST EXCLUIR ana@example.com", "action", "REMOVE", "WHITELIST REMOVE ana@example.com", ()),
        ("WHITELIST LISTAR", "action", "LIST", "WHITELIST LIST", ()),
        ("WHITELIST ana@example.com", "action", None, "WHITELIST ADD ana@example.com", ()),
        ("WHITELIST ADD", "address_missing", None, f"WHITELIST ADD {NEW}", ("WHITELIST ADD",)),
        ("WHITELIST ADD <a@b,de>", "address_invalid", "a@b.de", "WHITELIST ADD a@b.de", ()),
        ("WHITELIST ADD Ana <a@example.com>", "address_invalid", "a@example.com",
         "WHITELIST ADD a@example.com", ()),
        ("WHITELIST REMOVE ana", "address_invalid", None, f"WHITELIST REMOVE {NEW}", ("WHITELIST REMOVE",)),
        ("WHITELIST ADD a@example.com b@example.com", "one_address", None, "WHITELIST ADD a@example.com", ()),
        ("WHITELIST ADD a@example.com ADMN", "extra", "ADMIN", "WHITELIST ADD a@example.com ADMIN", ()),
        ("WHITELIST REMOVE a@example.com ADMIN", "extra", None, "WHITELIST REMOVE a@example.com", ()),
        ("WHITELIST LIST ana@example.com", "extra", None, "WHITELIST LIST", ()),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_put_right(subject, code, suggestion, corrected, invented):
    """Each has its code, what was probably meant, and a whole subject to copy, which is valid."""
    error = refused(subject)
    (problem,) = error.problems
    assert (f"whitelist.{code}", suggestion) == (problem.code, problem.suggestion)
    assert (corrected, invented) == (error.corrected, error.invented)
    assert corrected == read(corrected).subject


def test_a_domain_with_accents_is_offered_in_ascii():
    """A letter that only looks like another one is never taken; the address that was meant is shown."""
    error = refused("WHITELIST ADD ana@são.example ADMIN")
    assert "subject.not_ascii" == error.problems[0].code
    assert "WHITELIST ADD ana@xn--so-sia.example ADMIN" == error.corrected


def test_a_preview_stays_one():
    """Whoever asked for a preview of a mistyped change is not offered the change itself."""
    assert (
        "WHITELIST ADD ana@example.com SIMULAR" == refused("WHITELIST ADDD ana@example.com SIMULAR").corrected
    )


def test_a_command_of_others_is_neither_read_nor_offered():
    """An operator who writes WHITELIST hears that it is not theirs; a typo offers none of it."""
    for subject in ("WHITELIST LIST", "WHITELIST ADDD x", "WHITELIST"):
        with pytest.raises(NotPermitted) as caught:
            read(subject, ANA)
        assert "WHITELIST" == caught.value.kind.keyword
    error = refused("WHITELST LIST", ANA)
    assert "WHITELIST" not in error.problems[0].data["known"]
    assert "WHITELIST" not in error.corrected
    assert "WHITELIST LIST" == refused("WHITELST LIST").corrected


def test_help_names_what_there_is_for_this_sender():
    """About a command that is unknown, or not for this sender, the answer names the others."""
    assert "AJUDA CHECKIP" == refused("AJUDA CHECKPI").corrected
    assert "WHITELIST" not in refused("AJUDA WHITELIST", ANA).problems[0].data["known"]


@pytest.mark.parametrize(
    ("subject", "by", "code", "corrected"),
    [
        ("WHITELIST ADD ana@example.com", ADMIN, "already", "WHITELIST LIST"),
        ("WHITELIST ADD admin@example.com ADMIN", ADMIN, "already", "WHITELIST LIST"),
        ("WHITELIST REMOVE an@example.com", ADMIN, "unknown", "WHITELIST REMOVE ana@example.com"),
        ("WHITELIST REMOVE bia@elsewhere.example", ADMIN, "unknown", "WHITELIST LIST"),
        ("WHITELIST REMOVE admin@example.com", ADMIN, "self", "WHITELIST LIST"),
        ("WHITELIST ADD bia@example.com", ANA, "not_allowed", "WHITELIST LIST"),
    ],
)
def test_what_the_list_forbids_is_said_before_anybody_confirms(subject, by, code, corrected):
    """The same codes as when it is carried out, with a subject to copy."""
    command = read(subject).command
    error = command.refusal(LISTED, by.address)
    assert (f"whitelist.{code}", corrected) == (error.problems[0].code, error.corrected)
    assert f"whitelist.{code}" == command.foresee(LISTED, by.address).code


def test_an_administrator_can_be_made_of_an_operator():
    """ADD … ADMIN of somebody on the list gives the role, and keeps language and commands."""
    command = read("WHITELIST ADD ana@example.com ADMIN").command
    assert command.refusal(LISTED, ADMIN.address) is None
    assert "whitelist.promoted" == command.foresee(LISTED, ADMIN.address).code
    assert Sender("ana@example.com", "administrador", "pt_BR") == command.change(LISTED, "en").sender


WORDS = st.lists(
    st.sampled_from(["ADD", "remove", "List", "ADMIN", "ana@example.com", "<b@c.de>,", "=", "SIMULAR", "x@"])
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    max_size=5,
)


@given(st.sampled_from(["WHITELIST", "AJUDA"]), WORDS)
def test_any_words_are_a_command_or_a_correction_that_is_one(keyword, words):
    """Whatever follows the keyword is read as one thing, or answered with something that can be read."""
    try:
        request = read(" ".join((keyword, *words)))
    except InvalidCommand as error:
        assert error.problems
        assert error.corrected == read(error.corrected).subject
    else:
        assert request == read(request.subject)
        address = getattr(request.command, "address", "")
        assert not address or address == normalise(address)


def test_nobodys_address_becomes_another_one():
    """Without its accent it might be somebody else's, who would then be let in."""
    error = refused("WHITELIST ADD joão@example.com")
    assert "subject.not_ascii" == error.problems[0].code
    assert "joao" not in error.corrected
