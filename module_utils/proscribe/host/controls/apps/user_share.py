"""What one user's things add to a record: the first ones, and of all others what the states of rules follow from.

A user makes up as many packages as he likes. Beyond his share, each rule and each waiver gets one more finding of his
at most. So every rule has the state that it would have with all of them. The rest is counted, and is a finding of that
user alone: the rule `apps/too-many-findings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from ....model.finding import Finding, RuleVerdict, find_covering_waiver, is_user_restricted, judge_rule
from ....model.words import RESTRICTED_MODES
from .portable.scan import PortableApp
from .systems.package import Package

if TYPE_CHECKING:
    from typing import TypeVar, Union

    from .desired import Desired

    Thing = TypeVar("Thing", bound=Union[Package, PortableApp])

RULE = "apps/too-many-findings"
FINDINGS = 1_000  # packages and launchers of one user


class UserShare:
    """What is listed of one user's packages and launchers."""

    def __init__(self, desired: Desired, most: int = FINDINGS) -> None:
        self._desired = desired
        self._most = most
        self._listed: list[Package | PortableApp] = []
        self._rules: set[tuple[str, str, bool]] | None = None  # what it means for rules, once that is too much

    def take(self, things: Sequence[Thing]) -> tuple[list[Thing], int]:
        """Return what is listed of some things, and how many others count against their user."""
        room = max(self._most - len(self._listed), 0)
        listed = list(things[:room])
        self._listed += listed
        if len(things) <= room:
            return listed, 0
        if self._rules is None:
            self._rules = {key for thing in self._listed for key in self._rules_of(thing)}
        cut = 0
        for thing in things[room:]:
            rules = set(self._rules_of(thing))
            if rules <= self._rules:
                cut += any(not waiver for _, waiver, _ in rules)
            else:
                self._rules |= rules
                listed.append(thing)
        return listed, cut

    def _rules_of(self, thing: Package | PortableApp) -> Iterator[tuple[str, str, bool]]:
        """Return the services whose state a thing may change: each with what permits it, "" for nothing, and whether
        the thing may be something else.
        """
        desired = self._desired
        if isinstance(thing, Package):
            claimed = desired.packages[thing.manager][thing.id]
        else:
            claimed = desired.claimed(thing.services)
        finding = thing.finding()
        for service in desired.holders(claimed, finding):
            entry = desired.services[service]
            if is_user_restricted(entry, finding):
                restricted = entry["mode"] in RESTRICTED_MODES
                permitted = find_covering_waiver(entry, finding) if restricted else entry["mode"]
                yield service, permitted, isinstance(thing, PortableApp) and bool(thing.doubt)


def judge_shares(mode: str, cut: Mapping[str, int]) -> list[RuleVerdict]:
    """Return a verdict on users with more things than their share, by name how many more; none where nobody has more.

    No correction is made for it: those of the other rules are.
    """
    findings = [
        Finding(
            "user",
            user,
            scope=f"user:{user}",
            detail=f"{count:,} more findings of restricted apps: {FINDINGS:,} are listed, and of each rule one more",
        )
        for user, count in sorted(cut.items())
    ]
    return [judge_rule(RULE, {"mode": mode}, findings)._replace(drifted=False)] if findings else []
