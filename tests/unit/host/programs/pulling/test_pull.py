"""A host that pulls: the commit that it runs, the report of the run, and its lock and state directory."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from proscribe import base
from proscribe.host.programs import pulling
from proscribe.host.programs.pulling import commits, pull
from proscribe.host.programs.pulling.commits import PullError
from proscribe.host.schedule import timers

NEW = "b" * 40
SETTINGS: Any = {"repository": "/r", "directory": "/d", "inventory": "inv", "host": "web01", "options": ["--tags", "x"]}
COMMAND = ["/c/proscribe", "drift", "-i", "/c/inv", "--limit", "web01", "--tags", "x", "-e"]


def write_report(reports: Path, name: str, *hosts: str) -> None:
    (reports / name).mkdir(parents=True)
    lines = [json.dumps({"host": host, "errors": [], "of": name}) for host in hosts]
    (reports / name / "hosts.jsonl").write_text("\n".join(lines))


@pytest.mark.parametrize("playbook", ["", "/venv/bin/ansible-playbook"])
def test_run_calls_the_projects_own_command(tmp_path, monkeypatch, playbook):
    calls = []
    monkeypatch.setattr(pull.subprocess, "call", lambda argv, **options: calls.append((argv, options)) or 4)
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "LC_ALL": "C"})
    assert pull.run_drift("/c", {**SETTINGS, "ansible_playbook": playbook}, str(tmp_path)) == (4, None)
    ((argv, options),) = calls
    assert argv[:-1] == COMMAND
    variables = {"ansible_connection": "local", "proscribe_history": "sqlite", "proscribe_exports": []}
    assert json.loads(argv[-1]) == variables
    own = {"PATH": "/bin", "HOME": "/var/lib/proscribe/pull", "PROSCRIBE_REPORTS": str(tmp_path), "LC_ALL": "C.UTF-8"}
    more = {"PROSCRIBE_ANSIBLE_PLAYBOOK": playbook} if playbook else {}
    assert options == {"env": {**own, **more}, "stdin": subprocess.DEVNULL}


@pytest.mark.parametrize(
    ("before", "after", "report"),
    [
        ({}, {"latest": "r2"}, "r2"),  # of a commit that has no newest
        ({"newest": "r1", "latest": "r1"}, {"newest": "r2"}, "r2"),
        ({"newest": "r1"}, {}, None),
        ({}, {}, None),
        ({}, {"newest": "other"}, None),  # without this host
    ],
)
def test_record_is_read_from_the_report_of_this_run(tmp_path, monkeypatch, before, after, report):
    def link(links):
        for name, target in links.items():
            (tmp_path / name).unlink(missing_ok=True)
            (tmp_path / name).symlink_to(target)
        return 3

    write_report(tmp_path, "r1", "web01")
    write_report(tmp_path, "r2", "db01", "web01")
    write_report(tmp_path, "other", "db01")
    link(before)
    monkeypatch.setattr(pull.subprocess, "call", lambda *_, **__: link(after))
    code, record = pull.run_drift("/checkout", SETTINGS, str(tmp_path))
    assert code == 3 and (record["of"] if record else None) == report and (not record or record["host"] == "web01")


def test_directory_with_the_name_of_a_link_is_no_report(tmp_path, monkeypatch):
    monkeypatch.setattr(pull.subprocess, "call", lambda *_, **__: write_report(tmp_path, "newest", "web01") or 0)
    assert pull.run_drift("/checkout", SETTINGS, str(tmp_path)) == (0, None)


class Repository:
    """A repository whose newest commit is `fetched` ("" where it cannot be fetched)."""

    def __init__(self, fetched: str, good: str, broken: str = "", first: str = "") -> None:
        self.fetched, self.last, self.first_commit, self.directory = fetched, good, first, "/checkout"
        self.broken = broken  # the commit whose run has no report
        self.laid_out: list[str] = []
        self.find_good_commit = lambda: self.last

    def fetch_commit(self) -> str:
        if not self.fetched:
            raise PullError("the repository could not be fetched")
        return self.fetched

    def check_out_commit(self, commit: str) -> None:
        self.laid_out.append(commit)
        if commit == NEW:
            raise PullError("it cannot be laid out")

    def keep_good_commit(self, commit: str) -> None:
        self.last = commit

    def run(self, directory: str, settings: Mapping[str, Any], reports: str) -> tuple[int, dict[str, Any] | None]:
        return (2, None) if self.laid_out[-1] == self.broken else (0, {"host": "web01", "errors": []})


@pytest.fixture
def pulled(monkeypatch):
    def pull_once(repository):
        monkeypatch.setattr(pull, "Checkout", lambda state, settings: repository)
        monkeypatch.setattr(pull, "run_drift", repository.run)
        return pull.run_newest_commit(SETTINGS, "/reports")

    return pull_once


@pytest.mark.parametrize(
    ("fetched", "good", "broken", "runs", "last", "errors"),
    [
        ("b", "a", "", ["b"], "b", 0),
        ("", "a", "", ["a"], "a", 1),
        ("b", "a", "b", ["b", "a"], "a", 1),
        ("b", "", "", ["b"], "b", 0),
        ("b", "", "b", ["b"], "", None),
        ("", "", "", [], "", None),
    ],
)
def test_newest_commit_is_run_and_the_last_good_one_is_the_fallback(pulled, fetched, good, broken, runs, last, errors):
    repository = Repository(fetched, good, broken)
    code, record = pulled(repository)
    assert repository.laid_out == runs and repository.last == last
    assert (len(record["errors"]) if record else None) == errors
    if record:
        assert (code, record["commit"], record.get("commit_trust")) == (0, runs[-1], None if good else "first use")
    else:
        assert code == (2 if runs else 78)


@pytest.mark.parametrize(("good", "first", "trusted"), [("", "", True), ("a" * 40, "", False), ("", NEW, False)])
def test_first_commit_that_is_not_named_is_trusted_on_first_use(pulled, capsys, good, first, trusted):
    code, record = pulled(Repository(NEW, good, first=first))
    assert (code, record is None) == ((0, False) if good else (78, True))
    assert (f"commit {NEW[:12]} is the first" in capsys.readouterr().err) is trusted
    record = pulled(Repository("b", good, first=first))[1]
    assert ("commit_trust" in record) is trusted


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setattr(pull, "STATE_DIRECTORY", str(tmp_path / "pull"))
    monkeypatch.setattr(pull, "RECORD_PATH", str(tmp_path / "record.json"))
    monkeypatch.setattr(pull, "run_newest_commit", lambda *_: (0, {"by": "pulled"}))
    monkeypatch.setattr(pull, "run_drift", lambda *given: (5, {"by": "run", "of": given[0], "reports": given[2]}))

    def call_with(**settings):
        (tmp_path / "pull.json").write_text(json.dumps({**SETTINGS, **settings}))
        return pull.run_pull(str(tmp_path / "pull.json"))

    return call_with


def test_run_without_a_repository_keeps_the_last_fourteen_reports_and_other_files(call, tmp_path):
    reports = tmp_path / "pull/reports"
    for day in range(20):
        (reports / f"202611{day:02}T0").mkdir(parents=True)
    (reports / "history").mkdir()
    (reports / "20250101-file").touch()
    (tmp_path / "pull").chmod(0o755)
    assert call(repository="") == 5
    assert json.loads((tmp_path / "record.json").read_text()) == {"by": "run", "of": "/d", "reports": str(reports)}
    assert sorted(os.listdir(reports)) == ["20250101-file", *(f"202611{day:02}T0" for day in range(6, 20)), "history"]


def test_run_beside_another_run_does_nothing(call, tmp_path, capsys):
    (tmp_path / "pull").mkdir(mode=0o700)
    held = os.open(tmp_path / "pull", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert call() == 75
    finally:
        os.close(held)
    assert "another run is under way" in capsys.readouterr().err and not (tmp_path / "record.json").exists()


def test_run_without_a_report_leaves_the_record(call, tmp_path, monkeypatch, capsys):
    (tmp_path / "record.json").write_text("old")
    monkeypatch.setattr(pull, "run_newest_commit", lambda *_: (0, None))
    assert call() == 78
    assert (tmp_path / "record.json").read_text() == "old" and "grows old" in capsys.readouterr().err


def test_checkout_that_others_can_change_is_refused_and_the_record_has_the_reason(call, tmp_path, capsys):
    checkout, record = tmp_path / "checkout", tmp_path / "record.json"
    (checkout / "roles").mkdir(parents=True)
    (checkout / "roles").chmod(0o777)
    settings = {"repository": "", "directory": str(checkout), "paths": [str(checkout)]}
    error = {"control": "dns", "message": "an earlier one"}
    assert call(**settings) == 77
    assert not record.exists(), "a host that has not reported yet is unknown"
    record.write_text(json.dumps({"host": "web01", "checked_at": "2026-11-01T00:00:00Z", "errors": [error]}))
    for _ in range(2):
        assert call(**settings) == 77
    printed = capsys.readouterr().err
    assert f"{checkout}/roles (of " in printed and "can be changed by everybody" in printed
    stored = json.loads(record.read_text())
    assert stored["checked_at"] == "2026-11-01T00:00:00Z" and stored["errors"][0] == error
    (refusal,) = stored["errors"][1:]
    assert refusal["control"] == "run" and f"chmod -R go-w {checkout}/roles" in refusal["message"]


def test_problems_of_a_commit_stand_in_the_record_of_the_good_one(pulled, capsys):
    repository = Repository(NEW, "a" * 40, broken="a" * 40)
    repository.run = lambda directory, settings, reports: (3, {"host": "web01", "errors": [{"control": "dns"}], "x": 1})
    code, record = pulled(repository)
    assert (code, record["x"], record["commit"], record["errors"][0]) == (3, 1, "a" * 40, {"control": "dns"})
    (error,) = record["errors"][1:]
    assert error["control"] == "run" and f"commit {NEW[:12]} came to no report (it ended with 78)" in error["message"]
    assert "it cannot be laid out" in capsys.readouterr().err and repository.last == "a" * 40


@pytest.mark.parametrize(("words", "path"), [([], "/etc/proscribe/pull.json"), (["/x.json", "/y"], "/x.json")])
def test_program_stands_alone_and_reads_its_settings_first(tmp_path, words, path):
    program, place = tmp_path / "pull", Path(pulling.__file__).parent
    (tmp_path / "base").mkdir()
    program.write_text((place / "pull.py").read_text())
    (tmp_path / "commits.py").write_text((place / "commits.py").read_text())
    for name in ("foreign_access", "named_tuple", "ownership", "run_files"):
        (tmp_path / f"base/{name}.py").write_text((Path(base.__file__).parent / f"{name}.py").read_text())
    tried = f"import runpy, sys; sys.argv = ['pull', *{words}]; runpy.run_path({str(program)!r}, run_name='__main__')"
    code = "import builtins, runpy, sys\ndef open_(path, *_, **__): raise SystemExit(f'{path} {sys.path[0]}')\n"
    code += f"builtins.open = open_\n{tried}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == f"{path} {program.parent}"


def test_run_with_a_repository_stores_a_record_for_root_alone(call, tmp_path):
    before = os.umask(0)
    try:
        assert call() == 0
    finally:
        os.umask(before)
    record = tmp_path / "record.json"
    assert (record.read_text(), record.stat().st_mode & 0o777) == ('{"by":"pulled"}', 0o600)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("pull", "pull/reports")] == [0o700, 0o700]


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777, None])
def test_state_directory_that_others_can_write_or_that_is_a_link_is_refused(call, tmp_path, mode, capsys):
    place = tmp_path / ("elsewhere" if mode is None else "pull")
    place.mkdir()
    place.chmod(mode or 0o700)
    if mode is None:
        (tmp_path / "pull").symlink_to("elsewhere")
    assert call(repository="") == 77 and os.listdir(place) == []
    assert "is no directory that only root can change" in capsys.readouterr().err


def test_program_reads_the_paths_that_a_schedule_writes():
    expected = (timers.PULL_SETTINGS_PATH, timers.PULL_STATE_DIRECTORY, timers.RECORD_PATH)
    assert expected == (pull.SETTINGS_PATH, pull.STATE_DIRECTORY, pull.RECORD_PATH)
    assert commits.SIGNERS_PATH == timers.SIGNERS_PATH
