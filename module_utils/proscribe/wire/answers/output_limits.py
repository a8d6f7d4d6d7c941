"""Limits on the programs that a connection starts: on the bytes of their output, and on their time.

Ansible's connections (ssh, local, and those of containers) start a program and gather all its output, without a limit.
Their code for reading is in private methods that differ between versions. But all of them start the program with
`subprocess.Popen`, the public interface of the standard library. So while a limiter is active, that name is a Popen
whose pipes count the bytes read. A program that exceeds a limit is killed with all its children. The connection then
sees the program end and returns as usual, and `OutputLimiter.reason` has the reason.

This is for the worker process of a single task, whose main thread does nothing else in that time. Connections that
start no program (paramiko) only get the time limit.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO, Any

from ...base.duration import format_duration

CHUNK_BYTES = 1 << 16  # bytes of a read or write; the capacity of a pipe
RETRY_SECONDS = 5.0  # seconds after which an exception ends the wait for a killed program


def describe_timeout(seconds: float) -> str:
    """Return a phrase: a host took longer than `seconds`."""
    duration = format_duration(seconds) if seconds >= 60 else f"{seconds:g} second{'s' * (seconds != 1)}"
    return f"it took longer than {duration}"


def describe_excess_output(max_bytes: int) -> str:
    """Return a phrase: a host answered with more than `max_bytes`."""
    return f"it answered with more than {max_bytes // 1024**2} MiB"


class TimeLimitExceeded(Exception):
    """The error that the time is over, but no program was running or a killed program did not end."""


class OutputLimiter:
    """A limit on the output (bytes) and the time (seconds) of the programs that a connection starts.

    `reason` is "" until a limit is exceeded. A caller sets `has_ended` if the program ended by itself after that, so
    that its connection can still be used.
    """

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self.max_bytes, self.seconds = max_bytes, seconds
        self.reason = ""
        self.has_ended = False
        self._bytes_left = max_bytes
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> OutputLimiter:
        """Replace `subprocess.Popen` by a class that counts the output, and start the timer."""
        self._popen = subprocess.Popen
        limiter = self

        class Leashed(_LimitedProcess):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                self.limiter = limiter
                super().__init__(*args, **kwargs)

        subprocess.Popen = Leashed  # type: ignore[misc]
        self._end = time.monotonic() + self.seconds
        # Ansible's task keyword `timeout` uses the same timer. The shorter time limit counts: if Ansible's is shorter,
        # its timer stays.
        self._earlier_timer = signal.getitimer(signal.ITIMER_REAL)[0]
        if not 0 < self._earlier_timer < self.seconds:
            self._handler = signal.signal(signal.SIGALRM, self._handle_alarm)
            signal.setitimer(signal.ITIMER_REAL, self.seconds, RETRY_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore `subprocess.Popen` and the earlier timer, and kill the programs that still run."""
        if not 0 < self._earlier_timer < self.seconds:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handler)
            if self._earlier_timer:  # Ansible's timer continues with the seconds that are left of it
                spent = self.seconds - (self._end - time.monotonic())
                signal.setitimer(signal.ITIMER_REAL, max(self._earlier_timer - spent, 0.01))
        subprocess.Popen = self._popen  # type: ignore[misc]
        for process in self._processes:
            if process.poll() is None:
                _kill_process(process)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)

    def end_processes(self, reason: str) -> None:
        """Kill all programs of the connection, and store the first reason."""
        self.reason = self.reason or reason
        for process in self._processes:
            if process.returncode is None:
                _kill_process(process)

    def note_process(self, process: subprocess.Popen[bytes]) -> None:
        """Add a program that the connection started.

        After a limit was exceeded, such a program is killed immediately.
        """
        self._processes.append(process)
        if self.reason:
            _kill_process(process)

    def read_chunk(self, file: IO[bytes], max_bytes: int = CHUNK_BYTES) -> bytes:
        """Read the next bytes of a pipe; b"" at its end, and after a limit was exceeded."""
        if self.reason:
            return b""
        chunk = os.read(file.fileno(), max_bytes)
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            self.end_processes(describe_excess_output(self.max_bytes))
            return b""
        return chunk

    def _handle_alarm(self, _signal: int, _frame: FrameType | None) -> None:
        """Kill all programs when the time is over.

        If they do not end, raise TimeLimitExceeded at the next alarm, RETRY_SECONDS later.
        """
        is_first = not self.reason
        self.end_processes(describe_timeout(self.seconds))
        if not is_first:
            raise TimeLimitExceeded(self.reason)


class _LimitedProcess(subprocess.Popen):  # type: ignore[type-arg]
    """A program whose output and time an OutputLimiter limits.

    Its pipes are read as bytes.
    """

    limiter: OutputLimiter
    text_mode: bool
    stdin: Any
    stdout: Any
    stderr: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limiter.note_process(self)
        if not self.text_mode:  # all connections read bytes
            self.stdout = self.stdout and _LimitedPipe(self.stdout, self.limiter)
            self.stderr = self.stderr and _LimitedPipe(self.stderr, self.limiter)

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002 - as it is
        """Exchange input and output with the program, as the method of `subprocess.Popen` does.

        That method would bypass the limits. Returns the output and the error output; None for a missing pipe.
        """
        if self.text_mode:
            return super().communicate(input, timeout)
        chunks_by_pipe: dict[Any, list[bytes]] = {self.stdout: [], self.stderr: []}
        unwritten = memoryview(input or b"")
        end = None if timeout is None else time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            for pipe in filter(None, (self.stdout, self.stderr)):
                selector.register(pipe, selectors.EVENT_READ)
            if self.stdin is not None:
                self.stdin.flush()
                os.set_blocking(self.stdin.fileno(), False)
                selector.register(self.stdin, selectors.EVENT_WRITE)
            while selector.get_map() and not self.limiter.reason:
                if end is not None and time.monotonic() > end:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                for key, _ in selector.select(None if end is None else end - time.monotonic()):
                    file: Any = key.fileobj
                    if file is self.stdin:
                        with contextlib.suppress(BlockingIOError):
                            try:
                                unwritten = unwritten[os.write(file.fileno(), unwritten[:CHUNK_BYTES]) :]
                            except BrokenPipeError:  # the program has closed its input
                                unwritten = unwritten[:0]
                        if not unwritten:
                            selector.unregister(file)
                            with contextlib.suppress(BrokenPipeError):
                                file.close()
                    elif chunk := self.limiter.read_chunk(file):
                        chunks_by_pipe[file].append(chunk)
                    else:
                        selector.unregister(file)
                        file.close()
        self.wait(None if end is None else max(end - time.monotonic(), 0))
        out, err = (None if pipe is None else b"".join(chunks_by_pipe[pipe]) for pipe in (self.stdout, self.stderr))
        return out, err


class _LimitedPipe:
    """A pipe of a program.

    Bytes that are read from it count towards the limit.
    """

    def __init__(self, file: IO[bytes], limiter: OutputLimiter) -> None:
        self._file, self._limiter = file, limiter

    def read(self, size: int = -1) -> bytes:
        """Read the available bytes of a pipe that does not block; else all bytes, or at most `size`."""
        if not os.get_blocking(self._file.fileno()):
            return self._limiter.read_chunk(self._file)
        if size >= 0:
            return self._limiter.read_chunk(self._file, size)
        return b"".join(iter(lambda: self._limiter.read_chunk(self._file), b""))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _kill_process(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and its descendants: sshpass starts ssh, and a shell starts sudo."""
    for pid in [process.pid, *_list_descendants(process.pid)]:
        # The process may have ended, or may belong to another account by now (sudo notices the end of its parent).
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _list_descendants(pid: int) -> Iterator[int]:
    """Yield the ids of all processes that a process started, and of theirs; none if the system lists none."""
    with contextlib.suppress(OSError, ValueError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            yield child
            yield from _list_descendants(child)
