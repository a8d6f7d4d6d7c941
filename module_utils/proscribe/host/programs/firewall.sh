#!/bin/sh
# @WRITTEN_BY@
#
#   firewall watch               load the confirmed table whenever another program has deleted it
#   firewall try TOKEN PID       load the pending table once the process PID has given its answer and ended
#   firewall take-back TOKEN     load the previous table again, unless the change was confirmed
#   firewall later SECONDS ...   do one of these in a while (for hosts without systemd)
set -u
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
confirmed=@CONFIRMED@
run=@RUN@
trace=@TRACE@

loaded() {
    nft list tables inet | grep -qxF 'table inet @TABLE@'
}

# Says when a table is deleted. nft could say it too, but keeps every element of every set in memory meanwhile (0.6 kB
# each), so it is the second choice.
listen() {
    for python in /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python; do
        [ -x "$python" ] && exec "$python" -I -S -c '
@TABLE_EVENTS@'
    done
    exec nft monitor tables
}

watch() {
    spent=0 since=0
    # The first look is at what happened before anybody listened.
    { (sleep 2; echo look) & listen; } | while read -r event; do
        case $event in
        look | 'delete table inet @TABLE@'* | *lost*) ;;
        *) continue ;;
        esac
        if [ ! -f "$confirmed" ] || loaded; then
            continue
        fi
        now=$(date +%s)
        if [ $((now - since)) -ge 60 ]; then
            spent=0 since=$now
        fi
        spent=$((spent + 1))
        if [ "$spent" -gt 20 ]; then
            echo 'something keeps deleting the table inet @TABLE@: it is loaded again in 30 s' >&2
            sleep 30
        fi
        if nft -f "$confirmed"; then
            echo 'the table inet @TABLE@ was deleted by another program, and is loaded again'
        else
            kill $$ # the service manager starts the watcher again, in a while
        fi
    done
}

try() {
    waited=0
    while [ -d "/proc/$2" ] && [ "$waited" -lt 100 ]; do
        sleep 0.1
        waited=$((waited + 1))
    done
    sleep 0.4 # the answer is on its way
    [ -e "$run/pending-$1" ] || exit 0
    if nft -f "$run/candidate.nft" 2>"$run/said"; then
        mv "$run/said" "$run/loaded-$1"
    else
        mv "$run/said" "$run/failed-$1"
    fi
}

take_back() {
    mv "$run/pending-$1" "$run/taken-$1" 2>/dev/null || exit 0 # confirmed in time
    nft -f "$run/previous.nft" || nft delete table inet @TABLE@
    {
        cat "$trace" 2>/dev/null
        echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $2 $(cat "$run/taken-$1")"
    } >"$trace~" && mv "$trace~" "$trace"
    rm -f "$run/candidate.nft" "$run/previous.nft" "$run/wanted.nft" "$run/loaded-$1" "$run/taken-$1"
}

case ${1-} in
watch) watch ;;
try) try "$2" "$3" ;;
take-back) take_back "$2" "${3-unreached}" ;;
later)
    seconds=$2
    shift 2
    trap '' HUP
    (sleep "$seconds" && exec "$0" "$@") </dev/null >/dev/null 2>&1 &
    ;;
*)
    sed -n '3,7s/^# *//p' "$0" >&2
    exit 2
    ;;
esac
