"""Installation and removal of scheduled runs on a machine: systemd units, and the programs that they start.

Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import pwd
from functools import partial
from typing import TYPE_CHECKING, Callable, Iterable, Mapping

from ...base.run_files import UnreadableRunFile, find_exposed_file
from ..controls.base import Changes, ControlAction, make_diffs
from ..system import DARWIN, WRITTEN_BY, ControlError, Host
from ..system.units import read_unit_text
from .unit_visibility import require_present, require_visible

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.schedule import GuardSettings, ScheduledRuns

DRIFT_UNIT = "proscribe-drift"  # starts the controller's regular drift runs
# starts the regular refresh of the catalogue on a controller, if the operator wants a refresh
CATALOGUE_UNIT = "proscribe-catalogue"
PULL_UNIT = "proscribe-pull"  # starts the runs of a host that fetches the policy itself
UNIT_DIRECTORY = "/etc/systemd/system"
PYTHON_PATH = "/usr/bin/python3"
ENABLED_TIMERS_DIRECTORY = f"{UNIT_DIRECTORY}/timers.target.wants"  # links to the enabled timers
TIMER_STAMP_DIRECTORY = "/var/lib/systemd/timers"  # files whose times record when persistent timers last fired
PROGRAM_DIRECTORY = "/usr/libexec/proscribe"
PULL_PROGRAM_PATH = f"{PROGRAM_DIRECTORY}/pull"
COMMITS_PATH = f"{PROGRAM_DIRECTORY}/commits.py"  # the program at PULL_PROGRAM_PATH imports this module
GUARD_PATH = f"{PROGRAM_DIRECTORY}/schedule/guard"  # runs before each run of the controller
# Modules of base/ that the programs `pull` and `guard` import, each from a directory `base` beside itself.
BASE_MODULES = (
    "foreign_access",
    "named_tuple",
    "ownership",
    "run_files",
)
PULL_BASE_FILES = {name: f"{PROGRAM_DIRECTORY}/base/{name}.py" for name in BASE_MODULES}
GUARD_BASE_FILES = {name: f"{PROGRAM_DIRECTORY}/schedule/base/{name}.py" for name in (*BASE_MODULES, "chat_text")}
PULL_SETTINGS_PATH = "/etc/proscribe/pull.json"
SIGNERS_PATH = "/etc/proscribe/pull_signers"
GUARD_SETTINGS_PATH = "/etc/proscribe/schedule.json"
# has the checkout of the `pull` program, the files of its Ansible, and its reports
PULL_STATE_DIRECTORY = "/var/lib/proscribe/pull"
ABOUT_PATH = f"{PULL_STATE_DIRECTORY}/about"
RECORD_PATH = "/var/lib/proscribe/record.json"

# All files that a schedule can put on a machine, with their modes.
DRIFT_FILES = {
    **{f"{UNIT_DIRECTORY}/{DRIFT_UNIT}{kind}": 0o644 for kind in (".service", ".timer", "-failed.service")},
    **{f"{UNIT_DIRECTORY}/{CATALOGUE_UNIT}{kind}": 0o644 for kind in (".service", ".timer")},
    GUARD_PATH: 0o755,
    **dict.fromkeys(GUARD_BASE_FILES.values(), 0o644),
    GUARD_SETTINGS_PATH: 0o600,  # the URL of a webhook is a secret
}
PULL_FILES = {
    **{f"{UNIT_DIRECTORY}/{PULL_UNIT}{kind}": 0o644 for kind in (".service", ".timer")},
    PULL_PROGRAM_PATH: 0o755,
    COMMITS_PATH: 0o644,
    **dict.fromkeys(PULL_BASE_FILES.values(), 0o644),
    PULL_SETTINGS_PATH: 0o600,
    SIGNERS_PATH: 0o644,
    # Because of this file the ledger has the directories above it, so a lift removes them when they are empty.
    ABOUT_PATH: 0o644,
}
HIDDEN_PATHS = (RECORD_PATH, GUARD_SETTINGS_PATH)  # their content never appears in a diff
ABOUT_TEXT = f"Where this host keeps what it pulled, and the reports of its runs.\n{WRITTEN_BY}\n"


def plan_schedule(
    host: Host,
    schedule_part: str,
    files: Mapping[str, str],
    settings: Mapping[str, object],
    runs: ScheduledRuns | None = None,
    alerts: Mapping[str, str] | None = None,
) -> Changes:
    """Return the changes that install one part of a schedule, and delete its left-over files.

    `schedule_part` is `DRIFT_UNIT` (runs of the controller) or `PULL_UNIT` (runs of a host itself). `files` are texts
    by path. `settings` are the settings of the `pull` program, with the host's name; {} for none. `runs` {account,
    paths, needs, starts, writes} describes the files of the runs and their account. `alerts` are the addresses of the
    controller's alerts, by channel.

    Raises ControlError for a host without systemd. Raises ControlError too if files of the runs are missing, changeable
    by others, or hidden from the units.
    """
    _require_systemd(host)
    if runs:
        _require_python(host)
        require_present(runs)
        require_exclusive_access(runs["account"], runs["paths"])
        require_visible(host, files, runs)
    known_files = DRIFT_FILES if schedule_part == DRIFT_UNIT else PULL_FILES
    if unknown_files := sorted(set(files) - set(known_files)):
        raise ControlError(f"{unknown_files[0]} is no file of a schedule")
    texts = dict(files)
    if settings:
        texts[PULL_SETTINGS_PATH] = _format_settings(settings)
    if runs and schedule_part == DRIFT_UNIT:
        guard_settings: GuardSettings = {
            "account": runs["account"],
            "paths": runs["paths"],
            "alerts": dict(alerts or {}),
        }
        texts[GUARD_SETTINGS_PATH] = _format_settings(guard_settings)
    actions = [
        _make_write_action(host, path, text, known_files[path])
        for path, text in texts.items()
        if _read_text(host, path) != text
    ]
    leftover_paths = [path for path in known_files if path not in texts and host.find_entry(path)]
    actions += [
        ControlAction("stop", timer, partial(_stop_unit, host, timer)) for timer in _find_timers(leftover_paths)
    ]
    actions += [_make_delete_action(host, path) for path in leftover_paths]
    actions += [_make_delete_action(host, stamp) for stamp in _find_stamps(host, _find_timers(leftover_paths))]
    units = [action for action in actions if action.subject.startswith(UNIT_DIRECTORY)]
    if units:
        actions.append(ControlAction("load", "systemd's units", lambda: _run_systemctl(host, "daemon-reload")))
    for timer in _find_timers(texts):
        if host.find_entry(f"{ENABLED_TIMERS_DIRECTORY}/{timer}") is None:
            actions.append(ControlAction("enable", timer, partial(_run_systemctl, host, "enable", "--quiet", timer)))
        is_changed = any(action.subject == f"{UNIT_DIRECTORY}/{timer}" for action in units)
        if is_changed or not _is_active(host, timer):
            actions.append(ControlAction("start", timer, partial(_run_systemctl, host, "restart", timer)))
    return Changes(actions)


def _format_settings(settings: Mapping[str, object]) -> str:
    return json.dumps({"": WRITTEN_BY, **settings}, indent=2, sort_keys=True) + "\n"


def _find_timers(paths: Iterable[str]) -> list[str]:
    """Return the names of the timer units among these paths."""
    return [
        path[len(UNIT_DIRECTORY) + 1 :] for path in paths if path.startswith(UNIT_DIRECTORY) and path.endswith(".timer")
    ]


def _find_stamps(host: Host, timers: Iterable[str]) -> list[str]:
    """Return the existing files in which systemd records when these timers last fired."""
    return [stamp for stamp in (f"{TIMER_STAMP_DIRECTORY}/stamp-{timer}" for timer in timers) if host.find_entry(stamp)]


def plan_lift(host: Host, parts: Iterable[str] = (DRIFT_UNIT, PULL_UNIT)) -> Changes:
    """Return the changes that remove these parts of a schedule from the machine.

    A run of the controller in progress continues to its end. A run of the host itself is stopped. Otherwise that run
    would enforce again the controls that are removed next.
    """
    actions: list[ControlAction] = []
    # A Mac has no systemd, and so no units of Proscribe.
    for schedule_part in () if host.kernel_name == DARWIN else parts:
        known_files = DRIFT_FILES if schedule_part == DRIFT_UNIT else PULL_FILES
        present_paths = [path for path in known_files if host.find_entry(path)]
        timers = _find_timers(known_files)
        for timer in timers:
            if f"{UNIT_DIRECTORY}/{timer}" in present_paths:
                actions.append(ControlAction("stop", timer, partial(_stop_unit, host, timer)))
            elif host.find_entry(f"{ENABLED_TIMERS_DIRECTORY}/{timer}"):
                present_paths.append(f"{ENABLED_TIMERS_DIRECTORY}/{timer}")
        if schedule_part == PULL_UNIT and f"{UNIT_DIRECTORY}/{PULL_UNIT}.timer" in present_paths:
            service = f"{PULL_UNIT}.service"
            actions.append(ControlAction("stop", service, partial(_stop_unit, host, service)))
        if schedule_part == PULL_UNIT:
            present_paths += [RECORD_PATH] if host.find_entry(RECORD_PATH) else []
            contents = [
                f"{PULL_STATE_DIRECTORY}/{name}"
                for name in host.list_directory(PULL_STATE_DIRECTORY)
                if f"{PULL_STATE_DIRECTORY}/{name}" != ABOUT_PATH
            ]
            actions += [ControlAction("delete", path, partial(_delete_tree, host, path)) for path in contents]
        actions += [_make_delete_action(host, path) for path in present_paths]
        if any(path.startswith(UNIT_DIRECTORY) for path in present_paths):
            actions.append(ControlAction("load", "systemd's units", lambda: _run_systemctl(host, "daemon-reload")))
        actions += [_make_delete_action(host, stamp) for stamp in _find_stamps(host, timers)]
    return Changes(actions)


def apply_schedule(host: Host, plan_changes: Callable[[], Changes], dry_run: bool) -> ChangeAnswer:
    """Compute changes of a schedule by `plan_changes`, carry them out, and report them. Raises ControlError.

    With `dry_run`, the changes are reported only. On a Mac the host's lock is not taken.
    """
    host.require_root()
    with host.lock_host() if host.kernel_name != DARWIN else contextlib.nullcontext():
        actions = plan_changes().actions
        done: list[str] = []
        for action in () if dry_run else actions:
            try:
                action.apply()
            except ControlError as error:
                raise ControlError(f"{action}: {error}", done=done) from None
            done.append(str(action))
    return {"changed": bool(actions), "actions": [str(action) for action in actions], "diff": make_diffs(actions)}


def _make_write_action(host: Host, path: str, text: str, mode: int) -> ControlAction:
    """Return the action that writes a file, with old and new text for the diff. Hidden files have no diff."""
    before, after = ("", "") if path in HIDDEN_PATHS else (_read_text(host, path) or "", text)
    return ControlAction("write", path, lambda: host.write_file(path, text, mode), before, after)


def _make_delete_action(host: Host, path: str) -> ControlAction:
    return ControlAction(
        "delete", path, lambda: host.delete_file(path), "" if path in HIDDEN_PATHS else _read_text(host, path) or ""
    )


def _read_text(host: Host, path: str) -> str | None:
    """Return the text of a file; None if it is missing."""
    return read_unit_text(host, path) if path.startswith(UNIT_DIRECTORY) else host.read_text(path)


def _delete_tree(host: Host, path: str) -> None:
    # Only root can write below this directory. So no other user can have made a link there that leads rm elsewhere.
    host.read_command_output(["rm", "-rf", "--one-file-system", "--", path], timeout=300)


def _stop_unit(host: Host, unit: str) -> None:
    # The unit may never have been loaded, so a failure to stop it is no error.
    if unit.endswith(".timer"):
        host.run_command(["systemctl", "disable", "--quiet", unit])
    host.run_command(["systemctl", "stop", unit], timeout=120)


def _is_active(host: Host, unit: str) -> bool:
    return host.run_command(["systemctl", "is-active", "--quiet", unit]).rc == 0


def _run_systemctl(host: Host, *argv: str) -> None:
    host.read_command_output(["systemctl", *argv], timeout=120)


def _require_python(host: Host) -> None:
    """Raise ControlError unless PYTHON_PATH exists and is new enough: it starts the installed programs."""
    if host.run_command([PYTHON_PATH, "-IS", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"]).rc:
        raise ControlError(f"scheduled runs are checked by {PYTHON_PATH}, and it is not there or older than Python 3.9")


def _require_systemd(host: Host) -> None:
    if host.find_entry("/run/systemd/system") is None:
        raise ControlError("this machine does not run systemd, whose timers a schedule needs")


def require_exclusive_access(account: str, paths: Iterable[str]) -> None:
    """Raise ControlError if others than root and `account` can change the `paths` or files below them.

    The error names the first such file. ControlError is also raised for a missing account, and for files that cannot be
    checked. Every run repeats this check before it starts anything (`host/programs/`).
    """
    try:
        uid = pwd.getpwnam(account).pw_uid
    except KeyError:
        raise ControlError(f"there is no account {account} on this machine, as which runs are to be started") from None
    try:
        exposed = find_exposed_file(paths, {uid})
    except UnreadableRunFile as error:
        raise ControlError(str(error)) from None
    if exposed:
        raise ControlError(
            f"{exposed}, and scheduled runs would have {account} run or follow it. Nothing was touched. Have the"
            f" checkout, its inventory and its Ansible in a place that only {account} and root can change, such as"
            " /opt/proscribe, and run schedule there; or name an account that owns them: proscribe_schedule_account"
            f" (docs/scheduling.md). {exposed.remedy}".rstrip()
        )
