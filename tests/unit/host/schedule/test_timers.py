"""The host's side of a schedule on made trees: put in place once, changed where it differs, taken away whole."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from proscribe.host.schedule import timers
from proscribe.host.system import ControlError, Host, Result


class Machine:
    """A made tree with a made systemctl."""

    def __init__(self, root, systemd=True) -> None:
        self.root = root
        self.calls: list[str] = []
        self.active: set[str] = set()
        for directory in (timers.STAMPS, timers.UNITS):
            (root / directory[1:]).mkdir(parents=True)
        if systemd:
            (root / "run/systemd/system").mkdir(parents=True)
        self.host = Host(str(root), self.run)

    def run(self, argv, **_):
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
            return Result(0 if rest[-1] in self.active else 3, "", "")
        return Result(0, "", "")

    def does(self, changes):
        for action in changes.actions:
            action.apply()
        return [str(action) for action in changes.actions]

    @property
    def files(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir())


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


TIMER = f"{timers.UNITS}/proscribe-pull.timer"
FILES = {TIMER: "a timer\n", timers.PROGRAM: "a program\n", timers.SIGNERS: "a signer\n", timers.ABOUT: "about\n"}


def test_it_is_taken_away_whole(machine):
    machine.does(timers.planned(machine.host, timers.PULL, FILES, {"host": "web01"}))
    record = machine.root / timers.RECORD[1:]
    record.write_text("{}")
    stamp = machine.root / f"{timers.STAMPS}/stamp-proscribe-pull.timer"[1:]
    stamp.touch()
    machine.does(timers.lifted(machine.host))
    assert machine.files == []
    assert "stop proscribe-pull.service" in machine.calls
    assert machine.does(timers.lifted(machine.host)) == []


UNITS = "/etc/systemd/system/proscribe-"


DRIFT_FILES = {f"{timers.UNITS}/{timers.DRIFT}{kind}": f"{kind}\n" for kind in (".service", ".timer")}
REFRESH_FILES = {f"{timers.UNITS}/{timers.CATALOGUE}{kind}": f"{kind}\n" for kind in (".service", ".timer")}


def test_both_timers_are_taken_away(machine):
    machine.does(timers.planned(machine.host, timers.DRIFT, {**DRIFT_FILES, **REFRESH_FILES}, {}))
    machine.does(timers.lifted(machine.host))
    assert machine.files == [] and machine.active == set()
    assert machine.does(timers.lifted(machine.host)) == []


def test_a_file_that_is_none_of_a_schedule_is_refused(machine):
    with pytest.raises(ControlError, match="/etc/shadow is no file of a schedule"):
        timers.planned(machine.host, timers.PULL, {"/etc/shadow": ""}, {})
    with pytest.raises(ControlError, match="is no file of a schedule"):
        timers.planned(machine.host, timers.DRIFT, {timers.PROGRAM: ""}, {})


def test_a_machine_without_systemd_is_reported(tmp_path):
    host = Machine(tmp_path, systemd=False).host
    with pytest.raises(ControlError, match="does not run systemd"):
        timers.planned(host, timers.DRIFT, {}, {})
    assert timers.lifted(host).actions == []


def actions(machine, *verbs):
    """Actions that note themselves; `fails` does."""

    def apply(verb):
        if verb == "fails":
            raise ControlError("no room")
        machine.calls.append(verb)

    return timers.Changes([timers.Action(verb, "x", lambda verb=verb: apply(verb), "old", "new") for verb in verbs])


@pytest.fixture
def privileged(machine, monkeypatch):
    monkeypatch.setattr(Host, "require_root", lambda self: machine.calls.append("root"))
    monkeypatch.setattr(Host, "exclusive", lambda self: contextlib.nullcontext())
    return machine


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_planned_is_done_and_said(privileged, dry_run):
    done = timers.change(privileged.host, lambda: actions(privileged, "write", "start"), dry_run)
    assert privileged.calls == ["root"] + ["write", "start"] * (not dry_run)
    assert (done["changed"], done["actions"]) == (True, ["write x", "start x"])
    assert done["diff"][0] == {"before_header": "write x", "after_header": "write x", "before": "old", "after": "new"}
    assert timers.change(privileged.host, lambda: actions(privileged), dry_run)["changed"] is False


def test_what_was_done_before_a_failure_is_said_with_it(privileged):
    with pytest.raises(ControlError, match="fails x: no room") as failed:
        timers.change(privileged.host, lambda: actions(privileged, "write", "fails", "start"), False)
    assert failed.value.done == ["write x"] and privileged.calls == ["root", "write"]


def test_where_alerts_go_is_installed_and_shown_in_no_difference(machine):
    runs = {"account": "root", "paths": []}
    for place in ("https://chat.example.org/token", "https://chat.example.org/newer"):
        done = timers.planned(machine.host, timers.DRIFT, DRIFT_FILES, {}, runs, {"webhook": place})
        assert not [action for action in done.actions if "example.org" in action.before + action.after]
        machine.does(done)
        settings = json.loads((machine.root / "etc/proscribe/schedule.json").read_text())
        assert {name: settings[name] for name in ("account", "paths", "alerts")} == {
            **runs,
            "alerts": {"webhook": place},
        }
    assert not machine.does(timers.planned(machine.host, timers.DRIFT, DRIFT_FILES, {}, runs, {"webhook": place}))
    assert not [action for action in timers.lifted(machine.host).actions if "example.org" in action.before]


def test_a_machine_whose_python_cannot_check_the_runs_is_named(machine, monkeypatch):
    monkeypatch.setattr(machine.host, "_run", lambda argv, **_: Result(1 if "python3" in argv[0] else 0, "", ""))
    with pytest.raises(ControlError, match="/usr/bin/python3, and it is not there or older than Python 3.9"):
        timers.planned(machine.host, timers.DRIFT, DRIFT_FILES, {}, {"account": "root", "paths": []})


def test_a_file_that_runs_need_and_the_machine_lacks_is_named_before_anything_is_written(machine, tmp_path):
    runs = {"account": "root", "paths": [], "needs": ["/", f"{tmp_path}/fleet/prod"]}
    with pytest.raises(ControlError, match=f"{tmp_path}/fleet/prod is not on .*, where scheduled runs need it"):
        timers.planned(machine.host, timers.DRIFT, DRIFT_FILES, {}, runs)
    assert machine.files == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only its links are followed")
def test_a_link_to_a_timer_that_is_gone_goes_too(machine):
    link = machine.root / "etc/systemd/system/timers.target.wants/proscribe-pull.timer"
    link.parent.mkdir(parents=True)
    link.symlink_to("/etc/systemd/system/proscribe-pull.timer")
    assert machine.does(timers.lifted(machine.host))[0] == f"delete /{link.relative_to(machine.root)}"
    assert not link.is_symlink() and machine.calls == ["daemon-reload"]


def test_what_a_host_has_pulled_is_deleted_on_its_own_file_system_alone(machine):
    (machine.root / timers.STATE.lstrip("/") / "checkout").mkdir(parents=True)
    (machine.root / timers.ABOUT.lstrip("/")).write_text("about")
    ran = []
    run = machine.host._run
    machine.host._run = lambda argv, **options: ran.append((argv, options)) or run(argv, **options)
    machine.does(timers.lifted(machine.host, [timers.PULL]))
    removed = [argv for argv, _ in ran if argv[0].endswith("rm")]
    assert [argv[1:] for argv in removed] == [["-rf", "--one-file-system", "--", f"{timers.STATE}/checkout"]]
