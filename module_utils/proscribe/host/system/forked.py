"""What a user can make hang, grow or never end is done in a forked process, under hard limits.

A file system that a user's own program answers for (FUSE) may make its reader wait for ever, where no
signal ends it. So that process is abandoned, and this one goes on. Its result comes back as JSON.

The child holds none of this process's output: whoever waits for that to end would wait for the child too.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, Sequence

from ...base.json_text import format_json, parse_json
from ...base.tuples import NamedTuple
from .types import ControlError, Unseen, User

if TYPE_CHECKING:
    from typing import TypeVar

    Item = TypeVar("Item")

MEGABYTE = 1024 * 1024
KILL, CPU_SPENT = 9, 24  # numbers of signals on Linux; the module `signal` takes longer to load than a child to start
GROWN = 32 * MEGABYTE  # after an item for which it grew by that much, a child makes room for a new one
HEADER = 8  # bytes: how long the answer is that follows; 0 says that the child is done with an item and goes on


class Limits(NamedTuple):
    """What one item of work may cost."""

    seconds: float = 20.0
    memory: int = 128 * MEGABYTE  # beyond what this process has; 0 is no limit
    answer: int = 32 * MEGABYTE


LIMITS = Limits()


def each(
    items: Sequence[Item],
    work: Callable[[Item], Iterable[Any]],
    limits: Limits | None = None,
    user: User | None = None,
) -> Iterator[tuple[Item, list[Any], str]]:
    """Do some work for each of some items: (the item, what it yielded as JSON gives it back, why that is not all).

    One child goes from item to item; where it ends, or has to be ended, the next one goes on with those that are left.
    Whatever `work` raises is why nothing more came of that item, and of no other. With `user`, the child becomes that
    user.
    """
    left = list(items)
    while left:
        try:
            child = _Child(left, work, limits or LIMITS, user)
        except OSError as error:
            yield from ((item, [], f"cannot be observed in a process of its own: {error.strerror}") for item in left)
            return
        try:
            more = True
            while left and more:
                parts, outcome, more = child.answer()
                yield left.pop(0), parts, outcome.get("unseen", "") or outcome.get("error", "")
        finally:
            child.end()


def run_apart(work: Callable[[], Any], limits: Limits | None = None, user: User | None = None) -> Any:
    """Do one piece of work apart, and return what came of it, as JSON gives it back. Raises Unseen or ControlError as
    the work does, and Unseen where it did not come to an end.
    """
    try:
        child = _Child([work], lambda work: [work()], limits or LIMITS, user)
    except OSError as error:
        raise Unseen(f"cannot be observed in a process of its own: {error.strerror}") from None
    try:
        parts, outcome, _ = child.answer()
    finally:
        child.end()
    if "error" in outcome:
        raise ControlError(outcome["error"])
    if "unseen" in outcome:
        raise Unseen(outcome["unseen"])
    return parts[0]


class _Child:
    """The forked process, seen from this one."""

    def __init__(
        self, items: Sequence[Any], work: Callable[[Any], Iterable[Any]], limits: Limits, user: User | None
    ) -> None:
        self.limits = limits
        self.ended: int | None = None  # the status that waitpid gave
        self.reading, writing = os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(self.reading)
            os.close(writing)
            raise
        if not self.pid:
            try:
                os.close(self.reading)
                _labour(items, work, limits, user, writing)
            finally:
                os._exit(1)
        os.close(writing)
        self.poll = select.poll()
        self.poll.register(self.reading, select.POLLIN)

    def answer(self) -> tuple[list[Any], dict[str, str], bool]:
        """What came of the next item, why that is not all, and whether the child goes on to another one."""
        end = time.monotonic() + self.limits.seconds
        room = self.limits.answer
        parts: list[Any] = []
        try:
            while True:
                size = int.from_bytes(self._read(HEADER, end), "big")
                if (room := room - size) < 0:
                    raise Unseen(f"over budget: an answer of more than {self.limits.answer // MEGABYTE} MB")
                if not size:
                    return parts, {}, True
                outcome = parse_json(self._read(size, end))
                if "part" not in outcome:
                    return parts, outcome, bool(outcome["more"])
                parts.append(outcome["part"])
        except EOFError:
            return parts, {"unseen": self._why()}, False
        except (Unseen, ValueError) as error:
            return parts, {"unseen": str(error)}, False

    def _read(self, size: int, end: float) -> bytes:
        content = bytearray()
        while len(content) < size:
            left = end - time.monotonic()
            if left <= 0 or not self.poll.poll(left * 1000):
                raise Unseen(f"over budget: not done within {self.limits.seconds:g} s")
            piece = os.read(self.reading, size - len(content))
            if not piece:
                raise EOFError
            content += piece
        return bytes(content)

    def _why(self) -> str:
        """Why a child has ended without an answer."""
        self._reap(5.0)
        number = os.WTERMSIG(self.ended or 0)  # 0 for a child that was not ended by one
        if number == CPU_SPENT:
            return f"over budget: more than {self.limits.seconds:g} s of processor time"
        return f"the observation was ended by signal {number}" if number else "the observation ended without an answer"

    def _reap(self, patience: float) -> None:
        """Wait a while for the child's end. What does not end, by KILL neither, is left to the kernel."""
        end = time.monotonic() + patience
        pause = 0.0005
        while self.ended is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.ended = 0
                return
            if pid:
                self.ended = status
            elif time.monotonic() > end:
                return
            else:
                time.sleep(pause)
                pause = min(2 * pause, 0.05)

    def end(self) -> None:
        os.close(self.reading)
        if self.ended is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, KILL)
            self._reap(1.0)


def _labour(
    items: Sequence[Any], work: Callable[[Any], Iterable[Any]], limits: Limits, user: User | None, writing: int
) -> None:
    """All that the child does."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as stream:
        stream.write(b"1000")  # where memory is out, the kernel ends this process, and no program of the host
    silent = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silent, descriptor)
    if user is not None:
        # What is else loaded where it is needed: the user may not be able to read the directory of this Python.
        import json  # noqa: F401
        import re  # noqa: F401
        import resource  # noqa: F401

        os.setgroups(os.getgrouplist(user.name, user.gid))
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    began = _size()
    for item in items:
        if limits.memory:
            _limit(limits)
        outcome: dict[str, str] = {}
        try:
            for part in work(item):
                _send(writing, {"part": part})
        except BrokenPipeError:
            break
        except Unseen as unseen:
            outcome = {"unseen": str(unseen)}
        except ControlError as error:
            outcome = {"error": str(error)}
        except MemoryError:
            outcome = {"unseen": f"over budget: more than {limits.memory // MEGABYTE} MB of memory"}
        except Exception as error:  # whatever it is, it is about this item and no other
            outcome = {"unseen": f"cannot be observed: {type(error).__name__}: {error}"}
        more = _size() - began < GROWN
        _send(writing, {**outcome, "more": more} if outcome or not more else {})
        if not more:
            break
    os._exit(0)


def _send(descriptor: int, outcome: Mapping[str, object]) -> None:
    content = format_json(outcome).encode() if outcome else b""
    view = memoryview(len(content).to_bytes(HEADER, "big") + content)
    while view:
        view = view[os.write(descriptor, view) :]


def _size() -> int:
    """How much memory this process has mapped, in bytes (statm in proc(5))."""
    with open("/proc/self/statm", "rb") as stream:
        return int(stream.read().split()[0]) * os.sysconf("SC_PAGESIZE")


def _limit(limits: Limits) -> None:
    """The kernel's own limits for the next item. They are soft, so that root can lift them for a tool that it runs."""
    import resource

    for which, most in (
        (resource.RLIMIT_AS, _size() + limits.memory),
        (resource.RLIMIT_CPU, int(time.process_time() + limits.seconds) + 1),
    ):
        hard = resource.getrlimit(which)[1]
        resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
