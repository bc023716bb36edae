# Installs a release out of its bundle, RELEASE.tar: sh -s RELEASE PYTHON REQUIREMENTS PIP-OPTIONS
# Only what ends with the file `ready` counts: what was cut off is thrown away, and done again.
set -eu
umask 022
release=$1 python=$2 requirements=$3 options=$4
from=$release/from

exec 9>/run/athome-install.lock
flock 9
[ ! -e "$release/ready" ] || exit 0 # another run of the playbook has just made it
rm -rf "$release"
mkdir -p "$from"
tar -xf "$release.tar" -C "$from" --no-same-owner
"$python" -m venv "$release"

install() {
    # shellcheck disable=SC2086 # the options are words
    PYTHONDONTWRITEBYTECODE=1 "$release/bin/python" -m pip --quiet --disable-pip-version-check --no-input install \
        --no-cache-dir --no-deps --no-compile $options "$@"
}
[ ! -d "$from/wheels" ] || options="$options --no-index --find-links $from/wheels"
# What has no wheel is built by a setuptools that is locked too, not by whichever an index has.
install --require-hashes --requirement "$from/build.txt"
install --require-hashes --no-build-isolation --use-pep517 --requirement "$from/$requirements"
options=--no-index
install "$from"/*.whl
# Without bytecode Ansible starts twice as slowly, and the service may not write here.
"$release/bin/python" -m compileall -q -j 0 "$release/lib" >/dev/null || true
"$release/bin/athome" --version
rm -rf "$from" "$release.tar"
sync -f "$release"
touch "$release/ready"
