"""Observation of the watch itself on a host. The module installation.py installs and repairs the watch.

Rule `watch/watcher`: the watch is complete, is as the run would install it, and runs. Rule `watch/launches`: the watch
notices program starts. Rule `watch/corrections`: the watch corrects drift. Rule `watch/plan`: a run has confirmed the
plan in time.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from ...base.timestamps import format_timestamp
from ...model.finding import (
    COMPLIANT,
    NONCOMPLIANT,
    NOT_APPLICABLE,
    WATCH_CORRECTIONS,
    WATCH_PLAN,
    WATCHER,
    Finding,
    RuleVerdict,
)
from ..system import ControlError, Host, ObservationError
from ..system.units import SYSTEMD_RUNS_PATH as SYSTEMD_RUNS_PATH
from ..system.units import find_foreign_files, is_evidently_active, read_unit_text
from . import watch_units
from .heartbeat import Heartbeat, judge_launches
from .starts.daemon_report import HEARTBEAT_PATH
from .state import clock, pause, watch_files
from .state.summary import is_stale

if TYPE_CHECKING:
    from ...model.types.call import ExpectedWatch
    from ...model.types.plan import Plan
    from ...model.types.watch import UncorrectedControl

RULE_NAMES = ("watcher", "launches", "corrections", "plan")
RUNNING_STATES = ("active", "activating", "reloading")
SLACK_SECONDS = 300  # tolerated delay of the host's observation of itself
INTERPRETER_OPTIONS = " -ISXutf8\n"  # end of the program's first line, after the path of the interpreter


def observe_watch(
    host: Host,
    plan: Plan,
    controller: ExpectedWatch | None = None,
    heartbeat: Heartbeat | None = None,
    drifted: Sequence[RuleVerdict] = (),
) -> list[RuleVerdict]:
    """Return the verdicts on the watch, for a host that has a watch or should have one.

    `controller` has what a run expects of the watch; None if the host observes itself. `heartbeat` is the heartbeat
    that this observation has sent to the daemon; None to send it now. `drifted` are the verdicts on controls that a
    correction would change. Raises ObservationError and ControlError.
    """
    if not host.privileged:
        raise ObservationError("what keeps this host in line can only be read by root")
    desired = plan.get("watch")
    if desired is None:
        finding = Finding(
            "file", watch_files.WATCH_DIRECTORY, detail="the plan has no watch, and the host still has one"
        )
        return [RuleVerdict(WATCHER, NONCOMPLIANT, (finding,), drifted=True)]
    if host.find_entry(SYSTEMD_RUNS_PATH) is None:
        finding_without_systemd = Finding(
            "unit", watch_units.TIMER_UNIT, detail="systemd does not run on this host, and the watch needs its timers"
        )
        return [RuleVerdict(WATCHER, NONCOMPLIANT, (finding_without_systemd,))]
    settings: watch_files.WatchSettings | None = None
    try:
        settings = watch_files.read_settings(host)
        findings = list(_list_watch_findings(host, plan, settings, controller)) if settings else []
    except watch_files.DamagedFileError as error:
        findings = [Finding("file", error.file, detail=error.defect)]
    if settings is None and not findings:
        findings = [Finding("file", watch_files.SETTINGS_PATH, detail="the watch is not installed")]
    state = NONCOMPLIANT if findings else COMPLIANT
    verdicts = [RuleVerdict(WATCHER, state, tuple(findings), drifted=bool(findings))]
    if settings is not None:
        verdicts.append(judge_launches(host, settings, heartbeat or Heartbeat(host)))
        verdicts.append(_judge_corrections(host, [*drifted, *(verdict for verdict in verdicts if verdict.drifted)]))
        verdicts.append(_judge_plan(host, settings, str(plan["digest"])))
    return verdicts


def _judge_plan(host: Host, settings: watch_files.WatchSettings, digest: str) -> RuleVerdict:
    """Judge the plan that the watch follows (rule `watch/plan`).

    `digest` is the plan of the present run. If the watch does not have that plan, this is no fault of the host: the
    rule does not apply. The rules of the controls show the differences. The next enforcing run brings the new plan.
    """
    if digest not in settings.list_digests():
        finding = Finding(
            "plan", settings.plan, detail="this host holds the plan of an earlier run, until one brings this one"
        )
        return RuleVerdict(WATCH_PLAN, NOT_APPLICABLE, (finding,), reason="the plan has changed", drifted=True)
    renewal_time = watch_files.read_renewal_time(host)
    if not is_stale(host, settings.max_age, renewal_time):
        return RuleVerdict(WATCH_PLAN, COMPLIANT)
    detail = (
        f"no run has renewed it since {renewal_time}" if renewal_time else "when a run last renewed it is not known"
    )
    return RuleVerdict(WATCH_PLAN, NONCOMPLIANT, (Finding("plan", settings.plan, detail=f"stale: {detail}"),))


def _list_watch_findings(
    host: Host, plan: Plan, settings: watch_files.WatchSettings, controller: ExpectedWatch | None
) -> Iterator[Finding]:
    """Yield the defects of an installed watch. `controller` is None if the host observes itself."""
    desired = plan["watch"]
    # The settings of another plan may have other intervals: the rule watch/plan reports that plan.
    if plan["digest"] in settings.list_digests() and (settings.every, settings.max_age) != (
        desired["every"],
        desired["max_age"],
    ):
        yield Finding("file", watch_files.SETTINGS_PATH, detail="it has other intervals than the plan")
    if controller and controller.get("release") != read_release(host):
        yield Finding("file", watch_files.PROGRAM_PATH, detail="its program or its code are not those of this run")
    yield from _list_damaged_files(host, settings, plan["digest"])
    with contextlib.suppress(ControlError):
        if host.resolve_link(watch_files.COMMAND_PATH) != watch_files.PROGRAM_PATH:
            yield Finding("file", watch_files.COMMAND_PATH, detail=f"is no link to {watch_files.PROGRAM_PATH}")
    yield from list_wrong_units(host, watch_units.make_unit_texts(settings.every))
    if controller and (silent_seconds := _measure_silence(host, settings)):
        yield Finding("unit", watch_units.SERVICE_UNIT, detail=f"has not observed this host for {silent_seconds} s")
    # Only a run reports lasting reservations. The watch cannot remove them, and would count them as drift at each
    # observation.
    if controller and host.find_entry(watch_files.RESERVATIONS_PATH):
        from .state.reservations import describe_lasting

        for detail in describe_lasting(host, {*plan["controls"], *plan}):
            yield Finding("file", watch_files.RESERVATIONS_PATH, detail=detail)


def _measure_silence(host: Host, settings: watch_files.WatchSettings) -> int:
    """Return for how many seconds the host has not observed itself; 0 if that is not too long.

    The time that the host slept does not count. The count begins with the last observation of this boot, or with the
    boot. Returns 0 too while an observation runs, and if the watch has stored nothing since its installation.
    """
    last_observation = watch_files.read_last_observation(host)
    last_awake = (
        int(last_observation["up"])
        if last_observation.get("boot") == clock.read_boot_id(host) and "up" in last_observation
        else 0
    )
    silent_seconds = clock.read_awake_seconds() - last_awake
    is_late = silent_seconds > 3 * settings.every + SLACK_SECONDS and not is_evidently_active(
        host, watch_units.SERVICE_UNIT
    )
    return silent_seconds if is_late and ("last" in last_observation or "up" in last_observation) else 0


def _list_damaged_files(host: Host, settings: watch_files.WatchSettings, digest: str) -> Iterator[Finding]:
    """Yield a finding for each file of the watch that is not as installed.

    Of the plans, only the plan in effect and the next one are read. Later plans must only exist here: they are read
    before they take effect.
    """
    plans = settings.list_digests()
    index = plans.index(digest) if digest in plans else 0
    paths = [
        watch_files.PROGRAM_PATH,
        HEARTBEAT_PATH,
        watch_files.CODE_PATH,
        *map(watch_files.make_plan_path, plans[index : index + 2]),
    ]
    for path in paths:
        try:
            watch_files.require_intact_file(host, settings, path)
        except watch_files.DamagedFileError as error:
            yield Finding("file", path, detail=error.defect)
    for path in map(watch_files.make_plan_path, plans[index + 2 :]):
        if host.find_entry(path) is None:
            yield Finding("file", path, detail="is missing")
    for path in (watch_files.PROGRAM_PATH, HEARTBEAT_PATH):
        status = host.find_entry(path)
        if status and status.st_mode & 0o7777 != watch_files.PROGRAM_MODE:
            yield Finding("file", path, detail=f"has the mode {status.st_mode & 0o7777:04o}")


def list_wrong_units(host: Host, texts: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the defects of the units whose intended texts are in `texts`, and of a timer that does not run.

    The timer has no process, so systemd is asked for its state. This is not needed if the timer has just started this
    process. The daemon has a process, and its heartbeat proves more than systemd's state does.
    """
    foreign_files = find_foreign_files(host, texts)
    is_timer_intact = True
    for name, text in texts.items():
        path = f"{watch_units.UNIT_DIRECTORY}/{name}"
        unit_text = read_unit_or_marker(host, path)
        detail = ""
        if unit_text == "":
            detail = "masked"
        elif unit_text != text:
            detail = "missing" if unit_text is None else "edited"
        elif name in foreign_files:
            detail = f"overridden by {foreign_files[name][0]}"
        elif name in watch_units.ENABLING_LINKS and host.find_entry(watch_units.ENABLING_LINKS[name]) is None:
            detail = "not enabled"
        if detail:
            is_timer_intact = is_timer_intact and name != watch_units.TIMER_UNIT
            yield Finding("unit", name, path=path, detail=detail)
    if is_timer_intact and watch_units.TIMER_UNIT in texts and host.starting_unit != watch_units.TIMER_UNIT:
        state = host.run_command(["systemctl", "is-active", watch_units.TIMER_UNIT]).out.strip()
        if state not in RUNNING_STATES:
            yield Finding("unit", watch_units.TIMER_UNIT, detail=f"does not run: {state or 'unknown'}")


def read_unit_or_marker(host: Host, path: str) -> str | None:
    r"""Return the text of a unit file, or a marker in place of the text.

    Returns None for a missing file, "" for a masked unit, and "\0" for anything that is no regular file.
    """
    try:
        return read_unit_text(host, path)
    except ControlError:
        return "\0"  # no unit has this text


def make_release_name(program: bytes, code: bytes) -> str:
    """Return a hash that names a version of the watch's program and code.

    `program` is the text that `audit_program.format_program` makes.
    """
    return watch_files.hash_content(f"{watch_files.hash_content(program)} {watch_files.hash_content(code)}".encode())


def read_release(host: Host) -> str:
    """Return the hash that names the version of the watch's program and code on the host.

    The program begins with the path of this host's Python. That path does not count: the hash begins with the options
    after it. Raises ObservationError and DamagedFileError.
    """
    program = watch_files.read_watch_file(host, watch_files.PROGRAM_PATH) or b""
    code = watch_files.read_watch_file(host, watch_files.CODE_PATH) or b""
    _, options, text = program.partition(INTERPRETER_OPTIONS.encode())
    return make_release_name(options + text, code)


def confirm_plan(host: Host, plan: Plan, controller: ExpectedWatch | None) -> None:
    """Store that a run has confirmed the plan now, if the watch has this plan. Raises ControlError.

    `controller` has the time of the run, to which the watch's clock is set. Without it (None), the host's time counts.
    """
    try:
        settings = watch_files.read_settings(host)
    except (watch_files.DamagedFileError, ObservationError):
        return
    if settings is None or plan["digest"] not in settings.list_digests():
        return
    clock.set_by_controller(host, controller.get("now") if controller else None)
    host.write_file(
        watch_files.RENEWED_PATH, format_timestamp(clock.read_effective_time(host)) + "\n", watch_files.PRIVATE_MODE
    )


def _judge_corrections(host: Host, drifted: Sequence[RuleVerdict]) -> RuleVerdict:
    """Judge whether the last observation by the host's watcher left drift uncorrected.

    `drifted` are the current verdicts of drifted rules. An uncorrected part counts only while one of these verdicts
    concerns the same control and user.
    """
    findings = tuple(_list_uncorrected(host, drifted))
    return RuleVerdict(WATCH_CORRECTIONS, NONCOMPLIANT if findings else COMPLIANT, findings)


def _list_uncorrected(host: Host, drifted: Sequence[RuleVerdict]) -> Iterator[Finding]:
    """Yield a finding for a pause of the watcher, and for each uncorrected part that is still drifted."""
    if not drifted:
        return
    if frozen := pause.read_active_pause(host):
        detail = f"root has frozen the watch until {frozen['until']} (by {frozen['by']}): {frozen['reason']}"
        yield Finding("pause", watch_files.FROZEN_PATH, detail=detail)
    for entry in watch_files.read_last_observation(host).get("uncorrected", ()):
        if any(_is_about(entry, verdict) for verdict in drifted):
            scope = f"user:{entry['user']}" if entry["user"] else ""
            yield Finding("correction", entry["control"], scope=scope, detail=entry["reason"])


def _is_about(entry: UncorrectedControl, verdict: RuleVerdict) -> bool:
    """Return whether a verdict concerns the control, and the user if there is one, of an uncorrected part.

    `entry` is the uncorrected part, as the last observation stored it.
    """
    if verdict.rule.partition("/")[0] != entry["control"]:
        return False
    user = entry["user"]
    return not user or any(finding.scope.partition("user:")[2] == user for finding in verdict.findings)
