"""Every command block of the documents is run as it is written, or stands in ELSEWHERE with a reason."""

import re

import pytest

from dispatcher.settings import PROJECT
from tests.acceptance.world import World
from tests.markdown import DOCUMENTS, Block, blocks

pytestmark = pytest.mark.lab

# Blocks that are not run here, by how they begin.
ELSEWHERE = {
    ("README.md", "make demo"): "the whole of it is these tests",
    ("README.md", "python3 -m lab exec -- bash"): "we are in that shell",
    ("lab/README.md", "sudo python3 -m lab up"): "starts a lab: tests/lab/test_lifecycle.py",
    ("lab/README.md", "apt-get install"): "the packages are there: lab/packages.sh",
    ("docs/APARENCIA.md", ".venv/bin/pytest"): "is among these tests",
    (
        "docs/APARENCIA.md",
        ".venv/bin/python -m tests.unit.replies",
    ): "draws pictures into the checkout, by a browser",
    ("docs/ARA.md", "sudo -u athome ARA_BASE_DIR"): "serves until ended: runs/test_ara.py",
    ("docs/AWX.md", "ansible-builder build"): "takes a container engine, as the page says",
    ("docs/VERSOES.md", "make matrix"): "takes half an hour and other Pythons",
    ("docs/VERSOES.md", ".venv/bin/python -m tests.matrix"): "takes minutes and other Pythons",
    ("docs/MIGRACAO.md", "install -d"): "in order: tests/unit/legacy/test_migration_page.py",
    ("docs/MIGRACAO.md", "athome import-legacy legado"): "in order: tests/unit/legacy/test_migration_page.py",
    ("docs/MIGRACAO.md", "grep -rn PREENCHA"): "in order: tests/unit/legacy/test_migration_page.py",
    ("docs/MIGRACAO.md", "ansible-inventory"): "in order: tests/unit/legacy/test_migration_page.py",
    ("docs/MIGRACAO.md", "find legado"): "in order: tests/unit/legacy/test_migration_page.py",
    ("docs/MIGRACAO.md", "ansible-playbook -i producao"): "installs a host: test_installed.py",
    (
        "docs/MIGRACAO.md",
        "sudo install -d",
    ): "needs the service's account; the import: tests/unit/legacy/test_import.py",
    (
        "docs/MIGRACAO.md",
        "sudo athome import-legacy",
    ): "needs the old files there: tests/unit/legacy/test_import.py",
    ("docs/MIGRACAO.md", "sudo athome doctor"): "looks at the whole fleet: the doctor's own tests",
    ("docs/INSTALACAO.md", ""): "each line is typed on a bare host: test_installed.py",
    ("docs/OPERACAO.md", "journalctl -t athome"): "needs the installed service: test_installed.py",
    ("docs/OPERACAO.md", "sudo systemctl stop"): "needs the installed service: test_installed.py",
}
FRESH = ".venv/bin/python -c 'from tests import fleet; fleet.fresh_phones(); fleet.forget(\"203.0.113.7\")'"
# What a block leaves behind in the lab, and how it is put back.
AFTER = {
    ("README.md", "athome explain '[7E57C0DE]"): FRESH,
    ("lab/README.md", "python3 -m lab exec -- ssh"): "ip link set v-gv2p up",
    ("lab/README.md", "python3 -m lab sh gv2p"): "python3 -m lab sh gv2p -- arimonitorctl accept",
}
# Commands that end when somebody ends them: after they have begun, by Ctrl-C.
ENDLESS = re.compile(r"(?m)^(sudo )?athome (serve|work|audit --follow)\b")
# Commands that do not end with 0 here.
ANSWERS = {
    "ssh -b 203.0.113.8": (255, "the attacker has no key"),
    "athome jobs cancel 42": (65, "job 42 has ended a moment before"),
    "athome explain --message": (2, "the mail is one that no server of ours has looked at"),
    "athome health": (69, "no service runs beside these commands"),
    "athome doctor": (75, "the same"),
}
# Commands that take seconds, and have short tests of their own.
LONG = re.compile(r"ansible-playbook|lab exec|lab sh|athome doctor|athome run '(CHECKIP|MACCHANGE|RAMAIS)")


def shell(block: Block) -> bool:
    return block.language in ("", "sh", "console", "python") and not block.text.startswith("[")


def commands(block: Block) -> str:
    """What is typed: of a `console` what stands behind the prompt."""
    if block.language == "python":
        return f".venv/bin/python - <<'END'\n{block.text}END\n"
    if block.language != "console":
        return block.text
    return "".join(f"{line[2:]}\n" for line in block.text.splitlines() if line.startswith("$ "))


TYPED = [block for name in DOCUMENTS for block in blocks(PROJECT / name) if shell(block)]


def elsewhere(block: Block) -> bool:
    return found(ELSEWHERE, block) is not None


def found(table: dict[tuple[str, str], str], block: Block) -> str | None:
    """What a table has for the block."""
    for (document, start), said in table.items():
        if block.document == document and block.text.startswith(start):
            return said
    return None


@pytest.fixture(scope="module")
def world(lab, tmp_path_factory):
    """A machine as the documents suppose it."""
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.end()


def run_here() -> list:
    """The blocks, those that take long marked so."""
    return [
        pytest.param(block, id=str(block), marks=[pytest.mark.long] if LONG.search(block.text) else [])
        for block in TYPED
        if not elsewhere(block)
    ]


@pytest.mark.parametrize("block", run_here())
def test_a_block_runs_as_it_is_written(world, block):
    """Each of its commands ends as it should, in the order in which they stand."""
    world.prepare(block.text)
    try:
        typed = world.type(ENDLESS.sub(r"until-ctrl-c \g<0>", commands(block)))
    finally:
        assert {0} >= {line.status for line in world.type(found(AFTER, block) or "")}
    for line in typed:
        expected = next((status for start, (status, _why) in ANSWERS.items() if start in line.text), 0)
        assert expected == line.status, f"{line.text}\n{line.said}"
        assert "Traceback" not in line.said, f"{line.text}\n{line.said}"


def test_what_is_not_run_is_still_there():
    """A reason outlives no block."""
    for name, start in ELSEWHERE | AFTER:
        assert any(block.document == name and block.text.startswith(start) for block in TYPED), (name, start)
