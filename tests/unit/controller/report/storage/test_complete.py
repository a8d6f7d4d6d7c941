"""Complete reports on disk: which there are, which is meant by a name, and what is said of one that is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.controller.report.storage.complete import (
    NoSuchRun,
    UnreadableReport,
    find_run,
    newest_runs,
    read_records,
    read_report,
    runs,
    sharing,
)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A directory with reports, and with what is none."""
    whole = ("r1", "r2", "r3", "r4", "r5.partial")
    parts = {**dict.fromkeys(whole, ("report.json", "hosts.jsonl")), "r6": ("report.json",), "r7": ("hosts.jsonl",)}
    for name, files in {**parts, "plans": ()}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text("{}")
    (tmp_path / "latest").symlink_to("r3")
    (tmp_path / "gone").symlink_to("nosuch")
    (tmp_path / "r8").touch()
    return tmp_path


def test_the_reports_of_a_directory_are_those_with_a_report(reports: Path) -> None:
    assert runs(reports) == ["r1", "r2", "r3", "r4", "r6"]
    assert newest_runs(reports) == "the newest are r3, r4, r6"
    assert (runs(reports / "nosuch"), newest_runs(reports / "plans")) == ([], "there is none yet")


def test_a_report_is_found_by_its_name_or_its_place(reports: Path) -> None:
    assert [find_run(reports).name, find_run(reports, "r1").name] == ["r3", "r1"]
    assert find_run(reports / "nosuch", str(reports / "r2")) == reports / "r2"


@pytest.mark.parametrize("name", ["nosuch", "gone", "r5.partial", "r6", "r7", "r8", "plans"])
def test_what_is_no_complete_report_is_said_with_what_there_is(reports: Path, name: str) -> None:
    with pytest.raises(NoSuchRun) as wrong:
        find_run(reports, name)
    assert str(wrong.value) == f"no complete report {name} in {reports}; the newest are r3, r4, r6"
    with pytest.raises(NoSuchRun) as wrong:
        find_run(reports, f"{reports}/{name}")
    assert str(wrong.value) == f"{reports}/{name} is no complete report, which has report.json and hosts.jsonl"
    with pytest.raises(NoSuchRun):
        find_run(reports / "r1", name)  # that is a report, and no directory of them


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "report.json:1 is no JSON: "),
        ("[]", "report.json:1 is no JSON object"),
        ("{}", "report.json is no fleet report"),
        ('{"run": []}', "report.json is no fleet report"),
    ],
)
def test_a_report_that_is_none_is_named(reports: Path, text: str, said: str) -> None:
    (reports / "r1/report.json").write_text(text)
    with pytest.raises(UnreadableReport) as wrong:
        read_report(reports / "r1")
    assert str(wrong.value).startswith(f"{reports}/r1/{said}")


GOOD = '{"host": "web01", "rules": [{"rule": "apps/x"}]}\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "hosts.jsonl:2 is no JSON: "),
        ("5", "hosts.jsonl:2 is no JSON object"),
        ("{}", "hosts.jsonl:2 is no host record"),
        ('{"host": 5, "rules": []}', "hosts.jsonl:2 is no host record"),
        ('{"host": "a", "rules": {}}', "hosts.jsonl:2 is no host record"),
        ("[" * 100_000, "hosts.jsonl:2 is no JSON: "),
    ],
)
def test_a_record_that_is_none_is_named_with_its_line(reports: Path, line: str, said: str) -> None:
    (reports / "r1/hosts.jsonl").write_text(f"{GOOD}{line}\n{GOOD}")
    records = read_records(reports / "r1")
    assert next(records)["host"] == "web01"
    with pytest.raises(UnreadableReport) as wrong:
        next(records)
    assert str(wrong.value).startswith(f"{reports}/r1/{said}")


def test_equal_rules_of_records_are_one(reports: Path) -> None:
    (reports / "r1/hosts.jsonl").write_text(GOOD + GOOD.replace("web01", "web02"))
    (reports / "r1/report.json").write_text('{"run": {"id": "r1"}}')
    one, other = sharing(read_records(reports / "r1"))
    assert (one["host"], other["host"], one["rules"]) == ("web01", "web02", [{"rule": "apps/x"}])
    assert one["rules"][0] is other["rules"][0]
    assert read_report(reports / "r1")["run"] == {"id": "r1"}
