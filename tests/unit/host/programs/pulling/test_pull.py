"""One run of a host that pulls: what is called, printed and stored, and that no other run is under way."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.programs.pulling import commits, pull
from proscribe.host.programs.pulling.commits import Problem
from proscribe.host.schedule import timers

NEW, OLD = "b" * 40, "a" * 40
SETTINGS: Any = {"repository": "/r", "directory": "/d", "inventory": "inv", "host": "web01", "options": ["--tags", "x"]}


@pytest.mark.parametrize("playbook", ["", "/venv/bin/ansible-playbook"])
def test_how_the_projects_own_command_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, playbook: str) -> None:
    called: list[Any] = []
    monkeypatch.setattr(pull.subprocess, "call", lambda argv, **how: called.append((argv, how)) or 4)
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "LC_ALL": "C"})
    assert pull.run("/c", {**SETTINGS, "ansible_playbook": playbook}, str(tmp_path)) == (4, None)
    ((argv, how),) = called
    assert argv[:-1] == ["/c/proscribe", "drift", "-i", "/c/inv", "--limit", "web01", "--tags", "x", "-e"]
    assert json.loads(argv[-1]) == {
        "ansible_connection": "local",
        "proscribe_history": "sqlite",
        "proscribe_exports": [],
    }
    own = {"PATH": "/bin", "HOME": "/var/lib/proscribe/pull", "PROSCRIBE_REPORTS": str(tmp_path), "LC_ALL": "C.UTF-8"}
    named = {"PROSCRIBE_ANSIBLE_PLAYBOOK": playbook} if playbook else {}
    assert how == {"env": {**own, **named}, "stdin": subprocess.DEVNULL}


class Repository:
    """A repository with a new commit, of which a run comes to no report, and an older good one."""

    def __init__(self, good: str = OLD, first: str = "") -> None:
        self.last, self.first, self.directory = good, first, "/checkout"
        self.good_now: list[str] = []

    def fetch(self) -> str:
        return NEW

    def good(self) -> str:
        return self.last

    def have(self, commit: str) -> None:
        if commit == NEW:
            raise Problem("it cannot be laid out")

    def keep(self, commit: str) -> None:
        self.good_now.append(commit)


@pytest.mark.parametrize(("good", "first", "trusted"), [("", "", True), (OLD, "", False), ("", NEW, False)])
def test_a_first_commit_is_said_to_be_trusted_for_that(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], good: str, first: str, trusted: bool
) -> None:
    monkeypatch.setattr(pull, "Checkout", lambda *_: Repository(good, first))
    monkeypatch.setattr(pull, "run", lambda *_: (0, None))
    assert pull.pulled(SETTINGS, "/reports") == (0 if good else pull.NO_REPORT, None)
    assert (f"commit {NEW[:12]} is the first that this host has seen" in capsys.readouterr().err) is trusted


def test_it_finds_what_a_schedule_has_put_on_the_host() -> None:
    assert (pull.SETTINGS, pull.STATE, pull.RECORD) == (timers.SETTINGS, timers.STATE, timers.RECORD)
    assert commits.SIGNERS == timers.SIGNERS


class TestMain:
    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(pull, "STATE", str(tmp_path / "lib/pull"))
        monkeypatch.setattr(pull, "RECORD", str(tmp_path / "record.json"))
        monkeypatch.setattr(pull, "pulled", lambda *given: (0, {"by": "pulled", "reports": given[1]}))
        monkeypatch.setattr(pull, "run", lambda *given: (5, {"by": "run", "of": given[0], "reports": given[2]}))
        return tmp_path

    def main(self, place: Path, **settings: Any) -> int:
        (place / "pull.json").write_text(json.dumps({**SETTINGS, **settings}))
        return pull.main(str(place / "pull.json"))

    def test_without_one_and_with_older_reports(self, place: Path) -> None:
        reports = place / "lib/pull/reports"
        for day in range(20):
            (reports / f"202611{day:02}T0").mkdir(parents=True)
        (place / "lib/pull").chmod(0o755)
        assert self.main(place, repository="") == 5
        assert json.loads((place / "record.json").read_text()) == {"by": "run", "of": "/d", "reports": str(reports)}
        assert sorted(os.listdir(reports)) == [f"202611{day:02}T0" for day in range(6, 20)]

    def test_while_another_run_is_under_way_there_is_none(
        self, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (place / "lib/pull").mkdir(parents=True, mode=0o700)
        held = os.open(place / "lib/pull", os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert self.main(place) == 75
        finally:
            os.close(held)
        assert capsys.readouterr().err == "proscribe: another run is under way\n"
        assert not (place / "record.json").exists()

    def test_without_a_report_the_record_stays_as_it_was(
        self, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (place / "record.json").write_text("old")
        monkeypatch.setattr(pull, "pulled", lambda *_: (0, None))
        assert self.main(place) == 78
        assert (place / "record.json").read_text() == "old" and "grows old" in capsys.readouterr().err
