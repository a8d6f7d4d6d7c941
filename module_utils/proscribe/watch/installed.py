"""The watcher itself, as an observed state; installing.py brings it in line.

Rules: `watch/watcher`, whether all of it is there, is what the run would install, and runs; and `watch/plan`, whether a
run has confirmed its plan in time.
"""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Mapping

from ..finding import COMPLIANT, NONCOMPLIANT, Finding, Verdict
from ..host import ControlError, Host, Unseen
from ..host.units import SYSTEMD_RUNS as SYSTEMD_RUNS
from ..host.units import evidently_active, unit_text
from ..moments import stamp
from . import clock, files, units
from .summary import is_stale

WATCHER, PLAN = "watch/watcher", "watch/plan"
RULES = ("watcher", "plan")
# Where somebody could put a unit of the same name, or a part of one, in front of ours.
BEFORE_OURS = ("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient")
BESIDE_OURS = ("/etc/systemd/system", "/run/systemd/system")
HEAD = " -ISXutf8\n"  # of the program, behind its interpreter


def observe(host: Host, plan: Mapping[str, Any], controller: Mapping[str, Any] | None = None) -> list[Verdict]:
    """The verdicts of the watch, of a host that has one or should have. `controller` is what a run knows: {release,
    now}; None where nobody but the host itself says what is right. Raises Unseen and ControlError.
    """
    if not host.privileged:
        raise Unseen("what keeps this host in line can only be read by root")
    desired = plan.get("watch")
    if desired is None:
        left = Finding("file", files.PLACE, detail="the plan has no watch, and the host still has one")
        return [Verdict(WATCHER, NONCOMPLIANT, (left,), drifted=True)]
    if host.stat(SYSTEMD_RUNS) is None:
        none = Finding("unit", units.TIMER, detail="systemd does not run on this host, and the watch needs its timers")
        return [Verdict(WATCHER, NONCOMPLIANT, (none,))]
    known: files.Settings | None = None
    try:
        known = files.settings(host)
        wrong = list(_wrong(host, plan, known, controller)) if known else []
    except files.Damaged as damaged:
        wrong = [Finding("file", damaged.file, detail=damaged.wrong)]
    if known is None and not wrong:
        wrong = [Finding("file", files.SETTINGS, detail="the watch is not installed")]
    state = NONCOMPLIANT if wrong else COMPLIANT
    found = [Verdict(WATCHER, state, tuple(wrong), drifted=bool(wrong))]
    if known is not None:
        found.append(_age(host, known))
    return found


def _age(host: Host, known: files.Settings) -> Verdict:
    renewed = files.renewed(host)
    if not is_stale(host, known.max_age, renewed):
        return Verdict(PLAN, COMPLIANT)
    detail = f"no run has renewed it since {renewed}" if renewed else "when a run last renewed it is not known"
    return Verdict(PLAN, NONCOMPLIANT, (Finding("plan", known.plan, detail=f"stale: {detail}"),))


def _wrong(
    host: Host, plan: Mapping[str, Any], known: files.Settings, controller: Mapping[str, Any] | None
) -> Iterator[Finding]:
    """What is wrong with an installed watch."""
    desired = plan["watch"]
    if plan["digest"] not in known.plans():
        yield Finding("plan", known.plan, detail="it holds another plan")
    if (known.every, known.max_age) != (desired["every"], desired["max_age"]):
        yield Finding("file", files.SETTINGS, detail="it has other intervals than the plan")
    if controller and controller.get("release") != release(host):
        yield Finding("file", files.PROGRAM, detail="its program or its code are not those of this run")
    yield from _damaged(host, known, plan["digest"])
    with contextlib.suppress(ControlError):
        if host.target(files.COMMAND) != files.PROGRAM:
            yield Finding("file", files.COMMAND, detail=f"is no link to {files.PROGRAM}")
    yield from _wrong_units(host, units.texts(known.every))


def _damaged(host: Host, known: files.Settings, digest: str) -> Iterator[Finding]:
    """Files that are not what was installed. Of the plans, the one in effect and its successor are read; each other
    one is read before it takes effect.
    """
    plans = known.plans()
    place = plans.index(digest) if digest in plans else 0
    read = [files.PROGRAM, files.CODE, *map(files.plan_file, plans[place : place + 2])]
    for path in read:
        try:
            files.require(host, known, path)
        except files.Damaged as damaged:
            yield Finding("file", path, detail=damaged.wrong)
    for path in map(files.plan_file, plans[place + 2 :]):
        if host.stat(path) is None:
            yield Finding("file", path, detail="is missing")
    seen = host.stat(files.PROGRAM)
    if seen and seen.st_mode & 0o7777 != files.MODE:
        yield Finding("file", files.PROGRAM, detail=f"has the mode {seen.st_mode & 0o7777:04o}")


def _wrong_units(host: Host, texts: Mapping[str, str]) -> Iterator[Finding]:
    whole = True
    for name, text in texts.items():
        path = f"{units.FOLDER}/{name}"
        there = text_of_unit(host, path)
        detail = ""
        if there == "":
            detail = "masked"
        elif there != text:
            detail = "missing" if there is None else "edited"
        elif foreign := next(foreign_to(host, name), ""):
            detail = f"overridden by {foreign}"
        elif name in units.ENABLED and host.stat(units.ENABLED[name]) is None:
            detail = "not enabled"
        if detail:
            whole = False
            yield Finding("unit", name, path=path, detail=detail)
    if whole:
        unclear = [name for name in texts if name in units.ENABLED and not _evidently_runs(host, name)]
        states = host.run(["systemctl", "is-active", *unclear]).out.split("\n") if unclear else []
        for name, state in zip(unclear, states):
            if state not in ("active", "activating", "reloading"):
                yield Finding("unit", name, detail=f"does not run: {state or 'unknown'}")


def _evidently_runs(host: Host, name: str) -> bool:
    """Whether it shows without systemctl that a unit runs. It may be the one that had systemd start this process."""
    return name == host.started_by or evidently_active(host, name)


def text_of_unit(host: Host, path: str) -> str | None:
    try:
        return unit_text(host, path)
    except ControlError:
        return "\0"  # no file: what is never the text of a unit


def foreign_to(host: Host, name: str) -> Iterator[str]:
    """Files that somebody put before or beside a unit."""
    for folder in BESIDE_OURS:
        yield from (f"{folder}/{name}.d/{part}" for part in host.list(f"{folder}/{name}.d"))
    for folder in (*BEFORE_OURS, BESIDE_OURS[1]):
        if host.stat(f"{folder}/{name}"):
            yield f"{folder}/{name}"


def release_of(program: bytes, code: bytes) -> str:
    """The name of a program (`audit_program.installable`) with its code."""
    return files.hash_of(f"{files.hash_of(program)} {files.hash_of(code)}".encode())


def release(host: Host) -> str:
    """The name of the program and the code that the host has; "" for none. Raises Unseen and Damaged."""
    program = files.content_of(host, files.PROGRAM) or b""
    code = files.content_of(host, files.CODE) or b""
    _, head, rest = program.partition(HEAD.encode())
    return release_of(head + rest, code)


def renew(host: Host, plan: Mapping[str, Any], controller: Mapping[str, Any] | None) -> None:
    """A run has confirmed the plan: note it where this is a plan that the watch holds. Raises ControlError."""
    try:
        known = files.settings(host)
    except (files.Damaged, Unseen):
        return
    if known is None or plan["digest"] not in known.plans():
        return
    clock.set_by_controller(host, (controller or {}).get("now"))
    host.write(files.RENEWED, stamp(clock.effective(host)) + "\n", files.PRIVATE)
