"""`athome doctor` in the lab: content when all is well; of many faults at once each is named."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from dispatcher.settings import PROJECT
from lab import recordings, s3
from tests.fleet import fresh_phones, on
from tests.road import ATHOME

MACS = "/etc/asterisk/macs.csv"


@pytest.fixture(scope="module", autouse=True)
def laid(lab):
    """A few recordings of every server, and the bucket of the archives."""
    for server in ("gv1p", "gv2p", "gv3p", "voip1", "voip3"):
        recordings.lay(server, recordings.planned(server, files=3), lambda _line: None)


def examined(settings, *arguments):
    """Exit code and answer of one `athome doctor --json`, and everything that it wrote."""
    done = subprocess.run(
        [ATHOME, "--settings", settings, "doctor", "--json", *arguments],
        capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stdout + done.stderr


def left_behind():
    """What the doctor's try left in the bucket of the archives."""
    with s3.Client() as client:
        return list(client._first_keys(recordings.ARCHIVES, "athome-doctor"))


def test_all_is_well_while_the_service_runs(dispatcher):
    """Exit code 0, no finding but good ones, each server and area named; nothing stays in the bucket."""
    code, answer, _said = examined(dispatcher.settings)
    bad = [finding for finding in answer["findings"] if finding["status"] == "failing"]
    assert ([], True, 0) == (bad, answer["ok"], code)
    areas = {finding["of"] for finding in answer["findings"]}
    assert {
        "versions", "settings", "clock", "disk", "database", "service", "mailbox", "smtp", "dns", "inventory",
        "s3", "servers",
    } == areas  # fmt: skip
    servers = " ".join(finding["said"] for finding in answer["findings"] if finding["of"] == "servers")
    for words in ("audio: responde por SSH; Python 2.7", "gv1p: fail2ban 1.0.2, jails", "gv3p: 7 ramais"):
        assert words in servers
    assert [] == left_behind()


@pytest.fixture
def broken(lab, tmp_path):
    """Settings, inventory and servers with many faults at once; the servers are mended afterwards."""
    inventory = tmp_path / "inventory"
    shutil.copytree(PROJECT / "inventory/lab", inventory)
    hosts = (inventory / "hosts.yml").read_text()
    hosts = hosts.replace("ansible_host: 192.0.2.23,", "ansible_host: 192.0.2.23, ansible_port: 2222,")
    hosts = hosts.replace(
        "ansible_host: 192.0.2.21, audios_from: s3", "ansible_host: 192.0.2.21, audios_from: adio"
    )
    (inventory / "hosts.yml").write_text(hosts.replace("dispatchers:", "dispatcher:"))
    known_hosts = tmp_path / "known_hosts"
    lines = (lab / "ssh/known_hosts").read_text().splitlines()
    known_hosts.write_text("\n".join(line for line in lines if "192.0.2.13" not in line) + "\n")
    edit(inventory / "group_vars/all/connection.yml", "/run/athome-lab/ssh/known_hosts", str(known_hosts))
    edit(
        inventory / "group_vars/sip_servers/audio_collection.yml", "bucket: audios", "bucket: no-such-bucket"
    )
    edit(
        inventory / "group_vars/macchange_servers/mac_binding.yml",
        "mac_binding_verify:",
        "mac_binding_verfy:",
    )
    secret = tmp_path / "password"
    secret.write_text("invented-wrong-password\n")
    secret.chmod(0o644)
    settings = yaml.safe_load((PROJECT / "lab/settings.yml").read_text())
    settings |= {"inventory": str(inventory), "state_dir": str(tmp_path / "state")}
    settings["imap"] |= {"password_file": str(secret)}
    settings["smtp"] |= {"host": "nowhere.lab.example"}
    settings["mail"] |= {"nameservers": ["192.0.2.11"], "dns_timeout": 0.5, "authentication": "results_only"}
    path = tmp_path / "settings.yml"
    path.write_text(yaml.safe_dump(settings))
    on("gv1p", "systemctl stop fail2ban 2>/dev/null || fail2ban-client stop")
    on("gv2p", f"mv {MACS} {MACS}.away; mv /usr/local/bin/arimonitor-notify /usr/local/bin/away")
    yield path
    on("gv2p", f"mv /usr/local/bin/away /usr/local/bin/arimonitor-notify; rm {MACS}.away; touch {MACS}")
    on("gv1p", "service fail2ban start")
    fresh_phones()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# What is found → area, sentence, way out.
FAULTS = {
    "a secret that others can read": ("settings", r"podem ler .*word \(modo 0644\)", r"\nchmod 600 .*word$"),
    "a weaker authentication": ("settings", "results_only", "Tire a chave mail.authentication"),
    "no state folder": ("disk", r"state \(state_dir\) não existe", "Inicie o serviço"),
    "no service": ("service", "não está rodando", "systemctl start athome"),
    "a wrong password": ("mailbox", "não aceita o usuário athome@lab.example", "password"),
    "a name without an address": ("smtp", "nowhere.lab.example não tem endereço", "smtp.host"),
    "a silent name server": ("dns", r"192\.0\.2\.11 não responde", "mail.nameservers"),
    "a misspelt group": ("inventory", "Nenhum comando conhece o grupo dispatcher", "Quis dizer dispatchers?"),
    "a collector that is none": ("inventory", "voip1: audios_from é adio", "Quis dizer audio?"),
    "a misspelt variable": ("inventory", "mac_binding_verfy não", "Quis dizer mac_binding_verify?"),
    "a bucket that is none": ("s3", "Arquivos prontos: s3://no-such-bucket/: NoSuchBucket", "corrija o nome"),
    "a stopped fail2ban": ("servers", "gv1p: O fail2ban não responde", "systemctl start fail2ban"),
    "a missing file": ("servers", f"gv2p: {MACS} não pode ser lido", "mac_binding_files"),
    "no way to arimonitor": ("servers", "gv2p: o arimonitor .*no such program", "mac_binding_notify"),
    "an unknown key": ("servers", "gv3p: a chave .* em known_hosts", r"\nssh-keyscan 192\.0\.2\.13 >> /"),
    "a closed port": ("servers", "voip3: o servidor recusa", r"ansible_port no inventário \(agora 2222\)"),
}  # fmt: skip


def test_many_faults_at_once_are_all_named(broken):
    """Exit code 75; each fault is in its area, with a way out; what is well is said too, and no secret."""
    code, answer, said = examined(broken)
    assert (75, False) == (code, answer["ok"])
    findings = answer["findings"]
    for fault, (area, sentence, way_out) in FAULTS.items():
        mine = [found for found in findings if found["of"] == area and re.search(sentence, found["said"])]
        assert mine, (fault, [found["said"] for found in findings if found["of"] == area])
        assert re.search(way_out, mine[0]["way_out"]), (fault, mine[0])
        assert mine[0]["status"] != "ok"
    assert all(found["way_out"] for found in findings if found["status"] != "ok")
    well = [found["said"] for found in findings if found["status"] == "ok"]
    for words in ("audio: responde por SSH", "gv2p: fail2ban", "voip1: fail2ban", "gv1p: 7 ramais"):
        assert any(words in one for one in well), words
    assert "invented-wrong-password" not in said
