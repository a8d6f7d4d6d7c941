"""Scope in which a tool runs as a user of the host. It shares no session with root, and ends as a whole.

If systemd runs, the scope is a transient service: systemd starts it from its own clean state, in its own control group.
Otherwise it is a process-id namespace below a keeper. The keeper is a process of root that is forked here. The kernel
ends all processes of a namespace with its first process. If no namespace can be made, the keeper adopts the processes
that the tool leaves behind (PR_SET_CHILD_SUBREAPER) and ends them.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the module signal costs more than a tool
import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Callable, Mapping, NoReturn, Sequence

from .tool_process import ChildProcess, ToolProcess, make_pipe
from .tool_termination import end_session, find_descendants, kill_process, read_start_ticks

if TYPE_CHECKING:
    from typing import Union

    from .types import User

    Scope = Union["TransientUnit", "NamespacedTool"]

ENDING_SECONDS = 5.0  # seconds for the end of all processes of a scope
PAUSE_SECONDS = 0.005
NOT_EMPTY_EXIT_CODE = 1  # exit code of a keeper that could not end all processes
KILL_SIGNAL = 9
# linux/prctl.h, linux/sched.h
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CLONE_NEWPID = 0x20000000


def start_in_scope(
    argv: list[str],
    env: Mapping[str, str],
    user: User,
    *,
    has_input: bool,
    timeout: float,
    find_tool: Callable[[str], str],
) -> Scope:
    """Start a tool as a user, in its own scope. Raises OSError.

    `has_input` is true if the tool gets an input. `find_tool` returns the path of a tool of root.
    """
    env = {**env, "HOME": user.home, "USER": user.name, "LOGNAME": user.name}
    if is_systemd_in_charge():
        with contextlib.suppress(FileNotFoundError):
            return TransientUnit(find_tool("systemd-run"), argv, env, user, has_input, timeout)
    return NamespacedTool(argv, env, user, has_input)


def is_systemd_in_charge() -> bool:
    """Return whether systemd and its bus serve this process's own root directory, and no directory around it."""
    try:
        has_same_root = os.path.samestat(os.stat("/proc/1/root"), os.stat("/"))
    except OSError:
        return False
    return has_same_root and os.path.isdir("/run/systemd/system") and os.path.exists("/run/dbus/system_bus_socket")


class TransientUnit(ToolProcess):
    """Tool that runs as a transient service of systemd. The process of this object is systemd-run, run by root."""

    def __init__(
        self, path: str, argv: Sequence[str], env: Mapping[str, str], user: User, has_input: bool, timeout: float
    ) -> None:
        self.name = f"proscribe-tool-{os.getpid()}-{time.monotonic_ns()}.service"
        properties = ("KillSignal=SIGKILL", f"RuntimeMaxSec={int(timeout) + 5}", "WorkingDirectory=/")
        command = [
            *(path, "--quiet", "--pipe", "--wait", "--collect", "--slice=system.slice", f"--unit={self.name}"),
            *(f"--description=Proscribe: a tool of user {user.uid}", f"--uid={user.uid}", f"--gid={user.gid}"),
            *(f"--property={setting}" for setting in properties),
            # Env clears the variables that systemd adds. SELinux lets systemd start env, and no program in a home.
            *("--", "/usr/bin/env", "-i"),
            *(
                argument.replace("$", "$$")
                for argument in (*(f"{key}={setting}" for key, setting in env.items()), *argv)
            ),
        ]
        super().__init__(path, command, {"PATH": env["PATH"], "LC_ALL": "C.UTF-8"}, has_input)

    def end_scope(self) -> bool:
        """End the remaining processes of the service, and return whether all have ended."""
        deadline = time.monotonic() + ENDING_SECONDS
        while members := self._list_members():
            for pid in members:
                kill_process(pid, self._has_process, True)
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        end_session(self.pid)
        return True

    def _list_members(self) -> list[int]:
        """List the processes of the service, wherever the control groups are mounted."""
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if self._has_process(pid)]

    def _has_process(self, pid: int) -> bool:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as stream:
            return any(self.name in line.rstrip("\n").split("/") for line in stream)
        return False


class NamespacedTool(ChildProcess):
    """Tool that runs in a process-id namespace below a keeper. The process of this object is the keeper."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], user: User, has_input: bool) -> None:
        import ctypes

        self.libc = ctypes.CDLL(None, use_errno=True)
        self.is_empty = False
        stdin_pipe = make_pipe() if has_input else None
        out, err, started, ended = make_pipe(), make_pipe(), make_pipe(), make_pipe()
        tool_ends = [out[1], err[1], started[1], ended[1], *(stdin_pipe[:1] if stdin_pipe else ())]
        own_ends = [out[0], err[0], started[0], ended[0], *(stdin_pipe[1:] if stdin_pipe else ())]
        try:
            self.pid = os.fork()
            if not self.pid:
                try:
                    standard = (stdin_pipe[0] if stdin_pipe else os.open(os.devnull, os.O_RDONLY), out[1], err[1])
                    self._run_keeper(standard, argv, env, user, started[1], ended[1])
                finally:
                    os._exit(NOT_EMPTY_EXIT_CODE)
        except OSError:
            for descriptor in own_ends:
                os.close(descriptor)
            raise
        finally:
            for descriptor in tool_ends:
                os.close(descriptor)
        self.stdout, self.stderr = os.fdopen(out[0], "rb", 0), os.fdopen(err[0], "rb", 0)
        self.stdin = os.fdopen(stdin_pipe[1], "wb", 0) if stdin_pipe else None
        self.ended = os.fdopen(ended[0], "rb", 0)
        self._require_start(started[0])

    def read_exit_code(self, code: int) -> int:
        """Return the exit code of the tool. `code` is the exit code of its keeper."""
        self.is_empty = code == 0
        with self.ended:
            message = self.ended.read(16)
        return os.waitstatus_to_exitcode(int(message)) if message else -KILL_SIGNAL

    def end_scope(self) -> bool:
        """End the remaining processes below the keeper, and return whether all have ended.

        The keeper then ends by itself.
        """
        deadline = time.monotonic() + 2 * ENDING_SECONDS
        while self.poll() is None:
            if time.monotonic() > deadline:
                return False
            for pid, start in find_descendants(self.pid).items():
                if pid != self.pid:
                    kill_process(pid, read_start_ticks, start)
            time.sleep(PAUSE_SECONDS)
        return self.is_empty

    def _require_start(self, started: int) -> None:
        """Wait until the tool has started. Raises OSError if it cannot start."""
        with os.fdopen(started, "rb", 0) as stream:
            message = stream.read(16)
        if message:
            self.end_scope()
            for pipe in (self.stdin, self.stdout, self.stderr):
                if pipe:
                    pipe.close()
            error_number = int(message)
            raise OSError(error_number, os.strerror(error_number))

    # -- code of the keeper, and of the processes below it

    def _run_keeper(
        self,
        standard: Sequence[int],
        argv: Sequence[str],
        env: Mapping[str, str],
        user: User,
        started: int,
        ended: int,
    ) -> NoReturn:
        """Run the tool as its keeper, and exit when no process runs below the keeper."""
        os.setsid()
        self._reset_process(standard, (started, ended))
        self.libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        make_namespace(self.libc)
        init_pid = os.fork()
        if not init_pid:
            self.libc.prctl(PR_SET_PDEATHSIG, KILL_SIGNAL, 0, 0, 0)
            tool_pid = os.fork()
            if not tool_pid:
                _execute_tool(user, argv, env, started)
            _close_descriptors((0, 1, 2, started))
            os.write(ended, b"%d" % _wait_for_child(tool_pid))
            os._exit(0)
        _close_descriptors((0, 1, 2, started, ended))
        _wait_for_child(init_pid)  # the kernel has ended all processes of the namespace before this returns
        os._exit(0 if _end_children() else NOT_EMPTY_EXIT_CODE)

    def _reset_process(self, standard: Sequence[int], open_descriptors: Sequence[int]) -> None:
        """Drop the open files, ignored signals and signal handlers of root's process."""
        self.libc.prctl(PR_SET_PDEATHSIG, KILL_SIGNAL, 0, 0, 0)
        for signal_number in range(1, _signal.NSIG):
            with contextlib.suppress(OSError, ValueError):  # KILL, STOP, and the signals of the C library
                _signal.signal(signal_number, _signal.SIG_DFL)
        for descriptor, source in enumerate(standard):
            os.dup2(source, descriptor)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in open_descriptors:
                _close_descriptors((int(name),))


def make_namespace(libc: Any) -> None:
    """Make the next child of this process the first of a process-id namespace, if the kernel permits."""
    libc.unshare(CLONE_NEWPID)


def _execute_tool(user: User, argv: Sequence[str], env: Mapping[str, str], started: int) -> NoReturn:
    """Become the tool. On failure the number of the error is written to `started`; on success `started` is closed."""
    try:
        os.setsid()
        os.setgroups([user.gid])
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        os.chdir("/")
        os.execvpe(argv[0], list(argv), dict(env))
    except OSError as error:
        os.write(started, b"%d" % (error.errno or 0))
    except (OverflowError, ValueError):  # a number that no user can have
        os.write(started, b"22")
    os._exit(127)


def _wait_for_child(pid: int) -> int:
    """Wait for a child, and for others that end before it. Return its status."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            return status


def _end_children() -> bool:
    """End all processes that this process has adopted, and return whether all have ended."""
    deadline = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < deadline:
        for pid in find_descendants(os.getpid()):
            if pid != os.getpid():
                with contextlib.suppress(OSError):
                    # No other process can have its number before this process has waited for it.
                    os.kill(pid, KILL_SIGNAL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        time.sleep(PAUSE_SECONDS)
    return False


def _close_descriptors(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
