"""The report on disk: partial until it is complete, `latest` only ever on a complete one."""

from __future__ import annotations

import json
import os
import stat

import pytest
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.storage.journal import Journal

RECORD = {"host": "web01", "state": "compliant"}
REPORT = {"schema": "proscribe/report/1"}


def modes(directory):
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in [directory, *directory.iterdir()]}


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def finished(reports, name):
    return ReportDirectory(reports / f"{name}.partial").finish([RECORD], REPORT, ["<!doctype html>"])


def test_a_complete_report(tmp_path, umask):
    made = ReportDirectory(tmp_path / "reports" / "r1.partial")
    Journal(made.partial, {"id": "r1"}).note("answered", "web01", {**RECORD, "state": "noncompliant"})
    complete = made.finish([RECORD], REPORT, ["<!doctype html>\n", "<p>"], {"unknown.txt": ["a", "b"]})
    assert complete == tmp_path / "reports" / "r1"
    assert not made.partial.exists()
    assert json.loads((complete / "report.json").read_text()) == REPORT
    assert (complete / "hosts.jsonl").read_text() == '{"host":"web01","state":"compliant"}\n'
    assert (complete / "report.html").read_text() == "<!doctype html>\n<p>"
    assert (complete / "unknown.txt").read_text() == "a\nb\n"
    names = ("hosts.jsonl", "report.html", "report.json", "unknown.txt")
    assert modes(complete) == {"r1": "0o750", **dict.fromkeys(names, "0o640")}


def test_latest_points_to_the_last_complete_report_by_a_relative_link(tmp_path):
    finished(tmp_path, "r1")
    assert os.readlink(tmp_path / "latest") == "r1"
    finished(tmp_path, "r2")
    assert os.readlink(tmp_path / "latest") == "r2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "newest", "r1", "r2"]


def test_a_killed_run_leaves_what_had_come_and_latest_as_it_was(tmp_path):
    finished(tmp_path, "r1")
    killed = Journal(ReportDirectory(tmp_path / "r2.partial").partial, {"id": "r2"})
    killed.note("answered", "web01", RECORD)  # and nothing more
    assert (tmp_path / "r2.partial" / "journal.jsonl").read_text().endswith(',{"host":"web01","state":"compliant"}]\n')
    assert os.readlink(tmp_path / "latest") == "r1"
    assert not (tmp_path / "r2").exists()
    killed.close()


def test_a_page_that_cannot_be_made_leaves_no_complete_report(tmp_path):
    def page():
        yield "<!doctype html>"
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError):
        ReportDirectory(tmp_path / "r1.partial").finish([RECORD], REPORT, page())
    assert [path.name for path in tmp_path.iterdir()] == ["r1.partial"]
    assert not (tmp_path / "r1.partial" / "report.html").exists()


def test_two_runs_never_share_a_directory(tmp_path):
    ReportDirectory(tmp_path / "r1.partial")
    with pytest.raises(FileExistsError):
        ReportDirectory(tmp_path / "r1.partial")


def test_a_directory_in_the_place_of_latest_is_left_alone(tmp_path):
    (tmp_path / "latest").mkdir()
    with pytest.raises(OSError, match="latest"):
        finished(tmp_path, "r1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "newest", "r1"]


def test_the_name_says_that_it_is_in_the_making(tmp_path):
    with pytest.raises(ValueError, match=r"\.partial"):
        ReportDirectory(tmp_path / "r1")
