"""First check of a policy file: it has Proscribe's exact content, and no other file is beside it.

Most files pass. Files that differ need the modules that know the whole policy language. Only a host with such a file
loads them.
"""

from __future__ import annotations

from ...system import ControlError, Host, ObservationError
from . import firefox_preferences
from .browser_settings import REMOTE_DEBUGGING
from .desired_policies import FAMILY_MODULES, DesiredPolicies
from .policy_observation import PolicyObservation, check_policy_path, make_lost_observation
from .policy_places import PolicyPlace


def check_place(host: Host, place: PolicyPlace, desired: DesiredPolicies) -> PolicyObservation:
    """Return the observation of a place's policy file and of the preferences file beside it.

    Raises ControlError for a plan that no browser could follow.
    """
    observed = _check_policy(host, place, desired)
    content = firefox_preferences.render_preferences(REMOTE_DEBUGGING in desired.closed_settings)
    try:
        preference_faults = firefox_preferences.check_preferences(host, place, content)
    except ObservationError as unseen_error:
        # No file should be there, or the observation says already that it is incomplete.
        if content is None or observed.unseen_reason:
            return observed
        if observed.is_complete:
            return observed._replace(unseen_reason=str(unseen_error))
        return observed._replace(unclear_reason=observed.unclear_reason or str(unseen_error))
    except ControlError as error:
        preference_faults = firefox_preferences.PreferenceFaults(
            other_faults=[str(error)] if content is not None else []
        )
    return firefox_preferences.add_faults(observed, preference_faults)


def _check_policy(host: Host, place: PolicyPlace, desired: DesiredPolicies) -> PolicyObservation:
    """Return the observation of the policy file of a place, without the preferences file."""
    is_chromium = place.family == "chromium"
    content = desired.render_file(place)
    try:
        if (_is_exact_folder if is_chromium else _is_exact_file)(host, place, content):
            return PolicyObservation(is_complete=True)
    except ObservationError as unseen_error:
        return PolicyObservation(unseen_reason=str(unseen_error))
    except ControlError as error:  # the file cannot be read safely, so no policy counts as in effect
        rules = desired.choose_rules(place)
        extensions = rules.chrome_extensions if is_chromium else rules.firefox_extensions
        lost_policies = FAMILY_MODULES[place.family].list_closing_policies(rules, place)
        return make_lost_observation(error, lost_policies, extensions)
    if is_chromium:
        from .chromium_folder import ChromiumPolicyFolder

        return ChromiumPolicyFolder(host, place, desired.choose_rules(place)).make_observation()
    from .firefox_file import FirefoxPolicyFile

    return FirefoxPolicyFile(host, place, desired.choose_rules(place)).make_observation()


def _is_exact_folder(host: Host, place: PolicyPlace, content: bytes | None) -> bool:
    """Return whether a folder has Proscribe's desired file only, without faults of rights on the path.

    `content` is the content of that file; None if the folder should be empty.
    """
    directory, _, own_name = place.path.rpartition("/")
    if host.list_directory(directory) != ([] if content is None else [own_name]) or any(
        check_policy_path(host, place.path)[:2]
    ):
        return False
    return content is None or host.read_file(place.path) == content


def _is_exact_file(host: Host, place: PolicyPlace, content: bytes | None) -> bool:
    """Return whether the policy file has the desired content, without faults of rights on the path.

    `content` is None if there should be no file. A file of Firefox's own installation must not exist, because it would
    have to be merged.
    """
    if host.read_file(place.path) != content or any(host.find_entry(path) is not None for path in place.fallbacks):
        return False
    return not any(check_policy_path(host, place.path)[:2])
