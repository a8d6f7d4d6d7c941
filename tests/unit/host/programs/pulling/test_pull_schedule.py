"""A host that pulls: which commit it runs, which report is that of the run, and what becomes of a run without one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.programs.pulling import pull
from proscribe.host.programs.pulling.commits import Problem

SETTINGS = {"repository": "/r", "inventory": "inventory", "host": "web01", "options": ["--tags", "dns"]}


def report(reports: Path, name: str, *hosts: str) -> None:
    (reports / name).mkdir(parents=True)
    lines = [json.dumps({"host": host, "errors": [], "of": name}) for host in hosts]
    (reports / name / "hosts.jsonl").write_text("\n".join(lines))


def link(reports: Path, name: str, to: str) -> None:
    (reports / name).unlink(missing_ok=True)
    (reports / name).symlink_to(to)


@pytest.mark.parametrize(
    ("before", "after", "of"),
    [
        pytest.param({}, {"newest": "r2"}, "r2", id="the newest"),
        pytest.param({}, {"latest": "r2"}, "r2", id="of a commit that has no newest"),
        pytest.param({"newest": "r1", "latest": "r1"}, {"newest": "r2"}, "r2", id="where the latest is another one"),
        pytest.param({"newest": "r1"}, {}, None, id="none by this run"),
        pytest.param({}, {}, None, id="none at all"),
        pytest.param({}, {"newest": "other"}, None, id="one without this host"),
    ],
)
def test_the_report_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, str], after: dict[str, str], of: str | None
) -> None:
    reports = tmp_path / "reports"
    report(reports, "r1", "web01")
    report(reports, "r2", "db01", "web01")
    report(reports, "other", "db01")
    for name, to in before.items():
        link(reports, name, to)
    calls: list[tuple[list[str], dict[str, str]]] = []

    def call(argv: list[str], env: dict[str, str], stdin: int) -> int:
        calls.append((argv, env))
        for name, to in after.items():
            link(reports, name, to)
        return 3

    monkeypatch.setattr(pull.subprocess, "call", call)
    code, record = pull.run("/checkout", SETTINGS, str(reports))
    assert code == 3 and (record["of"] if record else None) == of and (not record or record["host"] == "web01")
    ((argv, env),) = calls
    assert argv[:6] == ["/checkout/proscribe", "drift", "-i", "/checkout/inventory", "--limit", "web01"]
    assert argv[6:9] == ["--tags", "dns", "-e"] and json.loads(argv[9])["ansible_connection"] == "local"
    assert (env["HOME"], env["PROSCRIBE_REPORTS"]) == (pull.STATE, str(reports))


def test_a_directory_of_the_name_is_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull.subprocess, "call", lambda *_, **__: report(tmp_path, "newest", "web01") or 0)
    assert pull.run("/checkout", SETTINGS, str(tmp_path)) == (0, None)


class Repository:
    """A repository whose newest commit is `fetched` ("" where it cannot be fetched)."""

    def __init__(self, fetched: str, good: str, first: str = "") -> None:
        self.fetched, self.last, self.first, self.directory = fetched, good, first, "/checkout"
        self.laid_out: list[str] = []
        self.broken: set[str] = set()  # commits that come to no report

    def fetch(self) -> str:
        if not self.fetched:
            raise Problem("the repository could not be fetched")
        return self.fetched

    def good(self) -> str:
        return self.last

    def have(self, commit: str) -> None:
        self.laid_out.append(commit)

    def keep(self, commit: str) -> None:
        self.last = commit

    def run(self, directory: str, settings: Mapping[str, Any], reports: str) -> tuple[int, dict[str, Any] | None]:
        broken = self.laid_out[-1] in self.broken
        return (2, None) if broken else (0, {"host": "web01", "errors": []})


@pytest.mark.parametrize(
    ("fetched", "good", "broken", "runs", "last", "errors"),
    [
        pytest.param("b", "a", set(), ["b"], "b", 0, id="the newest is run, and is then the last good one"),
        pytest.param("a", "a", set(), ["a"], "a", 0, id="nothing new"),
        pytest.param("", "a", set(), ["a"], "a", 1, id="what cannot be fetched leaves the last good one"),
        pytest.param("b", "a", {"b"}, ["b", "a"], "a", 1, id="one that comes to no report is not kept"),
        pytest.param("b", "", set(), ["b"], "b", 0, id="the first one"),
        pytest.param("b", "", {"b"}, ["b"], "", None, id="nothing that runs"),
        pytest.param("", "", set(), [], "", None, id="nothing at all"),
    ],
)
def test_which_commit_is_run(
    monkeypatch: pytest.MonkeyPatch, fetched: str, good: str, broken: set[str], runs: list[str], last: str, errors: Any
) -> None:
    repository = Repository(fetched, good)
    repository.broken = broken
    monkeypatch.setattr(pull, "Checkout", lambda state, settings: repository)
    monkeypatch.setattr(pull, "run", repository.run)
    code, record = pull.pulled(SETTINGS, "/reports")
    assert repository.laid_out == runs and repository.last == last
    assert (len(record["errors"]) if record else None) == errors
    if record:
        assert (code, record["commit"]) == (0, runs[-1])
        assert record.get("commit_trust") == (None if good else "first use")
    else:
        assert code == (2 if runs else pull.NO_REPORT)


def test_a_first_commit_that_is_named_is_not_trusted_for_being_first(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository("b", "", first="a")
    monkeypatch.setattr(pull, "Checkout", lambda state, settings: repository)
    monkeypatch.setattr(pull, "run", repository.run)
    record = pull.pulled(SETTINGS, "/reports")[1]
    assert record is not None and "commit_trust" not in record
