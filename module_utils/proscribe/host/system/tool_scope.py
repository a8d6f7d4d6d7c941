"""Scope in which a tool runs as a user: apart from root's session, and ended with all its processes.

If systemd runs, the scope is a transient service. systemd starts the service from a clean state, in a separate control
group. Otherwise the scope is a process-id namespace below a keeper: a process of root that is forked here. When the
first process of a namespace ends, the kernel ends all others. If no namespace can be made, the keeper adopts the
processes that the tool leaves behind (PR_SET_CHILD_SUBREAPER), and ends them.
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

ENDING_SECONDS = 5.0  # how long all processes of a scope may take to end
PAUSE_SECONDS = 0.005
NOT_EMPTY_EXIT_CODE = 1  # exit code of a keeper that could not end all processes below it
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
    """Start a tool as a user, in a scope that can be ended as a whole. Raises OSError.

    `has_input` is true if the caller writes to the tool's standard input. `timeout` is the tool's limit in seconds;
    systemd enforces it five seconds later. `find_tool` returns the path of systemd-run.
    """
    env = {**env, "HOME": user.home, "USER": user.name, "LOGNAME": user.name}
    if is_systemd_in_charge():
        with contextlib.suppress(FileNotFoundError):
            return TransientUnit(find_tool("systemd-run"), argv, env, user, has_input, timeout)
    return NamespacedTool(argv, env, user, has_input)


def is_systemd_in_charge() -> bool:
    """Return whether systemd and its bus can be used from this process.

    In a chroot, systemd manages the directory around it and not the root directory of this process: then the result is
    false.
    """
    try:
        has_same_root = os.path.samestat(os.stat("/proc/1/root"), os.stat("/"))
    except OSError:
        return False
    return has_same_root and os.path.isdir("/run/systemd/system") and os.path.exists("/run/dbus/system_bus_socket")


class TransientUnit(ToolProcess):
    """Tool that runs as a transient service of systemd.

    The child process is root's systemd-run, which waits for the tool.
    """

    def __init__(
        self, path: str, argv: Sequence[str], env: Mapping[str, str], user: User, has_input: bool, timeout: float
    ) -> None:
        self.name = f"proscribe-tool-{os.getpid()}-{time.monotonic_ns()}.service"
        properties = ("KillSignal=SIGKILL", f"RuntimeMaxSec={int(timeout) + 5}", "WorkingDirectory=/")
        command = [
            *(path, "--quiet", "--pipe", "--wait", "--collect", "--slice=system.slice", f"--unit={self.name}"),
            *(f"--description=Proscribe: a tool of user {user.uid}", f"--uid={user.uid}", f"--gid={user.gid}"),
            *(f"--property={setting}" for setting in properties),
            # The command env clears the variables that systemd adds. SELinux permits systemd to start env, but no
            # program in a home directory.
            *("--", "/usr/bin/env", "-i"),
            *(
                # systemd replaces variables in the command line, and "$$" stands for "$"
                argument.replace("$", "$$")
                for argument in (*(f"{key}={setting}" for key, setting in env.items()), *argv)
            ),
        ]
        super().__init__(path, command, {"PATH": env["PATH"], "LC_ALL": "C.UTF-8"}, has_input)

    def end_scope(self) -> bool:
        """End the remaining processes of the service. Return whether all have ended."""
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
        """Return the ids of the service's processes.

        They are found in /proc, so it does not matter where cgroups are mounted.
        """
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if self._has_process(pid)]

    def _has_process(self, pid: int) -> bool:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as stream:
            return any(self.name in line.rstrip("\n").split("/") for line in stream)
        return False


class NamespacedTool(ChildProcess):
    """Tool that runs in a process-id namespace.

    The child process is the keeper: it starts the tool and ends the namespace.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], user: User, has_input: bool) -> None:
        """Start the keeper, and wait until the tool has started. Raises OSError."""
        import ctypes

        self.libc = ctypes.CDLL(None, use_errno=True)
        self.is_empty = False
        stdin_pipe = make_pipe() if has_input else None
        # `started` and `ended` are the pipes of `_run_keeper`
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
        """Return the exit code of the tool; -9 if the keeper does not report it.

        `code` is the exit code of the keeper: 0 if no process is left below it.
        """
        self.is_empty = code == 0
        with self.ended:
            message = self.ended.read(16)
        return os.waitstatus_to_exitcode(int(message)) if message else -KILL_SIGNAL

    def end_scope(self) -> bool:
        """End the remaining processes below the keeper. Return whether all have ended.

        The keeper exits by itself then.
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
        """Wait until the tool has started. Raises OSError if the tool cannot be started.

        `started` is the read end of a pipe: it has an error number, or is closed when the tool starts.
        """
        with os.fdopen(started, "rb", 0) as stream:
            message = stream.read(16)
        if message:
            self.end_scope()
            for pipe in (self.stdin, self.stdout, self.stderr):
                if pipe:
                    pipe.close()
            error_number = int(message)
            raise OSError(error_number, os.strerror(error_number))

    # -- methods that run in the keeper, or in the processes below it

    def _run_keeper(
        self,
        standard: Sequence[int],
        argv: Sequence[str],
        env: Mapping[str, str],
        user: User,
        started: int,
        ended: int,
    ) -> NoReturn:
        """Start the tool in a namespace, and exit when no process is left below the keeper.

        `standard` are the descriptors for the tool's standard files. The pipe `started` receives the error number if
        the tool cannot start. The pipe `ended` receives the tool's wait status.
        """
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
        _wait_for_child(init_pid)  # when this returns, the kernel has ended all processes of the namespace
        os._exit(0 if _end_children() else NOT_EMPTY_EXIT_CODE)

    def _reset_process(self, standard: Sequence[int], open_descriptors: Sequence[int]) -> None:
        """Reset the state that a forked process has from root's process: open files and signal handling."""
        self.libc.prctl(PR_SET_PDEATHSIG, KILL_SIGNAL, 0, 0, 0)
        for signal_number in range(1, _signal.NSIG):
            # KILL, STOP and the signals that the C library uses cannot be set
            with contextlib.suppress(OSError, ValueError):
                _signal.signal(signal_number, _signal.SIG_DFL)
        for descriptor, source in enumerate(standard):
            os.dup2(source, descriptor)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in open_descriptors:
                _close_descriptors((int(name),))


def make_namespace(libc: Any) -> None:
    """Make a process-id namespace, if the kernel permits.

    The next child of this process is its first process.
    """
    libc.unshare(CLONE_NEWPID)


def _execute_tool(user: User, argv: Sequence[str], env: Mapping[str, str], started: int) -> NoReturn:
    """Become the user, and execute the tool in this process.

    If that fails, the error number is written to the pipe `started`. If it succeeds, the kernel closes the pipe.
    """
    try:
        os.setsid()
        os.setgroups([user.gid])
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        os.chdir("/")
        os.execvpe(argv[0], list(argv), dict(env))
    except OSError as error:
        os.write(started, b"%d" % (error.errno or 0))
    except (OverflowError, ValueError):  # a user or group id that the system does not accept
        os.write(started, b"22")  # EINVAL
    os._exit(127)


def _wait_for_child(pid: int) -> int:
    """Wait until the child with this process id ends, and return its wait status.

    Other children that end are ignored.
    """
    while True:
        ended, status = os.wait()
        if ended == pid:
            return status


def _end_children() -> bool:
    """Kill all processes below this process, adopted ones too. Return whether all have ended."""
    deadline = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < deadline:
        for pid in find_descendants(os.getpid()):
            if pid != os.getpid():
                with contextlib.suppress(OSError):
                    # The number cannot have been reused: the child remains a zombie until this process waits for it.
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
