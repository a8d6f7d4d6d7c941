"""Stored state of Proscribe's Group Policy objects on a domain controller.

It has their names, and hashes of permissions. The names allow the removal of an object that the plan no longer has. The
hashes spare a slow check of permissions that were right before.
"""

from __future__ import annotations

import json
from typing import Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError

STATE_FOLDER = STATE_DIRECTORY + "/group_policy"
STATE_PATH = STATE_FOLDER + "/state.json"
ASIDE_FOLDER = STATE_FOLDER + "/aside"  # files that others put into Proscribe's objects, and that Proscribe moved here
MAX_STATE_BYTES = 1 << 20


class GroupPolicyState(NamedTuple):
    """Names of Proscribe's Group Policy objects by id, and hashes of permissions that were right.

    The hashes are results of permissions.compute_permissions_hash.
    """

    names: Mapping[str, str]
    right: Sequence[str]  # the hashes


def read_state(host: Host) -> GroupPolicyState:
    """Return the state; an empty state if the file is missing or invalid.

    An empty state loses no object: the marks in the directory also have the names of the objects.
    """
    try:
        document = json.loads(host.read_file(STATE_PATH, MAX_STATE_BYTES) or b"{}")
        names = {guid: name for guid, name in document["names"].items() if isinstance(name, str)}
        return GroupPolicyState(
            names, [fingerprint for fingerprint in document["right"] if isinstance(fingerprint, str)]
        )
    except (ControlError, ObservationError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return GroupPolicyState({}, ())


def write_state(host: Host, state: GroupPolicyState) -> None:
    """Save the state, or delete the file if there are no objects. Raises ControlError."""
    if state.names:
        host.write_file(STATE_PATH, json.dumps(state._asdict(), sort_keys=True) + "\n", 0o600)
    else:
        host.delete_file(STATE_PATH)
