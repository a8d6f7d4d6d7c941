"""What users have requested, read as what it is: anything, of any size, written by somebody who may wish us ill.

A request is a regular file of its user's own, of at most 4 KiB, at one place in the home. Nothing else is opened, no
link is followed, and what is too much is left out and counted. It is all read in the process of that user's
observation (per_user.py), after everything else and on a small budget of its own. So what is odd costs its owner only.
"""

from __future__ import annotations

import contextlib
import os
import stat
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Iterable, Sequence

from .....base.hashing import sha256
from .....base.moments import format_timestamp, is_timestamp
from .....base.patterns import compile_pattern
from ....system import ControlError, Host, ObservationError, User
from ....system.budget import ReadBudget
from ....system.mounts import find_remote_type, read_mounts

if TYPE_CHECKING:
    from .....model.types.plan import Plan
    from .....model.types.record import RecordDetails, UserRequest

PLACE = ".local/state/proscribe/requests"
SCHEMA = "proscribe/request/1"
MOST = 20  # of one user
MOST_OF_HOST = 100
MOST_NAMES = 1000  # names in the directory that are read
LARGEST = 4096  # bytes of one
SECONDS = 2.0  # for those of one user, beside what the rest of the home has cost
LONGEST = 300  # characters of a reason
NAME = compile_pattern(r"[0-9a-f]{16}\.json")
SERVICE = compile_pattern(r"[a-z0-9_]{1,100}")
FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

Row = Sequence[str]  # id, user, service, reason, at


def of_user(host: Host, user: User) -> tuple[list[Row], int]:
    """A user's requests, the newest first, and how many files were left out. Never raises for what a user made."""
    place = f"{user.home}/{PLACE}"
    budget, host.budget = host.budget, ReadBudget(MOST_NAMES, MOST_NAMES * (LARGEST + 1), SECONDS)
    try:
        if not host.enters_remote and find_remote_type(
            place, read_mounts(host)
        ):  # what answers there might never do so
            return [], 0
        with host.open_directory(place) as directory:
            return _of_directory(host, directory, user)
    except (OSError, ControlError, ObservationError):  # there is none, a link leads to it, or the budget is spent
        return [], 0
    finally:
        host.budget = budget


def _of_directory(host: Host, directory: int, user: User) -> tuple[list[Row], int]:
    listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        with os.scandir(listed) as entries:
            names = [entry.name for entry in islice(entries, MOST_NAMES)]
        _pay(host, "files", len(names))
        found: list[Row] = []
        left_out = 0
        for name in filter(NAME.fullmatch, names):
            content = None
            with contextlib.suppress(OSError):
                content = _content(host, listed, name, user.uid)
            parts = None if content is None else parsed(content)
            if parts:
                found.append((number(user.uid, name), user.name, *parts))
            else:
                left_out += 1
    finally:
        os.close(listed)
    found.sort(key=lambda row: (row[4], row[0]), reverse=True)
    return found[:MOST], left_out + len(found[MOST:])


def _content(host: Host, directory: int, name: str, uid: int) -> bytes | None:
    """The content of a file; None if it is none of that user's requests. Raises OSError, Unseen."""
    if not _is_request(os.stat(name, dir_fd=directory, follow_symlinks=False), uid):
        return None
    descriptor = os.open(name, FLAGS, dir_fd=directory)
    try:
        if not _is_request(os.fstat(descriptor), uid):  # it has become something else meanwhile
            return None
        content = os.read(descriptor, LARGEST + 1)
    finally:
        os.close(descriptor)
    _pay(host, "bytes read", len(content))
    return content if len(content) <= LARGEST else None


def _is_request(seen: os.stat_result, uid: int) -> bool:
    return stat.S_ISREG(seen.st_mode) and seen.st_uid == uid and seen.st_nlink == 1 and seen.st_size <= LARGEST


def _pay(host: Host, what: str, count: int) -> None:
    if host.budget is not None:
        host.budget.consume_amount(what, count)


def number(uid: int, name: str) -> str:
    """The id of a request. A file of the same name has another id in another user's home, who so cannot make it look as
    if it were the same.
    """
    return sha256(b"%d %s" % (uid, name[:16].encode())).hexdigest()[:16]


def parsed(content: bytes) -> tuple[str, str, str] | None:
    """(service, reason, time) of a request; None for what is none. A time to come is now."""
    import json
    import time

    try:
        given = json.loads(content.decode("utf-8"))
        service, reason, at = (given[key] for key in ("service", "reason", "at"))
        if given["schema"] != SCHEMA or not all(type(text) is str for text in (service, reason, at)):
            return None
        if not (SERVICE.fullmatch(service) and is_timestamp(at) and 0 < len(reason) <= LONGEST):
            return None
        if not reason.isprintable() or reason != reason.strip():
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return service, reason, min(at, format_timestamp(time.time()))


def reported(plan: Plan, of_users: Iterable[tuple[Sequence[Row], int]]) -> RecordDetails:
    """What a record has of the requests: nothing where there are none. One that the plan answers says how: it does not
    wait.

    Each user's newest comes before anybody's second, so that nobody's many requests hide another user's one.
    """
    services = {id_ for section in plan["controls"].values() for id_ in section["services"]}
    turns, left_out = [], 0
    for rows, more in of_users:
        turns.append([row for row in rows if row[2] in services])
        left_out += more + len(rows) - len(turns[-1])
    ordered = [row for turn in zip_longest(*turns) for row in turn if row is not None]
    if not (ordered or left_out):
        return {}
    return {
        "requests": [_request(plan, *row) for row in ordered[:MOST_OF_HOST]],
        "requests_left_out": left_out + len(ordered[MOST_OF_HOST:]),
    }


def _request(plan: Plan, id_: str, user: str, service: str, reason: str, at: str) -> UserRequest:
    """A request, with the answer that the plan gives to this user and service."""
    found: UserRequest = {"id": id_, "user": user, "service": service, "reason": reason, "at": at}
    given = (plan.get("answers") or {}).get(id_)
    if given and given["service"] == service and given["user"] in ("", user):
        found["answer"] = given["answer"]
    return found
