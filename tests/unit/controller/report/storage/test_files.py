"""The report on disk: partial until it is complete, `latest` only ever on a complete one."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from proscribe.controller.report.storage.files import ReportDirectory, opened, rewrite

RECORD = {"host": "web01", "state": "compliant"}
REPORT = {"schema": "proscribe/report/1"}


def finished(reports, name):
    return ReportDirectory(reports / f"{name}.partial").finish([RECORD], REPORT, ["<!doctype html>"])


def test_a_page_that_cannot_be_made_leaves_no_complete_report(tmp_path):
    def page():
        yield "<!doctype html>"
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError):
        ReportDirectory(tmp_path / "r1.partial").finish([RECORD], REPORT, page())
    assert [path.name for path in tmp_path.iterdir()] == ["r1.partial"]
    assert not (tmp_path / "r1.partial" / "report.html").exists()


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
