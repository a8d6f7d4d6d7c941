"""A file of Firefox' default preferences, with those that no policy can lock.

Firefox reads every *.js file of this directory beside its policies. A preference that is locked there stays locked for
users, profiles and copies of the browser at home (tried: ESR 153). It keeps Marionette and the Remote Agent from their
start, as DisableDeveloperTools does, and leaves the developer tools alone.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Sequence

from ....base.tuples import NamedTuple
from ...system import SIGNATURE, WRITTEN_BY, ControlError, Host, ObservationError
from .observed import Observed, faults
from .places import Place
from .rendering import Rules
from .settings import REMOTE_DEBUGGING, rule

if TYPE_CHECKING:
    from ..base import Changes

POLICIES = "/policies/policies.json"
FOLDER, OWN = "/defaults/pref", "proscribe.js"
NO_REMOTE_CONTROL = "remote.policy.disabled"
MOST = 1024 * 1024  # bytes of a file


def find_path(place: Place) -> str:
    """Return the path of the file; "" for a place without one."""
    if place.family != "firefox" or not place.path.endswith(POLICIES):
        return ""
    return f"{place.path[: -len(POLICIES)]}{FOLDER}/{OWN}"


class Faults(NamedTuple):
    """What is wrong with the file, and what beside it takes its effect away and is not Proscribe's to correct."""

    own: str = ""
    others: Sequence[str] = ()


def render(closed: bool) -> bytes | None:
    """Return the content that the file should have; None if there should be none."""
    if not closed:
        return None
    return f'// {WRITTEN_BY}\npref("{NO_REMOTE_CONTROL}", true, locked);\n'.encode()


def check(host: Host, place: Place, content: bytes | None) -> Faults:
    """Return what is wrong with the file. Raises Unseen, and ControlError for a path behind a user's link."""
    path = find_path(place)
    if not path:
        return Faults()
    current = host.read_file(path)
    if content is None:
        ours = current is not None and SIGNATURE.encode() in current
        return Faults(f"{path} is not in the plan any more") if ours else Faults()
    file, directories, _ = faults(host, path)
    own = f"{path}: {file[0]}" if file else ""
    if current != content:
        own = f"{path} is missing" if current is None else f"{path} is not as the plan has it"
    return Faults(own, [*directories, *filter(None, [_explain_other_file(host, path)])])


def _explain_other_file(host: Host, path: str) -> str:
    """Return which file of the organisation has the same preference: of two, the one that is read first is locked."""
    folder = path.rpartition("/")[0]
    for name in host.list_directory(folder):
        if name.endswith(".js") and name != OWN:
            try:
                if NO_REMOTE_CONTROL.encode() in host.read_head(f"{folder}/{name}", MOST):
                    return f"{folder}/{name} has the preference {NO_REMOTE_CONTROL}, too: remove it there"
            except (ControlError, ObservationError):
                continue  # Firefox, which runs as its user, reads it no more than root does
    return ""


def add_faults(observed: Observed, found: Faults) -> Observed:
    """Return what was observed of a place, with what is wrong with this file."""
    listed = [*filter(None, [found.own]), *found.others]
    if not listed:
        return observed
    settings = {REMOTE_DEBUGGING: listed[0], **observed.settings}
    return observed._replace(settings=settings, wrong=list(dict.fromkeys([*observed.wrong, *listed])))


def list_changes(host: Host, place: Place, rules: Rules) -> Changes:
    """Return the write or the deletion that the file needs. Raises Unseen and ControlError."""
    from ..base import ChangeRefusal, Changes, ControlAction  # an observation does not pay for it

    path, content = find_path(place), render(REMOTE_DEBUGGING in dict(rules.settings))
    found = check(host, place, content)
    refused = [ChangeRefusal(rule(REMOTE_DEBUGGING), path, reason) for reason in found.others]
    before = ((host.read_file(path) if found.own else None) or b"").decode("utf-8", "replace")
    if found.own and content is not None:
        write = functools.partial(host.write_file, path, content)
        return Changes([ControlAction("write", path, write, before, content.decode())], refused)
    if found.own:
        return Changes([ControlAction("delete", path, functools.partial(host.delete_file, path), before)])
    if (
        path and content is None and host.find_entry(path) is None and host.has_traces(path)
    ):  # what a kill left of a write
        return Changes([ControlAction("delete", path, functools.partial(host.clear_unfinished_write, path))])
    return Changes((), refused)
