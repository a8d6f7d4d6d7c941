"""The waivers of a run: those of its inventory, each with what it is worth now."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ....base.duration import format_moment
from ....model.types.run import RunWaiver, WaiverRevocation
from ...policy_errors import Mistakes, PolicyError
from ..inventory.inventory import Question
from ..inventory.policy_folders import folders_of_registers, folders_of_waivers
from ..inventory.reporting import one_for_all
from ..restrictions import Restrictions
from .authority import read_register
from .departures import find_departures, make_departure_reader
from .document import Known, Named, read_waivers, unknown_names
from .revocations import RevocationMemory
from .seen_notes import GROUPS, HOSTS
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
    memory: RevocationMemory | None = None,
) -> list[Judged]:
    """Every waiver of the question's folders, by id, with its standing at `now`. Compiles no plan.

    `restrictions` are those of every host of the question, `services` the ids of the catalogues in use. Raises
    PolicyErrors with every mistake in waivers and in the approver list.
    """
    waivers, malformed, errors = read_waivers(folders_of_waivers(question, restrictions))
    mistakes = Mistakes()
    mistakes.note(*errors)
    judged: list[Judged] = []
    with mistakes.noting():
        judged = judge_all(waivers, question, restrictions, services, now, malformed, memory)
    mistakes.settle()
    return judged


def judge_all(
    waivers: Sequence[Waiver],
    question: Question,
    restrictions: Mapping[str, Restrictions],
    services: Iterable[str],
    now: datetime.datetime,
    malformed: Sequence[Named] = (),
    memory: RevocationMemory | None = None,
) -> list[Judged]:
    """Some waivers, each with its standing at `now`. Raises PolicyErrors as `judged_waivers` does: of what `malformed`
    ones name, too.
    """
    mistakes = Mistakes()
    mistakes.note(*wrong_names(waivers, malformed, question, restrictions, services, now))
    with mistakes.noting():
        context = context_of(question, restrictions, memory)
    mistakes.settle()
    return [Judged(waiver, standing(waiver, context, now)) for waiver in waivers]


def wrong_names(
    waivers: Sequence[Waiver],
    malformed: Sequence[Named],
    question: Question,
    restrictions: Mapping[str, Restrictions],
    services: Iterable[str] | None,
    now: datetime.datetime,
) -> Iterator[PolicyError]:
    """What waivers name and nothing has ever had, and hours that nothing ends. `services` is None where they are not
    known.
    """
    places = _places(question, restrictions)
    hosts, groups = frozenset(places.groups["all"]), frozenset(places.groups)
    in_run = {host.name for host in question.hosts}
    # One that is over waives nothing whatever it names: a host that is gone obliges nobody to edit old files.
    checked: list[Waiver | Named] = [*(one for one in waivers if now < one.ends), *malformed]
    for waiver in checked:
        # A service may be in a catalogue that only hosts outside this run (--limit) have.
        covered = scope(waiver, places)
        departed = find_departures(waiver, places.groups, places.last_seen)
        known_hosts = hosts.union(one.name for one in departed if one.kind == HOSTS)
        known_groups = groups.union(one.name for one in departed if one.kind == GROUPS)
        misspelled = not (known_hosts.issuperset(waiver.hosts) and known_groups.issuperset(waiver.groups))
        elsewhere = services is None or (covered.isdisjoint(in_run) and (bool(covered) or not misspelled))
        names = frozenset(waiver.services if elsewhere else services or ())
        yield from unknown_names(waiver, Known(names, known_hosts, known_groups))
        if isinstance(waiver, Waiver):
            yield from _never_closed(waiver, covered, restrictions)


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


def context_of(
    question: Question, restrictions: Mapping[str, Restrictions], memory: RevocationMemory | None = None
) -> Context:
    """What the waivers of a question are judged by. Raises PolicyErrors, also where the rules differ between hosts."""
    rules = Rules(
        one_for_all("waiver_max_days", question.hosts, restrictions),
        one_for_all("waiver_signatures", question.hosts, restrictions),
        one_for_all("waiver_blanket", question.hosts, restrictions),
        one_for_all("waiver_groups", question.hosts, restrictions),
    )
    places = _places(question, restrictions)
    register = read_register(folders_of_registers(question, restrictions), places.groups)
    memory = memory or RevocationMemory(question, restrictions)
    return dataclasses.replace(places, register=register, rules=rules, revoked_before=memory.find)


def _places(question: Question, restrictions: Mapping[str, Restrictions]) -> Context:
    """Where hosts are: a context that knows nothing of who approves."""
    everywhere = question.groups.get("all", frozenset()) | {host.name for host in question.hosts}

    def zone_of(host: str) -> str:
        if host in restrictions:
            return restrictions[host].zone
        return question.zone_of(host) if question.zone_of else ""

    groups = {**question.groups, "all": frozenset(everywhere)}
    return Context(groups, {}, Rules(), zone_of, make_departure_reader(question, restrictions))


def described(judged: Judged, question: Question) -> RunWaiver:
    """A waiver as the report has it, with the hosts of this run that it is for."""
    waiver, worth = judged
    in_run = {host.name for host in question.hosts}
    return {
        "id": waiver.id,
        "status": worth.status,
        "waives": worth.waives,
        "why": worth.why,
        "valid_from": format_moment(waiver.starts),
        "expires": format_moment(waiver.expires),
        "review_by": format_moment(waiver.review_by),
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
        "requested_on": format_moment(waiver.requested_on) if waiver.requested_on else None,
        "approved_by": waiver.approved_by,
        "approved_on": format_moment(waiver.approved_on),
        "revoked": _revoked(waiver),
        "signed_with": worth.key,
        "file": waiver.file,
    }


def _revoked(waiver: Waiver) -> WaiverRevocation | None:
    revoked = waiver.revoked
    return {"on": format_moment(revoked.on), "by": revoked.by, "why": revoked.why} if revoked else None


def warning(judged: Judged) -> str:
    """What every run says of a waiver that somebody may rely on in error, or should review; "" for others."""
    waiver, worth = judged
    if worth.status == "revoked" and not (worth.disputed or worth.restored):  # as the organisation decided
        return ""
    if worth.restored:
        return f"waiver {waiver.id} waives nothing: {worth.why} [{waiver.file}]"
    if worth.status == "revoked":
        asks = "Ask an approver to revoke it (revoked.by), or remove the key revoked"
        return f"waiver {waiver.id} waives nothing: {worth.why}. {asks} [{waiver.file}]"
    if not worth.waives:
        return f"waiver {waiver.id} waives nothing ({worth.status.replace('_', ' ')}): {worth.why} [{waiver.file}]"
    return f"waiver {waiver.id} still waives, but {worth.why} [{waiver.file}]" if worth.why else ""
