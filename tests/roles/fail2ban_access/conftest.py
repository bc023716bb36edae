"""Servers for the tests: a real fail2ban of the wanted release, or a skip that says what is missing."""

import os
import shutil
import subprocess

import pytest

from tests.roles.fail2ban_access import servers
from tests.roles.loading import loaded


@pytest.fixture(scope="session")
def module():
    """The module as Python sees it, for the tests of its pure functions."""
    return loaded(servers.MODULE)


@pytest.fixture
def make_server(tmp_path):
    """A function that makes a private server; all are ended after the test."""
    if os.geteuid() or not shutil.which("nft"):
        pytest.skip("needs root and nftables: each server gets a network namespace with a real firewall")
    made = []

    def make(release="1.0.2", **jails):
        try:
            server = servers.Server(release, tmp_path / f"server{len(made)}")
        except subprocess.CalledProcessError as error:
            pytest.skip(
                f"fail2ban {release} cannot be fetched here ({error}); outside of the lab run "
                "python tests/roles/fail2ban_access/servers.py"
            )
        made.append(server)
        server.jails(**jails)
        return server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(make_server):
    """A started fail2ban 1.0.2 with three jails."""
    return make_server().start()
