"""TXT records of the DNS, in which domains publish their DKIM keys; remembered, within limits."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.txtbase import TXTBase

from dispatcher.errors import AthomeError

MAX_ENTRIES = 256  # names that are remembered
MAX_RECORDS = 8  # of one name
MAX_RECORD = 4096  # bytes of one record; a DKIM key of 4096 bits takes about 750
LONGEST = 3600.0  # seconds that an answer is believed, whatever its TTL: a revoked key is noticed
NOTHING = 60.0  # seconds that a name without a record is remembered as such
FAILURE = 15.0  # seconds until a name is asked again that got no answer: mails that wait for it wait together


class LookupLaterError(AthomeError):
    """No name server answers: the mail that needs the answer has to wait, and no other one."""

    exit_code = 75  # EX_TEMPFAIL


class Resolver:
    """Asks the given name servers, or the machine's own when there are none. Not for several threads.

    ``timeout`` is for one question, all tries included, in seconds.
    """

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        timeout: float = 5.0,
        *,
        port: int = 53,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nameservers = list(nameservers)
        self._timeout = timeout
        self._port = port
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, tuple[bytes, ...] | None]] = OrderedDict()

    def txt(self, name: str) -> tuple[bytes, ...]:
        """Return a name's TXT records, each one's strings joined; none when there is no such name.

        Raises LookupLaterError when no name server gives an answer.
        """
        name = name.lower()
        until, records = self._known.get(name, (0.0, None))
        if self._clock() >= until:
            records = self._remember(name, *self._asked(name))
        if records is None:
            raise LookupLaterError(
                f"O DNS não responde por {name}.", "Confira mail.nameservers ou /etc/resolv.conf, e a rede."
            )
        return records

    def _remember(
        self, name: str, seconds: float, records: tuple[bytes, ...] | None
    ) -> tuple[bytes, ...] | None:
        self._known[name] = self._clock() + seconds, records
        self._known.move_to_end(name)
        if len(self._known) > MAX_ENTRIES:
            self._known.popitem(last=False)
        return records

    def _asked(self, name: str) -> tuple[float, tuple[bytes, ...] | None]:
        """Return how long the answer is good for, and the records; None when there was no answer."""
        try:
            # Made anew each time: the machine's own name servers may have changed since the last question.
            resolver = dns.resolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                resolver.nameservers = self._nameservers
                resolver.port = self._port
            answer = resolver.resolve(name, dns.rdatatype.TXT, lifetime=self._timeout, search=False)
        except (
            dns.exception.Timeout,
            dns.resolver.NoNameservers,
            dns.resolver.NoResolverConfiguration,
            OSError,
        ):
            return FAILURE, None
        except dns.exception.DNSException:  # no such name, no such record, or nothing that can be a name
            return NOTHING, ()
        records = (b"".join(record.strings) for record in answer if isinstance(record, TXTBase))
        kept = tuple(record for record in records if len(record) <= MAX_RECORD)[:MAX_RECORDS]
        return min(float(answer.rrset.ttl if answer.rrset else 0), LONGEST), kept
