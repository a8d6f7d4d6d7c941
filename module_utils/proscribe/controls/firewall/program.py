"""The program that stays on a host beside the table: a few lines of sh, because it has to work when nothing else does.

It holds what must not depend on a controller, on a connection, or on the Python of the host: loading a change only
after its answer is on its way, taking it back unless it was confirmed, and loading the table again when another program
has deleted it. Everything it decides by is a file:

    RUN/pending-TOKEN    a change waits for its confirmation; whoever renames this file first decides what becomes of it
    RUN/candidate.nft    the transaction of the change; RUN/wanted.nft is the whole table, for the boot file
    RUN/previous.nft     what taking it back loads
    RUN/loaded-TOKEN     the kernel took the candidate; failed-TOKEN instead holds what nft said
    TRACE                a line for each change that was taken back, until one is confirmed: when (UTC), why (unreached:
                         nobody confirmed it; cut: it cut the host off), the SHA-256 of the table

RUN is gone after a reboot, and so is every pending change: the boot loads what was confirmed last.
"""

from __future__ import annotations

from ...host import STATE_DIRECTORY, WRITTEN_BY

PATH = "/usr/libexec/proscribe/firewall"
MODE = 0o700
RUN = "/run/proscribe/firewall-change"
CANDIDATE = f"{RUN}/candidate.nft"
PREVIOUS = f"{RUN}/previous.nft"
WANTED = f"{RUN}/wanted.nft"
TRACE = f"{STATE_DIRECTORY}/firewall-taken-back"

# The watcher loads at once what is gone, twenty times a minute; a program that deletes it more often than that is
# answered every half minute, so that the two of them do not keep the host busy.
_TEXT = """\
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
import errno, socket, struct
events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
events.bind((0, 1 << 6))  # NFNLGRP_NFTABLES
while True:
    try:
        data = events.recv(1 << 17)
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        print("events were lost", flush=True)
        continue
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if kind == 0xA02 and b"@TABLE@\\0" in data[:length]:  # NFT_MSG_DELTABLE
            print("delete table inet @TABLE@", flush=True)
        data = data[max(length + 3 & ~3, 16) :]
'
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
"""


def text(confirmed: str, table: str) -> str:
    """The program, for the file that holds the confirmed table and for the table's name."""
    places = {"WRITTEN_BY": WRITTEN_BY, "CONFIRMED": confirmed, "RUN": RUN, "TRACE": TRACE, "TABLE": table}
    told = _TEXT
    for name, value in places.items():
        told = told.replace(f"@{name}@", value)
    return told
