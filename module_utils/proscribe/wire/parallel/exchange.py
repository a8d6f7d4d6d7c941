"""An exchange with a command on a host: its input, its output, and its limits.

The host is untrusted: its output is counted, its time is limited, and a command that exceeds a limit is ended.
answers/output_limits.py does the same for Ansible's own connections. Unlike them, this module needs no process for each
host.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable, Sequence

# Imported by name: an output limiter of another thread replaces `subprocess.Popen`.
from subprocess import Popen, TimeoutExpired
from typing import NamedTuple, Protocol

from ..answers.output_limits import CHUNK_BYTES, describe_excess_output, describe_timeout
from .multiplexing import MultiplexSession

MAX_ERROR_BYTES = 64 * 1024  # bytes of the error output; only the last ones are stored
SILENCE_SECONDS = 2.0  # seconds without output after which a host counts as silent
PROMPT_TIMEOUT_SECONDS = 60.0  # seconds to wait for a password prompt
END_TIMEOUT_SECONDS = 1.0  # seconds for a command to end after reading has stopped
LOCAL_TIMEOUT_SECONDS = 10.0  # seconds for an answer of the local process that keeps the connection open
# Limits until the password is accepted:
MAX_BANNER_BYTES = 64 * 1024  # bytes of output, more than any banner has
# Bytes of an unfinished line that are matched again with its continuation; more than any prompt has.
MAX_PROMPT_BYTES = 512

# The first reads follow the output without a pause. A host that prints ever more small pieces is then read after
# pauses, so that it does not keep this process busy.
MAX_READS_WITHOUT_PAUSE = 200
PAUSE_SECONDS = 0.02  # seconds; a pipe stores 64 KiB in that time


class RunningCommand(Protocol):
    """A command that was started."""

    def wait_for_exit_code(self, timeout: float) -> int:
        """Return the exit code.

        Raises TimeoutError if the command has not ended after `timeout` seconds.
        """

    def close(self) -> None:
        """End the command if it still runs."""


# A function that starts a command. Its argument has the descriptors of the command's standard input, output and error
# output.
StartCommand = Callable[[tuple[int, int, int]], RunningCommand]


class BecomePassword(NamedTuple):
    """The password for root rights, and tests of the command's output, made by Ansible's become plugin.

    The tests recognise a password prompt, an accepted password and a refused password.
    """

    text: bytes
    is_prompt: Callable[[bytes], bool]
    is_accepted: Callable[[bytes], bool]
    describe_refusal: Callable[[bytes], str]  # returns the reason of a refusal; "" for none


class ExchangeResult(NamedTuple):
    """The result of an exchange with a command.

    `code` is the exit code of the command, or -1 if it gave none. `cut_reason` says why the command was ended early,
    `refusal` why the password was refused; each is else "".
    """

    code: int
    stdout: bytes
    stderr: bytes
    cut_reason: str = ""
    refusal: str = ""
    has_ended: bool = False  # whether the command ended by itself after it was cut, so that its connection is intact


class ExchangeLimits(NamedTuple):
    """The bytes that a host may print, and the seconds that it may take."""

    max_bytes: int
    seconds: float


class SshClient:
    """The program `ssh`, started as Ansible's plugin starts it.

    With ControlPersist `ssh` leaves a process behind for later commands, and that process keeps the error output open.
    So nothing here waits for the end of the error output.
    """

    def __init__(self, command: Sequence[bytes], descriptors: tuple[int, int, int]) -> None:
        stdin, stdout, stderr = descriptors
        self._process = Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)

    def wait_for_exit_code(self, timeout: float) -> int:
        """Return the exit code.

        Raises TimeoutError if the command has not ended after `timeout` seconds.
        """
        try:
            return self._process.wait(timeout)
        except TimeoutExpired as late:
            raise TimeoutError from late

    def close(self) -> None:
        """Kill the program if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def start_over_connection(path: str, command: str) -> StartCommand:
    """Return a function that starts a command over an open connection, whose socket is `path`."""
    return lambda descriptors: MultiplexSession(path, command, descriptors, LOCAL_TIMEOUT_SECONDS)


def start_by_client(command: Sequence[bytes]) -> StartCommand:
    """Return a function that starts a command with `ssh`; `command` is `ssh` with all its arguments."""
    return lambda descriptors: SshClient(command, descriptors)


def run_exchange(
    start: StartCommand,
    data: bytes,
    limits: ExchangeLimits,
    password: BecomePassword | None = None,
    report_silence: Callable[[], None] = lambda: None,
) -> ExchangeResult:
    """Start a command, write `data` to it after any password prompt, and read its output until it ends.

    `report_silence` is called once, when the host has printed nothing for SILENCE_SECONDS. If an expected password
    prompt does not come in time, the command is ended. The result then has the code -1. Raises the exceptions of
    `start`.
    """
    with contextlib.ExitStack() as stack:
        exchange = _Exchange(stack, data, limits, password)
        running = start(exchange.begin_exchange())
        stack.callback(running.close)
        if timeout_result := exchange.run_conversation(report_silence):
            return timeout_result
        return exchange.make_exchange_result(running)


class _Exchange:
    """The pipes to a command, and its time limits.

    `stack` closes the open pipes at the end.
    """

    def __init__(
        self, stack: contextlib.ExitStack, data: bytes, limits: ExchangeLimits, password: BecomePassword | None
    ) -> None:
        self._seconds = limits.seconds
        self._end = time.monotonic() + limits.seconds
        self._prompt_end = time.monotonic() + PROMPT_TIMEOUT_SECONDS if password else self._end
        self._conversation = _Conversation(data, limits.max_bytes, password)
        # `_in`, `_out` and `_err` are this process's ends of the pipes; `_command_ends` are handed to the command.
        pairs = [os.pipe() for _ in range(3)]
        (theirs_in, self._in), (self._out, theirs_out), (self._err, theirs_err) = pairs
        self._command_ends = theirs_in, theirs_out, theirs_err
        self._open = {descriptor for pair in pairs for descriptor in pair}
        stack.callback(lambda: self._close_pipes(*list(self._open)))

    def _close_pipes(self, *descriptors: int) -> None:
        """Close those of these descriptors that are still open."""
        for descriptor in self._open.intersection(descriptors):
            self._open.discard(descriptor)
            os.close(descriptor)

    def begin_exchange(self) -> tuple[int, int, int]:
        """Return the ends of the pipes for the command.

        As much input as fits is already written to the pipe. So the command has input at its start, and no thread has
        to wake up to write it. If that is all input, the input pipe is closed.
        """
        for descriptor in (self._in, self._out, self._err):
            os.set_blocking(descriptor, False)
        conversation = self._conversation
        # The conditions in order: there is input, the command reads, no password is awaited, all input is written.
        if (
            conversation.due_bytes
            and _write_due_bytes(self._in, conversation)
            and conversation.is_all_due
            and not conversation.due_bytes
        ):
            self._close_pipes(self._in)
        return self._command_ends

    def run_conversation(self, report_silence: Callable[[], None]) -> ExchangeResult | None:
        """Write input and read output until the output ends, a limit is exceeded, or the password is refused.

        Returns a result if a time limit has ended the conversation; else None, and the command's exit code is still to
        be read.
        """
        # The command has its own copies of these ends. The output ends only when no copy is open.
        self._close_pipes(*self._command_ends)
        conversation, read_count, silence_end = self._conversation, 0, time.monotonic() + SILENCE_SECONDS
        with selectors.PollSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._err, selectors.EVENT_READ)
            is_writing = False
            while self._out in self._open and not conversation.is_over:
                is_writing = self._update_writing(selector, is_writing)
                now = time.monotonic()
                if conversation.is_unprompted and now >= self._prompt_end:
                    return conversation.make_exchange_result()  # no password prompt came
                wake_time = min(silence_end, self._prompt_end if conversation.is_unprompted else self._end, self._end)
                events = selector.select(max(wake_time - now, 0))
                if not events:
                    if time.monotonic() >= self._end:
                        return conversation.make_exchange_result(cut_reason=describe_timeout(self._seconds))
                    if time.monotonic() >= silence_end:
                        silence_end = self._end  # silence is reported only once
                        report_silence()
                for key, _ in events:
                    if key.fd == self._in:
                        if not _write_due_bytes(self._in, conversation):  # the command has closed its input
                            selector.unregister(self._in)
                            self._close_pipes(self._in)
                        continue
                    silence_end = self._end  # a host that has printed anything is not silent
                    read_count += 1
                    if read_count > MAX_READS_WITHOUT_PAUSE:
                        time.sleep(PAUSE_SECONDS)
                    self._read_output(selector, int(key.fd))
        return None

    def _update_writing(self, selector: selectors.BaseSelector, was_writing: bool) -> bool:
        """Watch the input pipe while input may be written, and close the pipe once the command has all input.

        Returns whether the pipe is watched now.
        """
        if self._in not in self._open:
            return was_writing
        is_due = bool(self._conversation.due_bytes)
        if is_due and not was_writing:
            selector.register(self._in, selectors.EVENT_WRITE)
        elif was_writing and not is_due:
            selector.unregister(self._in)
        if not is_due and self._conversation.is_all_due:
            self._close_pipes(self._in)
        return is_due

    def _read_output(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        """Add the available output of a pipe to the conversation, and close the pipe at its end."""
        chunk = _read_available(descriptor)
        if not chunk:
            selector.unregister(descriptor)
            self._close_pipes(descriptor)
        self._conversation.receive_output(chunk, is_error_output=descriptor == self._err)

    def make_exchange_result(self, running: RunningCommand) -> ExchangeResult:
        """Return the result of the command, after its output has ended or no longer counts."""
        conversation = self._conversation
        if conversation.is_over:
            self._close_pipes(self._out, self._err)  # a command that still writes gets an error
            return conversation.make_exchange_result(cut_reason=conversation.cut_reason)._replace(
                has_ended=_has_ended(running)
            )
        try:
            code = running.wait_for_exit_code(max(self._end - time.monotonic(), 0.1))
        except TimeoutError:
            return conversation.make_exchange_result(cut_reason=describe_timeout(self._seconds))
        while self._err in self._open and (chunk := _read_available(self._err)):
            conversation.receive_output(chunk, is_error_output=True)
        return conversation.make_exchange_result(code, conversation.cut_reason)


def _has_ended(running: RunningCommand) -> bool:
    """Return whether a command ends by itself within END_TIMEOUT_SECONDS once nothing reads its output."""
    try:
        running.wait_for_exit_code(END_TIMEOUT_SECONDS)
    except TimeoutError:
        return False
    return True


class _Conversation:
    """The input that is still to be written to a command, and its output so far.

    `due_bytes` is the input that may be written now. `is_all_due` is True if no password is needed, or once the
    password is accepted. `cut_reason` and `refusal` are as in ExchangeResult.
    """

    def __init__(self, data: bytes, max_bytes: int, password: BecomePassword | None) -> None:
        self.cut_reason = ""
        self.refusal = ""
        self._password = password
        self._data = data
        self._is_password_sent = False
        self.is_all_due = password is None
        self.due_bytes = memoryview(b"" if password else data)
        self._max_bytes = self._bytes_left = max_bytes
        self._out: list[bytes] = []
        self._err = bytearray()
        self._banner_bytes_left = MAX_BANNER_BYTES
        # The last line of the output, and of the error output. A prompt may come in two pieces.
        self._unfinished_lines = [b"", b""]

    @property
    def is_unprompted(self) -> bool:
        """True while a password prompt is expected."""
        return not (self.is_all_due or self._is_password_sent)

    @property
    def is_over(self) -> bool:
        """True once further output no longer counts."""
        return bool(self.cut_reason or self.refusal)

    def receive_output(self, chunk: bytes, is_error_output: bool) -> None:
        """Add output of the command, and check it for its limit and for prompts."""
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            self.cut_reason = describe_excess_output(self._max_bytes)
            return
        if is_error_output:
            self._err += chunk
            # The error output is cut only at twice its maximum, so that not every piece copies it.
            if len(self._err) > 2 * MAX_ERROR_BYTES:
                del self._err[:-MAX_ERROR_BYTES]
        else:
            self._out.append(chunk)
        if not self.is_all_due and self._password is not None:
            self._match_prompts(self._password, chunk, is_error_output)

    def _match_prompts(self, password: BecomePassword, chunk: bytes, is_error_output: bool) -> None:
        """Search new output, joined to the unfinished line before it, for a prompt, an acceptance or a refusal."""
        self._banner_bytes_left -= len(chunk)
        if self._banner_bytes_left < 0:
            self.cut_reason = f"it printed more than {MAX_BANNER_BYTES // 1024} KiB before it accepted the password"
            return
        printed = self._unfinished_lines[is_error_output] + chunk
        self._unfinished_lines[is_error_output] = printed[printed.rfind(b"\n") + 1 :][-MAX_PROMPT_BYTES:]
        if password.is_accepted(printed):
            self.is_all_due = True
            # a part of the password may not be written yet
            self.due_bytes = memoryview(bytes(self.due_bytes) + self._data)
        elif refusal := password.describe_refusal(printed):
            self.refusal = refusal
        elif not self._is_password_sent and password.is_prompt(printed):
            self._is_password_sent = True
            self.due_bytes = memoryview(password.text + b"\n")

    def make_exchange_result(self, code: int = -1, cut_reason: str = "") -> ExchangeResult:
        """Return the result of the exchange."""
        return ExchangeResult(code, b"".join(self._out), bytes(self._err[-MAX_ERROR_BYTES:]), cut_reason, self.refusal)


def _write_due_bytes(descriptor: int, conversation: _Conversation) -> bool:
    """Write the input that is due; False if the command no longer reads."""
    try:
        conversation.due_bytes = conversation.due_bytes[os.write(descriptor, conversation.due_bytes[:CHUNK_BYTES]) :]
    except BlockingIOError:
        pass
    except OSError:
        return False
    return True


def _read_available(descriptor: int) -> bytes:
    """Read the available output; b"" at its end, and while no output is available."""
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except OSError:
        return b""
