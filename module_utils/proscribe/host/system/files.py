"""Functions that write a file in one step, and delete a file with the directories that were made for it."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Iterator, List, Sequence, Set

from .file_reader import MAX_FILE_BYTES as MAX_FILE_BYTES
from .file_reader import FileReader
from .types import ControlError

STATE_DIRECTORY = "/var/lib/proscribe"
LEDGER_PATH = STATE_DIRECTORY + "/directories"

# Note in every file that Proscribe writes; the comment marks differ by format. A host does not know its name in the
# inventory. So the command has the placeholder THIS_HOST, which matches no host. A command without --limit would remove
# Proscribe from all hosts.
SIGNATURE = (
    # Never change this text: files that an earlier version wrote are recognised by it.
    "Written by Proscribe, rewritten at its next run."
)
LIFT_COMMAND = "./proscribe lift --limit THIS_HOST"
WRITTEN_BY = f"{SIGNATURE} To lift it, on the controller: {LIFT_COMMAND}"


class Files(FileReader):
    """Reader and writer of the files below `root`."""

    def write_file(
        self,
        path: str,
        content: bytes | str,
        mode: int = 0o644,
        owner: Sequence[int] | None = None,
        modified_ns: int | None = None,
    ) -> None:
        """Write a file in one step: another program sees the old or the new content. Raises ControlError.

        The content is written to a temporary file beside the file, synced to the disk, and renamed. Missing directories
        are made (0755). The ledger, a list in Proscribe's state directory, names them, so that `delete_file` can remove
        them again. `owner` (user and group number) and `modified_ns` (nanoseconds) serve to restore a file as it was.
        None leaves them to the system.
        """
        data = content.encode() if isinstance(content, str) else content
        parent, _, name = path.rpartition("/")
        self.make_directories(parent)
        try:
            with self._use_directory(parent) as directory:
                self._replace_file(directory, name, data, mode, owner, modified_ns)
        except OSError as error:
            hint = " (it is a mount point of its own, as in some containers)" if error.errno == errno.EBUSY else ""
            raise ControlError(f"cannot write {path}: {error.strerror}{hint}") from None

    def _replace_file(
        self,
        directory: int,
        name: str,
        data: bytes,
        mode: int,
        owner: Sequence[int] | None = None,
        modified_ns: int | None = None,
    ) -> None:
        """Write `data` to a temporary file in the open directory, and rename the file to `name`.

        The other parameters are those of `write_file`. Raises OSError.
        """
        # Programs that read all files of a directory ignore a name with a leading dot or a tilde. Chromium reads it,
        # but skips a file that is not complete JSON.
        temporary_name = self._make_temporary_name(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary_name, dir_fd=directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(temporary_name, flags, 0o600, dir_fd=directory)
        try:
            try:
                with open(descriptor, "wb", closefd=False) as stream:
                    stream.write(data)
                if owner is not None:
                    # before the mode is set, because a change of owner clears the set-user-id bits
                    os.fchown(descriptor, *owner)
                os.fchmod(descriptor, mode)
                if modified_ns is not None:
                    os.utime(descriptor, ns=(modified_ns, modified_ns))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary_name, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary_name, dir_fd=directory)
            raise
        self._sync_directory(directory)

    @staticmethod
    def _make_temporary_name(name: str) -> str:
        return f".{name}.proscribe~"

    @staticmethod
    def _sync_directory(directory: int) -> None:
        """Write the entries of an open directory to the disk, so that a rename survives a crash."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def take_ownership(self, path: str) -> None:
        """Make root the owner of a directory, and let no other user change it. Raises ControlError."""
        try:
            with self._use_directory(path) as path_descriptor:
                directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=path_descriptor)
            try:
                os.fchown(directory, os.geteuid(), os.getegid())
                os.fchmod(directory, 0o755)
            finally:
                os.close(directory)
        except OSError as error:
            raise ControlError(f"cannot change {path}: {error.strerror}") from None

    def rename_file(self, path: str, name: str) -> bool:
        """Rename a file within its directory. Return False if the file is missing.

        If several processes try to rename a file, exactly one succeeds. Raises ControlError.
        """
        parent, _, old_name = path.rpartition("/")
        try:
            with self._use_directory(parent) as directory:
                os.rename(old_name, name, src_dir_fd=directory, dst_dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise ControlError(f"cannot rename {path}: {error.strerror}") from None
        return True

    def delete_file(self, path: str) -> None:
        """Delete a file, and its temporary file if a `write_file` was killed. A missing file is no error.

        Directories that only Proscribe made, and that are now empty, are removed too. No link is ever followed. Raises
        ControlError.
        """
        parent, _, name = path.rpartition("/")
        try:
            with self._use_directory(parent) as directory:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._make_temporary_name(name), dir_fd=directory)
                os.unlink(name, dir_fd=directory)
                self._sync_directory(directory)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise ControlError(f"cannot delete {path}: {error.strerror}") from None
        self._remove_directories(parent)

    def clear_unfinished_write(self, path: str) -> None:
        """Delete the temporary file of a killed `write_file`, but not the file at `path` itself.

        Empty directories are removed as by `delete_file`.
        """
        parent, _, name = path.rpartition("/")
        self.delete_file(f"{parent}/{self._make_temporary_name(name)}")

    def has_unfinished_write(self, path: str) -> bool:
        """Return whether a killed `write_file` left a temporary file beside `path`."""
        parent, _, name = path.rpartition("/")
        return self.find_entry(f"{parent}/{self._make_temporary_name(name)}") is not None

    def has_traces(self, path: str) -> bool:
        """Return whether `delete_file` would remove anything for a path.

        That is the file, the temporary file of a killed `write_file`, or empty directories that were made for the file.
        """
        if self.find_entry(path) or self.has_unfinished_write(path):
            return True
        ledger = self._read_ledger()
        parent = path.rpartition("/")[0]
        is_parent_made = parent in ledger
        # from here on, `parent` is the lowest directory above the file that exists
        while parent and self.find_entry(parent) is None:
            parent = parent.rpartition("/")[0]
        if parent in ledger and parent != STATE_DIRECTORY:
            return not self.list_directory(parent)
        # The ledger is in this directory, so the directory is never empty. Both are removed if nothing else is in the
        # directory, and no other directory of the ledger exists.
        if path.rpartition("/")[0] == STATE_DIRECTORY:
            return (
                is_parent_made
                and self.list_directory(parent) == ["directories"]
                and not any(map(self.find_entry, {*ledger} - {parent}))
            )
        return is_parent_made  # the parent directory is gone, but the ledger may still name it

    def _read_ledger(self) -> Set[str]:
        """Return the paths in the ledger: the directories that Proscribe has made on this host."""
        return set((self.read_text(LEDGER_PATH) or "").splitlines())

    def make_directories(self, path: str) -> None:
        """Make the missing directories of a path: mode 0755, below Proscribe's state directory 0700.

        The ledger names each directory before it is made, so that `delete_file` can remove it even after a kill. Raises
        ControlError and ObservationError.
        """
        missing: List[str] = []
        while path and self.find_entry(path) is None:
            missing.append(path)
            path = path.rpartition("/")[0]
        if not missing:
            return
        if STATE_DIRECTORY in missing:  # the ledger can only be written once its directory exists
            self._make_directory(STATE_DIRECTORY)
        else:
            self.make_directories(STATE_DIRECTORY)
        with self._lock_ledger():
            ledger = self._read_ledger()
            if not ledger.issuperset(missing):
                self._write_ledger(ledger.union(missing))
        for directory in reversed(missing):
            self._make_directory(directory)

    @contextlib.contextmanager
    def _lock_ledger(self) -> Iterator[None]:
        """Lock the ledger of directories while the `with` body runs.

        Otherwise two processes could overwrite each other's lines. Raises ControlError and ObservationError.
        """
        # Imported here: most runs only observe, and need no lock.
        from .file_locks import lock_file, make_deadline

        lock_deadline = make_deadline()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            try:
                with self._use_directory(STATE_DIRECTORY) as directory:
                    descriptor = os.open("directories", flags, 0o600, dir_fd=directory)
            except OSError as error:
                raise ControlError(f"cannot write {LEDGER_PATH}: {error.strerror}") from None
            try:
                if lock_file(self, LEDGER_PATH, descriptor, lock_deadline):
                    yield
                    return
            finally:
                os.close(descriptor)

    def _make_directory(self, path: str) -> None:
        """Make a directory and its missing parents. Raises ControlError. An existing directory is no error."""
        parent, _, name = path.rpartition("/")
        if self.find_entry(parent or "/") is None:
            self._make_directory(parent)
        try:
            with self._use_directory(parent) as directory, contextlib.suppress(FileExistsError):
                mode = 0o700 if path.startswith(f"{STATE_DIRECTORY}/") else 0o755
                os.mkdir(name, mode, dir_fd=directory)
                os.chmod(name, mode, dir_fd=directory)  # independent of the umask
        except OSError as error:
            raise ControlError(f"cannot make the directory {path}: {error.strerror}") from None

    def _write_ledger(self, paths: Set[str]) -> None:
        """Replace the content of the ledger by these paths. Raises ControlError."""
        lines = "".join(f"{path}\n" for path in sorted(paths))
        try:
            with self._use_directory(STATE_DIRECTORY) as directory:
                self._replace_file(directory, "directories", lines.encode(), 0o600)
        except OSError as error:
            raise ControlError(f"cannot write {LEDGER_PATH}: {error.strerror}") from None

    def _remove_directories(self, path: str) -> None:
        """Remove a directory and its parents if they are empty and in the ledger; update the ledger.

        The ledger and the state directory are removed last, when nothing else is in them.
        """
        if self.find_entry(LEDGER_PATH) is None:
            return
        with self._lock_ledger():
            ledger = self._read_ledger()
            remaining = set(ledger)
            while path and path not in remaining and self.find_entry(path) is None:
                path = path.rpartition("/")[0]  # an earlier run was killed before it made this directory
            while path in remaining and path != STATE_DIRECTORY:
                if not self._remove_directory(path):
                    break
                remaining.remove(path)
                path = path.rpartition("/")[0]
            # Forget directories that no longer exist: a reboot empties /run.
            remaining = {directory for directory in remaining if self.find_entry(directory)}
            temporary_name = self._make_temporary_name("directories")
            if remaining <= {STATE_DIRECTORY} and set(self.list_directory(STATE_DIRECTORY)) - {temporary_name} == {
                "directories"
            }:
                self._delete_ledger(temporary_name)
                self._remove_directory(STATE_DIRECTORY)
            elif remaining != ledger:
                self._write_ledger(remaining)

    def _delete_ledger(self, temporary_name: str) -> None:
        """Delete the ledger, and its temporary file if a write was killed. Raises ControlError."""
        try:
            with self._use_directory(STATE_DIRECTORY) as directory:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary_name, dir_fd=directory)
                os.unlink("directories", dir_fd=directory)
        except OSError as error:
            raise ControlError(f"cannot delete {LEDGER_PATH}: {error.strerror}") from None

    def _remove_directory(self, path: str) -> bool:
        """Remove an empty directory. Return whether it is gone now; False if it has content."""
        parent, _, name = path.rpartition("/")
        try:
            with self._use_directory(parent) as directory:
                os.rmdir(name, dir_fd=directory)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True
