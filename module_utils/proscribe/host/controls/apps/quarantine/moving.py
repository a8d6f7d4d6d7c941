"""The quarantine: portable apps are moved out of everybody's reach, and nothing of them is lost.

An item is a folder `<id>` of the quarantine, with `manifest.json` and the file or tree itself, `content`. Until all is
done the folder is called `<id>.unfinished`, and the manifest, written before anything moves, says what was begun: a run
that is killed at any point leaves what the next one completes.

What moves is taken in one rename, by its name in a directory that is held by a descriptor. It is checked again where
only root can reach it. Users may swap links and directories under our feet. Then something of theirs has moved that
they could have moved themselves, and it is moved back. Where the quarantine is on another file system, the thing is
first moved into a root-only folder on its own one (`hold`). So it is copied, compared and removed undisturbed.
"""

from __future__ import annotations

import errno
import os
import time
from functools import partial
from typing import Callable, Iterator, Sequence

from .....base.moments import format_timestamp
from .....base.tuples import NamedTuple
from .....model.quarantined import QUARANTINE_VERB, format_moved_suffix
from ....system import LIFT_COMMAND, STATE_DIRECTORY, WRITTEN_BY, ControlError, Host, ObservationError, escape_text
from ....system.directories import measure_disk_usage, open_entry
from ....system.file_attributes import read_attributes
from ....system.mounts import explain_not_entered, find_user_mount_type, read_mounts
from ....system.types import summarise_reasons
from ...base import Action
from .. import protected
from . import capacity, manifest, privileges
from .completing import complete, put
from .manifest import CONTENT, Item, drop, explained, folder, held, hold_of, identified, make_hold, write
from .unfinished import HOME

README = HOME + "/README"

SAID = f"""{WRITTEN_BY}

Copies of restricted programs, moved here from where they stood; each folder's manifest.json says from where.
On the controller, with this host's name in the inventory for THIS_HOST:
To see them:                ./proscribe quarantine list --host THIS_HOST
To bring one back:          ./proscribe quarantine restore --host THIS_HOST --id NAME_OF_ITS_FOLDER
To bring all of them back, and lift the ban:  {LIFT_COMMAND} --tags apps

Each is kept until the time in its manifest (kept_until); the first enforcing run after that takes it away for good.
"""


class Taking(NamedTuple):
    """What is to be taken, and what has to be so that it may."""

    path: str
    services: list[str]
    kind: str
    # What of it goes, by path, the program first; nothing else of it moves. Empty: the whole.
    parts: Sequence[str] = ()
    # Asked again of what was moved, where only root reaches it: the door to there and the path of the thing behind it,
    # and the path that it had. Why it is not what was seen; "" if it is.
    doubt: Callable[[Host, str, str], str] | None = None
    keep: int = 0  # seconds; 0 for ever
    identity: tuple[int, int] | None = None  # device and inode; anything else that is there by then is left alone


def take(host: Host, one: Taking) -> Action:
    """What moves a file or a tree, or some parts of it, into the quarantine."""
    paths = one.parts or [one.path]
    return Action(
        QUARANTINE_VERB,
        escape_text(one.path),
        partial(_take_all, host, one),
        "".join(f"{escape_text(path)}\n" for path in paths),
    )


def refusal(host: Host, path: str) -> str:
    """Why a path is never taken; "" if it may be."""
    if why := protected.path(path, [user.home for user in host.list_users()]):
        return f"never taken: {why}"
    try:
        table = read_mounts(host)
    except (ObservationError, ControlError):
        return ""
    if kind := find_user_mount_type(path, table):  # mounted since it was observed: whoever enters it may wait for ever
        return explain_not_entered(escape_text(path), kind)
    inside = [mount for mount in table if f"{mount}/".startswith(f"{path}/")]
    return f"a file system is mounted in it, at {escape_text(inside[0])}" if inside else ""


def _take_all(host: Host, one: Taking) -> str:
    """Each part by itself: one that fails leaves the others worth taking. Says under which id it is kept; "" where
    nothing moved, since its owner was faster.
    """
    paths = one.parts or [one.path]
    if why := refusal(host, paths[0]) or capacity.lacking(host, paths):
        raise ControlError(why)
    group = ""  # the first id; what has no parts is alone
    failed: list[str] = []
    for path in paths:
        try:
            taken = _take(host, one, path, group)
            group = group or taken
        except ControlError as error:
            failed.append(str(error))
    if failed:
        rest = f"; the rest was moved {format_moved_suffix(group)}" if group else ""
        raise ControlError(summarise_reasons(failed) + rest)
    return format_moved_suffix(group) if group else ""


def _take(host: Host, one: Taking, path: str, group: str) -> str:
    """Take one thing. Its id, "" if nothing was there. `group` is the id of the part that was taken first, "" before
    that. Raises ControlError.
    """
    if why := refusal(host, path):
        raise ControlError(why)
    parent, _, name = path.rpartition("/")
    with explained(f"cannot take {escape_text(path)}"), host.open_directory(parent) as directory:
        try:
            descriptor = open_entry(directory, name)
        except FileNotFoundError:
            return ""  # its owner was faster
        try:
            seen = os.fstat(descriptor)
            if one.identity and (seen.st_dev, seen.st_ino) != one.identity:
                raise ControlError("something else is there by now; the next run checks again")
            privileged = privileges.sum_before(descriptor)  # before the attributes; see there
            id_ = f"{one.services[0] if one.services else one.kind}-{os.urandom(4).hex()}"
            item = Item(
                id=id_,
                path=path,
                services=one.services,
                kind=one.kind,
                taken_at=format_timestamp(time.time()),
                owner=host.find_account(seen.st_uid).name,
                identity=[seen.st_dev, seen.st_ino],
                attributes=read_attributes(descriptor),
                group=group or (id_ if one.parts else ""),
                kept_until=capacity.until(one.keep),
                whole=one.path if one.parts else "",
                parent_owner=os.fstat(directory).st_uid,
                privileged=privileged,
            )
            _open_quarantine(host)
            with folder(host, item, make=True) as place:
                write(place, item)
                try:
                    item = _move_in(host, item, directory, name, place)
                except (OSError, ControlError):
                    drop(host, item)  # it did not move
                    raise
                if why := _not_what_was_seen(host, item, place, one):
                    _put_back(host, item, directory, name, place)
                    raise ControlError(f"{why}; the next run checks again")
        finally:
            os.close(descriptor)
    complete(host, item)
    return id_


def _not_what_was_seen(host: Host, item: Item, place: int, one: Taking) -> str:
    """Why what was moved is not what was to be taken; "" if it is."""
    if _identity(place, CONTENT, host, item) != item.identity:
        return "it was exchanged while it was being taken"
    if one.doubt is None:
        return ""
    with held(host, item) as hold:
        try:
            return one.doubt(Host(f"/proc/self/fd/{place if hold is None else hold}"), f"/{CONTENT}", item.path)
        except ObservationError as unseen:
            return str(unseen)
        except ControlError as error:
            return str(error)


def _move_in(host: Host, item: Item, directory: int, name: str, place: int) -> Item:
    """Move the entry of a name into the item's folder, or into a folder on its own file system."""
    try:
        os.rename(name, CONTENT, src_dir_fd=directory, dst_dir_fd=place)
        manifest.reached("moved")
        return item
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    with host.open_directory(HOME) as home:
        if why := capacity.too_much(measure_disk_usage(directory, name, capacity.MOST_FILES), os.fstatvfs(home)):
            raise ControlError(why)
    for parent in _ancestors(item.path):
        item = item._replace(hold=hold_of(parent, item), hold_identity=[])
        write(place, item)
        with host.open_directory(parent) as above:
            hold = make_hold(above, item)
            try:
                item = identified(place, item, hold)
                os.rename(name, CONTENT, src_dir_fd=directory, dst_dir_fd=hold)
                manifest.reached("moved")
                return item
            except OSError as error:
                os.rmdir(manifest.HOLD + item.id, dir_fd=above)
                if error.errno != errno.EXDEV:
                    raise
            finally:
                os.close(hold)
    raise ControlError("its file system cannot move it in one step (the lower layer of an overlay)")


def _ancestors(path: str) -> Iterator[str]:
    """The directories above a path, the highest first: there a user can do least to a folder of ours."""
    steps = path.split("/")[1:-1]
    for count in range(len(steps) + 1):
        yield "".join(f"/{step}" for step in steps[:count])


def _identity(place: int, name: str, host: Host, item: Item) -> list[int]:
    with held(host, item) as hold:
        seen = os.stat(name, dir_fd=place if hold is None else hold, follow_symlinks=False)
    return [seen.st_dev, seen.st_ino]


def _put_back(host: Host, item: Item, directory: int, name: str, place: int) -> None:
    """What was moved instead of the app goes back to its name, unless something is there again."""
    with held(host, item) as hold:
        try:
            put(place if hold is None else hold, CONTENT, directory, name)
        except OSError:
            return  # it stays in the quarantine, from where it can be restored
        manifest.reached("returned")
    drop(host, item)


def _open_quarantine(host: Host) -> None:
    if host.read_text(README) != SAID:
        host.write_file(README, SAID, 0o600)
        with host.open_directory(STATE_DIRECTORY) as state:
            os.chmod("quarantine", 0o700, dir_fd=state)
