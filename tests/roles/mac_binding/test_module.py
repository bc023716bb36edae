"""What the module does to files, metadata, backups and journal: real files, a real process each time."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.roles.mac_binding.machine import (
    BOTH,
    MACS,
    NEW,
    NEW_BOTH,
    OLD,
    OTHER,
    PYTHONS,
    USERS,
    VERSIONS,
    Machine,
    as_root,
    disk,
    every_python,
    notices,
    wait_for,
)  # fmt: skip

NOBODY = 65534


# ------------------------------------------------------------------------------------------ as Ansible does


@every_python
def test_every_python(machine, python):
    """As Ansible starts it: check foretells the change, a second changes nothing, undo gives it back."""

    def run(*changes, **more):
        return machine.result(machine.popen(*changes, python=python, **more))

    foretold = run(_ansible_check_mode=True)
    assert BOTH == machine.files()
    assert not machine.state.exists()
    done = run()
    assert NEW_BOTH == machine.files()
    transaction = done.pop("undo")["transaction"]
    assert [transaction] == machine.kept()
    assert transaction == done["data"].pop("transaction")
    assert "MAC would be changed" in foretold.pop("msg")
    assert "MAC changed" in done.pop("msg")
    assert foretold == done
    assert ["already_changed", "verified", "found"] == [
        result["code"].removeprefix("mac_binding.")
        for result in (run(), run("", NEW, state="verify"), run("", "", state="query"))
    ]
    assert "mac_binding.undone" == run(state="undone", transaction=transaction)["code"]
    assert BOTH == machine.files()


@every_python
def test_the_daemon_is_told(machine, python):
    """The daemon gets one event: the transaction, the extension, both MACs in plain form, the host."""
    result = machine.module("01-02-03-04-05-06", "01:02:03:04:05:99", python=python)
    event = {
        "transaction": result["data"]["transaction"], "extension": "3010",
        "mac_before": OLD, "mac_after": NEW, "action": "change", "host": "gv2p",
    }  # fmt: skip
    assert [event] == machine.events()


def test_add_and_remove(machine):
    """A MAC is added as the file's others are written, and taken out so that the files are as before."""
    before = machine.files()
    assert "mac_binding.added" == machine.module("", NEW, extension="3012")["code"]
    added = machine.files()
    assert added["users.conf"] == USERS.replace(b"mesa nova\n", b"mesa nova\nmacaddress = 010203040599\n")
    assert added["macs.csv"] == MACS + b"\r\n3012;010203040599;"
    assert "mac_binding.removed" == machine.module(NEW, "", extension="3012")["code"]
    assert before | {"macs.csv": MACS + b"\r\n"} == machine.files()
    assert ["add", "remove"] == [event["action"] for event in machine.events()]


def test_an_empty_value_is_filled_in(machine):
    """An extension with an empty setting and an empty field gets its MAC there, and nowhere else."""
    machine.module("", NEW, extension="3015")
    assert {
        "users.conf": USERS.replace(b"MACaddress\t=\n", b"MACaddress\t=010203040599\n"),
        "macs.csv": MACS.replace(b"3015;;", b"3015;010203040599;"),
    } == machine.files()


def test_the_diff_shows_both_files_and_nothing_else(machine):
    """Check mode shows the old and the new MAC of both files, the extension, and no other field."""
    result = machine.check(_ansible_diff=True)
    assert [
        (str(machine.users), "[3010]\nmacaddress = 010203040506\n", "[3010]\nmacaddress = 010203040599\n"),
        (str(machine.macs), "3010 010203040506\n", "3010 010203040599\n"),
    ] == [(each["after_header"], each["before"], each["after"]) for each in result["diff"]]


CONTENTS = st.lists(
    st.binary(max_size=30).map(lambda line: line.translate(None, b"[;=\n") + b"\n")
    | st.sampled_from([b"\r\n", b"; Jo\xe3o\r\n", b";--\n[3010]\n--;\n", b"secret = invented\\;\r\n"]),
    max_size=6,
).map(b"".join)


@given(st.tuples(CONTENTS, CONTENTS, CONTENTS), st.sampled_from(VERSIONS), st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_everything_else_stays_byte_for_byte(tmp_path, runners, noise, python, removal):
    """Whatever else a file has, a change touches the MAC alone, and the undo gives back the very bytes."""
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    machine = Machine(tmp_path, runners)
    first, second, third = noise
    users = first + b"[3010]\n" + second + b"macaddress = 010203040506\r\n" + third
    machine.users.write_bytes(users)
    python = python if PYTHONS[python] else "3.11"
    result = machine.module(OLD, "" if removal else NEW, python=python, notify={"type": "none"})
    value = b"" if removal else b"macaddress = 010203040599\r\n"
    assert first + b"[3010]\n" + second + value + third == machine.users.read_bytes()
    machine.undo(result["undo"]["transaction"], python=python, notify={"type": "none"})
    assert {"users.conf": users, "macs.csv": MACS} == machine.files()


# ----------------------------------------------------------------------------------------------------- undo


def test_undo(machine):
    """The undo restores both files byte for byte and tells the daemon; a second one says that it is done."""
    change = machine.module()["undo"]["transaction"]
    done = machine.undo(change)
    assert BOTH == machine.files()
    assert ("mac_binding.undone", change) == (done["code"], done["data"]["undoes"])
    assert [(OLD, NEW), (NEW, OLD)] == [(it["mac_before"], it["mac_after"]) for it in machine.events()]
    again = machine.undo(change)
    assert ("mac_binding.already_undone", False) == (again["code"], again["changed"])
    assert 2 == len(machine.events())


def test_an_undo_can_be_undone(machine):
    """The undo is a transaction like any other: its own undo brings the change back."""
    change = machine.module()
    undo = machine.undo(change["undo"]["transaction"])
    assert "mac_binding.undone" == machine.undo(undo["undo"]["transaction"])["code"]
    assert NEW_BOTH == machine.files()


def test_undo_in_check_mode(machine):
    """Check mode shows the undo of both files and leaves everything as it is."""
    change = machine.module()["undo"]["transaction"]
    result = machine.check("", "", state="undone", transaction=change, extension="")
    assert ("mac_binding.undone", True) == (result["code"], result["changed"])
    assert ["3010 010203040599\n", "3010 010203040506\n"] == [
        result["diff"][1][way] for way in ("before", "after")
    ]
    assert "undo" not in result


@pytest.mark.parametrize("name", ["users", "macs"])
def test_undo_after_an_edit_by_hand(machine, name):
    """One changed byte in either file, and the undo is refused with that file's name; nothing is touched."""
    change = machine.module()["undo"]["transaction"]
    path = getattr(machine, name)
    path.write_bytes(path.read_bytes() + b";")
    before = machine.files()
    result = machine.undo(change)
    assert ("mac_binding.changed_since", [str(path)]) == (result["code"], result["data"]["files"])
    assert before == machine.files()
    assert 1 == len(machine.events())


def test_undo_after_a_change_of_another_extension(machine):
    """A later change of another extension forbids the undo; when that one is undone first, it works."""
    first = machine.module()["undo"]["transaction"]
    second = machine.module(OTHER, "00005e005377", extension="3011")["undo"]["transaction"]
    assert "mac_binding.changed_since" == machine.undo(first)["code"]
    assert "mac_binding.undone" == machine.undo(second)["code"]
    assert "mac_binding.undone" == machine.undo(first)["code"]
    assert BOTH == machine.files()


@pytest.mark.parametrize("damage", ["missing", "emptied", "other"])
def test_undo_with_a_damaged_backup(machine, damage):
    """A backup that is not what was saved is never put in a file's place."""
    change = machine.module()["undo"]["transaction"]
    kept = machine.state / "backups" / change / "0.before"
    kept.unlink() if damage == "missing" else kept.write_bytes(b"" if damage == "emptied" else b"[3010]\n")
    result = machine.undo(change)
    assert ("failed", False) == (result["outcome"], result["changed"])
    assert NEW_BOTH == machine.files()
    assert 1 == len(machine.events())


def test_undo_of_a_removal_and_an_addition(machine):
    """What was taken out comes back with the rest of its line; what was added goes."""
    removal = machine.module(OLD, "")["undo"]["transaction"]
    machine.undo(removal)
    addition = machine.module("", NEW, extension="3012")["undo"]["transaction"]
    machine.undo(addition)
    assert BOTH == machine.files()


@pytest.mark.parametrize(
    "wanted", ["", "..", "../../etc", "20260131T120000000000-0a1b/../x", "x" * 5000, 7, None]
)
def test_undo_of_what_is_no_transaction(machine, wanted):
    """No other text than a transaction of this server opens anything."""
    machine.module()
    result = machine.undo(wanted)
    assert "mac_binding.unknown_transaction" == result["code"]
    assert len(result["data"]["transaction"]) <= 60
    assert NEW_BOTH == machine.files()


# ------------------------------------------------------------------------------------------------- metadata


@as_root
@every_python
@pytest.mark.parametrize("tools", ["cp", "none"])
def test_owner_and_mode_stay(machine, tmp_path, python, tools):
    """Owner, group and mode of both files stay, with and without `cp`, through undo and rollback too."""
    empty = tmp_path / "bin"
    empty.mkdir()
    environment = {"PATH": str(empty)} if tools == "none" else {}
    os.chown(machine.users, NOBODY, 7)
    machine.users.chmod(0o604)
    machine.macs.chmod(0o4751)
    none = {"type": "none"}

    def metadata():
        return [(it.st_uid, it.st_gid, it.st_mode) for it in map(os.stat, (machine.users, machine.macs))]

    before = metadata()
    change = machine.module(python=python, environment=environment, notify=none)["undo"]["transaction"]
    assert before == metadata()
    machine.undo(change, python=python, environment=environment, notify=none)
    assert before == metadata()
    failing = {"type": "command", "command": ["/bin/false"]}
    assert machine.module(python=python, environment=environment, notify=failing)["failed"]
    assert before == metadata()
    assert BOTH == machine.files()


def test_attributes_stay(machine):
    """ACL and extended attributes of a file are kept with GNU cp, and come back with an undo."""
    acl = bytes.fromhex(  # user::rw-, user:nobody:r--, group::r--, mask::r--, other::---
        "02000000" "01000600ffffffff" "02000400feff0000" "04000400ffffffff" "10000400ffffffff"
        "20000000ffffffff"
    )  # fmt: skip
    try:
        os.setxattr(machine.users, "user.origem", "São".encode())
        os.setxattr(machine.users, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"this disk keeps no attributes: {error}")

    def attributes():
        return {name: os.getxattr(machine.users, name) for name in os.listxattr(machine.users)}

    before = attributes()
    assert {"user.origem", "system.posix_acl_access"} <= set(before)
    change = machine.module()["undo"]["transaction"]
    assert before == attributes()
    machine.undo(change)
    assert before == attributes()


def test_backups_are_for_root_alone(machine):
    """The folder of the state and each backup in it can be entered by their owner only."""
    change = machine.module()["undo"]["transaction"]
    folders = [machine.state, machine.state / "backups", machine.state / "backups" / change]
    assert [0o700] * 3 == [path.stat().st_mode & 0o777 for path in folders]
    assert USERS == (folders[-1] / "0.before").read_bytes()


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_state_folder_of_others_is_refused(machine, mode):
    """A folder where others write, such as Asterisk's own, is neither used nor shut to them."""
    machine.etc.chmod(mode)
    result = machine.module(state_dir=str(machine.etc))
    assert ("mac_binding.error", BOTH) == (result["code"], machine.files())
    assert "mac_binding_state_dir" in result["msg"]
    assert mode == machine.etc.stat().st_mode & 0o7777


def test_a_path_that_no_manifest_can_name_is_refused(machine):
    """Behind a link to a Latin-1 name the way back would not find the file: nothing is changed."""
    folder = os.fsencode(machine.folder) + b"/us\xe1rios"
    Path(os.fsdecode(folder)).mkdir()
    machine.users.rename(os.fsdecode(folder + b"/users.conf"))
    machine.users.symlink_to(os.fsdecode(folder + b"/users.conf"))
    result = machine.module()
    assert ("mac_binding.file_error", "path is not UTF-8") == (result["code"], result["data"]["error"])
    assert BOTH == {"users.conf": machine.users.read_bytes(), "macs.csv": machine.macs.read_bytes()}
    assert ([], []) == (machine.events(), machine.kept())


def test_a_symbolic_link_stays_one(machine):
    """Behind a link the file itself is changed; the link stays, also through an undo."""
    real = machine.folder / "real.conf"
    machine.users.rename(real)
    machine.users.symlink_to("../real.conf")
    change = machine.module()["undo"]["transaction"]
    assert machine.users.is_symlink()
    assert NEW_BOTH["users.conf"] == real.read_bytes()
    machine.undo(change)
    assert (True, USERS) == (machine.users.is_symlink(), real.read_bytes())


@pytest.mark.parametrize("when", ["change", "undo"])
def test_a_hard_link_is_refused(machine, when):
    """A file with a second name is left alone, since its other name would keep the old content."""
    change = machine.module()["undo"]["transaction"] if when == "undo" else None
    os.link(machine.macs, machine.folder / "second-name")
    before = machine.files()
    result = machine.undo(change) if change else machine.module()
    assert ("mac_binding.file_error", str(machine.macs)) == (result["code"], result["data"]["file"])
    assert before == machine.files()


@pytest.mark.parametrize("kind", ["folder", "fifo", "dangling", "missing"])
def test_what_is_no_file_is_refused(machine, kind):
    """A path that is no regular file is named, the other file stays as it is, and nothing hangs."""
    machine.macs.unlink()
    {
        "folder": machine.macs.mkdir,
        "fifo": lambda: os.mkfifo(machine.macs),
        "dangling": lambda: machine.macs.symlink_to("nowhere"),
        "missing": lambda: None,
    }[kind]()
    result = machine.module()
    assert "mac_binding.file_error" == result["code"]
    assert str(machine.macs) in (result["data"]["file"], result["msg"]) or kind == "dangling"
    assert USERS == machine.users.read_bytes()


# -------------------------------------------------------------------------------- files named after the MAC


@pytest.fixture
def phones(machine):
    """Two phones' files beside the two lists; -> the folder."""
    folder = machine.etc / "phones"
    folder.mkdir()
    (folder / "SEP010203040506.cnf.xml").write_bytes(b"<line>3010</line> invented\r\n\xe7")
    (folder / "SEP00005E005311.cnf.xml").write_bytes(b"<line>3011</line>")
    (folder / "README").write_text("SEP files")
    return folder


def with_phones(machine, folder):
    spec = {"path": str(folder), "format": "names", "name": "SEP{mac}.cnf.xml",
            "pattern": r"<line>(?P<extension>\d+)</line>"}  # fmt: skip
    return [*machine.specs(), spec]


@every_python
def test_a_file_named_after_the_mac(machine, phones, python):
    """Such a file is renamed with the lists, keeps content and mode, and an undo gives it its old name."""
    (phones / "SEP010203040506.cnf.xml").chmod(0o600)
    files = with_phones(machine, phones)
    before = machine.files()
    change = machine.module(files=files, python=python)["undo"]["transaction"]
    after = machine.files()
    assert before["phones/SEP010203040506.cnf.xml"] == after["phones/SEP010203040599.cnf.xml"]
    assert "phones/SEP010203040506.cnf.xml" not in after
    assert 0o600 == (phones / "SEP010203040599.cnf.xml").stat().st_mode & 0o777
    machine.undo(change, files=files, python=python)
    assert before == machine.files()
    assert 0o600 == (phones / "SEP010203040506.cnf.xml").stat().st_mode & 0o777


def test_a_phones_file_is_removed_and_comes_back(machine, phones):
    """Removing the MAC takes its file away, and the undo brings it back."""
    before = machine.files()
    change = machine.module(OLD, "", files=with_phones(machine, phones))["undo"]["transaction"]
    assert "phones/SEP010203040506.cnf.xml" not in machine.files()
    machine.undo(change, files=with_phones(machine, phones))
    assert before == machine.files()


def test_a_name_that_is_taken(machine, phones):
    """Where a file of the new name lies already, of whatever content, nothing is changed."""
    (phones / "SEP010203040599.cnf.xml").write_bytes(b"nobody's")
    before = machine.files()
    result = machine.module(files=with_phones(machine, phones))
    assert "mac_binding.file_error" == result["code"]
    assert before == machine.files()


def test_a_phones_mac_in_use(machine, phones):
    """A MAC that only another phone's file has is in use all the same."""
    machine.macs.write_bytes(MACS.replace(b"00005E005311", b""))
    machine.users.write_bytes(USERS.replace(b"00:00:5E:00:53:11", b""))
    result = machine.module(OLD, OTHER, files=with_phones(machine, phones))
    assert ("mac_binding.duplicate", ["3011"]) == (result["code"], result["data"]["extensions"])


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("mark", "panel"),
    [
        ("; This file was generated by FreePBX", "FreePBX"),
        ("# Generated by the Issabel Endpoint Manager; do not edit", "Issabel"),
        ("<!-- generated by Endpoint Manager -->", "Endpoint Manager"),
    ],
)
@pytest.mark.parametrize("name", ["users", "macs"])
def test_a_panels_file_is_refused(machine, name, mark, panel):
    """A file that a panel writes is refused with the panel's name, whichever of the two it is."""
    path = getattr(machine, name)
    path.write_bytes(mark.encode() + b"\n" + path.read_bytes())
    before = machine.files()
    result = machine.module()
    data = result["data"]
    assert ("mac_binding.managed", panel, str(path)) == (result["code"], data["panel"], data["file"])
    assert before == machine.files()


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ({"confirmed": False}, ["mac_binding_confirmed"]),
        ({"confirmed": "yes"}, ["mac_binding_confirmed"]),
        ({"files": []}, ["mac_binding_files"]),
        ({"notify": {}}, ["mac_binding_notify"]),
        ({"notify": {"type": "pigeon"}}, ["mac_binding_notify"]),
        ({"notify": {"type": "command"}}, ["mac_binding_notify.command"]),
        ({"notify": {"type": "http", "token_file": "/x"}}, ["mac_binding_notify.url"]),
        ({"notify": {"type": "systemd"}}, ["mac_binding_notify.unit"]),
        ({"notify": {"type": "ari", "url": "http://127.0.0.1/ari"}},
         ["mac_binding_notify.application", "mac_binding_notify.credentials_file"]),
        ({"verify": {"type": "http"}}, ["mac_binding_verify.url"]),
        ({"verify": {"url": "http://127.0.0.1/{extension}"}}, ["mac_binding_verify.type"]),
        ({"files": [{"path": "users.conf", "format": "ini"}]},
         ["mac_binding_files[0].key", "mac_binding_files[0].path"]),
        ({"files": [{"path": "/x", "format": "lines", "pattern": "(?P<extension>[0-9]+", "line": "x"}]},
         ["mac_binding_files[0].pattern"]),
        ({"files": [{"path": "/x", "format": "lines", "pattern": "(?P<extension>[0-9]+)", "line": "x"}]},
         ["mac_binding_files[0].pattern"]),
        ({"files": [{"path": "/x", "format": "names", "pattern": "(?P<extension>[0-9]+)", "name": "x.xml"}]},
         ["mac_binding_files[0].name"]),
        ({"files": [{"path": "/x", "format": "xml", "notation": "morse"}]},
         ["mac_binding_files[0].format", "mac_binding_files[0].notation"]),
        ({"confirmed": False, "files": None, "notify": None},
         ["mac_binding_confirmed", "mac_binding_files", "mac_binding_notify"]),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_what_is_not_filled_in_is_named(machine, more, missing):
    """A server that is not fully described is refused with each variable to fill in, and left untouched."""
    before = machine.tree()
    result = machine.module(**more)
    assert ("mac_binding.not_confirmed", missing) == (result["code"], sorted(result["data"]["missing"]))
    assert all(name in result["msg"] for name in missing)
    assert before == machine.tree()


def test_looking_needs_no_confirmation(machine):
    """Query and verify work before anything is confirmed: so one fills in the form."""
    more = {"confirmed": False, "notify": {}}
    assert "mac_binding.found" == machine.check("", "", state="query", **more)["code"]
    assert "mac_binding.verified" == machine.check("", OLD, state="verify", **more)["code"]


@pytest.mark.parametrize(
    "more", [{"state": "gone"}, {"colour": "red"}, {"backups_kept": "many"}, {"files": "x"}]
)
def test_wrong_arguments(machine, more):
    """Wrong arguments get one line without a traceback, and nothing is touched."""
    before = machine.tree()
    result = machine.module(**more)
    assert "mac_binding.error" == result["code"]
    assert "\n" not in result["msg"]
    assert before == machine.tree()


def test_one_file_named_twice(machine):
    """Two items that mean the same file would overwrite each other: that is refused, also behind a link."""
    (machine.etc / "link.conf").symlink_to("users.conf")
    twice = [*machine.specs(), {"path": str(machine.etc / "link.conf"), "format": "ini", "key": "macaddress"}]
    before = machine.files()
    result = machine.module(files=twice)
    assert result["failed"]
    assert "link.conf" in result["msg"]
    assert before == machine.files()


def test_files_disagree(machine):
    """Where the files do not say the same each one's MAC is in the data, none in the sentence."""
    result = machine.module("00005e005315", NEW, extension="3014")
    assert "mac_binding.files_disagree" == result["code"]
    assert [
        {"file": str(machine.users), "mac": "00005e005315"},
        {"file": str(machine.macs), "mac": "00005e005399"},
    ] == result["data"]["values"]  # fmt: skip
    assert "00005e" not in result["msg"]


def test_the_other_file_is_finished(machine):
    """Where one file has the new MAC already the other one is brought in line, and the undo is of that."""
    machine.macs.write_bytes(NEW_BOTH["macs.csv"])
    result = machine.module()
    assert ("mac_binding.changed", [str(machine.users)]) == (result["code"], result["data"]["files"])
    assert {"files": [str(machine.users)]} == notices(result)["finished"]
    assert NEW_BOTH == machine.files()
    machine.undo(result["undo"]["transaction"])
    assert BOTH | {"macs.csv": NEW_BOTH["macs.csv"]} == machine.files()


# ------------------------------------------------------------------------------- disks, edits, many at once


@as_root
@every_python
def test_disk_full_at_the_backup(machine, python):
    """Without room for the backup nothing is changed and nobody told; with room it works."""
    with disk(machine.state, "size=16k,mode=700"):
        (machine.state / "filler").write_bytes(b"x" * 8192)
        result = machine.module(python=python)
        assert ("mac_binding.file_error", "No space left on device") == (
            result["code"],
            result["data"]["error"],
        )
        assert BOTH == machine.files()
        assert [] == machine.kept()
        assert [] == machine.events()
        subprocess.run(["mount", "-o", "remount,size=1m", machine.state], check=True)
        assert "mac_binding.changed" == machine.module(python=python)["code"]


@as_root
@pytest.mark.parametrize("room", range(4))
def test_disk_full_beside_the_files(machine, room):
    """Without room for the new files, at whichever of them, the old ones stay and nobody is told."""
    big = b"; " + b"x" * 4090 + b"\n"
    machine.users.write_bytes(USERS + b"\n" + big)
    machine.macs.write_bytes(MACS + b"\n" + big.replace(b";", b"#"))
    before = machine.files()
    with disk(machine.etc, f"size={16 + 4 * room}k"):
        result = machine.module()
        if room < 4:
            assert ("mac_binding.file_error", "No space left on device") == (
                result["code"], result["data"].get("error"),
            )  # fmt: skip
        assert before == machine.files()
        assert [] == machine.events()
        assert not (machine.state / "journal").exists()


@as_root
@every_python
def test_one_full_disk_for_everything(machine, python):
    """Where backup and files share a full disk, the way back needs no room that is not there."""
    big = b"; " + b"x" * 12000 + b"\n"
    machine.users.write_bytes(USERS + b"\n" + big)
    before = machine.files()
    with disk(machine.etc, "size=48k"):
        result = machine.module(python=python, state_dir=str(machine.etc / "state"))
        assert ("mac_binding.file_error", "No space left on device") == (
            result["code"], result["data"].get("error"),
        )  # fmt: skip
        assert before == {name: content for name, content in machine.files().items() if "/" not in name}
        assert not (machine.etc / "state/journal").exists()
        assert [] == machine.events()


@as_root
def test_a_folder_that_cannot_be_written(machine):
    """On a disk that is mounted for reading only, nothing is changed, and the error says so."""
    with disk(machine.etc, "size=1m"):
        subprocess.run(["mount", "-o", "remount,ro", machine.etc], check=True)
        result = machine.module()
        assert ("mac_binding.file_error", "Read-only file system") == (
            result["code"],
            result["data"]["error"],
        )
        assert BOTH == machine.files()
        assert not (machine.state / "journal").exists()
        assert [] == machine.events()
        subprocess.run(["mount", "-o", "remount,rw", machine.etc], check=True)
        assert "mac_binding.changed" == machine.module()["code"]


@as_root
def test_a_state_folder_that_cannot_be_written(machine):
    """Where the state cannot be kept nothing is changed."""
    with disk(machine.state, "size=1m,mode=700,ro"):
        result = machine.module()
    assert "mac_binding.file_error" == result["code"]
    assert BOTH == machine.files()


def slow_cp(machine, line):
    """A folder with a `cp` that does something else first, as an editor may in that moment."""
    folder = machine.folder / "bin"
    folder.mkdir()
    (folder / "cp").write_text(f'#!/bin/sh\n{line}\nexec {shutil.which("cp")} "$@"\n')
    (folder / "cp").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@every_python
@pytest.mark.parametrize("name", ["users", "macs"])
def test_an_edit_during_the_run(machine, python, name):
    """An edit between the reading and the writing is noticed: it stays, nothing changes, none is told."""
    path = getattr(machine, name)
    edit = f'case "$*" in *athome-new) echo ";by hand" >> {path};; esac'
    result = machine.module(python=python, environment=slow_cp(machine, edit))
    assert ("mac_binding.changed_since", [str(path)]) == (result["code"], result["data"]["files"])
    content = machine.files()
    assert content.pop(path.name).startswith(BOTH[path.name] + b";by hand")
    assert all(BOTH[other] == kept for other, kept in content.items())
    assert [] == machine.events()
    assert not (machine.state / "journal").exists()


@pytest.mark.parametrize("killed", [False, True])
def test_an_edit_is_not_taken_back(machine, killed):
    """What somebody wrote into a file since the change stays when that is taken back; the other goes back."""
    edit = f"[ $(wc -l < events) -gt 1 ] || echo ';by hand' >> {machine.users}"
    machine.misbehave(f"{edit}; {'kill -9 $PPID' if killed else 'exit 1'}")
    run = machine.popen()
    if killed:
        run.communicate()
        machine.behave()
        result = machine.module("", "")
        assert [str(machine.users)] == notices(result)["recovery_conflict"]["files"]
    else:
        result = machine.result(run)
        assert ("mac_binding.not_restored", [str(machine.users)]) == (result["code"], result["data"]["files"])
    assert {"users.conf": NEW_BOTH["users.conf"] + b";by hand\n", "macs.csv": MACS} == machine.files()
    assert not (machine.state / "journal").exists()


@every_python
def test_eight_at_once(machine, python):
    """Of eight changes of one extension at once one wins, seven are told, and the files agree."""
    macs = [f"00005e0053{number:02x}" for number in range(0x20, 0x28)]
    runs = [machine.popen(OLD, mac, python=python) for mac in macs]
    results = [machine.result(run) for run in runs]
    (won,) = [result for result in results if result["code"] == "mac_binding.changed"]
    mac = won["data"]["mac_after"]
    assert ["mac_binding.mismatch"] * 7 == [result["code"] for result in results if result is not won]
    assert {mac} == {result["data"]["present"] for result in results if result is not won}
    assert {
        name: content.replace(OLD.encode(), mac.encode()) for name, content in BOTH.items()
    } == machine.files()
    assert [mac] == [event["mac_after"] for event in machine.events()]


def test_a_lock_is_waited_for(machine):
    """A change that comes while another one holds the lock waits for it, and is done then."""
    machine.misbehave("sleep 0.5")
    first = machine.popen()
    wait_for(machine.events)
    second = machine.module(OTHER, "00005e005377", extension="3011")
    assert ["mac_binding.changed"] * 2 == [machine.result(first)["code"], second["code"]]


@pytest.mark.parametrize("looks", [{"state": "query"}, {"_ansible_check_mode": True}])
def test_a_change_under_way_is_not_taken_for_one_that_was_cut_off(machine, looks):
    """Whoever only looks waits for the change as well, and then sees the files as it left them."""
    machine.misbehave("sleep 0.5")
    first = machine.popen()
    while not machine.events():
        assert first.poll() is None
    assert "mac_binding.locked" == machine.module(OTHER, NEW, lock_timeout=0, **looks)["code"]
    second = machine.module(OLD, NEW, **looks)
    assert "unfinished" not in notices(second)
    assert NEW in (second["data"].get("present"), second["code"] == "mac_binding.already_changed" and NEW)
    assert "mac_binding.changed" == machine.result(first)["code"]


@every_python
def test_what_the_daemons_program_leaves_behind_holds_no_lock(machine, python):
    """A process that the program started, such as the daemon itself, does not lock out the next change."""
    machine.misbehave("setsid sleep 30 >/dev/null 2>&1 & echo $! > left-behind")
    machine.module(python=python)
    try:
        assert "mac_binding.changed" == machine.module(NEW, OLD, python=python, lock_timeout=0)["code"]
    finally:
        for pid in (machine.daemon / "left-behind").read_text().split():
            os.kill(int(pid), 9)


def test_backups_are_kept_up_to_a_number(machine):
    """The newest backups are kept, older ones cannot be undone any more, and files stay as they are."""
    done = []
    for number in range(5):
        before, after = (OLD, NEW) if number % 2 == 0 else (NEW, OLD)
        done.append(machine.module(before, after, backups_kept=3)["undo"]["transaction"])
    assert done[-3:] == machine.kept()
    assert "mac_binding.unknown_transaction" == machine.undo(done[0])["code"]
    assert "mac_binding.undone" == machine.undo(done[-1])["code"]


@pytest.mark.parametrize("kept", [0, -1, 1])
def test_the_newest_backup_is_always_kept(machine, kept):
    """Whatever the number, and whatever the clock said before, the last change can be undone."""
    machine.module()
    (machine.state / "backups/99990101T000000000000-0000").mkdir()
    change = machine.module(NEW, OLD, backups_kept=kept)["undo"]["transaction"]
    assert "mac_binding.undone" == machine.undo(change)["code"]
