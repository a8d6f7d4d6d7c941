"""What a unit would see of what it runs: which places are refused by name, and what is tried in a unit of its kind.
That systemd agrees is in tests/integration/test_schedule_others.py.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from patience import LONGEST
from proscribe.controller.schedule import units
from proscribe.host.schedule import visible
from proscribe.host.schedule.visible import BETTER, require_visible
from proscribe.host.system import ControlError, Host, Result

TIMES = units.Times("daily", 0, 60)
SERVICE = "/etc/systemd/system/proscribe-drift.service"
TIMER = "/etc/systemd/system/proscribe-drift.timer"


def unit(hardening: str = units.LOCKED_IN) -> dict[str, str]:
    text = units.drift_service("/opt/p", "ops", '"/opt/p/proscribe"', {"PROSCRIBE_REPORTS": "/r"}, TIMES, hardening)
    return {SERVICE: text, TIMER: units.timer("x", TIMES, fixed=False)}


class Machine:
    """A fixture whose systemd-run finds something wrong, or cannot be started."""

    def __init__(self, root: Path, answer: list[list[str]] | str = "", said: str = "no bus") -> None:
        self.calls: list[tuple[list[str], Any]] = []
        self.answer = answer if isinstance(answer, str) else json.dumps(answer)
        self.said = said
        self.host = Host(str(root), self.run)

    def run(self, argv: list[str], *, stdin: str, **_: Any) -> Result:
        self.calls.append((list(argv), json.loads(stdin)))
        return Result(0 if self.answer else 1, self.answer, "" if self.answer else self.said)

    def properties(self) -> list[str]:
        """What the last unit was given."""
        argv = self.calls[-1][0]
        return [word for word, before in zip(argv[1:], argv) if before == "--property"]


class Trying:
    """A systemd-run that runs the command in no unit, after something has happened to what a unit would see."""

    def __init__(self, root: Path, happens: Callable[[], object]) -> None:
        self.host, self.happens, self.hers = Host(str(root), self.run), happens, root / "hers"
        self.hers.mkdir()
        (self.hers / "json.py").write_text("raise SystemExit('hers')")

    def run(self, argv: list[str], *, stdin: str, timeout: float) -> Result:
        cut = argv.index("--")
        options, command = argv[:cut], argv[cut + 1 :]
        assert options[0] == "systemd-run" and timeout > 0
        assert {"--quiet", "--wait", "--pipe", "--collect"} <= set(options), "it answers, and leaves nothing behind"
        self.happens()
        environment = {"PYTHONPATH": str(self.hers)}
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=LONGEST, env=environment, cwd=self.hers
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("kind", ["paths", "starts", "writes"])
@pytest.mark.parametrize("place", ["/tmp", "/var/tmp", "/run", "/var/run", "/dev", "/proc", "/sys"])
def test_what_does_not_stay_is_refused_by_its_name(tmp_path: Path, kind: str, place: str) -> None:
    machine = Machine(tmp_path)
    runs = {"account": "ops", "paths": [], kind: [f"{place}/proscribe"]}
    with pytest.raises(
        ControlError, match=f"^{place}/proscribe is below {place}, which is not kept. Nothing was touch"
    ):
        require_visible(machine.host, unit(), runs)
    assert machine.calls == []


def test_so_is_a_link_to_there_and_nothing_that_only_begins_like_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visible, "PASSING", (f"{tmp_path}/run",))
    link, machine = tmp_path / "link", Machine(tmp_path, [])
    link.symlink_to(tmp_path / "run/x")
    with pytest.raises(ControlError, match=f"which is not kept, by way of a link: {tmp_path}/run/x"):
        require_visible(machine.host, unit(), {"account": "ops", "paths": [str(link)]})
    require_visible(machine.host, unit(), {"account": "ops", "paths": [f"{tmp_path}/runs", f"{tmp_path}/a/run"]})


def test_the_rest_is_tried_in_a_unit_of_the_same_kind(tmp_path: Path) -> None:
    drop_ins = tmp_path / f"{SERVICE[1:]}.d"
    drop_ins.mkdir(parents=True)
    (drop_ins / "a.conf").write_text("[Service]\nProtectHome=yes\nExecStart=/bin/evil\n# ProtectHome=no\n")
    (drop_ins / "a.txt").write_text("[Service]\nPrivateTmp=no\n")
    machine = Machine(tmp_path, [["/usr", ""], ["/srv/r", "cannot be written"]])
    runs = {"account": "ops", "paths": ["/usr", "/nosuch"], "starts": ["/usr/bin/env"], "writes": ["/srv/r"]}
    with pytest.raises(ControlError, match="^/srv/r cannot be written for proscribe-drift.service, as ops") as wrong:
        require_visible(machine.host, unit(), runs)
    assert "PrivateTmp=yes" in str(wrong.value) and "ProtectHome=yes" in str(wrong.value) and BETTER in str(wrong.value)
    [(_, (same, starts, writes))] = machine.calls
    given = machine.properties()
    assert {"User=ops", "PrivateTmp=yes", "ProtectHome=yes", "SystemCallFilter=@system-service"} <= set(given)
    assert not any(word.startswith(("Exec", "Environment", "Type", "RuntimeDirectory")) for word in given)
    assert (sorted(same), starts, writes) == (["/usr", "/usr/bin/env"], ["/usr/bin/env"], ["/srv/r"])


def test_two_units_of_one_kind_are_tried_once_and_none_where_nothing_is_named(tmp_path: Path) -> None:
    both = {**unit(), SERVICE.replace("drift", "drift-failed"): unit()[SERVICE]}
    machine = Machine(tmp_path, [])
    require_visible(machine.host, both, {"account": "ops", "paths": []})
    assert machine.calls == []
    require_visible(machine.host, both, {"account": "ops", "paths": ["/usr"]})
    require_visible(machine.host, {TIMER: unit()[TIMER]}, {"account": "ops", "paths": ["/usr"]})
    assert len(machine.calls) == 1


def service(*settings: str) -> dict[str, str]:
    return {SERVICE: "\n".join(["[Service]", *settings, ""])}


SEEN = [
    "BindPaths=/srv",
    "BindReadOnlyPaths=/opt",
    "CapabilityBoundingSet=",
    "ExecPaths=/usr",
    "InaccessiblePaths=/home",
    "LockPersonality=yes",
    "MountFlags=slave",
    "NoExecPaths=/",
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "ProtectHome=yes",
    "ReadOnlyPaths=/srv",
    "ReadWritePaths=/srv",
    "RestrictNamespaces=yes",
    "RootDirectory=/srv",
    "RootImage=/srv/image",
    "SystemCallFilter=@system-service",
    "TemporaryFileSystem=/home",
]
ROOTS_LINKS = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only links of root's are followed")
NOT_SEEN = ["BindsTo=x.service", "Environment=A=b", "Nice=5", "Restart=no", "ProtectHome", "#PrivateTmp=no"]


def test_the_unit_of_a_trial_has_all_settings_that_decide_what_is_seen_and_no_others(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [])
    require_visible(machine.host, service(*NOT_SEEN, *SEEN), {"account": "ops", "paths": ["/usr"]})
    assert machine.properties() == ["User=ops", *SEEN]


@pytest.mark.parametrize(
    ("files", "added"),
    [
        ({"usr/lib": {"a.conf": "yes"}}, ["yes"]),
        ({"run": {"a.conf": "yes"}}, ["yes"]),
        ({"etc": {"b.conf": "no", "a.conf": "yes", "c.conf~": "tmpfs", "conf": "tmpfs"}}, ["yes", "no"]),
        ({"usr/lib": {"b.conf": "no"}, "etc": {"a.conf": "yes"}}, ["yes", "no"]),
        ({"usr/lib": {"a.conf": "1"}, "run": {"a.conf": "2"}, "etc": {"a.conf": "3"}}, ["3"]),
        ({"usr/lib": {"a.conf": "1"}, "usr/local/lib": {"a.conf": "2"}}, ["2"]),
        pytest.param({"usr/lib": {"a.conf": "1"}, "etc": {"a.conf": None}}, [], marks=ROOTS_LINKS),
    ],
    ids=[
        "a package's",
        "until the next boot",
        "by name",
        "by name from all places",
        "the administrator's",
        "the site's",
        "masked",
    ],
)
def test_drop_ins_count_as_systemd_reads_them(
    tmp_path: Path, files: dict[str, dict[str, str | None]], added: list[str]
) -> None:
    for place, ones in files.items():
        folder = tmp_path / place / "systemd/system/proscribe-drift.service.d"
        folder.mkdir(parents=True)
        for name, value in ones.items():
            if value is None:
                (folder / name).symlink_to("/dev/null")
            else:
                (folder / name).write_text(f"[Service]\n  ProtectHome = {value} \n")
    machine = Machine(tmp_path, [])
    require_visible(machine.host, service(), {"account": "ops", "paths": ["/usr"]})
    assert machine.properties() == ["User=ops", *(f"ProtectHome={value}" for value in added)]


@ROOTS_LINKS
def test_a_drop_in_that_is_gone_meanwhile_adds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / f"{SERVICE[1:]}.d"
    folder.mkdir(parents=True)
    (folder / "a.conf").symlink_to("gone")
    machine = Machine(tmp_path, [])
    require_visible(machine.host, service(), {"account": "ops", "paths": ["/usr"]})
    assert machine.properties() == ["User=ops"]


def test_what_is_wrong_is_reported_with_what_may_hide_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [["/srv", "is not there"]])
    hiding = ["PrivateTmp=yes", "ProtectHome=yes", "InaccessiblePaths=/srv", "TemporaryFileSystem=/opt"]
    for settings, why in (
        (["NoNewPrivileges=yes", *hiding], f" ({', '.join(hiding)})"),
        (["RestrictRealtime=yes"], ""),
    ):
        with pytest.raises(ControlError) as wrong:
            require_visible(machine.host, service(*settings), {"account": "ops", "paths": ["/usr"]})
        assert str(wrong.value) == f"/srv is not there for proscribe-drift.service, as ops{why}. {BETTER}"


@pytest.mark.parametrize(
    ("happens", "wrong"),
    [
        (lambda place: None, ""),
        (lambda place: (place / "code").unlink(), "code is not there (No such file or directory)"),
        (lambda place: (place / "other").rename(place / "code"), "code is not the same"),
        (lambda place: (place / "start").chmod(0o600), "start cannot be run"),
        (lambda place: (place / "reports").rmdir(), ""),
        (lambda place: ((place / "reports").rmdir(), (place / "reports").touch()), "reports cannot be written"),
    ],
    ids=["all is seen", "gone", "another file", "no program", "a folder that can be made", "no folder"],
)
def test_the_trial_says_what_a_unit_does_not_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Path], object], wrong: str
) -> None:
    monkeypatch.setattr(visible, "PASSING", ())
    for name in ("code", "other", "start"):
        (tmp_path / name).touch(0o700)
    (tmp_path / "reports").mkdir()
    machine = Trying(tmp_path, lambda: happens(tmp_path))
    code, start, reports = (str(tmp_path / name) for name in ("code", "start", "reports"))
    runs = {"account": "ops", "paths": [code, f"{code}-later"], "starts": [start], "writes": [reports]}
    if not wrong:
        require_visible(machine.host, service(), runs)
        return
    with pytest.raises(ControlError) as refused:
        require_visible(machine.host, service(), runs)
    assert str(refused.value) == f"{tmp_path}/{wrong} for proscribe-drift.service, as ops. {BETTER}"


@pytest.mark.parametrize(
    ("out", "said", "why"),
    [
        ("", "no bus", "no bus"),
        ("no\nJSON", "", "no JSON"),
        ("", "", "exit code 1"),
        ("", f"{'x' * 400}\ny", f"{'x' * 298} y"),
    ],
)
def test_what_cannot_be_tried_is_reported(tmp_path: Path, out: str, said: str, why: str) -> None:
    with pytest.raises(ControlError) as wrong:
        require_visible(
            Machine(tmp_path, out, said).host, service("PrivateTmp=yes"), {"account": "o", "paths": ["/usr"]}
        )
    assert str(wrong.value) == f"it cannot be tried what a unit sees ({why}): User=o PrivateTmp=yes. {BETTER}"
