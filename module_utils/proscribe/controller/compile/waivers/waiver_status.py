"""The judgement of a waiver now, with the reason. Plans, reports, `waiver list` and `explain` all use it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ....model.vocabulary import WAIVER_STATUSES
from ...report.text.wording import format_count, summarise_names
from ..restrictions.selection import FROZEN, GROWING
from .approvers import SELF_APPROVED, UNAUTHORISED, ApproverList, explain_disqualification, explain_objection
from .departed_names import MAX_NAMES_SHOWN, Departure, LastSeen, describe_departures, find_departures
from .document import MalformedWaiver
from .person_names import describe_other_script
from .revocations import RevokedBefore
from .signatures import get_signature_path, get_signers_path, verify_signature
from .waiver import Revocation, Waiver

*_, ACTIVE = STATUSES = WAIVER_STATUSES
ENDED_STATUSES = ("expired", "revoked")  # statuses of waivers whose names no longer matter


@dataclass(frozen=True)
class WaiverRules:
    """The organisation's rules for waivers: proscribe_waiver_max_days, _signatures, _blanket and _groups."""

    max_days: int = 365
    signatures: str = "optional"
    blanket: bool = False
    groups: str = GROWING


@dataclass(frozen=True)
class JudgementContext:
    """The facts and rules by which waivers are judged."""

    groups: Mapping[str, Set[str]]  # the hosts of each group of the inventory, including `all`
    register: ApproverList
    rules: WaiverRules
    zone_of: Callable[[str], str]  # returns the network zone of a host; "" if it has none
    last_seen: LastSeen = lambda kind, name: None
    revoked_before: RevokedBefore = lambda id_, now: None


class WaiverJudgement(NamedTuple):
    """The judgement of a waiver. Only a waiver with status `active` waives."""

    status: str  # one of STATUSES
    why: str  # a clause for messages; "" for an active waiver without overdue review and without departures
    hosts: tuple[str, ...]  # the hosts of the inventory that the waiver covers, without frozen_hosts
    is_review_overdue: bool = False
    key: str = ""  # the key of the signature; "" if none was checked
    is_unregistered: bool = False  # True if no approval is possible, because there is no approver list
    departures: tuple[Departure, ...] = ()  # hosts and groups in the waiver that the inventory no longer has
    is_disputed: bool = False  # True if a person without authority revoked the waiver
    grown_hosts: tuple[str, ...] = ()  # covered hosts for which the waiver was not signed
    # covered hosts on which the waiver waives nothing (proscribe_waiver_groups: frozen)
    frozen_hosts: tuple[str, ...] = ()
    is_restored: bool = False  # True if an earlier run saw a revocation that the file no longer has

    @property
    def is_waiving(self) -> bool:
        return self.status == ACTIVE


def find_covered_hosts(waiver: Waiver | MalformedWaiver, context: JudgementContext) -> frozenset[str]:
    """Return the hosts of the inventory that a waiver covers."""
    all_hosts = context.groups.get("all", frozenset())
    hosts = frozenset(waiver.hosts) & all_hosts
    hosts = hosts.union(*(context.groups.get(group, frozenset()) for group in waiver.groups))
    if waiver.zones:
        candidate_hosts = hosts if waiver.hosts or waiver.groups else all_hosts
        hosts = frozenset(host for host in candidate_hosts if context.zone_of(host) in waiver.zones)
    return frozenset(hosts)


def judge_waiver(waiver: Waiver, context: JudgementContext, now: datetime.datetime) -> WaiverJudgement:
    """Judge a waiver at the moment `now`: its status, the reason, and the hosts that it covers.

    A group or zone may have gained hosts since the waiver was signed. With proscribe_waiver_groups: frozen, the waiver
    does not waive on these hosts.
    """
    covered_hosts = find_covered_hosts(waiver, context)
    grown_hosts = _find_grown_hosts(waiver, covered_hosts)
    is_frozen = context.rules.groups == FROZEN
    # Covered hosts on which the waiver waives nothing. If the file lists no signed hosts, it waives only on the hosts
    # that it names under `hosts`.
    closed_hosts = (
        (grown_hosts if waiver.signed_hosts else covered_hosts.difference(waiver.hosts))
        if is_frozen
        else frozenset[str]()
    )
    judgement = _judge_on_hosts(waiver, covered_hosts - closed_hosts, context, now)
    judgement = judgement._replace(grown_hosts=tuple(sorted(grown_hosts)), frozen_hosts=tuple(sorted(closed_hosts)))
    if judgement.status in ENDED_STATUSES:
        return judgement
    departures = find_departures(waiver, context.groups, context.last_seen)
    growth = _describe_growth(waiver, covered_hosts, grown_hosts, closed_hosts)
    if judgement.status == "no_hosts" and growth:
        judgement = judgement._replace(why="")
    why = "; ".join(filter(None, (judgement.why, growth, describe_departures(departures))))
    return judgement._replace(why=why, departures=departures)


def _find_grown_hosts(waiver: Waiver, covered_hosts: Set[str]) -> frozenset[str]:
    """Return the covered hosts for which a waiver was not signed; none if its file does not list the signed hosts."""
    return (
        frozenset(covered_hosts).difference(waiver.signed_hosts, waiver.hosts) if waiver.signed_hosts else frozenset()
    )


def _describe_growth(waiver: Waiver, covered_hosts: Set[str], grown_hosts: Set[str], closed_hosts: Set[str]) -> str:
    """Return a clause about covered hosts for which the waiver was not signed, or on which it waives nothing.

    `grown_hosts` are the former, `closed_hosts` are the latter. The clause is "" if there are none.
    """
    if grown_hosts:
        signed_count = format_count(len({*waiver.signed_hosts, *waiver.hosts}), "host")
        text = f"it was signed for {signed_count}, now {len(covered_hosts)}: "
        if closed_hosts:
            return (
                f"{text}it does not open {summarise_names(sorted(grown_hosts), MAX_NAMES_SHOWN)} "
                f"(proscribe_waiver_groups: {FROZEN})"
            )
        return (
            f"{text}{summarise_names(sorted(grown_hosts), MAX_NAMES_SHOWN)} "
            f"{'is' if len(grown_hosts) == 1 else 'are'} new"
        )
    unknown = "its file does not say for which hosts of its groups and zones it was signed"
    if not closed_hosts:
        return ""
    places = (
        f"it does not open {summarise_names(sorted(closed_hosts), MAX_NAMES_SHOWN)}: "
        if covered_hosts - closed_hosts
        else ""
    )
    return f"{places}{unknown} (proscribe_waiver_groups: {FROZEN}); sign it again"


def _judge_on_hosts(
    waiver: Waiver, hosts: Set[str], context: JudgementContext, now: datetime.datetime
) -> WaiverJudgement:
    """Judge a waiver on these hosts at a moment.

    The first reason decides: revoked, ended, wrong approval or scope, wrong signature, revoked in an earlier run, not
    yet begun. Names that the inventory no longer has are disregarded.
    """
    ordered_hosts = tuple(sorted(hosts))
    # A revocation counts in spite of other defects, so revoking needs no new signature.
    if waiver.revoked and now >= waiver.revoked.on:
        why = _describe_revocation(waiver.revoked)
        dispute = _explain_revocation_objection(waiver.revoked.by, hosts, context) if now < waiver.expires else ""
        return WaiverJudgement("revoked", why + dispute, ordered_hosts, is_disputed=bool(dispute))
    if now >= waiver.expires:
        return WaiverJudgement("expired", f"it ended on {format_moment(waiver.expires)}", ordered_hosts)
    status, why = _check_approval(waiver, hosts, context)
    if status:
        return WaiverJudgement(
            status, why, ordered_hosts, is_unregistered=status == UNAUTHORISED and not context.register
        )
    status, why, key = _check_signature(waiver, context.rules.signatures, now)
    if status:
        return WaiverJudgement(status, why, ordered_hosts)
    # An earlier run may have seen a revocation that the file no longer has. Only a later approval overrides it.
    revocation = None if waiver.revoked else context.revoked_before(waiver.id, now)
    if revocation and waiver.approved_on <= revocation.on:
        why = f"{_describe_revocation(revocation)}. The file was restored without that; to grant it again, the"
        return WaiverJudgement(
            "revoked", f"{why} approver gives it an approved_on after that", ordered_hosts, is_restored=True
        )
    if now < waiver.starts:
        return WaiverJudgement("not_yet_valid", f"it begins on {format_moment(waiver.starts)}", ordered_hosts, key=key)
    is_overdue = now >= waiver.review_by
    why = f"its review was due on {format_day(waiver.review_by)}: is the need still there?" if is_overdue else ""
    return WaiverJudgement(ACTIVE, why, ordered_hosts, is_overdue, key)


def _describe_revocation(revocation: Revocation) -> str:
    return f"{revocation.by} revoked it on {format_day(revocation.on)}: {revocation.why}"


def rank_by_urgency(waiver: Waiver, judgement: WaiverJudgement) -> tuple[object, ...]:
    """Return a sort key: waivers without effect first, then overdue reviews, then by end."""
    return (STATUSES.index(judgement.status), not judgement.is_review_overdue, waiver.ends, waiver.id)


def _explain_revocation_objection(name: str, hosts: Set[str], context: JudgementContext) -> str:
    """Return the end of a clause: the reason why a person may not revoke a waiver. The result is "" if allowed.

    Without an approver list the result is "", because then no waiver waives, and there is nothing to revoke.
    """
    why = explain_objection(name, hosts, context.register, context.groups) if context.register else ""
    return f"; but {why}" if why else ""


def _check_approval(waiver: Waiver, hosts: Set[str], context: JudgementContext) -> tuple[str, str]:
    """Return the status and the reason if the approval or the scope of a waiver is not valid; ("", "") otherwise."""
    if not hosts:
        return "no_hosts", "it covers no host of the inventory"
    status, why = explain_disqualification(
        waiver.requested_by, waiver.approved_by, hosts, context.register, context.groups
    )
    if status:
        return status, why
    approvers = [name for authority in context.register.values() for name in (authority.head, *authority.deputies)]
    if why := describe_other_script(waiver.requested_by, approvers):
        return SELF_APPROVED, f"whether two people requested and approved it is not sure: {why}"
    all_hosts = context.groups.get("all", frozenset())
    # In an inventory of a single host, that host is the narrowest scope.
    if not context.rules.blanket and ("all" in waiver.groups or (hosts >= all_hosts and len(all_hosts) > 1)):
        return "blanket", "it is for every host of the inventory, which only proscribe_waiver_blanket: true permits"
    longest = datetime.timedelta(days=context.rules.max_days)
    if waiver.expires - waiver.starts > longest:
        latest = format_moment(waiver.starts + longest)
        limit = f"proscribe_waiver_max_days ({context.rules.max_days})"
        return "too_long", f"it runs longer than {limit}: the latest possible end is {latest}"
    return "", ""


def _check_signature(waiver: Waiver, mode: str, now: datetime.datetime) -> tuple[str, str, str]:
    """Return (status, reason, key) from the signature of a waiver.

    The status is "" if the signature is valid or not required. `mode` is the value of proscribe_waiver_signatures.
    """
    if mode == "off":
        return "", "", ""
    if waiver.request:  # an operator drafted it, so only a signature shows the approval
        mode = "required"
    file = Path(waiver.file)
    if not get_signature_path(file).exists():
        rule = "a waiver from a request" if waiver.request else "proscribe_waiver_signatures"
        why = f"{rule} requires a signature by {waiver.approved_by}, {get_signature_path(file).name}"
        return ("unsigned", why, "") if mode == "required" else ("", "", "")
    signature = verify_signature(waiver.document.content, file, get_signers_path(file), waiver.approved_by, now)
    if signature.problem:
        return "bad_signature", f"{get_signature_path(file).name}: {signature.problem}", ""
    return "", "", signature.key


def format_moment(time: datetime.datetime) -> str:
    """Format a UTC time for messages: 2026-12-31 10:00:00 UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def format_day(time: datetime.datetime) -> str:
    """Format the day (UTC) of a time for messages: 2026-12-31."""
    return f"{time:%Y-%m-%d}"
