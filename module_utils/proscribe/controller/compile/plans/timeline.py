"""What a host's plan becomes without a controller: the plans of later moments, each named by the one before it.

A host that observes itself (`proscribe_watch`) holds the plan of now and those that follow. It takes the next one when
a waiver begins or ends, or the ban comes into force. That plan has the digest that a run would compile then. They are
compiled last first, since each says in `later` which plan follows, and so is a part of what the earlier one is.
"""

from __future__ import annotations

import datetime
import fnmatch
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.duration import format_moment
from ....base.patterns import compile_pattern
from ....model.plan import add_digest
from ....model.types.plan import Plan
from ....wire.store import PlanStore
from ..waivers.reading import Judged
from ..waivers.signatures import signature_of, signers_of
from ..waivers.standing import Context, standing
from ..waivers.waiver import Waiver

MOST = 32  # plans that follow one; a run adds what comes after them

# The options of a signer that say when a key is valid (ALLOWED SIGNERS in ssh-keygen(1)); a time without Z is local.
_VALID = compile_pattern(r'\bvalid-(?:after|before)="?(\d{8}(?:\d{4}(?:\d\d)?)?)(Z?)"?(?=[,\s])', re.ASCII)
_SIGNER = compile_pattern(r'\s*(?:"([^"]*)"|([^\s#]\S*))\s')
_SPELLINGS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_MOST_SIGNERS = 1024 * 1024  # characters


class Turn(NamedTuple):
    """From when on a waiver waives, or does not."""

    at: datetime.datetime
    waives: bool


class State(NamedTuple):
    """What decides about a plan from a moment on."""

    at: datetime.datetime
    waivers: tuple[Waiver, ...]
    day: datetime.date  # the controller's


def turns(judged: Judged, context: Context, now: datetime.datetime) -> tuple[Turn, ...]:
    """When after `now` a waiver begins to waive or ends, as runs at these moments would judge it."""
    waiver, waives = judged.waiver, judged.standing.waives
    found: list[Turn] = []
    for moment in sorted(moment for moment in {waiver.starts, waiver.ends, *_of_keys(waiver, context)} if moment > now):
        if moment > waiver.ends:
            break
        if (then := standing(waiver, context, moment).waives) != waives:
            found.append(Turn(moment, then))
            waives = then
    return tuple(found)


def _of_keys(waiver: Waiver, context: Context) -> Iterator[datetime.datetime]:
    """The moments at which a key of the approver's becomes valid, or has ceased to be."""
    file = Path(waiver.file)
    if context.rules.signatures == "off" or not signature_of(file).exists():
        return
    try:
        with signers_of(file).open(encoding="utf-8", errors="replace") as stream:
            lines = stream.read(_MOST_SIGNERS).splitlines()
    except OSError:
        return
    for line in lines:
        named = _SIGNER.match(line)
        if named and any(fnmatch.fnmatchcase(waiver.approved_by, one) for one in (named[1] or named[2]).split(",")):
            for digits, utc in _VALID.findall(line):
                spelling = _SPELLINGS[len(digits)]
                try:
                    moment = (
                        datetime.datetime.strptime(f"{digits}+0000", f"{spelling}%z")
                        if utc
                        else datetime.datetime.strptime(digits, spelling).astimezone()
                    )
                except (ValueError, OverflowError, OSError):  # no such day
                    continue
                # A key is valid in the second that `valid-before` names.
                yield from (moment, moment + datetime.timedelta(seconds=1))


def states(
    waivers: Sequence[Waiver],
    waiving: Collection[str],
    turns_of: Mapping[str, Sequence[Turn]],
    begins: datetime.date | None,
    now: datetime.datetime,
) -> Iterator[State]:
    """What decides about a host's plan now, and from each later moment on at which that may change.

    `waivers` are those that concern the host, in the order in which they count. `waiving` are the ids of those that
    waive now, and `turns_of` says when each changes. `begins` is the first day of the ban, where the host has to know
    it.
    """
    turns = {waiver.id: turns_of.get(waiver.id, ()) for waiver in waivers}
    moments = {turn.at for own in turns.values() for turn in own}
    if begins is not None and (first := first_moment(begins)) is not None and first > now:
        moments.add(first)
    for moment in (now, *sorted(moments)):
        in_force = tuple(one for one in waivers if _waives(one.id in waiving, turns[one.id], moment))
        yield State(moment, in_force, moment.astimezone().date())


def _waives(waives: bool, turns: Sequence[Turn], moment: datetime.datetime) -> bool:
    return next((turn.waives for turn in reversed(turns) if turn.at <= moment), waives)


def first_moment(day: datetime.date) -> datetime.datetime | None:
    """When a day begins on the controller; None for one that no clock shows."""
    try:
        return datetime.datetime.combine(day, datetime.time()).astimezone().astimezone(datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


class Chains:
    """Makes plans of bodies, each with what follows it; what several hosts have in common is made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str, str], Plan] = {}
        self._bodies: list[Plan] = []  # so that no other gets the id of one

    def linked(self, bodies: Sequence[tuple[datetime.datetime, Plan]]) -> list[Plan]:
        """The plans of a host, that of now first, out of what its plan consists of from each moment on."""
        found = [bodies[0]]
        for moment, body in bodies[1:]:
            if body is not found[-1][1] and body != found[-1][1]:
                found.append((moment, body))
        plans: list[Plan] = []
        at = digest = ""
        for moment, body in reversed(found[: MOST + 1]):
            plans.append(self._sealed(body, at, digest))
            at, digest = format_moment(moment), plans[-1]["digest"]
        return plans[::-1]

    def _sealed(self, body: Plan, at: str, digest: str) -> Plan:
        key = (id(body), at, digest)
        if key not in self._made:
            self._bodies.append(body)
            self._made[key] = add_digest({**body, "later": {"at": at, "plan": digest}} if digest else body)
        return self._made[key]


def chain(store: PlanStore, digest: str) -> list[str]:
    """The digests of a plan and of those that follow it, in their order, as a run has stored them.

    Raises FileNotFoundError, and Untrusted for a plan that does not fit its digest.
    """
    digests = [digest]
    while len(digests) <= MOST:
        later = store.read_stored_plan(digests[-1]).get("later")
        if not later:
            break
        digests.append(later["plan"])
    return digests
