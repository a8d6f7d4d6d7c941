"""The store of packed code and plans for many hosts, in `plans/` of the directory of reports.

Hosts run its content as root. So no file is trusted for its name or its location. The run knows the SHA-256 of every
file that it sends, and checks each file at each reading. A directory or file that others can write, and any link, is
refused. Controller side.
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

from ..base.foreign_access import read_acl
from ..base.ownership import describe_others, find_account_name, make_closing_command
from ..model.plan import compute_digest as digest_of
from ..model.plan import format_canonical
from ..model.plan_text import expand_plan, serialise_plan
from ..model.types.plan import Plan
from ..model.types.run import PreparedPlans
from .stream import StreamPart, pack_macos_code, pack_observing_code

PLANS_DIRECTORY = "plans"  # the store's name in the directory of reports

# The whole catalogue makes a plan of some 200 KiB, and the code has some 95 KiB.
MAX_FILE_BYTES = 64 * 1024 * 1024

_DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a pipe in place of a file cannot block the run.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


WRITABLE_EXPECTED = (
    "a directory for the reports and for what is kept between runs, in which this account can write: name one in the"
    " environment variable PROSCRIBE_REPORTS, or in proscribe_reports in the inventory"
)


class UntrustedStore(OSError):
    """The error that others may have written a part of the store, or that this account cannot write the store.

    `path` is the part, `observed` describes its present state, and `expected` describes the state that it must have.
    """

    def __init__(self, path: str, observed: str, expected: str) -> None:
        super().__init__(path, observed, expected)
        self.path, self.observed, self.expected = path, observed, expected

    def __str__(self) -> str:
        return f"{self.path}: found {self.observed}, expected {self.expected}"


class PlanStore:
    """The store of a run's code and plans, in `directory`.

    If `directory` is None, nothing is stored. `packed` has the hashes of the packed plans, from `prepare_plans`.
    `trusted` are ids of accounts that may own the store, beside root, this account and the owner of Proscribe's code.
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
        # by host: the names of the code and the plan that the host has in its cache; only hosts whose mark was read
        self._marks: dict[str, bytes] = {}

    # -- creating the store --------------------------------------------------------------------------------------------

    def require_directories(self) -> None:
        """Create the directory of reports and the store in it, if they are missing.

        Raises OSError, and UntrustedStore for a directory that others can change, or that this account cannot write.
        """
        if self.directory is None:
            return
        reports = self.directory.parent
        try:
            # Other accounts may not read reports: these name users, and the programs that they installed.
            reports.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._refuse_writable(str(reports), reports)
            with contextlib.suppress(FileExistsError):
                self.directory.mkdir(mode=0o700)
            if not os.access(reports, os.W_OK | os.X_OK):
                error_number = errno.EROFS if os.statvfs(reports).f_flag & os.ST_RDONLY else errno.EACCES
                raise OSError(error_number, os.strerror(error_number))
        except UntrustedStore:
            raise
        except OSError as error:
            observed = f"a place in which {find_account_name(os.geteuid())} cannot write ({error.strerror})"
            raise UntrustedStore(str(reports), observed, WRITABLE_EXPECTED) from None
        with self._open_directory():
            pass

    def prepare_plans(self, plans: Mapping[str, Plan]) -> PreparedPlans:
        """Store the code, and the plans by their digest, for the hosts of a run.

        Returns {code: the name of the observing code, packed: {digest: SHA-256 of the packed plan}}. Raises
        UntrustedStore if a plan cannot be stored, because each host would fail.
        """
        return {
            "code": self.make_code_part(probe=False).name,
            "packed": {key: self._prepare_plan(key, plans[key]) for key in plans},
        }

    def _prepare_plan(self, digest: str, plan: Plan) -> str:
        """Store a plan as JSON and packed, and return the SHA-256 of the packed plan."""
        self.add_plan(plan, digest)
        text, name = serialise_plan(plan).encode(), f"{_strip_digest_prefix(digest)}.plan"
        packed = self._read_file(name)
        if _unpack_content(packed, len(text)) != text:
            packed = zlib.compress(text, 9)
            self._require_stored(name, packed)
        return hashlib.sha256(packed).hexdigest()

    def add_plan(self, plan: Plan, digest: str) -> None:
        """Store a plan as JSON under its digest, for later runs and the history."""
        text, name = format_canonical(plan).encode(), f"{_strip_digest_prefix(digest)}.json"
        if self._read_file(name) != text:
            self._keep_file(name, text)

    # -- parts of a stream to a host -----------------------------------------------------------------------------------

    def make_code_part(self, probe: bool) -> StreamPart:
        """Return the observing code; with `probe` also the code for the probe of browsers."""
        return self._keep_code(pack_observing_code(probe))

    def make_macos_code_part(self) -> StreamPart:
        """Return the observing code for Macs."""
        return self._keep_code(pack_macos_code())

    def _keep_code(self, packed: bytes) -> StreamPart:
        """Store packed code under its SHA-256, and return the code as a part of a stream."""
        name = hashlib.sha256(packed).hexdigest()
        if self._read_checked(f"{name}.code", name) != packed:
            self._keep_file(f"{name}.code", packed)
        return StreamPart(name, lambda: packed)

    def get_prepared_code(self, name: str) -> StreamPart:
        """Return the code as a part of a stream; `name` is the name that `prepare_plans` returned.

        Packing it raises FileNotFoundError if the stored code is gone and its sources have changed.
        """

        def pack_code() -> bytes:
            """Return the stored code, or pack the code again from its sources, if they still give the same hash."""
            content = self._read_checked(f"{name}.code", name) or pack_observing_code(probe=False)
            if hashlib.sha256(content).hexdigest() != name:
                raise FileNotFoundError(
                    f"the code that this run began with is gone, and its sources have changed: {name}"
                )
            return content

        return StreamPart(name, pack_code)

    def make_plan_part(self, text: str = "", digest: str = "") -> StreamPart:
        """Return a plan as a part of a stream: the plan of the JSON `text`, or the plan with `digest` if `text` is "".

        A digest must be of a plan that this run compiled.
        """
        if text:
            return StreamPart(hashlib.sha256(text.encode()).hexdigest(), lambda: zlib.compress(text.encode(), 9))
        name = _strip_digest_prefix(digest)

        def pack_plan() -> bytes:
            """Return the packed plan of the store, or pack the stored plan again."""
            expected_hash = self._packed.get(digest, "")
            return self._read_checked(f"{name}.plan", expected_hash) or zlib.compress(
                serialise_plan(self.read_stored_plan(digest)).encode(), 9
            )

        return StreamPart(name, pack_plan)

    def read_stored_plan(self, digest: str) -> Plan:
        """Return the plan that `add_plan` stored.

        If its file is missing, the plan is restored from its packed form. Raises FileNotFoundError if both are missing,
        and UntrustedStore for a plan that does not fit its digest.
        """
        name = f"{_strip_digest_prefix(digest)}.json"
        is_digest = bool(_DIGEST_PATTERN.fullmatch(digest))
        content = self._read_file(name) if is_digest else b""
        if plan := _parse_stored_plan(content, digest):
            return plan
        if not content:
            packed = self._read_file(f"{_strip_digest_prefix(digest)}.plan") if is_digest else b""
            if plan := _parse_stored_plan(_unpack_content(packed, MAX_FILE_BYTES), digest):
                with contextlib.suppress(OSError):
                    self.add_plan(plan, digest)
                return plan
            raise FileNotFoundError(f"the plan {digest} is gone from {self.directory}: run this again")
        raise UntrustedStore(
            f"{self.directory}/{name}", "something else", "the plan of that name; delete what is there"
        )

    # -- notes for later runs ------------------------------------------------------------------------------------------

    def read_note(self, name: str) -> bytes:
        """Return the note (a small file) that an earlier run stored; b"" if it is missing or untrusted."""
        return self._read_file(name)

    def write_note(self, name: str, content: bytes) -> None:
        """Store a note for later runs, in place of the earlier note."""
        if self._read_file(name) != content:
            self._keep_file(name, content)

    # -- marks: the code and the plan that a host has in its cache -----------------------------------------------------

    def is_stored_on_host(self, host: str, code: StreamPart, plan: StreamPart) -> bool:
        """Return whether the host has reported that its cache has this code and plan."""
        if host not in self._marks:
            self._marks[host] = self._read_file(_name_host_mark(host), "kept")
        return self._marks[host] == _list_part_names(code, plan)

    def record_host_store(self, host: str, code: StreamPart, plan: StreamPart, is_stored: bool) -> None:
        """Record whether the cache of a host has this code and plan."""
        if is_stored == self.is_stored_on_host(host, code, plan):
            return
        del self._marks[host]  # read again the next time, because writing may fail
        if is_stored:
            self._keep_file(_name_host_mark(host), _list_part_names(code, plan), "kept")
            return
        # If the old mark cannot be deleted, the next run only loses time: the host reports that it lacks the parts.
        with contextlib.suppress(OSError), self._open_directory("kept") as directory:
            os.unlink(_name_host_mark(host), dir_fd=directory)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _read_checked(self, name: str, sha256: str) -> bytes:
        """Return the content of a file in the store; b"" if it does not have this SHA-256 or cannot be read."""
        content = self._read_file(name)
        return content if hashlib.sha256(content).hexdigest() == sha256 else b""

    def _read_file(self, name: str, subdirectory: str = "") -> bytes:
        """Return the content of a file in the store; b"" if the file is missing, untrusted or too long.

        The limit is MAX_FILE_BYTES.
        """
        try:
            with self._open_directory(subdirectory) as directory:
                descriptor = os.open(name, _READ_FLAGS, dir_fd=directory)
                with os.fdopen(descriptor, "rb") as stream:
                    status = os.fstat(descriptor)
                    if not stat.S_ISREG(status.st_mode) or describe_others(status, self._trusted, read_acl(descriptor)):
                        return b""
                    content = stream.read(MAX_FILE_BYTES + 1)
                    return content if len(content) <= MAX_FILE_BYTES else b""
        except OSError:
            return b""

    def _keep_file(self, name: str, content: bytes, subdirectory: str = "") -> None:
        """Store a file, whole or not at all.

        An error is ignored: without the file, later work only takes longer.
        """
        with contextlib.suppress(OSError):
            self._write_file(name, content, subdirectory)

    def _require_stored(self, name: str, content: bytes) -> None:
        """Store a file that hosts cannot do without.

        Raises UntrustedStore.
        """
        if self.directory is None:
            return
        try:
            self._write_file(name, content)
        except UntrustedStore:
            raise
        except OSError as error:
            observed = f"a place in which the plans of this run cannot be written ({error.strerror})"
            raise UntrustedStore(str(self.directory), observed, f"room for a plan, and {WRITABLE_EXPECTED}") from None

    def _write_file(self, name: str, content: bytes, subdirectory: str = "") -> None:
        """Write a file, whole or not at all.

        `subdirectory` is a directory in the store; "" for the store itself. Raises OSError and UntrustedStore.
        """
        with self._open_directory(subdirectory, create=True) as directory:
            temporary_name = f".{name[:100]}.{secrets.token_hex(8)}"
            descriptor = os.open(temporary_name, _CREATE_FLAGS, 0o600, dir_fd=directory)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                os.rename(temporary_name, name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                os.unlink(temporary_name, dir_fd=directory)
                raise

    @contextlib.contextmanager
    def _open_directory(self, subdirectory: str = "", create: bool = False) -> Iterator[int]:
        """Yield a descriptor of the store's directory, or of `subdirectory` in it.

        With `create`, a missing subdirectory is created. Raises UntrustedStore, and OSError if the directory is
        missing.
        """
        if self.directory is None:
            raise FileNotFoundError("nothing is kept")
        path = self.directory / subdirectory
        if create and subdirectory:
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
        try:
            descriptor = os.open(path, _DIRECTORY_FLAGS)
        except OSError:
            if path.is_symlink() or path.exists() and not path.is_dir():
                observed = "a link" if path.is_symlink() else "no directory"
                raise UntrustedStore(
                    str(path), observed, "a directory; delete what is there, and one is made"
                ) from None
            raise
        try:
            self._refuse_writable(str(path), descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _refuse_writable(self, path: str, location: Path | int) -> None:
        """Raise UntrustedStore for a directory that others can change.

        `location` is its path or an open descriptor, `path` its name for the message.
        """
        status, acl = os.stat(location), read_acl(location)
        if others := describe_others(status, self._trusted, acl):
            raise UntrustedStore(
                path,
                f"a directory of {find_account_name(status.st_uid)}'s (mode {stat.S_IMODE(status.st_mode):04o}) that "
                f"can be changed"
                f" by {others}",
                f"one that only {find_account_name(os.geteuid())} or root can change, since root on the hosts runs "
                f"what is kept"
                f" there: `{make_closing_command(path, status, self._trusted, os.geteuid(), acl)}`, or name another "
                f"place in"
                " PROSCRIBE_REPORTS or proscribe_reports",
            )


def _strip_digest_prefix(digest: str) -> str:
    """Return the hexadecimal digits of a digest such as `sha256:1f...`."""
    return digest.rpartition(":")[2]


def _name_host_mark(host: str) -> str:
    """Return the name of the file with a host's mark: the code and the plan in the host's cache."""
    return f"host-{urllib.parse.quote(host, safe='')}"


def _list_part_names(code: StreamPart, plan: StreamPart) -> bytes:
    """Return the content of a host's mark."""
    return f"{code.name} {plan.name}\n".encode()


def _parse_stored_plan(content: bytes, digest: str) -> Plan | None:
    """Parse a stored plan from JSON, in its whole or its shortened form.

    Returns None unless the plan has this digest.
    """
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
        plan = expand_plan(json.loads(content))
        if digest == plan.get("digest") == digest_of(plan):
            return plan
    return None


def _unpack_content(packed: bytes, length: int) -> bytes:
    """Decompress at most `length` + 1 bytes, so that the caller notices longer content.

    Returns b"" for damaged content.
    """
    try:
        return zlib.decompressobj().decompress(packed, length + 1)
    except zlib.error:
        return b""
