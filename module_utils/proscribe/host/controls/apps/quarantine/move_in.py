"""Moves into the quarantine: portable apps become inaccessible to users, and nothing of them is lost.

An item is a folder `<id>` of the quarantine. It has `manifest.json` and `content`, which is the moved file or
directory. Until the move is complete, the folder is called `<id>.unfinished`. The manifest is written before the move,
and names the operation in progress. So the next run can complete the work of a run that is killed at any point.

A single rename moves the content, by its name in a directory that is held open by a descriptor. Then the content is
checked again in a folder that only root can reach. Users may exchange links and directories before the rename. In that
case, the rename has moved another file, which the user could have moved too. That file is moved back.

The quarantine may be on another file system. Then the content first moves into a hold, a folder of root on the
content's file system. There it can be copied, compared and removed undisturbed.
"""

from __future__ import annotations

import errno
import os
import time
from functools import partial
from typing import Callable, Iterator, Sequence

from .....base.named_tuple import NamedTuple
from .....base.timestamps import format_timestamp
from .....model.quarantine_ids import QUARANTINE_VERB, format_moved_suffix
from ....system import LIFT_COMMAND, STATE_DIRECTORY, WRITTEN_BY, ControlError, Host, ObservationError, escape_text
from ....system.directories import measure_disk_usage, open_entry
from ....system.file_attributes import read_attributes
from ....system.mounts import explain_not_entered, find_user_mount_type, read_mounts
from ....system.types import summarise_reasons
from ...base import ControlAction
from .. import protection
from . import capacity, manifest, privileges
from .manifest import (
    CONTENT_NAME,
    QuarantineEntry,
    drop_entry,
    explain_errors,
    make_hold_path,
    open_entry_directory,
    open_existing_hold,
    open_hold,
    record_hold,
    write_manifest,
)
from .move_completion import finish_move, rename_without_replacing
from .quarantine_rule import QUARANTINE_DIRECTORY

README_PATH = QUARANTINE_DIRECTORY + "/README"

README_TEXT = f"""{WRITTEN_BY}

Copies of restricted programs, moved here from where they stood; each folder's manifest.json says from where.
On the controller, with this host's name in the inventory for THIS_HOST:
To see them:                ./proscribe quarantine list --host THIS_HOST
To bring one back:          ./proscribe quarantine restore --host THIS_HOST --id NAME_OF_ITS_FOLDER
To bring all of them back, and lift the ban:  {LIFT_COMMAND} --tags apps

Each is kept until the time in its manifest (kept_until); the first enforcing run after that takes it away for good.
"""


class MoveRequest(NamedTuple):
    """Request to move an app into the quarantine, with the conditions of the move."""

    path: str  # path of the app
    services: list[str]
    kind: str  # kind of the portable app, as in PortableApp
    # Paths of the parts that move, the program first. If there are none, the whole app moves.
    part_paths: Sequence[str] = ()
    # Check of the moved content. The function explains why the content is not the observed app, or returns "". Its
    # arguments are a Host whose root is the folder of the content, the path there, and the original path.
    check_moved: Callable[[Host, str, str], str] | None = None
    keep_seconds: int = 0  # retention in seconds; 0 for no end
    # Device and inode of the file or directory to move. If another one is at the path, it is left alone. None: no
    # condition.
    identity: tuple[int, int] | None = None


def make_move_action(host: Host, request: MoveRequest) -> ControlAction:
    """Return the action that moves an app into the quarantine: as a whole, or the requested parts of it."""
    paths = request.part_paths or [request.path]
    return ControlAction(
        QUARANTINE_VERB,
        escape_text(request.path),
        partial(_move_all, host, request),
        "".join(f"{escape_text(path)}\n" for path in paths),
    )


def explain_refusal(host: Host, path: str) -> str:
    """Explain why the file or directory at a path is never moved into the quarantine, or return "".

    The host needs it, or a user has mounted the file system that contains it, or a file system is mounted in it.
    """
    if reason := protection.explain_path_protection(path, [user.home for user in host.list_users()]):
        return f"never taken: {reason}"
    try:
        mount_table = read_mounts(host)
    except (ObservationError, ControlError):
        return ""
    if mount_type := find_user_mount_type(
        path, mount_table
    ):  # a user has mounted a file system since the observation; a process that enters it may wait forever
        return explain_not_entered(escape_text(path), mount_type)
    inner_mounts = [mount for mount in mount_table if f"{mount}/".startswith(f"{path}/")]
    return f"a file system is mounted in it, at {escape_text(inner_mounts[0])}" if inner_mounts else ""


def _move_all(host: Host, request: MoveRequest) -> str:
    """Move each part of an app into the quarantine.

    Raises ControlError if a part could not be moved. A part is a file or directory; a failure does not stop the other
    parts. Return a note with the id of the first item, for the report. Return "" if the owner has removed all parts
    meanwhile.
    """
    paths = request.part_paths or [request.path]
    if reason := explain_refusal(host, paths[0]) or capacity.explain_lacking_room(host, paths):
        raise ControlError(reason)
    group_id = ""  # id of the first part that was moved
    failures: list[str] = []
    for path in paths:
        try:
            entry_id = _move_one(host, request, path, group_id)
            group_id = group_id or entry_id
        except ControlError as error:
            failures.append(str(error))
    if failures:
        moved_note = f"; the rest was moved {format_moved_suffix(group_id)}" if group_id else ""
        raise ControlError(summarise_reasons(failures) + moved_note)
    return format_moved_suffix(group_id) if group_id else ""


def _move_one(host: Host, request: MoveRequest, path: str, group_id: str) -> str:
    """Move the file or directory at `path` into the quarantine as an item.

    Raises ControlError. Return the id of the item, or "" if nothing was at the path. `group_id` is the id of the item
    with the app's first part. It is "" for the first part itself, and for a whole app.
    """
    if reason := explain_refusal(host, path):
        raise ControlError(reason)
    parent, _, name = path.rpartition("/")
    with explain_errors(f"cannot take {escape_text(path)}"), host.open_directory(parent) as directory:
        try:
            descriptor = open_entry(directory, name)
        except FileNotFoundError:
            return ""  # the owner has removed it meanwhile
        try:
            status = os.fstat(descriptor)
            if request.identity and (status.st_dev, status.st_ino) != request.identity:
                raise ControlError("something else is there by now; the next run checks again")
            # Computed before the attributes are read: a write in between then changes the checksum (privileges.py).
            privileged_sum = privileges.hash_privileged_file(descriptor)
            entry_id = f"{request.services[0] if request.services else request.kind}-{os.urandom(4).hex()}"
            entry = QuarantineEntry(
                id=entry_id,
                path=path,
                services=request.services,
                kind=request.kind,
                taken_at=format_timestamp(time.time()),
                owner=host.find_account(status.st_uid).name,
                identity=[status.st_dev, status.st_ino],
                attributes=read_attributes(descriptor),
                group=group_id or (entry_id if request.part_paths else ""),
                kept_until=capacity.format_end_of_keeping(request.keep_seconds),
                whole=request.path if request.part_paths else "",
                parent_owner=os.fstat(directory).st_uid,
                privileged=privileged_sum,
            )
            _create_quarantine(host)
            with open_entry_directory(host, entry, is_new=True) as entry_directory:
                write_manifest(entry_directory, entry)
                try:
                    entry = _move_into_quarantine(host, entry, directory, name, entry_directory)
                except (OSError, ControlError):
                    drop_entry(host, entry)  # nothing has moved
                    raise
                if reason := _explain_exchange(host, entry, entry_directory, request):
                    _return_moved(host, entry, directory, name, entry_directory)
                    raise ControlError(f"{reason}; the next run checks again")
        finally:
            os.close(descriptor)
    finish_move(host, entry)
    return entry_id


def _explain_exchange(host: Host, item: QuarantineEntry, entry_directory: int, request: MoveRequest) -> str:
    """Explain why the moved content is not the content that was requested, or return "".

    Before the move, a user may have exchanged the file or directory at the path. `entry_directory` is a descriptor of
    the item's folder.
    """
    if _read_identity(entry_directory, CONTENT_NAME, host, item) != item.identity:
        return "it was exchanged while it was being taken"
    if request.check_moved is None:
        return ""
    with open_existing_hold(host, item) as hold:
        try:
            return request.check_moved(
                Host(f"/proc/self/fd/{entry_directory if hold is None else hold}"), f"/{CONTENT_NAME}", item.path
            )
        except ObservationError as unseen:
            return str(unseen)
        except ControlError as error:
            return str(error)


def _move_into_quarantine(
    host: Host, item: QuarantineEntry, directory: int, name: str, entry_directory: int
) -> QuarantineEntry:
    """Move a file or directory into the quarantine folder of `item`, and return the item, updated.

    The directory with the descriptor `directory` has the file as `name`. `entry_directory` is a descriptor of the
    item's folder. If the quarantine is on another file system, the file moves into a hold instead. A hold is a folder
    of root on the file's own file system. Raises OSError and ControlError; then nothing has moved.
    """
    try:
        os.rename(name, CONTENT_NAME, src_dir_fd=directory, dst_dir_fd=entry_directory)
        manifest.mark_step("moved")
        return item
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    with host.open_directory(QUARANTINE_DIRECTORY) as home:
        if reason := capacity.explain_too_large(
            measure_disk_usage(directory, name, capacity.MAX_FILES), os.fstatvfs(home)
        ):
            raise ControlError(reason)
    # The highest directory may be on another file system than the file. Then the rename fails with EXDEV, and the next
    # lower directory is tried.
    for parent in _iterate_ancestors(item.path):
        item = item._replace(hold=make_hold_path(parent, item), hold_identity=[])
        write_manifest(entry_directory, item)
        with host.open_directory(parent) as parent_descriptor:
            hold = open_hold(parent_descriptor, item)
            try:
                item = record_hold(entry_directory, item, hold)
                os.rename(name, CONTENT_NAME, src_dir_fd=directory, dst_dir_fd=hold)
                manifest.mark_step("moved")
                return item
            except OSError as error:
                os.rmdir(manifest.HOLD_PREFIX + item.id, dir_fd=parent_descriptor)
                if error.errno != errno.EXDEV:
                    raise
            finally:
                os.close(hold)
    raise ControlError("its file system cannot move it in one step (the lower layer of an overlay)")


def _iterate_ancestors(path: str) -> Iterator[str]:
    """Yield the directories above a path, the highest first: "" (for /), then /home, then /home/alice.

    Users can least change a high directory, so a folder of root is safest there.
    """
    steps = path.split("/")[1:-1]
    for count in range(len(steps) + 1):
        yield "".join(f"/{step}" for step in steps[:count])


def _read_identity(entry_directory: int, name: str, host: Host, item: QuarantineEntry) -> list[int]:
    """Return the device and inode of the moved content.

    The content is in the item's folder, or in its hold (root's folder on the original file system).
    """
    with open_existing_hold(host, item) as hold:
        status = os.stat(name, dir_fd=entry_directory if hold is None else hold, follow_symlinks=False)
    return [status.st_dev, status.st_ino]


def _return_moved(host: Host, item: QuarantineEntry, directory: int, name: str, entry_directory: int) -> None:
    """Move content that is not the requested app back to `name` in the directory with the descriptor `directory`.

    If the name is in use again, the content stays in the quarantine, from where it can be restored.
    """
    with open_existing_hold(host, item) as hold:
        try:
            rename_without_replacing(entry_directory if hold is None else hold, CONTENT_NAME, directory, name)
        except OSError:
            return
        manifest.mark_step("returned")
    drop_entry(host, item)


def _create_quarantine(host: Host) -> None:
    """Create the directory of the quarantine with its README, for root alone."""
    if host.read_text(README_PATH) != README_TEXT:
        host.write_file(README_PATH, README_TEXT, 0o600)
        with host.open_directory(STATE_DIRECTORY) as state:
            os.chmod("quarantine", 0o700, dir_fd=state)
