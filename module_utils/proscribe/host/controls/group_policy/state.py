"""State of Proscribe's objects on a domain controller: their names, and right permissions of their files.

The names allow the removal of an object that the plan has dropped.
"""

from __future__ import annotations

import json
from typing import Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError

STATE_FOLDER = STATE_DIRECTORY + "/group_policy"
STATE_PATH = STATE_FOLDER + "/state.json"
ASIDE_FOLDER = STATE_FOLDER + "/aside"  # foreign files from Proscribe's objects
MAX_STATE_BYTES = 1 << 20


class GroupPolicyState(NamedTuple):
    """Names of objects by id, and each `permissions.compute_permissions_hash` that was right."""

    names: Mapping[str, str]
    right: Sequence[str]


def read_state(host: Host) -> GroupPolicyState:
    """Return the state; an empty state if none can be read. The marks in the directory have the names too."""
    try:
        document = json.loads(host.read_file(STATE_PATH, MAX_STATE_BYTES) or b"{}")
        names = {guid: name for guid, name in document["names"].items() if isinstance(name, str)}
        return GroupPolicyState(
            names, [fingerprint for fingerprint in document["right"] if isinstance(fingerprint, str)]
        )
    except (ControlError, ObservationError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return GroupPolicyState({}, ())


def write_state(host: Host, state: GroupPolicyState) -> None:
    """Save the state, or delete an empty state. Raises ControlError."""
    if state.names:
        host.write_file(STATE_PATH, json.dumps(state._asdict(), sort_keys=True) + "\n", 0o600)
    else:
        host.delete_file(STATE_PATH)
