"""Files of the host: written whole or not at all, and taken away with the directories that were made for them."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Iterator, List, Sequence, Set  # List: Files has a method `list`

from .reading import LARGEST_FILE as LARGEST_FILE
from .reading import FileReader
from .types import ControlError

STATE_DIRECTORY = "/var/lib/proscribe"
LEDGER = STATE_DIRECTORY + "/directories"

# What every file that Proscribe writes says about itself; the comment marks differ by format. A host does not know what
# the inventory calls it: pasted as it is, the command matches no host, and without --limit it would lift from all.
SIGNED = "Written by Proscribe, rewritten at its next run."  # of every version: files of an earlier one are ours, too
LIFT = "./proscribe lift --limit THIS_HOST"
WRITTEN_BY = f"{SIGNED} To lift it, on the controller: {LIFT}"


class Files(FileReader):
    """The files below a root, to be changed."""

    def write(
        self,
        path: str,
        content: bytes | str,
        mode: int = 0o644,
        owner: Sequence[int] | None = None,
        modified: int | None = None,
    ) -> None:
        """Put a file in place, whole or not at all: written beside, synced, renamed. Raises ControlError.

        Missing directories are made (0755), and remembered so that `delete` can take them away again. `owner` (user and
        group) and `modified` (nanoseconds) are for a file that is given back as it was.
        """
        data = content.encode() if isinstance(content, str) else content
        parent, _, name = path.rpartition("/")
        self.make_directories(parent)
        try:
            with self._directory(parent) as directory:
                self._replace(directory, name, data, mode, owner, modified)
        except OSError as error:
            hint = " (it is a mount point of its own, as in some containers)" if error.errno == errno.EBUSY else ""
            raise ControlError(f"cannot write {path}: {error.strerror}{hint}") from None

    def _replace(
        self,
        directory: int,
        name: str,
        data: bytes,
        mode: int,
        owner: Sequence[int] | None = None,
        modified: int | None = None,
    ) -> None:
        # A leading dot and a tilde keep the half-written file out of every folder of drop-ins but Chromium's. There a
        # file that is not JSON yet is skipped.
        beside = self._beside(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(beside, flags, 0o600, dir_fd=directory)
        try:
            try:
                with open(descriptor, "wb", closefd=False) as stream:
                    stream.write(data)
                if owner is not None:
                    os.fchown(descriptor, *owner)  # before the mode, since it clears the set-id bits
                os.fchmod(descriptor, mode)
                if modified is not None:
                    os.utime(descriptor, ns=(modified, modified))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside, dir_fd=directory)
            raise
        self._sync(directory)

    @staticmethod
    def _beside(name: str) -> str:
        return f".{name}.proscribe~"

    @staticmethod
    def _sync(directory: int) -> None:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def take_over(self, path: str) -> None:
        """Make a directory root's, and let nobody else change it. Raises ControlError."""
        try:
            with self._directory(path) as place:
                directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=place)
            try:
                os.fchown(directory, os.geteuid(), os.getegid())
                os.fchmod(directory, 0o755)
            finally:
                os.close(directory)
        except OSError as error:
            raise ControlError(f"cannot change {path}: {error.strerror}") from None

    def rename(self, path: str, name: str) -> bool:
        """Give a file another name in its directory. False if it is not there: of several who try, one succeeds."""
        parent, _, old = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                os.rename(old, name, src_dir_fd=directory, dst_dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise ControlError(f"cannot rename {path}: {error.strerror}") from None
        return True

    def delete(self, path: str) -> None:
        """Take a file away (nothing happens if it is gone), with what a killed `write` of it left. The directories that
        only Proscribe made and that are empty now go, too. Never follows a link, never takes a directory with something
        in it.
        """
        parent, _, name = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._beside(name), dir_fd=directory)
                os.unlink(name, dir_fd=directory)
                self._sync(directory)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise ControlError(f"cannot delete {path}: {error.strerror}") from None
        self._remove_directories(parent)

    def clear(self, path: str) -> None:
        """Take away what a killed `write` left around a path: as `delete`, but for the entry at the path itself."""
        parent, _, name = path.rpartition("/")
        self.delete(f"{parent}/{self._beside(name)}")

    def unfinished(self, path: str) -> bool:
        """Whether a killed `write` of a path left its beginning beside it."""
        parent, _, name = path.rpartition("/")
        return self.stat(f"{parent}/{self._beside(name)}") is not None

    def traces(self, path: str) -> bool:
        """Whether `delete` would find something to take away: the file, what a killed `write` left of it, or the empty
        directories that were made for it.
        """
        if self.stat(path) or self.unfinished(path):
            return True
        known = self._ledger()
        parent = path.rpartition("/")[0]
        made = parent in known
        while parent and self.stat(parent) is None:
            parent = parent.rpartition("/")[0]
        if parent in known and parent != STATE_DIRECTORY:
            return not self.list(parent)
        if path.rpartition("/")[0] == STATE_DIRECTORY:  # where the ledger lies, which stays as long as it is needed
            return made and self.list(parent) == ["directories"] and not any(map(self.stat, {*known} - {parent}))
        return made  # only the ledger is left of them

    def _ledger(self) -> Set[str]:
        return set((self.text(LEDGER) or "").splitlines())

    def make_directories(self, path: str) -> None:
        """Make the missing directories of a path (0755; below ours root's alone). Each is in the ledger before it is on
        the disk, so that `delete` can take it away again. Raises ControlError and Unseen.
        """
        missing: List[str] = []
        while path and self.stat(path) is None:
            missing.append(path)
            path = path.rpartition("/")[0]
        if not missing:
            return
        if STATE_DIRECTORY in missing:  # the ledger's own home comes first
            self._mkdir(STATE_DIRECTORY)
        else:
            self.make_directories(STATE_DIRECTORY)
        with self._changing_ledger():
            known = self._ledger()
            if not known.issuperset(missing):
                self._write_ledger(known.union(missing))
        for step in reversed(missing):
            self._mkdir(step)

    @contextlib.contextmanager
    def _changing_ledger(self) -> Iterator[None]:
        """Only one process at a time changes the ledger: it would write what another one has just remembered away."""
        from .locking import deadline, locked  # a host is changed seldom, and observed often

        end = deadline()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            try:
                with self._directory(STATE_DIRECTORY) as directory:
                    descriptor = os.open("directories", flags, 0o600, dir_fd=directory)
            except OSError as error:
                raise ControlError(f"cannot write {LEDGER}: {error.strerror}") from None
            try:
                if locked(self, LEDGER, descriptor, end):
                    yield
                    return
            finally:
                os.close(descriptor)

    def _mkdir(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        if self.stat(parent or "/") is None:
            self._mkdir(parent)
        try:
            with self._directory(parent) as directory, contextlib.suppress(FileExistsError):
                mode = 0o700 if path.startswith(f"{STATE_DIRECTORY}/") else 0o755
                os.mkdir(name, mode, dir_fd=directory)
                os.chmod(name, mode, dir_fd=directory)  # whatever the umask
        except OSError as error:
            raise ControlError(f"cannot make the directory {path}: {error.strerror}") from None

    def _write_ledger(self, paths: Set[str]) -> None:
        lines = "".join(f"{path}\n" for path in sorted(paths))
        try:
            with self._directory(STATE_DIRECTORY) as directory:
                self._replace(directory, "directories", lines.encode(), 0o600)
        except OSError as error:
            raise ControlError(f"cannot write {LEDGER}: {error.strerror}") from None

    def _remove_directories(self, path: str) -> None:
        if self.stat(LEDGER) is None:
            return
        with self._changing_ledger():
            known = self._ledger()
            left = set(known)
            while path and path not in left and self.stat(path) is None:
                path = path.rpartition("/")[0]  # a kill came before it was made
            while path in left and path != STATE_DIRECTORY:
                if not self._rmdir(path):
                    break
                left.remove(path)
                path = path.rpartition("/")[0]
            left = {directory for directory in left if self.stat(directory)}  # those below /run go with a reboot
            beside = self._beside("directories")
            if left <= {STATE_DIRECTORY} and set(self.list(STATE_DIRECTORY)) - {beside} == {"directories"}:
                self._delete_ledger(beside)
                self._rmdir(STATE_DIRECTORY)
            elif left != known:
                self._write_ledger(left)

    def _delete_ledger(self, beside: str) -> None:
        try:
            with self._directory(STATE_DIRECTORY) as directory:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(beside, dir_fd=directory)
                os.unlink("directories", dir_fd=directory)
        except OSError as error:
            raise ControlError(f"cannot delete {LEDGER}: {error.strerror}") from None

    def _rmdir(self, path: str) -> bool:
        parent, _, name = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                os.rmdir(name, dir_fd=directory)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True
