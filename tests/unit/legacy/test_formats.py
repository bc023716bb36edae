"""The predecessor's JSON files and the word for its mailbox: what is wrong is named, the rest is taken."""

import json
import os

import pytest

from dispatcher.legacy import files, servers_config, tokens_json
from dispatcher.legacy.files import LegacyError
from dispatcher.legacy.service import mailbox

GOOD = {"id": "gv1p", "host": "192.0.2.11", "audios_from": "audio"}


def servers(*entries):
    return servers_config.parse(json.dumps({"sip_servers": entries}), "servers_config.json")


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        ({}, ["id", "host", "audios_from"]),
        ("gv1p", ["sip_servers"]),
        ({**GOOD, "id": "gv1p,gv2p"}, ["id"]),
        ({**GOOD, "id": "gv[1:3]p"}, ["id"]),
        ({**GOOD, "id": 1}, ["id"]),
        ({**GOOD, "host": "{{ lookup('pipe', 'id') }}"}, ["host"]),
        ({**GOOD, "host": "root@192.0.2.11"}, ["host"]),
        ({**GOOD, "host": "192.0.2.11:2222"}, ["host"]),
        ({**GOOD, "host": "192.0.2.300"}, ["host"]),
        ({**GOOD, "host": "-oProxyCommand=id"}, ["host"]),
        ({**GOOD, "host": "fe80::1%{{ lookup('pipe', 'id') }}"}, ["host"]),  # a zone is any text, to Python
        ({**GOOD, "host": "192.0.2.11%eth0"}, ["host"]),
        ({**GOOD, "id": "all", "audios_from": "localhost"}, ["id", "audios_from"]),
        ({**GOOD, "id": "Sip_Servers"}, ["id"]),
        ({**GOOD, "id": "s3"}, ["id"]),
        ({**GOOD, "host": None, "audios_from": "/mnt/audio"}, ["host", "audios_from"]),
        (GOOD, ["id"]),  # a second one
    ],
)
def test_a_wrong_server_is_named_by_its_fields(entry, fields):
    """Each field with what was expected; nothing of it can reach an inventory, the others do."""
    found = servers(GOOD, entry, {**GOOD, "id": "voip1", "audios_from": "S3"})
    assert [("2", field) for field in fields] == [(wrong.place, wrong.field) for wrong in found.wrong]
    assert [("gv1p", "audio"), ("voip1", "s3")] == [(one.id, one.audios_from) for one in found.servers]


@pytest.mark.parametrize(
    "host", ["192.0.2.11", "2001:db8::11", "fe80::11%eth0", "gv1p", "gv1p.example.com", "gv-1p.example.com."]
)
def test_addresses_and_names(host):
    """Both reach a server; a name is told apart."""
    (one,) = servers({**GOOD, "host": host}).servers
    assert ("gv" in host) == one.named


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "linha 1, coluna 1"),
        ('{"tokens": [}', "linha 1, coluna 13"),
        ("[]", "tokens"),
        ('{"tokens": {}}', "tokens"),
        ('{"servers": []}', "tokens"),
        ("[" * 100_000, "tokens.json"),
        ("9" * 5000, "tokens.json"),
        ('{"tokens": [{"token": "7E57C0DE", "token": "7E57AB1E"}]}', "duas vezes token"),
    ],
)
def test_what_is_no_such_file_is_said_with_an_example(text, words):
    """The place where JSON ends, or the list that is missing; never a traceback."""
    with pytest.raises(LegacyError) as error:
        tokens_json.parse(text, "tokens.json")
    assert words in error.value.problem
    assert '{"tokens": [' in error.value.way_out or "duas" in words


def test_a_description_tells_no_token():
    """Also not one of another entry; what only looks like one stays."""
    entries = [
        {"token": "7E57C0DE", "description": "7e57c0de, depois 7E57AB1E; 20251110"},
        {"token": "7e57ab1e"},
    ]
    found = tokens_json.parse(json.dumps({"tokens": entries}), "tokens.json")
    assert "…, depois …; 20251110" == found.tokens[0].description


def test_unknown_keys_are_kept_for_the_account():
    """At the top and in an entry. A description has no characters that a database refuses."""
    text = (
        '{"tokens": [{"token": "7e57c0de", "owner": "x", "description": "a\\u0000\\ud800b"}], "version": 2}'
    )
    found = tokens_json.parse(text, "tokens.json")
    assert (("version",), ("owner",), "7E57C0DE", "ab") == (
        found.unknown, found.tokens[0].unknown, found.tokens[0].token, found.tokens[0].description,
    )  # fmt: skip
    assert "7E57" not in repr(found)


@pytest.mark.parametrize(
    ("service", "address", "imap", "provider"),
    [
        ("gmail", None, "imap.gmail.com", "gmail"),
        ("Gmail.com", None, "imap.gmail.com", "gmail"),
        ("imap.gmail.com", None, "imap.gmail.com", "gmail"),
        ("Comandos@gmail.com", "comandos@gmail.com", "imap.gmail.com", "gmail"),
        ("comandos@hotmail.com.br", "comandos@hotmail.com.br", "outlook.office365.com", "own"),
        ("outlook", None, "outlook.office365.com", "own"),
        ("yahoo", None, "imap.mail.yahoo.com", "own"),
        ("comandos@example.com", "comandos@example.com", None, "own"),
        ("comandos@live.example.com", "comandos@live.example.com", None, "own"),
        ("mail.example.com", None, "mail.example.com", "own"),
        ("correio", None, None, "own"),
        ("", None, None, "own"),
        ("a b\nc", None, None, "own"),
    ],
)
def test_what_is_known_of_a_mailbox(service, address, imap, provider):
    """What is not known stays blank: a guess would look like knowledge."""
    found = mailbox(service)
    assert (address, imap, provider) == (found.address, found.imap, found.provider)
    assert ("mail.authserv_id" in found.blanks) == (provider == "own")
    assert ("imap.user" in found.blanks) == (address is None)


def test_what_is_no_file_does_not_hold_up(tmp_path):
    """A pipe, a folder and a file of megabytes are said to be none; one that is not there is not there."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * 2**20 + b"#")
    (tmp_path / "gone").symlink_to(tmp_path / "none")
    for name in ("pipe", ".", "large", "gone"):
        with pytest.raises(LegacyError):
            files.read(tmp_path / name)
    assert files.read(tmp_path / "none") is None
