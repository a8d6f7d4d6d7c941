"""Whether the rules of AppLocker have arrived on a Windows host, in which mode, and whether they are in effect.

A collection of rules is a key, and each rule is one below it. The collection's EnforcementMode is 0 where Windows only
logs, and 1 where it denies. Where it is missing, Windows denies (learn.microsoft.com/windows/security, "Understand
AppLocker enforcement settings"). No rule is in effect while the service Application Identity does not run. Where the
plan does not ask for denial, all of this is only reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...host.controls.group_policy import applocker as policy
from ...host.controls.group_policy.registry_pol import Entry, said_by
from ...host.system.types import escape_text
from ...model.finding import NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict, judge_rule
from ...model.types.plan import PlanSection
from .answer import Answer
from .command import APPLIER, APPLIER_KEY, APPLOCKER
from .packages import MANAGER
from .registry import Registry

RULE = "apps/applocker"
MODE, TEXT, START = "enforcementmode", "value", "start"
LOGS, DENIES, AUTOMATIC = 0, 1, 2
MODES = {LOGS: "it only logs (AuditOnly)", DENIES: "it denies (Enabled)"}
NOT_CONFIGURED = "it denies (not configured)"
NOT_DOCUMENTED = "its mode is none that is documented"
NOTHING = "no rule has arrived"
NOT_READ = f"{APPLOCKER} cannot be read there"
NO_SERVICE = f"{APPLIER_KEY} cannot be read there"
NO_POLICY = "the plan has a text that no rule of AppLocker takes"
NOT_KNOWN = f"whether {APPLIER} runs is not known"
ONLY_REPORTED = "report only: the plan does not ask AppLocker to deny"
LONGEST = 40  # characters of a collection's name
_ATTRIBUTE = re.compile(r'(\w{1,40})="([^"]*)"')
_FREE = ("Name", "Description")  # of a rule, which decide nothing


class Collection(NamedTuple):
    """A collection of rules: what Windows does with it, and its rules, each with what decides."""

    mode: int | None  # None: it is not configured
    rules: dict[str, frozenset[tuple[str, str]]]

    @property
    def denies(self) -> bool:
        return self.mode in (DENIES, None)


def observe(section: PlanSection, answer: Answer) -> list[RuleVerdict]:
    """The verdict; none where nothing is asked for and nothing is there. The plan's rules are those of the export, and
    of a domain's object.
    """
    try:
        entries = policy.entries(section)
    except ValueError as wrong:
        return [RuleVerdict(RULE, UNKNOWN, reason=f"{NO_POLICY}: {wrong}")]
    return compare(policy.mode_of(section), entries, section["mode"], answer)


def compare(desired_mode: str, entries: Sequence[Entry], mode: str, answer: Answer) -> list[RuleVerdict]:
    """The same for the values that a policy sets. `desired_mode` is what the plan says of AppLocker, and `mode` is
    that of the control.
    """
    desired, there = _desired(entries), _there(answer.registry)
    readable = answer.registry.complete(APPLOCKER)
    if readable and not desired and not there:
        return []
    wrong, right = _compared(desired, there) if readable else ([], [])
    service, unknown = _service(answer) if desired or there else ([], [])
    unseen = "; ".join([*([] if readable else [NOT_READ]), *unknown])
    if desired_mode == policy.ENFORCE and desired:
        return [judge_rule(RULE, {"mode": mode}, [*wrong, *service], unseen)]
    reason = "; ".join(filter(None, (ONLY_REPORTED, unseen)))
    return [RuleVerdict(RULE, NOT_APPLICABLE, (*wrong, *right, *(service if there else ())), reason=reason)]


def _compared(
    desired: Mapping[str, Collection], there: Mapping[str, Collection]
) -> tuple[list[Finding], list[Finding]]:
    """A finding for each collection that is not as desired, and for each that is, or that is somebody else's."""
    wrong: list[Finding] = []
    right: list[Finding] = []
    for name, own in desired.items():
        found = there.get(name.casefold())
        if found is None:
            wrong.append(_finding(name, NOTHING))
            continue
        missing = len(own.rules.keys() - found.rules.keys())
        changed = sum(found.rules.get(id_, said) != said for id_, said in own.rules.items())
        said = [f"{missing:,} of the plan's {len(own.rules):,} are not there"] * (missing > 0)
        said += [f"{changed:,} of the plan's say something else"] * (changed > 0)
        as_desired = not said and found.denies == own.denies
        (right if as_desired else wrong).append(_finding(name, _described(found), *said))
    names = {name.casefold() for name in desired}
    right += [_finding(name, _described(found)) for name, found in there.items() if name not in names]
    return wrong, right


def _described(found: Collection) -> str:
    said = NOT_CONFIGURED if found.mode is None else MODES.get(found.mode, NOT_DOCUMENTED)
    return f"{said}, {len(found.rules):,} rule{'s' * (len(found.rules) != 1)}"


def _finding(collection: str, *said: str) -> Finding:
    shown = escape_text(collection[:LONGEST])
    return Finding("rules", f"AppLocker {shown}", MANAGER, path=f"{APPLOCKER}\\{shown}", detail="; ".join(said))


def _desired(entries: Iterable[Entry]) -> dict[str, Collection]:
    """The collections that the plan's values make, by their names."""
    found: dict[str, Collection] = {}
    for entry in entries:
        name, _, id_ = entry.key[len(policy.KEY) + 1 :].partition("\\")
        one = found.setdefault(name, Collection(None, {}))
        if id_:
            one.rules[_id(id_)] = _decisive(str(said_by(entry)))
        elif entry.value.casefold() == MODE:
            found[name] = one._replace(mode=_mode(said_by(entry)))
    return found


def _there(registry: Registry) -> dict[str, Collection]:
    """The collections that a host has, by their names without case; one without a rule decides nothing."""
    found = {}
    for name in registry.names(APPLOCKER):
        key = f"{APPLOCKER}\\{name}"
        mode = registry.values(key).get(MODE)
        texts = {_id(id_): registry.values(f"{key}\\{id_}").get(TEXT) for id_ in registry.names(key)}
        rules = {id_: _decisive(str(text.data)) for id_, text in texts.items() if text is not None}
        if rules:
            found[name.casefold()] = Collection(_mode(mode.data) if mode else None, rules)
    return found


def _mode(said: object) -> int:
    return said if isinstance(said, int) else -1


def _id(name: str) -> str:
    return name.strip("{}").casefold()


def _decisive(text: str) -> frozenset[tuple[str, str]]:
    """What decides in a rule: its attributes, whatever their order, since Windows writes a rule anew."""
    return frozenset(pair for pair in _ATTRIBUTE.findall(text) if pair[0] not in _FREE)


def _service(answer: Answer) -> tuple[list[Finding], list[str]]:
    """What is wrong with the service that applies the rules, and what is not known of it."""
    start = answer.registry.values(APPLIER_KEY).get(START)
    wrong = []
    if start is not None and start.data != AUTOMATIC:
        wrong.append("it does not start with Windows")
    if answer.applier is False:
        wrong.append("it does not run, so no rule is in effect")
    unknown = [NO_SERVICE] * (start is None) + [NOT_KNOWN] * (answer.applier is None)
    return [Finding("service", APPLIER, MANAGER, path=APPLIER_KEY, detail=said) for said in wrong], unknown
