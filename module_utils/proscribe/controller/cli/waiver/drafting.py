"""The draft of a waiver from a request: what the options of `waiver new` leave open is as the request has it."""

from __future__ import annotations

import argparse
import datetime
import re

from ....base.duration import format_moment
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
    if "," in request.user:  # a host says who requests something, and here a comma would make several users of one
        raise Refused(f"request {request.id}: found the user {request.user!r}, expected one user; its host made it up")
    if not opens.host:
        raise Refused(f"nothing restricts {request.service} on {request.host}, so a waiver would open nothing")
    controls = [control for text in arguments.controls for control in text.split(",")]
    if not arguments.whole_host and (opens.useless if not controls else not {*controls} & {*opens.user}):
        raise Refused(_out_of_reach(standing))
    arguments.services, arguments.hosts = [request.service], [request.host]
    if not arguments.whole_host:
        arguments.users = [request.user]
        arguments.controls = controls = controls or list(opens.user)
    arguments.reason = arguments.reason or request.reason
    arguments.requested_by = arguments.requested_by or request.user
    arguments.requested_on = arguments.requested_on or min(request.at, format_moment(now))
    arguments.approved_by = arguments.approved_by or (standing.approvers[0] if standing.approvers else "")
    arguments.approved_on = arguments.approved_on or format_moment(now)
    arguments.expires = arguments.expires or f"{min(DAYS, standing.max_days)}d"
    words = f"{request.host}-{request.user}-{request.service}-{request.id[:4]}"
    arguments.id = arguments.id or re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-._")[-100:].lstrip("-._")
    closed = [control for control in opens.host if controls and control not in controls]
    if not closed:
        return []
    stay = f"{' and '.join(closed)} stay{'s' if len(closed) == 1 else ''} closed"
    if arguments.whole_host:
        return [f"{stay}, because --control leaves {'it' if len(closed) == 1 else 'them'} out"]
    return [
        f"{stay} for {request.user}, because what they refuse they refuse to a whole host; --whole-host opens them for"
        " everybody there"
    ]


def _out_of_reach(standing: Standing) -> str:
    """Why no waiver is drafted for the user alone, and what can be."""
    request, opens = standing.request, standing.opens
    closed = opens.closed or opens.host
    close, it = ("closes", "it does") if len(closed) == 1 else ("close", "they do")
    why = f"{' and '.join(closed)} {close} {request.service} on {request.host}, and {it} so for a whole host"
    instead = "--whole-host opens it for everybody there"
    if opens.user:
        instead += f"; --control {','.join(opens.user)} drafts what can be opened for {request.user} alone"
    return f"{why}: a waiver for {request.user} alone would leave it out of reach. {instead}"
