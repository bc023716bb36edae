"""The lab's network: one bridge, a network namespace for each host and the attacker, no way outside."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import topology

BRIDGE = "br0"


def build() -> None:
    """Make bridge, namespaces, links, addresses and routes; runs in the supervisor's network namespace."""
    members = [*(host.name for host in topology.HOSTS), topology.ATTACKER]
    _ip(
        None,
        "link set lo up",
        # No spanning tree, no snooping: both cost seconds before the first packet passes.
        f"link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0",
        f"addr add {topology.address4(topology.CONTROLLER)}/24 dev {BRIDGE}",
        f"addr add {topology.address4(topology.CONTROLLER_OUTSIDE)}/24 dev {BRIDGE}",
        f"addr add {topology.address6(topology.CONTROLLER)}/64 dev {BRIDGE} nodad",
        f"link set {BRIDGE} up",
        *(f"netns add {name}" for name in members),
        *(f"link add v-{name} type veth peer name eth0 netns {name}" for name in members),
        *(f"link set v-{name} master {BRIDGE} up" for name in members),
    )
    for host in topology.HOSTS:
        _ip(
            host.name,
            "link set lo up",
            f"addr add {topology.address4(host.number)}/24 dev eth0",
            f"addr add {topology.address6(host.number)}/64 dev eth0 nodad",
            "link set eth0 up",
            *(f"route add {network} dev eth0" for network in topology.ATTACKER_NETWORKS),
        )
    _ip(
        topology.ATTACKER,
        "link set lo up",
        *(f"addr add {address} dev eth0{_nodad(address)}" for address in topology.ATTACKER_ADDRESSES),
        "link set eth0 up",
        *(f"route add {network} dev eth0" for network in (topology.NETWORK4, topology.NETWORK6)),
    )


def write_names() -> None:
    """Let this mount namespace resolve names by the lab's own DNS; the machine's files stay as they are."""
    _cover(Path("/etc/resolv.conf"), f"nameserver {topology.address4(topology.find_host('mail').number)}\n")
    _cover(Path("/etc/hosts"), hosts_file())


def hosts_file() -> str:
    """Content of /etc/hosts, the same in every host."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    for host in topology.HOSTS:
        names = " ".join(reversed(host.names))  # the full name first, as hosts(5) has it
        lines += [f"{topology.address4(host.number)} {names}", f"{topology.address6(host.number)} {names}"]
    return "\n".join(lines) + "\n"


def _cover(path: Path, text: str) -> None:
    """Put a file of the lab's over one of the machine's, in this mount namespace only."""
    real = path.resolve()
    if real.is_relative_to("/run"):  # private here, and empty: where systemd-resolved's file was, make one
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(text)
        return
    ours = Path("/run/lab") / f"etc-{path.name}"
    ours.write_text(text)
    subprocess.run(["mount", "--bind", ours, real], check=True)


def _nodad(address: str) -> str:
    """IPv6 addresses are usable at once when no duplicate is looked for first."""
    return " nodad" if ":" in address else ""


def _ip(namespace: str | None, *lines: str) -> None:
    where = ["-n", namespace] if namespace else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(lines), text=True, check=True)
