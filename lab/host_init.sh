#!/bin/sh
# First process of a host in plain mode: NAME ROOT SERVICE…
# Makes ROOT the root of this mount namespace, with a /proc, /sys, /dev and /run of its own, starts the services and
# then only reaps.
set -eu
name=$1 root=$2
shift 2
hostname "$name"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755,size=64m tmpfs run
mkdir -p run/sshd run/lock run/fail2ban
mount -t tmpfs -o mode=755,size=1m tmpfs dev
mkdir dev/pts dev/shm
for node in null zero full random urandom tty; do
    : >dev/$node
    mount --bind /dev/$node dev/$node
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p .old
pivot_root . .old
# shellcheck disable=SC2016  # expands in the shell inside the new root
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 chroot . /bin/sh -c '
umount -l /.old
rmdir /.old
for service in "$@"; do
    case $service in
    rsyslog) rsyslogd ;;
    weed) (set -a && . /etc/weed.env && exec sh /usr/local/sbin/weed-server >/var/log/weed.log 2>&1) & ;;
    *) service "$service" start ;;
    esac
done
while :; do
    wait
    sleep 1
done' init "$@"
