#!/bin/sh
# Installs the Debian packages that the lab and the tests need, those alone that are missing.
set -eu

wanted="python3-venv mmdebstrap systemd-container iproute2 util-linux openssh-client openssl chromium fonts-dejavu-core nftables iptables ipset unzip p7zip-full postgresql"
missing=""
for package in $wanted; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || {
    echo "This is no Debian: install what corresponds to$missing, and make sure that 'make lab-up' can run." >&2
    exit 1
}
[ "$(id -u)" = 0 ] || {
    echo "Missing Debian packages. As root: apt-get install$missing" >&2
    exit 1
}
echo "Installing Debian packages:$missing"
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing >/dev/null
