"""Tokens that expire, change hands and change every 30 seconds."""

import time
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, text

from dispatcher.jobs import schema
from dispatcher.mail.proof import Proof
from dispatcher.mail.senders import SenderError
from dispatcher.mail.tokens import STEP, Tokens
from tests.unit.mail.conftest import PEPPER

OPERATOR, ADMIN = "operador@lab.example", "admin@lab.example"
ARRIVED = 1_790_000_000.0


def app(tokens, address=OPERATOR):
    """Return what an authenticator app makes of a new enrolment, and the token's id."""
    enrolment, uri = tokens.enrol(address, "ATHome VoIP Monitor")
    assert tokens.complete(enrolment, "telefone")
    return pyotp.parse_uri(uri), tokens.all(address)[-1].id


def test_the_enrolment_is_one_that_apps_read(staff):
    """Eight digits, 30 seconds, 160 bits of SHA-1, with the account and the issuer to tell it from others."""
    _enrolment, uri = staff.tokens.enrol(" Operador@LAB.example", "ATHome VoIP Monitor")
    parts = urlsplit(uri)
    query = {name: value for name, (value,) in parse_qs(parts.query).items()}
    assert ("otpauth", "totp", "/ATHome%20VoIP%20Monitor:operador%40lab.example") == (
        parts.scheme, parts.netloc, parts.path,
    )  # fmt: skip
    assert 32 == len(query.pop("secret"))
    assert {"digits": "8", "issuer": "ATHome VoIP Monitor"} == query  # and by default SHA1, 30 s


def test_a_one_time_code_proves(staff):
    """The code of the moment proves, with the step that it uses up."""
    codes, token_id = app(staff.tokens)
    proof = staff.tokens.prove(OPERATOR, codes.at(ARRIVED), ARRIVED)
    assert Proof(kind="totp", token_id=token_id, step=int(ARRIVED // STEP)) == proof


@pytest.mark.parametrize(
    ("shown", "counts"), [(-300, True), (300, True), (-330 - STEP, False), (330 + STEP, False)]
)
def test_a_mail_may_be_slow_and_a_clock_may_be_wrong(staff, shown, counts):
    """A code counts five minutes before and after its mail's arrival, and not beyond that."""
    codes, _id = app(staff.tokens)
    proof = staff.tokens.prove(OPERATOR, codes.at(ARRIVED + shown), ARRIVED)
    assert counts == isinstance(proof, Proof)
    assert isinstance(
        Tokens(staff.engine, PEPPER, 600).prove(OPERATOR, codes.at(ARRIVED + shown), ARRIVED), Proof
    )


def test_a_code_counts_once(staff):
    """A step that was used opens nothing more; the one after it does."""
    codes, token_id = app(staff.tokens)
    with staff.engine.begin() as connection:
        connection.execute(insert(schema.used_codes).values(token_id=token_id, step=int(ARRIVED // STEP)))
    assert "used" == staff.tokens.prove(OPERATOR, codes.at(ARRIVED), ARRIVED)
    assert isinstance(staff.tokens.prove(OPERATOR, codes.at(ARRIVED + STEP), ARRIVED), Proof)


def test_codes_are_of_one_sender_and_one_enrolment(staff):
    """Another sender's app, a revoked enrolment and one that was never completed are wrong."""
    codes, token_id = app(staff.tokens)
    assert "wrong" == staff.tokens.prove(ADMIN, codes.at(ARRIVED), ARRIVED)
    staff.tokens.revoke(token_id)
    assert "wrong" == staff.tokens.prove(OPERATOR, codes.at(ARRIVED), ARRIVED)
    _enrolment, uri = staff.tokens.enrol(OPERATOR, "x")
    assert "wrong" == staff.tokens.prove(OPERATOR, pyotp.parse_uri(uri).at(ARRIVED), ARRIVED)


def test_an_enrolment_is_completed_with_a_first_code(staff):
    """A wrong first code leaves nothing behind; the right one makes the app's codes count."""
    enrolment, uri = staff.tokens.enrol(OPERATOR, "x")
    codes, known = pyotp.parse_uri(uri), len(staff.tokens.all(OPERATOR))
    right = codes.now()
    wrong = str((int(right) + 1) % 10**8).zfill(8)
    assert not staff.tokens.complete(enrolment, "telefone", code=wrong)
    assert known == len(staff.tokens.all(OPERATOR))
    assert staff.tokens.complete(enrolment, "telefone", code=right)
    now = time.time()
    assert isinstance(staff.tokens.prove(OPERATOR, codes.at(now), now), Proof)


def test_the_secret_of_an_enrolment_is_nowhere(staff):
    """The database has a salt, from which nothing follows without the pepper."""
    enrolment, uri = staff.tokens.enrol(OPERATOR, "x")
    staff.tokens.complete(enrolment, "telefone")
    secret = parse_qs(urlsplit(uri).query)["secret"][0]
    with staff.engine.connect() as connection:
        assert secret not in repr(connection.execute(text("SELECT * FROM tokens")).all())
    other = Tokens(staff.engine, b"another pepper than before")
    assert "wrong" == other.prove(OPERATOR, pyotp.parse_uri(uri).at(ARRIVED), ARRIVED)


def test_what_has_expired_is_told_from_what_is_wrong(staff):
    """A token counts until its moment and not from it on; its owner may know why."""
    soon = staff.tokens.issue(OPERATOR, "", expires_at=time.time() + 60)
    late = staff.tokens.issue(OPERATOR, "", expires_at=time.time() - 1)
    assert isinstance(staff.tokens.prove(OPERATOR, soon, ARRIVED), Proof)
    assert "expired" == staff.tokens.prove(OPERATOR, late, ARRIVED)
    assert "wrong" == staff.tokens.prove(ADMIN, late, ARRIVED)
    assert ["enabled", "expired"] == [token.state for token in staff.tokens.all(OPERATOR)[-2:]]


def test_expiry_is_only_brought_forward(staff):
    """An overlap never makes a token last longer than it was to."""
    staff.tokens.issue(OPERATOR, "", expires_at=100.0)
    token = staff.tokens.all(OPERATOR)[-1]
    staff.tokens.expire(token.id, 200.0)
    assert 100.0 == staff.tokens.one(token.id).expires_at
    staff.tokens.expire(token.id, 50.0)
    assert 50.0 == staff.tokens.one(token.id).expires_at


def test_a_token_of_elsewhere_is_let_in_once(staff):
    """One that counts already is not taken twice, in whatever case; of a stranger it is not taken at all."""
    assert staff.tokens.admit(OPERATOR, "7e57abcd", "antigo")
    assert not staff.tokens.admit(OPERATOR, "7E57ABCD", "antigo")
    assert isinstance(staff.tokens.prove(OPERATOR, "7E57ABCD", ARRIVED), Proof)
    with pytest.raises(SenderError, match="senders add"):
        staff.tokens.admit("ninguem@lab.example", "7e57abcd", "antigo")


def test_a_revoked_token_is_gone(staff):
    """It is not listed, opens nothing, and cannot be enabled again."""
    token = staff.tokens.issue(OPERATOR, "perdido")
    revoked = staff.tokens.all(OPERATOR)[-1].id
    staff.tokens.revoke(revoked)
    assert "wrong" == staff.tokens.prove(OPERATOR, token, ARRIVED)
    for action in (
        lambda: staff.tokens.one(revoked),
        lambda: staff.tokens.enable(revoked, enabled=True),
        lambda: staff.tokens.revoke(revoked),
        lambda: staff.tokens.expire(revoked, 1.0),
    ):
        with pytest.raises(SenderError, match=f"token {revoked} não existe"):
            action()


@given(st.text("0123456789abcdefABCDEF", min_size=8, max_size=8), st.floats(0, 4e9))
def test_any_eight_digits_get_an_answer(lasting_staff, given_digits, arrived):
    """Whatever is guessed, and whenever it arrives, is wrong or the one token that it is."""
    proof = lasting_staff.tokens.prove(OPERATOR, given_digits, arrived)
    assert "wrong" == proof or given_digits.upper() == "7E57C0DE"
