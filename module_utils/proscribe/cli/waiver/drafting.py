"""The draft of a waiver from a request: what the options of `waiver new` leave open is as the request has it."""

from __future__ import annotations

import argparse
import datetime
import re

from ...duration import spelled
from .. import Refused
from .requested import DRAFTED, WAIVED, Standing

DAYS = 90  # that a draft runs, where an organisation permits as many


def fill_in(arguments: argparse.Namespace, standing: Standing, now: datetime.datetime) -> list[str]:
    """Fill in the options. The waiver is for the user and the host of the request, and for its service; it begins with
    its approval. Returns what its approver should know. Raises Refused where it would open nothing, and where there is
    one already.
    """
    request, opens = standing.request, standing.opens
    if standing.state in (DRAFTED, WAIVED):
        raise Refused(f"request {request.id} has a waiver already: {standing.why}")
    for option in ("services", "hosts", "groups", "zones", "users"):
        if getattr(arguments, option):
            raise Refused(f"--request {request.id} names the service, the host and the user; leave these options out")
    if not opens.host:
        raise Refused(f"nothing restricts {request.service} on {request.host}, so a waiver would open nothing")
    if not (opens.user or arguments.whole_host):
        raise Refused(
            f"{' and '.join(opens.host)} restrict {request.service} on {request.host}, and these apply to a whole host,"
            " whoever uses it; --whole-host opens it for everybody there"
        )
    arguments.services, arguments.hosts = [request.service], [request.host]
    if not arguments.whole_host:
        arguments.users = [request.user]
        arguments.controls = arguments.controls or list(opens.user)
    arguments.reason = arguments.reason or request.reason
    arguments.requested_by = arguments.requested_by or request.user
    arguments.requested_on = arguments.requested_on or min(request.at, spelled(now))
    arguments.approved_by = arguments.approved_by or (standing.approvers[0] if standing.approvers else "")
    arguments.approved_on = arguments.approved_on or spelled(now)
    arguments.expires = arguments.expires or f"{min(DAYS, standing.max_days)}d"
    words = f"{request.host}-{request.user}-{request.service}-{request.id[:4]}"
    arguments.id = arguments.id or re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-._")[-100:].lstrip("-._")
    closed = [control for control in opens.host if control not in arguments.controls] if arguments.users else []
    if not closed:
        return []
    stay = f"{' and '.join(closed)} stay{'s' if len(closed) == 1 else ''} closed for {request.user}"
    return [
        f"{stay}, because what they refuse they refuse to a whole host; --whole-host opens them for everybody there"
    ]
