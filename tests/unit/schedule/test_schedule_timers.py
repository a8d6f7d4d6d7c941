"""The host's side of a schedule on made trees: put in place once, changed where it differs, taken away whole."""

from __future__ import annotations

import json

import pytest
from proscribe.host import ControlError, Host, Result
from proscribe.schedule import timers


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


def test_it_is_put_in_place_once(machine):
    def changes():
        return timers.planned(machine.host, timers.PULL, FILES, {"host": "web01"})

    assert machine.does(changes())[-3:] == [
        "load systemd's units",
        "enable proscribe-pull.timer",
        "start proscribe-pull.timer",
    ]
    assert json.loads((machine.root / timers.SETTINGS[1:]).read_text())["host"] == "web01"
    assert machine.does(changes()) == []


def test_only_what_differs_is_changed(machine):
    machine.does(timers.planned(machine.host, timers.PULL, FILES, {}))
    later = {name: text for name, text in FILES.items() if name != timers.SIGNERS} | {TIMER: "another\n"}
    assert machine.does(timers.planned(machine.host, timers.PULL, later, {})) == [
        f"write {TIMER}",
        f"delete {timers.SIGNERS}",
        "load systemd's units",
        "start proscribe-pull.timer",
    ]


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


def test_a_file_that_is_none_of_a_schedule_is_refused(machine):
    with pytest.raises(ControlError, match="/etc/shadow is no file of a schedule"):
        timers.planned(machine.host, timers.PULL, {"/etc/shadow": ""}, {})
    with pytest.raises(ControlError, match="is no file of a schedule"):
        timers.planned(machine.host, timers.DRIFT, {timers.PROGRAM: ""}, {})


def test_a_machine_without_systemd_is_told(tmp_path):
    host = Machine(tmp_path, systemd=False).host
    with pytest.raises(ControlError, match="does not run systemd"):
        timers.planned(host, timers.DRIFT, {}, {})
    assert timers.lifted(host).actions == []


def test_a_timer_that_was_masked_is_written_again(machine):
    assert machine.does(timers.planned(machine.host, timers.PULL, FILES, {"host": "web01"}))
    timer = machine.root / TIMER[1:]
    timer.unlink()
    timer.symlink_to("/dev/null")
    did = machine.does(timers.planned(machine.host, timers.PULL, FILES, {"host": "web01"}))
    assert did == [f"write {TIMER}", "load systemd's units", "start proscribe-pull.timer"]
    assert timer.read_text() == FILES[TIMER] and not timer.is_symlink()
    timer.unlink()
    timer.symlink_to("/dev/null")
    machine.does(timers.lifted(machine.host))
    assert not timer.is_symlink()
