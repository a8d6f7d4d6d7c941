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
SERVICE_LIST_PATH = "/etc/proscribe/requests.json"
ANSWERS_PATH = "/etc/proscribe/answers.json"
REQUESTS_DIRECTORY = (".local", "state", "proscribe", "requests")
REQUEST_SCHEMA = "proscribe/request/1"
MAX_REQUESTS = 20  # requests of a user; root reads no more
MAX_REQUEST_BYTES = 4096  # bytes of a request
MAX_REASON_CHARACTERS = 300
FORGET_SECONDS = 90 * 86400  # seconds after which an answered request is deleted
USAGE = (
    'proscribe-request SERVICE "reason"    request an exception for yourself on this host\n'
    "proscribe-request --list              show your requests and their answers\n"
    "proscribe-request --services          show the services that are restricted here\n"
    "proscribe-request --withdraw ID       delete a request of yours"
)
class RequestError(Exception):
    pass
def run_command(arguments: List[str]) -> int:
    try:
        if not os.getuid():
            raise RequestError(
                "Root cannot request anything. Run this as the user who needs the service, without sudo."
            )
        if arguments == ["--list"]:
            print_requests()
        elif arguments == ["--services"]:
            for service_id, names in sorted(list_services(read_service_list())):
                print_message(f"{service_id}  {', '.join(names)}")
        elif len(arguments) == 2 and arguments[0] == "--withdraw":
            delete_request(arguments[1])
        elif len(arguments) > 1 and not arguments[0].startswith("-"):
            write_request(arguments[0], normalise_text(" ".join(arguments[1:])))
        else:
            print_message(USAGE)
            return 0 if arguments == ["--help"] or arguments == ["-h"] else 2
    except RequestError as request_error:
        print_message(str(request_error), 2)
        return 1
    except OSError as error:
        print_message(f"This did not work: {error.strerror or error}.", 2)
        return 1
    return 0
def print_message(text: str, descriptor: int = 1) -> None:
    content = "".join(character if character.isprintable() or character == "\n" else "?" for character in text) + "\n"
    try:
        os.write(descriptor, content.encode("utf-8", "replace"))
    except BrokenPipeError:
        sys.exit(0)
def normalise_text(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
def read_service_list() -> Dict[str, Any]:
    try:
        with open(SERVICE_LIST_PATH, "rb") as stream:
            service_list: Dict[str, Any] = json.loads(stream.read().decode("utf-8"))
            return service_list
    except FileNotFoundError:
        raise RequestError("Nothing is restricted on this host at present, so there is nothing to request.") from None
    except ValueError:
        raise RequestError(
            f"{SERVICE_LIST_PATH} is damaged. The next check of this host corrects it; try again tomorrow."
        ) from None
def list_services(service_list: Dict[str, Any]) -> List[Tuple[str, List[str]]]:
    return [(service["id"], service["names"]) for service in service_list["services"]]
def find_service(word: str, service_list: Dict[str, Any]) -> str:
    # Returns the id of the restricted service with this id or name. If there is none, raises RequestError that names
    # similar services.
    id_by_name: Dict[str, str] = {}
    for service_id, names in list_services(service_list):
        for name in [service_id, *names]:
            id_by_name.setdefault(name.casefold(), service_id)
    found_id = id_by_name.get(normalise_text(word).casefold())
    if found_id:
        return found_id
    similar_names = difflib.get_close_matches(normalise_text(word).casefold(), sorted(id_by_name), 5)
    ids = sorted({id_by_name[name] for name in similar_names})
    hint = f"Did you mean: {', '.join(ids)}?" if ids else "proscribe-request --services shows what is."
    raise RequestError(f"{normalise_text(word)[:60] or 'That'} is not restricted on this host. {hint}")
def write_request(word: str, reason: str) -> None:
    service_list = read_service_list()
    service_id = find_service(word, service_list)
    if not reason:
        raise RequestError(f'Give the reason, in quotes: proscribe-request {service_id} "what you need it for"')
    if len(reason) > MAX_REASON_CHARACTERS:
        raise RequestError(f"The reason has {len(reason)} characters; {MAX_REASON_CHARACTERS} are the most.")
    directory = open_requests_directory(True)
    if directory is None:
        raise RequestError("The directory of your requests cannot be made.")
    answered = read_answers()
    own_requests = read_requests(directory)
    for name, request_id, request_content in list(own_requests):
        age = time.time() - os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime
        if request_id in answered and age > FORGET_SECONDS:
            os.unlink(name, dir_fd=directory)
            own_requests.remove((name, request_id, request_content))
    for _, request_id, request_content in own_requests:
        if request_content["service"] == service_id and request_id not in answered:
            raise RequestError(
                f"You requested {service_id} on {request_content['at'][:10]} already ({request_id}). It is not "
                f"answered yet."
            )
    if len(own_requests) >= MAX_REQUESTS:
        raise RequestError(
            f"You have {len(own_requests)} requests, which are the most. Delete one: proscribe-request --withdraw ID"
        )
    requested_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    content = json.dumps(
        {"schema": REQUEST_SCHEMA, "service": service_id, "reason": reason, "at": requested_at}
    ).encode("ascii")
    if len(content) > MAX_REQUEST_BYTES:
        raise RequestError("The reason is too long in this script; make it shorter.")
    name = hashlib.sha256(os.urandom(32)).hexdigest()[:16] + ".json"
    write_file(directory, name, content)
    print_message(f"Your request for {service_id} is written down: {make_request_id(name)}.")
    print_message("It is read at the next check of this host. For its answer: proscribe-request --list")
    if service_list.get("request_url"):
        print_message(f"Your organisation has a page for requests, too: {service_list['request_url']}")
    if service_list.get("contact"):
        print_message(f"Questions: {service_list['contact']}")
def print_requests() -> None:
    directory = open_requests_directory(False)
    own_requests = read_requests(directory) if directory is not None else []
    if not own_requests:
        print_message("You have no requests on this host.")
    answered = read_answers()
    for _, request_id, request_content in sorted(
        own_requests, key=lambda own_requests: own_requests[2]["at"], reverse=True
    ):
        answer = answered.get(request_id) or {}
        status = "not answered yet"
        if answer.get("answer") == "refused":
            status = f"refused on {answer.get('on', '')[:10]}: {answer.get('why', '')}"
        elif answer.get("answer") == "ended":
            status = f"granted, and ended on {answer.get('on', '')[:10]}"
        elif answer.get("answer") == "granted":
            until = answer.get("until", "").replace("T", " ").replace("Z", " UTC")
            status = f"granted until {until}"
            if answer.get("limits"):
                status += f" ({answer['limits']})"
        print_message(f"{request_id}  {request_content['at'][:10]}  {request_content['service']}: {status}")
def delete_request(request_id: str) -> None:
    directory = open_requests_directory(False)
    for name, own_id, request_content in read_requests(directory) if directory is not None else []:
        if own_id == request_id:
            os.unlink(name, dir_fd=directory)
            print_message(f"Your request for {request_content['service']} is deleted.")
            return
    raise RequestError(
        f"You have no request {normalise_text(request_id)[:40]}. proscribe-request --list shows those that you have."
    )
def read_answers() -> Dict[str, Any]:
    try:
        with open(ANSWERS_PATH, "rb") as stream:
            known_answers: Dict[str, Any] = json.loads(stream.read().decode("utf-8"))["answers"]
            return known_answers
    except (OSError, ValueError, KeyError):
        return {}
def make_request_id(name: str) -> str:
    # Returns the id of a request, which is also its id in the host's record. `name` is the name of its file. The id
    # depends on the user: equal file names of two users give different ids.
    return hashlib.sha256(b"%d %s" % (os.getuid(), name[:16].encode())).hexdigest()[:16]
def open_requests_directory(is_created: bool) -> Optional[int]:
    # Opens the directory of this user's requests and returns its descriptor; None if the directory is missing.
    # `is_created` makes missing directories. Root will follow no link there, so links are refused here too.
    home = pwd.getpwuid(os.getuid()).pw_dir
    try:
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RequestError(f"Your home, {home}, cannot be opened: {error.strerror}.") from None
    passed_path = home
    for step in REQUESTS_DIRECTORY:
        passed_path += "/" + step
        if is_created:
            with contextlib.suppress(FileExistsError):
                os.mkdir(step, 0o700, dir_fd=descriptor)
        try:
            next_descriptor = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise RequestError(
                    f"{passed_path} is a link or a file. Requests are read from a directory only."
                ) from None
            raise
        os.close(descriptor)
        descriptor = next_descriptor
    if os.fstat(descriptor).st_uid != os.getuid():
        raise RequestError(f"{passed_path} does not belong to you.")
    return descriptor
def read_requests(directory: int) -> List[Tuple[str, str, Dict[str, Any]]]:
    # Returns (file name, id, content) of each valid request of this user.
    own_requests = []
    for name in sorted(os.listdir(directory))[: 10 * MAX_REQUESTS]:
        if len(name) != 21 or not name.endswith(".json") or name[:16].strip("0123456789abcdef"):
            continue
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=directory)
        except OSError:
            continue
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # Python cannot open a directory as a stream
            os.close(descriptor)
            continue
        with os.fdopen(descriptor, "rb") as stream:
            content = stream.read(MAX_REQUEST_BYTES + 1)
        try:
            request_content = json.loads(content.decode("utf-8"))
            if len(content) <= MAX_REQUEST_BYTES and all(
                isinstance(request_content[key], str) for key in ("service", "reason", "at")
            ):
                own_requests.append((name, make_request_id(name), request_content))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return own_requests
def write_file(directory: int, name: str, content: bytes) -> None:
    temporary_name = f".{name}~"
    descriptor = os.open(temporary_name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        os.rename(temporary_name, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        os.unlink(temporary_name, dir_fd=directory)
        raise
    os.fsync(directory)
if __name__ == "__main__":
    sys.exit(run_command(sys.argv[1:]))
"""

SEND = r"""import os, socket, sys
for route in sys.argv[1:]:
    address, port, *user = route.split(" ")
    os.seteuid(int(user[0]) if user else 0)
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as datagram_socket:
            datagram_socket.sendto(b"", (address, int(port)))
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
