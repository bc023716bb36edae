"""Codes that confirm: whose they are, and how often they count, in the hands of somebody else."""

from __future__ import annotations

import re

import pytest

from tests.hostile.conftest import ADMIN
from tests.hostile.corpus import OPERATOR, OUTSIDER, message_id
from tests.hostile.test_replay import MISTAKE, genuine, hand_in
from tests.road import Mailbox, waited

FRIEND = "amigo@outside.example"


@pytest.fixture(scope="module")
def serving(target):
    target.start()
    return target


@pytest.fixture
def code(serving, lab) -> str:
    """Give the code that an administrator is asked for who wants somebody on the whitelist."""
    identifier = message_id()
    raw = genuine(f"[{serving.admin_token}] WHITELIST ADD {FRIEND}", identifier, sender=ADMIN)
    hand_in(raw, envelope=ADMIN)
    asked = Mailbox(lab, ADMIN).answer(identifier)
    return re.search(r"(?:[2-9A-Z]{4}-){2}[2-9A-Z]{4}", asked["Subject"])[0]


def on_the_list(serving) -> bool:
    return bool(serving.rows("SELECT 1 FROM senders WHERE address = ?", FRIEND))


def confirm(subject: str, sender: str, source: str = "staff", times: int = 1) -> str:
    identifier = message_id()
    hand_in(genuine(subject, identifier, sender=sender), source, times, envelope=sender)
    return identifier


def test_a_code_is_its_owners_alone(serving, code):
    """Neither a colleague nor a forger who has read the code starts anything; the forger hears nothing."""
    by_another = confirm(f"Re: CONFIRMAR {code}", OPERATOR)
    assert [("refused", "token")] == serving.verdicts(by_another)
    identifier = message_id()
    forged = genuine(f"Re: CONFIRMAR {code}", identifier, sender=ADMIN).replace(b"Operador", b"Diretora")
    hand_in(forged, "attacker", envelope=OUTSIDER)
    assert [("silent", "authentication")] == serving.verdicts(identifier)
    serving.ask(MISTAKE)
    assert not on_the_list(serving)


def test_a_code_counts_once(serving, code, lab):
    """The same answer five times, and the code in five answers, put one address on the list once."""
    first = confirm(f"Re: CONFIRMAR {code}", ADMIN, times=5)
    others = [confirm(f"RES: CONFIRMAR {code}: de novo", ADMIN) for _ in range(5)]
    verdicts = [verdict for verdict, _rule in serving.verdicts(first, deliveries=5)]
    assert ["admitted", "repeated", "repeated", "repeated", "silent"] == verdicts
    assert [[("refused", "confirmation")]] * 5 == [serving.verdicts(other) for other in others]
    waited(lambda: on_the_list(serving), "the address did not get onto the list")
    serving.ask(MISTAKE)
    assert [(1,)] == serving.rows("SELECT count(*) FROM sender_history WHERE address = ?", FRIEND)
    assert [(None,)] == serving.rows("SELECT failures FROM senders WHERE address = ?", ADMIN)
