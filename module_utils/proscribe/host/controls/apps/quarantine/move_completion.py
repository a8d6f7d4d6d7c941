"""Completion of interrupted moves into and out of the quarantine. Every enforcing run completes them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from functools import partial

from ....system import ControlError, Host, ObservationError, escape_text
from ....system.directories import (
    MAX_DATA_BYTES,
    ContentSum,
    ReadAllowance,
    copy_entry,
    measure_disk_usage,
    open_entry,
    remove_entry,
    sum_content,
)
from ....system.file_attributes import ignore_unsupported, read_attributes, set_attributes
from ....system.mounts import explain_not_entered, find_user_mount_type, read_mounts
from ....system.path_traversal import PATH_FLAG
from ...base import ChangeRefusal, ControlAction
from . import capacity, manifest, privileges
from .manifest import (
    CONTENT_NAME,
    COPY_NAME,
    PRUNE,
    RESTORE,
    TAKE,
    QuarantineEntry,
    drop_entry,
    drop_hold,
    explain_errors,
    find_entry_owner,
    list_broken_entries,
    list_unfinished_entries,
    open_entry_directory,
    open_existing_hold,
    write_manifest,
)
from .quarantine_rule import QUARANTINE_DIRECTORY, QUARANTINE_RULE, UNFINISHED_SUFFIX


def make_complete_actions(host: Host) -> list[ControlAction]:
    """Return the actions that complete the interrupted moves of earlier runs.

    The owner of an item may hold the file open, or make its place hang. So each action has the owner as its user: a
    failure does not stop the run.
    """
    return [
        ControlAction(
            "complete",
            f"{entry.id} ({escape_text(entry.path)})",
            partial(finish_move, host, entry),
            user=find_entry_owner(entry),
            rules=[QUARANTINE_RULE],
        )
        for entry in list_unfinished_entries(host)
    ]


def make_broken_refusals(host: Host) -> list[ChangeRefusal]:
    """Return refusals for the items with an unreadable manifest.

    No run can complete, prune or restore these items.
    """
    return [
        ChangeRefusal(QUARANTINE_RULE, escape_text(name), escape_text(reason))
        for name, reason in list_broken_entries(host)
    ]


def finish_move(host: Host, entry: QuarantineEntry) -> None:
    """Complete a move of an item into the quarantine, or its deletion.

    Raises ControlError. An interrupted restore is cancelled, so that the item stays in the quarantine. At any time, the
    content exists in at least one place, unless it is being deleted.
    """
    with explain_errors(f"cannot keep {escape_text(entry.path)} in the quarantine"):
        # A place outside the quarantine that the completion enters. A file system of a user there could hang it.
        outside_path = entry.hold or (entry.path if entry.doing == RESTORE else "")
        if mount_type := find_user_mount_type(outside_path, read_mounts(host)) if outside_path else "":
            raise ControlError(explain_not_entered(escape_text(outside_path), mount_type))
        with open_entry_directory(host, entry) as entry_directory:
            if entry.doing == RESTORE:
                _cancel_restore(host, entry, entry_directory)
            if entry.doing == PRUNE:
                capacity.remove_content(entry_directory)
            has_content = _gather_content(host, entry, entry_directory)
        if not has_content:
            drop_entry(host, entry)
            return
        with host.open_directory(QUARANTINE_DIRECTORY) as home:
            os.rename(entry.id + UNFINISHED_SUFFIX, entry.id, src_dir_fd=home, dst_dir_fd=home)
        manifest.mark_step("kept")


def _gather_content(host: Host, item: QuarantineEntry, entry_directory: int) -> bool:
    """Bring the content of an item into its folder in the quarantine, and complete its manifest.

    The content is in that folder already, or in the item's hold (root's folder on the original file system). It is
    copied from the hold. `entry_directory` is a descriptor of the item's folder. Return False if the item has no
    content.
    """
    remove_entry(entry_directory, COPY_NAME)
    content_sum: ContentSum | None = None
    with open_existing_hold(host, item) as hold:
        for directory in (entry_directory, hold):
            # A user put a link or a pipe at the path, and it was moved instead of the app.
            if item.doing == TAKE and directory is not None and _is_special_content(directory):
                remove_entry(directory, CONTENT_NAME)
        has_content = is_present(entry_directory, CONTENT_NAME)
        is_copied = has_content and bool(item.hold)
        if not has_content and hold is not None and is_present(hold, CONTENT_NAME):
            item = _revoke_content_access(hold, item, is_original=True)
            # Until now, processes that have the content open could write to it. So it may have grown since it was
            # measured, and the copy is limited again.
            content_sum = copy_content(
                hold,
                entry_directory,
                ReadAllowance(min(MAX_DATA_BYTES, capacity.count_free_bytes(os.fstatvfs(entry_directory)))),
            )
            has_content = is_copied = True
        if has_content and hold is not None:
            remove_entry(hold, CONTENT_NAME)
            manifest.mark_step("original gone")
        if hold is not None:
            remove_entry(hold, COPY_NAME)
    drop_hold(host, item)
    if has_content:
        item = _revoke_content_access(entry_directory, item, is_original=not is_copied)
        status = os.stat(CONTENT_NAME, dir_fd=entry_directory, follow_symlinks=False)
        item = item._replace(shared=int(_has_other_names(status)))
        # The content may be too deep or too large to read, or under a lease. Then the manifest has no sum of it.
        with contextlib.suppress(ControlError, BlockingIOError):
            item = item._replace(disk=measure_disk_usage(entry_directory, CONTENT_NAME).size)
            item = item._replace(**(content_sum or sum_content(entry_directory, CONTENT_NAME))._asdict())
        write_manifest(entry_directory, item._replace(doing="", hold="", hold_identity=[], placed=[], at_rest=True))
    return has_content


def _is_special_content(directory: int) -> bool:
    """Return whether the content in the folder with the descriptor `directory` is neither a file nor a directory.

    Missing content gives False.
    """
    try:
        mode = os.stat(CONTENT_NAME, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _cancel_restore(host: Host, item: QuarantineEntry, entry_directory: int) -> None:
    """Cancel an interrupted restore of an item.

    If the content is at its original path already, delete what is left of it in the quarantine. Otherwise the content
    stays in the quarantine. `entry_directory` is a descriptor of the item's folder.
    """
    if not is_restored(host, item):
        return  # `_gather_content` deletes the copy for the restore
    with open_existing_hold(host, item) as hold:
        if hold is not None:
            remove_entry(hold, CONTENT_NAME)  # a hard link to the file that is at the original path
    remove_entry(entry_directory, CONTENT_NAME)


def is_restored(host: Host, entry: QuarantineEntry) -> bool:
    """Return whether a restore has put the content of an item at its original path, and it still is there.

    If the path cannot be read, or a user has put a link into it, the answer is False. So the quarantine keeps the
    content.
    """
    try:
        status = host.find_entry(entry.path)
    except (ObservationError, ControlError):
        return False
    return status is not None and [status.st_dev, status.st_ino] == entry.placed


def copy_content(source: int, target: int, allowance: ReadAllowance | None = None) -> ContentSum:
    """Copy the content from folder `source` to folder `target`, compare both, and return the sum of the copy.

    The folders are descriptors. The sum has a checksum, the number of files and the size. `allowance` limits what is
    read; None means the default limits. An incomplete copy is deleted. Raises OSError, and ControlError if the copy
    differs.
    """
    remove_entry(target, COPY_NAME)
    try:
        copy_entry(source, CONTENT_NAME, target, COPY_NAME, allowance)
        manifest.mark_step("copied")
        source_sum, target_sum = sum_content(source, CONTENT_NAME), sum_content(target, COPY_NAME)
    except (OSError, ControlError):
        with contextlib.suppress(OSError, ControlError):
            remove_entry(target, COPY_NAME)  # the incomplete copy is deleted because the disk may be full
        raise
    if source_sum.sha256 != target_sum.sha256:
        raise ControlError("its copy is not the same; both are left where they are")
    os.rename(COPY_NAME, CONTENT_NAME, src_dir_fd=target, dst_dir_fd=target)
    manifest.mark_step("compared")
    return target_sum


def _revoke_content_access(entry_directory: int, item: QuarantineEntry, is_original: bool) -> QuarantineEntry:
    """Give the content in a folder to root alone, so that its former user can open it no more.

    Return the item. The manifest has the attributes that the content had before. `is_original` is false for a copy. If
    the original is another file than the manifest says, the manifest is corrected. A file with several names (hard
    links) is left unchanged, because the other names do not belong to Proscribe. The file is not opened for reading:
    its owner could refuse that again and again with a lease (fcntl(2)). No other user can have a lease on a file of
    root.
    """
    descriptor = os.open(CONTENT_NAME, PATH_FLAG | os.O_NOFOLLOW, dir_fd=entry_directory)
    try:
        status = os.fstat(descriptor)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise ControlError("its content is neither a file nor a directory")
        if is_original and not item.at_rest and [status.st_dev, status.st_ino] != item.identity:
            # An earlier run was killed between the move and the check that the right file was moved. So the manifest
            # gets the attributes of the file that was moved.
            item = item._replace(
                identity=[status.st_dev, status.st_ino], attributes=read_attributes(descriptor), privileged=""
            )
            write_manifest(entry_directory, item)
        if stat.S_ISDIR(status.st_mode) or status.st_nlink == 1:
            open_path = f"/proc/self/fd/{descriptor}"
            _take_over_file(open_path, status.st_mode)
            # A process that had the file open has meanwhile given it another name (hard link). So the file is returned
            # to its user, without privileges.
            if _has_other_names(os.fstat(descriptor)):
                os.chown(open_path, status.st_uid, status.st_gid)
                os.chmod(open_path, stat.S_IMODE(status.st_mode) & 0o777)
            manifest.mark_step("sealed")
    finally:
        os.close(descriptor)
    return item


def _take_over_file(open_file: str | int, mode: int) -> None:
    """Give a file or directory to root, with access for root alone.

    `open_file` is its descriptor or its path.
    """
    os.chown(open_file, os.geteuid(), os.getegid())
    os.chmod(open_file, 0o700 if stat.S_ISDIR(mode) else 0o600)


def _has_other_names(status: os.stat_result) -> bool:
    """Return whether a regular file has several names (hard links)."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 1


def restore_content_access(entry_directory: int, source: int, entry: QuarantineEntry) -> None:
    """Give the content in the folder `source` the attributes that it had before the quarantine.

    `source` is the item's folder `entry_directory` or the folder with a copy; both are descriptors. A file with several
    names (hard links) was left to its user during the quarantine. So it keeps attributes that its user has changed
    since then.
    """
    content = os.stat(CONTENT_NAME, dir_fd=entry_directory, follow_symlinks=False)
    # True if root has taken over the file, which had a single name (hard link) at that time
    is_sealed = not entry.shared and (content.st_uid, stat.S_IMODE(content.st_mode)) == (os.geteuid(), 0o600)
    descriptor = open_entry(source, CONTENT_NAME)
    try:
        if is_sealed or not _has_other_names(content):
            with ignore_unsupported():
                # If the file had several hard links when it was moved, it was left to its user. So root takes it over
                # now, before it gets its attributes.
                _take_over_file(descriptor, content.st_mode)
            set_attributes(descriptor, privileges.make_returned_attributes(descriptor, entry))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_without_replacing(source: int, name: str, target: int, new: str) -> None:
    """Rename a file or directory, but never replace an existing one.

    Raises OSError, such as FileExistsError. The directory `source` has it as `name`; it becomes `new` in the directory
    `target`. Both directories are descriptors. If `target` is on another file system, the error is EXDEV.
    """
    if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
        if is_present(target, new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        # The rename of a directory fails if the new name is a file, or a directory with content.
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)
        return
    try:
        os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        manifest.mark_step("linked")
        os.unlink(name, dir_fd=source)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP) or is_present(
            target, new
        ):  # without hard links on the file system, a plain rename is used
            raise
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def is_present(directory: int, name: str) -> bool:
    """Return whether a directory has an entry of that name."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
