"""What a move into the quarantine, or out of it, comes to whatever happened on the way: every run completes it."""

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
from ....system.links import PATH_FLAG
from ....system.mounts import explain_not_entered, find_user_mount_type, read_mounts
from ...base import Action, Refusal
from . import capacity, manifest, privileges
from .manifest import (
    CONTENT,
    COPYING,
    PRUNE,
    RESTORE,
    TAKE,
    Item,
    begun,
    broken,
    drop,
    drop_hold,
    explained,
    folder,
    held,
    owner_of,
    write,
)
from .unfinished import HOME, RULE, UNFINISHED


def unfinished(host: Host) -> list[Action]:
    """What completes the moves that an earlier run could not, or did not live to, complete. Each is its owner's, who
    may keep the file held or the place hanging.
    """
    return [
        Action(
            "complete",
            f"{item.id} ({escape_text(item.path)})",
            partial(complete, host, item),
            user=owner_of(item),
            rules=[RULE],
        )
        for item in begun(host)
    ]


def unread(host: Host) -> list[Refusal]:
    """What nobody can complete, prune or restore, since its manifest cannot be read."""
    return [Refusal(RULE, escape_text(name), escape_text(why)) for name, why in broken(host)]


def complete(host: Host, item: Item) -> None:
    """Bring a begun move to its end. One out of the quarantine that did not come to that is taken back into it.

    Raises ControlError; whatever happens, the content stays in one place at least.
    """
    with explained(f"cannot keep {escape_text(item.path)} in the quarantine"):
        elsewhere = item.hold or (item.path if item.doing == RESTORE else "")
        if kind := find_user_mount_type(elsewhere, read_mounts(host)) if elsewhere else "":
            raise ControlError(explain_not_entered(escape_text(elsewhere), kind))
        with folder(host, item) as place:
            if item.doing == RESTORE:
                _take_back(host, item, place)
            if item.doing == PRUNE:
                capacity.pruned(place)
            moved = _gather(host, item, place)
        if not moved:
            drop(host, item)
            return
        with host.open_directory(HOME) as home:
            os.rename(item.id + UNFINISHED, item.id, src_dir_fd=home, dst_dir_fd=home)
        manifest.reached("kept")


def _gather(host: Host, item: Item, place: int) -> bool:
    """Bring the content into the item's folder, with all that is known of it; False if nothing was ever moved."""
    remove_entry(place, COPYING)
    known: ContentSum | None = None
    with held(host, item) as hold:
        for there in (place, hold):
            # A link or a pipe, which holds nothing: its user has swapped it in, and put something else at its name.
            if item.doing == TAKE and there is not None and _is_empty(there):
                remove_entry(there, CONTENT)
        moved = in_place(place, CONTENT)
        copied = moved and bool(item.hold)
        if not moved and hold is not None and in_place(hold, CONTENT):
            item = _seal(hold, item, original=True)
            # It may have grown since it was measured: whoever had it open had it until now.
            known = copy_over(hold, place, ReadAllowance(min(MAX_DATA_BYTES, capacity.free(os.fstatvfs(place)))))
            moved = copied = True
        if moved and hold is not None:
            remove_entry(hold, CONTENT)
            manifest.reached("original gone")
        if hold is not None:
            remove_entry(hold, COPYING)
    drop_hold(host, item)
    if moved:
        item = _seal(place, item, original=not copied)
        seen = os.stat(CONTENT, dir_fd=place, follow_symlinks=False)
        item = item._replace(shared=int(_has_other_names(seen)))
        # Too deep or too large to be read, or held by a lease: it is kept all the same.
        with contextlib.suppress(ControlError, BlockingIOError):
            item = item._replace(disk=measure_disk_usage(place, CONTENT).size)
            item = item._replace(**(known or sum_content(place, CONTENT))._asdict())
        write(place, item._replace(doing="", hold="", hold_identity=[], placed=[], at_rest=True))
    return moved


def _is_empty(folder: int) -> bool:
    """Whether the content of a folder is neither a file nor a directory."""
    try:
        mode = os.stat(CONTENT, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _take_back(host: Host, item: Item, place: int) -> None:
    """A restoring that was cut short: what is at its place already goes from the quarantine, all else stays in it."""
    if not is_placed(host, item):
        return  # `_gather` takes away what was copied for it
    with held(host, item) as hold:
        if hold is not None:
            remove_entry(hold, CONTENT)  # a second name of what is at its place
    remove_entry(place, CONTENT)


def is_placed(host: Host, item: Item) -> bool:
    """Whether the path has what a restore was about to put there. Where a user has put a link in between, it
    does not: then the quarantine keeps it.
    """
    try:
        seen = host.find_entry(item.path)
    except (ObservationError, ControlError):
        return False
    return seen is not None and [seen.st_dev, seen.st_ino] == item.placed


def copy_over(source: int, target: int, allowance: ReadAllowance | None = None) -> ContentSum:
    """Copy the content of one folder to another one, and compare: what both are. Raises OSError, and ControlError if
    they differ.
    """
    remove_entry(target, COPYING)
    try:
        copy_entry(source, CONTENT, target, COPYING, allowance)
        manifest.reached("copied")
        was, now = sum_content(source, CONTENT), sum_content(target, COPYING)
    except (OSError, ControlError):
        with contextlib.suppress(OSError, ControlError):
            remove_entry(target, COPYING)  # the disk may be full
        raise
    if was.sha256 != now.sha256:
        raise ControlError("its copy is not the same; both are left where they are")
    os.rename(COPYING, CONTENT, src_dir_fd=target, dst_dir_fd=target)
    manifest.reached("compared")
    return now


def _seal(place: int, item: Item, original: bool) -> Item:
    """Shut out whoever still has the directory or the file open. The manifest knows what it was before.

    A file with more names is left as it is: those names are not ours to change. The file is not opened for reading:
    with a lease (fcntl(2)), its owner could refuse that again and again. Root's file has no lease of anybody else's.
    """
    descriptor = os.open(CONTENT, PATH_FLAG | os.O_NOFOLLOW, dir_fd=place)
    try:
        seen = os.fstat(descriptor)
        if not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
            raise ControlError("its content is neither a file nor a directory")
        if original and not item.at_rest and [seen.st_dev, seen.st_ino] != item.identity:
            # Killed between the move and the second check: it is kept as it is.
            item = item._replace(
                identity=[seen.st_dev, seen.st_ino], attributes=read_attributes(descriptor), privileged=""
            )
            write(place, item)
        if stat.S_ISDIR(seen.st_mode) or seen.st_nlink == 1:
            opened = f"/proc/self/fd/{descriptor}"
            _shut(opened, seen.st_mode)
            if _has_other_names(os.fstat(descriptor)):  # whoever had it open gave it one meanwhile
                os.chown(opened, seen.st_uid, seen.st_gid)
                os.chmod(opened, stat.S_IMODE(seen.st_mode) & 0o777)
            manifest.reached("sealed")
    finally:
        os.close(descriptor)
    return item


def _shut(opened: str | int, mode: int) -> None:
    os.chown(opened, os.geteuid(), os.getegid())
    os.chmod(opened, 0o700 if stat.S_ISDIR(mode) else 0o600)


def _has_other_names(seen: os.stat_result) -> bool:
    return stat.S_ISREG(seen.st_mode) and seen.st_nlink > 1


def unseal(place: int, source: int, item: Item) -> None:
    """Give the content of a folder, `source`, everything back that it had when it was taken into the folder `place`.

    A file with more names was never sealed. What its owner has made of it since is as he wants it.
    """
    content = os.stat(CONTENT, dir_fd=place, follow_symlinks=False)
    is_sealed = not item.shared and (content.st_uid, stat.S_IMODE(content.st_mode)) == (os.geteuid(), 0o600)
    descriptor = open_entry(source, CONTENT)
    try:
        if is_sealed or not _has_other_names(content):
            with ignore_unsupported():
                _shut(descriptor, content.st_mode)  # it may have had more names, and be its user's still
            set_attributes(descriptor, privileges.returned(descriptor, item))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put(source: int, name: str, target: int, new: str) -> None:
    """Rename something without ever replacing a file. Raises OSError (FileExistsError)."""
    if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
        if in_place(target, new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)  # refuses a file, and a directory with content
        return
    try:
        os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        manifest.reached("linked")
        os.unlink(name, dir_fd=source)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP) or in_place(target, new):  # a file system without hard links
            raise
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def in_place(directory: int, name: str) -> bool:
    """Whether there is anything of that name in a directory."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
