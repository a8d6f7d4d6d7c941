"""Firefox: merging Proscribe's part into the policies, and giving back what the organisation had."""

from __future__ import annotations

import functools
import json

from ...system import Host
from ..base import ChangeRefusal, Changes, ControlAction
from . import firefox_preferences
from .firefox import render
from .firefox_file import Note, PolicyFile
from .places import Place
from .rendering import NOTHING, Rules

RULE = "browser/policy-file"
PRIVATE = 0o600


def enforce(host: Host, place: Place, rules: Rules) -> Changes:
    """Return the changes to the policy file of a place, and to the preferences beside it."""
    return _both(_enforce_policy(host, place, rules), firefox_preferences.list_changes(host, place, rules))


def _both(one: Changes, other: Changes) -> Changes:
    return Changes([*one.actions, *other.actions], [*one.refusals, *other.refusals])


def _enforce_policy(host: Host, place: Place, rules: Rules) -> Changes:
    """The file written anew if it is not what it has to be; first the organisation's own is put away.

    Where the plan has nothing to say any more, the organisation gets its file back.
    """
    file = PolicyFile(host, place, rules)
    refused = [ChangeRefusal(RULE, place.path, reason) for reason in (file.blocker, *file.faults.directories) if reason]
    unopened = "Firefox cannot open it without opening {}, which is blocked"
    refused += [ChangeRefusal(RULE, str(name), unopened.format(other)) for name, other in file.listed.closed]
    if file.blocker:
        return Changes((), refused)
    if file.expected is None:
        return Changes(_give_back(host, file), refused)
    if file.is_in_effect:
        return Changes((), refused)
    write = functools.partial(_write, host, file)
    return Changes(
        [ControlAction("write", place.path, write, _text(file.content), _text(render(file.expected)))], refused
    )


def lift(host: Host, place: Place) -> Changes:
    """The organisation's file restored, with its later edits if there are any; or Proscribe's deleted."""
    changes = Changes(_give_back(host, PolicyFile(host, place, NOTHING)))
    return _both(changes, firefox_preferences.list_changes(host, place, NOTHING))


def _write(host: Host, file: PolicyFile) -> None:
    # In this order a kill at any point leaves what the next run, or a lift, needs to know whose is what.
    original = file.original_to_keep()
    during, after = file.note_to_keep()
    if original is not None and original != file.original:
        host.write_file(file.original_path, original, PRIVATE)
    host.write_file(file.note_path, _note(during), PRIVATE)
    host.write_file(file.place.path, render(file.expected or {}))
    host.write_file(file.note_path, _note(after), PRIVATE)
    if original is None and file.original is not None:
        host.delete_file(file.original_path)


def _note(note: Note) -> str:
    return json.dumps(note._asdict()) + "\n"


def _give_back(host: Host, file: PolicyFile) -> list[ControlAction]:
    """Undo the merge. A file that is the organisation's alone stays as it is; what Proscribe remembered goes."""
    path = file.place.path
    original = file.original_to_keep()
    remembered = [stored for stored in (file.original_path, file.note_path) if host.has_traces(stored)]
    if not file.ours or (file.seen is None and original is None):
        if host.has_unfinished_write(path) or (
            file.seen is None and host.has_traces(path)
        ):  # what a kill left of a write
            remembered.insert(0, path)
        clear = functools.partial(host.clear_unfinished_write, path)
        return [
            ControlAction("delete", stored, clear if stored == path else functools.partial(host.delete_file, stored))
            for stored in remembered
        ]

    def give_back() -> None:
        if original is None:
            host.delete_file(path)
        else:
            note = file.note or Note({}, [], 0o644)
            host.write_file(path, original, note.mode, note.owner, None if file.edited else note.modified)
        for stored in remembered:
            host.delete_file(stored)

    verb = "delete" if original is None else "restore"
    return [ControlAction(verb, path, give_back, _text(file.content), _text(original))]


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")
