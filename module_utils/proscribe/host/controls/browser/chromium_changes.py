"""Chromium: putting Proscribe's file in place, and taking it away."""

from __future__ import annotations

import functools

from ...system import Host
from ..base import ChangeRefusal, Changes, ControlAction
from .chromium_folder import Folder
from .places import Place
from .rendering import NOTHING, Rules

RULE = "browser/policy-file"


def enforce(host: Host, place: Place, rules: Rules) -> Changes:
    """The file written anew if it differs in content, owner, mode or kind; copies of it beside it deleted.

    What other files of the organisation or the rights on its directories take away is refused to correct: they are
    its own.
    """
    folder = Folder(host, place, rules)
    rendered = folder.rendered
    actions = _deletions(host, folder, own=rendered is None)
    if rendered is not None and (folder.content != rendered or folder.faults.file):
        write = functools.partial(host.write_file, place.path, rendered)
        actions.append(ControlAction("write", place.path, write, _before(folder), _text(rendered)))
    reasons = (
        *folder.faults.directories,
        *folder.overriding(),
        *folder.other_headers(),
        *folder.unfit(),
        *folder.loose(),
    )
    refused = [ChangeRefusal(RULE, folder.directory, reason) for reason in reasons]
    return Changes(actions, refused)


def lift(host: Host, place: Place) -> Changes:
    """Proscribe's file and the copies of it deleted."""
    return Changes(_deletions(host, Folder(host, place, NOTHING), own=True))


def _deletions(host: Host, folder: Folder, own: bool) -> list[ControlAction]:
    found = [(name, "") for name in folder.backups]
    if own and folder.own is not None:
        found.append((folder.own_name, _before(folder)))
    elif own and not found and host.find_entry(folder.place.path) is None and host.has_traces(folder.place.path):
        found.append((folder.own_name, ""))  # what was made for a file that a kill kept from coming
    paths = [(f"{folder.directory}/{name}", before) for name, before in found]
    return [ControlAction("delete", path, functools.partial(host.delete_file, path), before) for path, before in paths]


def _before(folder: Folder) -> str:
    """What was at the path, for the diff. Behind a link lies whatever its maker chose, which is not ours to show."""
    return "a link\n" if folder.link else _text(folder.content)


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")
