"""Out of the quarantine again: each thing as it was, to where it was, and never over what is there now."""

from __future__ import annotations

import contextlib
import errno
import os
from functools import partial

from ....system import ControlError, Host, ObservationError, escape_text
from ....system.directories import remove_entry
from ...base import Action, Changes, Refusal
from . import manifest, privileges
from .completing import complete, copy_over, in_place, is_placed, put, unread, unseal
from .manifest import (
    CONTENT,
    PRUNE,
    RESTORE,
    TAKE,
    Item,
    drop,
    explained,
    folder,
    held,
    hold_of,
    identified,
    items,
    make_hold,
    write,
)
from .moving import README
from .unfinished import HOME, UNFINISHED


def given_back(host: Host) -> Changes:
    """What brings everything in the quarantine back. Raises ControlError."""
    known = items(host)
    latest = {item.path: item.id for item in sorted(known, key=lambda item: item.taken_at)}
    reasons = {item.id: obstacle(host, item) or superseded(host, item, latest[item.path]) for item in known}
    refused = [
        Refusal(f"apps/{service}", escape_text(item.path), reasons[item.id])
        for item in known
        if reasons[item.id]
        for service in item.services or [item.kind]
    ]
    actions = [
        Action("restore", escape_text(item.path), partial(restore, host, item), "", escape_text(item.path) + "\n")
        for item in known
        if not reasons[item.id]
    ]
    refused += (others := unread(host))
    if len(actions) == len(known) and not others and host.has_traces(README):
        actions.append(Action("delete", README, partial(_close, host), host.read_text(README) or ""))
    return Changes(actions, refused, independent=True)


def obstacle(host: Host, item: Item) -> str:
    """Why an item cannot go back now; "" if it can, or if nothing of it is kept: then `restore` only clears up."""
    if not item.path or is_placed(host, item):
        return ""
    parent = item.path.rpartition("/")[0]
    try:
        if not _is_in_quarantine(host, item):
            return ""
        if host.find_entry(item.path):
            return f"something is there now; it is kept as {item.id} in {HOME}"
        directory = host.find_entry(parent or "/")
    except (ObservationError, ControlError) as error:
        return f"{escape_text(str(error))}; it is kept as {item.id} in {HOME}"
    if directory is None:
        owner = f" for {host.find_account(item.parent_owner).name}" if item.parent_owner >= 0 else ""
        return f"{escape_text(parent)} is not there any more; make it{owner}, and restore {item.id} again"
    if why := _foreign(host, directory.st_uid, item):
        return f"{why}; it is kept as {item.id} in {HOME}"
    return ""


def _is_in_quarantine(host: Host, item: Item) -> bool:
    """Whether the quarantine has a copy that stays. It has none where a run was killed before it moved anything."""
    places = [f"{HOME}/{item.id}{UNFINISHED}", *([item.hold] if item.hold else [])]
    begun = item.doing == TAKE and not any(host.find_entry(f"{place}/{CONTENT}") for place in places)
    return not begun and item.doing != PRUNE


def _foreign(host: Host, uid: int, item: Item) -> str:
    """Why an item does not go into a directory of this account: its user may have exchanged it. "" if it may go."""
    if item.parent_owner < 0 or uid in (item.parent_owner, item.attributes.uid):
        return ""
    parent = escape_text(item.path.rpartition("/")[0])
    was, now = host.find_account(item.parent_owner).name, host.find_account(uid).name
    return f"{parent} belongs to {now}, and belonged to {was} when it was taken; give it to {was}, and restore again"


def superseded(host: Host, item: Item, latest: str) -> str:
    """Why an item does not go back although its path is free: another one that was there later does."""
    if not item.at_rest or item.id == latest or is_placed(host, item):
        return ""
    return f"not restored: a later copy, {latest}, goes to that path; this one stays as {item.id} in {HOME}"


def restore(host: Host, item: Item) -> str | None:
    """Restore an item, and go on where an earlier run was cut short: what it came back without, "" for nothing. None
    where it had never moved, or was being deleted for good. Raises ControlError; the item then stays.
    """
    if item.doing in (TAKE, PRUNE):  # an earlier run had begun to take or to delete it
        complete(host, item)
        found = next((known for known in items(host) if known.id == item.id), None)
        if found is None or not found.at_rest:
            return None
        item = found
    with (
        explained(f"cannot restore {escape_text(item.path)}"),
        host.open_directory(item.path.rpartition("/")[0]) as directory,
    ):
        if not is_placed(host, item) and (why := _foreign(host, os.fstat(directory).st_uid, item)):
            raise ControlError(why)
        if host.find_entry(f"{HOME}/{item.id}"):
            manifest.reopen(host, item)
        with folder(host, item) as place:
            if not is_placed(host, item):
                item = item._replace(doing=RESTORE, placed=[])
                write(place, item)
                item = _place(host, item, place, directory)
            with held(host, item) as hold:
                if hold is not None:  # killed between the two halves of `put`
                    remove_entry(hold, CONTENT)
            remove_entry(place, CONTENT)
            manifest.reached("content gone")
        drop(host, item)
        return privileges.lost(directory, item.path.rpartition("/")[2], item)


def _place(host: Host, item: Item, place: int, directory: int) -> Item:
    """Put the content at its path: by one rename, or from a copy on that path's file system."""
    name = item.path.rpartition("/")[2]
    if item.hold:  # what an earlier run copied may be incomplete, or be there no more
        with held(host, item) as hold:
            if hold is not None:
                remove_entry(hold, CONTENT)
    try:
        return _put(item, place, place, directory, name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    parent = item.path.rpartition("/")[0]
    if item.hold != hold_of(parent, item):
        item = item._replace(hold=hold_of(parent, item), hold_identity=[])
    item = item._replace(placed=[])
    write(place, item)
    hold = make_hold(directory, item)
    try:
        item = identified(place, item, hold)
        copy_over(place, hold)
        return _put(item, place, hold, directory, name)
    finally:
        os.close(hold)


def _put(item: Item, place: int, source: int, directory: int, name: str) -> Item:
    if not in_place(source, CONTENT):
        raise ControlError("its content is gone from the quarantine")
    unseal(place, source, item)
    manifest.reached("unsealed")
    seen = os.stat(CONTENT, dir_fd=source, follow_symlinks=False)
    item = item._replace(placed=[seen.st_dev, seen.st_ino])
    write(place, item)
    try:
        put(source, CONTENT, directory, name)
    except FileExistsError:
        raise ControlError("something is there now") from None
    manifest.reached("placed")
    return item


def _close(host: Host) -> None:
    """Take the quarantine away once nothing is in it any more."""
    with contextlib.suppress(ValueError):
        names = host.list_directory(HOME)
        names.remove("README")
        if names:
            raise ControlError(f"{HOME} is left: {', '.join(names)} in it")
    host.delete_file(README)
