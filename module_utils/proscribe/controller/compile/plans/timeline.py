"""The later plans of a host that changes plans without a controller; each plan names the next plan.

A host that observes itself (`proscribe_watch`) has the present plan and the plans that follow. It takes the next plan
when a waiver begins or ends, or when the ban comes into force. The next plan has the digest of the plan that a run
would compile at that moment. The last plan is sealed first: each plan has the digest of the next plan in `later`. So
the digest of a plan covers the next plan.
"""

from __future__ import annotations

import datetime
import fnmatch
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.duration import format_moment
from ....base.lazy_patterns import compile_pattern
from ....model.plan import add_digest
from ....model.types.plan import Plan
from ..waivers.judged_waivers import JudgedWaiver
from ..waivers.signatures import get_signature_path, get_signers_path
from ..waivers.waiver import Waiver
from ..waivers.waiver_status import JudgementContext, judge_waiver

MAX_LATER_PLANS = 32  # most plans that follow the present plan; a later run adds further plans

# Options of a signer for the validity of a key (ALLOWED SIGNERS in ssh-keygen(1)); a time without Z is local.
_VALIDITY_PATTERN = compile_pattern(r'\bvalid-(?:after|before)="?(\d{8}(?:\d{4}(?:\d\d)?)?)(Z?)"?(?=[,\s])', re.ASCII)
_SIGNER_PATTERN = compile_pattern(r'\s*(?:"([^"]*)"|([^\s#]\S*))\s')
_DATE_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_MAX_SIGNERS_LENGTH = 1024 * 1024  # characters


class WaiverTransition(NamedTuple):
    """The moment at which a waiver begins or ceases to waive."""

    at: datetime.datetime
    is_waiving: bool


class PlanState(NamedTuple):
    """The facts that determine a plan from a moment on."""

    at: datetime.datetime
    waivers: tuple[Waiver, ...]
    day: datetime.date  # in the controller's time zone


def find_transitions(
    judged: JudgedWaiver, context: JudgementContext, now: datetime.datetime
) -> tuple[WaiverTransition, ...]:
    """Return the moments after `now` at which runs would judge that a waiver begins to waive, or ends."""
    waiver, is_waiving = judged.waiver, judged.judgement.is_waiving
    transitions: list[WaiverTransition] = []
    for moment in sorted(
        moment for moment in {waiver.starts, waiver.ends, *_iterate_key_moments(waiver, context)} if moment > now
    ):
        if moment > waiver.ends:
            break
        if (will_waive := judge_waiver(waiver, context, moment).is_waiving) != is_waiving:
            transitions.append(WaiverTransition(moment, will_waive))
            is_waiving = will_waive
    return tuple(transitions)


def _iterate_key_moments(waiver: Waiver, context: JudgementContext) -> Iterator[datetime.datetime]:
    """Yield the moments at which an SSH key of the approver becomes valid, or has become invalid.

    A waiver waives only while the key that signed it is valid. The moments come from the file `allowed_signers`.
    """
    file = Path(waiver.file)
    if context.rules.signatures == "off" or not get_signature_path(file).exists():
        return
    try:
        with get_signers_path(file).open(encoding="utf-8", errors="replace") as stream:
            lines = stream.read(_MAX_SIGNERS_LENGTH).splitlines()
    except OSError:
        return
    for line in lines:
        match = _SIGNER_PATTERN.match(line)
        if match and any(
            fnmatch.fnmatchcase(waiver.approved_by, signer_pattern)
            for signer_pattern in (match[1] or match[2]).split(",")
        ):
            for digits, utc in _VALIDITY_PATTERN.findall(line):
                date_format = _DATE_FORMATS[len(digits)]
                try:
                    moment = (
                        datetime.datetime.strptime(f"{digits}+0000", f"{date_format}%z")
                        if utc
                        else datetime.datetime.strptime(digits, date_format).astimezone()
                    )
                except (ValueError, OverflowError, OSError):  # no such day
                    continue
                # A key is still valid in the second of `valid-before`.
                yield from (moment, moment + datetime.timedelta(seconds=1))


def iterate_states(
    waivers: Sequence[Waiver],
    waiving_ids: Collection[str],
    transitions_by_waiver: Mapping[str, Sequence[WaiverTransition]],
    begin_day: datetime.date | None,
    now: datetime.datetime,
) -> Iterator[PlanState]:
    """Yield the facts that determine a host's plan now, and at each later moment at which they may change.

    `waivers` are the host's waivers, sorted by their end. `waiving_ids` are the ids of those that waive now.
    `transitions_by_waiver` has the later changes of each waiver, by its id. `begin_day` is the first day of the ban.
    It is None for a host without a watch, which changes its plan only in a run.
    """
    transitions = {waiver.id: transitions_by_waiver.get(waiver.id, ()) for waiver in waivers}
    moments = {transition.at for waiver_transitions in transitions.values() for transition in waiver_transitions}
    if (
        begin_day is not None
        and (first_moment_of_ban := find_first_moment(begin_day)) is not None
        and first_moment_of_ban > now
    ):
        moments.add(first_moment_of_ban)
    for moment in (now, *sorted(moments)):
        waiving_waivers = tuple(
            candidate
            for candidate in waivers
            if _is_waiving(candidate.id in waiving_ids, transitions[candidate.id], moment)
        )
        yield PlanState(moment, waiving_waivers, moment.astimezone().date())


def _is_waiving(was_waiving: bool, transitions: Sequence[WaiverTransition], moment: datetime.datetime) -> bool:
    """Return True if a waiver waives at `moment`, by its last transition until then.

    Without such a transition, `was_waiving` decides, which is the state now.
    """
    return next((transition.is_waiving for transition in reversed(transitions) if transition.at <= moment), was_waiving)


def find_first_moment(day: datetime.date) -> datetime.datetime | None:
    """Return the moment at which a day begins on the controller; None if the clock cannot represent the day."""
    try:
        return datetime.datetime.combine(day, datetime.time()).astimezone().astimezone(datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


class PlanChains:
    """A maker of plans from bodies (plans without digest), each linked to the next plan. Equal plans are made once."""

    def __init__(self) -> None:
        # plans with digest; key: id() of the body, and the moment and the digest of the next plan, both "" if there is
        # none
        self._sealed_plans: dict[tuple[int, str, str], Plan] = {}
        # references to the plans' bodies, so that no other object gets the id() of a body
        self._bodies: list[Plan] = []

    def link_plans(self, bodies: Sequence[tuple[datetime.datetime, Plan]]) -> list[Plan]:
        """Return the plans of a host, the present plan first.

        `bodies` has the plans without digest, each with the moment from which it applies. A plan that equals the plan
        before it is left out.
        """
        distinct_bodies = [bodies[0]]
        for moment, body in bodies[1:]:
            if body is not distinct_bodies[-1][1] and body != distinct_bodies[-1][1]:
                distinct_bodies.append((moment, body))
        plans: list[Plan] = []
        at = digest = ""
        for moment, body in reversed(distinct_bodies[: MAX_LATER_PLANS + 1]):
            plans.append(self._make_sealed_plan(body, at, digest))
            at, digest = format_moment(moment), plans[-1]["digest"]
        return plans[::-1]

    def _make_sealed_plan(self, body: Plan, at: str, digest: str) -> Plan:
        """Return a plan with its digest, linked to the next plan: its moment `at` and its `digest`; "" for none."""
        key = (id(body), at, digest)
        if key not in self._sealed_plans:
            self._bodies.append(body)
            self._sealed_plans[key] = add_digest({**body, "later": {"at": at, "plan": digest}} if digest else body)
        return self._sealed_plans[key]
