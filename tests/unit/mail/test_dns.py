"""The resolver against a name server of the tests' own, over UDP and TCP on loopback."""

import socket
import struct
import threading
from contextlib import suppress

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from dispatcher.mail import dns as module
from dispatcher.mail.dns import LookupLaterError, Resolver


class NameServer:
    """Answers from `zone`: {name: (TTL, [strings of a record, …])}, or an RCODE, or None: not at all."""

    def __init__(self):
        self.zone, self.asked = {}, []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.port = self._udp.getsockname()[1]
        self._tcp = socket.create_server(("127.0.0.1", self.port))
        for target in (self._datagrams, self._streams):
            threading.Thread(target=target, daemon=True).start()

    def close(self):
        for listener in (self._udp, self._tcp):
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _datagrams(self):
        with suppress(OSError):
            while True:
                question, client = self._udp.recvfrom(65535)
                if not question:
                    return
                answer = self._answer(question, "udp")
                if answer is None:
                    continue
                wire = answer.to_wire(max_size=65535)
                if len(wire) > 512:
                    answer.answer.clear()
                    answer.flags |= dns.flags.TC  # truncated: ask again over TCP
                    wire = answer.to_wire()
                self._udp.sendto(wire, client)

    def _streams(self):
        with suppress(OSError):
            while True:
                connection, _client = self._tcp.accept()
                with connection:
                    (length,) = struct.unpack("!H", connection.recv(2))
                    wire = self._answer(connection.recv(length), "tcp").to_wire(max_size=65535)
                    connection.sendall(struct.pack("!H", len(wire)) + wire)

    def _answer(self, wire, transport):
        question = dns.message.from_wire(wire)
        name = question.question[0].name.to_text().rstrip(".")
        self.asked.append((transport, name))
        answer = dns.message.make_response(question)
        found = self.zone.get(name, dns.rcode.NXDOMAIN)
        if found is None:
            return None
        if isinstance(found, dns.rcode.Rcode):
            answer.set_rcode(found)
            return answer
        ttl, records = found
        texts = [" ".join(f'"{string}"' for string in strings) for strings in records]
        if texts:
            answer.answer.append(dns.rrset.from_text_list(name + ".", ttl, "IN", "TXT", texts))
        return answer


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def server():
    made = NameServer()
    yield made
    made.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def resolver(server, clock):
    return Resolver(["127.0.0.1"], 0.3, port=server.port, clock=clock)


def test_records(server, resolver):
    """Each record's strings are joined without a space, also of a record that UDP does not carry."""
    server.zone["a.example"] = 60, [["v=DKIM1; p=AB", "CD"], ["other"]]
    server.zone["long.example"] = 60, [["x" * 250] * 8]
    assert {b"v=DKIM1; p=ABCD", b"other"} == set(resolver.txt("a.example"))
    assert (b"x" * 2000,) == resolver.txt("long.example")
    assert ("tcp", "long.example") in server.asked


@pytest.mark.parametrize(
    "name", ["missing.example", "empty.example", "a..example", f"{'x' * 64}.example", "x." * 200]
)
def test_names_without_a_record(server, resolver, name):
    """A name that does not exist, has no TXT record, or cannot be a name has no records: no need to wait."""
    server.zone["empty.example"] = 60, []
    assert () == resolver.txt(name)


def test_huge_answers_are_left_out(server, resolver):
    """Of a name's records those of an unusual size do not count, and of very many only some."""
    server.zone["huge.example"] = 60, [["y" * 250] * 17, ["small"]]
    server.zone["many.example"] = 60, [[str(number)] for number in range(100)]
    assert (b"small",) == resolver.txt("huge.example")
    assert module.MAX_RECORDS == len(resolver.txt("many.example"))


@pytest.mark.parametrize("trouble", [None, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_no_answer(server, resolver, clock, trouble):
    """Silence and a server's failure are no answer: it can be asked again, though not at once."""
    server.zone["a.example"] = trouble
    for _again in range(3):
        with pytest.raises(LookupLaterError, match=r"a\.example"):
            resolver.txt("a.example")
    assert {("udp", "a.example")} == set(server.asked)
    server.zone["a.example"] = 60, [["here"]]
    asked = len(server.asked)
    with pytest.raises(LookupLaterError):
        resolver.txt("a.example")
    assert asked == len(server.asked)
    clock.now += module.FAILURE
    assert (b"here",) == resolver.txt("a.example")


def test_no_server():
    """A name server that is not there is no answer either."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(LookupLaterError):
            Resolver(["127.0.0.1"], 0.3, port=nobody.getsockname()[1]).txt("a.example")


@pytest.mark.parametrize(("ttl", "kept"), [(60, 60), (0, 0), (10**6, module.LONGEST)])
def test_answers_are_remembered(server, resolver, clock, ttl, kept):
    """An answer holds as long as its TTL says, but an hour at most; letter case does not matter."""
    server.zone["a.example"] = ttl, [["old"]]
    resolver.txt("a.example")
    server.zone["a.example"] = ttl, [["new"]]
    clock.now += max(kept - 0.1, 0)
    assert (b"new" if ttl == 0 else b"old",) == resolver.txt("A.Example")
    clock.now += 0.2
    assert (b"new",) == resolver.txt("a.example")


def test_a_missing_name_is_remembered_for_a_minute(server, resolver, clock):
    """A key that is published late is seen within a minute; until then nobody is asked."""
    assert () == resolver.txt("a.example")
    server.zone["a.example"] = 60, [["here"]]
    assert () == resolver.txt("a.example")
    assert 1 == len(server.asked)
    clock.now += module.NOTHING
    assert (b"here",) == resolver.txt("a.example")


def test_memory_is_bounded(server, resolver, monkeypatch):
    """However many names are asked for, the newest ones alone are remembered."""
    monkeypatch.setattr(module, "MAX_ENTRIES", 10)
    for number in range(50):
        resolver.txt(f"n{number}.example")
    assert 10 == len(resolver._known)
    asked = len(server.asked)
    resolver.txt("n49.example")
    assert asked == len(server.asked)
    resolver.txt("n0.example")
    assert asked + 1 == len(server.asked)
