"""Check of AppLocker on a Windows host: its rules, their mode, and the service that applies the rules.

A rule collection is a registry key, and each rule is a key below it. The collection's value EnforcementMode is 0 if
Windows only logs, and 1 if Windows denies programs. If the value is missing, Windows denies
(learn.microsoft.com/windows/security, "Understand AppLocker enforcement settings"). No rule is in effect while the
service Application Identity does not run. If the plan does not require denial, deviations are only reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...host.controls.group_policy import applocker_rules
from ...host.controls.group_policy.registry_pol import RegistryEntry, decode_entry
from ...host.system.types import escape_text
from ...model.finding import NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict, judge_rule
from ...model.types.plan import PlanSection
from .answer_reader import WindowsAnswer
from .command_line import APPLIER_KEY, APPLIER_SERVICE, APPLOCKER_HOST_KEY
from .registry import WindowsRegistry
from .store_packages import WINDOWS_MANAGER

APPLOCKER_RULE = "apps/applocker"
MODE_VALUE, TEXT_VALUE, START_VALUE = "enforcementmode", "value", "start"
LOGGING_MODE, DENYING_MODE, AUTOMATIC_START = 0, 1, 2
MODE_DESCRIPTIONS = {LOGGING_MODE: "it only logs (AuditOnly)", DENYING_MODE: "it denies (Enabled)"}
NOT_CONFIGURED_DETAIL = "it denies (not configured)"
NOT_DOCUMENTED_DETAIL = "its mode is none that is documented"
NO_RULE_DETAIL = "no rule has arrived"
UNREAD_RULES_REASON = f"{APPLOCKER_HOST_KEY} cannot be read there"
UNREAD_SERVICE_REASON = f"{APPLIER_KEY} cannot be read there"
INVALID_POLICY_REASON = "the plan has a text that no rule of AppLocker takes"
UNKNOWN_SERVICE_REASON = f"whether {APPLIER_SERVICE} runs is not known"
REPORT_ONLY_REASON = "report only: the plan does not ask AppLocker to deny"
MAX_NAME_LENGTH = 40  # most characters of a collection's name in a finding
_ATTRIBUTE_PATTERN = re.compile(r'(\w{1,40})="([^"]*)"')
# attributes of a rule that do not change its effect, so they are not compared
_FREE_ATTRIBUTES = ("Name", "Description")


class RuleCollection(NamedTuple):
    """A collection of AppLocker rules: its mode, and its rules.

    Key: rule id. Value: attributes that decide the effect.
    """

    mode: int | None  # value of EnforcementMode; None if it is missing, -1 if it is no number
    rules: dict[str, frozenset[tuple[str, str]]]

    @property
    def is_denying(self) -> bool:
        return self.mode in (DENYING_MODE, None)


def observe_applocker(section: PlanSection, answer: WindowsAnswer) -> list[RuleVerdict]:
    """Return the verdict on AppLocker for a host; [] if the plan requires no rules and the host has none.

    The plan's rules are those of `export applocker`, and of a domain's Group Policy object.
    """
    try:
        entries = applocker_rules.list_registry_entries(section)
    except ValueError as error:
        return [RuleVerdict(APPLOCKER_RULE, UNKNOWN, reason=f"{INVALID_POLICY_REASON}: {error}")]
    return compare_applocker(applocker_rules.get_applocker_mode(section), entries, section["mode"], answer)


def compare_applocker(
    desired_mode: str, entries: Sequence[RegistryEntry], control_mode: str, answer: WindowsAnswer
) -> list[RuleVerdict]:
    """Compare a host's AppLocker rules with the registry values of a policy, and return the verdict.

    `desired_mode` is the mode of AppLocker in the plan. `entries` are the registry values of the plan's rules.
    `control_mode` is the mode of the control `apps`. Returns [] if neither the policy nor the host has rules.
    """
    desired_collections, host_collections = (
        _collect_desired_collections(entries),
        _collect_host_collections(answer.registry),
    )
    is_readable = answer.registry.is_complete(APPLOCKER_HOST_KEY)
    if is_readable and not desired_collections and not host_collections:
        return []
    deviations, other_findings = (
        _compare_collections(desired_collections, host_collections) if is_readable else ([], [])
    )
    service_findings, unknown_reasons = (
        _observe_service(answer) if desired_collections or host_collections else ([], [])
    )
    unseen_reason = "; ".join([*([] if is_readable else [UNREAD_RULES_REASON]), *unknown_reasons])
    # Only a plan that requires AppLocker to deny makes the host noncompliant. Otherwise deviations are only reported.
    if desired_mode == applocker_rules.ENFORCE_MODE and desired_collections:
        return [judge_rule(APPLOCKER_RULE, {"mode": control_mode}, [*deviations, *service_findings], unseen_reason)]
    reason = "; ".join(filter(None, (REPORT_ONLY_REASON, unseen_reason)))
    return [
        RuleVerdict(
            APPLOCKER_RULE,
            NOT_APPLICABLE,
            (*deviations, *other_findings, *(service_findings if host_collections else ())),
            reason=reason,
        )
    ]


def _compare_collections(
    desired_collections: Mapping[str, RuleCollection], host_collections: Mapping[str, RuleCollection]
) -> tuple[list[Finding], list[Finding]]:
    """Return findings for the rule collections that deviate from the plan, and findings for all other collections.

    The other collections are as desired, or are not in the plan. The keys of `host_collections` are in lower case.
    """
    deviations: list[Finding] = []
    other_findings: list[Finding] = []
    for name, desired_collection in desired_collections.items():
        host_collection = host_collections.get(name.casefold())
        if host_collection is None:
            deviations.append(_make_rules_finding(name, NO_RULE_DETAIL))
            continue
        missing_count = len(desired_collection.rules.keys() - host_collection.rules.keys())
        changed_count = sum(
            host_collection.rules.get(rule_id, attributes) != attributes
            for rule_id, attributes in desired_collection.rules.items()
        )
        # Each text is in the list only if its count is not 0.
        differences = [f"{missing_count:,} of the plan's {len(desired_collection.rules):,} are not there"] * (
            missing_count > 0
        )
        differences += [f"{changed_count:,} of the plan's say something else"] * (changed_count > 0)
        is_as_desired = not differences and host_collection.is_denying == desired_collection.is_denying
        (other_findings if is_as_desired else deviations).append(
            _make_rules_finding(name, _describe_collection(host_collection), *differences)
        )
    names = {name.casefold() for name in desired_collections}
    other_findings += [
        _make_rules_finding(name, _describe_collection(host_collection))
        for name, host_collection in host_collections.items()
        if name not in names
    ]
    return deviations, other_findings


def _describe_collection(collection: RuleCollection) -> str:
    """Return a phrase with the mode of a rule collection and the number of its rules."""
    mode_description = (
        NOT_CONFIGURED_DETAIL
        if collection.mode is None
        else MODE_DESCRIPTIONS.get(collection.mode, NOT_DOCUMENTED_DETAIL)
    )
    return f"{mode_description}, {len(collection.rules):,} rule{'s' * (len(collection.rules) != 1)}"


def _make_rules_finding(collection: str, *details: str) -> Finding:
    """Return a finding about a rule collection; `details` are its properties and defects, as texts."""
    collection_name = escape_text(collection[:MAX_NAME_LENGTH])
    return Finding(
        "rules",
        f"AppLocker {collection_name}",
        WINDOWS_MANAGER,
        path=f"{APPLOCKER_HOST_KEY}\\{collection_name}",
        detail="; ".join(details),
    )


def _collect_desired_collections(entries: Iterable[RegistryEntry]) -> dict[str, RuleCollection]:
    """Return the rule collections in the plan's registry values, by name."""
    collections: dict[str, RuleCollection] = {}
    for entry in entries:
        name, _, rule_id = entry.key[len(applocker_rules.APPLOCKER_KEY) + 1 :].partition("\\")
        collection = collections.setdefault(name, RuleCollection(None, {}))
        if rule_id:
            collection.rules[_normalise_rule_id(rule_id)] = _extract_decisive_attributes(str(decode_entry(entry)))
        elif entry.value_name.casefold() == MODE_VALUE:
            collections[name] = collection._replace(mode=_parse_mode(decode_entry(entry)))
    return collections


def _collect_host_collections(registry: WindowsRegistry) -> dict[str, RuleCollection]:
    """Return the rule collections of a host, by name in lower case.

    Collections without rules are left out, because they have no effect.
    """
    collections = {}
    for name in registry.list_key_names(APPLOCKER_HOST_KEY):
        key = f"{APPLOCKER_HOST_KEY}\\{name}"
        mode = registry.read_values(key).get(MODE_VALUE)
        texts = {
            _normalise_rule_id(rule_id): registry.read_values(f"{key}\\{rule_id}").get(TEXT_VALUE)
            for rule_id in registry.list_key_names(key)
        }
        rules = {
            rule_id: _extract_decisive_attributes(str(text.data)) for rule_id, text in texts.items() if text is not None
        }
        if rules:
            collections[name.casefold()] = RuleCollection(_parse_mode(mode.data) if mode else None, rules)
    return collections


def _parse_mode(mode_data: object) -> int:
    """Return the number of a collection's mode; -1 if the registry's value is no number."""
    return mode_data if isinstance(mode_data, int) else -1


def _normalise_rule_id(name: str) -> str:
    """Return the id of a rule for comparison: in lower case and without braces."""
    return name.strip("{}").casefold()


def _extract_decisive_attributes(text: str) -> frozenset[tuple[str, str]]:
    """Return the attributes, as (name, value), that decide the effect of a rule.

    `text` is the XML of the rule. The attributes have no order, because Windows rewrites this text.
    """
    return frozenset(pair for pair in _ATTRIBUTE_PATTERN.findall(text) if pair[0] not in _FREE_ATTRIBUTES)


def _observe_service(answer: WindowsAnswer) -> tuple[list[Finding], list[str]]:
    """Return findings about the service that applies AppLocker's rules, and reasons why its state is unknown."""
    # how the service starts: AUTOMATIC_START if it starts with Windows; None if the value cannot be read
    start_value = answer.registry.read_values(APPLIER_KEY).get(START_VALUE)
    defects = []
    if start_value is not None and start_value.data != AUTOMATIC_START:
        defects.append("it does not start with Windows")
    if answer.is_applier_running is False:
        defects.append("it does not run, so no rule is in effect")
    unknown_reasons = [UNREAD_SERVICE_REASON] * (start_value is None) + [UNKNOWN_SERVICE_REASON] * (
        answer.is_applier_running is None
    )
    return [
        Finding("service", APPLIER_SERVICE, WINDOWS_MANAGER, path=APPLIER_KEY, detail=defect) for defect in defects
    ], unknown_reasons
