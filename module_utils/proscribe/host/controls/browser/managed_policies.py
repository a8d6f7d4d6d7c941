"""Policies of a browser from a single table: the registry of Windows, or the managed preferences of macOS.

The code that judges policy files on hosts judges the table, too. So the table is converted to files in memory. One file
has the values that equal the plan's. Another file, which comes first, has all other values. For Firefox there is always
a single file.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

from ....model.finding import (
    NOT_APPLICABLE,
    UNKNOWN,
    Finding,
    RuleVerdict,
    judge_rule,
    limit_to_observable,
    make_unobservable_verdict,
)
from ...system import WRITTEN_BY
from ..policy_values import find_missing_entries, is_same_json
from . import (
    ObservedPlace,
    chromium,
    exact_match,
    explain_unclear_policies,
    firefox,
    judge_policies,
    list_policy_faults,
)
from .chromium import MERGE_LISTS
from .desired_policies import DesiredPolicies
from .policy_observation import FILE_MODE, POLICY_MARK, PolicyObservation
from .policy_places import PolicyPlace

if TYPE_CHECKING:
    from ....model.types.plan import Plan
    from ..policy_values import Policies

# In Chromium the last file by name counts. These names sort so that the file with the plan's values comes last.
DIRECTORY, OWN_FILE, OTHER_FILE = "/managed", "the policy", "another policy"
NO_POLICY = "no policy is set"
NO_KNOWN_BROWSER = "no browser of which policies are known is installed"
UNKNOWN_BROWSER_DETAIL = "a browser of which no policies are known"
RUNNING_UNOBSERVED = "whether browsers that run go by these policies is not observed on {}"
NO_PACKAGED_BROWSERS = "{} has no flatpaks and no snaps"
# Messages of the code for files that make no sense for a table. They are reworded or dropped.
_NO_FILE_FAULT, _FORMAT_FAULT = "no policy file", "written in another format"


def judge_managed_policies(
    plan: Plan,
    desired: DesiredPolicies,
    observed_places: Sequence[ObservedPlace],
    unknown_browsers: Iterable[str],
    unseen_reason: str,
    platform: str,
    unobservable_reason: str = "",
) -> list[RuleVerdict]:
    """Return the verdicts on every service of the plan, every bypass that the plan closes, and the policies themselves.

    `observed_places` are those of the installed browsers. `unknown_browsers` are names of browsers whose policies
    Proscribe does not know. `unseen_reason` is the reason why there may be further browsers; "" if there are none.
    `platform` is a name for messages. `unobservable_reason` names a browser of the platform that nobody can observe.
    """
    section = plan["controls"]["browser"]
    verdicts = judge_policies(
        section, desired, observed_places, installed=[observed.place for observed in observed_places]
    )
    # no installed browser can block sites, so all verdicts on sites and bypasses have the same reason
    if not any(observed_place.place.has_sites for observed_place in observed_places):
        verdicts = [_judge_without_browser(verdict.rule, unseen_reason, unobservable_reason) for verdict in verdicts]
    if not desired:
        return [*verdicts, RuleVerdict("browser/policy-file", NOT_APPLICABLE, reason="no policy to set")]
    unknown_findings = [Finding("browser", name, detail=UNKNOWN_BROWSER_DETAIL) for name in unknown_browsers]
    missed_reason = "; ".join(filter(None, (explain_unclear_policies(observed_places), unseen_reason)))
    policies_verdict = limit_to_observable(
        judge_rule(
            "browser/policy-file",
            {"mode": section["mode"]},
            [*list_policy_faults(observed_places), *unknown_findings],
            missed_reason,
        ),
        unobservable_reason,
    )
    if not (observed_places or unknown_findings or missed_reason or unobservable_reason):
        policies_verdict = RuleVerdict("browser/policy-file", NOT_APPLICABLE, reason=NO_KNOWN_BROWSER)
    running_verdict = RuleVerdict("browser/running", NOT_APPLICABLE, reason=NO_KNOWN_BROWSER)
    if observed_places:
        running_verdict = make_unobservable_verdict("browser/running", RUNNING_UNOBSERVED.format(platform))
    packaged_verdict = RuleVerdict("browser/packaged", NOT_APPLICABLE, reason=NO_PACKAGED_BROWSERS.format(platform))
    return [*verdicts, running_verdict, packaged_verdict, policies_verdict]


def _judge_without_browser(rule: str, unseen_reason: str, unobservable_reason: str) -> RuleVerdict:
    """Return the verdict on a rule about sites, on a host without an installed browser that can block sites."""
    if unseen_reason:
        return RuleVerdict(rule, UNKNOWN, reason=unseen_reason)
    if unobservable_reason:
        return make_unobservable_verdict(rule, unobservable_reason)
    return RuleVerdict(rule, NOT_APPLICABLE, reason=NO_KNOWN_BROWSER)


class _MemoryFiles:
    """Substitute for a Host that has only the given files (content by name), all in DIRECTORY."""

    root = "/"

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = {f"{DIRECTORY}/{name}": content for name, content in contents.items()}

    def list_directory(self, path: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self._contents] if path == DIRECTORY else []

    def read_file(self, path: str) -> bytes | None:
        return self._contents.get(path)

    def read_acl(self, path: str) -> bytes:
        return b""

    def describe_write_access(self, path: str, status: os.stat_result) -> str:
        return ""

    def find_entry(self, path: str) -> os.stat_result | None:
        if path not in self._contents:
            return None
        owner = os.stat(self.root).st_uid
        # type and mode, links, owner and size are as desired; the other fields do not matter
        return os.stat_result((stat.S_IFREG | FILE_MODE, 0, 0, 1, owner, 0, len(self._contents[path]), 0, 0, 0))


def check_managed_policies(
    desired: DesiredPolicies, place: PolicyPlace, due_policies: Policies, current_policies: Policies | None
) -> PolicyObservation:
    """Return the observation of a browser's policies that come from a table.

    `due_policies` are the plan's policies for this platform. `current_policies` are the present policies, with their
    JSON types; None if the browser has no table of policies. Raises ControlError for a plan that no browser could
    follow.
    """
    place = place._replace(path=f"{DIRECTORY}/{OWN_FILE}", fallbacks=())
    own_content = desired.render_file(place)
    contents: dict[str, bytes] = {}
    if place.family == "chromium":
        own_policies, other_policies = _split_policies(due_policies, current_policies or {})
        # The table equals the plan, so the file in memory gets exactly the content that passes the check.
        if own_content is not None and not other_policies and is_same_json(own_policies, due_policies):
            contents[OWN_FILE] = own_content
        elif current_policies is not None:
            # In a single table, lists are joined whether or not a policy merges them. So the plan's policy for the
            # merge is added.
            merge_policy = {MERGE_LISTS: due_policies[MERGE_LISTS]} if MERGE_LISTS in due_policies else {}
            contents[OWN_FILE] = chromium.render_policies({POLICY_MARK: WRITTEN_BY, **own_policies, **merge_policy})
            contents.update({OTHER_FILE: chromium.render_policies(other_policies)} if other_policies else {})
    elif own_content is not None and current_policies is not None and is_same_json(current_policies, due_policies):
        contents[OWN_FILE] = own_content
    elif current_policies is not None:
        mark_entry = {POLICY_MARK: WRITTEN_BY} if any(name in current_policies for name in due_policies) else {}
        contents[OWN_FILE] = firefox.render_policies({**mark_entry, "policies": dict(current_policies)})
    observation = exact_match.check_place(_MemoryFiles(contents), place, desired)  # type: ignore[arg-type]
    return _translate_faults(observation)


def _split_policies(due_policies: Policies, current_policies: Policies) -> tuple[dict[str, object], dict[str, object]]:
    """Return the current policies that equal the plan's, and all other current policies.

    The entries of a list are split between the two.
    """
    own_policies: dict[str, object] = {}
    other_policies: dict[str, object] = {}
    for name, policy_value in current_policies.items():
        desired = due_policies.get(name)
        if isinstance(desired, list) and isinstance(policy_value, list):
            remaining_entries = find_missing_entries(policy_value, desired)
            # the desired entries that the current list has
            own_policies[name] = find_missing_entries(desired, find_missing_entries(desired, policy_value))
            other_policies.update({name: remaining_entries} if remaining_entries else {})
        elif name in due_policies and is_same_json(desired, policy_value):
            own_policies[name] = policy_value
        else:
            other_policies[name] = policy_value
    return own_policies, other_policies


def _translate_faults(observation: PolicyObservation) -> PolicyObservation:
    """Return the observation with its messages about files reworded or dropped, because a table has no files."""

    def translate_fault(text: str) -> str:
        return NO_POLICY if text == _NO_FILE_FAULT else text

    return observation._replace(
        general_reason=translate_fault(observation.general_reason),
        faults=[translate_fault(fault) for fault in observation.faults if fault != _FORMAT_FAULT],
        settings={name: translate_fault(text) for name, text in observation.settings.items()},
    )


def convert_to_due_types(due_value: object, current_value: object) -> object:
    """Convert 0 and 1 in a current value to booleans where the plan's value (`due_value`) has booleans.

    Some platforms store booleans as numbers, which would otherwise differ from the plan's values.
    """
    if isinstance(due_value, bool) and current_value in (0, 1) and not isinstance(current_value, str):
        return bool(current_value)
    if isinstance(due_value, Mapping) and isinstance(current_value, Mapping):
        return {
            name: convert_to_due_types(due_value.get(name), entry_value) for name, entry_value in current_value.items()
        }
    return current_value
