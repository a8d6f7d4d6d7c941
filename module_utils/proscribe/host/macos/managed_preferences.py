"""Rules of `browser` on a Mac: the managed preferences of the installed browsers, as an MDM has set them.

macOS writes these preferences for all users and for each user, in files that root alone can write. The file of a user
has priority. Chromium and browsers derived from it read the preferences as they are. Firefox reads them only if they
enable policies. For Firefox, a name joined by two underscores stands for nested tables.
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
MAX_JOINED_NAMES = 8  # limit for the splits of one key into nested names
# Browsers whose bundle identifier differs from the name of their preferences.
BUNDLE_BY_BROWSER = {"microsoft_edge": "com.microsoft.edgemac"}
SAFARI_UNOBSERVED = "what Safari opens is not observed"


def judge_browsers(host: Host, plan: Plan, application_scan: ApplicationScan) -> tuple[list[RuleVerdict], list[str]]:
    """Return the verdicts of `browser`, and the ids of the installed browsers.

    The verdicts are those of managed_policies.judge_managed_policies. Raises ControlError for a plan that no browser
    could follow.
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
    unseen_reason = "; ".join(dict.fromkeys(application_scan.unseen_reasons))
    return judged(plan, desired, observed_places, (), unseen_reason, "macOS", SAFARI_UNOBSERVED), sorted(
        program.id for program in programs
    )


def _make_place(program: PolicyProgram) -> PolicyPlace:
    """Return the browser's place for policies, with the path of its managed preferences for all users."""
    return program.policy_place._replace(path=_make_preferences_path(program))


def _make_preferences_path(program: PolicyProgram, user: str = "") -> str:
    """Return the path of a browser's managed preferences: of one user, or of all users (`user` is "")."""
    return "/".join(filter(None, (PREFERENCES_DIRECTORY, user, f"{program.domain}.plist")))


def _observe_preferences(
    host: Host, program: PolicyProgram, desired: DesiredPolicies, due_policies: Policies
) -> PolicyObservation:
    """Return the observation of the first user whose managed preferences lack desired policies.

    A user with a file of preferences is checked with that file over the file for all users. If no user has a file, the
    file for all users is checked. If all are complete, the first observation is returned. `due_policies` are the
    policies that the browser should have.
    """
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
    """Read a file of preferences; None if it is missing.

    Raises ControlError if accounts other than root can change it.
    """
    preferences = read_property_list(host, path)
    status = host.find_entry(path)
    if status is not None and (write_access := explain_foreign_access(host, path, status)):
        raise ControlError(f"{path} {write_access}")
    return preferences


def _convert_to_policies(program: PolicyProgram, preferences: Policies | None) -> Policies | None:
    """Return the policies that a browser reads from its managed preferences.

    Returns None if there are no preferences, or if those of Firefox do not enable policies.
    """
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
    """Set a value in nested tables, along `names`.

    Missing tables are created. Nothing is set if a name on the path already has a value that is no table.
    """
    *parent_names, last = names
    for name in parent_names:
        inner_table = table.setdefault(name, {})
        if not isinstance(inner_table, dict):
            return
        table = inner_table
    table[last] = policy_value
