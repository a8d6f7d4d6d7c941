"""`proscribe-request SERVICE "reason"`: how a refused user requests an exception.

It runs as its user, without any right. It writes one small file into the user's own home, whole or not at all; root
reads it as what a stranger wrote (controls/apps/requests/reading.py). `-I -S` and names below the home as the user
database has it: nothing of the environment has a say. It has to run on Python 3.6, which is /usr/bin/python3 of some
hosts whose Ansible has a newer one.
"""

import contextlib
import difflib
import errno
import hashlib
import json
import os
import pwd
import stat
import sys
import time
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
