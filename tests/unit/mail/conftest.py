"""A database with three senders and their tokens."""

from types import SimpleNamespace

import pytest

from dispatcher.jobs.database import connect
from dispatcher.mail.confirmations import Confirmations
from dispatcher.mail.lockout import Lockout
from dispatcher.mail.senders import Senders
from dispatcher.mail.tokens import Tokens
from dispatcher.settings import Mail
from dispatcher.settings import Tokens as TokenSettings

PEPPER = b"invented for tests only"
MAIL = Mail(address="athome@lab.example", authserv_id="mail.lab.example", answers_per_hour=5)
TOKENS = TokenSettings(pepper_file="unread", attempts=3)


def _staff(folder):
    """Operador has 7E57C0DE and a disabled 7E57D15A, admin 7E57AD00; athome, ourselves, is on by mistake."""
    engine = connect(f"sqlite:///{folder}/athome.db")
    senders, tokens = Senders(engine), Tokens(engine, PEPPER)
    for address in ("operador", "admin", "athome"):
        senders.add(f"{address}@lab.example")
    for address, token in (("operador", "7e57c0de"), ("operador", "7e57d15a"), ("admin", "7e57ad00")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dispatcher.mail.tokens.secrets.token_hex", lambda _size, token=token: token)
            tokens.issue(f"{address}@lab.example", "telefone")
    tokens.enable(tokens.all("operador@lab.example")[1].id, enabled=False)
    return SimpleNamespace(
        engine=engine, senders=senders, tokens=tokens,
        confirmations=Confirmations(engine, PEPPER), lockout=Lockout(engine, MAIL, TOKENS),
    )  # fmt: skip


@pytest.fixture(scope="session")
def lasting_staff(tmp_path_factory):
    """The staff for tests that change nothing."""
    return _staff(tmp_path_factory.mktemp("staff"))


@pytest.fixture
def staff(tmp_path):
    return _staff(tmp_path)
