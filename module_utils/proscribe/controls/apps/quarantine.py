"""The quarantine: portable copies are moved out of everybody's reach, and nothing of them is lost.

An item is a folder `<id>` of the quarantine, with `manifest.json` and the file or tree itself, `content`. Until all is
done the folder is called `<id>.unfinished`, and the manifest, written before anything moves, says what was begun: a run
that is killed at any point leaves what the next one completes.

What moves is taken by its name in a directory that is held by a descriptor, in one rename, and looked at again where
only root can reach it. Users may swap links and directories under our feet: then something of theirs has moved that
they could have moved themselves, and it is put back. Where the quarantine is on another file system, the copy is first
moved into a root-only folder on its own one (`hold`), so that it is copied, compared and removed undisturbed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from functools import partial
from typing import Iterator, Sequence

from ...host import STATE_DIRECTORY, WRITTEN_BY, ControlError, Host, Unseen, escaped
from ...host.trees import attributes, copy, give_attributes, open_entry, remove, sum_up
from ..base import Action
from . import guarded, manifest
from .manifest import RESTORE, Item, begun, drop, drop_hold, folder, held, hold_of, make_hold, told, write
from .unfinished import HOME, UNFINISHED

README = HOME + "/README"
CONTENT, COPYING = "content", "copying"

SAID = f"""{WRITTEN_BY}

Copies of restricted programs, moved here from where they stood; each folder's manifest.json says from where.
To bring all of them back:  ./proscribe lift --tags apps
To bring one back:          ./proscribe lift --tags apps -e proscribe_restore=<name of its folder>
"""


def take(host: Host, path: str, services: Sequence[str], kind: str, identity: tuple[int, int] | None = None) -> Action:
    """What moves a file or a tree into the quarantine. `identity` is the device and the inode that were seen there;
    anything else that stands there by then is left alone.
    """
    return Action(
        "quarantine",
        escaped(path),
        partial(_take, host, path, list(services), kind, identity),
        escaped(path) + "\n",
    )


def refusal(host: Host, path: str) -> str:
    """Why a path is never taken; "" if it may be."""
    if why := guarded.path(path, [user.home for user in host.users()]):
        return f"never taken: {why}"
    try:
        mounts = [line.split(" ")[4] for line in (host.text("/proc/self/mountinfo") or "").splitlines()]
    except (Unseen, ControlError):
        mounts = []
    inside = [mount for mount in map(_unescaped, mounts) if f"{mount}/".startswith(f"{path}/")]
    return f"a file system is mounted in it, at {inside[0]}" if inside else ""


def _unescaped(mount: str) -> str:
    """A mount point without the escapes of mountinfo (proc_pid_mountinfo(5))."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        mount = mount.replace(code, chr(int(code[1:], 8)))
    return mount


def _take(host: Host, path: str, services: list[str], kind: str, identity: tuple[int, int] | None) -> None:
    if why := refusal(host, path):
        raise ControlError(why)
    parent, _, name = path.rpartition("/")
    with told(f"cannot take {escaped(path)}"), host.directory(parent) as directory:
        try:
            descriptor = open_entry(directory, name)
        except FileNotFoundError:
            return  # its owner was faster
        try:
            seen = os.fstat(descriptor)
            if identity and (seen.st_dev, seen.st_ino) != identity:
                raise ControlError("something else stands there by now; the next run looks again")
            item = Item(
                id=f"{services[0] if services else kind}-{os.urandom(4).hex()}",
                path=path,
                services=services,
                kind=kind,
                taken_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                owner=host.account(seen.st_uid).name,
                identity=[seen.st_dev, seen.st_ino],
                attributes=attributes(descriptor),
            )
            _open_quarantine(host)
            with folder(host, item, make=True) as place:
                write(place, item)
                try:
                    item = _move_in(host, item, directory, name, place)
                except (OSError, ControlError):
                    drop(host, item)  # it did not move
                    raise
                if _identity(place, CONTENT, host, item) != item.identity:
                    _put_back(host, item, directory, name, place)
                    raise ControlError("it was exchanged while it was being taken; the next run looks again")
        finally:
            os.close(descriptor)
    complete(host, item)


def _move_in(host: Host, item: Item, directory: int, name: str, place: int) -> Item:
    """Move what stands at a name into the item's folder, or into a folder on its own file system."""
    try:
        os.rename(name, CONTENT, src_dir_fd=directory, dst_dir_fd=place)
        manifest.reached("moved")
        return item
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    for parent in _ancestors(item.path):
        item = item._replace(hold=hold_of(parent, item))
        write(place, item)
        with host.directory(parent) as above:
            hold = make_hold(above, item)
            try:
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
    """What was moved in place of the copy goes back to its name, unless something stands there again."""
    with held(host, item) as hold:
        try:
            put(place if hold is None else hold, CONTENT, directory, name)
        except OSError:
            return  # it stays in the quarantine, from where it can be restored
        manifest.reached("put back")
    drop(host, item)


def put(source: int, name: str, target: int, new: str) -> None:
    """Rename something without ever replacing a file that stands there. Raises OSError (FileExistsError)."""
    if stat.S_ISDIR(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
        if stands(target, new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)  # refuses a file, and a directory with content
        return
    try:
        os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        manifest.reached("linked")
        os.unlink(name, dir_fd=source)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP) or stands(target, new):  # a file system without hard links
            raise
        os.rename(name, new, src_dir_fd=source, dst_dir_fd=target)


def stands(directory: int, name: str) -> bool:
    """Whether there is anything of that name in a directory."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _open_quarantine(host: Host) -> None:
    if host.text(README) != SAID:
        host.write(README, SAID, 0o600)
        with host.directory(STATE_DIRECTORY) as state:
            os.chmod("quarantine", 0o700, dir_fd=state)


# -- what every run completes ----------------------------------------------------------------------------------------


def unfinished(host: Host) -> list[Action]:
    """What completes the moves that an earlier run could not, or did not live to, complete."""
    return [
        Action("complete", f"{item.id} ({escaped(item.path)})", partial(complete, host, item)) for item in begun(host)
    ]


def complete(host: Host, item: Item) -> None:
    """Bring a begun move to its end. One out of the quarantine that did not come to that is taken back into it.

    Raises ControlError; whatever happens, the content stays in one place at least.
    """
    with told(f"cannot keep {escaped(item.path)} in the quarantine"):
        with folder(host, item) as place:
            if item.doing == RESTORE:
                _take_back(host, item, place)
            moved = _gather(host, item, place)
        if not moved:
            drop(host, item)
            return
        with host.directory(HOME) as home:
            os.rename(item.id + UNFINISHED, item.id, src_dir_fd=home, dst_dir_fd=home)
        manifest.reached("kept")


def _gather(host: Host, item: Item, place: int) -> bool:
    """Bring the content into the item's folder, with all that is known of it; False if nothing was ever moved."""
    remove(place, COPYING)
    with held(host, item) as hold:
        moved = stands(place, CONTENT)
        copied = moved and bool(item.hold)
        if not moved and hold is not None and stands(hold, CONTENT):
            item = _seal(hold, item, original=True)
            copy_over(hold, place)
            moved = copied = True
        if moved and hold is not None:
            remove(hold, CONTENT)
            manifest.reached("original gone")
        if hold is not None:
            remove(hold, COPYING)
    drop_hold(host, item)
    if moved:
        item = _seal(place, item, original=not copied)
        with contextlib.suppress(ControlError):  # too deep to be read: it is kept all the same
            item = item._replace(**sum_up(place, CONTENT)._asdict())
        write(place, item._replace(doing="", hold="", placed=[], kept=True))
    return moved


def _take_back(host: Host, item: Item, place: int) -> None:
    """A restoring that was cut short: what is at its place already goes from the quarantine, all else stays in it."""
    placed = is_placed(host, item)
    with held(host, item) as hold:
        if hold is not None and (placed or stands(place, CONTENT)):
            remove(hold, CONTENT)
    if placed:
        remove(place, CONTENT)


def is_placed(host: Host, item: Item) -> bool:
    """Whether what a restoring was about to put at its path stands there. Where a user has put a link in between, it
    does not: then the quarantine keeps it.
    """
    try:
        seen = host.stat(item.path)
    except (Unseen, ControlError):
        return False
    return seen is not None and [seen.st_dev, seen.st_ino] == item.placed


def copy_over(source: int, target: int) -> None:
    """Copy the content of one folder to another one, and compare. Raises OSError, and ControlError if they differ."""
    remove(target, COPYING)
    try:
        copy(source, CONTENT, target, COPYING)
        manifest.reached("copied")
        was, now = sum_up(source, CONTENT), sum_up(target, COPYING)
    except (OSError, ControlError):
        with contextlib.suppress(OSError, ControlError):
            remove(target, COPYING)  # the disk may be full
        raise
    if was.sha256 != now.sha256:
        raise ControlError("its copy is not the same; both are left where they are")
    os.rename(COPYING, CONTENT, src_dir_fd=target, dst_dir_fd=target)
    manifest.reached("compared")


def _seal(place: int, item: Item, original: bool) -> Item:
    """Shut out whoever still stands in the tree, or holds the file open. The manifest knows what it was before.

    A file with more names is left as it is: those names are not ours to change.
    """
    descriptor = open_entry(place, CONTENT)
    try:
        seen = os.fstat(descriptor)
        if original and not item.kept and [seen.st_dev, seen.st_ino] != item.identity:
            # Killed between the move and the second look: it is kept as what it is.
            item = item._replace(identity=[seen.st_dev, seen.st_ino], attributes=attributes(descriptor))
            write(place, item)
        if stat.S_ISDIR(seen.st_mode) or seen.st_nlink == 1:
            os.chown(descriptor, os.geteuid(), os.getegid())
            os.chmod(descriptor, 0o700 if stat.S_ISDIR(seen.st_mode) else 0o600)
            manifest.reached("sealed")
    finally:
        os.close(descriptor)
    return item


def unseal(place: int, name: str, item: Item) -> None:
    """Give what stands at a name everything back that it had when it was taken."""
    descriptor = open_entry(place, name)
    try:
        give_attributes(descriptor, item.attributes)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
