"""Two `athome serve` on one PostgreSQL and one mailbox: one reads; when it is killed the other one does."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.postgres import PASSWORD, cluster
from tests.road import ATHOME, OPERATOR, Dispatcher, Mailbox, make, waited


def launch(service: Dispatcher) -> None:
    """Start a service that perhaps only stands by."""
    service.process = subprocess.Popen(
        [ATHOME, "--settings", service.settings, "serve"],
        stdout=service.log.open("a"), stderr=subprocess.STDOUT,
    )  # fmt: skip


def twin(service: Dispatcher, folder: Path) -> Dispatcher:
    """Return a service with a state folder of its own, as on another machine."""
    folder.mkdir()
    settings = yaml.safe_load(service.settings.read_text()) | {"state_dir": str(folder / "state")}
    (folder / "settings.yml").write_text(yaml.safe_dump(settings))
    return Dispatcher(
        service.lab, folder / "settings.yml", folder / "state", folder / "serve.log", token=service.token
    )


@pytest.fixture
def services(lab, tmp_path):
    with cluster(("127.0.0.1", 5434)) as server:
        (tmp_path / "password").write_text(PASSWORD)
        (tmp_path / "first").mkdir()
        database = {
            "url": f"postgresql+psycopg://athome@127.0.0.1:{server.port}/postgres",
            "password_file": str(tmp_path / "password"),
        }
        first = make(lab, tmp_path / "first", database=database)
        second = twin(first, tmp_path / "second")
        yield first, second
        for service in (first, second):
            if service.process and service.process.poll() is None:
                service.stop(signal.SIGKILL)


def reads(service: Dispatcher) -> int:
    """Return how often it has begun to read the mailbox."""
    return service.log.read_text().count("listening to") if service.log.exists() else 0


def test_when_the_reader_is_killed_the_other_service_reads_on(services, lab):
    """Each mail is run once and answered once, whoever reads the mailbox at the moment."""
    first, second = services
    operator, sent = Mailbox(lab, OPERATOR), []

    def ask(address: str) -> None:
        sent.append(first.write(f"[{first.token}] CHECKIP={address}"))
        operator.answer(sent[-1])

    first.start()
    launch(second)
    waited((second.state / "serve.json").exists, "the second one does not start")
    ask("203.0.113.61")
    assert (1, 0) == (reads(first), reads(second))
    assert -signal.SIGKILL == first.stop(signal.SIGKILL)
    ask("203.0.113.62")
    assert 1 == reads(second)
    launch(first)
    ask("203.0.113.63")
    assert 0 == second.stop()
    ask("203.0.113.64")
    assert (2, 1) == (reads(first), reads(second))
    time.sleep(6)  # an outbox looks every 5 seconds
    assert [1] * 4 == [len(operator.answers(message_id)) for message_id in sent]
    assert [("successful", 1)] * 4 == [(job["state"], job["attempts"]) for job in first.jobs()]
    assert 0 == first.stop()
