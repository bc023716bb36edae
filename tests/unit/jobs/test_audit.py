"""The audit on a real SQLite file."""

import time

import pytest
from sqlalchemy import select

from dispatcher.jobs import schema
from dispatcher.jobs.audit import DAY, Audit
from dispatcher.jobs.database import connect
from dispatcher.jobs.store import Delivery, Store

NOW = time.time()
ANA, EVA = "ana@example.com", "eva@example.com"
SEEN = [  # days ago, sender, verdict, rule
    (400, ANA, "admitted", "token"),
    (300, EVA, "silent", "authentication"),
    (2, ANA, "refused", "token"),
    (1, None, "silent", "headers"),
]


@pytest.fixture
def audit(tmp_path):
    store = Store(connect(f"sqlite:///{tmp_path}/athome.db"))
    for uid, (days, sender, verdict, rule) in enumerate(SEEN, start=1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dispatcher.jobs.store.time.time", lambda days=days: NOW - days * DAY)
            delivery = Delivery(
                folder="INBOX", uidvalidity=1, uid=uid, sender=sender, message_id=f"<{uid}@x>",
                subject="", verdict=verdict, rule=rule, reason="why",
            )  # fmt: skip
            store.take(delivery, claim=sender is not None)
    return Audit(store.engine)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"limit": 2}, [3, 4]),
        ({"after": 2}, [3, 4]),
        ({"sender": ANA}, [1, 3]),
        ({"verdicts": ["silent"]}, [2, 4]),
        ({"verdicts": ["silent", "refused"], "rules": ["token"]}, [3]),
        ({"since": NOW - 2 * DAY}, [3, 4]),
        ({"until": NOW - 2 * DAY}, [1, 2]),
        ({"since": NOW - 300 * DAY, "until": NOW - 1 * DAY, "rules": ["authentication", "token"]}, [2, 3]),
    ],
)
def test_what_is_asked_for_is_found(audit, asked, expected):
    """Every question is answered by the entries that fit all of it, the newest ones, oldest first."""
    assert expected == [entry.id for entry in audit.find(**{"limit": 9, **asked})]


def test_what_is_too_old_is_forgotten_and_its_claim_is_not(audit):
    """Retention takes the verdicts of long ago; a mail that comes back after years was still taken before."""
    assert 1 == audit.purge(NOW - 365 * DAY)
    assert [2, 3, 4] == [entry.id for entry in audit.find(limit=9)]
    with audit._engine.begin() as connection:
        claimed = connection.execute(select(schema.claims.c.message_id)).scalars().all()
    assert {"<1@x>", "<2@x>", "<3@x>"} == set(claimed)
