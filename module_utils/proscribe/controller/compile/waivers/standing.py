"""What a waiver is worth now, and why. Plans, reports, `waiver list` and `explain` use this and nothing else."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ....model.words import WAIVER_STATUSES
from ...report.text.wording import counted, some
from ..restrictions.selection import FROZEN, GROWING
from .authority import SELF_APPROVED, UNAUTHORISED, Register, disqualified, objection
from .departures import SHOWN, Departure, LastSeen, describe_departures, find_departures
from .document import Named
from .persons import describe_other_script
from .revocations import RevokedBefore
from .signatures import signature_of, signers_of, verify
from .waiver import Revocation, Waiver

*_, ACTIVE = STATUSES = WAIVER_STATUSES
OVER = ("expired", "revoked")  # nothing that such a waiver names matters any more


@dataclass(frozen=True)
class Rules:
    """The organisation's own rules for waivers: proscribe_waiver_max_days, _signatures and _blanket."""

    max_days: int = 365
    signatures: str = "optional"
    blanket: bool = False
    groups: str = GROWING


@dataclass(frozen=True)
class Context:
    """What a waiver is judged by."""

    groups: Mapping[str, Set[str]]  # the inventory's, `all` among them
    register: Register
    rules: Rules
    zone_of: Callable[[str], str]  # the network zone of a host, "" if it has none
    last_seen: LastSeen = lambda kind, name: None
    revoked_before: RevokedBefore = lambda id_, now: None


class Standing(NamedTuple):
    """What a waiver is worth: it waives where it is `active`, and nothing otherwise."""

    status: str  # one of STATUSES
    why: str  # a clause for people; "" for an active waiver that nobody has to review and of which nothing is gone
    hosts: tuple[str, ...]  # of the inventory, in its scope
    review_overdue: bool = False
    key: str = ""  # the key that signed it, "" if none was checked
    unregistered: bool = False  # whether nobody could have approved it, since no register was found
    departed: tuple[Departure, ...] = ()  # what it names and the inventory does not have any more
    disputed: bool = False  # whether somebody revoked it who may not
    grown: tuple[str, ...] = ()  # hosts of its groups and zones that it was not signed for
    frozen: tuple[str, ...] = ()  # hosts of its groups and zones that it does not open
    restored: bool = False  # whether it was revoked, and its file does not say so any more

    @property
    def waives(self) -> bool:
        return self.status == ACTIVE


def scope(waiver: Waiver | Named, context: Context) -> frozenset[str]:
    """The hosts of the inventory that a waiver is for."""
    everywhere = context.groups.get("all", frozenset())
    hosts = frozenset(waiver.hosts) & everywhere
    hosts = hosts.union(*(context.groups.get(group, frozenset()) for group in waiver.groups))
    if waiver.zones:
        named = hosts if waiver.hosts or waiver.groups else everywhere
        hosts = frozenset(host for host in named if context.zone_of(host) in waiver.zones)
    return frozenset(hosts)


def standing(waiver: Waiver, context: Context, now: datetime.datetime) -> Standing:
    """What a waiver is worth at a moment."""
    covered = scope(waiver, context)
    grown = _find_grown(waiver, covered)
    frozen = context.rules.groups == FROZEN
    closed = (grown if waiver.signed_hosts else covered.difference(waiver.hosts)) if frozen else frozenset[str]()
    judged = _judged(waiver, covered - closed, context, now)
    judged = judged._replace(grown=tuple(sorted(grown)), frozen=tuple(sorted(closed)))
    if judged.status in OVER:
        return judged
    departed = find_departures(waiver, context.groups, context.last_seen)
    growth = _describe_growth(waiver, covered, grown, closed)
    if judged.status == "no_hosts" and growth:
        judged = judged._replace(why="")
    why = "; ".join(filter(None, (judged.why, growth, describe_departures(departed))))
    return judged._replace(why=why, departed=departed)


def _find_grown(waiver: Waiver, covered: Set[str]) -> frozenset[str]:
    """Return the hosts that a waiver covers and was not signed for; none where its file does not say."""
    return frozenset(covered).difference(waiver.signed_hosts, waiver.hosts) if waiver.signed_hosts else frozenset()


def _describe_growth(waiver: Waiver, covered: Set[str], grown: Set[str], closed: Set[str]) -> str:
    """Return a clause about hosts that a waiver was not signed for, and those that it does not open; "" for none."""
    if grown:
        before = counted(len({*waiver.signed_hosts, *waiver.hosts}), "host")
        text = f"it was signed for {before}, now {len(covered)}: "
        if closed:
            return f"{text}it does not open {some(sorted(grown), SHOWN)} (proscribe_waiver_groups: {FROZEN})"
        return f"{text}{some(sorted(grown), SHOWN)} {'is' if len(grown) == 1 else 'are'} new"
    unknown = "its file does not say for which hosts of its groups and zones it was signed"
    if not closed:
        return ""
    places = f"it does not open {some(sorted(closed), SHOWN)}: " if covered - closed else ""
    return f"{places}{unknown} (proscribe_waiver_groups: {FROZEN}); sign it again"


def _judged(waiver: Waiver, hosts: Set[str], context: Context, now: datetime.datetime) -> Standing:
    """What a waiver is worth on some hosts at a moment, whatever has left the inventory."""
    ordered = tuple(sorted(hosts))
    # A revocation counts whatever else is wrong, so that nobody has to sign anew to take something back.
    if waiver.revoked and now >= waiver.revoked.on:
        why = _describe_revocation(waiver.revoked)
        disputing = _objection_to_revocation(waiver.revoked.by, hosts, context) if now < waiver.expires else ""
        return Standing("revoked", why + disputing, ordered, disputed=bool(disputing))
    if now >= waiver.expires:
        return Standing("expired", f"it ended on {moment(waiver.expires)}", ordered)
    status, why = _mistrust(waiver, hosts, context)
    if status:
        return Standing(status, why, ordered, unregistered=status == UNAUTHORISED and not context.register)
    status, why, key = _signed(waiver, context.rules.signatures, now)
    if status:
        return Standing(status, why, ordered)
    revocation = None if waiver.revoked else context.revoked_before(waiver.id, now)
    if revocation and waiver.approved_on <= revocation.on:
        why = f"{_describe_revocation(revocation)}. The file was restored without that; to grant it again, the"
        return Standing("revoked", f"{why} approver gives it an approved_on after that", ordered, restored=True)
    if now < waiver.starts:
        return Standing("not_yet_valid", f"it begins on {moment(waiver.starts)}", ordered, key=key)
    overdue = now >= waiver.review_by
    why = f"its review was due on {day(waiver.review_by)}: is the need still there?" if overdue else ""
    return Standing(ACTIVE, why, ordered, overdue, key)


def _describe_revocation(revocation: Revocation) -> str:
    return f"{revocation.by} revoked it on {day(revocation.on)}: {revocation.why}"


def worst_first(waiver: Waiver, standing: Standing) -> tuple[object, ...]:
    """For sorting: what waives nothing and should, then overdue reviews, then what ends first."""
    return (STATUSES.index(standing.status), not standing.review_overdue, waiver.ends, waiver.id)


def _objection_to_revocation(name: str, hosts: Set[str], context: Context) -> str:
    """Return, as the end of a clause, that somebody may not revoke a waiver of these hosts; "" if they may. Where
    nobody is registered, no waiver waives, and there is nothing to revoke.
    """
    why = objection(name, hosts, context.register, context.groups) if context.register else ""
    return f"; but {why}" if why else ""


def _mistrust(waiver: Waiver, hosts: Set[str], context: Context) -> tuple[str, str]:
    """The status and the reason of a waiver that was not approved as it has to be; ("", "") otherwise."""
    if not hosts:
        return "no_hosts", "it covers no host of the inventory"
    status, why = disqualified(waiver.requested_by, waiver.approved_by, hosts, context.register, context.groups)
    if status:
        return status, why
    approvers = [name for one in context.register.values() for name in (one.head, *one.deputies)]
    if why := describe_other_script(waiver.requested_by, approvers):
        return SELF_APPROVED, f"whether two people requested and approved it is not sure: {why}"
    everywhere = context.groups.get("all", frozenset())
    # In an inventory of one host, to name that host is as narrow as it gets.
    if not context.rules.blanket and ("all" in waiver.groups or (hosts >= everywhere and len(everywhere) > 1)):
        return "blanket", "it is for every host of the inventory, which only proscribe_waiver_blanket: true permits"
    longest = datetime.timedelta(days=context.rules.max_days)
    if waiver.expires - waiver.starts > longest:
        latest = moment(waiver.starts + longest)
        limit = f"proscribe_waiver_max_days ({context.rules.max_days})"
        return "too_long", f"it runs longer than {limit}: the latest possible end is {latest}"
    return "", ""


def _signed(waiver: Waiver, mode: str, now: datetime.datetime) -> tuple[str, str, str]:
    """The status, the reason and the key of a waiver, as far as its signature has a say in it."""
    if mode == "off":
        return "", "", ""
    if waiver.request:  # an operator drafted it; it is the approver's once it is signed
        mode = "required"
    file = Path(waiver.file)
    if not signature_of(file).exists():
        rule = "a waiver from a request" if waiver.request else "proscribe_waiver_signatures"
        why = f"{rule} requires a signature by {waiver.approved_by}, {signature_of(file).name}"
        return ("unsigned", why, "") if mode == "required" else ("", "", "")
    signature = verify(waiver.document.content, file, signers_of(file), waiver.approved_by, now)
    if signature.problem:
        return "bad_signature", f"{signature_of(file).name}: {signature.problem}", ""
    return "", "", signature.key


def moment(time: datetime.datetime) -> str:
    """A UTC time for people: 2026-12-31 10:00:00 UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def day(time: datetime.datetime) -> str:
    """The day (UTC) of a time for people: 2026-12-31."""
    return f"{time:%Y-%m-%d}"
