"""Changes of Firefox's policy file: `enforce` merges Proscribe's policies, `lift` restores the organisation's file."""

from __future__ import annotations

import functools
import json

from ...system import Host
from ..base import ChangeRefusal, Changes, ControlAction
from . import firefox_preferences
from .firefox import render_policies
from .firefox_file import FirefoxPolicyFile, MergeNote
from .policy_places import PolicyPlace
from .site_rules import NO_RULES, BrowserRules

RULE_NAME = "browser/policy-file"
PRIVATE_MODE = 0o600


def enforce(host: Host, place: PolicyPlace, rules: BrowserRules) -> Changes:
    """Return the changes that enforce the rules in the policy file and the preferences file of a place."""
    return _join_changes(_enforce_policy(host, place, rules), firefox_preferences.list_changes(host, place, rules))


def _join_changes(first: Changes, second: Changes) -> Changes:
    return Changes([*first.actions, *second.actions], [*first.refusals, *second.refusals])


def _enforce_policy(host: Host, place: PolicyPlace, rules: BrowserRules) -> Changes:
    """Return the changes to the policy file of a place, and refusals for its faults that Proscribe does not correct.

    If the file differs from the desired file, one action stores the organisation's file and writes the merged file. If
    the plan has no policy for the place, the organisation's file is restored.
    """
    policy_file = FirefoxPolicyFile(host, place, rules)
    refusals = [
        ChangeRefusal(RULE_NAME, place.path, reason)
        for reason in (policy_file.blocker, *policy_file.faults.directory_faults)
        if reason
    ]
    refusal_text = "Firefox cannot open it without opening {}, which is blocked"
    refusals += [
        ChangeRefusal(RULE_NAME, str(name), refusal_text.format(opened_name))
        for name, opened_name in policy_file.filter_lists.closed_names
    ]
    if policy_file.blocker:
        return Changes((), refusals)
    if policy_file.expected_document is None:
        return Changes(_list_restoring_actions(host, policy_file), refusals)
    if policy_file.is_in_effect:
        return Changes((), refusals)
    write = functools.partial(_write_policy, host, policy_file)
    return Changes(
        [
            ControlAction(
                "write",
                place.path,
                write,
                _decode_content(policy_file.content),
                _decode_content(render_policies(policy_file.expected_document)),
            )
        ],
        refusals,
    )


def lift(host: Host, place: PolicyPlace) -> Changes:
    """Return the changes that restore the organisation's file with its later edits.

    If the organisation had no file, Proscribe's file is deleted. Proscribe's preferences file is deleted, too.
    """
    changes = Changes(_list_restoring_actions(host, FirefoxPolicyFile(host, place, NO_RULES)))
    return _join_changes(changes, firefox_preferences.list_changes(host, place, NO_RULES))


def _write_policy(host: Host, policy_file: FirefoxPolicyFile) -> None:
    """Store the organisation's file, write the merged file, and write the note about the merge."""
    # A kill may interrupt this function at any point. The order of the writes always leaves enough files: the next run,
    # or a lift, can still separate Proscribe's policies from the organisation's.
    original = policy_file.make_stored_original()
    interim_note, final_note = policy_file.make_merge_notes()
    if original is not None and original != policy_file.original:
        host.write_file(policy_file.original_path, original, PRIVATE_MODE)
    host.write_file(policy_file.note_path, _format_note(interim_note), PRIVATE_MODE)
    host.write_file(policy_file.place.path, render_policies(policy_file.expected_document or {}))
    host.write_file(policy_file.note_path, _format_note(final_note), PRIVATE_MODE)
    if original is None and policy_file.original is not None:
        host.delete_file(policy_file.original_path)


def _format_note(note: MergeNote) -> str:
    return json.dumps(note._asdict()) + "\n"


def _list_restoring_actions(host: Host, policy_file: FirefoxPolicyFile) -> list[ControlAction]:
    """Return the actions that restore the organisation's file, and delete the files that Proscribe stored.

    If the policy file at the path is not Proscribe's, it stays unchanged, and only the stored files are deleted.
    """
    path = policy_file.place.path
    original = policy_file.make_stored_original()
    stored_paths = [
        stored_path
        for stored_path in (policy_file.original_path, policy_file.note_path)
        if host.has_traces(stored_path)
    ]
    # nothing to restore: the file is not Proscribe's, or there is neither a file nor a stored original
    if not policy_file.is_own or (policy_file.status is None and original is None):
        # an earlier run was killed while it wrote the file
        if host.has_unfinished_write(path) or (policy_file.status is None and host.has_traces(path)):
            stored_paths.insert(0, path)
        clear = functools.partial(host.clear_unfinished_write, path)
        return [
            ControlAction(
                "delete",
                stored_path,
                clear if stored_path == path else functools.partial(host.delete_file, stored_path),
            )
            for stored_path in stored_paths
        ]

    def restore_original() -> None:
        """Write the organisation's file, or delete the file if there was none. Then delete the stored files."""
        if original is None:
            host.delete_file(path)
        else:
            note = policy_file.note or MergeNote({}, [], 0o644)
            host.write_file(path, original, note.mode, note.owner, None if policy_file.is_edited else note.modified)
        for stored in stored_paths:
            host.delete_file(stored)

    verb = "delete" if original is None else "restore"
    return [
        ControlAction(verb, path, restore_original, _decode_content(policy_file.content), _decode_content(original))
    ]


def _decode_content(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")
