"""Files of the host: read without following a link that a user could have made, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Iterator, List, Pattern, Sequence  # List: Files has a method `list`

from .words import ControlError, Unseen

STATE_DIRECTORY = "/var/lib/proscribe"
LEDGER = STATE_DIRECTORY + "/directories"
LARGEST_FILE = 64 * 1024 * 1024  # bytes; more than any file that a control has a reason to read whole
PIECE = 256 * 1024  # bytes read at a time
SEARCHED = 4 * 1024 * 1024  # and searched at a time

# What every file that Proscribe writes says about itself; the comment marks differ by format.
WRITTEN_BY = "Written by Proscribe, rewritten at its next run. To lift the ban on this host: ./proscribe lift"


class Files:
    """The files below `root` ("/" but in tests)."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    @property
    def privileged(self) -> bool:
        return os.geteuid() == 0

    # -- looking -------------------------------------------------------------------------------------------------------

    def _real(self, path: str) -> str:
        return self.root.rstrip("/") + path

    def _open_directory(self, path: str) -> int:
        """Open a directory of the host step by step; a link on the way counts only if root made it.

        The descriptor is a place to start from (O_PATH): an ordinary user may pass through directories that he may not
        list. Raises OSError, or ControlError for a link that a user made.
        """
        descriptor = os.open(self.root, os.O_PATH | os.O_DIRECTORY)
        walked = ""
        try:
            for name in path.split("/"):
                if not name:
                    continue
                walked += "/" + name
                flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
                try:
                    step = os.open(name, flags, dir_fd=descriptor)
                except OSError as error:
                    if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                        raise
                    link = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if not stat.S_ISLNK(link.st_mode):
                        raise
                    if link.st_uid != 0:
                        raise ControlError(f"{walked} is a link that uid {link.st_uid} made: not followed") from None
                    step = os.open(name, flags & ~os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = step
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @contextlib.contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        descriptor = self._open_directory(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def directory(self, path: str) -> contextlib.AbstractContextManager[int]:
        """The descriptor of a directory (O_PATH), for what is done by name in it whatever users do to its path.

        Raises OSError, and ControlError for a link on the way that a user made.
        """
        return self._directory(path)

    def stat(self, path: str) -> os.stat_result | None:
        """What stands at a path (a link is itself, never its target); None if nothing does. Raises Unseen."""
        parent, _, name = path.rstrip("/").rpartition("/")
        try:
            with self._directory(parent) as directory:
                return os.stat(name or ".", dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unseen(path, error) from None

    def _unseen(self, path: str, error: OSError) -> Unseen:
        if isinstance(error, PermissionError) and not self.privileged:
            return Unseen(f"{path} can only be read by root")
        return Unseen(f"{path} cannot be read: {error.strerror}")  # root too: a dead network mount, a user's own FUSE

    def list(self, path: str) -> List[str]:
        """The names in a directory, sorted; none if it is not there. Raises Unseen."""
        try:
            with self._directory(path) as directory:
                listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
            try:
                return sorted(os.listdir(listed))
            finally:
                os.close(listed)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._unseen(path, error) from None

    def read(self, path: str, limit: int = LARGEST_FILE) -> bytes | None:
        """A regular file's content; None if there is none. Raises Unseen, or ControlError: not regular, or too big.

        A link at the end counts only if root made it (/etc/resolv.conf and /etc/os-release are such).
        """
        descriptor = self._open_file(path)
        if descriptor is None:
            return None
        # In pieces: some files of /proc cannot be read into a buffer as large as the limit.
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            content = b""
            while len(content) <= limit and (piece := stream.read(PIECE)):
                content += piece
        if len(content) > limit:
            raise ControlError(f"{path} is larger than {limit} bytes")
        return content

    def head(self, path: str, size: int) -> bytes:
        """The first bytes of a regular file of any size, as many as it has of `size`; b"" if there is none. Raises as
        `read`.
        """
        descriptor = self._open_file(path)
        if descriptor is None:
            return b""
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            return stream.read(size)

    def _open_file(self, path: str) -> int | None:
        """The descriptor of a regular file, opened for reading; None if there is none."""
        parent, _, name = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
                follow = stat.S_ISLNK(seen.st_mode) and seen.st_uid == 0
                flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
                descriptor = os.open(name, flags, dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise self._unseen(path, error) from None
        except OSError as error:
            raise ControlError(f"cannot read {path}: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ControlError(f"{path} is not a regular file")
        return descriptor

    def search(self, path: str, pattern: Pattern[bytes], longest: int = 256) -> List[bytes]:
        """What a pattern finds in a file of any size, each match once. A match is at most `longest` bytes long.

        Raises as `read`. Nothing is mapped into memory: a file that shrinks meanwhile would end the run.
        """
        descriptor = self._open_file(path)
        if descriptor is None:
            return []
        found: dict[bytes, None] = {}
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            rest = b""
            while piece := stream.read(SEARCHED):
                found.update(dict.fromkeys(match[0] for match in pattern.finditer(rest + piece)))
                rest = piece[-longest:]
        return list(found)

    def target(self, path: str) -> str:
        """Where the links at a path lead that root made, as a path of the host; the path itself if it is no link.

        Raises Unseen, and ControlError for a link that a user made.
        """
        for _ in range(16):  # alternatives are chains of three; more than this is a loop
            seen = self.stat(path)
            if seen is None or not stat.S_ISLNK(seen.st_mode):
                break
            if seen.st_uid != 0:
                raise ControlError(f"{path} is a link that uid {seen.st_uid} made: not followed")
            with self._directory(path.rpartition("/")[0]) as directory:
                to = os.readlink(path.rpartition("/")[2], dir_fd=directory)
            path = os.path.normpath(os.path.join(path.rpartition("/")[0], to))
        return path

    def text(self, path: str) -> str | None:
        """A file as text (UTF-8, what is not replaced by U+FFFD); None if it is not there."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "replace")

    # -- changing ------------------------------------------------------------------------------------------------------

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
        self._make_directories(parent)
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
        # A leading dot and a tilde keep the half-written file out of every folder of drop-ins but Chromium's, and there
        # a file that is not JSON yet is skipped.
        beside = self._beside(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(beside, flags, 0o600, dir_fd=directory)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                if owner is not None:
                    os.fchown(descriptor, *owner)  # before the mode, since it clears the set-id bits
                os.fchmod(descriptor, mode)
                if modified is not None:
                    os.utime(descriptor, ns=(modified, modified))
                os.fsync(descriptor)
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
        """Take a file away (nothing happens if it is gone), with what a killed `write` of it left, and with the
        directories that only Proscribe made and that are empty now. Never follows a link, never takes a directory with
        something in it.
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
        """Take away what a killed `write` left around a path: as `delete`, but for what stands at the path itself."""
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

    def _ledger(self) -> List[str]:
        return (self.text(LEDGER) or "").splitlines()

    def _make_directories(self, path: str) -> None:
        """Make the missing directories of a path; each is in the ledger before it is on the disk."""
        missing: List[str] = []
        while path and self.stat(path) is None:
            missing.append(path)
            path = path.rpartition("/")[0]
        if not missing:
            return
        known = self._ledger()
        if path_is_new := [step for step in missing if step not in known]:
            if STATE_DIRECTORY in path_is_new:  # the ledger's own home comes first
                self._mkdir(STATE_DIRECTORY)
            else:
                self._make_directories(STATE_DIRECTORY)
            self._write_ledger(sorted({*self._ledger(), *path_is_new}))
        for step in reversed(missing):
            self._mkdir(step)

    def _mkdir(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        if self.stat(parent or "/") is None:
            self._mkdir(parent)
        try:
            with self._directory(parent) as directory, contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=directory)
                os.chmod(name, 0o755, dir_fd=directory)  # whatever the umask
        except OSError as error:
            raise ControlError(f"cannot make the directory {path}: {error.strerror}") from None

    def _write_ledger(self, paths: Sequence[str]) -> None:
        try:
            with self._directory(STATE_DIRECTORY) as directory:
                self._replace(directory, "directories", "".join(f"{path}\n" for path in paths).encode(), 0o600)
        except OSError as error:
            raise ControlError(f"cannot write {LEDGER}: {error.strerror}") from None

    def _remove_directories(self, path: str) -> None:
        known = self._ledger()
        beside = self._beside("directories")
        left = list(known)
        while path and path not in left and self.stat(path) is None:
            path = path.rpartition("/")[0]  # a kill came before it was made
        while path in left and path != STATE_DIRECTORY:
            if not self._rmdir(path):
                break
            left.remove(path)
            path = path.rpartition("/")[0]
        left = [directory for directory in left if self.stat(directory)]  # those below /run go with a reboot
        if set(left) <= {STATE_DIRECTORY} and set(self.list(STATE_DIRECTORY)) - {beside} == {"directories"}:
            try:
                with self._directory(STATE_DIRECTORY) as directory:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(beside, dir_fd=directory)
                    os.unlink("directories", dir_fd=directory)
            except OSError as error:
                raise ControlError(f"cannot delete {LEDGER}: {error.strerror}") from None
            self._rmdir(STATE_DIRECTORY)
        elif left != known:
            self._write_ledger(left)

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
