"""File of Firefox's default preferences (proscribe.js), for preferences that no policy can lock.

Firefox reads every *.js file of this directory beside its policies. A preference that is locked there stays locked for
users, profiles and browsers that users unpack at home (tried: ESR 153). The preference `remote.policy.disabled`
prevents the start of Marionette and the Remote Agent, as the policy DisableDeveloperTools does. Unlike that policy, the
preference does not affect the developer tools.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Sequence

from ....base.named_tuple import NamedTuple
from ...system import SIGNATURE, WRITTEN_BY, ControlError, Host, ObservationError
from .browser_settings import REMOTE_DEBUGGING, format_rule_name
from .policy_observation import PolicyObservation, check_policy_path
from .policy_places import PolicyPlace
from .site_rules import BrowserRules

if TYPE_CHECKING:
    from ..base import Changes

POLICIES_SUFFIX = "/policies/policies.json"
PREFERENCES_SUFFIX, OWN_FILE = "/defaults/pref", "proscribe.js"
NO_REMOTE_CONTROL_PREFERENCE = "remote.policy.disabled"
MAX_FILE_BYTES = 1024 * 1024


def find_preferences_path(place: PolicyPlace) -> str:
    """Return the path of Proscribe's preferences file beside the policy file of a place; "" for a place without one."""
    if place.family != "firefox" or not place.path.endswith(POLICIES_SUFFIX):
        return ""
    return f"{place.path[: -len(POLICIES_SUFFIX)]}{PREFERENCES_SUFFIX}/{OWN_FILE}"


class PreferenceFaults(NamedTuple):
    """Faults of Proscribe's preferences file, and faults of its surroundings that Proscribe does not correct.

    Each of these other faults may make the file ineffective.
    """

    own_fault: str = ""
    other_faults: Sequence[str] = ()


def render_preferences(is_closed: bool) -> bytes | None:
    """Return the desired content of the preferences file; None if there should be no file.

    `is_closed` is True if the plan closes remote debugging.
    """
    if not is_closed:
        return None
    return f'// {WRITTEN_BY}\npref("{NO_REMOTE_CONTROL_PREFERENCE}", true, locked);\n'.encode()


def check_preferences(host: Host, place: PolicyPlace, content: bytes | None) -> PreferenceFaults:
    """Return the faults of a place's preferences file, whose desired content is `content` (None: no file).

    Raises ObservationError, and ControlError for a path behind a user's link.
    """
    path = find_preferences_path(place)
    if not path:
        return PreferenceFaults()
    current = host.read_file(path)
    if content is None:
        is_own = current is not None and SIGNATURE.encode() in current
        return PreferenceFaults(f"{path} is not in the plan any more") if is_own else PreferenceFaults()
    file_faults, directory_faults, _ = check_policy_path(host, path)
    own_fault = f"{path}: {file_faults[0]}" if file_faults else ""
    if current != content:
        own_fault = f"{path} is missing" if current is None else f"{path} is not as the plan has it"
    return PreferenceFaults(own_fault, [*directory_faults, *filter(None, [_explain_other_file(host, path)])])


def _explain_other_file(host: Host, path: str) -> str:
    """Return the fault of an organisation's file with the same preference; "" without such a file.

    Of two files with the preference, Firefox locks the value of the file that it reads first.
    """
    folder = path.rpartition("/")[0]
    for name in host.list_directory(folder):
        if name.endswith(".js") and name != OWN_FILE:
            try:
                if NO_REMOTE_CONTROL_PREFERENCE.encode() in host.read_head(f"{folder}/{name}", MAX_FILE_BYTES):
                    return f"{folder}/{name} has the preference {NO_REMOTE_CONTROL_PREFERENCE}, too: remove it there"
            except (ControlError, ObservationError):
                continue  # Firefox runs as its user, so it cannot read a file that root cannot read
    return ""


def add_faults(observed: PolicyObservation, preference_faults: PreferenceFaults) -> PolicyObservation:
    """Return the observation of a place with the faults of the preferences file added."""
    all_faults = [*filter(None, [preference_faults.own_fault]), *preference_faults.other_faults]
    if not all_faults:
        return observed
    settings = {REMOTE_DEBUGGING: all_faults[0], **observed.settings}
    return observed._replace(settings=settings, faults=list(dict.fromkeys([*observed.faults, *all_faults])))


def list_changes(host: Host, place: PolicyPlace, rules: BrowserRules) -> Changes:
    """Return the changes of a place's preferences file, a write or a deletion, and the refusals.

    Raises ObservationError and ControlError.
    """
    from ..base import ChangeRefusal, Changes, ControlAction  # imported here, because an observation does not need it

    path, content = find_preferences_path(place), render_preferences(REMOTE_DEBUGGING in dict(rules.settings))
    preference_faults = check_preferences(host, place, content)
    refusals = [
        ChangeRefusal(format_rule_name(REMOTE_DEBUGGING), path, reason) for reason in preference_faults.other_faults
    ]
    previous_text = ((host.read_file(path) if preference_faults.own_fault else None) or b"").decode("utf-8", "replace")
    if preference_faults.own_fault and content is not None:
        write_file = functools.partial(host.write_file, path, content)
        return Changes([ControlAction("write", path, write_file, previous_text, content.decode())], refusals)
    if preference_faults.own_fault:
        return Changes([ControlAction("delete", path, functools.partial(host.delete_file, path), previous_text)])
    # a kill interrupted the write of a file that should no longer exist
    if path and content is None and host.find_entry(path) is None and host.has_traces(path):
        return Changes([ControlAction("delete", path, functools.partial(host.clear_unfinished_write, path))])
    return Changes((), refusals)
