"""Reader of users' requests. The author of a request may be hostile, and may write anything of any size.

A request is a regular file of at most 4 KiB. It belongs to its user, and is in a fixed directory of the home. Nothing
else is opened, and no link is followed. Requests beyond the limits are left out and counted. The forked process that
observes the user reads the requests last, within a separate small budget (per_user_observation.py). So odd files affect
only the observation of their owner.
"""

from __future__ import annotations

import contextlib
import os
import stat
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Iterable, Sequence

from .....base.hashing import sha256
from .....base.lazy_patterns import compile_pattern
from .....base.timestamps import format_timestamp, is_timestamp
from ....system import ControlError, Host, ObservationError, User
from ....system.budget import ReadBudget
from ....system.mounts import find_remote_type, read_mounts

if TYPE_CHECKING:
    from .....model.types.plan import Plan
    from .....model.types.record import RecordDetails, UserRequest

REQUESTS_DIRECTORY = ".local/state/proscribe/requests"
REQUEST_SCHEMA = "proscribe/request/1"
MAX_USER_REQUESTS = 20  # most requests of a user that are read
MAX_HOST_REQUESTS = 100  # most requests in a host's record
MAX_NAMES = 1000  # most names of the directory that are read
MAX_REQUEST_BYTES = 4096  # largest request
USER_TIMEOUT_SECONDS = 2.0  # time to read the requests of a user, in addition to the time for the rest of the home
MAX_REASON_CHARACTERS = 300
NAME_PATTERN = compile_pattern(r"[0-9a-f]{16}\.json")
SERVICE_PATTERN = compile_pattern(r"[a-z0-9_]{1,100}")
READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

RequestRow = Sequence[str]  # a request: id, user, service, reason, time


def read_user_requests(host: Host, user: User) -> tuple[list[RequestRow], int]:
    """Return a user's requests, the newest first, and the number of files that were left out.

    Files are left out if they are no valid requests, or beyond the limit. Return ([], 0) if the directory is missing,
    behind a link, or on a remote file system. Nothing in the home makes this function raise an error.
    """
    place = f"{user.home}/{REQUESTS_DIRECTORY}"
    # the requests have a separate budget of entries, bytes and time; the earlier budget is set again at the end
    budget, host.budget = host.budget, ReadBudget(MAX_NAMES, MAX_NAMES * (MAX_REQUEST_BYTES + 1), USER_TIMEOUT_SECONDS)
    try:
        if not host.enters_remote and find_remote_type(
            place, read_mounts(host)
        ):  # a remote file system might never answer
            return [], 0
        with host.open_directory(place) as directory:
            return _read_directory(host, directory, user)
    # the directory is missing or behind a link, or the budget is spent
    except (OSError, ControlError, ObservationError):
        return [], 0
    finally:
        host.budget = budget


def _read_directory(host: Host, directory: int, user: User) -> tuple[list[RequestRow], int]:
    """Return the requests in a user's directory, newest first, and the number of files left out.

    `directory` is a descriptor. Only files with the name of a request are read or counted.
    """
    list_descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        with os.scandir(list_descriptor) as entries:
            names = [entry.name for entry in islice(entries, MAX_NAMES)]
        _consume_budget(host, "files", len(names))
        rows: list[RequestRow] = []
        left_out_count = 0
        for name in filter(NAME_PATTERN.fullmatch, names):
            content = None
            with contextlib.suppress(OSError):
                content = _read_content(host, list_descriptor, name, user.uid)
            parts = None if content is None else parse_request(content)
            if parts:
                rows.append((make_request_id(user.uid, name), user.name, *parts))
            else:
                left_out_count += 1
    finally:
        os.close(list_descriptor)
    rows.sort(key=lambda row: (row[4], row[0]), reverse=True)
    return rows[:MAX_USER_REQUESTS], left_out_count + len(rows[MAX_USER_REQUESTS:])


def _read_content(host: Host, directory: int, name: str, uid: int) -> bytes | None:
    """Return the content of the file `name` in a directory, or None if it cannot be a request of the user `uid`.

    The type, the owner and the size decide. `directory` is a descriptor. Raises OSError and ObservationError.
    """
    if not _is_request_file(os.stat(name, dir_fd=directory, follow_symlinks=False), uid):
        return None
    descriptor = os.open(name, READ_FLAGS, dir_fd=directory)
    try:
        if not _is_request_file(os.fstat(descriptor), uid):  # the file was exchanged meanwhile
            return None
        content = os.read(descriptor, MAX_REQUEST_BYTES + 1)
    finally:
        os.close(descriptor)
    _consume_budget(host, "bytes read", len(content))
    return content if len(content) <= MAX_REQUEST_BYTES else None


def _is_request_file(status: os.stat_result, uid: int) -> bool:
    """Return whether a file can be a request of the user `uid`, by its type, owner, hard links and size."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_uid == uid
        and status.st_nlink == 1
        and status.st_size <= MAX_REQUEST_BYTES
    )


def _consume_budget(host: Host, amount_kind: str, count: int) -> None:
    """Subtract `count` from the budget for reading on behalf of the user.

    Raises ObservationError if it is spent.
    """
    if host.budget is not None:
        host.budget.consume_amount(amount_kind, count)


def make_request_id(uid: int, name: str) -> str:
    """Return the id of a request, from the uid of its user and the name of its file.

    No user can make a request with the id of another user's request.
    """
    return sha256(b"%d %s" % (uid, name[:16].encode())).hexdigest()[:16]


def parse_request(content: bytes) -> tuple[str, str, str] | None:
    """Return (service, reason, time) of a request, or None if the content is no valid request.

    A time in the future is replaced by the current time.
    """
    import json
    import time

    try:
        request_content = json.loads(content.decode("utf-8"))
        service, reason, requested_at = (request_content[key] for key in ("service", "reason", "at"))
        if request_content["schema"] != REQUEST_SCHEMA or not all(
            type(text) is str for text in (service, reason, requested_at)
        ):
            return None
        if not (
            SERVICE_PATTERN.fullmatch(service)
            and is_timestamp(requested_at)
            and 0 < len(reason) <= MAX_REASON_CHARACTERS
        ):
            return None
        if not reason.isprintable() or reason != reason.strip():
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return service, reason, min(requested_at, format_timestamp(time.time()))


def make_reported_requests(plan: Plan, user_rows: Iterable[tuple[Sequence[RequestRow], int]]) -> RecordDetails:
    """Return the fields of a host's record about requests.

    Return {} if there are none and none was left out. `user_rows` has, for each user, the requests (newest first) and
    the number of requests left out. The newest request of each user comes before the second request of any user. So a
    user with many requests cannot hide a request of another user. Requests for services that the plan does not have are
    left out and counted.
    """
    services = {service_id for section in plan["controls"].values() for service_id in section["services"]}
    rows_by_turn, left_out = [], 0
    for rows, more_count in user_rows:
        rows_by_turn.append([row for row in rows if row[2] in services])
        left_out += more_count + len(rows) - len(rows_by_turn[-1])
    ordered = [row for turn in zip_longest(*rows_by_turn) for row in turn if row is not None]
    if not (ordered or left_out):
        return {}
    return {
        "requests": [_make_request(plan, *row) for row in ordered[:MAX_HOST_REQUESTS]],
        "requests_left_out": left_out + len(ordered[MAX_HOST_REQUESTS:]),
    }


def _make_request(plan: Plan, request_id: str, user: str, service: str, reason: str, requested_at: str) -> UserRequest:
    """Return a request as the host's record has it.

    The plan's answer to the request is added, if it is for the same service and user. The user "" in an answer means
    any user.
    """
    reported_request: UserRequest = {
        "id": request_id,
        "user": user,
        "service": service,
        "reason": reason,
        "at": requested_at,
    }
    answer = (plan.get("answers") or {}).get(request_id)
    if answer and answer["service"] == service and answer["user"] in ("", user):
        reported_request["answer"] = answer["answer"]
    return reported_request
