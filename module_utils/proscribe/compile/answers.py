"""The answers to the requests of a host's users, as its plan has them, so that the host can show them.

    {id: {"answer": "refused", "user", "service", "on", "why"}}
    {id: {"answer": "granted", "user" ("" for everybody), "service", "waiver", "until"}}

A plan with answers is a host's own. One without them is shared by equal hosts, as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..duration import spelled
from ..plan import sealed
from .waivers import Judged
from .waivers.refusals import Refusal

MOST = 50  # refusals of a host: the newest

Answers = Mapping[str, Mapping[str, Mapping[str, str]]]  # by host and id


def answers_of(refusals: Iterable[Refusal], waivers: Sequence[Judged]) -> dict[str, dict[str, dict[str, str]]]:
    """The answers by host. `refusals` come the oldest first."""
    refused: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        refused.setdefault(refusal.host, []).append(refusal)
    found = {
        host: {
            one.id: {"answer": "refused", "user": one.user, "service": one.service, "on": one.on, "why": one.why}
            for one in listed[-MOST:]
        }
        for host, listed in refused.items()
    }
    for waiver, worth in waivers:
        if waiver.request and worth.waives:
            granted = {
                "answer": "granted",
                "user": waiver.users[0] if waiver.users else "",
                "service": waiver.services[0],
                "waiver": waiver.id,
                "until": spelled(waiver.ends),
            }
            for host in worth.hosts:
                found.setdefault(host, {})[waiver.request] = granted
    return found


def with_answers(
    plans: Mapping[str, dict[str, Any]], hosts: Mapping[str, str], answers: Answers
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The plans by digest and each host's digest, with the answers in the plans of the hosts that have some."""
    own = dict(hosts)
    made = dict(plans)
    for host in hosts.keys() & answers.keys():
        plan = plans[hosts[host]]
        if plan["controls"].get("apps", {}).get("mode") == "enforce":
            answered = sealed({**plan, "answers": answers[host]})
            made[answered["digest"]] = answered
            own[host] = answered["digest"]
    used = {*own.values()}
    return {digest: plan for digest, plan in made.items() if digest in used}, own
