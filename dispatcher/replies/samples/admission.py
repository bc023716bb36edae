"""What a mail is answered that does not become a job: not valid, wrong token, too many; and the alarms."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher.commands import InvalidCommand
from dispatcher.commands.parser import parse
from dispatcher.replies.compose import Reply
from dispatcher.replies.notices import Notices
from dispatcher.replies.samples.studio import AT, FLEET, Sample, Studio, message


def notices(studio: Studio) -> Notices:
    """Return what is told of refusals."""
    return Notices(studio.composer, studio.settings, lambda: [studio.ana, studio.admin])


def rejected(studio: Studio, subject: str) -> Reply:
    """Return the answer to a subject that is not valid. Raises ValueError when it is."""
    try:
        parse(subject, FLEET)
    except InvalidCommand as error:
        return studio.composer.rejected(studio.ana, message(f"[········] {subject}"), error)
    raise ValueError(f"{subject!r} is valid")


def _lockout(studio: Studio) -> Reply:
    return notices(studio).lockout(studio.admin, f"{'ana' * 20}@example.com", 10, AT, cause="x")


SAMPLES: Mapping[str, Sample] = {
    "rejected": lambda studio: rejected(studio, "CHECKIP=003.3.3.3 SERVIDOR=gv1p"),
    "rejected-homograph": lambda studio: rejected(studio, "СHECKIP=3.3.3.3"),
    "mac-rejected": lambda studio: rejected(
        studio, "MACCHANGE=3010,3011 MACATUAL=O10203040506 MACFUTURO=0102 SERVER=gvp2"
    ),
    "ramais-rejected": lambda studio: rejected(
        studio, "RAMAIS=1121,1122,1121 INICIO=31/11/2025 FIM=05/12/2025 24:00"
    ),
    "invalid-token": lambda studio: notices(studio).invalid_token(studio.ana, message()),
    "expired-token": lambda studio: notices(studio).invalid_token(studio.ana, message(), "expired"),
    "used-code": lambda studio: notices(studio).invalid_token(studio.ana, message(), "used"),
    "locked": lambda studio: notices(studio).locked(studio.ana, message(), 10, AT),
    "rate": lambda studio: notices(studio).rate(studio.ana, message()),
    "lockout": _lockout,
    "guessing": lambda studio: notices(studio).guessing(studio.admin, 7, cause="x"),
}
