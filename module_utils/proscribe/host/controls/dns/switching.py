"""Puts a filter in place and takes one away, so that the host never loses its name resolution.

A change is one transaction. The resolver's own tool, if it has one, reads the new file first. Then the resolver is
started again. It has to answer out of that very file, and for other names if it did before. If it does not, everything
is restored.
"""

from __future__ import annotations

import contextlib
import time
from typing import Callable, Iterable, Sequence

from ...system import ControlError, Host, ObservationError
from ...system.units import is_masked, read_unit_text
from ..base import ControlAction
from . import observed as resolution
from .backends.registry import backend
from .desired import Desired
from .filtering import Command, Filter, Stage, amiss, is_held, overriding, serves, serves_now
from .observed import STUBS
from .question import NS, WAITS, ask

CANDIDATE = "/run/proscribe-dns-candidate.conf"
PATIENCE = 15.0  # seconds until a resolver that was started again has to answer


def put(host: Host, filter_: Filter, desired: Desired) -> list[ControlAction]:
    """The one action that installs and starts the filter; none if it does. Raises ControlError."""
    text = filter_.render(desired)
    stages = filter_.stages(text)
    fine = 0
    while fine < len(stages) and not _lacks(host, filter_, stages[fine], text):
        fine += 1
    due = stages[fine:]
    if not due:
        return []
    differs = {path: new for stage in due for path, new in stage.files.items() if read_unit_text(host, path) != new}
    verb, subject = ("write", ", ".join(differs)) if differs else ("restart", due[0].start[-1][-1])
    before = "".join(read_unit_text(host, path) or "" for path in differs)
    return [ControlAction(verb, subject, lambda: _switch(host, filter_, due, text), before, "".join(differs.values()))]


def take_away(host: Host, observed: resolution.Observed, names: Iterable[str]) -> list[ControlAction]:
    """The actions that take away what is left of some filters, and have the resolvers forget it."""
    actions = []
    for name in names:
        for stage in reversed(backend(name).standing(host, observed)):
            paths = [path for path in stage.files if host.has_traces(path)]
            if paths:
                before = "".join(read_unit_text(host, path) or "" for path in paths)
                actions.append(ControlAction("delete", ", ".join(paths), _removal(host, stage, paths), before))
    return actions


def _lacks(host: Host, filter_: Filter, stage: Stage, text: str) -> bool:
    """Whether a stage has to be carried out. A resolver that is only silent is left to it: a start would take away what
    the programs of a busy host still wait for, and what it has in its cache.
    """
    if amiss(host, filter_, stage):
        return True
    try:
        return not all(
            serves(host, address, port, text) or (filter_.is_raced and address in STUBS)
            for address, port in stage.answers
        )
    except ObservationError:
        return is_held(host, filter_)


def _switch(host: Host, filter_: Filter, stages: Sequence[Stage], text: str) -> None:
    """Carry the stages out, or put everything back and raise ControlError."""
    _check(host, filter_, text)
    worked = _resolves(host)
    before = [
        {path: b"" if is_masked(host, path) else host.read_file(path) for path in stage.files} for stage in stages
    ]
    begun = 0
    try:
        for stage in stages:
            begun += 1
            for path, new in stage.files.items():
                host.write_file(path, new)
            for _, path in overriding(host, stage):
                host.delete_file(path)
            _run(host, stage.start)
            _await(host, stage, text)
        if worked and not _resolves_again(host):
            raise ControlError("other names do not resolve any more")
    except ControlError as error:
        failures = []
        for stage, contents in reversed(list(zip(stages[:begun], before))):
            try:
                _put_back(host, stage, contents)
            except ControlError as another:
                failures.append(str(another))
        state = "is restored"
        if failures:  # a resolver that was not started again may answer as before
            works = "works, but its old state " if _resolves(host) else ""
            state = f"{works}cannot be restored ({'; '.join(failures)})"
        raise ControlError(f"{error}; name resolution {state}") from None


def _put_back(host: Host, stage: Stage, contents: dict[str, bytes | None]) -> None:
    new = all(content is None for content in contents.values())
    if new:
        _run_anyway(host, stage.leave)
    for path, content in contents.items():
        if content is None:
            host.delete_file(path)
        else:
            host.write_file(path, content)
    _run(host, stage.left if new else stage.start)


def _removal(host: Host, stage: Stage, paths: Sequence[str]) -> Callable[[], None]:
    def apply() -> None:
        worked = _resolves(host)
        _run_anyway(host, stage.leave)
        for path in (*paths, *stage.exists):  # systemctl leaves the links of a unit that somebody masked
            host.delete_file(path)
        _run(host, stage.left)
        if worked and not _resolves_again(host):
            raise ControlError(f"names do not resolve any more now that {', '.join(paths)} is gone")

    return apply


def _check(host: Host, filter_: Filter, text: str) -> None:
    """Have the resolver's own tool, if it has one, read the new file. Raises ControlError with what it says."""
    command = filter_.checking(CANDIDATE)
    if not command:
        return
    host.write_file(CANDIDATE, text)
    try:
        _run(host, [command])
    finally:
        host.delete_file(CANDIDATE)


def _run(host: Host, commands: Iterable[Command]) -> None:
    for command in commands:
        host.read_command_output([host.find_tool(command[0]) or command[0], *command[1:]])


def _run_anyway(host: Host, commands: Iterable[Command]) -> None:
    """Commands that prepare a removal: what they would stop may be gone already."""
    with contextlib.suppress(ControlError):
        _run(host, commands)


def _await(host: Host, stage: Stage, text: str) -> None:
    end = time.monotonic() + PATIENCE
    for address, port in stage.answers:
        while not serves_now(host, address, port, text):
            if time.monotonic() > end:
                raise ControlError(f"{address} port {port} does not answer with the new names within {PATIENCE:g} s")
            time.sleep(0.2)


def _resolves(host: Host, waits: Sequence[float] = WAITS) -> bool:
    """Whether the first name server that programs ask answers for the root of all names."""
    servers = resolution.nameservers(host.read_text(resolution.RESOLV_CONF) or "")
    try:
        answer = ask(host, servers[0], 53, "", NS, waits) if servers else None
    except ObservationError:
        return False
    return answer is not None and answer.rcode == 0


def _resolves_again(host: Host) -> bool:
    end = time.monotonic() + PATIENCE
    while not _resolves(host, [2]):
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
