"""The draft of a waiver from a user's request, which supplies the missing options of `waiver new --request`."""

from __future__ import annotations

import argparse
import datetime
import re

from ....base.duration import format_moment
from .. import CommandError
from .request_status import DRAFTED, WAIVED, RequestStatus

DRAFT_DAYS = 90  # duration of a drafted waiver, unless the organisation's limit is lower


def fill_in_options(arguments: argparse.Namespace, request_status: RequestStatus, now: datetime.datetime) -> list[str]:
    """Fill in the missing options of `waiver new` from a user's request, and return notes for the approver.

    The waiver is for the user, host and service of the request, and starts with its approval. The notes name the
    controls that still block the service. Raises CommandError if the waiver would have no effect, or if the request has
    a waiver already.
    """
    request, effect = request_status.request, request_status.effect
    if request_status.state in (DRAFTED, WAIVED):
        raise CommandError(f"request {request.id} has a waiver already: {request_status.answer}")
    for option in ("services", "hosts", "groups", "zones", "users"):
        if getattr(arguments, option):
            raise CommandError(
                f"--request {request.id} names the service, the host and the user; leave these options out"
            )
    # The host reports the user's name, and can invent it. An option with a comma would be read as several users.
    if "," in request.user:
        raise CommandError(
            f"request {request.id}: found the user {request.user!r}, expected one user; its host made it up"
        )
    if not effect.host_controls:
        raise CommandError(f"nothing restricts {request.service} on {request.host}, so a waiver would open nothing")
    controls = [control for text in arguments.controls for control in text.split(",")]
    # Without --control, the draft is for all controls that can make an exception for one user. Such a waiver is useless
    # if the other controls still block the service. With --control, a named control has to be one of those that can.
    if not arguments.whole_host and (effect.is_useless if not controls else not {*controls} & {*effect.user_controls}):
        raise CommandError(_explain_out_of_reach(request_status))
    arguments.services, arguments.hosts = [request.service], [request.host]
    if not arguments.whole_host:
        arguments.users = [request.user]
        arguments.controls = controls = controls or list(effect.user_controls)
    arguments.reason = arguments.reason or request.reason
    arguments.requested_by = arguments.requested_by or request.user
    arguments.requested_on = arguments.requested_on or min(request.at, format_moment(now))
    arguments.approved_by = arguments.approved_by or (request_status.approvers[0] if request_status.approvers else "")
    arguments.approved_on = arguments.approved_on or format_moment(now)
    arguments.expires = arguments.expires or f"{min(DRAFT_DAYS, request_status.max_days)}d"
    id_text = f"{request.host}-{request.user}-{request.service}-{request.id[:4]}"
    arguments.id = arguments.id or re.sub(r"[^A-Za-z0-9._-]+", "-", id_text).strip("-._")[-100:].lstrip("-._")
    closed_controls = [control for control in effect.host_controls if controls and control not in controls]
    if not closed_controls:
        return []
    closed_note = f"{' and '.join(closed_controls)} stay{'s' if len(closed_controls) == 1 else ''} closed"
    if arguments.whole_host:
        return [f"{closed_note}, because --control leaves {'it' if len(closed_controls) == 1 else 'them'} out"]
    return [
        f"{closed_note} for {request.user}, because what they refuse they refuse to a whole host; --whole-host opens "
        f"them for"
        " everybody there"
    ]


def _explain_out_of_reach(request_status: RequestStatus) -> str:
    """Return the error message for a draft that would not make the service reachable for the user alone.

    The message has the reason and the alternatives.
    """
    request, effect = request_status.request, request_status.effect
    closed_controls = effect.closed_controls or effect.host_controls
    verb, clause = ("closes", "it does") if len(closed_controls) == 1 else ("close", "they do")
    reason = (
        f"{' and '.join(closed_controls)} {verb} {request.service} on {request.host}, and {clause} so for a whole host"
    )
    alternatives = "--whole-host opens it for everybody there"
    if effect.user_controls:
        alternatives += (
            f"; --control {','.join(effect.user_controls)} drafts what can be opened for {request.user} alone"
        )
    return f"{reason}: a waiver for {request.user} alone would leave it out of reach. {alternatives}"
