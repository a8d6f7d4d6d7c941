"""The waivers of a run: those of its inventory, each with its status now."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ....base.duration import format_moment
from ....model.types.run import RunWaiver, WaiverRevocation
from ...policy_errors import MistakeCollector, PolicyError
from ..inventory.host_variables import CompileInput
from ..inventory.policy_folders import find_approver_folders, find_waiver_folders
from ..inventory.report_settings import get_common_setting
from ..restrictions import Restrictions
from .approvers import read_approver_list
from .departed_names import find_departures, make_departure_reader
from .document import KnownNames, MalformedWaiver, find_unknown_names, read_waivers
from .revocations import RevocationMemory
from .waiver import Waiver
from .waiver_notes import GROUPS, HOSTS
from .waiver_status import JudgementContext, WaiverJudgement, WaiverRules, find_covered_hosts, judge_waiver


class JudgedWaiver(NamedTuple):
    """A waiver and its judgement."""

    waiver: Waiver
    judgement: WaiverJudgement


def read_judged_waivers(
    compile_input: CompileInput,
    restrictions: Mapping[str, Restrictions],
    services: Iterable[str],
    now: datetime.datetime,
    memory: RevocationMemory | None = None,
) -> list[JudgedWaiver]:
    """Return every waiver of the input's folders, sorted by id, with its status at `now`.

    `restrictions` has the restrictions of every host of the input. `services` are the ids of all services in these
    hosts' catalogues. `memory` has the revocations that earlier runs saw. Raises PolicyErrors with every mistake in
    waivers and in the approver list.
    """
    waivers, malformed, errors = read_waivers(find_waiver_folders(compile_input, restrictions))
    mistakes = MistakeCollector()
    mistakes.add_mistakes(*errors)
    judged: list[JudgedWaiver] = []
    with mistakes.collect_mistakes():
        judged = judge_waivers(waivers, compile_input, restrictions, services, now, malformed, memory)
    mistakes.raise_mistakes()
    return judged


def judge_waivers(
    waivers: Sequence[Waiver],
    compile_input: CompileInput,
    restrictions: Mapping[str, Restrictions],
    services: Iterable[str],
    now: datetime.datetime,
    malformed: Sequence[MalformedWaiver] = (),
    memory: RevocationMemory | None = None,
) -> list[JudgedWaiver]:
    """Return these waivers, each with its status at `now`.

    `malformed` are waivers whose files have mistakes; only their names are checked. The other parameters and the errors
    are those of `read_judged_waivers`.
    """
    mistakes = MistakeCollector()
    mistakes.add_mistakes(*find_wrong_names(waivers, malformed, compile_input, restrictions, services, now))
    with mistakes.collect_mistakes():
        context = make_judgement_context(compile_input, restrictions, memory)
    mistakes.raise_mistakes()
    return [JudgedWaiver(waiver, judge_waiver(waiver, context, now)) for waiver in waivers]


def find_wrong_names(
    waivers: Sequence[Waiver],
    malformed: Sequence[MalformedWaiver],
    compile_input: CompileInput,
    restrictions: Mapping[str, Restrictions],
    services: Iterable[str] | None,
    now: datetime.datetime,
) -> Iterator[PolicyError]:
    """Yield an error for each unknown service, host or group in a waiver.

    `services` are the ids of all services in the catalogues. If they are not known (None), services are not checked. A
    host or group is known if the inventory of this run or of an earlier run has it. Also yield an error for a waiver
    with weekly `hours` that covers a host without a watch.
    """
    places = _make_place_context(compile_input, restrictions)
    hosts, groups = frozenset(places.groups["all"]), frozenset(places.groups)
    in_run = {host.name for host in compile_input.hosts}
    # An ended waiver waives nothing, so its names are not checked. Old files need no edits when a host leaves.
    checked_waivers: list[Waiver | MalformedWaiver] = [
        *(candidate for candidate in waivers if now < candidate.ends),
        *malformed,
    ]
    for waiver in checked_waivers:
        covered_hosts = find_covered_hosts(waiver, places)
        departures = find_departures(waiver, places.groups, places.last_seen)
        known_hosts = hosts.union(candidate.name for candidate in departures if candidate.kind == HOSTS)
        known_groups = groups.union(candidate.name for candidate in departures if candidate.kind == GROUPS)
        is_misspelled = not (known_hosts.issuperset(waiver.hosts) and known_groups.issuperset(waiver.groups))
        has_service_check = services is not None and _is_service_check_possible(covered_hosts, in_run, is_misspelled)
        permitted_services = frozenset((services or ()) if has_service_check else waiver.services)
        yield from find_unknown_names(waiver, KnownNames(permitted_services, known_hosts, known_groups))
        if isinstance(waiver, Waiver):
            yield from _check_hours_need_watch(waiver, covered_hosts, restrictions)


def _is_service_check_possible(covered_hosts: frozenset[str], hosts_in_run: set[str], is_misspelled: bool) -> bool:
    """Return whether the catalogues of this run can show that a waiver's service is unknown.

    They cannot if all hosts of the waiver are outside this run (--limit). The catalogue of those hosts may have the
    service. A waiver may also cover no host because a host's or group's name is misspelled (`is_misspelled`). Then its
    services are checked, so that all mistakes are reported together.
    """
    return not covered_hosts.isdisjoint(hosts_in_run) or (not covered_hosts and is_misspelled)


def _check_hours_need_watch(
    waiver: Waiver, hosts: Iterable[str], restrictions: Mapping[str, Restrictions]
) -> Iterator[PolicyError]:
    """Yield an error if a waiver with weekly `hours` covers a host without a watch.

    Only the watch, by which a host corrects itself between runs, closes a service there when the hours end.
    """
    if waiver.hours and (
        open_hosts := sorted(host for host in hosts if host in restrictions and not restrictions[host].watch)
    ):
        more = f" (and {len(open_hosts) - 1} more)" if len(open_hosts) > 1 else ""
        expected = (
            f"no hours, or proscribe_watch on {open_hosts[0]}{more}: it is off there, and nothing would close again"
        )
        yield waiver.document.make_error(("hours",), ", ".join(waiver.hours), expected)


def make_judgement_context(
    compile_input: CompileInput, restrictions: Mapping[str, Restrictions], memory: RevocationMemory | None = None
) -> JudgementContext:
    """Return the context for judging the waivers of an input. Raises PolicyErrors, also if hosts' rules differ."""
    rules = WaiverRules(
        get_common_setting("waiver_max_days", compile_input.hosts, restrictions),
        get_common_setting("waiver_signatures", compile_input.hosts, restrictions),
        get_common_setting("waiver_blanket", compile_input.hosts, restrictions),
        get_common_setting("waiver_groups", compile_input.hosts, restrictions),
    )
    places = _make_place_context(compile_input, restrictions)
    approver_list = read_approver_list(find_approver_folders(compile_input, restrictions), places.groups)
    memory = memory or RevocationMemory(compile_input, restrictions)
    return dataclasses.replace(places, register=approver_list, rules=rules, revoked_before=memory.find_revocation)


def _make_place_context(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> JudgementContext:
    """Return a context with the groups and zones of hosts, without an approver list and the organisation's rules.

    It is enough to find the hosts that a waiver covers.
    """
    all_hosts = compile_input.groups.get("all", frozenset()) | {host.name for host in compile_input.hosts}

    def find_zone(host: str) -> str:
        if host in restrictions:
            return restrictions[host].zone
        return compile_input.zone_of(host) if compile_input.zone_of else ""

    groups = {**compile_input.groups, "all": frozenset(all_hosts)}
    return JudgementContext(groups, {}, WaiverRules(), find_zone, make_departure_reader(compile_input, restrictions))


def make_run_waiver(judged: JudgedWaiver, compile_input: CompileInput) -> RunWaiver:
    """Return a waiver and its status as a row of the report, with the hosts of this run that the waiver covers."""
    waiver, judgement = judged
    in_run = {host.name for host in compile_input.hosts}
    return {
        "id": waiver.id,
        "status": judgement.status,
        "waives": judgement.is_waiving,
        "why": judgement.why,
        "valid_from": format_moment(waiver.starts),
        "expires": format_moment(waiver.expires),
        "review_by": format_moment(waiver.review_by),
        "review_overdue": judgement.is_review_overdue,
        "hosts": [host for host in judgement.hosts if host in in_run],
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
        "revoked": _make_revocation(waiver),
        "signed_with": judgement.key,
        "file": waiver.file,
    }


def _make_revocation(waiver: Waiver) -> WaiverRevocation | None:
    """Return the revocation of a waiver as report data; None if it is not revoked."""
    revocation = waiver.revoked
    return {"on": format_moment(revocation.on), "by": revocation.by, "why": revocation.why} if revocation else None


def warn_of_waiver(judged: JudgedWaiver) -> str:
    """Return the warning about a waiver that waives nothing, or whose review is due; "" for other waivers.

    Users or operators may rely on such a waiver in error. A valid revocation needs no warning.
    """
    waiver, judgement = judged
    if judgement.status == "revoked" and not (
        judgement.is_disputed or judgement.is_restored
    ):  # a decision of the organisation needs no warning
        return ""
    if judgement.is_restored:
        return f"waiver {waiver.id} waives nothing: {judgement.why} [{waiver.file}]"
    if judgement.status == "revoked":
        advice = "Ask an approver to revoke it (revoked.by), or remove the key revoked"
        return f"waiver {waiver.id} waives nothing: {judgement.why}. {advice} [{waiver.file}]"
    if not judgement.is_waiving:
        return (
            f"waiver {waiver.id} waives nothing ({judgement.status.replace('_', ' ')}): {judgement.why} [{waiver.file}]"
        )
    return f"waiver {waiver.id} still waives, but {judgement.why} [{waiver.file}]" if judgement.why else ""
