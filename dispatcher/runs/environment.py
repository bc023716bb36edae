"""What Ansible gets of this process's environment: the way to its programs, and none of our secrets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dispatcher.settings import PROJECT

# The file is AWS's own way to name where its keys are, of use to what collects on this machine.
_KEPT = ("AWS_SHARED_CREDENTIALS_FILE", "HOME", "LOGNAME", "SSH_AUTH_SOCK", "TZ", "USER")


def clean_environment() -> dict[str, str]:
    """Return the variables that every program of Ansible is started with."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",  # Ansible insists on UTF-8
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",  # Ansible Runner would switch it off
        "ANSIBLE_NOCOLOR": "1",
    }
