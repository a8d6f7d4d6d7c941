"""Tools of the host: found in the system's own directories, run with an argument list and never through a shell."""

from __future__ import annotations

import contextlib
import os
import select
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from .files import Files
from .roots_own import changeable
from .tool_ending import end_session
from .tool_process import ToolProcess
from .types import ControlError, Result, User

if TYPE_CHECKING:
    import subprocess
    from typing import Union

    from .tool_scope import Scope

    Started = Union[ToolProcess, Scope, subprocess.Popen[bytes]]

NOT_ENDED = -9  # the code of a tool that does not end, not even by KILL
# The distribution's own come first: a tool of the same name in /usr/local, which no package brought, is not asked.
TOOL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
TOOL_ENVIRONMENT = {"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}

MOST = 16 * 1024 * 1024  # bytes that a tool of the host may print
MOST_OF_USER = 256 * 1024  # and one that is run as a user, who may have put anything in its place
TIMEOUT_SECONDS = 60.0
AWAKE = 0.05  # seconds after which it is seen that a tool has ended although its output is still held open

Runner = Callable[..., Result]


def run_tool(
    argv: Sequence[str],
    *,
    user: User | None = None,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Result:
    """Run a tool with an argument list, as root or as a user of the host, and return what it answered. Root runs
    nothing that others can change, and its tools look for programs only where nobody else can put one.

    A user's tool runs in a scope of its own (tool_scope.py), and all of it ends with the tool. Raises ControlError when
    the tool is missing, does not end within `timeout` seconds, or prints more than `MOST` (`MOST_OF_USER`) bytes.
    """
    env = {**TOOL_ENVIRONMENT, **(environment or {})}
    scope: Scope | None = None
    process: Started
    try:
        if user is None:
            env["PATH"] = ":".join(_searched(env["PATH"]))
            process = _started(_found(argv[0], env["PATH"]), list(argv), env, stdin is not None)
        else:
            from .tool_scope import start_in_scope  # a host that runs no tool as a user does not pay for it

            find = partial(_found, places=TOOL_PATH)
            process = scope = start_in_scope(list(argv), env, user, talks=stdin is not None, timeout=timeout, find=find)
    except FileNotFoundError:
        raise ControlError(f"{argv[0]} is not installed on this host") from None
    except OSError as error:
        raise ControlError(f"{argv[0]} cannot be run: {error.strerror}") from None
    most = MOST if user is None else MOST_OF_USER
    ended, is_empty = False, True
    try:
        out, err = _conversation(process, (stdin or "").encode(), most, timeout)
        ended = True
    except _Spent as spent:
        raise ControlError(f"{' '.join(argv)} {spent}") from None
    finally:
        if scope:
            is_empty = scope.end_scope()
        elif not ended:
            end_session(process.pid)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        _wait(process)
    if not is_empty:
        raise ControlError(f"{argv[0]} has left processes that do not end")
    code = process.poll()
    return Result(NOT_ENDED if code is None else code, _text(out), _text(err))


def _started(path: str, argv: list[str], env: Mapping[str, str], talks: bool) -> Started:
    """A tool of root's that runs, in a session of its own; `talks` where it gets an input. Raises OSError."""
    if hasattr(os, "pidfd_open"):  # not on macOS, which has no /proc either
        with contextlib.suppress(NotImplementedError):  # a C library that does not begin a session for it
            return ToolProcess(path, argv, env, talks)
    import subprocess  # hosts that have the other way do not pay for it

    return subprocess.Popen(
        argv,
        executable=path,
        stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    )


def _searched(places: str) -> list[str]:
    """The directories in which root looks for tools: those into which nobody else can put one."""
    return [place for place in places.split(":") if not changeable(place)]


def _found(name: str, places: str) -> str:
    """The path of a tool for root. Raises FileNotFoundError, and ControlError for one that others can change."""
    if "/" in name:
        if place := changeable(name):
            raise ControlError(f"{name} is not run by root: others can change {place}")
        return name
    for place in places.split(":"):
        if os.access(path := f"{place}/{name}", os.X_OK) and not changeable(path):
            return path
    raise FileNotFoundError(name)


def _has_ended(process: Started) -> bool:
    """Whether a tool has ended. Nobody has waited for it yet, so its number, and its session's, is no other's."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except (AttributeError, ChildProcessError):  # not on macOS; a caller that ignores the ends of its children
        return process.poll() is not None


def _wait(process: Started) -> None:
    """Wait a little for a tool that has ended, or was ended."""
    end = time.monotonic() + 5
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)


class _Spent(Exception):
    """A tool that takes too long or says too much."""


def _conversation(process: Started, given: bytes, most: int, timeout: float) -> tuple[bytes, bytes]:
    """Give a tool its input and take its output, until it ends. Nobody waits for what it has started and left behind,
    which may hold its output open. Raises _Spent.
    """
    said = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr) if stream}
    out, err = said
    poll = select.poll()
    for descriptor in said:
        poll.register(descriptor, select.POLLIN)
    if process.stdin:
        os.set_blocking(process.stdin.fileno(), False)
        poll.register(process.stdin.fileno(), select.POLLOUT)
    rest = memoryview(given)
    open_ends = set(said)
    end = time.monotonic() + timeout
    pause = 0.001
    while open_ends and not _has_ended(process):
        left = end - time.monotonic()
        if left <= 0:
            raise _Spent(f"did not end within {timeout:g} s")
        for descriptor, _ in poll.poll(min(left, AWAKE) * 1000):
            if descriptor in said:
                _take(descriptor, said[descriptor], most, open_ends, poll)
            elif process.stdin:
                rest = rest[_give(descriptor, rest) :]
                if not rest:
                    poll.unregister(descriptor)
                    process.stdin.close()
    while not _has_ended(process):  # it has closed its output and works on
        if time.monotonic() > end:
            raise _Spent(f"did not end within {timeout:g} s")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    for descriptor in list(open_ends):  # what it said last
        os.set_blocking(descriptor, False)
        with contextlib.suppress(BlockingIOError):
            while descriptor in open_ends:
                _take(descriptor, said[descriptor], most, open_ends, poll)
    return bytes(said[out]), bytes(said[err])


def _take(descriptor: int, said: bytearray, most: int, open_ends: set[int], poll: select.poll) -> None:
    piece = os.read(descriptor, 65536)
    said += piece
    if len(said) > most:
        raise _Spent(f"printed more than {most} bytes")
    if not piece:
        open_ends.discard(descriptor)
        poll.unregister(descriptor)


def _give(descriptor: int, given: memoryview) -> int:
    """How much of its input a tool took; all of it, if it wants no more."""
    try:
        return os.write(descriptor, given)
    except BlockingIOError:
        return 0
    except OSError:
        return len(given)


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def _reason(result: Result) -> str:
    """Why a tool failed: the end of what it said, and before that the first line of the rest about an error."""
    said = result.err.strip() or result.out.strip()
    end = " ".join(said.split())[-400:]
    about = next((line for line in said.splitlines() if "error" in line.lower()), "")
    first = " ".join(about.split())[:300]
    return end if first in end else f"{first} ... {end}"


class Tools(Files):
    """The tools of a host, run by `run`, which tests replace."""

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        super().__init__(root)
        self._run = run
        self.users_tools_until: float | None = None  # when the time of users' tools ends (time.monotonic)

    def tool(self, name: str) -> str | None:
        """The path of a tool on this host, searched in the system's own directories only; None if it is not there. One
        that others than root can change is none.
        """
        for directory in TOOL_PATH.split(":"):
            path = f"{directory}/{name}"
            if os.access(self._real(path), os.X_OK) and not (self.changeable(directory) or self.changeable(path)):
                return path
        return None

    def changeable(self, path: str) -> str:
        """The first part of a path that others than root can change; "" for none, and for an ordinary user."""
        return changeable(self._real(path)).removeprefix(self.root.rstrip("/"))

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        """Run a tool of the host; options as for `run_tool`. A non-zero end is the caller's to judge."""
        if self.users_tools_until is not None and options.get("user"):
            rest = max(self.users_tools_until - time.monotonic(), 0)
            options["timeout"] = min(options.get("timeout", TIMEOUT_SECONDS), rest)
        return self._run(argv, **options)

    def must(self, argv: Sequence[str], **options: Any) -> str:
        """Run a tool that has to succeed, and return its output. Raises ControlError with what it said."""
        result = self.run(argv, **options)
        if result.rc:
            raise ControlError(f"{' '.join(argv)} ended with {result.rc}: {_reason(result)}")
        return result.out
