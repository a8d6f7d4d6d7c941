"""Reader for files of the host. Links that a user could have made are not followed."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from typing import TYPE_CHECKING, Any, Callable, Collection, Iterable, Iterator, List, Pattern

from ...base.foreign_access import ACL_ATTRIBUTE, BY_ACL, describe_rights, find_write_right
from .budget import MAX_USER_FILE_BYTES
from .path_traversal import PLACE_FLAGS, PathTraversal, read_link_target
from .types import ControlError, ObservationError

if TYPE_CHECKING:
    from typing import TypeVar

    from .budget import ReadBudget

    Answer = TypeVar("Answer")

MAX_FILE_BYTES = 64 * 1024 * 1024  # bytes; larger than any file that a control needs to read whole
PIECE_BYTES = 256 * 1024  # bytes read at a time
SEARCH_PIECE_BYTES = 4 * 1024 * 1024  # bytes searched at a time
NAMES_PIECE = 20_000  # entries read at a time: a directory may have millions
MAX_OPEN_DIRECTORIES = 128  # directories that stay open; a process may have some hundred files open


class _OpenDescriptor:
    """Descriptor for a `with` block, which closes it unless the descriptor stays open for later reads."""

    __slots__ = ("descriptor", "stays_open")

    def __init__(self, descriptor: int, stays_open: bool = False) -> None:
        self.descriptor, self.stays_open = descriptor, stays_open

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        if not self.stays_open:
            os.close(self.descriptor)


class FileReader:
    """Reader for files below `root` ("/" except in tests). While there is a `budget`, all reads count against it."""

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.budget: ReadBudget | None = None
        self.enters_remote = False  # true if scans may start on a network or FUSE file system: only as its user
        self._cached_answers: dict[tuple[str, str], Any] | None = None  # None outside of `cache_reads`
        self._open_directories: dict[str, int | FileNotFoundError] = {}

    @property
    def privileged(self) -> bool:
        return os.geteuid() == 0

    def _make_real_path(self, path: str) -> str:
        return self.root.rstrip("/") + path

    def _open_directory_path(self, path: str) -> int:
        """Open a directory of the host step by step. Only links that root made are followed.

        The descriptor is opened with O_PATH, because an ordinary user may pass through directories that he may not
        list. Raises OSError. Raises ControlError for a link that a user made.
        """
        descriptor = os.open(self.root, PLACE_FLAGS)
        passed_path, traversal = "", PathTraversal(self.root)
        try:
            for name in path.split("/"):
                if name:
                    passed_path += "/" + name
                    child = traversal.open_directory(descriptor, name, passed_path)
                    os.close(descriptor)
                    descriptor = child
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _use_directory(self, path: str) -> _OpenDescriptor:
        if self._cached_answers is None:
            return _OpenDescriptor(self._open_directory_path(path))
        return self._use_cached_directory(path.rstrip("/"))

    def _use_cached_directory(self, path: str) -> _OpenDescriptor:
        """Open a directory, and leave it open for the next reads unless too many directories are open."""
        cached = self._open_directories.get(path)
        if cached is None:
            try:
                cached = self._open_child_directory(path)
            except FileNotFoundError as error:
                cached = error
            if isinstance(cached, int) and len(self._open_directories) >= MAX_OPEN_DIRECTORIES:
                return _OpenDescriptor(cached)
            self._open_directories[path] = cached
        if isinstance(cached, FileNotFoundError):
            raise cached.with_traceback(None)
        return _OpenDescriptor(cached, stays_open=True)

    def _open_child_directory(self, path: str) -> int:
        if not path:
            return os.open(self.root, PLACE_FLAGS)
        parent, _, name = path.rpartition("/")
        with self._use_cached_directory(parent.rstrip("/")) as parent_descriptor:
            return PathTraversal(self.root).open_directory(parent_descriptor, name, path)

    @contextlib.contextmanager
    def cache_reads(self) -> Iterator[None]:
        """Cache reads for the block, for an observation that changes nothing.

        No path is read twice, so the whole observation uses the same answer. Directories stay open.
        """
        self._cached_answers = {}
        try:
            yield
        finally:
            self._cached_answers = None
            for descriptor in self._open_directories.values():
                if isinstance(descriptor, int):
                    os.close(descriptor)
            self._open_directories = {}

    def _read_once(self, read: Callable[[str], Answer], path: str) -> Answer:
        """Return the result of a read of a path, within `cache_reads` from the cache."""
        if self._cached_answers is None:
            return read(path)
        key = read.__name__, path
        if key not in self._cached_answers:
            if self.budget is not None:  # a user may have any number of places
                return read(path)
            self._cached_answers[key] = read(path)
        answer: Answer = self._cached_answers[key]
        return answer

    def open_directory(self, path: str) -> contextlib.AbstractContextManager[int]:
        """Open a directory with O_PATH, for access to its entries by name whatever users do to its path.

        Raises OSError. Raises ControlError for a link in the path that a user made.
        """
        return self._use_directory(path)

    def find_entry(self, path: str) -> os.stat_result | None:
        """Return the status of the entry at a path; None for a missing entry. Raises ObservationError.

        A link at the end of the path is not followed.
        """
        return self._read_once(self._find_entry, path)

    def _find_entry(self, path: str) -> os.stat_result | None:
        parent, _, name = path.rstrip("/").rpartition("/")
        try:
            with self._use_directory(parent) as directory:
                return os.stat(name or ".", dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._make_observation_error(path, error) from None

    def _make_observation_error(self, path: str, error: OSError) -> ObservationError:
        if isinstance(error, PermissionError) and not self.privileged:
            return ObservationError(f"{path} can only be read by root")
        # Root may fail too: a dead network mount, a user's own FUSE.
        return ObservationError(f"{path} cannot be read: {error.strerror}")

    def list_directory(self, path: str) -> List[str]:
        """Return the names in a directory, sorted; none for a missing directory. Raises ObservationError."""
        return [*self._read_once(self._list_directory, path)]

    def list_first_names(self, path: str, limit: int) -> List[str]:
        """Return at most `limit` names in a directory, sorted. Raises ObservationError.

        The names are the first in the order of the file system. So a full directory causes no delay. Returns none for a
        missing directory.
        """
        return self._sort_names(path, lambda directory: self._read_first_names(directory, limit))

    def _list_directory(self, path: str) -> List[str]:
        return self._sort_names(path, self._read_names)

    def _sort_names(self, path: str, list_names: Callable[[int], Iterable[str]]) -> List[str]:
        """Return the names that `list_names` reads in a directory, sorted; none for a missing directory.

        Raises ObservationError.
        """
        try:
            with self._use_directory(path) as directory:
                descriptor = os.open(".", os.O_RDONLY, dir_fd=directory)
            try:
                return sorted(list_names(descriptor))
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._make_observation_error(path, error) from None

    def _read_first_names(self, directory: int, limit: int) -> List[str]:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in itertools.islice(entries, limit)]
        if self.budget is not None:
            self.budget.consume_amount("files", len(names))
        return names

    def _read_names(self, directory: int) -> Iterator[str]:
        if self.budget is None:
            yield from os.listdir(directory)
            return
        with os.scandir(directory) as entries:
            while piece := [entry.name for entry in itertools.islice(entries, NAMES_PIECE)]:
                self.budget.consume_amount("files", len(piece))
                yield from piece

    def read_file(self, path: str, limit: int = MAX_FILE_BYTES) -> bytes | None:
        """Return the content of a regular file; None for a missing file.

        Raises ObservationError, and ControlError for a file that is not regular or too large. A file of a user, or on a
        user's behalf, is read up to 1 MiB; a larger file raises ObservationError. A link at the end is followed only if
        root made it. /etc/resolv.conf and /etc/os-release are such links.
        """
        if limit == MAX_FILE_BYTES and self.budget is None:
            return self._read_once(self._read_file, path)
        return self._read_file(path, limit)

    def _read_file(self, path: str, limit: int = MAX_FILE_BYTES) -> bytes | None:
        descriptor = self._open_file(path)
        if descriptor is None:
            return None
        # Read in pieces: some files of /proc cannot be read into a buffer as large as the limit.
        with _OpenDescriptor(descriptor):
            max_bytes = min(limit, MAX_USER_FILE_BYTES) if self._is_user_file(descriptor) else limit
            content = b""
            while len(content) <= max_bytes and (piece := os.read(descriptor, PIECE_BYTES)):
                self._consume_budget(len(piece))
                content += piece
        if len(content) > max_bytes:
            if max_bytes < limit:
                raise ObservationError(f"{path} is larger than {max_bytes} bytes, more than is read of a user's file")
            raise ControlError(f"{path} is larger than {max_bytes} bytes")
        return content

    def _is_user_file(self, descriptor: int) -> bool:
        """Return whether an open file is read on a user's behalf, or belongs to an ordinary user."""
        return self.budget is not None or os.fstat(descriptor).st_uid not in (0, os.geteuid())

    def _consume_budget(self, size: int) -> None:
        if self.budget is not None:
            self.budget.consume_amount("bytes read", size)

    def read_head(self, path: str, size: int) -> bytes:
        """Return at most the first `size` bytes of a regular file of any size; b"" for a missing file.

        Raises as `read_file` does.
        """
        return self.read_range(path, 0, size)

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset` on of a regular file of any size; b"" for a missing file.

        Raises as `read_file` does.
        """
        descriptor = self._open_file(path)
        if descriptor is None:
            return b""
        with _OpenDescriptor(descriptor):
            content = os.pread(descriptor, size, offset) if 0 <= offset < 1 << 62 else b""
        self._consume_budget(len(content))
        return content

    def _open_file(self, path: str) -> int | None:
        """Open a regular file for reading, and return its descriptor; None for a missing file.

        Raises as `read_file` does.
        """
        parent, _, name = path.rpartition("/")
        try:
            with self._use_directory(parent) as directory:
                descriptor = PathTraversal(self.root).open_file(directory, name, path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise self._make_observation_error(path, error) from None
        except OSError as error:
            raise ControlError(f"cannot read {path}: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ControlError(f"{path} is not a regular file")
        return descriptor

    def read_attribute(self, path: str, name: str) -> bytes | None:
        """Return an extended attribute of the entry at a path; None if the entry has none.

        A link at the end of the path is not followed. Raises ControlError for a link in the path that a user made.
        """
        parent, _, entry_name = path.rpartition("/")
        try:
            with self._use_directory(parent) as directory:
                return os.getxattr(f"/proc/self/fd/{directory}/{entry_name}", name, follow_symlinks=False)
        except OSError:
            return None

    def read_acl(self, path: str) -> bytes:
        """Return the access ACL of an entry in the kernel's format (acl(5)); b"" if only its mode counts."""
        return self._read_once(self._read_acl, path)

    def _read_acl(self, path: str) -> bytes:
        return self.read_attribute(path, ACL_ATTRIBUTE) or b"" if hasattr(os, "getxattr") else b""

    def describe_write_access(self, path: str, status: os.stat_result, trusted_uids: Collection[int] = ()) -> str:
        """Return the right by which others than root can change an entry; "" for none.

        The right is the owner and mode, or an ACL. `status` is the entry as it was read at the path. A link counts as
        open to all, because its target is not read. `trusted_uids` are other users that may change the entry.
        """
        fixture_uids = () if self.root == "/" else (os.stat(self.root).st_uid,)
        reason = find_write_right(status, (0, *trusted_uids, *fixture_uids), acl=self.read_acl(path))
        return describe_rights(status) if reason and reason != BY_ACL else reason

    def search_file(self, path: str, pattern: Pattern[bytes], max_match_bytes: int = 256) -> List[bytes]:
        """Return the matches of a pattern in a file of any size, each match once.

        A match has at most `max_match_bytes` bytes. Raises as `read_file` does. The file is not mapped into memory: a
        file that shrinks meanwhile would end the run.
        """
        descriptor = self._open_file(path)
        if descriptor is None:
            return []
        matches: dict[bytes, None] = {}
        with _OpenDescriptor(descriptor):
            rest = b""
            while piece := os.read(descriptor, SEARCH_PIECE_BYTES):
                self._consume_budget(len(piece))
                matches.update(dict.fromkeys(match[0] for match in pattern.finditer(rest + piece)))
                rest = piece[-max_match_bytes:]
        return list(matches)

    def resolve_link(self, path: str) -> str:
        """Return the path of the host that the links of root at a path lead to; the path itself if it is no link.

        Raises ObservationError. Raises ControlError for a link that a user made.
        """
        return [*self.follow_links(path)][-1]

    def follow_links(self, path: str) -> Iterator[str]:
        """Yield a path of the host, and each path that the links of root at it lead to.

        Raises as `resolve_link` does.
        """
        yield path
        for _ in range(16):  # alternatives are chains of three links; a longer chain than 16 is a loop
            status = self.find_entry(path)
            if status is None or not stat.S_ISLNK(status.st_mode):
                return
            parent, _, name = path.rpartition("/")
            try:
                with self._use_directory(parent) as directory:
                    target = read_link_target(directory, name, path)
            except OSError as error:
                raise self._make_observation_error(path, error) from None
            if not target:  # the entry is no link any more
                return
            path = os.path.normpath(os.path.join(parent, target))
            yield path

    def read_text(self, path: str) -> str | None:
        """Return a file as text; None for a missing file. Bytes that are no UTF-8 become U+FFFD.

        Raises as `read_file` does.
        """
        content = self.read_file(path)
        return None if content is None else content.decode("utf-8", "replace")
