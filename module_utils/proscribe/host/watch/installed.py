"""The watcher itself, as an observed state; installing.py brings it in line.

Rules: `watch/watcher`, whether all of it is there, is what the run would install, and runs. `watch/launches` and
`watch/corrections`, whether it notices starts, and corrects what has drifted. And `watch/plan`, whether a run has
confirmed its plan in time.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from ...base.moments import format_timestamp
from ...model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, WATCH_PLAN, WATCHER, Finding, RuleVerdict
from ..system import ControlError, Host, Unseen
from ..system.units import SYSTEMD_RUNS as SYSTEMD_RUNS
from ..system.units import evidently_active, foreign_to, unit_text
from . import units
from .corrections import judge_corrections
from .heartbeat import Heartbeat, verdict
from .starts.reported import HEARTBEAT
from .state import clock, files
from .state.summary import is_stale

if TYPE_CHECKING:
    from ...model.types.call import ExpectedWatch
    from ...model.types.plan import Plan

RULES = ("watcher", "launches", "corrections", "plan")
RUNS = ("active", "activating", "reloading")
SLACK = 300  # seconds that an own observation may be late by
HEAD = " -ISXutf8\n"  # of the program, behind its interpreter


def observe(
    host: Host,
    plan: Plan,
    controller: ExpectedWatch | None = None,
    heartbeat: Heartbeat | None = None,
    drifted: Sequence[RuleVerdict] = (),
) -> list[RuleVerdict]:
    """The verdicts of the watch, of a host that has one or should have. `controller` is what a run knows;
    None where nobody but the host itself says what is right. `heartbeat` is this observation's, which it began
    with. `drifted` are the verdicts of the controls that a correction would change. Raises Unseen and ControlError.
    """
    if not host.privileged:
        raise Unseen("what keeps this host in line can only be read by root")
    desired = plan.get("watch")
    if desired is None:
        left = Finding("file", files.PLACE, detail="the plan has no watch, and the host still has one")
        return [RuleVerdict(WATCHER, NONCOMPLIANT, (left,), drifted=True)]
    if host.stat(SYSTEMD_RUNS) is None:
        none = Finding("unit", units.TIMER, detail="systemd does not run on this host, and the watch needs its timers")
        return [RuleVerdict(WATCHER, NONCOMPLIANT, (none,))]
    known: files.Settings | None = None
    try:
        known = files.settings(host)
        wrong = list(_wrong(host, plan, known, controller)) if known else []
    except files.Damaged as damaged:
        wrong = [Finding("file", damaged.file, detail=damaged.wrong)]
    if known is None and not wrong:
        wrong = [Finding("file", files.SETTINGS, detail="the watch is not installed")]
    state = NONCOMPLIANT if wrong else COMPLIANT
    found = [RuleVerdict(WATCHER, state, tuple(wrong), drifted=bool(wrong))]
    if known is not None:
        found.append(verdict(host, known, heartbeat or Heartbeat(host)))
        found.append(judge_corrections(host, [*drifted, *(own for own in found if own.drifted)]))
        found.append(_plan(host, known, str(plan["digest"])))
    return found


def _plan(host: Host, known: files.Settings, digest: str) -> RuleVerdict:
    """The plan that the host holds. That a run has another one is no fault of the host's: what is open by that, its
    controls say, and an enforcing run brings it.
    """
    if digest not in known.plans():
        held = Finding(
            "plan", known.plan, detail="this host holds the plan of an earlier run, until one brings this one"
        )
        return RuleVerdict(WATCH_PLAN, NOT_APPLICABLE, (held,), reason="the plan has changed", drifted=True)
    renewed = files.renewed(host)
    if not is_stale(host, known.max_age, renewed):
        return RuleVerdict(WATCH_PLAN, COMPLIANT)
    detail = f"no run has renewed it since {renewed}" if renewed else "when a run last renewed it is not known"
    return RuleVerdict(WATCH_PLAN, NONCOMPLIANT, (Finding("plan", known.plan, detail=f"stale: {detail}"),))


def _wrong(host: Host, plan: Plan, known: files.Settings, controller: ExpectedWatch | None) -> Iterator[Finding]:
    """What is wrong with an installed watch."""
    desired = plan["watch"]
    if plan["digest"] in known.plans() and (known.every, known.max_age) != (desired["every"], desired["max_age"]):
        yield Finding("file", files.SETTINGS, detail="it has other intervals than the plan")
    if controller and controller.get("release") != release(host):
        yield Finding("file", files.PROGRAM, detail="its program or its code are not those of this run")
    yield from _damaged(host, known, plan["digest"])
    with contextlib.suppress(ControlError):
        if host.target(files.COMMAND) != files.PROGRAM:
            yield Finding("file", files.COMMAND, detail=f"is no link to {files.PROGRAM}")
    yield from wrong_units(host, units.texts(known.every))
    if controller and (silent := _silent_for(host, known)):
        yield Finding("unit", units.SERVICE, detail=f"has not observed this host for {silent} s")
    # The watch itself cannot correct it, and would count it as drift at each observation.
    if controller and host.stat(files.RESERVATIONS):
        from .state.reservations import describe_lasting

        for detail in describe_lasting(host, {*plan["controls"], *plan}):
            yield Finding("file", files.RESERVATIONS, detail=detail)


def _silent_for(host: Host, known: files.Settings) -> int:
    """Return the seconds awake since the last own observation, or the watcher's start; 0 while that is no fault."""
    last = files.state(host)
    since = int(last["up"]) if last.get("boot") == clock.boot_id(host) and "up" in last else 0
    silent = clock.awake() - since
    late = silent > 3 * known.every + SLACK and not evidently_active(host, units.SERVICE)
    return silent if late and ("last" in last or "up" in last) else 0


def _damaged(host: Host, known: files.Settings, digest: str) -> Iterator[Finding]:
    """Files that are not what was installed. Of the plans, the one in effect and its successor are read; each other
    one is read before it takes effect.
    """
    plans = known.plans()
    place = plans.index(digest) if digest in plans else 0
    read = [files.PROGRAM, HEARTBEAT, files.CODE, *map(files.plan_file, plans[place : place + 2])]
    for path in read:
        try:
            files.require(host, known, path)
        except files.Damaged as damaged:
            yield Finding("file", path, detail=damaged.wrong)
    for path in map(files.plan_file, plans[place + 2 :]):
        if host.stat(path) is None:
            yield Finding("file", path, detail="is missing")
    for path in (files.PROGRAM, HEARTBEAT):
        seen = host.stat(path)
        if seen and seen.st_mode & 0o7777 != files.MODE:
            yield Finding("file", path, detail=f"has the mode {seen.st_mode & 0o7777:04o}")


def wrong_units(host: Host, texts: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with units, and with the timer, which has no process: whether the daemon answers shows more."""
    foreign = foreign_to(host, texts)
    whole = True
    for name, text in texts.items():
        path = f"{units.FOLDER}/{name}"
        there = text_of_unit(host, path)
        detail = ""
        if there == "":
            detail = "masked"
        elif there != text:
            detail = "missing" if there is None else "edited"
        elif name in foreign:
            detail = f"overridden by {foreign[name][0]}"
        elif name in units.ENABLED and host.stat(units.ENABLED[name]) is None:
            detail = "not enabled"
        if detail:
            whole = whole and name != units.TIMER
            yield Finding("unit", name, path=path, detail=detail)
    if whole and units.TIMER in texts and host.started_by != units.TIMER:
        state = host.run(["systemctl", "is-active", units.TIMER]).out.strip()
        if state not in RUNS:
            yield Finding("unit", units.TIMER, detail=f"does not run: {state or 'unknown'}")


def text_of_unit(host: Host, path: str) -> str | None:
    try:
        return unit_text(host, path)
    except ControlError:
        return "\0"  # no file: what is never the text of a unit


def release_of(program: bytes, code: bytes) -> str:
    """The name of a program (`audit_program.installable`) with its code."""
    return files.hash_of(f"{files.hash_of(program)} {files.hash_of(code)}".encode())


def release(host: Host) -> str:
    """The name of the program and the code that the host has; "" for none. Raises Unseen and Damaged."""
    program = files.content_of(host, files.PROGRAM) or b""
    code = files.content_of(host, files.CODE) or b""
    _, head, rest = program.partition(HEAD.encode())
    return release_of(head + rest, code)


def renew(host: Host, plan: Plan, controller: ExpectedWatch | None) -> None:
    """A run has confirmed the plan: note it where this is a plan that the watch holds. Raises ControlError."""
    try:
        known = files.settings(host)
    except (files.Damaged, Unseen):
        return
    if known is None or plan["digest"] not in known.plans():
        return
    clock.set_by_controller(host, controller.get("now") if controller else None)
    host.write(files.RENEWED, format_timestamp(clock.effective(host)) + "\n", files.PRIVATE)
