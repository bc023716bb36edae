"""The token's place in a subject, and that it leaves no trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.mail.subject import (
    CODE_ALPHABET,
    REDACTED,
    NoToken,
    open_confirmation,
    open_subject,
    redact,
)

TOKENS = st.text("0123456789abcdefABCDEF", min_size=8, max_size=8)
TEXT = st.text(max_size=40)
PLAIN_CODES = st.text(CODE_ALPHABET + CODE_ALPHABET.lower(), min_size=12, max_size=12)
CODES = PLAIN_CODES | PLAIN_CODES.map(lambda code: f"{code[:4]}-{code[4:8]}-{code[8:]}")
ANSWERED = st.lists(
    st.sampled_from(["Re: ", "RE:", "Res: ", "RES[2]: ", "re [12] : ", "re  :"]), max_size=5
).map("".join)
CONFIRMS = st.sampled_from(["CONFIRMAR ", "CONFIRM ", "Confirmar  "])
REST = st.just("") | st.text(st.characters(exclude_categories=("C",)), max_size=40).map(
    lambda text: f": {text}"
)


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


@given(ANSWERED, CONFIRMS, CODES, REST)
def test_an_answer_that_confirms(answered, confirm, code, rest):
    """A code after CONFIRMAR confirms, with hyphens or without, however often the subject was answered."""
    assert code == open_confirmation(f"{answered}{confirm}{code}{rest}")


@given(ANSWERED, CONFIRMS, CODES, REST)
def test_codes_vanish(answered, confirm, code, rest):
    """A code that confirms is gone after redaction: the mail may be one that was not believed."""
    assert code not in redact(f"{answered}{confirm}{code}") + redact(f"{answered}{confirm}{code}: x")
    assert f"CONFIRMAR {code}" not in redact(f"{answered}{confirm}{code}{rest}")


@given(TEXT)
def test_any_text_confirms_or_not(subject):
    """Whatever is no answer of that form is None: it is read as a command, and nothing is repaired."""
    code = open_confirmation(subject)
    assert code is None or set(code.upper()) <= {*CODE_ALPHABET, "-"}


@pytest.mark.parametrize(
    "subject",
    [
        "Fwd: CONFIRMAR ABCD-EFGH-JKMN",
        "Enc: Re: CONFIRMAR ABCD-EFGH-JKMN",
        "CONFIRMAR ABCD-EFGH-JKM",
        "CONFIRMAR ABCD-EFGH-JKMNP",
        "CONFIRMAR ABCD-EFGH-JKM1",
        "CONFIRMARABCD-EFGH-JKMN",
        "CONFIRMAR ABCD-EFGH-JKMN;x",
        "[7E57C0DE] CONFIRMAR ABCD-EFGH-JKMN",
        "CONFIRMAR",
        "",
    ],
)
def test_what_confirms_nothing(subject):
    """A forwarded mail, a code of another length or alphabet, or one behind a token starts no job."""
    assert open_confirmation(subject) is None


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
        ("Re: CONFIRMAR ABCD-EFGH-JKMN: MACCHANGE", f"Re: CONFIRMAR {REDACTED}: MACCHANGE"),
        ("Re: CONFIRMAR ABCD EFGH JKMN: MACCHANGE", f"Re: CONFIRMAR {REDACTED}: MACCHANGE"),
        ("CONFIRM abcd-efgh-jk1O", f"CONFIRM {REDACTED}"),
        ("ABCD-EFGH-JKMN", REDACTED),
        (
            "MACATUAL=0011223344AB MACFUTURO=00:11:22:33:44:ac",
            "MACATUAL=0011223344AB MACFUTURO=00:11:22:33:44:ac",
        ),
    ],
)
def test_what_an_audit_shows(subject, shown):
    """The audit shows the command, and a mark where a token or a misspelt one stood."""
    assert shown == redact(subject)
