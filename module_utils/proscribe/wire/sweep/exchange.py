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
    end = time.monotonic() + limits.seconds
    prompted = time.monotonic() + PROMPT if password else end
    with contextlib.ExitStack() as stack:
        pairs = [os.pipe() for _ in range(3)]
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = pairs
        open_ = {descriptor for pair in pairs for descriptor in pair}

        def close(*descriptors: int) -> None:
            for descriptor in open_.intersection(descriptors):
                open_.discard(descriptor)
                os.close(descriptor)

        stack.callback(lambda: close(*list(open_)))
        conversation = _Conversation(data, limits.most, password)
        for descriptor in (ours_in, ours_out, ours_err):
            os.set_blocking(descriptor, False)
        # What fits into the pipe is there when the command starts, so that nobody has to wake for it.
        if conversation.due and _written(ours_in, conversation) and conversation.all_due and not conversation.due:
            close(ours_in)
        running = start((theirs_in, theirs_out, theirs_err))
        stack.callback(running.close)
        close(theirs_in, theirs_out, theirs_err)
        with selectors.PollSelector() as selector:
            selector.register(ours_out, selectors.EVENT_READ)
            selector.register(ours_err, selectors.EVENT_READ)
            writing, reads, quiet = False, 0, time.monotonic() + QUIET
            while ours_out in open_ and not conversation.over:
                if ours_in in open_ and writing != bool(conversation.due):
                    writing = bool(conversation.due)
                    if writing:
                        selector.register(ours_in, selectors.EVENT_WRITE)
                    else:
                        selector.unregister(ours_in)
                if ours_in in open_ and not writing and conversation.all_due:
                    close(ours_in)
                now = time.monotonic()
                if conversation.unasked and now >= prompted:
                    return conversation.ended()
                events = selector.select(max(min(quiet, prompted if conversation.unasked else end, end) - now, 0))
                if not events:
                    if time.monotonic() >= end:
                        return conversation.ended(cut=too_long(limits.seconds))
                    if time.monotonic() >= quiet:
                        quiet = end
                        silent()
                for key, _ in events:
                    descriptor = int(key.fd)
                    if descriptor == ours_in:
                        if not _written(ours_in, conversation):  # it does not want to hear it
                            selector.unregister(ours_in)
                            close(ours_in)
                        continue
                    quiet = end
                    reads += 1
                    if reads > AT_ONCE:
                        time.sleep(PAUSE)
                    chunk = _read(descriptor)
                    if not chunk:
                        selector.unregister(descriptor)
                        close(descriptor)
                    conversation.heard(chunk, errors=descriptor == ours_err)
        if conversation.over:
            close(ours_out, ours_err)  # whoever writes on learns that nobody reads
            return conversation.ended(cut=conversation.cut)._replace(gone=_gone(running))
        try:
            code = running.exit_code(max(end - time.monotonic(), 0.1))
        except TimeoutError:
            return conversation.ended(cut=too_long(limits.seconds))
        while ours_err in open_ and (chunk := _read(ours_err)):
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
