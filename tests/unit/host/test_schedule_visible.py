"""The paths that a unit of a schedule sees, tried in a unit of its kind. tests/integration/test_schedule_others.py has
the same with a real systemd."""

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.schedule import schedule_units
from proscribe.host.schedule import unit_visibility
from proscribe.host.schedule.unit_visibility import EXPECTED_PLACES, require_visible
from proscribe.host.system import ControlError, Host, ToolResult

TIMES = schedule_units.ScheduleTimes("daily", 0, 60)
SERVICE = "/etc/systemd/system/proscribe-drift.service"
TIMER = "/etc/systemd/system/proscribe-drift.timer"
RUNS = {"account": "ops", "paths": ["/usr"]}
SEEN = [
    *("BindPaths=/srv", "BindReadOnlyPaths=/opt", "CapabilityBoundingSet=", "ExecPaths=/usr"),
    *("InaccessiblePaths=/home", "LockPersonality=yes", "MountFlags=slave", "NoExecPaths=/"),
    *("NoNewPrivileges=yes", "PrivateTmp=yes", "ProtectHome=yes", "ReadOnlyPaths=/srv"),
    *("ReadWritePaths=/srv", "RestrictNamespaces=yes", "RootDirectory=/srv"),
    *("RootImage=/srv/image", "SystemCallFilter=@system-service", "TemporaryFileSystem=/home"),
]
NOT_SEEN = ["BindsTo=x.service", "Environment=A=b", "Nice=5", "Restart=no", "ProtectHome", "#PrivateTmp=no"]


def make_units() -> dict[str, str]:
    words = ("/opt/p", "ops", '"/opt/p/proscribe"', {"PROSCRIBE_REPORTS": "/r"}, TIMES)
    text = schedule_units.format_drift_service(*words, schedule_units.STRICT_HARDENING)
    return {SERVICE: text, TIMER: schedule_units.format_timer("x", TIMES, is_fixed=False)}


def make_service(*settings: str) -> dict[str, str]:
    return {SERVICE: "\n".join(["[Service]", *settings, ""])}


class Machine:
    """A host whose systemd-run answers so, or fails with an error."""

    def __init__(self, root: Path, answer: list[list[str]] | str = (), error: str = "") -> None:
        self.calls: list[list[str]] = []
        self.answer = answer if isinstance(answer, str) else json.dumps(answer)
        self.error = error
        self.host = Host(str(root), self.run)

    def run(self, argv: list[str], **_: Any) -> ToolResult:
        self.calls.append(list(argv))
        return ToolResult(0 if self.answer else 1, self.answer, "" if self.answer else self.error)

    def read_properties(self) -> list[str]:
        argv = self.calls[-1]
        return [word for word, before in zip(argv[1:], argv) if before == "--property"]


def test_path_in_a_passing_place_is_refused_by_way_of_a_link_too(tmp_path, monkeypatch):
    monkeypatch.setattr(unit_visibility, "TEMPORARY_DIRECTORIES", (f"{tmp_path}/run",))
    link, machine = tmp_path / "link", Machine(tmp_path)
    link.symlink_to(tmp_path / "run/x")
    with pytest.raises(ControlError, match=f"by way of a link: {tmp_path}/run/x"):
        require_visible(machine.host, make_units(), {"account": "ops", "paths": [str(link)]})
    paths = [f"{tmp_path}/runs", f"{tmp_path}/a/run"]
    require_visible(machine.host, make_units(), {"account": "ops", "paths": paths})


def test_units_of_one_kind_are_tried_once(tmp_path):
    both = {**make_units(), SERVICE.replace("drift", "drift-failed"): make_units()[SERVICE]}
    machine = Machine(tmp_path)
    require_visible(machine.host, both, {"account": "ops", "paths": []})
    assert machine.calls == []
    require_visible(machine.host, both, RUNS)
    require_visible(machine.host, {TIMER: make_units()[TIMER]}, RUNS)
    assert len(machine.calls) == 1


def test_unit_of_a_trial_has_the_settings_that_hide_paths_and_no_others(tmp_path):
    machine = Machine(tmp_path)
    require_visible(machine.host, make_service(*NOT_SEEN, *SEEN), RUNS)
    assert machine.read_properties() == ["User=ops", *SEEN]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only links of root's are followed")
def test_missing_drop_in_adds_no_setting(tmp_path):
    folder = tmp_path / f"{SERVICE[1:]}.d"
    folder.mkdir(parents=True)
    (folder / "a.conf").symlink_to("gone")
    machine = Machine(tmp_path)
    require_visible(machine.host, make_service(), RUNS)
    assert machine.read_properties() == ["User=ops"]


def test_hidden_path_is_reported_with_the_settings_that_may_hide_it(tmp_path):
    machine = Machine(tmp_path, [["/srv", "is not there"]])
    hiding = ["PrivateTmp=yes", "ProtectHome=yes", "InaccessiblePaths=/srv", "TemporaryFileSystem=/opt"]
    rows = ((["NoNewPrivileges=yes", *hiding], f" ({', '.join(hiding)})"), (["RestrictRealtime=yes"], ""))
    for settings, reason in rows:
        with pytest.raises(ControlError) as wrong:
            require_visible(machine.host, make_service(*settings), RUNS)
        assert str(wrong.value) == f"/srv is not there for proscribe-drift.service, as ops{reason}. {EXPECTED_PLACES}"


@pytest.mark.parametrize(
    ("out", "error", "reason"),
    [("", "no bus", "no bus"), ("no\nJSON", "", "no JSON"), ("", "", "exit code 1"), ("", "x" * 400, "x" * 300)],
)
def test_trial_that_cannot_be_made_is_reported(tmp_path, out, error, reason):
    machine = Machine(tmp_path, out, error)
    with pytest.raises(ControlError) as wrong:
        require_visible(machine.host, make_service("PrivateTmp=yes"), {"account": "o", "paths": ["/usr"]})
    assert f"({reason}): User=o PrivateTmp=yes. {EXPECTED_PLACES}" in str(wrong.value)


@pytest.mark.parametrize("kind", ["paths", "starts", "writes"])
@pytest.mark.parametrize("place", ["/tmp", "/var/tmp", "/run", "/var/run", "/dev", "/proc", "/sys"])
def test_path_in_a_place_that_is_not_kept_is_refused(tmp_path, kind, place):
    machine = Machine(tmp_path)
    with pytest.raises(ControlError, match=f"^{place}/proscribe is below {place}, "):
        require_visible(machine.host, make_units(), {"account": "ops", "paths": [], kind: [f"{place}/proscribe"]})
    assert machine.calls == []


@pytest.mark.parametrize(
    ("drop_ins", "added"),
    [
        ({"etc": {"b.conf": "no", "a.conf": "yes", "c.conf~": "tmpfs", "conf": "tmpfs"}}, ["yes", "no"]),
        ({"usr/lib": {"b.conf": "no"}, "etc": {"a.conf": "yes"}}, ["yes", "no"]),
        ({"usr/lib": {"a.conf": "1"}, "run": {"a.conf": "2"}, "etc": {"a.conf": "3"}}, ["3"]),
        ({"usr/lib": {"a.conf": "1"}, "usr/local/lib": {"a.conf": "2"}}, ["2"]),
    ],
)
def test_drop_ins_count_as_systemd_reads_them(tmp_path, drop_ins, added):
    for place, values in drop_ins.items():
        folder = tmp_path / place / "systemd/system/proscribe-drift.service.d"
        folder.mkdir(parents=True)
        for name, value in values.items():
            (folder / name).write_text(f"[Service]\n  ProtectHome = {value} \nExecStart=/bin/evil\n# PrivateTmp=no\n")
    machine = Machine(tmp_path)
    require_visible(machine.host, make_service(), RUNS)
    assert machine.read_properties() == ["User=ops", *(f"ProtectHome={value}" for value in added)]


@pytest.mark.parametrize(
    ("happens", "wrong"),
    [
        (lambda place: None, ""),
        (lambda place: (place / "code").unlink(), "code is not there"),
        (lambda place: (place / "other").rename(place / "code"), "code is not the same"),
        (lambda place: (place / "start").chmod(0o600), "start cannot be run"),
        (lambda place: (place / "reports").rmdir(), ""),  # a folder that can be made
        (lambda place: ((place / "reports").rmdir(), (place / "reports").touch()), "reports cannot be written"),
    ],
)
def test_trial_reports_the_paths_that_a_unit_does_not_see(tmp_path, monkeypatch, happens, wrong):
    def run(argv, *, stdin, timeout):
        """Run the command in no unit, after something has happened to the files, beside a user's modules."""
        options, command = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
        assert {"--quiet", "--wait", "--pipe", "--collect"} <= set(options) and timeout > 0
        happens(tmp_path)
        options = {"timeout": timeout, "env": {"PYTHONPATH": str(tmp_path / "hers")}, "cwd": tmp_path / "hers"}
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, **options)
        return ToolResult(done.returncode, done.stdout, done.stderr)

    monkeypatch.setattr(unit_visibility, "TEMPORARY_DIRECTORIES", ())
    for name in ("code", "other", "start"):
        (tmp_path / name).touch(0o700)
    for name in ("reports", "hers"):
        (tmp_path / name).mkdir()
    (tmp_path / "hers/json.py").write_text("raise SystemExit('hers')")
    code, start, reports = (str(tmp_path / name) for name in ("code", "start", "reports"))
    runs = {"account": "ops", "paths": [code, f"{code}-later"], "starts": [start], "writes": [reports]}
    with pytest.raises(ControlError, match=f"^{tmp_path}/{wrong}") if wrong else contextlib.nullcontext():
        require_visible(Host(str(tmp_path), run), make_service(), runs)
