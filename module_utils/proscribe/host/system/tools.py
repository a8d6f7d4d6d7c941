"""Runner of the host's command-line tools, without a shell and only from the system's directories."""

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

NOT_ENDED_CODE = -9  # exit code that stands for a tool that does not end even after KILL
# The distribution's directories come first: a file in /usr/local, which no package owns, must not replace a tool.
TOOL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
TOOL_ENVIRONMENT = {"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}

MAX_OUTPUT_BYTES = 16 * 1024 * 1024  # most bytes that a tool may print
# most bytes that a tool which runs as a user may print; the user may have replaced the tool
MAX_USER_OUTPUT_BYTES = 256 * 1024
TIMEOUT_SECONDS = 60.0
POLL_INTERVAL_SECONDS = 0.05  # interval of the check whether a tool has ended, while its output is still open

Runner = Callable[..., ToolResult]


def run_tool(
    argv: Sequence[str],
    *,
    user: User | None = None,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> ToolResult:
    """Run a tool as root or as `user`, and return its exit code and output.

    Root runs only files that no other user can change. Root's tools search for programs only in directories where no
    other user can add files. A tool that runs as a user has a separate scope (tool_scope.py): all its processes end
    with the tool. `stdin` is the text of the tool's standard input; None for no input. `environment` has further
    variables.

    Raises ControlError if the tool is missing, does not end within `timeout` seconds, or prints too much. The limit is
    `MAX_OUTPUT_BYTES` for root, and `MAX_USER_OUTPUT_BYTES` for a user.
    """
    env = {**TOOL_ENVIRONMENT, **(environment or {})}
    scope: Scope | None = None
    process: ToolHandle
    try:
        if user is None:
            env["PATH"] = ":".join(_list_safe_directories(env["PATH"]))
            process = _start_tool(_find_tool(argv[0], env["PATH"]), list(argv), env, stdin is not None)
        else:
            from .tool_scope import start_in_scope  # imported here: few hosts run a tool as a user

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
    """Start a tool as root, in a new session. Raises OSError.

    `has_input` is true if the caller writes to the tool's standard input.
    """
    if hasattr(os, "pidfd_open"):  # macOS lacks pidfd_open, and /proc too
        with contextlib.suppress(NotImplementedError):  # an old C library cannot start a process in a new session
            return ToolProcess(path, argv, env, has_input)
    import subprocess  # imported here: most hosts use the faster ToolProcess

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
    """Return the directories of a search path where only root can add or replace files."""
    return [directory for directory in search_path.split(":") if not find_changeable_part(directory)]


def _find_tool(name: str, search_path: str) -> str:
    """Return the path of a tool that root will run. `name` is a plain name or a path.

    A plain name is searched in `search_path`; tools that other users can change are skipped. A path is returned as it
    is, with ControlError if other users can change a part of it. Raises FileNotFoundError.
    """
    if "/" in name:
        if changeable_part := find_changeable_part(name):
            raise ControlError(f"{name} is not run by root: others can change {changeable_part}")
        return name
    for directory in search_path.split(":"):
        if os.access(path := f"{directory}/{name}", os.X_OK) and not find_changeable_part(path):
            return path
    raise FileNotFoundError(name)


def _has_tool_ended(process: ToolHandle) -> bool:
    """Return whether a tool has ended, without collecting its exit status.

    So the process id of the tool, and the id of its session, cannot be in use again.
    """
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    # macOS lacks waitid; ChildProcessError means that this process ignores SIGCHLD
    except (AttributeError, ChildProcessError):
        return process.poll() is not None


def _wait_for_tool(process: ToolHandle) -> None:
    """Wait up to five seconds until a tool that was ended or killed is gone, and collect its exit status."""
    deadline = time.monotonic() + 5
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)


class _ToolLimitExceeded(Exception):
    """Error of a tool that runs too long or prints too much."""


def _collect_output(process: ToolHandle, tool_input: bytes, max_bytes: int, timeout: float) -> tuple[bytes, bytes]:
    """Write the input of a tool, and return its standard output and standard error when the tool ends.

    Raises _ToolLimitExceeded. Processes that the tool left behind may still have its output open. The function does not
    wait for them.
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
    while not _has_tool_ended(process):  # the tool has closed its output but still runs
        if time.monotonic() > deadline:
            raise _ToolLimitExceeded(f"did not end within {timeout:g} s")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    for descriptor in list(open_ends):  # read the output that came just before the end
        os.set_blocking(descriptor, False)
        with contextlib.suppress(BlockingIOError):
            while descriptor in open_ends:
                _read_output(descriptor, outputs[descriptor], max_bytes, open_ends, poll)
    return bytes(outputs[out]), bytes(outputs[err])


def _read_output(descriptor: int, output: bytearray, max_bytes: int, open_ends: set[int], poll: select.poll) -> None:
    """Append the next piece of output to `output`.

    At the end of the output, the descriptor is removed from `open_ends` and `poll`. Raises _ToolLimitExceeded if there
    is too much output.
    """
    piece = os.read(descriptor, 65536)
    output += piece
    if len(output) > max_bytes:
        raise _ToolLimitExceeded(f"printed more than {max_bytes} bytes")
    if not piece:
        open_ends.discard(descriptor)
        poll.unregister(descriptor)


def _write_input(descriptor: int, remaining_input: memoryview) -> int:
    """Write input to a tool. Return the number of bytes that are done with.

    If the tool has closed its input, all bytes are done with.
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
    """Return why a tool failed: the end of its message, preceded by the first line with "error"."""
    message = result.err.strip() or result.out.strip()
    message_end = " ".join(message.split())[-400:]
    error_line = next((line for line in message.splitlines() if "error" in line.lower()), "")
    error_start = " ".join(error_line.split())[:300]
    return message_end if error_start in message_end else f"{error_start} ... {message_end}"


class Tools(Files):
    """Command-line tools of a host. Tests replace the function `run`, which runs a tool."""

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        super().__init__(root)
        self._run = run
        # Time (time.monotonic) until which tools may run as users; None for no limit.
        self.users_tools_until: float | None = None

    def find_tool(self, name: str) -> str | None:
        """Return the path of a tool on this host; None if the tool is missing.

        Only the directories of TOOL_PATH are searched. A tool that users other than root can change counts as missing.
        """
        for directory in TOOL_PATH.split(":"):
            path = f"{directory}/{name}"
            if os.access(self._make_real_path(path), os.X_OK) and not (
                self.find_changeable_part(directory) or self.find_changeable_part(path)
            ):
                return path
        return None

    def find_changeable_part(self, path: str) -> str:
        """Return the first part of a host's path that users other than root can change; "" for none.

        Returns "" too if this process is not root.
        """
        return find_changeable_part(self._make_real_path(path)).removeprefix(self.root.rstrip("/"))

    def run_command(self, argv: Sequence[str], **options: Any) -> ToolResult:
        """Run a tool and return its result, whatever the exit code is. The options are those of `run_tool`.

        A tool that runs as a user may not run longer than `users_tools_until`.
        """
        if self.users_tools_until is not None and options.get("user"):
            seconds_left = max(self.users_tools_until - time.monotonic(), 0)
            options["timeout"] = min(options.get("timeout", TIMEOUT_SECONDS), seconds_left)
        return self._run(argv, **options)

    def read_command_output(self, argv: Sequence[str], **options: Any) -> str:
        """Run a tool and return its standard output.

        Raises ControlError with the tool's message for a non-zero exit code.
        """
        result = self.run_command(argv, **options)
        if result.rc:
            raise ControlError(f"{' '.join(argv)} ended with {result.rc}: {_explain_failure(result)}")
        return result.out
