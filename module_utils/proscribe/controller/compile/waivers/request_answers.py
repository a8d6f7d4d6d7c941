"""The answers to requests of a host's users, in the form of plans, so that the host can show them.

    {id: {"answer": "refused", "user", "service", "on", "why"}}
    {id: {"answer": "granted", "user" ("" for everybody), "service", "waiver", "until", "limits"}}
    {id: {"answer": "ended", "user" ("" for everybody), "service", "waiver", "on"}}

`limits` describes the parts that stay closed (limits.py). A plan with answers belongs to a single host. Plans without
answers are shared by equal hosts.
"""

from __future__ import annotations

from collections.abc import Iterable

from ....base.duration import format_moment
from ....model.types.plan import Plan
from .limits import describe_limits
from .refusals import RequestRefusal
from .waiver import Waiver

MAX_ANSWERS = 50  # most refusals in a host's plan, and most ended exceptions; the newest count

Answers = dict[str, dict[str, str]]  # by the id of the request


def group_refusals_by_host(refusals: Iterable[RequestRefusal]) -> dict[str, Answers]:
    """Return the refusals as answers, by host. `refusals` are sorted, the oldest first."""
    refusals_by_host: dict[str, list[RequestRefusal]] = {}
    for refusal in refusals:
        refusals_by_host.setdefault(refusal.host, []).append(refusal)
    return {
        host: {
            request_refusal.id: {
                "answer": "refused",
                "user": request_refusal.user,
                "service": request_refusal.service,
                "on": request_refusal.on,
                "why": request_refusal.why,
            }
            for request_refusal in host_refusals[-MAX_ANSWERS:]
        }
        for host, host_refusals in refusals_by_host.items()
    }


def add_answers(
    body: Plan, refused_answers: Answers, waivers: Iterable[Waiver], ended_waivers: Iterable[Waiver] = ()
) -> Plan:
    """Return a plan with the answers to requests: refusals, waivers in effect, and ended waivers.

    `body` is the plan without its digest. `waivers` are those in effect on the host. `ended_waivers` are sorted, the
    oldest first. They show a host that these requests are no longer open and may be made again.
    """
    ended_answers = {
        waiver.request: {
            "answer": "ended",
            "user": waiver.users[0] if waiver.users else "",
            "service": waiver.services[0],
            "waiver": waiver.id,
            "on": format_moment(waiver.ends),
        }
        for waiver in [*ended_waivers][-MAX_ANSWERS:]
    }
    granted_answers = {
        waiver.request: {
            "answer": "granted",
            "user": waiver.users[0] if waiver.users else "",
            "service": waiver.services[0],
            "waiver": waiver.id,
            "until": format_moment(waiver.ends),
            **(
                {"limits": limits}
                if (limits := describe_limits(body["controls"], waiver.id, waiver.services[:1]))
                else {}
            ),
        }
        for waiver in waivers
        # a waiver only for POSIX groups names no user, so it answers no user's request
        if waiver.request and (waiver.users or not waiver.posix_groups)
    }
    answers = {**ended_answers, **refused_answers, **granted_answers}
    return {**body, "answers": answers} if answers else body
