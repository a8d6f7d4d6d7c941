"""What is made once for many hosts: the observing code and the plans, packed, in `plans/` of the folder of reports.

What is read here goes to hosts and is run there as root. So nothing in it is believed for its name or its place: the
run knows the SHA-256 of every file that it sends, and each file is checked against it each time that it is read. A
folder or a file that others can write, or that is a link, is refused. Controller side.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
import urllib.parse
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..base.others import acl_of
from ..base.ownership import closing_command, name_of, who_else
from ..model.plan import canonical
from ..model.plan import digest as digest_of
from ..model.plan_text import serialised, whole
from ..model.types.plan import Plan
from ..model.types.run import Prepared
from .stream import Part, packed_code, packed_macos

PLANS = "plans"  # the store's name in the folder of reports

# Bytes. The whole catalogue makes a plan of some 200 KiB, and code of some 95.
LARGEST = 64 * 1024 * 1024

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that somebody put in a file's place does not hold the run.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


WRITABLE = (
    "a directory for the reports and for what is kept between runs, in which this account can write: name one in the"
    " environment variable PROSCRIBE_REPORTS, or in proscribe_reports in the inventory"
)


class Untrusted(OSError):
    """Something in the store is not what this run, or one before it, has put there: where, what, and what to do."""

    def __init__(self, path: str, found: str, expected: str) -> None:
        super().__init__(path, found, expected)
        self.path, self.found, self.expected = path, found, expected

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}, expected {self.expected}"


class Store:
    """The store of a run. `directory` is where it is kept, None keeps nothing. `packed` is what `prepare` returned of
    the plans. `trusted` are accounts that may own it beside root, this one, and whoever owns the project's code.
    """

    def __init__(
        self,
        directory: Path | None = None,
        packed: Mapping[str, str] | None = None,
        trusted: Collection[int] = (),
    ) -> None:
        self.directory = directory
        self._packed = packed or {}
        self._trusted = {os.geteuid(), Path(__file__).stat().st_uid, *trusted}
        self._marks: dict[str, bytes] = {}  # what hosts store, as far as it was read

    # -- making it -----------------------------------------------------------------------------------------------------

    def require(self) -> None:
        """Make the folder of reports and the store in it, where they are not there. Raises Untrusted for those that
        others could change, or this account cannot, and OSError.
        """
        if self.directory is None:
            return
        reports = self.directory.parent
        try:
            reports.mkdir(mode=0o750, parents=True, exist_ok=True)  # they hold names of users, and what they installed
            self._refuse(str(reports), reports)
            with contextlib.suppress(FileExistsError):
                self.directory.mkdir(mode=0o700)
            if not os.access(reports, os.W_OK | os.X_OK):
                why = errno.EROFS if os.statvfs(reports).f_flag & os.ST_RDONLY else errno.EACCES
                raise OSError(why, os.strerror(why))
        except Untrusted:
            raise
        except OSError as error:
            found = f"a place in which {name_of(os.geteuid())} cannot write ({error.strerror})"
            raise Untrusted(str(reports), found, WRITABLE) from None
        with self._open():
            pass

    def prepare(self, plans: Mapping[str, Plan]) -> Prepared:
        """Keep what the hosts of a run need: the code, and these plans by digest. What the run has to know of it:
        {code: the name of the observing code, packed: {digest: SHA-256 of the packed plan}}. Raises Untrusted where a
        plan cannot be kept: each host would fail for it.
        """
        return {"code": self.code(probe=False).name, "packed": {key: self._prepared(key, plans[key]) for key in plans}}

    def _prepared(self, digest: str, plan: Plan) -> str:
        self.add(plan, digest)
        text, name = serialised(plan).encode(), f"{_short(digest)}.plan"
        packed = self._read(name)
        if _unpacked(packed, len(text)) != text:
            packed = zlib.compress(text, 9)
            self._require_stored(name, packed)
        return hashlib.sha256(packed).hexdigest()

    def add(self, plan: Plan, digest: str) -> None:
        """Keep a plan as JSON under its digest; later runs and the history ask for it."""
        text, name = canonical(plan).encode(), f"{_short(digest)}.json"
        if self._read(name) != text:
            self._keep(name, text)

    # -- what goes to a host -------------------------------------------------------------------------------------------

    def code(self, probe: bool) -> Part:
        """The observing code; with what the browsers' probe needs, on request."""
        return self._code(packed_code(probe))

    def code_for_macos(self) -> Part:
        """The observing code for Macs."""
        return self._code(packed_macos())

    def _code(self, packed: bytes) -> Part:
        name = hashlib.sha256(packed).hexdigest()
        if self._checked(f"{name}.code", name) != packed:
            self._keep(f"{name}.code", packed)
        return Part(name, lambda: packed)

    def prepared(self, name: str) -> Part:
        """The code whose name `prepare` returned."""

        def packed() -> bytes:
            content = self._checked(f"{name}.code", name) or packed_code(probe=False)
            if hashlib.sha256(content).hexdigest() != name:
                raise FileNotFoundError(
                    f"the code that this run began with is gone, and its sources have changed: {name}"
                )
            return content

        return Part(name, packed)

    def plan(self, text: str = "", digest: str = "") -> Part:
        """A plan, given as JSON text, or by its digest where it was compiled in this run."""
        if text:
            return Part(hashlib.sha256(text.encode()).hexdigest(), lambda: zlib.compress(text.encode(), 9))
        name = _short(digest)

        def packed() -> bytes:
            known = self._packed.get(digest, "")
            return self._checked(f"{name}.plan", known) or zlib.compress(serialised(self.stored(digest)).encode(), 9)

        return Part(name, packed)

    def stored(self, digest: str) -> Plan:
        """A plan, as `add` kept it; where that file is gone, made again of the packed plan. Raises FileNotFoundError,
        and Untrusted for one that does not fit its digest.
        """
        name = f"{_short(digest)}.json"
        is_digest = bool(_DIGEST.fullmatch(digest))
        content = self._read(name) if is_digest else b""
        if plan := _plan_of(content, digest):
            return plan
        if not content:
            packed = self._read(f"{_short(digest)}.plan") if is_digest else b""
            if plan := _plan_of(_unpacked(packed, LARGEST), digest):
                with contextlib.suppress(OSError):
                    self.add(plan, digest)
                return plan
            raise FileNotFoundError(f"the plan {digest} is gone from {self.directory}: run this again")
        raise Untrusted(f"{self.directory}/{name}", "something else", "the plan of that name; delete what is there")

    # -- what runs note for later ones ---------------------------------------------------------------------------------

    def noted(self, name: str) -> bytes:
        """What an earlier run noted under a name; b"" for nothing, and for what is not to be trusted."""
        return self._read(name)

    def note_down(self, name: str, content: bytes) -> None:
        """Note something for later runs, in the place of what was noted before."""
        if self._read(name) != content:
            self._keep(name, content)

    # -- which hosts store what ----------------------------------------------------------------------------------------

    def has(self, host: str, code: Part, plan: Part) -> bool:
        """Whether that host has reported that it stores these."""
        if host not in self._marks:
            self._marks[host] = self._read(_mark(host), "kept")
        return self._marks[host] == _names(code, plan)

    def note(self, host: str, code: Part, plan: Part, has: bool) -> None:
        """Record whether a host stores these."""
        if has == self.has(host, code, plan):
            return
        del self._marks[host]  # to be read again: it may not have been possible to write it
        if has:
            self._keep(_mark(host), _names(code, plan), "kept")
            return
        with contextlib.suppress(OSError), self._open("kept") as directory:  # it only saves time
            os.unlink(_mark(host), dir_fd=directory)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _checked(self, name: str, sha256: str) -> bytes:
        content = self._read(name)
        return content if hashlib.sha256(content).hexdigest() == sha256 else b""

    def _read(self, name: str, below: str = "") -> bytes:
        """A file; b"" for one that is not there, or not to be trusted."""
        try:
            with self._open(below) as directory:
                descriptor = os.open(name, _READ, dir_fd=directory)
                with os.fdopen(descriptor, "rb") as stream:
                    seen = os.fstat(descriptor)
                    if not stat.S_ISREG(seen.st_mode) or who_else(seen, self._trusted, acl_of(descriptor)):
                        return b""
                    content = stream.read(LARGEST + 1)
                    return content if len(content) <= LARGEST else b""
        except OSError:
            return b""

    def _keep(self, name: str, content: bytes, below: str = "") -> None:
        """Keep a file, whole or not at all; where that cannot be, it only costs time."""
        with contextlib.suppress(OSError):
            self._write(name, content, below)

    def _require_stored(self, name: str, content: bytes) -> None:
        """Keep a file without which hosts cannot be served. Raises Untrusted."""
        if self.directory is None:
            return
        try:
            self._write(name, content)
        except Untrusted:
            raise
        except OSError as error:
            found = f"a place in which the plans of this run cannot be written ({error.strerror})"
            raise Untrusted(str(self.directory), found, f"room for a plan, and {WRITABLE}") from None

    def _write(self, name: str, content: bytes, below: str = "") -> None:
        """Write a file, whole or not at all. Raises Untrusted, and OSError."""
        with self._open(below, make=True) as directory:
            beside = f".{name[:100]}.{secrets.token_hex(8)}"
            descriptor = os.open(beside, _NEW, 0o600, dir_fd=directory)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                os.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                os.unlink(beside, dir_fd=directory)
                raise

    @contextlib.contextmanager
    def _open(self, below: str = "", make: bool = False) -> Iterator[int]:
        """The directory of the store, or one in it. Raises Untrusted, and OSError for one that is not there."""
        if self.directory is None:
            raise FileNotFoundError("nothing is kept")
        path = self.directory / below
        if make and below:
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
        try:
            descriptor = os.open(path, _DIRECTORY)
        except OSError:
            if path.is_symlink() or path.exists() and not path.is_dir():
                found = "a link" if path.is_symlink() else "no directory"
                raise Untrusted(str(path), found, "a directory; delete what is there, and one is made") from None
            raise
        try:
            self._refuse(str(path), descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _refuse(self, path: str, place: Path | int) -> None:
        """Raises Untrusted for a directory that others can change."""
        seen, acl = os.stat(place), acl_of(place)
        if who := who_else(seen, self._trusted, acl):
            raise Untrusted(
                path,
                f"a directory of {name_of(seen.st_uid)}'s (mode {stat.S_IMODE(seen.st_mode):04o}) that can be changed"
                f" by {who}",
                f"one that only {name_of(os.geteuid())} or root can change, since root on the hosts runs what is kept"
                f" there: `{closing_command(path, seen, self._trusted, os.geteuid(), acl)}`, or name another place in"
                " PROSCRIBE_REPORTS or proscribe_reports",
            )


def _short(digest: str) -> str:
    return digest.rpartition(":")[2]


def _mark(host: str) -> str:
    return f"host-{urllib.parse.quote(host, safe='')}"


def _names(code: Part, plan: Part) -> bytes:
    return f"{code.name} {plan.name}\n".encode()


def _plan_of(content: bytes, digest: str) -> Plan | None:
    """Return the plan that some JSON is, whole or shortened; None where it is not that of the digest."""
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
        plan = whole(json.loads(content))
        if digest == plan.get("digest") == digest_of(plan):
            return plan
    return None


def _unpacked(packed: bytes, length: int) -> bytes:
    """What is packed, as far as the length that it should have, and one byte more."""
    try:
        return zlib.decompressobj().decompress(packed, length + 1)
    except zlib.error:
        return b""
