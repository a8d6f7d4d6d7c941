"""The only interface to the operating system: files, processes, users and tools of the host.

Every control goes through it, so each can be tested on a fixture and on recorded answers (`root`, `run`), and again
on the real thing. Root code meets hostile users here: nothing is run through a shell, no link that a user could have
made is followed, and a file appears whole or not at all. Standard library only, Python 3.9 and newer.
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
    from .file_lock import HostLock
    from .file_scan import RememberedDirectory, ScanResult
    from .names import NameResolution

DARWIN = "Darwin"  # the kernel of macOS, where nothing is ever changed

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
    """A host, seen from `root` ("/" but in tests) and through `run_command`, the runner of its tools.

    `record_fields` go into the record as they are. `state_savers` save for later runs what a run that may write has
    learnt; each takes whether its run begins with this observation. Where nothing will be saved, `saves_state` is false, and
    observing costs less. `starting_unit` is the unit that had systemd start this process, and so runs; "" for none. `changed_by`
    is who changes it, for others that wait `lock_timeout` seconds for their turn. `other_runs` are those with whom this run
    had to share it (file_lock.py). `clock` says what time it is, in seconds since 1970: on a watched host one that does
    not go back (watch/state/clock.py).
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
        """The state of the packet filter's tables, which changes with every change to any of them; None if unknown."""
        return read_ruleset_generation() if self.root == "/" else None  # a fixture has no kernel of its own

    def try_execution(self, path: str) -> int:
        """Try to execute a file that the caller has seen to be no program: the kernel reports the start to whoever
        listens, refuses it, and this process goes on. The number of the kernel's error.
        """
        try:
            os.execve(self._make_real_path(path), [path], {})
        except OSError as error:
            return error.errno or 0

    def is_destination_refused(self, address: str, port: int) -> bool | None:
        """Whether the packet filter refuses what goes to an address; None where that cannot be tried."""
        return is_destination_refused(address, port) if self.root == "/" else None

    def require_root(self) -> None:
        """Raises ControlError for an ordinary user: nothing on a host is changed half."""
        if not self.privileged:
            raise ControlError("this needs root: run it as root, or let Ansible become root (-b, and -K if sudo asks)")

    @contextlib.contextmanager
    def lock_host(self, timeout: float | None = None) -> Iterator[HostLock]:
        """Keep a second run of Proscribe off this host. Raises ControlError when another one has it for too long."""
        from .file_lock import HostLock  # an audit takes none

        host_lock = HostLock(self._make_real_path, self.changed_by, self.lock_timeout if timeout is None else timeout)
        try:
            with host_lock.obtain_lock():
                yield host_lock
        finally:
            self.other_runs += host_lock.other_turns

    @contextlib.contextmanager
    def lock_users_tools(self, timeout: float) -> Iterator[None]:
        """Keep a second run from running tools of users. Raises Busy when another one does for too long."""
        from .file_lock import USERS_TOOLS_LOCK_PATH, HostLock

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
        """Scan below some directories; see system/file_scan.py."""
        from .file_scan import scan_directories  # only a plan that names programs pays for it

        return scan_directories(
            self, roots, choose_names, remembered, excluded, remember=self.saves_state, separates_owned=separates_owned
        )

    def send_datagram(self, address: str, port: int, message: bytes, timeout: float) -> bytes | None:
        """Send one datagram and return the answer; None if none comes within `timeout` seconds. Raises OSError where
        there is nobody to come from: nothing listens there (ConnectionRefusedError), or no packet gets there.
        """
        import _socket  # only a host with a resolver of its own pays for it, and not for the larger module socket

        channel = _socket.socket(_socket.AF_INET6 if ":" in address else _socket.AF_INET, _socket.SOCK_DGRAM)
        try:
            channel.settimeout(timeout)
            channel.connect((address, port))  # so only that address and port can answer
            channel.send(message)
            return channel.recv(65535)
        except _socket.timeout:
            return None
        finally:
            channel.close()

    def resolve_name(self, name: str, family: int, timeout: float) -> NameResolution | None:
        """Resolve a name as programs do; see system/names.py. None for a fixture, which has no C library of its own."""
        if self.root != "/":
            return None
        from .names import resolve_name  # only a host where names are blocked pays for it

        return resolve_name(name, family, timeout)

    def request_resource(self, path: str, resource: str, timeout: float) -> bytes | None:
        """The answer of a service of the host about a resource, over its local socket (HTTP). None if it does not
        answer with 200 within `timeout` seconds, or with more than a file may hold.
        """
        import http.client  # only a host that has something to ask about pays for it
        import socket

        parent, _, name = path.rpartition("/")

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
        """The operating system in a few words, for the record."""
        text = (self.read_text("/etc/os-release") or "") if self.kernel_name == "Linux" else ""
        release = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return {
            "os": release.get("ID", sys.platform).strip("\"'"),
            "version": release.get("VERSION_ID", "").strip("\"'"),
            "kernel": os.uname().release,
            "architecture": os.uname().machine,
            "python": ".".join(map(str, sys.version_info[:3])),
        }
