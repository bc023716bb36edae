"""What the lab reads of the machine, and how it names what it builds."""

import dataclasses

import pytest

from lab import images, mirror, state
from lab.cgroups import trees
from lab.errors import LabError, MachineError

DEB822 = """\
# a comment
Types: deb
# URIs: http://commented.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    monkeypatch.delenv("ATHOME_LAB_MIRROR", raising=False)
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_mirror_of_deb822_sources(apt):
    """The mirror comes from a deb822 source with a Debian suite; others and comments are passed over."""
    (apt / "sources.list.d/a.sources").write_text(
        "Types: deb\nURIs: http://other.example\nSuites: nodistro\nComponents: main\n"
    )
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    assert mirror.debian_mirror(apt) == "http://mirror.example/debian"


def test_mirror_of_a_disabled_source_is_not_taken(apt):
    """A source that is switched off does not count."""
    (apt / "sources.list.d/debian.sources").write_text(f"{DEB822}Enabled: no\n")
    with pytest.raises(MachineError, match="ATHOME_LAB_MIRROR"):
        mirror.debian_mirror(apt)


@pytest.mark.parametrize(
    "line",
    [
        "deb http://mirror.example/debian bookworm main contrib # here",
        "deb [signed-by=/usr/share/keyrings/x.gpg arch=amd64] http://mirror.example/debian trixie main",
    ],
)
def test_mirror_of_one_line_sources(apt, line):
    """The mirror comes from sources.list as well, with options or without."""
    (apt / "sources.list").write_text(f"# deb http://old.example/debian bookworm main\n{line}\n")
    assert mirror.debian_mirror(apt) == "http://mirror.example/debian"


def test_mirror_may_be_named(apt, monkeypatch):
    """On a machine without Debian sources the environment names the mirror."""
    monkeypatch.setenv("ATHOME_LAB_MIRROR", "http://named.example/debian")
    assert mirror.debian_mirror(apt) == "http://named.example/debian"


def test_a_changed_recipe_is_another_image():
    """Whatever changes in a recipe changes its place in the cache."""
    sip = images.IMAGES["sip"]
    assert dataclasses.replace(sip).key == sip.key
    for change in ({"suite": "trixie"}, {"packages": "bash"}, {"finish": "true"}, {"dpkg": ""}):
        assert dataclasses.replace(sip, **change).key != sip.key


def test_progress_counts_packages():
    """A build's progress is read from its log: how many packages of how many are at which step."""
    log = "2 newly installed\nGet:1 a\nGet:2 b\nUnpacking a (1)\nUnpacking b (2)\nSetting up a (1)\n"
    assert images.progress("") == "reading the package lists"
    assert images.progress(log) == "1 of 2 packages set up"


def test_trees_are_those_of_systemd(tmp_path):
    """Of the control group hierarchies, cgroup2 and v1's name=systemd are systemd's."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
        "cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )
    assert [str(tree) for tree in trees(mounts)] == ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "-a", "a" * 32, "é"])
def test_a_bad_name_is_refused_with_a_good_one(name):
    """A lab's name cannot lead out of its folder; the refusal shows a name that can be used."""
    with pytest.raises(LabError, match="--name test-2"):
        state.folder_of(name)
