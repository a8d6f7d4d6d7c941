"""All that a schedule puts on a machine, with what systemd is called for, and how long that may take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.schedule import timers
from proscribe.host.system import WRITTEN_BY, Host, Result

UNITS = "/etc/systemd/system"
MODULES = ("others", "ownership", "run_files", "tuples")
DRIFT = {
    **{f"{UNITS}/proscribe-drift{kind}": 0o644 for kind in (".service", ".timer", "-failed.service")},
    **{f"{UNITS}/proscribe-catalogue{kind}": 0o644 for kind in (".service", ".timer")},
    "/usr/libexec/proscribe/schedule/guard": 0o755,
    **{f"/usr/libexec/proscribe/schedule/base/{name}.py": 0o644 for name in MODULES},
}
PULL = {
    f"{UNITS}/proscribe-pull.service": 0o644,
    f"{UNITS}/proscribe-pull.timer": 0o644,
    "/usr/libexec/proscribe/pull": 0o755,
    "/usr/libexec/proscribe/commits.py": 0o644,
    **{f"/usr/libexec/proscribe/base/{name}.py": 0o644 for name in MODULES},
    "/etc/proscribe/pull_signers": 0o644,
    "/var/lib/proscribe/pull/about": 0o644,
    "/etc/proscribe/pull.json": 0o600,
}
RELOAD = ("systemctl daemon-reload", 120)


class Machine:
    """A made tree with systemd, and what its tools were called with."""

    def __init__(self, root: Path) -> None:
        for directory in ("run/systemd/system", "etc/systemd/system", "var/lib/systemd/timers", "var/lib"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        self.called: list[tuple[str, Any]] = []
        self.host = Host(str(root), self.run)

    def run(self, argv: Sequence[str], timeout: Any = None, **_: Any) -> Result:
        self.called.append((" ".join([Path(argv[0]).name, *argv[1:]]), timeout))
        return Result(3 if "is-active" in argv else 0, "", "")

    def does(self, changes: timers.Changes) -> list[tuple[str, str, str]]:
        """Each action, with what was before it and what is after."""
        for action in changes.actions:
            action.apply()
        return [(str(action), action.before, action.after) for action in changes.actions]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(Host, "tool", lambda self, name: f"/usr/bin/{name}")
    return made


@pytest.mark.parametrize(("part", "known"), [(timers.DRIFT, DRIFT), (timers.PULL, PULL)])
def test_each_file_with_its_mode_and_each_timer_runs(machine: Machine, part: str, known: dict[str, int]) -> None:
    texts = {path: f"{path}\n" for path in known if not path.endswith(".json")}
    settings = {"host": "web01", "a": 1} if part == timers.PULL else {}
    done = machine.does(timers.planned(machine.host, part, texts, settings))
    text = json.dumps({"": WRITTEN_BY, "a": 1, "host": "web01"}, indent=2) + "\n"
    started = [path.rpartition("/")[2] for path in known if path.endswith(".timer")]
    assert done == [
        *((f"write {path}", "", f"{path}\n") for path in texts),
        *[("write /etc/proscribe/pull.json", "", text)] * bool(settings),
        ("load systemd's units", "", ""),
        *((f"{verb} {timer}", "", "") for timer in started for verb in ("enable", "start")),
    ]
    modes = {path: Path(machine.host.root + path).stat().st_mode & 0o7777 for path in known}
    assert modes == known
    acting = [one for one in machine.called if "is-active" not in one[0]]
    assert acting == [
        RELOAD,
        *((f"systemctl {verb} {timer}", 120) for timer in started for verb in ("enable --quiet", "restart")),
    ]


def test_what_is_no_more_is_stopped_and_shown(machine: Machine) -> None:
    texts = {path: f"{path}\n" for path in DRIFT}
    machine.does(timers.planned(machine.host, timers.DRIFT, texts, {}))
    for timer in ("drift", "catalogue"):
        machine.host.write(f"{timers.ENABLED}/proscribe-{timer}.timer", "")
    machine.called.clear()
    service = f"{UNITS}/proscribe-drift.service"
    done = machine.does(timers.planned(machine.host, timers.DRIFT, {**texts, service: "new\n"}, {}))
    assert done == [
        (f"write {service}", f"{service}\n", "new\n"),
        ("load systemd's units", "", ""),
        ("start proscribe-drift.timer", "", ""),
        ("start proscribe-catalogue.timer", "", ""),
    ]
    machine.called.clear()
    done = machine.does(timers.lifted(machine.host, [timers.DRIFT]))
    assert done == [
        ("stop proscribe-drift.timer", "", ""),
        ("stop proscribe-catalogue.timer", "", ""),
        *((f"delete {path}", "new\n" if path == service else f"{path}\n", "") for path in DRIFT),
        ("load systemd's units", "", ""),
    ]
    assert machine.called == [
        ("systemctl disable --quiet proscribe-drift.timer", None),
        ("systemctl stop proscribe-drift.timer", 120),
        ("systemctl disable --quiet proscribe-catalogue.timer", None),
        ("systemctl stop proscribe-catalogue.timer", 120),
        RELOAD,
    ]


def test_a_hosts_own_schedule_is_ended_with_all_that_it_keeps(machine: Machine) -> None:
    texts = {path: f"{path}\n" for path in PULL if not path.endswith(".json")}
    machine.does(timers.planned(machine.host, timers.PULL, texts, {"host": "x"}))
    machine.host.write(timers.RECORD, "a record of a host")
    (Path(machine.host.root) / "var/lib/proscribe/pull/checkout").mkdir()
    machine.host.write("/var/lib/systemd/timers/stamp-proscribe-pull.timer", "")
    machine.called.clear()
    done = machine.does(timers.lifted(machine.host))
    settings = next(before for action, before, _ in done if action == "delete /etc/proscribe/pull.json")
    assert json.loads(settings)["host"] == "x"
    assert [one for one in done if "pull.json" not in one[0]] == [
        ("stop proscribe-pull.timer", "", ""),
        ("stop proscribe-pull.service", "", ""),
        ("delete /var/lib/proscribe/pull/checkout", "", ""),
        *((f"delete {path}", f"{path}\n", "") for path in timers.PULL_FILES if path in texts),
        ("delete /var/lib/proscribe/record.json", "", ""),
        ("load systemd's units", "", ""),
        ("delete /var/lib/systemd/timers/stamp-proscribe-pull.timer", "", ""),
    ]
    assert machine.called == [
        ("systemctl disable --quiet proscribe-pull.timer", None),
        ("systemctl stop proscribe-pull.timer", 120),
        ("systemctl stop proscribe-pull.service", 120),
        ("rm -rf --one-file-system -- /var/lib/proscribe/pull/checkout", 300),
        RELOAD,
    ]
