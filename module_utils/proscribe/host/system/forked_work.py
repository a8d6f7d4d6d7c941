"""Work in a forked child process under hard limits.

The work reads data that a user can make hang or grow. A file system that a user's program serves (FUSE) may block its
reader for ever, even against signals. So the blocked child is abandoned, and this process continues. The result comes
back as JSON. The child closes its copies of this process's output: a program that reads that output to its end would
wait for the child too.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, Sequence

from ...base.json_text import format_json, parse_json
from ...base.named_tuple import NamedTuple
from .types import ControlError, ObservationError, User

if TYPE_CHECKING:
    from typing import TypeVar

    Item = TypeVar("Item")

MEGABYTE = 1024 * 1024
# Signal numbers SIGKILL and SIGXCPU on Linux. Loading the module `signal` takes longer than starting a child.
KILL_SIGNAL, CPU_LIMIT_SIGNAL = (
    9,
    24,
)
MAX_GROWTH_BYTES = 32 * MEGABYTE  # a child that has grown by more is replaced by a new child for the remaining items
# Bytes of the length that the child sends before each message. A message {"part": result} has one result of an item.
# The last message of an item has in "more" whether the child continues with the next item. If the item's results are
# incomplete, the message also has the reason ("unseen" or "error"). The length 0, without a message, is the end of an
# item with complete results, after which the child continues.
HEADER_BYTES = 8


class WorkLimits(NamedTuple):
    """Limits for one item: seconds, bytes of memory, and bytes of all its results (`answer`)."""

    seconds: float = 20.0
    memory: int = 128 * MEGABYTE  # bytes that the child may use beyond the memory of this process; 0 for no limit
    answer: int = 32 * MEGABYTE


DEFAULT_LIMITS = WorkLimits()


def run_each_apart(
    items: Sequence[Item],
    work: Callable[[Item], Iterable[Any]],
    limits: WorkLimits | None = None,
    user: User | None = None,
) -> Iterator[tuple[Item, list[Any], str]]:
    """Run `work` on each item in a child process, and yield (item, results, reason) for each item.

    The results have passed through JSON, so tuples become lists. The reason says why the results are incomplete; "" if
    they are complete.

    A child processes item after item. If the child ends or must be ended, a new child continues with the remaining
    items. An exception in `work` ends only its item. With `user`, the child runs as that user.
    """
    remaining_items = list(items)
    while remaining_items:
        try:
            child = _ForkedChild(remaining_items, work, limits or DEFAULT_LIMITS, user)
        except OSError as error:
            yield from (
                (work_item, [], f"cannot be observed in a process of its own: {error.strerror}")
                for work_item in remaining_items
            )
            return
        try:
            goes_on = True
            while remaining_items and goes_on:
                results, outcome, goes_on = child.read_answer()
                yield remaining_items.pop(0), results, outcome.get("unseen", "") or outcome.get("error", "")
        finally:
            child.end_child()


def run_apart(work: Callable[[], Any], limits: WorkLimits | None = None, user: User | None = None) -> Any:
    """Run `work` in a child process, and return its result after conversion to JSON and back.

    Raises ObservationError or ControlError if the work raised it. Raises ObservationError too if the work exceeds a
    limit. With `user`, the child runs as that user.
    """
    try:
        child = _ForkedChild([work], lambda work: [work()], limits or DEFAULT_LIMITS, user)
    except OSError as error:
        raise ObservationError(f"cannot be observed in a process of its own: {error.strerror}") from None
    try:
        results, outcome, _ = child.read_answer()
    finally:
        child.end_child()
    if "error" in outcome:
        raise ControlError(outcome["error"])
    if "unseen" in outcome:
        raise ObservationError(outcome["unseen"])
    return results[0]


class _ForkedChild:
    """Child process that does work, as its parent sees it."""

    def __init__(
        self, items: Sequence[Any], work: Callable[[Any], Iterable[Any]], limits: WorkLimits, user: User | None
    ) -> None:
        """Start the child, which runs `work` on each item. Raises OSError if no process can be started."""
        self.limits = limits
        self.exit_status: int | None = None  # the status from waitpid; None while the child runs
        self.read_descriptor, write_descriptor = os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(self.read_descriptor)
            os.close(write_descriptor)
            raise
        if not self.pid:
            try:
                os.close(self.read_descriptor)
                _run_child(items, work, limits, user, write_descriptor)
            finally:
                os._exit(1)
        os.close(write_descriptor)
        self.poll = select.poll()
        self.poll.register(self.read_descriptor, select.POLLIN)

    def read_answer(self) -> tuple[list[Any], dict[str, str], bool]:
        """Return the results of the next item, its outcome, and whether the child continues after it.

        The outcome is {} if the results are complete. Otherwise the key "unseen" or "error" has the reason.
        """
        deadline = time.monotonic() + self.limits.seconds
        remaining_bytes = self.limits.answer
        results: list[Any] = []
        try:
            while True:
                size = int.from_bytes(self._read_bytes(HEADER_BYTES, deadline), "big")
                if (remaining_bytes := remaining_bytes - size) < 0:
                    raise ObservationError(f"over budget: an answer of more than {self.limits.answer // MEGABYTE} MB")
                if not size:
                    return results, {}, True
                outcome = parse_json(self._read_bytes(size, deadline))
                if "part" not in outcome:
                    return results, outcome, bool(outcome["more"])
                results.append(outcome["part"])
        except EOFError:
            return results, {"unseen": self._explain_end()}, False
        except (ObservationError, ValueError) as error:
            return results, {"unseen": str(error)}, False

    def _read_bytes(self, size: int, deadline: float) -> bytes:
        """Read exactly `size` bytes from the child.

        Raises ObservationError at the deadline, and EOFError if the child ended.
        """
        content = bytearray()
        while len(content) < size:
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0 or not self.poll.poll(seconds_left * 1000):
                raise ObservationError(f"over budget: not done within {self.limits.seconds:g} s")
            piece = os.read(self.read_descriptor, size - len(content))
            if not piece:
                raise EOFError
            content += piece
        return bytes(content)

    def _explain_end(self) -> str:
        """Return the reason why the child ended before it sent an answer."""
        self._wait_for_end(5.0)
        signal_number = os.WTERMSIG(self.exit_status or 0)  # 0 if no signal ended the child
        if signal_number == CPU_LIMIT_SIGNAL:
            return f"over budget: more than {self.limits.seconds:g} s of processor time"
        return (
            f"the observation was ended by signal {signal_number}"
            if signal_number
            else "the observation ended without an answer"
        )

    def _wait_for_end(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the child ends.

        Give up then: the kernel ends a blocked child later.
        """
        deadline = time.monotonic() + timeout
        pause = 0.0005
        while self.exit_status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # other code has already fetched the exit status of the child
                self.exit_status = 0
                return
            if pid:
                self.exit_status = status
            elif time.monotonic() > deadline:
                return
            else:
                time.sleep(pause)
                pause = min(2 * pause, 0.05)

    def end_child(self) -> None:
        """Stop reading from the child, and kill the child if it still runs."""
        os.close(self.read_descriptor)
        if self.exit_status is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, KILL_SIGNAL)
            self._wait_for_end(1.0)


def _run_child(
    items: Sequence[Any],
    work: Callable[[Any], Iterable[Any]],
    limits: WorkLimits,
    user: User | None,
    write_descriptor: int,
) -> None:
    """Do all work of the child process, send the results to the parent, and exit.

    `write_descriptor` is the pipe to the parent. The child ends early if its memory has grown by MAX_GROWTH_BYTES. The
    parent then starts a new child.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as stream:
        stream.write(b"1000")  # when memory runs out, the kernel ends this child first, not another program
    null_descriptor = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null_descriptor, descriptor)
    if user is not None:
        # Import these modules before the change of user: the user may be unable to read the directory of this Python.
        import json  # noqa: F401
        import re  # noqa: F401
        import resource  # noqa: F401

        os.setgroups(os.getgrouplist(user.name, user.gid))
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    initial_size = _read_memory_size()
    for work_item in items:
        if limits.memory:
            _limit_resources(limits)
        outcome: dict[str, str] = {}
        try:
            for result in work(work_item):
                _send_outcome(write_descriptor, {"part": result})
        except BrokenPipeError:
            break
        except ObservationError as unseen:
            outcome = {"unseen": str(unseen)}
        except ControlError as error:
            outcome = {"error": str(error)}
        except MemoryError:
            outcome = {"unseen": f"over budget: more than {limits.memory // MEGABYTE} MB of memory"}
        except Exception as error:  # an error in one item must not end the others
            outcome = {"unseen": f"cannot be observed: {type(error).__name__}: {error}"}
        goes_on = _read_memory_size() - initial_size < MAX_GROWTH_BYTES
        _send_outcome(write_descriptor, {**outcome, "more": goes_on} if outcome or not goes_on else {})
        if not goes_on:
            break
    os._exit(0)


def _send_outcome(descriptor: int, outcome: Mapping[str, object]) -> None:
    """Send a message to the parent, after its length (HEADER_BYTES). An empty message is only the length 0."""
    content = format_json(outcome).encode() if outcome else b""
    view = memoryview(len(content).to_bytes(HEADER_BYTES, "big") + content)
    while view:
        view = view[os.write(descriptor, view) :]


def _read_memory_size() -> int:
    """Return the mapped memory of this process in bytes (statm in proc(5))."""
    with open("/proc/self/statm", "rb") as stream:
        return int(stream.read().split()[0]) * os.sysconf("SC_PAGESIZE")


def _limit_resources(limits: WorkLimits) -> None:
    """Set the kernel's limits on memory and processor time for the next item.

    The limits are soft, so that root can raise them for a tool that the work starts.
    """
    import resource

    for resource_id, soft_limit in (
        (resource.RLIMIT_AS, _read_memory_size() + limits.memory),
        (resource.RLIMIT_CPU, int(time.process_time() + limits.seconds) + 1),
    ):
        hard_limit = resource.getrlimit(resource_id)[1]
        resource.setrlimit(
            resource_id,
            (soft_limit if hard_limit == resource.RLIM_INFINITY else min(soft_limit, hard_limit), hard_limit),
        )
