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


UNITS = "/etc/systemd/system/proscribe-"
MODULES = ("others", "ownership", "run_files", "tuples")
MODES = {
    timers.DRIFT: {
        f"{UNITS}{name}": 0o644
        for name in ("drift.service", "drift.timer", "drift-failed.service", "catalogue.service", "catalogue.timer")
    }
    | {"/usr/libexec/proscribe/schedule/guard": 0o755}
    | {f"/usr/libexec/proscribe/schedule/base/{name}.py": 0o644 for name in MODULES}
    | {"/etc/proscribe/schedule.json": 0o600},
    timers.PULL: {
        f"{UNITS}pull.service": 0o644,
        f"{UNITS}pull.timer": 0o644,
        "/usr/libexec/proscribe/pull": 0o755,
        "/usr/libexec/proscribe/commits.py": 0o644,
        **{f"/usr/libexec/proscribe/base/{name}.py": 0o644 for name in MODULES},
        "/etc/proscribe/pull.json": 0o600,
        "/etc/proscribe/pull_signers": 0o644,
        "/var/lib/proscribe/pull/about": 0o644,
    },
}


@pytest.mark.parametrize("part", MODES)
def test_all_files_of_a_part_and_who_may_read_them(machine, part):
    texts = {path: f"of {path}\n" for path in MODES[part] if not path.endswith(".json")}
    settings = {"host": "web01"} if part == timers.PULL else {}
    machine.does(timers.planned(machine.host, part, texts, settings, {"account": "root", "paths": []}))
    assert {path: (machine.root / path[1:]).stat().st_mode & 0o7777 for path in MODES[part]} == MODES[part]
    assert {path: (machine.root / path[1:]).read_text() for path in texts} == texts
    for place in ("record.json", "pull/checkout", "pull/reports"):
        (machine.root / "var/lib/proscribe" / place).mkdir(parents=True)
    stamps = [f"/var/lib/systemd/timers/stamp-{path.rpartition('/')[2]}" for path in MODES[part] if "timer" in path]
    for stamp in [*stamps, "/var/lib/systemd/timers/stamp-other.timer"]:
        (machine.root / stamp[1:]).touch()
    stopped = [f"stop {stamp.partition('stamp-')[2]}" for stamp in stamps]
    left = [f"delete {path}" for path in MODES[part]]
    if part == timers.PULL:
        stopped += [
            "stop proscribe-pull.service",
            *(f"delete /var/lib/proscribe/pull/{x}" for x in ("checkout", "reports")),
        ]
        left += ["delete /var/lib/proscribe/record.json"]
    said = [str(action) for action in timers.lifted(machine.host, [part]).actions]
    assert said == [*stopped, *left, "load systemd's units", *(f"delete {stamp}" for stamp in stamps)]


def test_every_command_with_how_long_it_may_take(tmp_path):
    ran = []

    def run(argv, **options):
        ran.append((" ".join(argv), options.get("timeout")))
        return Result(0, "", "")

    for place in ("run/systemd/system", "var/lib/proscribe/pull/checkout"):
        (tmp_path / place).mkdir(parents=True)
    host = Host(str(tmp_path), run)
    for changes in (
        lambda: timers.planned(host, timers.PULL, {TIMER: "x"}, {}),
        lambda: timers.lifted(host, [timers.PULL]),
    ):
        for action in changes().actions:
            action.apply()
    assert ran == [
        ("systemctl daemon-reload", 120),
        ("systemctl enable --quiet proscribe-pull.timer", 120),
        ("systemctl restart proscribe-pull.timer", 120),
        ("systemctl disable --quiet proscribe-pull.timer", None),
        ("systemctl stop proscribe-pull.timer", 120),
        ("systemctl stop proscribe-pull.service", 120),
        ("rm -rf --one-file-system -- /var/lib/proscribe/pull/checkout", 300),
        ("systemctl daemon-reload", 120),
    ]


DRIFT_FILES = {f"{timers.UNITS}/{timers.DRIFT}{kind}": f"{kind}\n" for kind in (".service", ".timer")}
REFRESH_FILES = {f"{timers.UNITS}/{timers.CATALOGUE}{kind}": f"{kind}\n" for kind in (".service", ".timer")}


def test_a_part_can_have_a_second_timer_which_goes_by_itself(machine):
    both = {**DRIFT_FILES, **REFRESH_FILES}
    did = machine.does(timers.planned(machine.host, timers.DRIFT, both, {}))
    assert [line for line in did if "timer" in line and "write" not in line] == [
        "enable proscribe-drift.timer",
        "start proscribe-drift.timer",
        "enable proscribe-catalogue.timer",
        "start proscribe-catalogue.timer",
    ]
    assert machine.does(timers.planned(machine.host, timers.DRIFT, both, {})) == []
    (machine.root / f"{timers.STAMPS}/stamp-proscribe-catalogue.timer"[1:]).touch()
    did = machine.does(timers.planned(machine.host, timers.DRIFT, DRIFT_FILES, {}))
    assert did == [
        "stop proscribe-catalogue.timer",
        *(f"delete {path}" for path in sorted(REFRESH_FILES)),
        f"delete {timers.STAMPS}/stamp-proscribe-catalogue.timer",
        "load systemd's units",
    ]
    assert machine.active == {"proscribe-drift.timer"} and not any("catalogue" in path for path in machine.files)


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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only its links are followed")
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


def test_no_other_run_changes_the_host_meanwhile_but_a_mac_has_no_other(privileged, monkeypatch):
    @contextlib.contextmanager
    def turn(self):
        privileged.calls.append("begins")
        yield
        privileged.calls.append("ends")

    monkeypatch.setattr(Host, "exclusive", turn)
    timers.change(privileged.host, lambda: actions(privileged, "write"), False)
    assert privileged.calls == ["root", "begins", "write", "ends"]
    monkeypatch.setattr(Host, "system", timers.DARWIN)
    privileged.calls.clear()
    timers.change(privileged.host, lambda: actions(privileged, "write"), False)
    assert privileged.calls == ["root", "write"]
    assert timers.lifted(privileged.host).actions == []


def test_what_is_run_has_to_be_its_accounts_own_and_visible_to_the_units(machine, monkeypatch):
    called = []
    monkeypatch.setattr(timers, "require_own", lambda *given: called.append(given))
    monkeypatch.setattr(timers, "require_visible", lambda *given: called.append(given))
    runs = {"account": "ban", "paths": ["/srv/x"], "starts": [], "writes": []}
    timers.planned(machine.host, timers.PULL, FILES, {}, runs)
    assert called == [("ban", ["/srv/x"]), (machine.host, FILES, runs)]
    called.clear()
    timers.planned(machine.host, timers.PULL, FILES, {})
    assert called == []


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
