"""A lab leaves nothing, however it ends. These tests start labs of their own, so they run outside of any."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import cgroups, checks, state

CHECKOUT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.skipif(state.inside(), reason="a lab is started from outside: .venv/bin/pytest tests/lab"),
    pytest.mark.skipif(os.geteuid() != 0, reason="starting a lab takes root"),
]


def lab(*arguments, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "lab", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def traces(name):
    """Everything of a lab that can be seen from outside."""
    processes = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cgroup")
        if f"athome-lab.{name}/" in _text(path) or f"\0lab.keeper\0{name}\0" in _text(path.parent / "cmdline")
    ]
    groups = [tree / f"athome-lab.{name}" for tree in cgroups.trees()]
    return processes + [path for path in (*groups, state.folder_of(name)) if path.exists()]


def surroundings():
    """Mounts and network links of this machine."""
    links = sorted(path.name for path in Path("/sys/class/net").iterdir())
    return Path("/proc/self/mounts").read_text(), links


def _text(path):
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""


def gone(name, patience=60):
    end = time.monotonic() + patience
    while time.monotonic() < end and traces(name):
        time.sleep(0.1)
    return traces(name) == []


@pytest.fixture(params=[pytest.param("plain", marks=pytest.mark.long), "systemd"])
def mode(request):
    if request.param == "systemd" and not all(check.ok for check in checks.every()):
        pytest.skip("systemd containers cannot run on this machine")
    return request.param


@pytest.fixture
def name():
    yield (own := f"test-{os.getpid()}")
    lab("down", "--name", own)


def test_down_leaves_no_trace(mode, name):
    """After `down` no process, mount, link, control group or folder of the lab is left."""
    before = surroundings()
    lab("up", "--mode", mode, "--name", name)
    assert traces(name) != []
    assert surroundings() == before  # not even while it runs
    lab("down", "--name", name)
    assert (traces(name), surroundings()) == ([], before)


def test_killed_supervisor_leaves_no_trace(mode, name):
    """When process 1 of the lab is killed, everything goes with it, and is cleaned up without a `down`."""
    lab("up", "--mode", mode, "--name", name)
    os.kill(state.read(name).supervisor.pid, signal.SIGKILL)
    assert gone(name)


def test_all_killed_is_recognised_and_started_anew(name):
    """With the keeper killed too, what the lab leaves is recognised, and does not hinder `up`."""
    lab("up", "--mode", "plain", "--name", name)
    running = state.read(name)
    os.kill(running.keeper.pid, signal.SIGKILL)
    running.supervisor.end(signal.SIGKILL)
    assert "has ended" in lab("status", "--name", name, status=1)
    assert "is up" in lab("up", "--mode", "plain", "--name", name)


def test_a_forgotten_lab_ends_by_itself(name):
    """A lab whose time is over ends and cleans up by itself."""
    lab("up", "--mode", "plain", "--name", name, "--ttl", "8")
    assert gone(name)


def test_two_labs_do_not_collide(mode, name):
    """Two labs run at once, with keys of their own under the same paths; one's end leaves the other."""
    other = f"{name}-b"
    try:
        for each in (name, other):
            lab("up", "--mode", mode, "--name", each)
        keys = [
            lab("exec", "--name", each, "--", "cat", "/run/athome-lab/ssh/known_hosts")
            for each in (name, other)
        ]
        assert keys[0] != keys[1]
    finally:
        lab("down", "--name", other)
    assert traces(other) == []
    assert "no answer" not in lab("status", "--name", name)


def test_a_second_up_leaves_the_running_lab(name):
    """`up` of a running lab says so and changes nothing; `up --fresh` starts it anew."""
    lab("up", "--mode", "plain", "--name", name)
    first = state.read(name)
    assert "already running" in lab("up", "--name", name)
    assert state.read(name) == first
    lab("up", "--mode", "plain", "--name", name, "--fresh")
    assert state.read(name).supervisor != first.supervisor


def test_exec_is_like_running_it_here(name, tmp_path):
    """Exit status, working directory, environment and standard input pass through `exec`; so does SIGTERM."""
    lab("up", "--mode", "plain", "--name", name)
    command = [sys.executable, "-m", "lab", "exec", "--name", name, "--"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "WORD": "água"}
    done = subprocess.run(
        [*command, "sh", "-c", 'pwd; echo "$WORD"; cat; exit 7'],
        cwd=tmp_path, env=environment, input="in", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (7, f"{tmp_path}\nágua\nin")
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    with subprocess.Popen([*command, "sh", "-c", script], cwd=CHECKOUT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(30) == 9


def test_what_exec_started_ends_with_the_lab(name):
    """A command that still runs in the lab when it ends is ended with it, and its caller is told why."""
    lab("up", "--mode", "plain", "--name", name)
    command = [sys.executable, "-m", "lab", "exec", "--name", name, "--", "sh", "-c", "echo ready; sleep 600"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        lab("down", "--name", name)
        assert process.wait(30) == 1
        assert b"ended with its lab" in process.stderr.read()


def test_nothing_to_end_is_no_error(name):
    """`down` without a lab says so and is content; `exec` without one names the command that starts it."""
    assert "not running" in lab("down", "--name", name)
    assert f"up --name {name}" in lab("exec", "--name", name, "--", "true", status=1)
