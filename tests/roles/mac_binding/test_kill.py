"""SIGKILL at any point: the next run finds one of two whole states, and files and daemon agree in the end."""

import json
import os
import random
import signal
import time
from collections import Counter
from itertools import count

import pytest

from tests.roles.mac_binding.machine import BOTH, NEW, OLD, marks, notices, wait_for

STEPS = 200  # more than any run has
PHASES = ("nothing yet", "prepared", "notifying", "committed")
BY_HAND = b"<line>3010</line> invented"


def phase(machine):
    """How far the run had come that was killed, by what it left in the journal."""
    journal = machine.state / "journal"
    if not journal.exists():
        return "nothing yet"
    manifest = machine.state / "backups" / journal.read_text() / "manifest.json"
    return json.loads(manifest.read_text())["state"]


def is_one_state(machine, mac):
    """Both files have this MAC and are otherwise as ever, the daemon has it too, and nothing lies about."""
    assert {
        name: content.replace(OLD.encode(), mac.encode()) for name, content in BOTH.items()
    } == machine.files()
    assert mac == machine.believes()
    assert not (machine.state / "journal").exists()


class Scenario:
    """What a run does to a machine, and the two whole states between which it may be cut off."""

    def __init__(self, machine, python, kind):
        self.machine, self.python = machine, python
        self.before_mac, self.after_mac = {"removal": (OLD, ""), "undo": (NEW, OLD)}.get(kind, (OLD, NEW))
        self.more = {}
        if kind in ("names", "undo"):
            folder = machine.etc / "phones"
            folder.mkdir()
            (folder / f"SEP{OLD}.cnf.xml").write_bytes(BY_HAND)
            names = {"path": str(folder), "format": "names", "name": "SEP{mac}.cnf.xml",
                     "pattern": r"<line>(?P<extension>\d+)</line>"}  # fmt: skip
            self.more = {"files": [*machine.specs(), names]}
        self.change = (self.before_mac, self.after_mac)
        if kind == "undo":
            first = machine.module(OLD, NEW, python=python, **self.more)
            self.change, self.more = ("", ""), self.more | {
                "state": "undone", "transaction": first["undo"]["transaction"], "extension": "",
                "backups_kept": 1000,
            }  # fmt: skip
        self.files = {key: value for key, value in self.more.items() if key == "files"}
        self.begin = {path: path.read_bytes() for path in machine.etc.rglob("*") if path.is_file()}
        self.told = (machine.daemon / "events").read_bytes() if machine.events() else b""
        self.old = machine.files()
        assert machine.module(*self.change, python=python, **self.more)["changed"]
        self.new = machine.files()
        self.again()

    def again(self):
        """Files, daemon and state as they were before the first run."""
        for path in self.machine.etc.rglob("*"):
            if path.is_file():
                path.unlink()
        for path, content in self.begin.items():
            path.write_bytes(content)
        (self.machine.daemon / "events").write_bytes(self.told)

    def phones(self):
        """The files that are named after the MAC; the two lists where there never are such."""
        folder = self.machine.etc / "phones"
        return [name for name in self.machine.files() if name.startswith("phones/SEP") or not folder.exists()]

    def killed(self, step):
        return self.machine.killed(step, *self.change, python=self.python, **self.more)

    def is_whole_after_a_refusal(self):
        """A run that is refused heals what was cut off: one of the two states, as the query foretold."""
        machine = self.machine
        present = machine.module("", "", state="query", python=self.python, **self.files)["data"]["present"]
        assert present in (self.before_mac, self.after_mac)
        refused = machine.module("", "", python=self.python, **self.files)
        assert "mac_binding.both_empty" == refused["code"]
        assert machine.files() == (self.old if present == self.before_mac else self.new)
        assert not (machine.state / "journal").exists()
        assert present == machine.believes(first=self.before_mac)
        return refused


SHORT = {("2.7", "change"), ("3.11", "names"), ("3.11", "undo")}


@pytest.mark.parametrize(
    ("python", "kind"),
    [
        pytest.param(python, kind, marks=marks(python, (python,) if (python, kind) in SHORT else ()))
        for python in ("2.7", "3.11")
        for kind in ("change", "removal", "undo", "names")
    ],
)
def test_killed_before_each_step(machine, python, kind):
    """Cut off before any of its steps, a run is taken back or counts as a whole, and can be repeated.

    At no moment is there no file that is named after the phone.
    """
    scenario = Scenario(machine, python, kind)
    phases, healed = Counter(), Counter()
    for step in range(1, STEPS):
        if not scenario.killed(step):
            break
        phases[phase(machine)] += 1
        assert scenario.phones()
        refused = scenario.is_whole_after_a_refusal()
        healed["recovered" in notices(refused)] += 1
        whole = machine.files() == scenario.new
        if step % 4 == 0:
            repeated = machine.module(*scenario.change, python=python, **scenario.more)
            assert ("ok" if whole else "changed") == repeated["outcome"], repeated
            assert scenario.new == machine.files()
        scenario.again()
    else:
        raise AssertionError
    assert set(PHASES) == set(phases)
    assert healed[True] > 10
    assert healed[False] > 10


@pytest.mark.parametrize(
    "python", [pytest.param(python, marks=marks(python, ("2.7",))) for python in ("2.7", "3.11")]
)
def test_killed_while_it_heals(machine, python):
    """Cut off again while it takes back what was cut off, the run after that takes it back all the same."""
    scenario = Scenario(machine, python, "names")
    told = last_step(scenario, "notifying")
    for step in range(1, STEPS):
        assert scenario.killed(told)
        assert (phase(machine), NEW) == ("notifying", machine.believes())
        if not machine.killed(step, "", "", python=python, **scenario.files):
            break
        assert scenario.phones()
        scenario.is_whole_after_a_refusal()
        assert scenario.old == machine.files()
        scenario.again()
    else:
        raise AssertionError
    assert step > 10


def last_step(scenario, wanted):
    """The last step before which a killed run is in this phase; the phases follow each other."""
    first, beyond = 1, STEPS
    while beyond - first > 1:
        step = (first + beyond) // 2
        whole = not scenario.killed(step) or scenario.new == scenario.machine.files()
        before = PHASES.index(phase(scenario.machine)) <= PHASES.index(wanted)
        if before and not (whole and phase(scenario.machine) == "nothing yet"):
            first = step
        else:
            beyond = step
        scenario.machine.module("", "", python=scenario.python)  # heals
        scenario.again()
    return first


@pytest.mark.parametrize("python", ["2.7", "3.11"])
def test_killed_while_a_slow_program_runs(machine, python):
    """A program that outlives its killed run has told the daemon before the next run tells it the reverse."""
    (machine.daemon / "late").touch()
    run = machine.popen(python=python)
    wait_for((machine.daemon / "late-one").exists)
    run.kill()
    run.communicate()
    machine.module("", "", python=python)
    wait_for(lambda: len(machine.events()) == 2)
    is_one_state(machine, OLD)


@pytest.mark.parametrize(
    ("python", "runs"),
    [
        *(pytest.param(python, 8, marks=marks(python, (python,))) for python in ("2.7", "3.11")),
        *(pytest.param(python, 200, marks=marks(python, ())) for python in ("2.7", "3.11")),
    ],
)
def test_killed_at_any_moment(machine, python, runs):
    """Killed at random moments, it is always whole after the next run, and never leaves a file behind."""
    chance = random.Random(int(os.environ.get("ATHOME_SEED", "7")))  # noqa: S311 - moments, no secret
    machine.misbehave("sleep 0.03")
    begin = time.monotonic()
    machine.result(machine.popen(OLD, NEW, python=python))
    late = time.monotonic() - begin
    early = late / 2
    present, phases = NEW, Counter()
    for turn in count():
        if turn >= runs and phases["prepared"] + phases["notifying"] >= runs // 5:
            break
        assert turn < 10 * runs, phases  # so many, and too few of them in the middle
        other = OLD if present == NEW else NEW
        run = machine.popen(present, other, python=python)
        moment = chance.uniform(early, late)
        time.sleep(moment)
        ended = run.poll() is not None
        if not ended:
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        reached = "ended" if ended else phase(machine)
        phases[reached] += 1
        if reached == "nothing yet":  # closer to where something happens: most of the time goes by before
            early = (3 * early + moment) / 4
        elif ended:
            late = (3 * late + moment) / 4
        found = machine.module("", "", state="query", python=python)
        assert "mac_binding.found" == found["code"], found
        present = found["data"]["present"]
        if turn % 3 == 0:  # a run that is refused heals as well
            machine.module("", "", python=python)
            is_one_state(machine, present)
        other = OLD if present == NEW else NEW
        assert "mac_binding.changed" == machine.module(present, other, python=python)["code"]
        is_one_state(machine, other)
        present = other
    print(dict(phases))
