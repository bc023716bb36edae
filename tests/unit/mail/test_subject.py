"""The token's place in a subject, and that it leaves no trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.mail.subject import REDACTED, NoToken, open_subject, redact

TOKENS = st.text("0123456789abcdefABCDEF", min_size=8, max_size=8)
TEXT = st.text(max_size=40)


@given(TOKENS, st.text(st.characters(exclude_categories=("C",)), max_size=40))
def test_a_token_and_a_command(token, command):
    """A token in brackets and a space open a subject, unless there is a second token in the rest."""
    try:
        opened = open_subject(f"[{token}] {command}")
    except NoToken:
        assert "[" in command or token.lower() in command.lower()
    else:
        assert (token, command.lstrip(" ")) == opened


@given(TEXT)
def test_any_subject_gets_an_answer(subject):
    """Any text is a token with a command, or NoToken whose reason does not repeat the text."""
    try:
        open_subject(subject)
    except NoToken as error:
        assert error.args[0]


@given(TEXT, TOKENS, TEXT)
def test_bracketed_tokens_vanish(before, token, after):
    """A token in brackets is gone after redaction, wherever it stands."""
    assert f"[{token}]" not in redact(f"{before}[{token}]{after}")


@given(
    TOKENS, st.text("GHIJKLMNOPQRSTUVWXYZ .:=", max_size=20), st.text("GHIJKLMNOPQRSTUVWXYZ .:=", max_size=20)
)
def test_bare_tokens_vanish(token, before, after):
    """A token without brackets, even glued to words, is gone after redaction."""
    assert token not in redact(before + token + after)


@given(TEXT)
def test_redaction_is_stable(subject):
    """Redacting twice changes nothing more."""
    assert redact(subject) == redact(redact(subject))


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("[7E57C0DE] CHECKIP=203.0.113.7", f"{REDACTED} CHECKIP=203.0.113.7"),
        ("[7E57 C0DE] CHECKIP=203.0.113.7", f"{REDACTED} CHECKIP=203.0.113.7"),
        ("[7E57C0D CHECKIP=203.0.113.7", f"{REDACTED} CHECKIP=203.0.113.7"),
        ("Re: [7E57C0DE] CHECKIP=203.0.113.7", f"Re: {REDACTED} CHECKIP=203.0.113.7"),
        ("(7E57C0DE) CHECKIP=203.0.113.7", f"({REDACTED}) CHECKIP=203.0.113.7"),
        ("CHECKIP=2001:db8::1", "CHECKIP=2001:db8::1"),
        (
            "MACATUAL=0011223344AB MACFUTURO=00:11:22:33:44:ac",
            "MACATUAL=0011223344AB MACFUTURO=00:11:22:33:44:ac",
        ),
    ],
)
def test_what_an_audit_shows(subject, shown):
    """The audit shows the command, and a mark where a token or a misspelt one stood."""
    assert shown == redact(subject)
