"""The host's side of a schedule: units and what they run, installed or removed. Standard library only."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from typing import TYPE_CHECKING, Callable, Iterable, Mapping

from ..controls.base import Action, Changes, differences
from ..system import DARWIN, WRITTEN_BY, ControlError, Host
from ..system.units import read_unit_text
from .reach import require_own
from .visible import require_present, require_visible

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.schedule import GuardSettings, ScheduledRuns

DRIFT = "proscribe-drift"  # the controller's units
CATALOGUE = "proscribe-catalogue"  # the controller's too, where it refreshes the catalogue
PULL = "proscribe-pull"  # a host's own
UNITS = "/etc/systemd/system"
PYTHON = "/usr/bin/python3"
ENABLED = f"{UNITS}/timers.target.wants"  # links to timers that are enabled
STAMPS = "/var/lib/systemd/timers"  # when a persistent timer last fired
PROGRAMS = "/usr/libexec/proscribe"
PROGRAM = f"{PROGRAMS}/pull"
COMMITS = f"{PROGRAMS}/commits.py"  # which it imports
GUARD = f"{PROGRAMS}/schedule/guard"  # what runs before each run of the controller
BASE = ("others", "ownership", "run_files", "tuples")  # modules of base/ that both import, from beside themselves
BASE_OF_PULL = {name: f"{PROGRAMS}/base/{name}.py" for name in BASE}
BASE_OF_GUARD = {name: f"{PROGRAMS}/schedule/base/{name}.py" for name in (*BASE, "chat_text")}
SETTINGS = "/etc/proscribe/pull.json"
SIGNERS = "/etc/proscribe/pull_signers"
GUARD_SETTINGS = "/etc/proscribe/schedule.json"
STATE = "/var/lib/proscribe/pull"  # what the program stores there: a checkout, its Ansible's files, reports
ABOUT = f"{STATE}/about"
RECORD = "/var/lib/proscribe/record.json"

# All that a schedule can put on a machine: the file, and its mode.
DRIFT_FILES = {
    **{f"{UNITS}/{DRIFT}{kind}": 0o644 for kind in (".service", ".timer", "-failed.service")},
    **{f"{UNITS}/{CATALOGUE}{kind}": 0o644 for kind in (".service", ".timer")},
    GUARD: 0o755,
    **dict.fromkeys(BASE_OF_GUARD.values(), 0o644),
    GUARD_SETTINGS: 0o600,  # the URL of a webhook is a secret
}
PULL_FILES = {
    **{f"{UNITS}/{PULL}{kind}": 0o644 for kind in (".service", ".timer")},
    PROGRAM: 0o755,
    COMMITS: 0o644,
    **dict.fromkeys(BASE_OF_PULL.values(), 0o644),
    SETTINGS: 0o600,
    SIGNERS: 0o644,
    ABOUT: 0o644,  # also the reason that its directories are known as ours, and go when they are empty
}
HIDDEN = (RECORD, GUARD_SETTINGS)  # whose content no difference shows
ABOUT_TEXT = f"Where this host keeps what it pulled, and the reports of its runs.\n{WRITTEN_BY}\n"


def planned(
    host: Host,
    part: str,
    files: Mapping[str, str],
    settings: Mapping[str, object],
    runs: ScheduledRuns | None = None,
    alerts: Mapping[str, str] | None = None,
) -> Changes:
    """What brings one part (DRIFT or PULL) of a schedule in place: `files` are texts by path, `settings` (with the
    host's own name in them) what its program reads, {} for none, `runs` {account, paths, needs, starts, writes} what it
    runs, by account, and `alerts` the channels of the controller's alerts. Raises ControlError for a host without
    systemd, where others could change what is run, where the units would not see it, and where it is not there.
    """
    _require_systemd(host)
    if runs:
        _require_python(host)
        require_present(runs)
        require_own(runs["account"], runs["paths"])
        require_visible(host, files, runs)
    known = DRIFT_FILES if part == DRIFT else PULL_FILES
    if strange := sorted(set(files) - set(known)):
        raise ControlError(f"{strange[0]} is no file of a schedule")
    texts = dict(files)
    if settings:
        texts[SETTINGS] = _settings_text(settings)
    if runs and part == DRIFT:
        own: GuardSettings = {"account": runs["account"], "paths": runs["paths"], "alerts": dict(alerts or {})}
        texts[GUARD_SETTINGS] = _settings_text(own)
    actions = [_write(host, path, text, known[path]) for path, text in texts.items() if _text(host, path) != text]
    left_over = [path for path in known if path not in texts and host.find_entry(path)]
    actions += [Action("stop", timer, partial(_stop, host, timer)) for timer in _timers(left_over)]
    actions += [_delete(host, path) for path in left_over]
    actions += [_delete(host, stamp) for stamp in _stamps(host, _timers(left_over))]
    units = [action for action in actions if action.subject.startswith(UNITS)]
    if units:
        actions.append(Action("load", "systemd's units", lambda: _systemctl(host, "daemon-reload")))
    for timer in _timers(texts):
        if host.find_entry(f"{ENABLED}/{timer}") is None:
            actions.append(Action("enable", timer, partial(_systemctl, host, "enable", "--quiet", timer)))
        changed = any(action.subject == f"{UNITS}/{timer}" for action in units)
        if changed or not _runs(host, timer):
            actions.append(Action("start", timer, partial(_systemctl, host, "restart", timer)))
    return Changes(actions)


def _settings_text(settings: Mapping[str, object]) -> str:
    return json.dumps({"": WRITTEN_BY, **settings}, indent=2, sort_keys=True) + "\n"


def _timers(paths: Iterable[str]) -> list[str]:
    return [path[len(UNITS) + 1 :] for path in paths if path.startswith(UNITS) and path.endswith(".timer")]


def _stamps(host: Host, timers: Iterable[str]) -> list[str]:
    return [stamp for stamp in (f"{STAMPS}/stamp-{timer}" for timer in timers) if host.find_entry(stamp)]


def lifted(host: Host, parts: Iterable[str] = (DRIFT, PULL)) -> Changes:
    """What removes the parts of a schedule. A run of the controller's that goes on comes to its own end. A host's own
    is ended, since it would enforce again what is lifted next.
    """
    actions: list[Action] = []
    for part in () if host.kernel_name == DARWIN else parts:  # it has no systemd, and so nothing of ours
        known = DRIFT_FILES if part == DRIFT else PULL_FILES
        there = [path for path in known if host.find_entry(path)]
        timers = _timers(known)
        for timer in timers:
            if f"{UNITS}/{timer}" in there:
                actions.append(Action("stop", timer, partial(_stop, host, timer)))
            elif host.find_entry(f"{ENABLED}/{timer}"):
                there.append(f"{ENABLED}/{timer}")
        if part == PULL and f"{UNITS}/{PULL}.timer" in there:
            service = f"{PULL}.service"
            actions.append(Action("stop", service, partial(_stop, host, service)))
        if part == PULL:
            there += [RECORD] if host.find_entry(RECORD) else []
            contents = [f"{STATE}/{name}" for name in host.list_directory(STATE) if f"{STATE}/{name}" != ABOUT]
            actions += [Action("delete", path, partial(_delete_tree, host, path)) for path in contents]
        actions += [_delete(host, path) for path in there]
        if any(path.startswith(UNITS) for path in there):
            actions.append(Action("load", "systemd's units", lambda: _systemctl(host, "daemon-reload")))
        actions += [_delete(host, stamp) for stamp in _stamps(host, timers)]
    return Changes(actions)


def change(host: Host, work: Callable[[], Changes], dry_run: bool) -> ChangeAnswer:
    """Do what is planned and say what was done. Raises ControlError."""
    host.require_root()
    with host.lock_host() if host.kernel_name != DARWIN else contextlib.nullcontext():
        actions = work().actions
        done: list[str] = []
        for action in () if dry_run else actions:
            try:
                action.apply()
            except ControlError as error:
                raise ControlError(f"{action}: {error}", done=done) from None
            done.append(str(action))
    return {"changed": bool(actions), "actions": [str(action) for action in actions], "diff": differences(actions)}


def _write(host: Host, path: str, text: str, mode: int) -> Action:
    before, after = ("", "") if path in HIDDEN else (_text(host, path) or "", text)
    return Action("write", path, lambda: host.write_file(path, text, mode), before, after)


def _delete(host: Host, path: str) -> Action:
    return Action("delete", path, lambda: host.delete_file(path), "" if path in HIDDEN else _text(host, path) or "")


def _text(host: Host, path: str) -> str | None:
    return read_unit_text(host, path) if path.startswith(UNITS) else host.read_text(path)


def _delete_tree(host: Host, path: str) -> None:
    # Only root can write there, so no link in it is somebody else's.
    host.read_command_output(["rm", "-rf", "--one-file-system", "--", path], timeout=300)


def _stop(host: Host, unit: str) -> None:
    # It may never have been loaded, so that it is not there to be stopped is no failure.
    if unit.endswith(".timer"):
        host.run_command(["systemctl", "disable", "--quiet", unit])
    host.run_command(["systemctl", "stop", unit], timeout=120)


def _runs(host: Host, unit: str) -> bool:
    return host.run_command(["systemctl", "is-active", "--quiet", unit]).rc == 0


def _systemctl(host: Host, *argv: str) -> None:
    host.read_command_output(["systemctl", *argv], timeout=120)


def _require_python(host: Host) -> None:
    """Raise ControlError unless the machine has the Python that the installed programs start with."""
    if host.run_command([PYTHON, "-IS", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"]).rc:
        raise ControlError(f"scheduled runs are checked by {PYTHON}, and it is not there or older than Python 3.9")


def _require_systemd(host: Host) -> None:
    if host.find_entry("/run/systemd/system") is None:
        raise ControlError("this machine does not run systemd, whose timers a schedule needs")
