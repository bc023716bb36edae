"""Everything secret in a lab, made at its start and gone with it: SSH keys, a CA, DKIM keys, passwords."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

from lab import topology

DKIM_SELECTOR = "ops"
DAYS = "30"  # a lab lives for hours
MAIL_NAME = "mail.lab.example"

SSH_CONFIG = """\
# one entry for each host of the lab; used as: ssh -F /run/athome-lab/ssh/config gv1p
Host *
  User root
  IdentityFile /run/athome-lab/ssh/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile /run/athome-lab/ssh/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""


def make(folder: Path) -> None:
    """Fill the lab's folder: ssh/, tls/, ca.pem, dkim/, secrets/. Private parts are 0600."""
    for name in ("ssh", "tls", "dkim", "secrets"):
        (folder / name).mkdir(mode=0o700)
    _together([_ssh_key(folder / "ssh" / name) for name in ("id_ed25519", *map(_host_key, topology.HOSTS))])
    _write_ssh(folder / "ssh")
    rsa = ["openssl", "genrsa", "-out"]
    _together([[*rsa, str(folder / "dkim" / f"{domain}.pem"), "2048"] for domain in topology.MAIL_DOMAINS])
    _make_certificates(folder)
    for mailbox in topology.MAILBOXES:
        write_private(folder / "secrets" / f"mail-{mailbox.partition('@')[0]}", secrets.token_urlsafe(18))
    write_private(folder / "secrets" / "token-pepper", secrets.token_hex(32))
    _make_s3_credentials(folder / "secrets")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.touch(mode=0o600)
    path.write_text(text)


def dkim_record(folder: Path, domain: str) -> str:
    """Value of the TXT record that publishes a domain's DKIM key (RFC 6376, 3.6.1)."""
    command = ["openssl", "rsa", "-in", str(folder / "dkim" / f"{domain}.pem"), "-pubout"]
    pem = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "v=DKIM1; k=rsa; p=" + "".join(line for line in pem.splitlines() if not line.startswith("-"))


def _make_s3_credentials(folder: Path) -> None:
    """Make them once, as two files and as the one that AWS's own programs read."""
    access, secret = "LAB" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
    write_private(folder / "s3-access-key", access)
    write_private(folder / "s3-secret-key", secret)
    shared = f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
    write_private(folder / "aws-credentials", shared)


def _host_key(host: topology.Host) -> str:
    return f"host-{host.name}"


def _ssh_key(path: Path) -> list[str]:
    return ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)]


def _write_ssh(folder: Path) -> None:
    known, config = [], [SSH_CONFIG]
    for host in topology.HOSTS:
        addresses = (topology.address4(host.number), topology.address6(host.number))
        kind, key, _comment = (folder / f"{_host_key(host)}.pub").read_text().split()
        known.append(f"{','.join((*host.names, *addresses))} {kind} {key}\n")
        config.append(f"Host {' '.join(host.names)}\n  HostName {addresses[0]}\n")
    (folder / "known_hosts").write_text("".join(known))
    # ssh takes the first value it finds: the general part last
    (folder / "config").write_text("".join((*config[1:], config[0])))


def _make_certificates(folder: Path) -> None:
    """Make a CA and the mail host's certificate, with the extensions that strict clients ask for."""
    tls, ca = folder / "tls", folder / "ca.pem"
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch"]
    ca_options = [
        "-x509",
        "-days",
        DAYS,
        "-subj",
        "/CN=ATHome lab CA",
        "-keyout",
        f"{tls}/ca.key",
        "-out",
        f"{ca}",
    ]
    ca_use = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    request = ["-subj", f"/CN={MAIL_NAME}", "-keyout", f"{tls}/mail.key", "-out", f"{tls}/mail.csr"]
    (tls / "mail.ext").write_text(
        f"subjectAltName=DNS:{MAIL_NAME}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    _together([[*new, *ca_options, *ca_use], [*new, *request]])
    sign = ["openssl", "x509", "-req", "-in", f"{tls}/mail.csr", "-CA", f"{ca}", "-CAkey", f"{tls}/ca.key"]
    more = ["-set_serial", "1", "-days", DAYS, "-extfile", f"{tls}/mail.ext", "-out", f"{tls}/mail.pem"]
    _together([[*sign, *more]])


def _together(commands: list[list[str]]) -> None:
    """Run the commands side by side; the first that fails raises CalledProcessError with its words."""
    running = [
        subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) for command in commands
    ]
    for command, process in zip(commands, running, strict=True):
        _out, err = process.communicate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, stderr=err)
