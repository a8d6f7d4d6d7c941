"""The waivers of a run: those of its inventory, each with what it is worth now."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...policy_errors import PolicyError, PolicyErrors
from ..inventory import Question
from ..policy_folders import folders_of_registers, folders_of_waivers
from ..reporting import one_for_all
from ..restrictions import Restrictions
from .authority import read_register
from .document import Known, load_waivers, unknown_names
from .standing import Context, Rules, Standing, scope, standing
from .waiver import Waiver


class Judged(NamedTuple):
    """A waiver and what it is worth."""

    waiver: Waiver
    standing: Standing


def judged_waivers(
    question: Question,
    restrictions: Mapping[str, Restrictions],
    services: Iterable[str],
    now: datetime.datetime,
) -> list[Judged]:
    """Every waiver of the question's folders, by id, with its standing at `now`. Compiles no plan.

    `restrictions` are those of every host of the question, `services` the ids of the catalogues in use. Raises
    PolicyErrors with every mistake in waivers and in the approver list.
    """
    return judge_all(load_waivers(folders_of_waivers(question, restrictions)), question, restrictions, services, now)


def judge_all(
    waivers: Sequence[Waiver],
    question: Question,
    restrictions: Mapping[str, Restrictions],
    services: Iterable[str],
    now: datetime.datetime,
) -> list[Judged]:
    """Some waivers, each with its standing at `now`. Raises PolicyErrors as `judged_waivers` does."""
    context = context_of(question, restrictions)
    hosts, groups = frozenset(context.groups["all"]), frozenset(context.groups)
    in_run = {host.name for host in question.hosts}
    errors: list[PolicyError] = []
    for waiver in waivers:
        # One that is over waives nothing whatever it names: a host that is gone obliges nobody to edit old files.
        if now < waiver.ends:
            # A service may be in a catalogue that only hosts outside this run (--limit) have.
            elsewhere = scope(waiver, context).isdisjoint(in_run)
            known = Known(frozenset(waiver.services if elsewhere else services), hosts, groups)
            errors += unknown_names(waiver, known)
            errors += _never_closed(waiver, scope(waiver, context), restrictions)
    if errors:
        raise PolicyErrors(errors)
    return [Judged(waiver, standing(waiver, context, now)) for waiver in waivers]


def _never_closed(
    waiver: Waiver, hosts: Iterable[str], restrictions: Mapping[str, Restrictions]
) -> Iterator[PolicyError]:
    """Hours on hosts that do not observe themselves: nothing would close there what they open."""
    if waiver.hours and (
        open_ := sorted(host for host in hosts if host in restrictions and not restrictions[host].watch)
    ):
        more = f" (and {len(open_) - 1} more)" if len(open_) > 1 else ""
        expected = f"no hours, or proscribe_watch on {open_[0]}{more}: it is off there, and nothing would close again"
        yield waiver.document.error(("hours",), ", ".join(waiver.hours), expected)


def context_of(question: Question, restrictions: Mapping[str, Restrictions]) -> Context:
    """What the waivers of a question are judged by. Raises PolicyErrors, also where the rules differ between hosts."""
    rules = {
        name: one_for_all(f"waiver_{name}", question.hosts, restrictions)
        for name in ("max_days", "signatures", "blanket")
    }
    everywhere = question.groups.get("all", frozenset()) | {host.name for host in question.hosts}
    groups = {**question.groups, "all": frozenset(everywhere)}

    def zone_of(host: str) -> str:
        if host in restrictions:
            return restrictions[host].zone
        return question.zone_of(host) if question.zone_of else ""

    register = read_register(folders_of_registers(question, restrictions), groups)
    return Context(groups, register, Rules(**rules), zone_of)


def described(judged: Judged, question: Question) -> dict[str, Any]:
    """A waiver as the report has it, with the hosts of this run that it is for."""
    waiver, worth = judged
    in_run = {host.name for host in question.hosts}
    return {
        "id": waiver.id,
        "status": worth.status,
        "waives": worth.waives,
        "why": worth.why,
        "valid_from": utc(waiver.starts),
        "expires": utc(waiver.expires),
        "review_by": utc(waiver.review_by),
        "review_overdue": worth.review_overdue,
        "hosts": [host for host in worth.hosts if host in in_run],
        "services": list(waiver.services),
        "controls": list(waiver.controls),
        "zones": list(waiver.zones),
        "users": list(waiver.users),
        "posix_groups": list(waiver.posix_groups),
        "versions": list(waiver.versions),
        "paths": list(waiver.paths),
        "hours": list(waiver.hours),
        "reason": waiver.reason,
        "risk": waiver.risk,
        "compensating_controls": list(waiver.compensating_controls),
        "ticket": waiver.ticket,
        "request": waiver.request,
        "requested_by": waiver.requested_by,
        "requested_on": waiver.requested_on and utc(waiver.requested_on),
        "approved_by": waiver.approved_by,
        "approved_on": utc(waiver.approved_on),
        "revoked": waiver.revoked
        and {"on": utc(waiver.revoked.on), "by": waiver.revoked.by, "why": waiver.revoked.why},
        "signed_with": worth.key,
        "file": waiver.file,
    }


def warning(judged: Judged) -> str:
    """What every run says of a waiver that somebody may rely on in error, or should review; "" for others."""
    waiver, worth = judged
    if worth.status == "revoked":  # as the organisation decided
        return ""
    if not worth.waives:
        return f"waiver {waiver.id} waives nothing ({worth.status.replace('_', ' ')}): {worth.why} [{waiver.file}]"
    return f"waiver {waiver.id} still waives, but {worth.why} [{waiver.file}]" if worth.review_overdue else ""


def utc(time: datetime.datetime) -> str:
    """A UTC time as reports have it: 2026-12-31T10:00:00Z."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
