"""What the servers and the buckets said, as findings with a way out."""

import pytest

from dispatcher.health.doctor import recordings, servers
from dispatcher.health.doctor.fleet import Seen
from dispatcher.runs.report import Notice
from tests.unit.health.doctor.said import GROUPS, HOSTS, found, heard


@pytest.mark.parametrize(
    ("words", "said", "way_out"),
    [
        ("Host key verification failed.", "não está em known_hosts", "\nssh-keyscan -p 2222 192.0.2.11 >> "),
        (
            "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! … Host key verification failed.",
            "mudou",
            "ssh-keygen -R '[192.0.2.11]:2222'",
        ),
        (
            "root@192.0.2.11: Permission denied (publickey).",
            "nossa chave SSH",
            "ssh-copy-id -i CHAVE.pub -p 2222 root@192.0.2.11",
        ),
        ("UNPROTECTED PRIVATE KEY FILE … Permission denied", "outras contas podem lê-la", "0600"),
        ("connect to host 192.0.2.11 port 2222: Connection refused", "recusa", "agora 2222"),
        ("Could not resolve hostname gv1p", "não tem endereço", "ansible_host"),
        ("connect to host: Connection timed out", "não responde", "firewall"),
        (
            "Bad configuration option: foo",
            "sem acesso por SSH: Bad configuration",
            "\nssh -p 2222 root@192.0.2.11",
        ),
    ],
)
def test_ssh_s_own_words_say_what_helps(case, words, said, way_out):
    """Each reason that SSH has gets its sentence, and a line for this very server."""
    hosts = {"gv1p": {"ansible_host": "192.0.2.11", "ansible_port": 2222}}
    made = case(hosts=hosts, seen=Seen(looks=[heard("host.unreachable", words)]))
    (one,) = found(servers.look, made)
    assert said in one.said
    assert way_out in one.way_out


@pytest.fixture(autouse=True)
def ansible(monkeypatch):
    """The ansible-core that reaches every Python, whichever runs these tests."""
    monkeypatch.setattr(servers, "version", lambda _package: "2.16.19")


@pytest.mark.parametrize(
    ("look", "status", "said"),
    [
        (heard("server.seen", python="3.6.8"), "ok", "Python 3.6.8"),
        (
            heard("server.seen", notices=[Notice(code="server.not_root", data={"account": "ops"})]),
            "warning",
            "como ops",
        ),
        (heard("fail2ban.not_banned", version="1.0.2"), "warning", "sem nenhuma jail"),
        (heard("fail2ban.absent"), "failing", "não está instalado"),
        (heard("fail2ban.unsupported", version="0.9.7"), "failing", "0.9.7"),
        (
            heard(
                "mac_binding.readable", notices=[Notice(code="mac_binding.no_macs", data={"file": "/etc/m"})]
            ),
            "warning",
            "/etc/m",
        ),
        (heard("mac_binding.verify_failed", error="refused"), "failing", "arimonitor"),
        (
            heard("ansible.task_failed", "/bin/sh: 1: /usr/bin/python3: not found\n"),
            "failing",
            "Python do inventário",
        ),
        (heard("ansible.task_failed", "odd", task="x", msg="odd"), "failing", "odd"),
    ],
)
def test_what_a_server_says_is_judged(case, look, status, said):
    """Whatever is not well has a way out; English is there for all of it."""
    for language in ("pt_BR", "en"):
        made = case(language=language, hosts={"gv1p": {}}, seen=Seen(looks=[look]))
        (one,) = found(servers.look, made)
        assert status == one.status
        assert bool(one.way_out) == (status != "ok")
        assert said in one.said or language == "en"


def test_a_server_that_says_nothing_is_no_silence(case):
    """The time was over before it answered; dispatchers are not asked."""
    made = case(groups=GROUPS, hosts=HOSTS, seen=Seen(looks=[heard("server.seen", host="audio")]))
    (one,) = found(servers.look, made)
    assert ("gv1p", "failing") == (one.check, one.status)


@pytest.mark.parametrize(
    ("core", "oldest"), [("2.16.19", None), ("2.17.1", (3, 7)), ("2.19.0", (3, 8)), ("2.21.1", (3, 9))]
)
def test_newer_releases_of_ansible_reach_newer_pythons(core, oldest):
    """2.16 is the last that has 2.7 and 3.6."""
    assert oldest == servers.oldest_python(core)


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        ("An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation", "O bucket não existe"),
        (
            "An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
            "s3:PutObject",
        ),
        ("An error occurred (InvalidAccessKeyId) when calling", "credenciais não são desse S3"),
        ("Unable to locate credentials", "credentials_file"),
        ("The config profile (x) could not be found", "perfil não existe"),
        ('Could not connect to the endpoint URL: "http://192.0.2.9/rec"', "endpoint"),
        ("something new", "Confira audio_collection_source"),
    ],
)
def test_each_refusal_of_a_bucket_has_its_way_out(case, words, way_out):
    """By what S3, or its library, says."""
    looks = [heard("audio.publish_failed", of_recordings=True, error=words)]
    (one,) = found(recordings.look, case(hosts=HOSTS, seen=Seen(looks=looks)))
    assert ("failing", "publish") == (one.status, one.check)
    assert way_out in one.way_out


def test_a_collector_that_does_not_answer_is_named_once(case):
    """It is the file server that is away, not the three servers whose recordings it has."""
    looks = [
        heard("host.unreachable", "Connection timed out", host=host, of_recordings=True)
        for host in ("gv1p", "audio2")
    ]
    (one,) = found(recordings.look, case(hosts=HOSTS, seen=Seen(looks=looks)))
    assert "audio: não responde." == one.said


def test_an_almost_full_file_server_is_named(case):
    """Recordings that find no room are lost."""
    data = {"root": "/srv/rec/", "empty": False, "free": 10**9, "size": 10**12}
    looks = [heard("audio.readable", of_recordings=True, **data)]
    (one,) = found(recordings.look, case(hosts=HOSTS, seen=Seen(looks=looks)))
    assert ("warning", True) == (one.status, "audio:/srv/rec/" in one.said)
