"""Child process for a tool that runs as root.

The module subprocess is not used: loading it takes longer than most tools run.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the module signal costs more than a tool
import os
from typing import Any, Mapping


class ChildProcess:
    """Child process of this process."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code of the tool; None while the process runs.

        A negative code is the number of a signal.
        """
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # this process ignores SIGCHLD, so the exit status is lost
                pid, status = self.pid, 0
            if pid:
                self.returncode = self.read_exit_code(os.waitstatus_to_exitcode(status))
        return self.returncode

    def read_exit_code(self, code: int) -> int:
        """Return the exit code of the tool, from the exit code `code` of this child process.

        They are equal if the child process is the tool itself. A subclass overrides this method if the child process
        only supervises the tool.
        """
        return code


class ToolProcess(ChildProcess):
    """Tool that runs as root in a new session, with the attributes of subprocess.Popen.

    Loading subprocess would take longer than most tools run, and most observations run some tools. `has_input` makes a
    pipe for the tool's standard input.
    """

    def __init__(self, path: str, argv: list[str], env: Mapping[str, str], has_input: bool) -> None:
        out, err = make_pipe(), make_pipe()  # for standard output and standard error
        stdin_pipe = make_pipe() if has_input else None
        own_ends, tool_ends = [out[0], err[0]], [out[1], err[1]]
        if stdin_pipe:
            own_ends.append(stdin_pipe[1])
            tool_ends.append(stdin_pipe[0])
        inherited = [int(name) for name in os.listdir("/proc/self/fd")]
        actions: list[Any] = [
            (os.POSIX_SPAWN_DUP2, descriptor_end, number) for descriptor_end, number in zip(tool_ends, (1, 2, 0))
        ]
        if not stdin_pipe:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        actions += [
            (os.POSIX_SPAWN_CLOSE, descriptor)
            for descriptor in inherited
            if descriptor > 2 and _is_inherited(descriptor)
        ]
        try:
            # Python ignores these signals; the tool gets the default handling again
            default_signals = (_signal.SIGPIPE, _signal.SIGXFSZ)
            self.pid = os.posix_spawn(path, argv, env, file_actions=actions, setsid=True, setsigdef=default_signals)
        except BaseException:
            for descriptor_end in own_ends:
                os.close(descriptor_end)
            raise
        finally:
            for descriptor_end in tool_ends:
                os.close(descriptor_end)
        self.stdout, self.stderr = os.fdopen(out[0], "rb", 0), os.fdopen(err[0], "rb", 0)
        self.stdin = os.fdopen(stdin_pipe[1], "wb", 0) if stdin_pipe else None


def make_pipe() -> tuple[int, int]:
    """Make a pipe whose descriptors are above 2.

    If this process has closed its standard files, os.pipe would return their numbers.
    """
    ends = os.pipe()
    if min(ends) > 2:
        return ends
    import fcntl

    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _is_inherited(descriptor: int) -> bool:
    """Return whether a program that this process starts would inherit a descriptor.

    Descriptors that Python opens are not inherited.
    """
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # closed by now: the descriptor that listed the directory
        return False
