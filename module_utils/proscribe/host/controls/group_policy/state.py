"""What a domain controller remembers of our objects: their names, so that one that the plan has no longer is removed,
and what their files' permissions were when they were last found right.
"""

from __future__ import annotations

import json
from typing import Mapping, Sequence

from ....base.tuples import NamedTuple
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError

FOLDER = STATE_DIRECTORY + "/group_policy"
FILE = FOLDER + "/state.json"
ASIDE = FOLDER + "/aside"  # what others had put into our objects
MOST_BYTES = 1 << 20


class State(NamedTuple):
    """`names` are by the ids of objects; `right` has each `permissions.print_of_file` that was found right."""

    names: Mapping[str, str]
    right: Sequence[str]


def read(host: Host) -> State:
    """The state; an empty one where there is none that can be read: the marks in the directory have the names, too."""
    try:
        given = json.loads(host.read_file(FILE, MOST_BYTES) or b"{}")
        names = {id_: name for id_, name in given["names"].items() if isinstance(name, str)}
        return State(names, [one for one in given["right"] if isinstance(one, str)])
    except (ControlError, ObservationError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return State({}, ())


def write(host: Host, state: State) -> None:
    """Note the state, or delete it where it has nothing. Raises ControlError."""
    if state.names:
        host.write_file(FILE, json.dumps(state._asdict(), sort_keys=True) + "\n", 0o600)
    else:
        host.delete_file(FILE)
