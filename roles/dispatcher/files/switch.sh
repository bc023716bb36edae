# Puts a release to work: sh -s RELEASE STATE_DIR RELEASES-KEPT "UNIT …", with units and settings in place already.
# One script, so that a controller that goes away in the middle leaves nothing half done. When the release does not
# come up, what ran before is put back, with the units and settings that it last ran well with: RELEASE/good.
set -eu
# Neither Ctrl-C on a controller that is the host itself nor an output that nobody reads any more ends it half-way.
trap '' HUP INT TERM PIPE
exec 9>/run/athome-switch.lock
flock -n 9 || {
    echo "Another run of this playbook is putting a release to work: wait until it has ended, and repeat." >&2
    exit 1
}
new=$1 state=$2 kept=$3 wanted=$4
opt=/opt/athome etc=/etc/athome units=/etc/systemd/system backups=$state/backups/upgrades
old=$(basename "$(readlink "$opt/current" || true)")
# A first release that never came up is nothing to copy the database with, or to go back to.
[ "$old" = "$new" ] || [ -d "$opt/releases/$old/good" ] || old=

link() {
    ln -sfn "releases/$1" "$opt/$2.new"
    mv -T "$opt/$2.new" "$opt/$2"
}

stop() {
    # Whatever of ours is there, wanted or not: a process that is taken off stays off.
    present=$(systemctl list-units --all --plain --no-legend 'athome.service' 'athome-work@*' 'athome-housekeeping.timer' |
        cut -d' ' -f1)
    # shellcheck disable=SC2086 # a list of words
    [ -z "$present" ] || systemctl --quiet disable --now $present
}

start() {
    systemctl daemon-reload
    # shellcheck disable=SC2086 # a list of words
    systemctl reset-failed $wanted 2>/dev/null || true
    # shellcheck disable=SC2086 # a list of words
    systemctl --quiet enable --now $wanted 2>&1 || return 1
    for unit in $wanted; do
        case $unit in
            athome.service) /usr/local/bin/athome health --live || return 1 ;;
            athome-work@*)
                number=${unit#athome-work@}
                /usr/local/bin/athome --settings "$etc/work-${number%.service}.yml" health --live || return 1
                ;;
        esac
    done
}

back_up() {
    [ -n "$old" ] && [ "$old" != "$new" ] && [ -e "$state/athome.db" ] || return 0
    # One that an upgrade of the system has left without its Python copies nothing: the new one does.
    by=$old
    "$opt/releases/$old/bin/python" -c '' || by=$new
    ATHOME_RELEASE=$by /usr/local/bin/athome backup "$backups" --keep "$kept"
}

remember() {
    good=$opt/releases/$new/good
    rm -rf "$good.new"
    mkdir "$good.new" "$good.new/units" "$good.new/etc"
    for file in "$units"/athome.service "$units"/athome-*; do
        [ ! -f "$file" ] || cp -p "$file" "$good.new/units"
    done
    for file in "$etc"/settings.yml "$etc"/work-*.yml; do
        [ ! -f "$file" ] || cp -p "$file" "$good.new/etc"
    done
    rm -rf "$good"
    mv "$good.new" "$good"
}

put_back() {
    good=$opt/releases/$old/good
    [ -n "$old" ] && [ -d "$good" ] || return 1
    cp -p "$good"/units/* "$units"
    cp -p "$good"/etc/* "$etc"
    link "$old" current
    [ -z "$was" ] || wanted=$was
    start
}

forget() {
    # shellcheck disable=SC2012 # our own names: no spaces
    ls -t "$opt/releases" | while read -r name; do
        case $name in "$new" | "$old" | "$(basename "$(readlink "$opt/previous" || true)")") continue ;; esac
        [ "$((kept = kept - 1))" -gt 1 ] || rm -rf "${opt:?}/releases/$name"
    done
}

was=$(systemctl list-units --plain --no-legend --state=active 'athome.service' 'athome-work@*' 'athome-housekeeping.timer' |
    cut -d' ' -f1 | tr '\n' ' ')
since=$(date '+%F %T')
if said=$(stop 2>&1) && said=$(back_up 2>&1) && link "$new" current && said=$(start 2>&1); then
    [ -z "$old" ] || [ "$old" = "$new" ] || link "$old" previous
    remember
    forget
    exit 0
fi
{
    echo "Release $new did not come up: $said"
    journalctl --no-pager --quiet --output=cat --since "$since" --unit 'athome.service' --unit 'athome-work@*' |
        tail -n 15
} >&2 || true
stop || true
if [ "$new" = "$old" ]; then what="the settings and units that it last ran with"; else what="release $old"; fi
if said=$(put_back 2>&1); then
    echo "What ran before goes on: $what." >&2
elif [ -z "$old" ]; then
    echo "Nothing runs: no release ran here before. Mend what is said above, and repeat." >&2
else
    {
        echo "Nothing runs now. $what could not be put back: ${said:-there was none}"
        echo "If its database is too old for the one that is there: athome restore $backups/FILE, with"
        echo "ATHOME_RELEASE=$old, and dispatcher_state=previous."
    } >&2
fi
exit 1
