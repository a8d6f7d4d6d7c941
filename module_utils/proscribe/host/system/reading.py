"""Reading files of the host, without following a link that a user could have made."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat

# List: FileReader has a method `list`
from typing import TYPE_CHECKING, Any, Callable, Collection, Iterable, Iterator, List, Pattern

from ...base.others import ACL_ATTRIBUTE, BY_ACL, describe_rights, find_write_right
from .budget import LARGEST
from .links import PLACE, Traversal, link_target
from .types import ControlError, Unseen

if TYPE_CHECKING:
    from typing import TypeVar

    from .budget import Budget

    Answer = TypeVar("Answer")

LARGEST_FILE = 64 * 1024 * 1024  # bytes; more than any file that a control has a reason to read whole
PIECE = 256 * 1024  # bytes read at a time
SEARCHED = 4 * 1024 * 1024  # and searched at a time
NAMES = 20_000  # entries of a directory taken at a time: it may have millions
MOST_OPEN = 128  # directories; a process may have some hundred files open


class _Opened:
    """A descriptor for a `with` block, which closes it unless it is kept for later."""

    __slots__ = ("descriptor", "keep")

    def __init__(self, descriptor: int, keep: bool = False) -> None:
        self.descriptor, self.keep = descriptor, keep

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        if not self.keep:
            os.close(self.descriptor)


class FileReader:
    """The files below `root` ("/" but in tests). While there is a `budget`, all that is read is paid from it."""

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.budget: Budget | None = None
        self.enters_remote = False  # whether what starts on a network or FUSE file system is scanned: as its user only
        self._answers: dict[tuple[str, str], Any] | None = None  # while all is `still`
        self._opened: dict[str, int | FileNotFoundError] = {}

    @property
    def privileged(self) -> bool:
        return os.geteuid() == 0

    def _real(self, path: str) -> str:
        return self.root.rstrip("/") + path

    def _open_directory(self, path: str) -> int:
        """Open a directory of the host step by step; a link in the path counts only if root made it.

        The descriptor is a place to start from (O_PATH): an ordinary user may pass through directories that he may not
        list. Raises OSError, or ControlError for a link that a user made.
        """
        descriptor = os.open(self.root, PLACE)
        passed, traversal = "", Traversal(self.root)
        try:
            for name in path.split("/"):
                if name:
                    passed += "/" + name
                    step = traversal.step(descriptor, name, passed)
                    os.close(descriptor)
                    descriptor = step
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _directory(self, path: str) -> _Opened:
        if self._answers is None:
            return _Opened(self._open_directory(path))
        return self._opened_once(path.rstrip("/"))

    def _opened_once(self, path: str) -> _Opened:
        """A directory, left open for the next reads, as long as these are not too many."""
        known = self._opened.get(path)
        if known is None:
            try:
                known = self._open_next(path)
            except FileNotFoundError as error:
                known = error
            if isinstance(known, int) and len(self._opened) >= MOST_OPEN:
                return _Opened(known)
            self._opened[path] = known
        if isinstance(known, FileNotFoundError):
            raise known.with_traceback(None)
        return _Opened(known, keep=True)

    def _open_next(self, path: str) -> int:
        if not path:
            return os.open(self.root, PLACE)
        parent, _, name = path.rpartition("/")
        with self._opened_once(parent.rstrip("/")) as above:
            return Traversal(self.root).step(above, name, path)

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """For an observation that changes nothing: what was read once is not read again, so that all of it goes
        by one and the same answer, and directories stay open.
        """
        self._answers = {}
        try:
            yield
        finally:
            self._answers = None
            for descriptor in self._opened.values():
                if isinstance(descriptor, int):
                    os.close(descriptor)
            self._opened = {}

    def _once(self, read: Callable[[str], Answer], path: str) -> Answer:
        """The result of a read of a path; the same again while all is `still`."""
        if self._answers is None:
            return read(path)
        key = read.__name__, path
        if key not in self._answers:
            if self.budget is not None:  # a user's places may be as many as he likes
                return read(path)
            self._answers[key] = read(path)
        answer: Answer = self._answers[key]
        return answer

    def directory(self, path: str) -> contextlib.AbstractContextManager[int]:
        """The descriptor of a directory (O_PATH), for what is done by name in it whatever users do to its path.

        Raises OSError, and ControlError for a link in the path that a user made.
        """
        return self._directory(path)

    def stat(self, path: str) -> os.stat_result | None:
        """The entry at a path (a link is itself, never its target); None if there is none. Raises Unseen."""
        return self._once(self._stat, path)

    def _stat(self, path: str) -> os.stat_result | None:
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
        return [*self._once(self._list, path)]

    def first(self, path: str, most: int) -> List[str]:
        """At most so many names in a directory, as the file system gives them, sorted: whoever fills it makes nobody
        wait. Empty if it is not there. Raises Unseen.
        """
        return self._sorted(path, lambda directory: self._first_names(directory, most))

    def _list(self, path: str) -> List[str]:
        return self._sorted(path, self._names)

    def _sorted(self, path: str, names_of: Callable[[int], Iterable[str]]) -> List[str]:
        """What is read of a directory's names, sorted; empty if it is not there. Raises Unseen."""
        try:
            with self._directory(path) as directory:
                listed = os.open(".", os.O_RDONLY, dir_fd=directory)
            try:
                return sorted(names_of(listed))
            finally:
                os.close(listed)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._unseen(path, error) from None

    def _first_names(self, directory: int, most: int) -> List[str]:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in itertools.islice(entries, most)]
        if self.budget is not None:
            self.budget.take("files", len(names))
        return names

    def _names(self, directory: int) -> Iterator[str]:
        if self.budget is None:
            yield from os.listdir(directory)
            return
        with os.scandir(directory) as entries:
            while piece := [entry.name for entry in itertools.islice(entries, NAMES)]:
                self.budget.take("files", len(piece))
                yield from piece

    def read(self, path: str, limit: int = LARGEST_FILE) -> bytes | None:
        """A regular file's content; None if there is none. Raises Unseen, or ControlError: not regular, or too big.

        Of a file that is not root's, or is read on a user's behalf, no more than 1 MiB is read. A larger one is unseen.
        A link at the end counts only if root made it (/etc/resolv.conf and /etc/os-release are such).
        """
        if limit == LARGEST_FILE and self.budget is None:
            return self._once(self._read, path)
        return self._read(path, limit)

    def _read(self, path: str, limit: int = LARGEST_FILE) -> bytes | None:
        descriptor = self._open_file(path)
        if descriptor is None:
            return None
        # In pieces: some files of /proc cannot be read into a buffer as large as the limit.
        with _Opened(descriptor):
            most = min(limit, LARGEST) if self._of_a_user(descriptor) else limit
            content = b""
            while len(content) <= most and (piece := os.read(descriptor, PIECE)):
                self._pay(len(piece))
                content += piece
        if len(content) > most:
            if most < limit:
                raise Unseen(f"{path} is larger than {most} bytes, more than is read of a user's file")
            raise ControlError(f"{path} is larger than {most} bytes")
        return content

    def _of_a_user(self, descriptor: int) -> bool:
        """Whether an open file is read on a user's behalf, or is an ordinary user's own."""
        return self.budget is not None or os.fstat(descriptor).st_uid not in (0, os.geteuid())

    def _pay(self, size: int) -> None:
        if self.budget is not None:
            self.budget.take("bytes read", size)

    def head(self, path: str, size: int) -> bytes:
        """The first bytes of a regular file of any size, as many as it has of `size`; b"" if there is none. Raises as
        `read`.
        """
        return self.piece(path, 0, size)

    def piece(self, path: str, offset: int, size: int) -> bytes:
        """As many bytes from `offset` on as a regular file of any size has of `size`. Raises as `read`."""
        descriptor = self._open_file(path)
        if descriptor is None:
            return b""
        with _Opened(descriptor):
            content = os.pread(descriptor, size, offset) if 0 <= offset < 1 << 62 else b""
        self._pay(len(content))
        return content

    def _open_file(self, path: str) -> int | None:
        """The descriptor of a regular file, opened for reading; None if there is none."""
        parent, _, name = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                descriptor = Traversal(self.root).file(directory, name, path)
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

    def attribute(self, path: str, name: str) -> bytes | None:
        """An extended attribute of the entry at a path (a link is itself); None where it has none. Raises ControlError
        for a link in the path that a user made.
        """
        parent, _, base = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                return os.getxattr(f"/proc/self/fd/{directory}/{base}", name, follow_symlinks=False)
        except OSError:
            return None

    def acl(self, path: str) -> bytes:
        """The access ACL of the entry at a path, as the kernel has it (acl(5)); b"" where only its mode counts."""
        return self._once(self._acl, path)

    def _acl(self, path: str) -> bytes:
        return self.attribute(path, ACL_ATTRIBUTE) or b"" if hasattr(os, "getxattr") else b""

    def others(self, path: str, seen: os.stat_result, trusted: Collection[int] = ()) -> str:
        """What lets others than root change the entry that was seen at a path: its owner and mode, or an ACL; "" for
        nothing. A link counts as open to all, since it is not asked what it leads to. `trusted` are others who may.
        """
        fixtures = () if self.root == "/" else (os.stat(self.root).st_uid,)
        by = find_write_right(seen, (0, *trusted, *fixtures), acl=self.acl(path))
        return describe_rights(seen) if by and by != BY_ACL else by

    def search(self, path: str, pattern: Pattern[bytes], longest: int = 256) -> List[bytes]:
        """What a pattern finds in a file of any size, each match once. A match is at most `longest` bytes long.

        Raises as `read`. Nothing is mapped into memory: a file that shrinks meanwhile would end the run.
        """
        descriptor = self._open_file(path)
        if descriptor is None:
            return []
        found: dict[bytes, None] = {}
        with _Opened(descriptor):
            rest = b""
            while piece := os.read(descriptor, SEARCHED):
                self._pay(len(piece))
                found.update(dict.fromkeys(match[0] for match in pattern.finditer(rest + piece)))
                rest = piece[-longest:]
        return list(found)

    def target(self, path: str) -> str:
        """Where the links at a path lead that root made, as a path of the host; the path itself if it is no link.

        Raises Unseen, and ControlError for a link that a user made.
        """
        return [*self.links(path)][-1]

    def links(self, path: str) -> Iterator[str]:
        """A path of the host, and where the links at it lead that root made, step by step. Raises as `target`."""
        yield path
        for _ in range(16):  # alternatives are chains of three; more than this is a loop
            seen = self.stat(path)
            if seen is None or not stat.S_ISLNK(seen.st_mode):
                return
            parent, _, name = path.rpartition("/")
            try:
                with self._directory(parent) as directory:
                    to = link_target(directory, name, path)
            except OSError as error:
                raise self._unseen(path, error) from None
            if not to:  # it has become something else
                return
            path = os.path.normpath(os.path.join(parent, to))
            yield path

    def text(self, path: str) -> str | None:
        """A file as text (UTF-8, what is not replaced by U+FFFD); None if it is not there."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "replace")
