"""The report on disk: partial until it is complete, `latest` only ever on a complete one."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from proscribe.controller.report.storage.files import ReportDirectory, opened, rewrite, whole
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
    before = os.umask(0)
    os.umask(before)
    made = ReportDirectory(tmp_path / "a" / "reports" / "r1.partial")
    assert stat.S_IMODE((tmp_path / "a" / "reports").stat().st_mode) == 0o750 & ~before
    Journal(made.partial, {"id": "r1"}).note("answered", "web01", {**RECORD, "state": "noncompliant"})
    complete = made.finish([RECORD], REPORT, ["<!doctype html>\n", "<p>"], {"unknown.txt": ["a", "b"]})
    assert complete == tmp_path / "a" / "reports" / "r1"
    assert not made.partial.exists()
    assert (complete / "report.json").read_text() == '{\n  "schema": "proscribe/report/1"\n}\n'
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


def test_each_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    made = ReportDirectory(tmp_path / "r1.partial")
    synced = []

    def fsync(descriptor):
        found = os.fstat(descriptor)
        assert stat.S_ISDIR(found.st_mode) or found.st_size, "what is written is not in the file yet"
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}").removeprefix(str(tmp_path)))

    monkeypatch.setattr(os, "fsync", fsync)
    made.finish([RECORD], REPORT, ["<!doctype html>"], {"unknown.txt": ["a"]})
    files = [f"/r1.partial/.{name}~" for name in ("unknown.txt", "hosts.jsonl", "report.json", "report.html")]
    assert synced == [*files, "/r1.partial", "", ""]  # the links are in the directory of all


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        pytest.param({}, {"latest": "r2", "newest": "r2"}, id="none yet"),
        pytest.param(dict.fromkeys(("latest", "newest"), "r1"), {"latest": "r2", "newest": "r2"}, id="older"),
        pytest.param({"latest": "r1", "newest": "r3"}, {"latest": "r2", "newest": "r3"}, id="one is newer"),
    ],
)
def test_a_run_that_is_closed_late_takes_the_place_of_older_ones_only(tmp_path, links, expected):
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    ReportDirectory(tmp_path / "r2.partial")
    ReportDirectory(tmp_path / "r2.partial", left=True).finish([RECORD], REPORT, [])
    assert {name: os.readlink(tmp_path / name) for name in ("latest", "newest")} == expected


def test_a_run_over_a_part_is_the_newest_and_not_the_latest_and_its_exports_are_beside(tmp_path):
    (tmp_path / f".newest.{os.getpid()}").symlink_to("of a run that was killed")
    made = ReportDirectory(tmp_path / "r1.partial")
    exported = []
    made.finish([RECORD], REPORT, [], exports=exported.append, latest=False)
    assert exported == [tmp_path / "r1.partial"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newest", "r1"]


def test_a_page_and_lists_are_replaced_whole(tmp_path):
    complete = finished(tmp_path, "r1")
    rewrite(complete, ["<p>", "new"], {"unknown.txt": ["a", "b"]})
    assert {path.name: path.read_text() for path in complete.iterdir() if path.suffix != ".json"} == {
        "hosts.jsonl": '{"host":"web01","state":"compliant"}\n',
        "report.html": "<p>new",
        "unknown.txt": "a\nb\n",
    }


def test_a_file_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "x"
    for text in ("before", "after"):
        (tmp_path / ".x~").write_text("of a run that was killed")
        with whole(path, 0o600) as stream:
            stream.write(text)
        assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (text, 0o600)
    with pytest.raises(ZeroDivisionError), whole(path) as stream:
        stream.write(str(1 / 0))
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("x", "after")]


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda path: os.symlink("/etc/hostname", path), errno.ELOOP),
        (lambda path: os.mkfifo(path), errno.EINVAL),
        (lambda path: path.mkdir(), errno.EINVAL),
        (lambda path: None, errno.ENOENT),
    ],
)
def test_only_an_ordinary_file_is_opened(tmp_path, make, number):
    make(tmp_path / "x")
    with pytest.raises(OSError) as wrong:
        opened(tmp_path / "x")
    assert (wrong.value.errno, wrong.value.filename) == (number, str(tmp_path / "x"))
