"""Rules of `browser` on a Mac: the managed preferences of the installed browsers, as an MDM has set them.

macOS writes these preferences for all users and for each user, in files that root alone can write. The file of a user
has priority. Chromium and its relatives read the preferences as they are. Firefox reads them only if they enable
policies. Firefox also reads tables from names that are joined with two underscores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ...model.finding import RuleVerdict
from ..controls.browser import ObservedPlace
from ..controls.browser.desired_policies import DesiredPolicies
from ..controls.browser.managed_policies import check_managed_policies
from ..controls.browser.managed_policies import judge_managed_policies as judged
from ..controls.browser.policy_observation import PolicyObservation, explain_foreign_access
from ..controls.browser.policy_places import PolicyPlace
from ..controls.group_policy.policies import CHROMIUM_FAMILY, POLICY_PROGRAMS, PolicyProgram, collect_program_policies
from ..system import ControlError, Host, ObservationError
from .applications import ApplicationScan
from .property_list import read_property_list

if TYPE_CHECKING:
    from ...model.types.plan import Plan
    from ..controls.policy_values import Policies

PREFERENCES_DIRECTORY = "/Library/Managed Preferences"
ENABLED_KEY = "EnterprisePoliciesEnabled"  # Firefox's switch for policies
NAME_SEPARATOR = "__"
MAX_JOINED_NAMES = 8  # names joined in a single key
# Browsers whose bundle identifier differs from the name of their preferences.
BUNDLE_BY_BROWSER = {"microsoft_edge": "com.microsoft.edgemac"}
SAFARI_UNOBSERVED = "what Safari opens is not observed"


def judge_browsers(host: Host, plan: Plan, application_scan: ApplicationScan) -> tuple[list[RuleVerdict], list[str]]:
    """Return the verdicts of `browser` (managed.judge_managed_policies), and the ids of the installed browsers.

    Raises ControlError for a plan that no browser could follow.
    """
    desired = DesiredPolicies(plan)
    policies_by_program = collect_program_policies(plan)
    bundle_ids = {program.bundle_id.casefold() for program in application_scan.applications}
    programs = [
        program
        for program in POLICY_PROGRAMS
        if BUNDLE_BY_BROWSER.get(program.id, program.domain).casefold() in bundle_ids
    ]
    observed_places = [
        ObservedPlace(
            _make_place(program), _observe_preferences(host, program, desired, policies_by_program.get(program, {}))
        )
        for program in programs
    ]
    unseen_reason = "; ".join(dict.fromkeys([*application_scan.unseen_reasons, SAFARI_UNOBSERVED]))
    return judged(plan, desired, observed_places, (), unseen_reason, "macOS"), sorted(
        program.id for program in programs
    )


def _make_place(program: PolicyProgram) -> PolicyPlace:
    return program.policy_place._replace(path=_make_preferences_path(program))


def _make_preferences_path(program: PolicyProgram, user: str = "") -> str:
    return "/".join(filter(None, (PREFERENCES_DIRECTORY, user, f"{program.domain}.plist")))


def _observe_preferences(
    host: Host, program: PolicyProgram, desired: DesiredPolicies, due_policies: Policies
) -> PolicyObservation:
    """Return the worst of the states in effect: for all users, and for each user with own preferences."""
    try:
        common_policies = _read_preferences(host, _make_preferences_path(program))
        users = [
            name
            for name in host.list_directory(PREFERENCES_DIRECTORY)
            if host.find_entry(_make_preferences_path(program, name)) is not None
        ]
        user_policies = [_read_preferences(host, _make_preferences_path(program, name)) for name in users]
    except (ObservationError, ControlError) as error:
        return PolicyObservation(unseen_reason=str(error))
    tables: list[Policies | None] = [{**(common_policies or {}), **(observed or {})} for observed in user_policies]
    observations = [
        check_managed_policies(desired, program.policy_place, due_policies, _convert_to_policies(program, table))
        for table in tables or [common_policies]
    ]
    return next((observed for observed in observations if not observed.is_complete), observations[0])


def _read_preferences(host: Host, path: str) -> Policies | None:
    preferences = read_property_list(host, path)
    status = host.find_entry(path)
    if status is not None and (write_access := explain_foreign_access(host, path, status)):
        raise ControlError(f"{path} {write_access}")
    return preferences


def _convert_to_policies(program: PolicyProgram, preferences: Policies | None) -> Policies | None:
    """Return the policies that a program takes from a table of preferences; None for none."""
    if preferences is None or program.family == CHROMIUM_FAMILY:
        return preferences
    if preferences.get(ENABLED_KEY) not in (True, 1):
        return None
    policies: dict[str, object] = {}
    for name in sorted(preferences):
        if name != ENABLED_KEY:
            _set_nested(policies, name.split(NAME_SEPARATOR, MAX_JOINED_NAMES), preferences[name])
    return policies


def _set_nested(table: dict[str, object], names: Sequence[str], policy_value: object) -> None:
    """Set a value in nested tables."""
    *parent_names, last = names
    for name in parent_names:
        inner_table = table.setdefault(name, {})
        if not isinstance(inner_table, dict):
            return
        table = inner_table
    table[last] = policy_value
