"""One command on one host: what is written to it, what it prints, and what it may cost.

The host is a stranger: what it prints is counted, what it takes is limited, and what goes over a limit is ended. So
this is what replies/output_limits.py is for Ansible's own connections, without a process for each host.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable, Sequence
from subprocess import Popen, TimeoutExpired  # by their names: a leash of another thread's stands in subprocess itself
from typing import NamedTuple, Protocol

from ..replies.output_limits import CHUNK, too_long, too_much
from .multiplexing import Session

ERRORS = 64 * 1024  # bytes of what is written to the errors, of which the last are kept
QUIET = 2.0  # seconds after which a host that has not said anything is called silent
PROMPT = 60.0  # seconds after which a password that nobody has asked for is not waited for any more
GOING = 1.0  # seconds for a command to end that nobody reads any more
LOCAL = 10.0  # seconds for what a local process answers at once: the one that keeps a connection
# Until a password is accepted:
BEFORE = 64 * 1024  # bytes that a host may print, more than any banner
UNFINISHED = 512  # bytes of an unfinished line that are matched again when it goes on: more than any prompt has

# So often a host is read as soon as it prints; one that goes on printing in crumbs is read after a pause each time.
AT_ONCE = 200
PAUSE = 0.02  # seconds; a pipe takes 64 KiB meanwhile


class Running(Protocol):
    """A command that was started."""

    def exit_code(self, timeout: float) -> int:
        """What it ended with. Raises TimeoutError."""

    def close(self) -> None:
        """End it, if it has not ended."""


Start = Callable[[tuple[int, int, int]], Running]  # with its standard input, output and errors


class Password(NamedTuple):
    """A password, and what is printed where it is required, accepted or refused, as a become plugin of Ansible's knows
    it.
    """

    text: bytes
    is_prompt: Callable[[bytes], bool]
    is_accepted: Callable[[bytes], bool]
    refusal: Callable[[bytes], str]  # why it was refused; "" if it was not


class Ended(NamedTuple):
    """How an exchange ended. `cut` says why before its end, and `refused` why the password was not taken."""

    code: int
    stdout: bytes
    stderr: bytes
    cut: str = ""
    refused: str = ""
    gone: bool = False  # whether it ended by itself after it was cut, so that its connection is as before


class Limits(NamedTuple):
    """How many bytes a host may print, and how many seconds it may take."""

    most: int
    seconds: float


class Client:
    """The program `ssh`, as Ansible's plugin would start it. Where it is to keep the connection for others, the process
    that it leaves behind has its errors open for as long. So nobody waits for their end.
    """

    def __init__(self, command: Sequence[bytes], descriptors: tuple[int, int, int]) -> None:
        stdin, stdout, stderr = descriptors
        self._process = Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)

    def exit_code(self, timeout: float) -> int:
        """What it ended with. Raises TimeoutError."""
        try:
            return self._process.wait(timeout)
        except TimeoutExpired as late:
            raise TimeoutError from late

    def close(self) -> None:
        """Kill it, if it runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def over_connection(path: str, command: str) -> Start:
    """Start a command over a connection that is open."""
    return lambda descriptors: Session(path, command, descriptors, LOCAL)


def by_client(command: Sequence[bytes]) -> Start:
    """Start a command by `ssh`."""
    return lambda descriptors: Client(command, descriptors)


def exchange(
    start: Start,
    data: bytes,
    limits: Limits,
    password: Password | None = None,
    silent: Callable[[], None] = lambda: None,
) -> Ended:
    """Start a command, write `data` to it once a password is not asked for any more, and read until it ends. `silent`
    is called once, when the host has not said anything for a while. One that asks for no password in time is ended, and
    has answered nothing. Raises what `start` raises.
    """
    with contextlib.ExitStack() as stack:
        one = _Exchange(stack, data, limits, password)
        running = start(one.begin())
        stack.callback(running.close)
        if ended := one.converse(silent):
            return ended
        return one.ended(running)


class _Exchange:
    """The pipes to a command, and how long it has for what. `stack` closes what is open in the end."""

    def __init__(self, stack: contextlib.ExitStack, data: bytes, limits: Limits, password: Password | None) -> None:
        self._seconds = limits.seconds
        self._end = time.monotonic() + limits.seconds
        self._prompted = time.monotonic() + PROMPT if password else self._end
        self._conversation = _Conversation(data, limits.most, password)
        pairs = [os.pipe() for _ in range(3)]
        (theirs_in, self._in), (self._out, theirs_out), (self._err, theirs_err) = pairs
        self._theirs = theirs_in, theirs_out, theirs_err
        self._open = {descriptor for pair in pairs for descriptor in pair}
        stack.callback(lambda: self._close(*list(self._open)))

    def _close(self, *descriptors: int) -> None:
        for descriptor in self._open.intersection(descriptors):
            self._open.discard(descriptor)
            os.close(descriptor)

    def begin(self) -> tuple[int, int, int]:
        """The command's ends of the pipes. What fits into its input is there when it starts, so that nobody has to wake
        for it.
        """
        for descriptor in (self._in, self._out, self._err):
            os.set_blocking(descriptor, False)
        first = self._conversation
        if first.due and _written(self._in, first) and first.all_due and not first.due:
            self._close(self._in)
        return self._theirs

    def converse(self, silent: Callable[[], None]) -> Ended | None:
        """Write and read until the output ends or nothing that follows counts; how it ended if its time is over."""
        self._close(*self._theirs)
        conversation, reads, quiet = self._conversation, 0, time.monotonic() + QUIET
        with selectors.PollSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._err, selectors.EVENT_READ)
            writing = False
            while self._out in self._open and not conversation.over:
                writing = self._writing(selector, writing)
                now = time.monotonic()
                if conversation.unasked and now >= self._prompted:
                    return conversation.ended()
                patience = min(quiet, self._prompted if conversation.unasked else self._end, self._end)
                events = selector.select(max(patience - now, 0))
                if not events:
                    if time.monotonic() >= self._end:
                        return conversation.ended(cut=too_long(self._seconds))
                    if time.monotonic() >= quiet:
                        quiet = self._end
                        silent()
                for key, _ in events:
                    if key.fd == self._in:
                        if not _written(self._in, conversation):  # it does not want to hear it
                            selector.unregister(self._in)
                            self._close(self._in)
                        continue
                    quiet = self._end
                    reads += 1
                    if reads > AT_ONCE:
                        time.sleep(PAUSE)
                    self._read(selector, int(key.fd))
        return None

    def _writing(self, selector: selectors.BaseSelector, before: bool) -> bool:
        """Whether something is to be written now; an input that has all of it is closed."""
        if self._in not in self._open:
            return before
        due = bool(self._conversation.due)
        if due and not before:
            selector.register(self._in, selectors.EVENT_WRITE)
        elif before and not due:
            selector.unregister(self._in)
        if not due and self._conversation.all_due:
            self._close(self._in)
        return due

    def _read(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        chunk = _read(descriptor)
        if not chunk:
            selector.unregister(descriptor)
            self._close(descriptor)
        self._conversation.heard(chunk, errors=descriptor == self._err)

    def ended(self, running: Running) -> Ended:
        """How the command ended, once its output has."""
        conversation = self._conversation
        if conversation.over:
            self._close(self._out, self._err)  # whoever writes on learns that nobody reads
            return conversation.ended(cut=conversation.cut)._replace(gone=_gone(running))
        try:
            code = running.exit_code(max(self._end - time.monotonic(), 0.1))
        except TimeoutError:
            return conversation.ended(cut=too_long(self._seconds))
        while self._err in self._open and (chunk := _read(self._err)):
            conversation.heard(chunk, errors=True)
        return conversation.ended(code, conversation.cut)


def _gone(running: Running) -> bool:
    """Whether a command ends once nobody reads what it prints."""
    try:
        running.exit_code(GOING)
    except TimeoutError:
        return False
    return True


class _Conversation:
    """What is still to be written, and what was read."""

    def __init__(self, data: bytes, most: int, password: Password | None) -> None:
        self.cut = ""
        self.refused = ""
        self._password = password
        self._data = data
        self._given = False  # the password
        self.all_due = password is None
        self.due = memoryview(b"" if password else data)
        self._most = self._left = most
        self._out: list[bytes] = []
        self._err = bytearray()
        self._before = BEFORE
        self._unfinished = [b"", b""]  # the last line of the output, and of the errors

    @property
    def unasked(self) -> bool:
        """Whether a password is still to be asked for."""
        return not (self.all_due or self._given)

    @property
    def over(self) -> bool:
        """Whether nothing that follows counts any more."""
        return bool(self.cut or self.refused)

    def heard(self, chunk: bytes, errors: bool) -> None:
        """Take what the command printed."""
        self._left -= len(chunk)
        if self._left < 0:
            self.cut = too_much(self._most)
            return
        if errors:
            self._err += chunk
            if len(self._err) > 2 * ERRORS:
                del self._err[:-ERRORS]
        else:
            self._out.append(chunk)
        if not self.all_due and self._password is not None:
            self._escalate(self._password, chunk, errors)

    def _escalate(self, password: Password, chunk: bytes, errors: bool) -> None:
        """Find out whether the password is asked for, was taken, or was not: only what is new is matched, and the line
        that it goes on with.
        """
        self._before -= len(chunk)
        if self._before < 0:
            self.cut = f"it printed more than {BEFORE // 1024} KiB before it accepted the password"
            return
        printed = self._unfinished[errors] + chunk
        self._unfinished[errors] = printed[printed.rfind(b"\n") + 1 :][-UNFINISHED:]
        if password.is_accepted(printed):
            self.all_due = True
            self.due = memoryview(bytes(self.due) + self._data)
        elif refusal := password.refusal(printed):
            self.refused = refusal
        elif not self._given and password.is_prompt(printed):
            self._given = True
            self.due = memoryview(password.text + b"\n")

    def ended(self, code: int = -1, cut: str = "") -> Ended:
        """What came of it."""
        return Ended(code, b"".join(self._out), bytes(self._err[-ERRORS:]), cut, self.refused)


def _written(descriptor: int, conversation: _Conversation) -> bool:
    """Write what is due; False if nobody reads any more."""
    try:
        conversation.due = conversation.due[os.write(descriptor, conversation.due[:CHUNK]) :]
    except BlockingIOError:
        pass
    except OSError:
        return False
    return True


def _read(descriptor: int) -> bytes:
    """What is there now; b"" at the end, and where nothing is there."""
    try:
        return os.read(descriptor, CHUNK)
    except OSError:
        return b""
