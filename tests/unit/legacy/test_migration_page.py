"""docs/MIGRACAO.md: what is typed where the project is, as it is written; and its words for what comes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.cli.import_legacy import _FATES
from dispatcher.settings import PROJECT
from tests.markdown import blocks

PAGE = PROJECT / "docs" / "MIGRACAO.md"
HERE = ("install -d", "athome import-legacy legado", "grep -rn PREENCHA", "ansible-inventory", "find legado")
CONFIG = "MODE=master\nEMAIL_SERVICE=correio\nEMAIL_PASSWORD=invented\nWHITELIST=ana@example.com\n"
SERVERS = '{"sip_servers": [{"id": "gv1p", "host": "192.0.2.11", "audios_from": "audio"}]}'


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The page's blocks in their order, in one folder; what each said, by how it begins."""
    folder = tmp_path_factory.mktemp("project")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = {}
    for start in HERE:
        (text,) = [block.text for block in blocks(PAGE) if block.text.startswith(start)]
        line = "\n".join(line for line in text.splitlines() if not line.startswith("sudo "))
        environment = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8"}
        done = subprocess.run(
            ["bash", "-euc", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, done.stdout + done.stderr
        said[start] = done.stdout
        if start == "install -d":
            (folder / "legado" / "audio2" / "monitor_config.txt").write_text(CONFIG)
            (folder / "legado" / "audio2" / "servers_config.json").write_text(SERVERS)
            (folder / "legado" / "audio" / "monitor_config.txt").write_text("MODE=slave\n")
    return folder, said


def test_the_steps_where_the_project_is(typed):
    """They end with an inventory that Ansible reads, marks to fill in, and at last without any secret."""
    folder, said = typed
    marked = [line for line in said["grep -rn PREENCHA"].splitlines() if "null" in line]
    assert ["host:", "user:", "host:", "user:", "address:", "authserv_id:"] == [
        line.split()[1] for line in marked
    ]
    assert "|--gv1p" in said["ansible-inventory"].replace(" ", "")
    assert [] == [path for path in (folder / "legado").rglob("*") if path.is_file()]
    assert [] == [*(folder / "producao" / "credentials").iterdir()]


def test_the_page_has_every_word_of_the_account():
    """A word that the command says is explained."""
    page = PAGE.read_text()
    words = {word for done, planned, _color in _FATES.values() for word in (done, planned)}
    assert [] == sorted(word for word in words if f"`{word}`" not in page)
