"""Only interface of Proscribe to the operating system: files, processes, users and tools of the host.

Every control uses this interface. So tests can replace the host by a directory (`root`) and recorded tool output
(`run`). Root's code meets hostile users here. So no command is run through a shell. No link that a user could have made
is followed. A file is written completely or not at all. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Callable, Collection, Iterator, Mapping, Sequence

from .files import LEDGER_PATH, LIFT_COMMAND, MAX_FILE_BYTES, SIGNATURE, STATE_DIRECTORY, WRITTEN_BY
from .netfilter import RulesetGeneration, is_destination_refused, read_ruleset_generation
from .processes import Processes
from .tools import Runner, run_tool
from .types import (
    ControlError,
    ObservationError,
    Process,
    TerminationTarget,
    ToolResult,
    User,
    escape_text,
    format_one_line,
)

if TYPE_CHECKING:
    from ...model.types.record import OtherHostTurn, RecordDetails
    from .file_scan import RememberedDirectory, ScanResult
    from .host_lock import HostLock
    from .name_resolution import NameResolution

DARWIN = "Darwin"  # the kernel of macOS; a Mac is never changed

__all__ = [
    "DARWIN",
    "LEDGER_PATH",
    "STATE_DIRECTORY",
    "SIGNATURE",
    "LIFT_COMMAND",
    "WRITTEN_BY",
    "ControlError",
    "TerminationTarget",
    "RulesetGeneration",
    "Host",
    "Process",
    "ToolResult",
    "Runner",
    "ObservationError",
    "User",
    "escape_text",
    "format_one_line",
    "run_tool",
]


class Host(Processes):
    """Host with its files below `root` ("/" except in tests), and its tools run by the function `run`.

    `record_fields` are copied into the host record. `state_savers` are functions that save data for later runs. They
    are called only by a run that may write. Each takes a flag: true if the run also corrects what it observed.
    `saves_state` is false if nothing will be saved: observing is cheaper then.

    `starting_unit` is the systemd unit that started this process; "" for none. `changed_by` names this run to other
    runs that wait for the host. This run waits at most `lock_timeout` seconds for the host's lock. `other_runs` are the
    runs that this run waited for, or that changed the host in between (host_lock.py). `clock` returns the seconds since
    1970. On a watched host the clock never goes back (watch/state/clock.py).
    """

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        super().__init__(root, run)
        self.record_fields: RecordDetails = {}
        self.state_savers: list[Callable[[bool], None]] = []
        self.saves_state = True
        self.starting_unit = ""
        self.changed_by = ""
        self.lock_timeout = 60.0
        self.other_runs: list[OtherHostTurn] = []
        self.clock: Callable[[], float] = time.time

    @property
    def kernel_name(self) -> str:
        """The kernel's name: Linux, Darwin."""
        return os.uname().sysname

    def read_ruleset_generation(self) -> RulesetGeneration | None:
        """Return the number that the kernel raises at every change of the packet filter; None if unknown."""
        return read_ruleset_generation() if self.root == "/" else None  # a test directory has no kernel of its own

    def try_execution(self, path: str) -> int:
        """Try to execute a file that is not a program, and return the kernel's error number.

        The kernel reports the attempt to programs that listen for starts, and then refuses it. So this process
        continues. The caller must have checked that the file is not a program.
        """
        try:
            os.execve(self._make_real_path(path), [path], {})
        except OSError as error:
            return error.errno or 0

    def is_destination_refused(self, address: str, port: int) -> bool | None:
        """Return whether the packet filter refuses packets to an address and port.

        Returns None if that cannot be tested.
        """
        return is_destination_refused(address, port) if self.root == "/" else None

    def require_root(self) -> None:
        """Raise ControlError unless this process is root: without root, a change would be incomplete."""
        if not self.privileged:
            raise ControlError("this needs root: run it as root, or let Ansible become root (-b, and -K if sudo asks)")

    @contextlib.contextmanager
    def lock_host(self, timeout: float | None = None) -> Iterator[HostLock]:
        """Hold the host's lock while the `with` body runs: no other run of Proscribe changes the host then.

        Raises ControlError if another run holds the lock for longer than `timeout` seconds. None means `lock_timeout`.
        """
        from .host_lock import HostLock  # an audit takes no lock

        host_lock = HostLock(self._make_real_path, self.changed_by, self.lock_timeout if timeout is None else timeout)
        try:
            with host_lock.obtain_lock():
                yield host_lock
        finally:
            self.other_runs += host_lock.other_turns

    @contextlib.contextmanager
    def lock_users_tools(self, timeout: float) -> Iterator[None]:
        """Prevent other runs of Proscribe from running tools as users while the `with` body runs.

        Raises HostBusyError if another run does so for longer than `timeout` seconds.
        """
        from .host_lock import USERS_TOOLS_LOCK_PATH, HostLock

        with HostLock(self._make_real_path, self.changed_by, timeout, USERS_TOOLS_LOCK_PATH).obtain_lock():
            yield

    def scan_directories(
        self,
        roots: Sequence[str],
        choose_names: Callable[[str, Sequence[str]], Collection[str]],
        remembered: Mapping[str, RememberedDirectory],
        excluded: Collection[str] = (),
        separates_owned: bool = False,
    ) -> ScanResult:
        """Search the directories `roots` for files with relevant names.

        The parameters and the result are those of `scan_directories` in system/file_scan.py.
        """
        from .file_scan import scan_directories  # imported here: only plans that name programs need it

        return scan_directories(
            self, roots, choose_names, remembered, excluded, remember=self.saves_state, separates_owned=separates_owned
        )

    def send_datagram(self, address: str, port: int, message: bytes, timeout: float) -> bytes | None:
        """Send one datagram and return the answer; None if no answer comes within `timeout` seconds.

        Raises OSError if no answer can come: nothing listens there (ConnectionRefusedError), or no packet gets there.
        """
        # imported here: only hosts with a local DNS resolver need it. The module `socket` would take longer to load.
        import _socket

        channel = _socket.socket(_socket.AF_INET6 if ":" in address else _socket.AF_INET, _socket.SOCK_DGRAM)
        try:
            channel.settimeout(timeout)
            channel.connect((address, port))  # after `connect`, the kernel drops packets from other addresses and ports
            channel.send(message)
            return channel.recv(65535)
        except _socket.timeout:
            return None
        finally:
            channel.close()

    def resolve_name(self, name: str, family: int, timeout: float) -> NameResolution | None:
        """Resolve a name as programs do (system/name_resolution.py). Return None for a fixture: it has no C library."""
        if self.root != "/":
            return None
        from .name_resolution import resolve_name  # imported here: only hosts where names are blocked need it

        return resolve_name(name, family, timeout)

    def request_resource(self, path: str, resource: str, timeout: float) -> bytes | None:
        """Send an HTTP GET for `resource` over the Unix socket at `path`, and return the body of the answer.

        Returns None if no answer with status 200 comes: the socket may be missing, or silent for `timeout` seconds.
        Returns None too if the body is larger than MAX_FILE_BYTES.
        """
        import http.client  # imported here: only hosts with such a local service need it
        import socket

        parent, _, name = path.rpartition("/")

        # The socket is reached through the open directory, so no link in the path is followed.
        class Local(http.client.HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sock.settimeout(timeout)
                self.sock.connect(f"/proc/self/fd/{directory}/{name}")

        try:
            with self._use_directory(parent) as directory:
                connection = Local("localhost")
                connection.request("GET", resource)
                answer = connection.getresponse()
                content = answer.read(MAX_FILE_BYTES + 1)
                connection.close()
        except (OSError, http.client.HTTPException):
            return None
        return content if answer.status == 200 and len(content) <= MAX_FILE_BYTES else None

    def describe_platform(self) -> dict[str, str]:
        """Return the operating system of the host, for the record: a mapping of texts.

        The keys are os (such as "debian"), version, kernel (its release), architecture and python.
        """
        text = (self.read_text("/etc/os-release") or "") if self.kernel_name == "Linux" else ""
        release = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return {
            "os": release.get("ID", sys.platform).strip("\"'"),
            "version": release.get("VERSION_ID", "").strip("\"'"),
            "kernel": os.uname().release,
            "architecture": os.uname().machine,
            "python": ".".join(map(str, sys.version_info[:3])),
        }
