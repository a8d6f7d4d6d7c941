"""Schedules on a host: their files and timers are installed, changed where they differ, and removed whole."""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from proscribe.host.schedule import timers
from proscribe.host.system import ControlError, Host, ToolResult

UNITS = "/etc/systemd/system/proscribe-"
PULL_TEXTS = dict.fromkeys((timers.PULL_PROGRAM_PATH, timers.SIGNERS_PATH, timers.ABOUT_PATH), "text\n")
PULL_FILES = {f"{UNITS}pull.timer": "a timer\n", **PULL_TEXTS}
DRIFT_FILES = {f"{UNITS}drift{kind}": f"{kind}\n" for kind in (".service", ".timer")}
REFRESH_FILES = {f"{UNITS}catalogue{kind}": f"{kind}\n" for kind in (".service", ".timer")}
RUNS = {"account": "root", "paths": []}


class Machine:
    def __init__(self, root: Path) -> None:
        self.root, self.calls = root, []
        self.active: set[str] = set()
        for directory in (timers.TIMER_STAMP_DIRECTORY[1:], timers.UNIT_DIRECTORY[1:], "run/systemd/system"):
            (root / directory).mkdir(parents=True)
        self.host = Host(str(root), self.run)

    def run(self, argv: Sequence[str], **_: object) -> ToolResult:
        verb, *rest = [word for word in argv[1:] if not word.startswith("-")]
        self.calls.append(" ".join([verb, *rest]))
        wants = self.root / f"etc/systemd/system/timers.target.wants/{rest[-1] if rest else ''}"
        if verb == "enable":
            wants.parent.mkdir(exist_ok=True, parents=True)
            wants.symlink_to(f"/etc/systemd/system/{rest[-1]}")
        elif verb == "disable":
            wants.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                wants.parent.rmdir()
        elif verb == "restart":
            self.active.add(rest[-1])
        elif verb == "stop":
            self.active.discard(rest[-1])
        elif verb == "is-active":
            return ToolResult(0 if rest[-1] in self.active else 3, "", "")
        return ToolResult(0, "", "")

    def apply(self, changes: timers.Changes) -> list[str]:
        for action in changes.actions:
            action.apply()
        return [str(action) for action in changes.actions]

    def list_files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir())


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("kind", "files"), [(timers.PULL_UNIT, PULL_FILES), (timers.DRIFT_UNIT, DRIFT_FILES | REFRESH_FILES)]
)
def test_lift_removes_a_schedule_whole(machine, kind, files):
    settings = {"host": "web01"} if kind == timers.PULL_UNIT else {}
    machine.apply(timers.plan_schedule(machine.host, kind, files, settings))
    if kind == timers.PULL_UNIT:
        (machine.root / timers.RECORD_PATH[1:]).write_text("{}")
        (machine.root / f"{timers.TIMER_STAMP_DIRECTORY}/stamp-proscribe-pull.timer"[1:]).touch()
    machine.apply(timers.plan_lift(machine.host))
    assert machine.list_files() == [] and machine.active == set()
    assert ("stop proscribe-pull.service" in machine.calls) is (kind == timers.PULL_UNIT)
    assert machine.apply(timers.plan_lift(machine.host)) == []


@pytest.mark.parametrize(
    ("kind", "path"), [(timers.PULL_UNIT, "/etc/shadow"), (timers.DRIFT_UNIT, timers.PULL_PROGRAM_PATH)]
)
def test_file_of_no_schedule_is_refused(machine, kind, path):
    with pytest.raises(ControlError, match=f"{path} is no file of a schedule"):
        timers.plan_schedule(machine.host, kind, {path: ""}, {})


def test_machine_without_systemd_or_with_an_old_python_is_refused(machine, monkeypatch):
    with (
        monkeypatch.context() as patch,
        pytest.raises(ControlError, match=r"/usr/bin/python3, .* older than Python 3\.9"),
    ):
        patch.setattr(machine.host, "_run", lambda argv, **_: ToolResult(1 if "python3" in argv[0] else 0, "", ""))
        timers.plan_schedule(machine.host, timers.DRIFT_UNIT, DRIFT_FILES, {}, RUNS)
    (machine.root / "run/systemd/system").rmdir()
    with pytest.raises(ControlError, match="does not run systemd"):
        timers.plan_schedule(machine.host, timers.DRIFT_UNIT, {}, {})
    assert timers.plan_lift(machine.host).actions == []


@pytest.fixture
def change(machine, monkeypatch):
    """Change the machine with actions that note their verbs; `fails` raises."""
    monkeypatch.setattr(Host, "require_root", lambda self: machine.calls.append("root"))
    monkeypatch.setattr(Host, "lock_host", lambda self: contextlib.nullcontext())

    def apply(verb):
        if verb == "fails":
            raise ControlError("no room")
        machine.calls.append(verb)

    def change_with(*verbs, dry_run=False):
        actions = [timers.ControlAction(verb, "x", lambda verb=verb: apply(verb), "old", "new") for verb in verbs]
        return timers.apply_schedule(machine.host, lambda: timers.Changes(actions), dry_run)

    return change_with


@pytest.mark.parametrize("dry_run", [True, False])
def test_planned_actions_are_done_and_reported(machine, change, dry_run):
    done = change("write", "start", dry_run=dry_run)
    assert machine.calls == ["root"] + ["write", "start"] * (not dry_run)
    assert (done["changed"], done["actions"]) == (True, ["write x", "start x"])
    assert done["diff"][0] == {"before_header": "write x", "after_header": "write x", "before": "old", "after": "new"}
    assert change(dry_run=dry_run)["changed"] is False


def test_failure_reports_the_actions_before_it(machine, change):
    with pytest.raises(ControlError, match="fails x: no room") as failed:
        change("write", "fails", "start")
    assert failed.value.done == ["write x"] and machine.calls == ["root", "write"]


def test_place_of_alerts_is_installed_and_shown_in_no_difference(machine):
    for place in ("https://chat.example.org/token", "https://chat.example.org/newer"):
        done = timers.plan_schedule(machine.host, timers.DRIFT_UNIT, DRIFT_FILES, {}, RUNS, {"webhook": place})
        assert not [action for action in done.actions if "example.org" in action.before + action.after]
        machine.apply(done)
        settings = json.loads((machine.root / "etc/proscribe/schedule.json").read_text())
        assert settings.items() >= {**RUNS, "alerts": {"webhook": place}}.items()
    again = timers.plan_schedule(machine.host, timers.DRIFT_UNIT, DRIFT_FILES, {}, RUNS, {"webhook": place})
    assert not machine.apply(again)
    assert not [action for action in timers.plan_lift(machine.host).actions if "example.org" in action.before]


def test_missing_file_that_runs_need_is_named_before_any_change(machine, tmp_path):
    runs = {**RUNS, "needs": ["/", f"{tmp_path}/fleet/prod"]}
    with pytest.raises(ControlError, match=f"{tmp_path}/fleet/prod is not on "):
        timers.plan_schedule(machine.host, timers.DRIFT_UNIT, DRIFT_FILES, {}, runs)
    assert machine.list_files() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only its links are followed")
def test_link_to_a_missing_timer_is_removed(machine):
    link = machine.root / "etc/systemd/system/timers.target.wants/proscribe-pull.timer"
    link.parent.mkdir(parents=True)
    link.symlink_to("/etc/systemd/system/proscribe-pull.timer")
    assert machine.apply(timers.plan_lift(machine.host))[0] == f"delete /{link.relative_to(machine.root)}"
    assert not link.is_symlink() and machine.calls == ["daemon-reload"]


def test_checkout_is_deleted_on_its_own_file_system_and_commands_have_their_timeouts(machine):
    (machine.root / "var/lib/proscribe/pull/checkout").mkdir(parents=True)
    ran, run = [], machine.host._run
    machine.host._run = lambda argv, **how: ran.append((list(argv), how.get("timeout"))) or run(argv, **how)
    machine.apply(timers.plan_schedule(machine.host, timers.PULL_UNIT, {f"{UNITS}pull.timer": "x"}, {}))
    machine.apply(timers.plan_lift(machine.host, [timers.PULL_UNIT]))
    removed = [(argv[1:], seconds) for argv, seconds in ran if argv[0].endswith("rm")]
    assert removed == [(["-rf", "--one-file-system", "--", "/var/lib/proscribe/pull/checkout"], 300)]
    limits = {argv[1]: seconds for argv, seconds in ran if argv[0].endswith("systemctl")}
    assert limits["restart"] == limits["daemon-reload"] == limits["stop"] == 120


def test_other_run_is_kept_from_the_host_meanwhile_but_not_on_a_mac(machine, change, monkeypatch):
    @contextlib.contextmanager
    def exclusive(self):
        machine.calls.append("begins")
        yield
        machine.calls.append("ends")

    monkeypatch.setattr(Host, "lock_host", exclusive)
    change("write")
    assert machine.calls == ["root", "begins", "write", "ends"]
    monkeypatch.setattr(Host, "kernel_name", "Darwin")
    machine.calls.clear()
    change("write")
    assert machine.calls == ["root", "write"] and timers.plan_lift(machine.host).actions == []


def test_only_files_that_differ_are_changed(machine):
    first = machine.apply(timers.plan_schedule(machine.host, timers.PULL_UNIT, PULL_FILES, {"host": "web01"}))
    assert first[-3:] == ["load systemd's units", "enable proscribe-pull.timer", "start proscribe-pull.timer"]
    assert machine.apply(timers.plan_schedule(machine.host, timers.PULL_UNIT, PULL_FILES, {"host": "web01"})) == []
    later = {name: text for name, text in PULL_FILES.items() if name != timers.SIGNERS_PATH}
    later[f"{UNITS}pull.timer"] = "another\n"
    done = machine.apply(timers.plan_schedule(machine.host, timers.PULL_UNIT, later, {"host": "web01"}))
    changed = [f"write {UNITS}pull.timer", "delete /etc/proscribe/pull_signers", "load systemd's units"]
    assert done == [*changed, "start proscribe-pull.timer"]


def test_second_timer_goes_by_itself(machine):
    machine.apply(timers.plan_schedule(machine.host, timers.DRIFT_UNIT, {**DRIFT_FILES, **REFRESH_FILES}, {}))
    assert machine.active == {"proscribe-drift.timer", "proscribe-catalogue.timer"}
    stamp = "/var/lib/systemd/timers/stamp-proscribe-catalogue.timer"
    (machine.root / stamp[1:]).touch()
    done = machine.apply(timers.plan_schedule(machine.host, timers.DRIFT_UNIT, DRIFT_FILES, {}))
    deleted = [f"delete {path}" for path in (*sorted(REFRESH_FILES), stamp)]
    assert done == ["stop proscribe-catalogue.timer", *deleted, "load systemd's units"]
    assert machine.active == {"proscribe-drift.timer"} and not any("catalogue" in name for name in machine.list_files())


MODULES = ("foreign_access", "named_tuple", "ownership", "run_files")
MODES = {
    timers.DRIFT_UNIT: {
        **{f"{UNITS}{name}": 0o644 for name in ("drift.service", "drift.timer", "drift-failed.service")},
        **{f"{UNITS}catalogue.{kind}": 0o644 for kind in ("service", "timer")},
        "/usr/libexec/proscribe/schedule/guard": 0o755,
        **{f"/usr/libexec/proscribe/schedule/base/{name}.py": 0o644 for name in MODULES},
        "/etc/proscribe/schedule.json": 0o600,
    },
    timers.PULL_UNIT: {
        **{f"{UNITS}pull.{kind}": 0o644 for kind in ("service", "timer")},
        "/usr/libexec/proscribe/pull": 0o755,
        "/usr/libexec/proscribe/commits.py": 0o644,
        **{f"/usr/libexec/proscribe/base/{name}.py": 0o644 for name in MODULES},
        "/etc/proscribe/pull.json": 0o600,
        "/etc/proscribe/pull_signers": 0o644,
        "/var/lib/proscribe/pull/about": 0o644,
    },
}


@pytest.mark.parametrize("part", MODES)
def test_files_of_a_schedule_have_their_modes_and_a_lift_stops_before_it_deletes(machine, part):
    texts = {path: f"of {path}\n" for path in MODES[part] if not path.endswith(".json")}
    settings = {"host": "web01"} if part == timers.PULL_UNIT else {}
    machine.apply(timers.plan_schedule(machine.host, part, texts, settings, RUNS))
    assert {path: (machine.root / path[1:]).stat().st_mode & 0o7777 for path in MODES[part]} == MODES[part]
    assert {path: (machine.root / path[1:]).read_text() for path in texts} == texts
    for place in ("checkout", "reports"):
        (machine.root / "var/lib/proscribe/pull" / place).mkdir(parents=True)
    done = [str(action) for action in timers.plan_lift(machine.host, [part]).actions]
    units = [path.rpartition("/")[2] for path in MODES[part] if path.endswith(".timer")]
    stopped = [*(f"stop {unit}" for unit in units), *["stop proscribe-pull.service"] * (part == timers.PULL_UNIT)]
    if part == timers.PULL_UNIT:
        stopped += [f"delete /var/lib/proscribe/pull/{place}" for place in ("checkout", "reports")]
    assert done == [*stopped, *(f"delete {path}" for path in MODES[part]), "load systemd's units"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only its links are followed")
def test_masked_timer_is_written_again(machine):
    timer = machine.root / f"{UNITS}pull.timer"[1:]
    machine.apply(timers.plan_schedule(machine.host, timers.PULL_UNIT, PULL_FILES, {}))
    timer.unlink()
    timer.symlink_to("/dev/null")
    done = machine.apply(timers.plan_schedule(machine.host, timers.PULL_UNIT, PULL_FILES, {}))
    assert done == [f"write {UNITS}pull.timer", "load systemd's units", "start proscribe-pull.timer"]
    assert timer.read_text() == "a timer\n" and not timer.is_symlink()


def test_files_that_are_run_have_to_be_the_accounts_own_and_visible_to_the_units(machine, monkeypatch):
    called, runs = [], {"account": "ban", "paths": ["/srv/x"], "starts": [], "writes": []}
    for name in ("require_exclusive_access", "require_visible"):
        monkeypatch.setattr(timers, name, lambda *words: called.append(words))
    timers.plan_schedule(machine.host, timers.PULL_UNIT, PULL_FILES, {}, runs)
    assert called == [("ban", ["/srv/x"]), (machine.host, PULL_FILES, runs)]
