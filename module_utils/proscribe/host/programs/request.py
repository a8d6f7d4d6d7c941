"""Command `proscribe-request SERVICE "reason"`, by which a refused user requests an exception.

The command runs as its user, without any special right. It writes one small file below the user's home, in one step.
Root reads that file as untrusted data (controls/apps/requests/request_files.py). Python runs with `-I -S`, and the home
comes from the user database. So the environment has no influence. The command has to run on Python 3.6: some hosts have
that as /usr/bin/python3, beside a newer Python of Ansible.
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
