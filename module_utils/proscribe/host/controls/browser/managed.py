"""A browser's policies out of one table, as Windows' registry and the managed preferences of macOS have them.

They are judged by the code that judges files. So the table is put before it as files in memory: what is as the plan has
it is one, and whatever else the organisation has is another one, which comes first. Firefox has one file anyhow.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

from ....model.finding import NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict, judge_rule
from ...system import WRITTEN_BY
from ..policy_tables import find_missing_entries, is_same_json
from . import ObservedPlace, chromium, exact_match, faulty, firefox, judge_policies, unclear
from .chromium import MERGE
from .desired import Desired
from .observed import FILE_MODE, MARK, Observed
from .places import Place

if TYPE_CHECKING:
    from ....model.types.plan import Plan
    from ..policy_tables import Policies

DIRECTORY, OWN, OTHERS = "/managed", "the policy", "another policy"  # sorted so that the plan's comes last
NOTHING = "no policy is set"
NONE_HERE = "no browser of which policies are known is installed"
OTHER = "a browser of which no policies are known"
RUNNING = "whether browsers that run go by these policies is not observed on {}"
NOT_HERE = "{} has no flatpaks and no snaps"
# What the check of files says where there are none, and of the order of what is in one.
_NO_FILE, _SPELLED = "no policy file", "written in another format"


def verdicts(
    plan: Plan,
    desired: Desired,
    seen: Sequence[ObservedPlace],
    others: Iterable[str],
    unseen: str,
    platform: str,
) -> list[RuleVerdict]:
    """A verdict for every service of the plan, every bypass that it closes, and the policies themselves. `seen` are the
    installed browsers, `others` those of which no policies are known, `unseen` is why these may not be all.
    """
    section = plan["controls"]["browser"]
    found = judge_policies(section, desired, seen, installed=[observed.place for observed in seen])
    if not any(one.place.sites for one in seen):
        state, why = (UNKNOWN, unseen) if unseen else (NOT_APPLICABLE, NONE_HERE)
        found = [RuleVerdict(verdict.rule, state, reason=why) for verdict in found]
    if not desired:
        return [*found, RuleVerdict("browser/policy-file", NOT_APPLICABLE, reason="no policy to set")]
    unknown = [Finding("browser", name, detail=OTHER) for name in others]
    missed = "; ".join(filter(None, (unclear(seen), unseen)))
    policies = judge_rule("browser/policy-file", {"mode": section["mode"]}, [*faulty(seen), *unknown], missed)
    if not (seen or unknown or missed):
        policies = RuleVerdict("browser/policy-file", NOT_APPLICABLE, reason=NONE_HERE)
    running = RuleVerdict("browser/running", NOT_APPLICABLE, reason=NONE_HERE)
    if seen:
        running = RuleVerdict("browser/running", UNKNOWN, reason=RUNNING.format(platform))
    packaged = RuleVerdict("browser/packaged", NOT_APPLICABLE, reason=NOT_HERE.format(platform))
    return [*found, running, packaged, policies]


class _Files:
    """A host that has nothing but these files, in one directory."""

    root = "/"

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = {f"{DIRECTORY}/{name}": content for name, content in contents.items()}

    def list(self, path: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self._contents] if path == DIRECTORY else []

    def read(self, path: str) -> bytes | None:
        return self._contents.get(path)

    def acl(self, path: str) -> bytes:
        return b""

    def others(self, path: str, seen: os.stat_result) -> str:
        return ""

    def stat(self, path: str) -> os.stat_result | None:
        if path not in self._contents:
            return None
        owner = os.stat(self.root).st_uid
        return os.stat_result((stat.S_IFREG | FILE_MODE, 0, 0, 1, owner, 0, len(self._contents[path]), 0, 0, 0))


def check(desired: Desired, place: Place, due: Policies, said: Policies | None) -> Observed:
    """What the policies of a place's browsers come to.

    `due` are those that the plan has for this platform. `said` are those that are there, with the types that they have
    in JSON; None where there is no table at all. Raises ControlError for a plan that no browser could follow.
    """
    place = place._replace(path=f"{DIRECTORY}/{OWN}", fallbacks=())
    own = desired.file(place)
    contents: dict[str, bytes] = {}
    if place.family == "chromium":
        ours, others = _shared_out(due, said or {})
        if own is not None and not others and is_same_json(ours, due):
            contents[OWN] = own
        elif said is not None:
            # There is one table, so lists are joined there, whether it says so or not.
            joined = {MERGE: due[MERGE]} if MERGE in due else {}
            contents[OWN] = chromium.render({MARK: WRITTEN_BY, **ours, **joined})
            contents.update({OTHERS: chromium.render(others)} if others else {})
    elif own is not None and said is not None and is_same_json(said, due):
        contents[OWN] = own
    elif said is not None:
        marked = {MARK: WRITTEN_BY} if any(name in said for name in due) else {}
        contents[OWN] = firefox.render({**marked, "policies": dict(said)})
    seen = exact_match.check(_Files(contents), place, desired)  # type: ignore[arg-type]
    return _in_other_words(seen)


def _shared_out(due: Policies, said: Policies) -> tuple[dict[str, object], dict[str, object]]:
    """What is as the plan has it, and the rest. Of a list, the entries that the plan has are ours."""
    ours: dict[str, object] = {}
    others: dict[str, object] = {}
    for name, value in said.items():
        desired = due.get(name)
        if isinstance(desired, list) and isinstance(value, list):
            rest = find_missing_entries(value, desired)
            ours[name] = find_missing_entries(desired, find_missing_entries(desired, value))
            others.update({name: rest} if rest else {})
        elif name in due and is_same_json(desired, value):
            ours[name] = value
        else:
            others[name] = value
    return ours, others


def _in_other_words(seen: Observed) -> Observed:
    """What the check of files says, where there are none of them."""

    def said(text: str) -> str:
        return NOTHING if text == _NO_FILE else text

    return seen._replace(
        why=said(seen.why),
        wrong=[said(one) for one in seen.wrong if one != _SPELLED],
        settings={name: said(text) for name, text in seen.settings.items()},
    )


def spelled_as(due: object, found: object) -> object:
    """A value with the types that the plan's has, where a platform's table has fewer of them: numbers are booleans."""
    if isinstance(due, bool) and found in (0, 1) and not isinstance(found, str):
        return bool(found)
    if isinstance(due, Mapping) and isinstance(found, Mapping):
        return {name: spelled_as(due.get(name), value) for name, value in found.items()}
    return found
