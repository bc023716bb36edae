"""The fleet as one table: who is there, at which address, from which image, with which services."""

from __future__ import annotations

from dataclasses import dataclass, field

NETWORK4 = "192.0.2.0/24"
NETWORK6 = "2001:db8:77::/64"
MAIL_DOMAINS = ("lab.example", "outside.example")
MAILBOXES = ("athome@lab.example", "operador@lab.example", "admin@lab.example", "estranho@outside.example")


def address4(number: int) -> str:
    """IPv4 address in the lab's network."""
    return f"192.0.2.{number}"


def address6(number: int) -> str:
    """IPv6 address in the lab's network; its text ends in the same number as the IPv4 one."""
    return f"2001:db8:77::{number}"


# The machine itself, seen from inside the lab: here athome and pytest run. From the second address
# outside.example's SPF record lets mail come.
CONTROLLER = 1
CONTROLLER_OUTSIDE = 2


@dataclass(frozen=True, kw_only=True)
class Service:
    """Something that a host runs; `files/<name>/` is laid into the host that has it."""

    name: str
    ports: tuple[int, ...] = ()  # TCP ports that answer once it is up
    local_ports: tuple[int, ...] = ()  # TCP ports that listen on the host's own loopback
    socket: str | None = None  # a Unix socket that accepts connections
    started_log: tuple[str, tuple[str, ...]] | None = None  # a log file and the texts it holds once it is up


SSH = Service(name="ssh", ports=(22,))
RSYSLOG = Service(name="rsyslog")
FAIL2BAN = Service(
    name="fail2ban",
    socket="run/fail2ban/fail2ban.sock",
    started_log=(
        "var/log/fail2ban.log",
        ("Jail 'sshd' started", "Jail 'asterisk' started", "Jail 'recidive' started"),
    ),
)
ARIMONITOR = Service(name="arimonitor", local_ports=(8077,))  # with the files of Asterisk that it reads
WEED = Service(name="weed", ports=(8333,))
DNSMASQ = Service(name="dnsmasq", ports=(53,))
OPENDKIM = Service(name="opendkim", local_ports=(8891,))
OPENDMARC = Service(name="opendmarc", local_ports=(8893,))
DOVECOT = Service(name="dovecot", ports=(143, 993), local_ports=(24, 12345))
POSTFIX = Service(name="postfix", ports=(25, 587))

SIP = (RSYSLOG, SSH, FAIL2BAN)
PHONES = (*SIP, ARIMONITOR)  # where the telephones' MAC addresses are kept
MAIL = (RSYSLOG, SSH, DNSMASQ, OPENDKIM, OPENDMARC, DOVECOT, POSTFIX)


@dataclass(frozen=True, kw_only=True)
class Host:
    """One server of the fleet."""

    name: str
    number: int  # last part of both addresses
    image: str  # a key of images.IMAGES
    services: tuple[Service, ...]
    aliases: tuple[str, ...] = field(default=())  # further DNS names

    @property
    def ports(self) -> tuple[int, ...]:
        """Every TCP port that answers once the host is up."""
        return tuple(port for service in self.services for port in service.ports)

    @property
    def names(self) -> tuple[str, ...]:
        """The name and every alias."""
        return (self.name, *self.aliases)


HOSTS = (
    Host(name="gv1p", number=11, image="sip", services=PHONES),
    Host(name="gv2p", number=12, image="sip", services=PHONES),
    Host(name="gv3p", number=13, image="sip", services=PHONES),
    Host(name="voip1", number=21, image="sip", services=SIP),
    Host(name="voip3", number=23, image="sip", services=SIP),
    Host(name="audio", number=31, image="py27", services=(SSH,)),  # Python 2.7 only
    Host(name="audio2", number=32, image="sip", services=(SSH,)),
    Host(name="mail", number=41, image="mail", services=MAIL, aliases=("mail.lab.example",)),
    Host(name="s3", number=42, image="sip", services=(SSH, WEED), aliases=("s3.lab.example",)),
)

# Somebody on the same wire who is no member of the fleet: a bare network namespace.
ATTACKER = "attacker"
ATTACKER_ADDRESSES = ("203.0.113.7", "203.0.113.8", "198.51.100.23", "2001:db8:bad::7")
ATTACKER_NETWORKS = ("203.0.113.0/24", "198.51.100.0/24", "2001:db8:bad::/64")


def find_host(name: str) -> Host:
    """Return the host of this name; raises KeyError."""
    return {host.name: host for host in HOSTS}[name]
