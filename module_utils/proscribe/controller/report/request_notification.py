"""The requests that a scheduled run was the first to bring, for the channels and the heads of departments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .notification import Notification, QuotedLines, build_notification
from .storage.requests_file import StoredRequest
from .text.wording import format_count, format_readable_time, summarise_names

MAX_LISTED_REQUESTS = 50  # most requests that a notification lists


class DepartmentContact(NamedTuple):
    """The hosts of a department, and the mail address of its head ("" for none)."""

    hosts: frozenset[str]
    mail: str = ""


def select_new_requests(stored_requests: Sequence[StoredRequest], run_id: str) -> list[StoredRequest]:
    """Return the requests of users that this run was the first to collect from the hosts."""
    return [request for request in stored_requests if request.run == run_id]


def make_request_notification(
    requests: Sequence[StoredRequest], departments: Mapping[str, DepartmentContact], command: str
) -> Notification:
    """Make the notification of new requests.

    `command` is the command line that lists all requests. `departments` has the contact of each department by its name.
    Users wrote the reasons, so each reason is a single marked line.
    """
    hosts = sorted({request.host for request in requests})
    subject = f"Proscribe: {format_count(len(requests), 'new request')} for an exception on {summarise_names(hosts, 3)}"
    quoted_lines: list[str] = []
    for request in requests[:MAX_LISTED_REQUESTS]:
        department_names = summarise_names(_find_departments(request, departments), 3) or "no department"
        quoted_lines.append(
            f"{request.user} on {request.host} ({department_names}) requests {request.service} since "
            f"{format_readable_time(request.at)}. The reason:"
        )
        quoted_lines += [f"  | {request.reason}", f"  its id: {request.id}"]
    lines: list[str | QuotedLines] = [QuotedLines(quoted_lines)]
    if len(requests) > MAX_LISTED_REQUESTS:
        lines.append(f"... and {format_count(len(requests) - MAX_LISTED_REQUESTS, 'more request')}")
    lines += ["", f"All of them, and how one is granted or refused: {command}"]
    # the first six fields; the others are the inventory and the run
    facts = [
        {key: getattr(request, key) for key in StoredRequest._fields[:6]} for request in requests[:MAX_LISTED_REQUESTS]
    ]
    return build_notification(subject, lines, requests=facts, number_of_requests=len(requests))


def make_head_mails(
    requests: Sequence[StoredRequest], departments: Mapping[str, DepartmentContact], command: str
) -> list[dict[str, str]]:
    """Make a mail about new requests for each head of a department who has an address.

    A mail is {mail: the address, message: the mail as text}. It has only the requests from hosts of the head's
    departments. The result is [] if no request is from such a host.
    """
    requests_by_mail: dict[str, list[StoredRequest]] = {}
    for request in requests:
        for mail in {departments[name].mail for name in _find_departments(request, departments)} - {""}:
            requests_by_mail.setdefault(mail, []).append(request)
    return [
        {
            "mail": mail,
            "message": make_request_notification(head_requests, departments, command).make_payload()["message"],
        }
        for mail, head_requests in sorted(requests_by_mail.items())
    ]


def _find_departments(request: StoredRequest, departments: Mapping[str, DepartmentContact]) -> list[str]:
    return [name for name, department in departments.items() if request.host in department.hosts]
