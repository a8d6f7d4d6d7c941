"""What a scheduled run reports of requests: those that it brought first, to the channels and to departments' heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .notification import Notification, Quoted, made
from .storage.requests_file import Request
from .text.wording import counted, moment, some

MOST = 50  # requests of one notification


class Department(NamedTuple):
    """A department: its hosts, and where its head reads mail ("" for nowhere)."""

    hosts: frozenset[str]
    mail: str = ""


def new_requests(stored: Sequence[Request], run: str) -> list[Request]:
    """The requests that no run before this one had brought."""
    return [one for one in stored if one.run == run]


def notification(requests: Sequence[Request], departments: Mapping[str, Department], command: str) -> Notification:
    """The notification of new requests; `command` lists all. Users wrote the reasons: each is one marked line."""
    hosts = sorted({one.host for one in requests})
    subject = f"Proscribe: {counted(len(requests), 'new request')} for an exception on {some(hosts, 3)}"
    quoted: list[str] = []
    for one in requests[:MOST]:
        whose = some(_of(one, departments), 3) or "no department"
        quoted.append(f"{one.user} on {one.host} ({whose}) requests {one.service} since {moment(one.at)}. The reason:")
        quoted += [f"  | {one.reason}", f"  its id: {one.id}"]
    lines: list[str | Quoted] = [Quoted(quoted)]
    if len(requests) > MOST:
        lines.append(f"... and {counted(len(requests) - MOST, 'more request')}")
    lines += ["", f"All of them, and how one is granted or refused: {command}"]
    facts = [{key: getattr(one, key) for key in Request._fields[:6]} for one in requests[:MOST]]
    return made(subject, lines, requests=facts, number_of_requests=len(requests))


def for_heads(requests: Sequence[Request], departments: Mapping[str, Department], command: str) -> list[dict[str, str]]:
    """For each head with an address, a mail about the requests of the own department only: {mail, message}."""
    found: dict[str, list[Request]] = {}
    for one in requests:
        for mail in {departments[name].mail for name in _of(one, departments)} - {""}:
            found.setdefault(mail, []).append(one)
    return [
        {"mail": mail, "message": notification(listed, departments, command).as_dict()["message"]}
        for mail, listed in sorted(found.items())
    ]


def _of(request: Request, departments: Mapping[str, Department]) -> list[str]:
    return [name for name, department in departments.items() if request.host in department.hosts]
