"""Installation of the host's watcher by an enforcing run, and its removal with all of Proscribe (lift)."""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Collection, Iterable, Mapping, Sequence

from ...base.json_text import format_json
from ...base.timestamps import format_timestamp, is_timestamp
from ...model.finding import WATCH
from ...model.plan import compute_digest as digest_of
from ...model.plan import format_canonical
from ..audit_program import find_interpreter
from ..controls.base import Changes, ControlAction, make_diffs
from ..controls.change_execution import apply_changes
from ..system import DARWIN, ControlError, Host, ObservationError
from ..system.units import find_foreign_files
from . import watch_units
from .heartbeat import HEARTBEAT_TEXT, LATE, Heartbeat
from .starts import daemon_report
from .state import clock, journal, reservations, watch_files
from .watch_observation import SYSTEMD_RUNS_PATH, make_release_name, read_unit_or_marker

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.call import WatchInput
    from ...model.types.plan import Plan
    from ...model.types.watch import LastObservation

# the report that the daemon writes about itself, and its unfinished replacement
REPORT_PATHS = (daemon_report.REPORT_PATH, f"{daemon_report.REPORT_PATH}.new")
PULL_PROGRAM = "/usr/libexec/proscribe/pull"  # the program of scheduled runs that the host starts itself
SYSTEMCTL_TIMEOUT_SECONDS = 120
READY_TIMEOUT_SECONDS = 120.0  # until a started daemon has read the restrictions and notices starts, on a busy host


def enforce(host: Host, plan: Plan, sent: WatchInput) -> Changes:
    """Return the changes that install the watcher, or repair it.

    `sent` has the controller's program, code and plans, and its time. No changes mean that the watcher is complete.
    Raises ControlError on a host without systemd, and for plans that do not belong together.
    """
    if host.find_entry(SYSTEMD_RUNS_PATH) is None:
        raise ControlError("this host does not run systemd, whose timers the watch needs: set proscribe_watch to off")
    chain = _make_chain(plan, sent["plans"])
    program, code = str(sent["program"]).encode(), bytes(sent["code"])
    contents = {**make_programs(program), watch_files.CODE_PATH: code}
    contents.update(
        {
            watch_files.make_plan_path(compiled_plan["digest"]): format_canonical(compiled_plan).encode()
            for compiled_plan in (plan, *sent["plans"][1:])
        }
    )
    settings = watch_files.WatchSettings(
        make_release_name(program, code),
        plan["watch"]["every"],
        plan["watch"]["max_age"],
        plan["digest"],
        tuple(chain),
        {path: watch_files.hash_content(content) for path, content in contents.items()},
    )
    actions = make_write_actions(host, contents)
    # The settings have the hashes of all other files, so they are written after these.
    settings_content = watch_files.format_settings(settings).encode()
    if actions or _is_different(host, watch_files.SETTINGS_PATH, settings_content, watch_files.PRIVATE_MODE):
        actions.append(_make_write_action(host, watch_files.SETTINGS_PATH, settings_content, watch_files.PRIVATE_MODE))
    actions += [_make_delete_action(host, path) for path in _list_old_plans(host, settings)]
    actions += make_link_actions(host)
    start_actions = make_start_actions(
        host, settings, watch_units.ALL_UNITS, READY_TIMEOUT_SECONDS, has_changed=bool(actions)
    )
    changes = [*actions, *start_actions]
    if changes:
        changes.append(ControlAction("note", watch_files.RENEWED_PATH, partial(_note_renewal, host, sent.get("now"))))
    return Changes(changes)


def make_programs(program: bytes) -> dict[str, bytes]:
    """Return the contents of the files that a host executes for the watcher, by path.

    `program` is the watcher's program without `#!` and the Python that runs it.
    """
    return {
        watch_files.PROGRAM_PATH: b"#!" + find_interpreter().encode() + program,
        daemon_report.HEARTBEAT_PATH: HEARTBEAT_TEXT.encode(),
    }


def make_write_actions(host: Host, contents: Mapping[str, bytes]) -> list[ControlAction]:
    """Return the actions that write those of these files that are missing or have another content or mode.

    `contents` has the contents by path.
    """
    modes = {
        path: watch_files.PROGRAM_MODE
        if path in (watch_files.PROGRAM_PATH, daemon_report.HEARTBEAT_PATH)
        else watch_files.PRIVATE_MODE
        for path in contents
    }
    return [
        _make_write_action(host, path, content, modes[path])
        for path, content in contents.items()
        if _is_different(host, path, content, modes[path])
    ]


def make_link_actions(host: Host) -> list[ControlAction]:
    """Return the action that links the watcher's command to its program; [] if the link is correct."""
    if _read_command_link(host) == watch_files.PROGRAM_PATH:
        return []
    return [
        ControlAction(
            "link", watch_files.COMMAND_PATH, partial(_link_command, host), "", f"{watch_files.PROGRAM_PATH}\n"
        )
    ]


def _note_renewal(host: Host, now: object) -> None:
    """Store the time at which a run has renewed the watcher's plan.

    `now` is the controller's time; if it is no timestamp, the host's time counts. For a new watcher, the time since
    boot is stored too. So a watcher that never observes anything is noticed.
    """
    clock.set_by_controller(host, now)
    if not watch_files.read_last_observation(host):
        start: LastObservation = {"up": clock.read_awake_seconds(), "boot": clock.read_boot_id(host)}
        host.write_file(watch_files.STATE_PATH, format_json(start), watch_files.PRIVATE_MODE)
    host.write_file(
        watch_files.RENEWED_PATH,
        (now if is_timestamp(now) else format_timestamp(clock.read_effective_time(host))) + "\n",  # type: ignore[operator]
        watch_files.PRIVATE_MODE,
    )


def _make_chain(plan: Plan, plans: Sequence[Plan]) -> list[tuple[str, str]]:
    """Return the plans that take effect after `plan`, in order, as pairs (time of effect, digest).

    `plans` are `plan` and its successors. Each plan names the next one and its time in `later`. Raises ControlError for
    plans that do not follow each other.
    """
    chain: list[tuple[str, str]] = []
    # the next plan that is expected: its digest `plan` and its time `at`; None after the last plan
    reference = plan.get("later")
    if not plans or plans[0].get("digest") != plan["digest"] or len(plans) > watch_files.MAX_PLANS:
        raise ControlError("the plans that were sent do not begin with the host's own")
    for successor in plans[1:]:
        if not reference or successor.get("digest") != reference["plan"] or digest_of(successor) != reference["plan"]:
            raise ControlError("the plans that were sent do not follow each other")
        if not is_timestamp(reference["at"]) or chain and reference["at"] <= chain[-1][0]:
            raise ControlError("the moments of the plans that were sent do not follow each other")
        chain.append((reference["at"], reference["plan"]))
        reference = successor.get("later")
    return chain


def make_start_actions(
    host: Host, settings: watch_files.WatchSettings, names: Collection[str], timeout: float, has_changed: bool = False
) -> list[ControlAction]:
    """Return the actions that make systemd run the watcher's units `names` with their correct files.

    `has_changed` means that a file which the units execute or read has changed. Each action that starts the daemon
    waits at most `timeout` seconds until the daemon notices starts.
    """
    actions: list[ControlAction] = []
    # texts of the unit files, by unit
    texts = {name: text for name, text in watch_units.make_unit_texts(settings.every).items() if name in names}
    written_units = []  # units whose files change: systemd has to load and restart them
    for name, text in texts.items():
        path = f"{watch_units.UNIT_DIRECTORY}/{name}"
        if read_unit_or_marker(host, path) != text:
            written_units.append(name)
            actions.append(_make_write_action(host, path, text.encode(), 0o644))
    for name, paths in find_foreign_files(host, texts).items():
        written_units.append(name)
        actions += [_make_delete_action(host, path) for path in paths]
    if written_units:
        actions.append(ControlAction("load", "systemd's units", partial(_run_systemctl, host, "daemon-reload")))
    for name in (name for name in watch_units.ENABLING_LINKS if name in texts):
        if host.find_entry(watch_units.ENABLING_LINKS[name]) is None or name in written_units:
            actions.append(ControlAction("enable", name, partial(_run_systemctl, host, "reenable", "--quiet", name)))
        is_active = (
            host.run_command(["systemctl", "is-active", "--quiet", name], timeout=SYSTEMCTL_TIMEOUT_SECONDS).rc == 0
        )
        # the daemon reads changed files only when it starts; the timer starts a new process each time
        if not is_active or name in written_units or has_changed and name == watch_units.LAUNCHES_UNIT:
            actions.append(ControlAction("start", name, partial(_start_unit, host, settings, name, timeout)))
        # a daemon that runs may still notice no starts, or follow an earlier plan
        elif name == watch_units.LAUNCHES_UNIT and (result := Heartbeat(host).wait_for_result(settings)).is_wrong:
            actions.append(
                ControlAction("start", name, partial(_restart_daemon, host, settings, result.state, timeout))
            )
    return actions


def _start_unit(host: Host, settings: watch_files.WatchSettings, name: str, timeout: float) -> None:
    """Restart a unit.

    For the daemon, wait at most `timeout` seconds until it notices starts, so that the run's next observation is
    correct. `settings` are those that the daemon should follow.
    """
    _run_systemctl(host, "restart", name)
    if name == watch_units.LAUNCHES_UNIT:
        _wait_until_ready(host, settings, timeout)


def _restart_daemon(host: Host, settings: watch_files.WatchSettings, state: str, timeout: float) -> None:
    """Restart a daemon that runs and does not notice starts by the current plan.

    `state` is the state of its heartbeat. A daemon that has only not read the current plan yet (LATE) gets `timeout`
    seconds first.
    """
    if state == LATE and _wait_until_ready(host, settings, timeout):
        return
    # a daemon that is frozen or stopped by a signal does not end on a restart
    for verb in (["thaw"], ["kill", "--signal=KILL"]):
        host.run_command(["systemctl", *verb, watch_units.LAUNCHES_UNIT], timeout=SYSTEMCTL_TIMEOUT_SECONDS)
    _start_unit(host, settings, watch_units.LAUNCHES_UNIT, timeout)


def _wait_until_ready(host: Host, settings: watch_files.WatchSettings, timeout: float) -> bool:
    """Wait at most `timeout` seconds until the daemon notices starts by the current plan.

    Returns whether the daemon notices them. A failure is no error here, because the next observation reports it.
    """
    deadline = time.monotonic() + timeout
    while Heartbeat(host).wait_for_result(settings).is_wrong:
        if time.monotonic() > deadline:
            return False
    return True


def change(
    host: Host, plan: Plan, sent: WatchInput | None, lift_it: bool = False, dry_run: bool = False
) -> ChangeAnswer:
    """Install or remove the watcher, and report the actions in the form of host_operations.change.

    `sent` is the controller's input. The watcher is removed if `lift_it`, if `sent` is None, or if the plan has no
    watcher. With `dry_run`, the actions are only reported. Raises ControlError.
    """
    host.require_root()
    if host.kernel_name == DARWIN and lift_it:  # no run installs the watch there
        return {"changed": False, "actions": [], "refused": [], "findings": [], "diff": []}
    with host.lock_host():
        is_lift = lift_it or sent is None or "watch" not in plan
        changes = lift(host) if is_lift or sent is None else enforce(host, plan, sent)
        if changes.actions and not is_lift and not dry_run:
            # During the installation, the watcher's files do not match its settings. The reservation keeps the watcher
            # from acting on that.
            reservations.reserve_control(host, WATCH, plan["digest"])
        done_actions = [] if dry_run else list(apply_changes(changes)["done"])
        if sent is not None and not is_lift and not dry_run:
            reservations.note_received_plans(host, [sent_plan["digest"] for sent_plan in sent["plans"]])
    diff = make_diffs(changes.actions)
    actions = [str(action) for action in changes.actions] if dry_run else done_actions
    return {"changed": bool(changes.actions), "actions": actions, "refused": [], "findings": [], "diff": diff}


def lift(host: Host) -> Changes:
    """Return the changes that remove the watcher with all its files.

    The watcher's units are stopped first. Otherwise a running watcher would enforce again the controls that are removed
    next.
    """
    names = [watch_units.TIMER_UNIT, watch_units.LAUNCHES_UNIT, watch_units.SERVICE_UNIT]
    present_units = [name for name in names if _has_traces_of_unit(host, name)]
    actions = _make_stop_actions(host, present_units)
    outside_paths = [
        watch_files.COMMAND_PATH,
        watch_files.PROGRAM_PATH,
        daemon_report.HEARTBEAT_PATH,
        journal.JOURNAL,
        journal.OLDER_JOURNAL,
        *REPORT_PATHS,
    ]
    # Scheduled runs of this host write the same record. So the record is deleted only if the host has no such runs.
    if host.find_entry(watch_files.WATCH_DIRECTORY) and host.find_entry(PULL_PROGRAM) is None:
        outside_paths.append(watch_files.RECORD_PATH)
    inner_paths = [
        f"{folder}/{name}"
        for folder in (watch_files.CACHE_DIRECTORY, watch_files.PLANS_DIRECTORY)
        for name in host.list_directory(folder)
    ]
    own_paths = [
        watch_files.CODE_PATH,
        watch_files.RENEWED_PATH,
        watch_files.CLOCK_PATH,
        watch_files.FROZEN_PATH,
        watch_files.RESERVATIONS_PATH,
        watch_files.STATE_PATH,
        watch_files.SETTINGS_PATH,
    ]
    paths = [*outside_paths, *inner_paths, *own_paths]
    actions += [
        _make_delete_action(host, path)
        for path in dict.fromkeys(paths)
        if host.find_entry(path) or host.has_unfinished_write(path)
    ]
    folders = (watch_files.CACHE_DIRECTORY, watch_files.PLANS_DIRECTORY)
    # everything else in the watch's directory
    unknown = [
        name
        for name in host.list_directory(watch_files.WATCH_DIRECTORY)
        if f"{watch_files.WATCH_DIRECTORY}/{name}" not in (*own_paths, *folders)
    ]
    actions += [_make_delete_action(host, f"{watch_files.WATCH_DIRECTORY}/{name}") for name in unknown]
    return Changes(actions)


def _has_traces_of_unit(host: Host, name: str) -> bool:
    """Return whether a file or link of the unit exists, or a file of another program overrides the unit."""
    path = f"{watch_units.UNIT_DIRECTORY}/{name}"
    links = [watch_units.ENABLING_LINKS[name]] if name in watch_units.ENABLING_LINKS else []
    return (
        any(map(host.find_entry, (path, *links)))
        or bool(find_foreign_files(host, [name]))
        or host.has_unfinished_write(path)
    )


def _make_stop_actions(host: Host, names: Iterable[str]) -> list[ControlAction]:
    """Return the actions that stop these units of the watcher, and delete their files and links.

    An observation in progress is ended too. Otherwise it would enforce again the controls that are removed next.
    """
    names = list(names)
    actions = [ControlAction("stop", name, partial(_stop_unit, host, name)) for name in names]
    for name in names:
        paths = [
            f"{watch_units.UNIT_DIRECTORY}/{name}",
            *([watch_units.ENABLING_LINKS[name]] if name in watch_units.ENABLING_LINKS else []),
        ]
        present_paths = [path for path in paths if host.find_entry(path) or host.has_unfinished_write(path)]
        actions += [
            _make_delete_action(host, path)
            for path in (*find_foreign_files(host, [name]).get(name, ()), *present_paths)
        ]
    if actions:
        actions.append(ControlAction("load", "systemd's units", partial(_reload_units, host)))
    return actions


def _stop_unit(host: Host, name: str) -> None:
    if host.find_entry(
        SYSTEMD_RUNS_PATH
    ):  # the unit may never have been loaded, so a failure to stop it does not fail the removal
        host.run_command(["systemctl", "stop", name], timeout=SYSTEMCTL_TIMEOUT_SECONDS)


def _reload_units(host: Host) -> None:
    """Make systemd read its unit files again, and forget that removed units had failed. Raises ControlError."""
    if host.find_entry(SYSTEMD_RUNS_PATH):
        _run_systemctl(host, "daemon-reload")
        host.run_command(
            ["systemctl", "reset-failed", watch_units.SERVICE_UNIT, watch_units.LAUNCHES_UNIT],
            timeout=SYSTEMCTL_TIMEOUT_SECONDS,
        )


def _run_systemctl(host: Host, *argv: str) -> None:
    host.read_command_output(["systemctl", *argv], timeout=SYSTEMCTL_TIMEOUT_SECONDS)


def _is_different(host: Host, path: str, content: bytes, mode: int) -> bool:
    """Return whether a file is missing or damaged, or has another content or mode than `content` and `mode`."""
    status = host.find_entry(path)
    if status is None or status.st_mode & 0o7777 != mode:
        return True
    try:
        return watch_files.read_watch_file(host, path) != content
    except watch_files.DamagedFileError:
        return True


def _list_old_plans(host: Host, settings: watch_files.WatchSettings) -> list[str]:
    """Return the paths of stored plans that the watcher's settings no longer name.

    Old compiled plans in the cache are deleted by the code that writes the cache.
    """
    names = {path.rpartition("/")[2] for path in map(watch_files.make_plan_path, settings.list_digests())}
    return [
        f"{watch_files.PLANS_DIRECTORY}/{name}"
        for name in host.list_directory(watch_files.PLANS_DIRECTORY)
        if name not in names
    ]


def _read_command_link(host: Host) -> str:
    """Return the target of the link at the command's path; "" if it is no link or is unreadable."""
    with contextlib.suppress(ControlError, ObservationError):
        return host.resolve_link(watch_files.COMMAND_PATH)
    return ""


def _link_command(host: Host) -> None:
    """Make the link by which operators call the watcher's program.

    Anything else at the link's path is replaced. Raises ControlError.
    """
    parent, _, name = watch_files.COMMAND_PATH.rpartition("/")
    temporary_name = f".{name}.proscribe~"
    try:
        with host.open_directory(parent) as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary_name, dir_fd=directory)
            os.symlink(watch_files.PROGRAM_PATH, temporary_name, dir_fd=directory)
            os.rename(temporary_name, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError as error:
        raise ControlError(f"cannot link {watch_files.COMMAND_PATH}: {error.strerror}") from None


def _make_write_action(host: Host, path: str, content: bytes, mode: int) -> ControlAction:
    """Return the action that writes a file of the watcher.

    Operators do not read code, plans or hashes. So the diff has digests in place of the contents.
    """
    old_digest = _describe_digest(host, path)
    return ControlAction(
        "write",
        path,
        lambda: host.write_file(path, content, mode),
        old_digest,
        f"{watch_files.hash_content(content)}\n",
    )


def _describe_digest(host: Host, path: str) -> str:
    """Return the digest of a file's content, as a line for the diff.

    Returns "" for a missing file, and a line "unreadable" for a damaged file.
    """
    try:
        content = watch_files.read_watch_file(host, path)
    except (watch_files.DamagedFileError, ObservationError):
        return "unreadable\n"
    return "" if content is None else f"{watch_files.hash_content(content)}\n"


def _make_delete_action(host: Host, path: str) -> ControlAction:
    return ControlAction("delete", path, lambda: host.delete_file(path))
