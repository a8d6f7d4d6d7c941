"""Moves out of the quarantine: each item returns unchanged to its original path, where it replaces nothing."""

from __future__ import annotations

import errno
import os
from functools import partial

from ....system import ControlError, Host, ObservationError, escape_text
from ....system.directories import remove_entry
from ...base import ChangeRefusal, Changes, ControlAction
from . import manifest, privileges
from .manifest import (
    CONTENT_NAME,
    PRUNE,
    RESTORE,
    TAKE,
    QuarantineEntry,
    drop_entry,
    explain_errors,
    list_entries,
    make_hold_path,
    open_entry_directory,
    open_existing_hold,
    open_hold,
    record_hold,
    write_manifest,
)
from .move_completion import (
    copy_content,
    finish_move,
    is_present,
    is_restored,
    make_broken_refusals,
    rename_without_replacing,
    restore_content_access,
)
from .move_in import README_PATH
from .quarantine_rule import QUARANTINE_DIRECTORY, UNFINISHED_SUFFIX


def make_restore_changes(host: Host) -> Changes:
    """Return the changes that restore the items of the quarantine, with refusals for items that cannot be restored.

    If several items come from the same path, only the latest is restored. If all items are restored, a last action
    deletes the quarantine itself. Raises ControlError.
    """
    restorable = list_entries(host)
    latest = {entry.path: entry.id for entry in sorted(restorable, key=lambda entry: entry.taken_at)}
    reason_by_id = {
        entry.id: explain_obstacle(host, entry) or explain_superseded(host, entry, latest[entry.path])
        for entry in restorable
    }
    refusals = [
        ChangeRefusal(f"apps/{service}", escape_text(entry.path), reason_by_id[entry.id])
        for entry in restorable
        if reason_by_id[entry.id]
        for service in entry.services or [entry.kind]
    ]
    actions = [
        ControlAction(
            "restore", escape_text(entry.path), partial(restore_entry, host, entry), "", escape_text(entry.path) + "\n"
        )
        for entry in restorable
        if not reason_by_id[entry.id]
    ]
    refusals += (broken_refusals := make_broken_refusals(host))
    if len(actions) == len(restorable) and not broken_refusals and host.has_traces(README_PATH):
        actions.append(
            ControlAction("delete", README_PATH, partial(_remove_quarantine, host), host.read_text(README_PATH) or "")
        )
    return Changes(actions, refusals, is_independent=True)


def explain_obstacle(host: Host, entry: QuarantineEntry) -> str:
    """Explain why an item cannot be restored to its path now, or return "".

    Something is at the path, its directory is missing or has another owner, or the path cannot be read. An item without
    content, or whose restore is already done, has no obstacle.
    """
    if not entry.path or is_restored(host, entry):
        return ""
    parent = entry.path.rpartition("/")[0]
    try:
        if not _is_in_quarantine(host, entry):
            return ""
        if host.find_entry(entry.path):
            return f"something is there now; it is kept as {entry.id} in {QUARANTINE_DIRECTORY}"
        directory_status = host.find_entry(parent or "/")
    except (ObservationError, ControlError) as error:
        return f"{escape_text(str(error))}; it is kept as {entry.id} in {QUARANTINE_DIRECTORY}"
    if directory_status is None:
        for_owner = f" for {host.find_account(entry.parent_owner).name}" if entry.parent_owner >= 0 else ""
        return f"{escape_text(parent)} is not there any more; make it{for_owner}, and restore {entry.id} again"
    if reason := _explain_foreign_directory(host, directory_status.st_uid, entry):
        return f"{reason}; it is kept as {entry.id} in {QUARANTINE_DIRECTORY}"
    return ""


def _is_in_quarantine(host: Host, item: QuarantineEntry) -> bool:
    """Return whether the quarantine has content of an item that is not about to be deleted.

    The quarantine has no content if a run was killed before it moved anything. The content of an unfinished item is in
    its folder, or in its hold (root's folder on the original file system).
    """
    places = [f"{QUARANTINE_DIRECTORY}/{item.id}{UNFINISHED_SUFFIX}", *([item.hold] if item.hold else [])]
    # the manifest announces the move, and nothing has moved yet
    begun = item.doing == TAKE and not any(host.find_entry(f"{place}/{CONTENT_NAME}") for place in places)
    return not begun and item.doing != PRUNE


def _explain_foreign_directory(host: Host, uid: int, item: QuarantineEntry) -> str:
    """Explain why an item is not restored into a directory whose owner has `uid`, or return "".

    The directory must belong to the owner that it had when the item was moved into the quarantine, or to the item's
    owner. Another owner may have put another directory there.
    """
    if item.parent_owner < 0 or uid in (item.parent_owner, item.attributes.uid):
        return ""
    parent = escape_text(item.path.rpartition("/")[0])
    earlier_owner, current_owner = host.find_account(item.parent_owner).name, host.find_account(uid).name
    return (
        f"{parent} belongs to {current_owner}, and belonged to {earlier_owner} when it was taken; give it to "
        f"{earlier_owner}, and restore again"
    )


def explain_superseded(host: Host, entry: QuarantineEntry, latest_id: str) -> str:
    """Explain why an item is not restored because a later item goes to the same path, or return "".

    `latest_id` is the id of the last item that was moved into the quarantine from that path. This item may be the last.
    """
    if not entry.at_rest or entry.id == latest_id or is_restored(host, entry):
        return ""
    return (
        f"not restored: a later copy, {latest_id}, goes to that path; this one stays as {entry.id} in "
        f"{QUARANTINE_DIRECTORY}"
    )


def restore_entry(host: Host, entry: QuarantineEntry) -> str | None:
    """Restore an item, or continue an interrupted restore.

    Return a note if the program has lost privileges (set-user-id, for example), or "". Return None if there is nothing
    to restore: the content was never moved, or was being deleted. Raises ControlError; then the item stays in the
    quarantine.
    """
    if entry.doing in (TAKE, PRUNE):  # an earlier run was interrupted while it moved the item in or deleted it
        finish_move(host, entry)
        completed_entry = next((quarantined for quarantined in list_entries(host) if quarantined.id == entry.id), None)
        if completed_entry is None or not completed_entry.at_rest:
            return None
        entry = completed_entry
    with (
        explain_errors(f"cannot restore {escape_text(entry.path)}"),
        host.open_directory(entry.path.rpartition("/")[0]) as directory,
    ):
        if not is_restored(host, entry) and (
            reason := _explain_foreign_directory(host, os.fstat(directory).st_uid, entry)
        ):
            raise ControlError(reason)
        if host.find_entry(f"{QUARANTINE_DIRECTORY}/{entry.id}"):
            manifest.mark_entry_unfinished(host, entry)
        with open_entry_directory(host, entry) as entry_directory:
            if not is_restored(host, entry):
                entry = entry._replace(doing=RESTORE, placed=[])
                write_manifest(entry_directory, entry)
                entry = _place_content(host, entry, entry_directory, directory)
            with open_existing_hold(host, entry) as hold:
                # The hold is root's folder beside the original path. If an earlier run was killed within
                # `rename_without_replacing`, the hold still has a hard link to the restored file.
                if hold is not None:
                    remove_entry(hold, CONTENT_NAME)
            remove_entry(entry_directory, CONTENT_NAME)
            manifest.mark_step("content gone")
        drop_entry(host, entry)
        return privileges.describe_lost_privileges(directory, entry.path.rpartition("/")[2], entry)


def _place_content(host: Host, item: QuarantineEntry, entry_directory: int, directory: int) -> QuarantineEntry:
    """Put the content of an item at its original path, and return the item, updated.

    A rename moves the content. If the path is on another file system, the content is first copied there, into a hold (a
    folder of root). Then the copy is renamed. `entry_directory` and `directory` are descriptors of the item's folder
    and of the path's directory.
    """
    name = item.path.rpartition("/")[2]
    if item.hold:  # an interrupted restore may have left an incomplete copy in the hold
        with open_existing_hold(host, item) as hold:
            if hold is not None:
                remove_entry(hold, CONTENT_NAME)
    try:
        return _rename_content(item, entry_directory, entry_directory, directory, name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    parent = item.path.rpartition("/")[0]
    if item.hold != make_hold_path(parent, item):
        item = item._replace(hold=make_hold_path(parent, item), hold_identity=[])
    item = item._replace(placed=[])
    write_manifest(entry_directory, item)
    hold = open_hold(directory, item)
    try:
        item = record_hold(entry_directory, item, hold)
        copy_content(entry_directory, hold)
        return _rename_content(item, entry_directory, hold, directory, name)
    finally:
        os.close(hold)


def _rename_content(
    item: QuarantineEntry, entry_directory: int, source: int, directory: int, name: str
) -> QuarantineEntry:
    """Give the content in folder `source` its former attributes, and rename it to `name` in `directory`.

    `source` is the item's folder `entry_directory` or the folder with a copy; all are descriptors. The manifest records
    the device and inode of the content before the rename. So a later run recognises the content at its path. Return the
    item, updated. Raises ControlError.
    """
    if not is_present(source, CONTENT_NAME):
        raise ControlError("its content is gone from the quarantine")
    restore_content_access(entry_directory, source, item)
    manifest.mark_step("unsealed")
    status = os.stat(CONTENT_NAME, dir_fd=source, follow_symlinks=False)
    item = item._replace(placed=[status.st_dev, status.st_ino])
    write_manifest(entry_directory, item)
    try:
        rename_without_replacing(source, CONTENT_NAME, directory, name)
    except FileExistsError:
        raise ControlError("something is there now") from None
    manifest.mark_step("placed")
    return item


def _remove_quarantine(host: Host) -> None:
    """Delete the README and with it the empty quarantine. Raises ControlError if items are left."""
    if names := [name for name in host.list_directory(QUARANTINE_DIRECTORY) if name != "README"]:
        raise ControlError(f"{QUARANTINE_DIRECTORY} is left: {', '.join(names)} in it")
    host.delete_file(README_PATH)
