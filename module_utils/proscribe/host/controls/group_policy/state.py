"""What a domain controller remembers of our objects: their names, so that one that the plan has no longer is removed,
and what their files' permissions were when they were last found right.
"""

from __future__ import annotations

import json
from typing import Mapping, Sequence

from ....base.tuples import NamedTuple
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError

STATE_FOLDER = STATE_DIRECTORY + "/group_policy"
STATE_PATH = STATE_FOLDER + "/state.json"
ASIDE_FOLDER = STATE_FOLDER + "/aside"  # what others had put into our objects
MAX_STATE_BYTES = 1 << 20


class GroupPolicyState(NamedTuple):
    """`names` are by the ids of objects; `right` has each `permissions.compute_permissions_hash` that was found right."""

    names: Mapping[str, str]
    right: Sequence[str]


def read_state(host: Host) -> GroupPolicyState:
    """The state; an empty one where there is none that can be read: the marks in the directory have the names, too."""
    try:
        document = json.loads(host.read_file(STATE_PATH, MAX_STATE_BYTES) or b"{}")
        names = {guid: name for guid, name in document["names"].items() if isinstance(name, str)}
        return GroupPolicyState(
            names, [fingerprint for fingerprint in document["right"] if isinstance(fingerprint, str)]
        )
    except (ControlError, ObservationError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return GroupPolicyState({}, ())


def write_state(host: Host, state: GroupPolicyState) -> None:
    """Note the state, or delete it where it has nothing. Raises ControlError."""
    if state.names:
        host.write_file(STATE_PATH, json.dumps(state._asdict(), sort_keys=True) + "\n", 0o600)
    else:
        host.delete_file(STATE_PATH)
