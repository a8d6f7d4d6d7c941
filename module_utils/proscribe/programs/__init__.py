"""The programs of this folder as texts. Derived from their files by `python tests/derived`: do not edit.

A text that has names to fill in is one for `str.format`: `@NAME@` of the file is `{name}` in it.
"""

DPKG_BLOCK = r"""#!/bin/sh
# {written_by}
#
# dpkg runs this before it changes anything: {configuration}, and pre-invoke in dpkg(1).
# It ends with 9 to refuse a restricted package. With any other end dpkg goes on, so that no fault in here stops an
# update. $1 is the process id of dpkg. A hook is not told what is to be installed: dpkg's own command line says it.

list={list}
paths={paths}

tell() {{
    logger -t proscribe -p "auth.$1" -- "$2" 2>/dev/null || :
}}

# dpkg-gate --archives PID RECURSIVE ARGUMENT...: what the archives among dpkg's arguments say that they are, and for
# those that apt did not fetch what is in them: a repository does not rename what it has, a person may.
if [ "$1" = --archives ]; then
    dpkg=$2 recursive=$3
    shift 3
    for archive; do
        case $archive in
            /dev/stdin) archive=/proc/$dpkg/fd/0 ;;
            /dev/fd/* | /proc/self/fd/*) archive=/proc/$dpkg/fd/${{archive##*/}} ;;
            /*) ;;
            *) archive=./$archive ;;
        esac
        if [ -f "$archive" ]; then
            dpkg-deb --show --showformat 'package ${{Package}} ${{Version}} ${{Provides}}\n' "$archive" 2>/dev/null ||
                continue
            case $(readlink -f -- "$archive") in
                /var/cache/apt/archives/*) continue ;;
            esac
            grep -q '^/' "$paths" 2>/dev/null || continue
            dpkg-deb --fsys-tarfile "$archive" 2>/dev/null | tar --list 2>/dev/null | sed 's,^\.*/*,file /,'
        elif [ "$recursive" = yes ] && [ -d "$archive" ]; then
            find -L "$archive" -type f -name '*.deb' -exec "$0" --archives "$dpkg" no {{}} +
        fi
    done
    exit 0
fi

case $DPKG_HOOK_ACTION in
    install | unpack) ;;
    *) exit 0 ;;
esac

# dpkg-gate PID: what dpkg calls. A check that gets stuck (an archive on a dead network mount) must not get dpkg stuck.
if [ "$1" != --check ]; then
    timeout 300 "$0" --check "$1"
    result=$?
    case $result in
        0 | 9) exit "$result" ;;
    esac
    tell err "the package gate failed with $result, and let dpkg pass"
    exit 0
fi

# dpkg-gate --check PID
dpkg=$2
command_line=/proc/$dpkg/cmdline
if ! [ -r "$list" ] || ! [ -r "$command_line" ]; then
    tell err "the package gate cannot read $list and $command_line, and let dpkg pass"
    exit 0
fi
recursive=no
if tr '\0' '\n' <"$command_line" | grep -Eqx -e '--recursive|-[[:alnum:]]*R[[:alnum:]]*'; then
    recursive=yes
fi

# A line for each archive that is, or provides, something on the list, or has one of the paths in it: its own name, and
# the name or the path. What a waiver lets in by its version is not looked into.
offers=$(xargs -0 "$0" --archives "$dpkg" "$recursive" <"$command_line" | awk -v list="$list" -v paths="$paths" '
    function plain(path) {{
        gsub(/\/(\.?\/)+/, "/", path)
        sub(/\/$/, "", path)
        return path ~ /^\/(bin|sbin|lib|lib32|lib64)(\/|$)/ ? "/usr" path : path
    }}
    BEGIN {{
        while ((getline line < list) > 0) if (line !~ /^(#|$)/) restricted[line]
        while ((getline line < paths) > 0) if (line ~ /^\//) places[plain(line)]
    }}
    /^file / {{
        path = decided ? "" : plain(substr($0, 6))
        for (; path != ""; sub(/\/[^\/]*$/, "", path))
            if (path in places) {{ print package, path; decided = 1; break }}
        next
    }}
    /^package / {{
        package = $2
        decided = ($2 " " $3) in restricted
        if (!decided && package in restricted) {{ print package, package; decided = 1 }}
        sub(/^package [^ ]* [^ ]*/, "")
    }}
    !decided {{  # what it provides, in one line or in several
        count = split($0, names, /,/)
        for (i = 1; i <= count; i++) {{
            sub(/^ +/, "", names[i])
            sub(/[ (:].*/, "", names[i])
            if (names[i] in restricted) {{ print package, names[i]; decided = 1; break }}
        }}
    }}')
[ -n "$offers" ] || exit 0

refused=no
while read -r package name; do
    # What is still installed may be updated: to refuse that would only keep the old version, and stop every other
    # update that comes with it.
    case $(dpkg-query -W -f '${{db:Status-Abbrev}}' "$package" 2>/dev/null) in
        ?[!nc]*) continue ;;
    esac
    refused=yes
    case $name in
        "$package") what=$package ;;
        /*) what="$package (which has $name in it)" ;;
        *) what="$package (which provides $name)" ;;
    esac
    echo "proscribe: the policy of this organisation does not allow $what on this host" >&2
    tell notice "the package gate refused $what"
done <<END
$offers
END
[ "$refused" = yes ] || exit 0
echo "proscribe: nothing was installed; ask $(sed -n 2p {contact} 2>/dev/null)" >&2
sed -n '3,$s/^/proscribe: /p' {contact} >&2 2>/dev/null || :
exit 9
"""

FIREWALL = r"""#!/bin/sh
# {written_by}
#
#   firewall watch               load the confirmed table whenever another program has deleted it
#   firewall try TOKEN PID       load the pending table once the process PID has given its answer and ended
#   firewall take-back TOKEN     load the previous table again, unless the change was confirmed
#   firewall later SECONDS ...   do one of these in a while (for hosts without systemd)
set -u
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
confirmed={confirmed}
run={run}
trace={trace}

loaded() {{
    nft list tables inet | grep -qxF 'table inet {table}'
}}

# Says when a table is deleted. nft could say it too, but keeps every element of every set in memory meanwhile (0.6 kB
# each), so it is the second choice.
listen() {{
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
        if kind == 0xA02 and b"{table}\0" in data[:length]:  # NFT_MSG_DELTABLE
            print("delete table inet {table}", flush=True)
        data = data[max(length + 3 & ~3, 16) :]
'
    done
    exec nft monitor tables
}}

watch() {{
    spent=0 since=0
    # The first look is at what happened before anybody listened.
    {{ (sleep 2; echo look) & listen; }} | while read -r event; do
        case $event in
        look | 'delete table inet {table}'* | *lost*) ;;
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
            echo 'something keeps deleting the table inet {table}: it is loaded again in 30 s' >&2
            sleep 30
        fi
        if nft -f "$confirmed"; then
            echo 'the table inet {table} was deleted by another program, and is loaded again'
        else
            kill $$ # the service manager starts the watcher again, in a while
        fi
    done
}}

try() {{
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
}}

take_back() {{
    mv "$run/pending-$1" "$run/taken-$1" 2>/dev/null || exit 0 # confirmed in time
    nft -f "$run/previous.nft" || nft delete table inet {table}
    {{
        cat "$trace" 2>/dev/null
        echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $2 $(cat "$run/taken-$1")"
    }} >"$trace~" && mv "$trace~" "$trace"
    rm -f "$run/candidate.nft" "$run/previous.nft" "$run/wanted.nft" "$run/loaded-$1" "$run/taken-$1"
}}

case ${{1-}} in
watch) watch ;;
try) try "$2" "$3" ;;
take-back) take_back "$2" "${{3-unreached}}" ;;
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

LOAD_AND_LIST = r"""import subprocess, sys
nft, table = sys.argv[1:]
sys.exit(subprocess.call([nft, "-f", "-"]) or subprocess.call([nft, "-s", "list", "table", "inet", table]))
"""

PACMAN_BLOCK = r"""#!/bin/sh
# {written_by}
#
# pacman runs this before a transaction that would install what {hook} names.
whom={whom}
while read -r package; do
    echo "proscribe: the policy of this organisation does not allow $package on this host"
    logger -t proscribe -p auth.notice -- "the package gate refused $package" 2>/dev/null || :
done
echo "proscribe: nothing was installed; ask $whom"{messages}
exit 1
"""

SEND = r"""import os, socket, sys
for route in sys.argv[1:]:
    address, port, *user = route.split(" ")
    os.seteuid(int(user[0]) if user else 0)
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"", (address, int(port)))
        print(route)
    except OSError:
        pass
"""

TABLE_EVENTS = r"""import errno, socket, struct
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
        if kind == 0xA02 and b"{table}\0" in data[:length]:  # NFT_MSG_DELTABLE
            print("delete table inet {table}", flush=True)
        data = data[max(length + 3 & ~3, 16) :]
"""
