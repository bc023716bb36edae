"""The mailbox against a server that does what real ones were seen to do.

IDLE lasts two minutes: a mail that is handled within a test's patience was noticed, not found by chance.
"""

import logging
import select
import threading
import time

import pytest

from dispatcher.errors import MailboxError, SecretError, StoreError
from dispatcher.mail import mailbox as module
from dispatcher.mail.mailbox import Backoff, Disposition, Mailbox
from dispatcher.settings import Imap
from tests.unit.mail.fake_imap import Cut, Server, Session, certificate

PATIENCE = 20  # seconds until a test gives up


@pytest.fixture(scope="session")
def pem(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def attentive(monkeypatch):
    """Let a wait notice its end sooner, for the sake of the tests' time."""
    monkeypatch.setattr("dispatcher.mail.connection._TICK", 0.05)


@pytest.fixture
def serve(pem):
    """Call it with a session class to get a running server."""
    servers = []

    def start(session=Session, **options):
        servers.append(Server(pem, session, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def imap(server, pem, **other):
    password = pem.with_name("password")
    password.write_text("right\n")
    return Imap(
        host="localhost", port=server.port, user="athome", password_file=password, ca_file=pem, **other
    )


class Reading:
    """A mailbox that is read in a thread; `handled` has the UIDs in the order in which they came."""

    def __init__(self, settings, handle=lambda _raw: Disposition.PROCESSED):
        self.handled, self.raws, self.states = [], [], []
        self.stop = threading.Event()
        self._handle = handle
        self._thread = threading.Thread(
            target=Mailbox(settings).run, args=(self._take, self.stop, self.states.append)
        )

    def _take(self, raw):
        self.handled.append(raw.uid)
        self.raws.append(raw)
        return self._handle(raw)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self.stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.01)


def processed(server):
    return list(server.folders.get("Processed", {}))


def idling(server):
    return server.commands and server.commands[-1] == "IDLE"


def test_what_is_there_and_what_comes(serve, pem):
    """Mails that lie there and mails that come in IDLE are handled in order, unread, whole, and moved."""
    server = serve()
    server.deliver(b"Subject: 1\r\n\r\nbody")
    server.deliver()
    with Reading(imap(server, pem)) as reading:
        wait_for(lambda: idling(server))
        server.deliver()
        wait_for(lambda: processed(server) == [1, 2, 3])
    assert [1, 2, 3] == reading.handled
    raw = reading.raws[0]
    assert ("INBOX", 7, 1, 18, b"Subject: 1\r\n\r\nbody") == (
        raw.folder,
        raw.uidvalidity,
        raw.uid,
        raw.size,
        raw.raw,
    )
    assert raw.internaldate.isoformat() == "2026-11-23T11:59:30+00:00"
    assert all("PEEK" in line for line in server.commands if "BODY" in line)
    assert ["connecting", "listening"] == reading.states
    assert server.commands[-1] == "LOGOUT"


def test_of_a_large_mail_the_header_alone(serve, pem):
    """Of a mail over the limit the header section is fetched, and its whole size is told."""
    server = serve()
    server.deliver(b"Subject: 1\r\n\r\n" + b"x" * 300_000)
    with Reading(imap(server, pem)) as reading:
        wait_for(lambda: processed(server))
    assert (b"Subject: 1\r\n\r\n", 300_014) == (reading.raws[0].raw, reading.raws[0].size)


class ExistsBeforeIdling(Session):
    def idle(self, _tag, _arguments):
        if self.server.next_uid == 1:
            self.server.deliver()
            self.say(*self.announced())
            time.sleep(0.2)
        self.say("+ idling")
        assert self.hear() == "DONE"  # and not a word more


class ExistsWithIdling(Session):
    def idle(self, _tag, _arguments):
        lines = ["+ idling"]
        if self.server.next_uid == 1:
            self.server.deliver()
            lines += self.announced()
        self.say(*lines)
        assert self.hear() == "DONE"


class SplitLine(Session):
    def idle(self, _tag, _arguments):
        self.say("+ idling")
        if self.server.next_uid == 1:
            self.server.deliver()
            (line,) = self.announced()
            self.say(line[:5].encode())
            time.sleep(1)
            self.say(line[5:].encode() + b"\r\n")
        assert self.hear() == "DONE"


class ExistsDuringDone(Session):
    def idle(self, _tag, _arguments):
        self.say("+ idling")
        if self.server.next_uid == 1:
            self.say("* 1 RECENT")  # something, so that the client says DONE
            assert self.hear() == "DONE"
            self.server.deliver()
            self.say(*self.announced())
        else:
            assert self.hear() == "DONE"


class StaleSearch(Session):
    """Dovecot's SEARCH: one step behind, and it announces what it has not found."""

    def search(self, _tag, _arguments):
        self.say("* SEARCH " + " ".join(str(uid) for uid in self.inbox()))
        if self.server.next_uid == 1:
            self.server.deliver()
            self.say(*self.announced())

    def idle(self, _tag, _arguments):
        self.say("+ idling")
        assert self.hear() == "DONE"


class FlagsInBetween(Session):
    """Another client marks the mails as read while they are fetched and waited for."""

    def fetch(self, tag, arguments):
        self.say(r"* 1 FETCH (UID 1 FLAGS (\Seen))", r"* 2 FETCH (FLAGS (\Seen))")
        super().fetch(tag, arguments)
        self.say(r"* 1 FETCH (UID 1 FLAGS (\Seen))")

    def idle(self, tag, arguments):
        if self.server.next_uid == 1:
            self.server.deliver()
        self.say(r"* 1 FETCH (FLAGS (\Seen))")
        super().idle(tag, arguments)


class EndsIdleItself(Session):
    def idle(self, _tag, _arguments):
        self.say("+ idling")
        if self.server.next_uid == 1:
            self.server.deliver()
            return
        assert self.hear() == "DONE"


@pytest.mark.parametrize(
    "session",
    [
        ExistsBeforeIdling,
        ExistsWithIdling,
        SplitLine,
        ExistsDuringDone,
        StaleSearch,
        FlagsInBetween,
        EndsIdleItself,
    ],
)
def test_no_arrival_is_missed(serve, pem, session):
    """However the server words an arrival around IDLE, the mail is handled at once, without reconnecting."""
    server = serve(session)
    with Reading(imap(server, pem)) as reading:
        wait_for(lambda: processed(server) == [1])
    assert [1] == reading.handled
    assert server.connections == 1


def test_half_a_line_does_not_hold_up_the_end(serve, pem):
    """While the server is in the middle of a line, `stop` still ends the reader, and not as a failure."""

    class HalfLine(Session):
        def idle(self, _tag, _arguments):
            self.say("+ idling")
            time.sleep(0.2)
            self.say(b"* 1 EX")
            self.server.halved = True
            assert self.hear() == "DONE"
            self.say(b"ISTS\r\n")

    server = serve(HalfLine)
    with Reading(imap(server, pem)) as reading:
        wait_for(lambda: getattr(server, "halved", False))
        time.sleep(0.2)
    assert ["connecting", "listening"] == reading.states
    assert server.commands[-1] == "LOGOUT"


def test_still_here_is_no_news(serve, pem):
    """A server that says OK now and then during IDLE is not searched for it."""

    class StillHere(Session):
        def idle(self, _tag, _arguments):
            self.say("+ idling", "* OK Still here", "* OK Still here")
            self.server.interrupted.append(bool(select.select([self.connection], [], [], 0.5)[0]))
            self.until_done()

    server = serve(StillHere)
    server.interrupted = []
    with Reading(imap(server, pem)):
        wait_for(lambda: server.interrupted)
        assert [False] == server.interrupted
        server.deliver()
        wait_for(lambda: processed(server) == [1])


def test_without_news_the_inbox_is_searched_after_each_window(serve, pem):
    """A mail that the server never announces is found when IDLE's window ends."""

    class Silent(Session):
        def idle(self, _tag, _arguments):
            self.say("+ idling")
            self.server.deliver()
            assert self.hear() == "DONE"

    server = serve(Silent)
    with Reading(imap(server, pem, idle=0.1)):
        wait_for(lambda: len(processed(server)) > 2)


@pytest.mark.parametrize("command", ["login", "select", "noop", "search", "fetch", "move", "idle"])
def test_a_cut_connection_loses_nothing(serve, pem, command):
    """Cut at any command, the mailbox comes back and every mail is handled and moved."""

    def cut_once(session, tag, name, arguments):
        if name == command and not hasattr(session.server, "was_cut"):
            session.server.was_cut = True
            raise Cut
        Session.answer(session, tag, name, arguments)

    server = serve(type("CutOnce", (Session,), {"answer": cut_once}))
    server.deliver()
    with Reading(imap(server, pem)) as reading:
        wait_for(lambda: processed(server) == [1])
        server.deliver()
        wait_for(lambda: processed(server) == [1, 2])
        wait_for(lambda: server.connections == 2)  # IDLE may come after both
    assert [1, 2] == reading.handled  # at least once is promised; the same process even remembers


def test_a_cut_in_the_middle_of_idle(serve, pem):
    """A connection that ends while nothing happens is made again."""

    class CutInIdle(Session):
        def idle(self, tag, arguments):
            if self.server.connections == 1:
                self.say("+ idling", "* BYE restarting")
                raise Cut
            super().idle(tag, arguments)

    server = serve(CutInIdle)
    with Reading(imap(server, pem)):
        wait_for(lambda: server.connections == 2 and idling(server))
        server.deliver()
        wait_for(lambda: processed(server) == [1])


def test_uidvalidity_is_read_anew(serve, pem):
    """After the server has renumbered its mails, they come under the new UIDVALIDITY."""

    class Renumbered(Session):
        def idle(self, tag, arguments):
            if self.server.connections == 1:
                self.server.uidvalidity = 8
                self.server.next_uid = 1
                self.server.deliver()
                raise Cut
            super().idle(tag, arguments)

    server = serve(Renumbered)
    server.deliver()
    with Reading(imap(server, pem)) as reading:
        wait_for(lambda: len(reading.handled) == 2)
    assert [(7, 1), (8, 1)] == [(raw.uidvalidity, raw.uid) for raw in reading.raws]


def test_a_mail_that_is_gone(serve, pem):
    """A mail that somebody takes away between search and fetch is not handled, and holds nothing up."""

    class Gone(Session):
        def search(self, tag, arguments):
            super().search(tag, arguments)
            self.inbox().pop(1, None)

    server = serve(Gone)
    server.deliver()
    server.deliver()
    with Reading(imap(server, pem)) as reading:
        wait_for(lambda: processed(server) == [2])
    assert [2] == reading.handled


def test_a_store_that_fails_holds_the_queue(serve, pem):
    """While the database fails, the mail stays first in the inbox; the next one waits behind it."""
    failures = [StoreError("cheio", "espere")] * 3

    def handle(_raw):
        if failures:
            raise failures.pop()
        return Disposition.PROCESSED

    server = serve()
    server.deliver()
    server.deliver()
    with Reading(imap(server, pem), handle) as reading:
        wait_for(lambda: processed(server) == [1, 2])
    assert [1, 1, 1, 1, 2] == reading.handled
    assert server.connections == 1


def test_a_fault_in_the_handling_parks_the_mail(serve, pem, caplog):
    """A mail that makes its handling fail is parked; the log names it and the error's kind, no more."""

    def handle(raw):
        if raw.uid == 1:
            raise ValueError("[7E57C0DE] CHECKIP")
        return Disposition.PARKED if raw.uid == 2 else Disposition.PROCESSED

    server = serve()
    for _ in range(3):
        server.deliver()
    with caplog.at_level(logging.DEBUG), Reading(imap(server, pem), handle) as reading:
        wait_for(lambda: processed(server) == [3])
    assert [1, 2] == list(server.folders["Parked"])
    assert [1, 2, 3] == reading.handled
    assert "INBOX/7/1 parked: ValueError" in caplog.text
    assert "7E57C0DE" not in caplog.text
    assert "right" not in caplog.text  # the password


def test_a_refused_move_repeats_no_handling(serve, pem):
    """A mail that cannot be moved is handled once, tried again later, and holds no other mail up."""

    class FullOnce(Session):
        def move(self, tag, arguments):
            if arguments.startswith("1 ") and not self.server.folders["Processed"]:
                return "NO [OVERQUOTA] full"
            return super().move(tag, arguments)

    server = serve(FullOnce)
    server.deliver()
    server.deliver()
    with Reading(imap(server, pem, idle=0.1)) as reading:
        wait_for(lambda: processed(server) == [2, 1])
    assert [1, 2] == reading.handled


def test_a_server_without_move(serve, pem):
    """Without MOVE, the mail is copied, and it alone is expunged: never what a person has marked."""

    class NoMove(Session):
        capabilities = "IMAP4rev1 IDLE UIDPLUS"

        def copy(self, _tag, arguments):
            uid, folder = arguments.split(" ", 1)
            self.server.folders[folder.strip('"')][int(uid)] = self.inbox()[int(uid)]

        def store(self, _tag, _arguments):
            pass

        def expunge(self, _tag, arguments):
            del self.inbox()[int(arguments)]

    server = serve(NoMove)
    server.deliver()
    with Reading(imap(server, pem)):
        wait_for(lambda: processed(server) == [1] and not server.folders["INBOX"])
    assert not [line for line in server.commands if line == "EXPUNGE"]


def test_a_refused_password_is_not_hammered(serve, pem, monkeypatch):
    """A refused password is tried again on the slow schedule; one that was put right then works."""
    server = serve()
    settings = imap(server, pem)
    settings.password_file.write_text("wrong")
    with Reading(settings) as reading:
        wait_for(lambda: any(state.startswith("waiting") for state in reading.states))
        time.sleep(1)
        assert server.connections == 1
    monkeypatch.setattr(module, "_SLOW", 0.3)
    with Reading(settings):
        wait_for(lambda: server.connections == 3)
        settings.password_file.write_text("right")
        wait_for(lambda: idling(server))


def test_a_login_that_fails_for_the_moment_is_tried_soon(serve, pem):
    """A login refused as UNAVAILABLE, as by a server that is starting, is tried again at once."""

    class Starting(Session):
        def login(self, tag, arguments):
            if self.server.connections < 3:
                return "NO [UNAVAILABLE] later"
            return super().login(tag, arguments)

    server = serve(Starting)
    with Reading(imap(server, pem)):
        wait_for(lambda: idling(server))
    assert server.connections == 3


def test_it_ends_within_idle(serve, pem):
    """Setting `stop` ends the reader in the middle of IDLE, with a proper farewell."""
    server = serve()
    with Reading(imap(server, pem)):
        wait_for(lambda: idling(server))
    assert ["IDLE", "LOGOUT"] == server.commands[-2:]


def test_nothing_said_before_tls_is_believed(serve, pem):
    """What somebody in between adds to the answer to STARTTLS is not taken for the server's words."""

    class Injected(Session):
        capabilities = "IMAP4rev1 IDLE MOVE STARTTLS"

        def answer(self, tag, command, arguments):
            if command != "starttls":
                super().answer(tag, command, arguments)
                return
            extra = b"* CAPABILITY IMAP4rev1\r\n" if self.server.injects else b""
            self.say(f"{tag} OK go\r\n".encode() + extra)
            self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
            self.reader = self.connection.makefile("rb")

    server = serve(Injected, tls=False)
    server.injects = False
    Mailbox(imap(server, pem, security="starttls")).check()
    server.injects = True
    with pytest.raises(MailboxError, match="before the encryption began"):
        Mailbox(imap(server, pem, security="starttls")).check()
    assert sum(line.startswith("LOGIN") for line in server.commands) == 1


def test_check_names_the_way_out(serve, pem, tmp_path):
    """`check` says which setting to look at, whatever is wrong, and never shows the password."""

    class Poor(Session):
        capabilities = "IMAP4rev1 IDLE"

    class NoFolder(Session):
        def create(self, _tag, _arguments):
            return "NO not here"

    class DropsOut(Session):
        def select(self, _tag, _arguments):
            raise Cut

    server = serve()
    good = imap(server, pem)
    Mailbox(good).check()
    wrong = tmp_path / "wrong"
    wrong.write_text("errada")
    closed = serve()
    closed.close()
    cases = [
        (good.model_copy(update={"password_file": wrong}), MailboxError, "imap.user"),
        (good.model_copy(update={"password_file": tmp_path / "none"}), SecretError, "0600"),
        (good.model_copy(update={"ca_file": None}), MailboxError, "imap.ca_file"),
        (good.model_copy(update={"ca_file": tmp_path / "none"}), MailboxError, "imap.ca_file"),
        (good.model_copy(update={"host": "127.0.0.1"}), MailboxError, "imap.host"),
        (good.model_copy(update={"host": "mail.invalid"}), MailboxError, "imap.host"),
        (good.model_copy(update={"port": closed.port}), MailboxError, "imap.port"),
        (imap(serve(Poor), pem), MailboxError, "Dovecot"),
        (imap(serve(NoFolder), pem), MailboxError, "imap.processed"),
        (imap(serve(DropsOut), pem), MailboxError, "servidor"),
    ]
    for settings, kind, way_out in cases:
        with pytest.raises(kind) as raised:
            Mailbox(settings).check()
        assert way_out in raised.value.way_out
        assert "errada" not in str(raised.value)


def test_backoff_grows_to_its_limit():
    """Waits are random below a ceiling that doubles to its limit, and start again after a success."""
    backoff = Backoff(first=0.2, longest=60)
    waits = [backoff.next() for _ in range(2000)]
    assert all(wait <= min(60, 0.2 * 2 ** min(place, 9)) for place, wait in enumerate(waits))
    assert max(waits) > 50
    backoff.reset()
    assert backoff.next() <= 0.2


def test_a_mail_that_has_to_wait_holds_no_other_up(serve, pem, monkeypatch):
    """A mail that cannot be decided yet stays and comes again by itself; the ones behind it are handled."""
    monkeypatch.setattr(module, "_LATER", (0.2, 0.3))
    decided = threading.Event()

    def handle(raw):
        waits = raw.uid == 1 and not decided.is_set()
        return Disposition.LATER if waits else Disposition.PROCESSED

    server = serve()
    server.deliver()
    server.deliver()
    with Reading(imap(server, pem), handle) as reading:
        wait_for(lambda: processed(server) == [2] and reading.handled.count(1) > 2)
        server.deliver()
        wait_for(lambda: processed(server) == [2, 3])
        decided.set()
        wait_for(lambda: processed(server) == [2, 3, 1])


def test_a_mail_that_waits_and_is_deleted_is_forgotten(serve, pem, monkeypatch):
    """Nothing is kept of a mail that somebody takes out of the inbox while it waits."""
    monkeypatch.setattr(module, "_LATER", (0.2, 0.3))
    server = serve()
    server.deliver()
    mailbox = Mailbox(imap(server, pem))
    stop = threading.Event()
    thread = threading.Thread(target=mailbox.run, args=(lambda _raw: Disposition.LATER, stop))
    thread.start()
    wait_for(lambda: mailbox._waiting)
    del server.folders["INBOX"][1]
    wait_for(lambda: not mailbox._waiting)
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
