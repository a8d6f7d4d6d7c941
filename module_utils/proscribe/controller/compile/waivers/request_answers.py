"""The answers to the requests of a host's users, as its plan has them, so that the host can show them.

    {id: {"answer": "refused", "user", "service", "on", "why"}}
    {id: {"answer": "granted", "user" ("" for everybody), "service", "waiver", "until", "limits"}}
    {id: {"answer": "ended", "user" ("" for everybody), "service", "waiver", "on"}}

`limits` says what is not open all the same (limits.py). A plan with answers is a host's own. One without them is shared
by equal hosts, as ever.
"""

from __future__ import annotations

from collections.abc import Iterable

from ....base.duration import format_moment
from ....model.types.plan import Plan
from .limits import limited
from .refusals import Refusal
from .waiver import Waiver

MOST = 50  # refusals of a host, and exceptions that have ended there: the newest

Answers = dict[str, dict[str, str]]  # by id of the request


def refused_by_host(refusals: Iterable[Refusal]) -> dict[str, Answers]:
    """The refusals as answers, by host. `refusals` come the oldest first."""
    refused: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        refused.setdefault(refusal.host, []).append(refusal)
    return {
        host: {
            one.id: {"answer": "refused", "user": one.user, "service": one.service, "on": one.on, "why": one.why}
            for one in listed[-MOST:]
        }
        for host, listed in refused.items()
    }


def with_answers(body: Plan, refused: Answers, waivers: Iterable[Waiver], over: Iterable[Waiver] = ()) -> Plan:
    """What a plan consists of, with the answers: those that were refused, the waivers that waive there then, and those
    of `over` that have ended, the oldest first: so a host knows that their requests do not wait, and may be made again.
    """
    ended = {
        waiver.request: {
            "answer": "ended",
            "user": waiver.users[0] if waiver.users else "",
            "service": waiver.services[0],
            "waiver": waiver.id,
            "on": format_moment(waiver.ends),
        }
        for waiver in [*over][-MOST:]
    }
    granted = {
        waiver.request: {
            "answer": "granted",
            "user": waiver.users[0] if waiver.users else "",
            "service": waiver.services[0],
            "waiver": waiver.id,
            "until": format_moment(waiver.ends),
            **({"limits": limits} if (limits := limited(body["controls"], waiver.id, waiver.services[:1])) else {}),
        }
        for waiver in waivers
        if waiver.request and (waiver.users or not waiver.posix_groups)
    }
    answers = {**ended, **refused, **granted}
    return {**body, "answers": answers} if answers else body
