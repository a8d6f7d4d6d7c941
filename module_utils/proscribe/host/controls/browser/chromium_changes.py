"""Changes of Chromium's policy folders: `enforce` writes Proscribe's file, `lift` deletes it."""

from __future__ import annotations

import functools

from ...system import Host
from ..base import ChangeRefusal, Changes, ControlAction
from .chromium_folder import ChromiumPolicyFolder
from .policy_places import PolicyPlace
from .site_rules import NO_RULES, BrowserRules

RULE_NAME = "browser/policy-file"


def enforce(host: Host, place: PolicyPlace, rules: BrowserRules) -> Changes:
    """Return the changes that write Proscribe's file if it differs from the desired file, and delete backups of it.

    A backup is a copy of Proscribe's file in the folder: Chromium reads it too. Differences in content, owner, mode or
    kind count. Overrides by other files, and wrong rights on directories, become refusals: these files and directories
    belong to the organisation.
    """
    folder = ChromiumPolicyFolder(host, place, rules)
    rendered = folder.rendered_content
    actions = _list_deletions(host, folder, include_own=rendered is None)
    if rendered is not None and (folder.content != rendered or folder.faults.file_faults):
        write = functools.partial(host.write_file, place.path, rendered)
        actions.append(
            ControlAction("write", place.path, write, _read_previous_text(folder), _decode_content(rendered))
        )
    reasons = (
        *folder.faults.directory_faults,
        *folder.list_overrides(),
        *folder.list_header_overrides(),
        *folder.list_unfit_files(),
        *folder.list_changeable_files(),
    )
    refusals = [ChangeRefusal(RULE_NAME, folder.directory, reason) for reason in reasons]
    return Changes(actions, refusals)


def lift(host: Host, place: PolicyPlace) -> Changes:
    """Return the changes that delete Proscribe's file and the backups of it."""
    return Changes(_list_deletions(host, ChromiumPolicyFolder(host, place, NO_RULES), include_own=True))


def _list_deletions(host: Host, folder: ChromiumPolicyFolder, include_own: bool) -> list[ControlAction]:
    """Return the actions that delete the backups of Proscribe's file and, with `include_own`, the file itself."""
    deleted_files = [(name, "") for name in folder.backup_names]
    if include_own and folder.own_file is not None:
        deleted_files.append((folder.own_name, _read_previous_text(folder)))
    elif (
        include_own
        and not deleted_files
        and host.find_entry(folder.place.path) is None
        and host.has_traces(folder.place.path)
    ):
        # A kill interrupted the write: its directories exist, but the file does not.
        deleted_files.append((folder.own_name, ""))
    paths = [(f"{folder.directory}/{name}", before) for name, before in deleted_files]
    return [ControlAction("delete", path, functools.partial(host.delete_file, path), before) for path, before in paths]


def _read_previous_text(folder: ChromiumPolicyFolder) -> str:
    """Return the previous content of Proscribe's file, for the diff.

    The content of a link's target stays secret, because whoever made the link chose the target.
    """
    return "a link\n" if folder.is_link else _decode_content(folder.content)


def _decode_content(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", "replace")
