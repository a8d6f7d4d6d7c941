"""The programs of this folder as texts. Derived from their files by `tests/tool python tests/derived`: do not edit.

A text that has names to fill in is one for `str.format`: `@NAME@` of the file is `{name}` in it.
"""

DPKG_BLOCK = r"""#!/bin/sh
# {written_by}
#
# dpkg runs this before it changes anything: {configuration}, and pre-invoke in dpkg(1).
# It ends with 9 to refuse a restricted package. With any other end dpkg goes on, so that no fault in here stops an
# update. $1 is the process id of dpkg. A hook is not told what is to be installed: dpkg's own command line says it.

PATH=/usr/sbin:/usr/bin:/sbin:/bin # whatever is in the way of whoever calls dpkg
export PATH
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
    [ "$package" = {trial} ] || tell notice "the package gate refused $what"
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
    [ "$package" = {trial} ] ||
        logger -t proscribe -p auth.notice -- "the package gate refused $package" 2>/dev/null || :
done
echo "proscribe: nothing was installed; ask $whom"{messages}
exit 1
"""

REQUEST = r"""import contextlib, difflib, errno, hashlib, json, os, pwd, stat, sys, time
from typing import Any, Dict, List, Optional, Tuple
KNOWN = "/etc/proscribe/requests.json"
ANSWERS = "/etc/proscribe/answers.json"
PLACE = (".local", "state", "proscribe", "requests")
SCHEMA = "proscribe/request/1"
MOST = 20  # requests of one user; as many as root reads
LARGEST = 4096  # bytes of one
LONGEST = 300  # characters of a reason
FORGOTTEN = 90 * 86400  # seconds after which an answered request is deleted
USAGE = (
    'proscribe-request SERVICE "reason"    request an exception for yourself on this host\n'
    "proscribe-request --list              show your requests and their answers\n"
    "proscribe-request --services          show the services that are restricted here\n"
    "proscribe-request --withdraw ID       delete a request of yours"
)
class Refused(Exception):
    pass
def main(words: List[str]) -> int:
    try:
        if not os.getuid():
            raise Refused("Root cannot request anything. Run this as the user who needs the service, without sudo.")
        if words == ["--list"]:
            listing()
        elif words == ["--services"]:
            for id_, names in sorted(services(known())):
                say(f"{id_}  {', '.join(names)}")
        elif len(words) == 2 and words[0] == "--withdraw":
            withdraw(words[1])
        elif len(words) > 1 and not words[0].startswith("-"):
            request(words[0], plain(" ".join(words[1:])))
        else:
            say(USAGE)
            return 0 if words == ["--help"] or words == ["-h"] else 2
    except Refused as refused:
        say(str(refused), 2)
        return 1
    except OSError as error:
        say(f"This did not work: {error.strerror or error}.", 2)
        return 1
    return 0
def say(text: str, where: int = 1) -> None:
    content = "".join(c if c.isprintable() or c == "\n" else "?" for c in text) + "\n"
    try:
        os.write(where, content.encode("utf-8", "replace"))
    except BrokenPipeError:
        sys.exit(0)
def plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
def known() -> Dict[str, Any]:
    try:
        with open(KNOWN, "rb") as stream:
            found: Dict[str, Any] = json.loads(stream.read().decode("utf-8"))
            return found
    except FileNotFoundError:
        raise Refused("Nothing is restricted on this host at present, so there is nothing to request.") from None
    except ValueError:
        raise Refused(f"{KNOWN} is damaged. The next check of this host corrects it; try again tomorrow.") from None
def services(listed: Dict[str, Any]) -> List[Tuple[str, List[str]]]:
    return [(one["id"], one["names"]) for one in listed["services"]]
def named(word: str, listed: Dict[str, Any]) -> str:
    # The id of a service, by its id or by a name of it.
    spelled: Dict[str, str] = {}
    for id_, names in services(listed):
        for name in [id_, *names]:
            spelled.setdefault(name.casefold(), id_)
    found = spelled.get(plain(word).casefold())
    if found:
        return found
    near = difflib.get_close_matches(plain(word).casefold(), sorted(spelled), 5)
    ids = sorted({spelled[name] for name in near})
    hint = f"Did you mean: {', '.join(ids)}?" if ids else "proscribe-request --services shows what is."
    raise Refused(f"{plain(word)[:60] or 'That'} is not restricted on this host. {hint}")
def request(word: str, reason: str) -> None:
    listed = known()
    id_ = named(word, listed)
    if not reason:
        raise Refused(f'Give the reason, in quotes: proscribe-request {id_} "what you need it for"')
    if len(reason) > LONGEST:
        raise Refused(f"The reason has {len(reason)} characters; {LONGEST} are the most.")
    directory = place(True)
    if directory is None:
        raise Refused("The directory of your requests cannot be made.")
    answered = answers()
    own = requests(directory)
    for name, number, one in list(own):
        age = time.time() - os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime
        if number in answered and age > FORGOTTEN:
            os.unlink(name, dir_fd=directory)
            own.remove((name, number, one))
    for _, number, one in own:
        if one["service"] == id_ and number not in answered:
            raise Refused(f"You requested {id_} on {one['at'][:10]} already ({number}). It is not answered yet.")
    if len(own) >= MOST:
        raise Refused(f"You have {len(own)} requests, which are the most. Delete one: proscribe-request --withdraw ID")
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    content = json.dumps({"schema": SCHEMA, "service": id_, "reason": reason, "at": at}).encode("ascii")
    if len(content) > LARGEST:
        raise Refused("The reason is too long in this script; make it shorter.")
    name = hashlib.sha256(os.urandom(32)).hexdigest()[:16] + ".json"
    write(directory, name, content)
    say(f"Your request for {id_} is written down: {number_of(name)}.")
    say("It is read at the next check of this host. For its answer: proscribe-request --list")
    if listed.get("request_url"):
        say(f"Your organisation has a page for requests, too: {listed['request_url']}")
    if listed.get("contact"):
        say(f"Questions: {listed['contact']}")
def listing() -> None:
    directory = place(False)
    own = requests(directory) if directory is not None else []
    if not own:
        say("You have no requests on this host.")
    answered = answers()
    for _, number, one in sorted(own, key=lambda own: own[2]["at"], reverse=True):
        answer = answered.get(number) or {}
        said = "not answered yet"
        if answer.get("answer") == "refused":
            said = f"refused on {answer.get('on', '')[:10]}: {answer.get('why', '')}"
        elif answer.get("answer") == "ended":
            said = f"granted, and ended on {answer.get('on', '')[:10]}"
        elif answer.get("answer") == "granted":
            until = answer.get("until", "").replace("T", " ").replace("Z", " UTC")
            said = f"granted until {until}"
            if answer.get("limits"):
                said += f" ({answer['limits']})"
        say(f"{number}  {one['at'][:10]}  {one['service']}: {said}")
def withdraw(number: str) -> None:
    directory = place(False)
    for name, own, one in requests(directory) if directory is not None else []:
        if own == number:
            os.unlink(name, dir_fd=directory)
            say(f"Your request for {one['service']} is deleted.")
            return
    raise Refused(f"You have no request {plain(number)[:40]}. proscribe-request --list shows those that you have.")
def answers() -> Dict[str, Any]:
    try:
        with open(ANSWERS, "rb") as stream:
            found: Dict[str, Any] = json.loads(stream.read().decode("utf-8"))["answers"]
            return found
    except (OSError, ValueError, KeyError):
        return {}
def number_of(name: str) -> str:
    # The id of a request, as the record of its host has it: another user's file of the same name has another one.
    return hashlib.sha256(b"%d %s" % (os.getuid(), name[:16].encode())).hexdigest()[:16]
def place(make: bool) -> Optional[int]:
    # The directory of the requests, step by step: root follows no link there, so none counts here.
    home = pwd.getpwuid(os.getuid()).pw_dir
    try:
        at = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Refused(f"Your home, {home}, cannot be opened: {error.strerror}.") from None
    passed = home
    for step in PLACE:
        passed += "/" + step
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(step, 0o700, dir_fd=at)
        try:
            below = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Refused(f"{passed} is a link or a file. Requests are read from a directory only.") from None
            raise
        os.close(at)
        at = below
    if os.fstat(at).st_uid != os.getuid():
        raise Refused(f"{passed} does not belong to you.")
    return at
def requests(directory: int) -> List[Tuple[str, str, Dict[str, Any]]]:
    # (name of the file, id, content) of what is one.
    found = []
    for name in sorted(os.listdir(directory))[: 10 * MOST]:
        if len(name) != 21 or not name.endswith(".json") or name[:16].strip("0123456789abcdef"):
            continue
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=directory)
        except OSError:
            continue
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # of a directory, Python makes no stream
            os.close(descriptor)
            continue
        with os.fdopen(descriptor, "rb") as stream:
            content = stream.read(LARGEST + 1)
        try:
            one = json.loads(content.decode("utf-8"))
            if len(content) <= LARGEST and all(isinstance(one[key], str) for key in ("service", "reason", "at")):
                found.append((name, number_of(name), one))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found
def write(directory: int, name: str, content: bytes) -> None:
    beside = f".{name}~"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        os.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        os.unlink(beside, dir_fd=directory)
        raise
    os.fsync(directory)
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
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
