"""Lists what of an inventory a dispatcher gets. Arguments: its folder; the hosts of group dispatchers.

Stays behind: what is about the dispatchers themselves, and whole files that ansible-vault has encrypted, as
nobody there can read them. Prints the files as JSON, relative to the folder.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

NOT_AN_INVENTORY = ("ansible.cfg", "playbooks", "roles", ".git")
VAULT = b"$ANSIBLE_VAULT"
SECRET = re.compile(rb"^[^#\n]*(!vault\b|\bdispatcher_secrets\b)", re.MULTILINE)


def wanted(path: Path, dispatchers: tuple[str, ...]) -> bool:
    """Whether a file of the inventory (a relative path) is about the fleet."""
    own = {("group_vars", "dispatchers"), *(("host_vars", name) for name in dispatchers)}
    folder, *rest = path.parts
    about = {
        (folder, name.removesuffix(suffix)) for name in rest[:1] for suffix in ("", ".yml", ".yaml", ".json")
    }
    hidden = any(part.startswith(".") or part.endswith("~") for part in path.parts)
    return not hidden and not about & own


def main(folder: Path, *dispatchers: str) -> None:
    """Print the list."""
    if not folder.is_dir():
        sys.exit(f"{folder} is no folder: set dispatcher_inventory to the one with the fleet's inventory.")
    if others := [name for name in NOT_AN_INVENTORY if (folder / name).exists()]:
        sys.exit(
            f"{folder} has more than an inventory in it ({', '.join(others)}), and all would be copied. Move"
            " hosts, group_vars and host_vars to a folder of their own, or name one in dispatcher_inventory."
        )
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [
        str(path.relative_to(folder))
        for path in files
        if wanted(path.relative_to(folder), dispatchers) and not path.read_bytes().startswith(VAULT)
    ]
    if secret := [name for name in found if SECRET.search((folder / name).read_bytes())]:
        sys.exit(
            f"{', '.join(secret)} would be copied to the dispatcher, with dispatcher_secrets or with values"
            " (!vault) that nobody there can decrypt. Move these to group_vars/dispatchers, or to a file that"
            " ansible-vault has encrypted as a whole: both stay behind."
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
