"""Limit of the findings that a single user adds to a host's record.

A user can make up any number of packages. Beyond the limit, a further finding is listed only if it could change the
state of a rule. That is so if no listed finding of the user has the same rule, waiver and doubt. So every rule has the
state that it would have with all findings. The other findings are counted. Their number is a finding of that user under
the rule `apps/too-many-findings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from ....model.finding import Finding, RuleVerdict, find_covering_waiver, is_user_restricted, judge_rule
from ....model.vocabulary import RESTRICTED_MODES
from .portable.scan import PortableApp
from .systems.package import Package

if TYPE_CHECKING:
    from typing import TypeVar, Union

    from .desired_apps import DesiredApps

    Thing = TypeVar("Thing", bound=Union[Package, PortableApp])

TOO_MANY_FINDINGS_RULE = "apps/too-many-findings"
MAX_USER_FINDINGS = 1_000  # packages and launchers of a user that are listed


class UserShare:
    """Limit for a user: it counts the packages and launchers of the user that the record lists."""

    def __init__(self, desired: DesiredApps, max_findings: int = MAX_USER_FINDINGS) -> None:
        self._desired = desired
        self._max_findings = max_findings
        self._listed_things: list[Package | PortableApp] = []
        # keys of the listed packages and launchers; None until the limit is exceeded
        self._rule_keys: set[tuple[str, str, bool]] | None = None

    def take_things(self, things: Sequence[Thing]) -> tuple[list[Thing], int]:
        """Return those of `things` (packages or launchers) to list, and the number of other things without a waiver."""
        findings_left = max(self._max_findings - len(self._listed_things), 0)
        listed = list(things[:findings_left])
        self._listed_things += listed
        if len(things) <= findings_left:
            return listed, 0
        if self._rule_keys is None:
            self._rule_keys = {key for thing in self._listed_things for key in self._find_rule_keys(thing)}
        cut_count = 0
        for thing in things[findings_left:]:
            rules = set(self._find_rule_keys(thing))
            if rules <= self._rule_keys:
                cut_count += any(not waiver for _, waiver, _ in rules)
            else:
                self._rule_keys |= rules
                listed.append(thing)
        return listed, cut_count

    def _find_rule_keys(self, thing: Package | PortableApp) -> Iterator[tuple[str, str, bool]]:
        """Yield a key for each service whose state a package or launcher may change.

        The key is (service, permission, whether the thing is doubtful). If the service is restricted, the permission is
        the id of the waiver that permits the thing, or "" for a violation. Otherwise, the permission is the service's
        mode.
        """
        desired = self._desired
        if isinstance(thing, Package):
            claimed_services = desired.packages[thing.manager][thing.id]
        else:
            claimed_services = desired.choose_claimed_services(thing.services)
        finding = thing.make_finding()
        for service in desired.choose_holder_services(claimed_services, finding):
            entry = desired.services[service]
            if is_user_restricted(entry, finding):
                is_restricted = entry["mode"] in RESTRICTED_MODES
                permission = find_covering_waiver(entry, finding) if is_restricted else entry["mode"]
                yield service, permission, isinstance(thing, PortableApp) and bool(thing.doubt)


def judge_user_shares(mode: str, cut_counts: Mapping[str, int]) -> list[RuleVerdict]:
    """Return a verdict on the users with more findings than the limit. Return [] if there is no such user.

    `cut_counts` has, by user name, the number of findings beyond the limit. The verdict is no drift, because this rule
    corrects nothing: the rules of the services correct their findings.
    """
    findings = [
        Finding(
            "user",
            user,
            scope=f"user:{user}",
            detail=f"{count:,} more findings of restricted apps: {MAX_USER_FINDINGS:,} are listed, and of each rule "
            f"one more",
        )
        for user, count in sorted(cut_counts.items())
    ]
    return [judge_rule(TOO_MANY_FINDINGS_RULE, {"mode": mode}, findings)._replace(drifted=False)] if findings else []
