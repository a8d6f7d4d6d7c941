"""Tools of the host, from the system's own directories, run with an argument list and never by a shell."""

from __future__ import annotations

import contextlib
import os
import select
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from .files import Files
from .root_only_paths import find_changeable_part
from .tool_process import ToolProcess
from .tool_termination import end_session
from .types import ControlError, ToolResult, User

if TYPE_CHECKING:
    import subprocess
    from typing import Union

    from .tool_scope import Scope

    ToolHandle = Union[ToolProcess, Scope, subprocess.Popen[bytes]]

NOT_ENDED_CODE = -9  # the code of a tool that does not end, not even by KILL
# The distribution's directories come first. So a tool of the same name in /usr/local, from no package, is not run.
TOOL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
TOOL_ENVIRONMENT = {"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}

MAX_OUTPUT_BYTES = 16 * 1024 * 1024  # bytes that a tool of the host may print
MAX_USER_OUTPUT_BYTES = 256 * 1024  # bytes that a user's tool may print; the user may have replaced the tool
TIMEOUT_SECONDS = 60.0
POLL_INTERVAL_SECONDS = (
    0.05  # seconds between two checks whether a tool has ended, for tools whose output is still held open
)

Runner = Callable[..., ToolResult]


def run_tool(
    argv: Sequence[str],
    *,
    user: User | None = None,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> ToolResult:
    """Run a tool with an argument list, as root or as a user of the host, and return its result.

    Root runs no file that others can change. Root's tools search for programs only in directories where no other user
    can put files. A user's tool runs in its own scope (tool_scope.py), and all its processes end with it.

    Raises ControlError if the tool is missing, does not end within `timeout` seconds, or prints too much. The limit is
    `MAX_OUTPUT_BYTES`, for a user's tool `MAX_USER_OUTPUT_BYTES`.
    """
    env = {**TOOL_ENVIRONMENT, **(environment or {})}
    scope: Scope | None = None
    process: ToolHandle
    try:
        if user is None:
            env["PATH"] = ":".join(_list_safe_directories(env["PATH"]))
            process = _start_tool(_find_tool(argv[0], env["PATH"]), list(argv), env, stdin is not None)
        else:
            from .tool_scope import start_in_scope  # imported only on a host that runs a tool as a user

            find = partial(_find_tool, search_path=TOOL_PATH)
            process = scope = start_in_scope(
                list(argv), env, user, has_input=stdin is not None, timeout=timeout, find_tool=find
            )
    except FileNotFoundError:
        raise ControlError(f"{argv[0]} is not installed on this host") from None
    except OSError as error:
        raise ControlError(f"{argv[0]} cannot be run: {error.strerror}") from None
    max_bytes = MAX_OUTPUT_BYTES if user is None else MAX_USER_OUTPUT_BYTES
    has_ended, is_empty = False, True
    try:
        out, err = _collect_output(process, (stdin or "").encode(), max_bytes, timeout)
        has_ended = True
    except _ToolLimitExceeded as limit_error:
        raise ControlError(f"{' '.join(argv)} {limit_error}") from None
    finally:
        if scope:
            is_empty = scope.end_scope()
        elif not has_ended:
            end_session(process.pid)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        _wait_for_tool(process)
    if not is_empty:
        raise ControlError(f"{argv[0]} has left processes that do not end")
    code = process.poll()
    return ToolResult(NOT_ENDED_CODE if code is None else code, _decode_output(out), _decode_output(err))


def _start_tool(path: str, argv: list[str], env: Mapping[str, str], has_input: bool) -> ToolHandle:
    """Start a tool as root, in its own session. Raises OSError.

    `has_input` is true if the tool gets an input.
    """
    if hasattr(os, "pidfd_open"):  # not on macOS, which has no /proc either
        with contextlib.suppress(NotImplementedError):  # the C library cannot start a session for a new process
            return ToolProcess(path, argv, env, has_input)
    import subprocess  # imported only on hosts without the faster method

    return subprocess.Popen(
        argv,
        executable=path,
        stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    )


def _list_safe_directories(search_path: str) -> list[str]:
    """Return the directories of a search path where only root can put tools."""
    return [directory for directory in search_path.split(":") if not find_changeable_part(directory)]


def _find_tool(name: str, search_path: str) -> str:
    """Return the path of a tool for root.

    Raises FileNotFoundError. Raises ControlError if `name` is a path and others can change a part of it. A search by a
    plain name skips tools that others can change.
    """
    if "/" in name:
        if directory_or_part := find_changeable_part(name):
            raise ControlError(f"{name} is not run by root: others can change {directory_or_part}")
        return name
    for directory_or_part in search_path.split(":"):
        if os.access(path := f"{directory_or_part}/{name}", os.X_OK) and not find_changeable_part(path):
            return path
    raise FileNotFoundError(name)


def _has_tool_ended(process: ToolHandle) -> bool:
    """Return whether a tool has ended.

    The tool is not waited for. So no other process can have its number, or the number of its session.
    """
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except (AttributeError, ChildProcessError):  # macOS lacks waitid; a caller may ignore the ends of its children
        return process.poll() is not None


def _wait_for_tool(process: ToolHandle) -> None:
    """Wait up to five seconds for a tool that has ended or is ending."""
    deadline = time.monotonic() + 5
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)


class _ToolLimitExceeded(Exception):
    """Error of a tool that takes too long or prints too much."""


def _collect_output(process: ToolHandle, tool_input: bytes, max_bytes: int, timeout: float) -> tuple[bytes, bytes]:
    """Write a tool's input and read its output until the tool ends. Raises _ToolLimitExceeded.

    Processes that the tool leaves behind may hold its output open. They are not waited for.
    """
    outputs = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr) if stream}
    out, err = outputs
    poll = select.poll()
    for descriptor in outputs:
        poll.register(descriptor, select.POLLIN)
    if process.stdin:
        os.set_blocking(process.stdin.fileno(), False)
        poll.register(process.stdin.fileno(), select.POLLOUT)
    remaining_input = memoryview(tool_input)
    open_ends = set(outputs)
    deadline = time.monotonic() + timeout
    pause = 0.001
    while open_ends and not _has_tool_ended(process):
        seconds_left = deadline - time.monotonic()
        if seconds_left <= 0:
            raise _ToolLimitExceeded(f"did not end within {timeout:g} s")
        for descriptor, _ in poll.poll(min(seconds_left, POLL_INTERVAL_SECONDS) * 1000):
            if descriptor in outputs:
                _read_output(descriptor, outputs[descriptor], max_bytes, open_ends, poll)
            elif process.stdin:
                remaining_input = remaining_input[_write_input(descriptor, remaining_input) :]
                if not remaining_input:
                    poll.unregister(descriptor)
                    process.stdin.close()
    while not _has_tool_ended(process):  # the tool has closed its output and still runs
        if time.monotonic() > deadline:
            raise _ToolLimitExceeded(f"did not end within {timeout:g} s")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    for descriptor in list(open_ends):  # the last output
        os.set_blocking(descriptor, False)
        with contextlib.suppress(BlockingIOError):
            while descriptor in open_ends:
                _read_output(descriptor, outputs[descriptor], max_bytes, open_ends, poll)
    return bytes(outputs[out]), bytes(outputs[err])


def _read_output(descriptor: int, output: bytearray, max_bytes: int, open_ends: set[int], poll: select.poll) -> None:
    piece = os.read(descriptor, 65536)
    output += piece
    if len(output) > max_bytes:
        raise _ToolLimitExceeded(f"printed more than {max_bytes} bytes")
    if not piece:
        open_ends.discard(descriptor)
        poll.unregister(descriptor)


def _write_input(descriptor: int, remaining_input: memoryview) -> int:
    """Write input to a tool, and return the number of bytes that count as written.

    All bytes count if the tool accepts no more input.
    """
    try:
        return os.write(descriptor, remaining_input)
    except BlockingIOError:
        return 0
    except OSError:
        return len(remaining_input)


def _decode_output(output: bytes) -> str:
    return output.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def _explain_failure(result: ToolResult) -> str:
    """Return the reason of a tool's failure: the end of its message, after the first line about an error."""
    message = result.err.strip() or result.out.strip()
    message_end = " ".join(message.split())[-400:]
    error_line = next((line for line in message.splitlines() if "error" in line.lower()), "")
    error_start = " ".join(error_line.split())[:300]
    return message_end if error_start in message_end else f"{error_start} ... {message_end}"


class Tools(Files):
    """Tools of a host, run by `run_command`, which tests replace."""

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        super().__init__(root)
        self._run = run
        # End of the time for users' tools (time.monotonic); None for no limit.
        self.users_tools_until: float | None = None

    def find_tool(self, name: str) -> str | None:
        """Return the path of a tool on this host; None if it is missing.

        Only the system's own directories are searched. A tool that others than root can change counts as missing.
        """
        for directory in TOOL_PATH.split(":"):
            path = f"{directory}/{name}"
            if os.access(self._make_real_path(path), os.X_OK) and not (
                self.find_changeable_part(directory) or self.find_changeable_part(path)
            ):
                return path
        return None

    def find_changeable_part(self, path: str) -> str:
        """Return the first part of a path that others than root can change; "" for none, and for an ordinary user."""
        return find_changeable_part(self._make_real_path(path)).removeprefix(self.root.rstrip("/"))

    def run_command(self, argv: Sequence[str], **options: Any) -> ToolResult:
        """Run a tool of the host. The options are those of `run_tool`. The caller judges a non-zero exit code."""
        if self.users_tools_until is not None and options.get("user"):
            seconds_left = max(self.users_tools_until - time.monotonic(), 0)
            options["timeout"] = min(options.get("timeout", TIMEOUT_SECONDS), seconds_left)
        return self._run(argv, **options)

    def read_command_output(self, argv: Sequence[str], **options: Any) -> str:
        """Run a tool that has to succeed, and return its output. Raises ControlError with the tool's message."""
        result = self.run_command(argv, **options)
        if result.rc:
            raise ControlError(f"{' '.join(argv)} ended with {result.rc}: {_explain_failure(result)}")
        return result.out
