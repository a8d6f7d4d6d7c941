"""Functions that read files and directories of the host.

Links that a user could have made are not followed.
"""

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

MAX_FILE_BYTES = 64 * 1024 * 1024  # larger than any file that a control has to read completely
PIECE_BYTES = 256 * 1024  # bytes read at a time
SEARCH_PIECE_BYTES = 4 * 1024 * 1024  # bytes searched at a time
NAMES_PIECE = 20_000  # directory entries read at a time: a directory may have millions
MAX_OPEN_DIRECTORIES = 128  # most directories that stay open: a process may open only some hundred files


class _OpenDescriptor:
    """Open descriptor for a `with` statement, which closes it at the end unless `stays_open` is set."""

    __slots__ = ("descriptor", "stays_open")

    def __init__(self, descriptor: int, stays_open: bool = False) -> None:
        self.descriptor, self.stays_open = descriptor, stays_open

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        if not self.stays_open:
            os.close(self.descriptor)


class FileReader:
    """Reader of the files below `root` ("/" except in tests).

    While `budget` is set, all reads are charged to that budget.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.budget: ReadBudget | None = None
        # true if a scan may start on a network or FUSE file system; only while running as the scanned user
        self.enters_remote = False
        # result of a read by (name of the reading function, path); None outside of `cache_reads`
        self._cached_answers: dict[tuple[str, str], Any] | None = None
        # by path, inside of `cache_reads`: the descriptor, or the error that the directory is missing
        self._open_directories: dict[str, int | FileNotFoundError] = {}

    @property
    def privileged(self) -> bool:
        return os.geteuid() == 0

    def _make_real_path(self, path: str) -> str:
        return self.root.rstrip("/") + path

    def _open_directory_path(self, path: str) -> int:
        """Open a directory of the host, one path component after the other.

        Only links that root made are followed. The descriptor is opened with O_PATH: an ordinary user may enter
        directories that he cannot list. Raises OSError. Raises ControlError for a link that a user made.
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
        """Open a directory of the host with O_PATH, for a `with` statement.

        Inside of `cache_reads`, the directory comes from the cache and stays open. Raises OSError. Raises ControlError
        for a link in the path that a user made.
        """
        if self._cached_answers is None:
            return _OpenDescriptor(self._open_directory_path(path))
        return self._use_cached_directory(path.rstrip("/"))

    def _use_cached_directory(self, path: str) -> _OpenDescriptor:
        """Return a directory from the cache of open directories, or open it.

        The directory stays open for the next reads, unless too many are open already. A missing directory is remembered
        too: then FileNotFoundError is raised each time.
        """
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
        """Open a directory from its parent directory, which comes from the cache. Return the descriptor."""
        if not path:
            return os.open(self.root, PLACE_FLAGS)
        parent, _, name = path.rpartition("/")
        with self._use_cached_directory(parent.rstrip("/")) as parent_descriptor:
            return PathTraversal(self.root).open_directory(parent_descriptor, name, path)

    @contextlib.contextmanager
    def cache_reads(self) -> Iterator[None]:
        """Cache all reads while the `with` body runs, for an observation that changes nothing.

        No path is read twice, so the whole observation sees the same content. Directories stay open until the end of
        the body.
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
        """Return `read(path)`. Inside `cache_reads`, the result of an earlier call is returned."""
        if self._cached_answers is None:
            return read(path)
        key = read.__name__, path
        if key not in self._cached_answers:
            if self.budget is not None:  # not cached: a user may make any number of paths, which would fill the memory
                return read(path)
            self._cached_answers[key] = read(path)
        answer: Answer = self._cached_answers[key]
        return answer

    def open_directory(self, path: str) -> contextlib.AbstractContextManager[int]:
        """Open a directory with O_PATH. Its entries can be used by name even if a user then changes the path.

        Raises OSError. Raises ControlError for a link in the path that a user made.
        """
        return self._use_directory(path)

    def find_entry(self, path: str) -> os.stat_result | None:
        """Return the status of the file, directory or link at a path; None if nothing is there.

        A link at the end of the path is not followed. Raises ObservationError.
        """
        return self._read_once(self._find_entry, path)

    def _find_entry(self, path: str) -> os.stat_result | None:
        """Return the status of the entry at a path, uncached; see `find_entry`."""
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
        # Even root cannot read all paths: a dead network mount, a FUSE file system of a user.
        return ObservationError(f"{path} cannot be read: {error.strerror}")

    def list_directory(self, path: str) -> List[str]:
        """Return the sorted names in a directory; [] for a missing directory. Raises ObservationError."""
        return [*self._read_once(self._list_directory, path)]

    def list_first_names(self, path: str, limit: int) -> List[str]:
        """Return at most `limit` names in a directory, sorted; [] for a missing directory.

        Raises ObservationError. The names are the first in the order of the file system. So a huge directory causes no
        delay.
        """
        return self._sort_names(path, lambda directory: self._read_first_names(directory, limit))

    def _list_directory(self, path: str) -> List[str]:
        return self._sort_names(path, self._read_names)

    def _sort_names(self, path: str, list_names: Callable[[int], Iterable[str]]) -> List[str]:
        """Open a directory and return the sorted result of `list_names`, which gets the descriptor.

        Returns [] for a missing directory. Raises ObservationError.
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
        """Return at most `limit` names in an open directory, charged to the budget."""
        with os.scandir(directory) as entries:
            names = [entry.name for entry in itertools.islice(entries, limit)]
        if self.budget is not None:
            self.budget.consume_amount("files", len(names))
        return names

    def _read_names(self, directory: int) -> Iterator[str]:
        """Yield the names in an open directory.

        With a budget, the names are read and charged piece by piece. So the read of a huge directory ends early.
        """
        if self.budget is None:
            yield from os.listdir(directory)
            return
        with os.scandir(directory) as entries:
            while piece := [entry.name for entry in itertools.islice(entries, NAMES_PIECE)]:
                self.budget.consume_amount("files", len(piece))
                yield from piece

    def read_file(self, path: str, limit: int = MAX_FILE_BYTES) -> bytes | None:
        """Return the content of a regular file; None for a missing file.

        Raises ControlError for a file that is not regular, or larger than `limit` bytes. Raises ObservationError for a
        file that cannot be read. A user's file, or any file while there is a budget, may have at most 1 MiB; a larger
        file raises ObservationError. A link at the end of the path is followed only if root made it, such as
        /etc/resolv.conf or /etc/os-release.
        """
        if limit == MAX_FILE_BYTES and self.budget is None:
            return self._read_once(self._read_file, path)
        return self._read_file(path, limit)

    def _read_file(self, path: str, limit: int = MAX_FILE_BYTES) -> bytes | None:
        """Return the content of a file, uncached; see `read_file`."""
        descriptor = self._open_file(path)
        if descriptor is None:
            return None
        # The file is read in pieces: some files of /proc cannot be read into a buffer of `limit` bytes.
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
        """Return whether an open file is read on a user's behalf, or its owner is an ordinary user."""
        return self.budget is not None or os.fstat(descriptor).st_uid not in (0, os.geteuid())

    def _consume_budget(self, size: int) -> None:
        if self.budget is not None:
            self.budget.consume_amount("bytes read", size)

    def read_head(self, path: str, size: int) -> bytes:
        """Return at most the first `size` bytes of a regular file, which may have any size.

        Returns b"" for a missing file. Raises the errors of `read_file`.
        """
        return self.read_range(path, 0, size)

    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """Return at most `size` bytes of a regular file, from the byte `offset` on; b"" for a missing file.

        The file may have any size. Raises the errors of `read_file`.
        """
        descriptor = self._open_file(path)
        if descriptor is None:
            return b""
        with _OpenDescriptor(descriptor):
            # the offset may come from a damaged file, and the kernel refuses numbers that are too large
            content = os.pread(descriptor, size, offset) if 0 <= offset < 1 << 62 else b""
        self._consume_budget(len(content))
        return content

    def _open_file(self, path: str) -> int | None:
        """Open a regular file for reading, and return its descriptor; None for a missing file.

        Raises the errors of `read_file`.
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
        """Return the extended attribute `name` of the file or directory at a path.

        Returns None if the attribute is missing or cannot be read. A link at the end of the path is not followed.
        Raises ControlError for a link in the path that a user made.
        """
        parent, _, entry_name = path.rpartition("/")
        try:
            with self._use_directory(parent) as directory:
                return os.getxattr(f"/proc/self/fd/{directory}/{entry_name}", name, follow_symlinks=False)
        except OSError:
            return None

    def read_acl(self, path: str) -> bytes:
        """Return the access control list of a file or directory, in the kernel's format (acl(5)).

        Returns b"" for none.
        """
        return self._read_once(self._read_acl, path)

    def _read_acl(self, path: str) -> bytes:
        return self.read_attribute(path, ACL_ATTRIBUTE) or b"" if hasattr(os, "getxattr") else b""

    def describe_write_access(self, path: str, status: os.stat_result, trusted_uids: Collection[int] = ()) -> str:
        """Describe why a user other than root can change a file or directory; "" if none can.

        The reason is the owner and mode, or an access control list. `status` is the status of the entry at `path`. A
        link counts as open to all, because its target is not read. `trusted_uids` are other users that may change the
        entry.
        """
        # in a test, the owner of the fixture stands for root
        fixture_uids = () if self.root == "/" else (os.stat(self.root).st_uid,)
        reason = find_write_right(status, (0, *trusted_uids, *fixture_uids), acl=self.read_acl(path))
        return describe_rights(status) if reason and reason != BY_ACL else reason

    def search_file(self, path: str, pattern: Pattern[bytes], max_match_bytes: int = 256) -> List[bytes]:
        """Return all different matches of a pattern in a file of any size; [] for a missing file.

        A match has at most `max_match_bytes` bytes. Raises the errors of `read_file`. The file is read in pieces and
        not mapped into memory: if a mapped file shrinks, the kernel ends the process.
        """
        descriptor = self._open_file(path)
        if descriptor is None:
            return []
        matches: dict[bytes, None] = {}
        with _OpenDescriptor(descriptor):
            rest = b""  # end of the last piece: a match may begin there and end in the next piece
            while piece := os.read(descriptor, SEARCH_PIECE_BYTES):
                self._consume_budget(len(piece))
                matches.update(dict.fromkeys(match[0] for match in pattern.finditer(rest + piece)))
                rest = piece[-max_match_bytes:]
        return list(matches)

    def resolve_link(self, path: str) -> str:
        """Return the path to which root's links at `path` lead; `path` itself if it is no link.

        Raises ObservationError. Raises ControlError for a link that a user made.
        """
        return [*self.follow_links(path)][-1]

    def follow_links(self, path: str) -> Iterator[str]:
        """Yield `path`, and the target of each link that root made, if `path` is such a link.

        Raises the errors of `resolve_link`.
        """
        yield path
        for _ in range(16):  # a chain of more than 16 links is a loop. Debian's alternatives have chains of three.
            status = self.find_entry(path)
            if status is None or not stat.S_ISLNK(status.st_mode):
                return
            parent, _, name = path.rpartition("/")
            try:
                with self._use_directory(parent) as directory:
                    target = read_link_target(directory, name, path)
            except OSError as error:
                raise self._make_observation_error(path, error) from None
            if not target:  # the link was replaced meanwhile
                return
            path = os.path.normpath(os.path.join(parent, target))
            yield path

    def read_text(self, path: str) -> str | None:
        """Return a file as text; None for a missing file. Bytes that are not UTF-8 become U+FFFD.

        Raises the errors of `read_file`.
        """
        content = self.read_file(path)
        return None if content is None else content.decode("utf-8", "replace")
