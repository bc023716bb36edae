"""What a real systemd makes of what it is told: a server of the lab has one, and runs the very module."""

import base64
from pathlib import Path

import pytest

from dispatcher.health import systemd
from tests.fleet import on
from tests.road import waited

HOST, UNIT = "voip1", "athome-notify-test"
# Ready after a second, fed for four, then hung as a service whose parts hang.
SCRIPT = """
import runpy, time
told = runpy.run_path("/run/athome-notify.py")
assert told["watchdog"]() == 2.0
time.sleep(1)
assert told["notify"]("READY=1", "STATUS=mailbox listening")
for _turn in range(8):
    time.sleep(0.5)
    assert told["notify"]("WATCHDOG=1")
time.sleep(600)
"""


@pytest.fixture
def unit(lab):
    """Start the script as a service, as `athome serve` is started."""
    module = Path(systemd.__file__).read_text()
    for name, text in (("athome-notify.py", module), ("athome-notify-test.py", SCRIPT)):
        content = base64.b64encode(text.encode()).decode()
        on(HOST, f"echo {content} | base64 -d > /run/{name}")
    properties = "--service-type=notify -p WatchdogSec=2 -p WatchdogSignal=SIGKILL -p NotifyAccess=main"
    on(HOST, f"systemd-run --no-block --unit={UNIT} {properties} python3 /run/athome-notify-test.py")
    yield lambda name: on(HOST, f"systemctl show -p {name} --value {UNIT}").strip()
    on(HOST, f"systemctl stop {UNIT}; systemctl reset-failed {UNIT}", check=False)
    on(HOST, "rm -f /run/athome-notify.py /run/athome-notify-test.py")


def test_systemd_hears_ready_and_status_and_ends_what_is_not_fed(unit):
    """Active only after READY=1, with the status to be read; fed, and ended once it is not fed any more."""
    seen = []

    def active() -> bool:
        seen.append(unit("ActiveState"))
        return seen[-1] == "active"

    waited(active, f"never active: {seen}")
    assert set(seen) <= {"inactive", "activating", "active"}
    assert "mailbox listening" == unit("StatusText")
    first = unit("WatchdogTimestampMonotonic")
    waited(lambda: int(first) < int(unit("WatchdogTimestampMonotonic")), "the watchdog was not fed")
    waited(lambda: unit("Result") == "watchdog", "not ended by the watchdog")
