"""Which journals are of runs that are over: by the kernel's own locks, and by what their first line says."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.storage import journal
from proscribe.controller.report.storage.journal import Journal, here, left

NAME = "r1.partial"
OF_ITS_TASKS = ("given", "packed", "selected", "task", "play")
FIRST: dict[str, Any] = {
    "empty": "", "half": '[{"id": "r1"}, {', "no JSON": "nonsense\n", "nested without end": "[" * 100_000 + "\n",
    "no list": '{"id": "r1"}\n', "one part": [{"id": "r1"}], "three parts": [{"id": "r1"}, {}, {}],
    "another form": [{"id": "r1"}, []],
}  # fmt: skip
HERE = {"kernel": "k", "machine": "m"}


def write_journal(reports: Path, first: Any = None, more: str = "", name: str = NAME) -> Path:
    """Write a run's directory with a journal."""
    place = reports / name
    place.mkdir()
    if first is None:
        first = [{"id": name}, {**here(), "locked": True}]
    text = first if isinstance(first, str) else json.dumps(first) + "\n"
    (place / journal.FILE).write_text(text + more)
    return place


def ids_of_ended_runs(reports: Path) -> list[Any]:
    return [item.run["id"] for item in left(reports)]


def test_journal_is_read_up_to_its_last_whole_line(tmp_path):
    place = tmp_path / NAME
    place.mkdir()
    writer = Journal(place, {"id": "r1", "mode": "audit", **dict.fromkeys(OF_ITS_TASKS, "x")})
    writer.note("answered", "web01", {"a": 1})
    assert ids_of_ended_runs(tmp_path) == [], "while it runs"
    writer.note("began", "web01")
    writer.close()
    writer.note("began", "web02")
    with (place / journal.FILE).open("a") as stream:
        stream.write('["half')
    assert place.joinpath(journal.FILE).stat().st_mode & 0o777 == 0o640
    for item in left(tmp_path):
        assert item.run == {"id": "r1", "mode": "audit"} and item.directory == place
        assert list(item.events()) == [["answered", "web01", {"a": 1}], ["began", "web01"]]
        assert item.ended == place.joinpath(journal.FILE).stat().st_mtime
        assert ids_of_ended_runs(tmp_path) == [], "it is held by who looks at it"
    assert ids_of_ended_runs(tmp_path) == ["r1"]
    with pytest.raises(FileExistsError):
        Journal(place, {})


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_change_is_on_the_disk_after_an_interval(tmp_path, monkeypatch, mode):
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append("whole"))
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.append("data"))
    monkeypatch.setattr(journal, "sync", lambda place: synced.append(place.name))
    (tmp_path / NAME).mkdir()
    item = Journal(tmp_path / NAME, {"mode": mode})
    assert synced == (["whole", NAME, tmp_path.name] if mode == "enforce" else [])
    synced.clear()
    item.note("changed", "web01")
    assert synced == [], "not each time"
    monkeypatch.setattr(journal, "EVERY", 0.0)
    for event, on_disk in (("answered", 0), ("began", 0), ("changed", 1), ("decided", 1), ("stopped", 1)):
        item.note(event, "web01")
        assert synced == ["data"] * on_disk, event
        synced.clear()
    monkeypatch.setattr(journal, "EVERY", 1e9)
    item.note("stopped", "x")
    assert synced == []
    item.close()


@pytest.mark.parametrize("first", FIRST)
def test_a_journal_that_says_no_run_is_of_none(tmp_path, first):
    write_journal(tmp_path, FIRST[first])
    write_journal(tmp_path, name="r2.partial")
    assert ids_of_ended_runs(tmp_path) == ["r2.partial"]


def test_a_first_line_without_end_is_not_read(tmp_path, monkeypatch):
    length = len((write_journal(tmp_path) / journal.FILE).read_text())
    for most, ids in ((length - 1, [NAME]), (length - 2, [])):  # the end of the line is not counted
        monkeypatch.setattr(journal, "MOST_RUN", most)
        assert ids_of_ended_runs(tmp_path) == ids


@pytest.mark.parametrize(("place", "old", "is_over"), [
    pytest.param({**HERE, "locked": True}, False, True, id="here"),
    pytest.param({**HERE, "locked": False}, False, False, id="here, where nothing can be locked"),
    pytest.param({**HERE, "locked": False}, True, True, id="the same, long silent"),
    pytest.param({**HERE, "locked": "yes"}, False, False, id="here, and nothing of ours"),
    pytest.param({**HERE, "kernel": "x", "locked": False}, False, True, id="before this machine started"),
    pytest.param({"kernel": "x", "machine": "y", "locked": True}, False, False, id="a lock that may not reach here"),
    pytest.param({"kernel": "x", "machine": "y"}, True, True, id="another machine, long silent"),
    pytest.param({}, False, False, id="nobody knows"),
])  # fmt: skip
def test_a_run_that_nobody_holds_is_over_by_its_machine_and_its_silence(tmp_path, monkeypatch, place, old, is_over):
    monkeypatch.setattr(journal, "here", lambda: HERE)
    path = write_journal(tmp_path, [{"id": NAME}, place]) / journal.FILE
    age = time.time() - (2 * journal.SILENT if old else 60)
    os.utime(path, (age, age))
    assert ids_of_ended_runs(tmp_path) == ([NAME] if is_over else [])


def test_the_oldest_run_comes_first_and_a_complete_one_never(tmp_path):
    for name in ("r4.partial", "r2.partial", "r9.partial", "r1.partial", "r3"):
        write_journal(tmp_path, name=name)
    assert ids_of_ended_runs(tmp_path) == ["r1.partial", "r2.partial", "r4.partial", "r9.partial"]


def test_long_lines_are_read_and_bytes_that_are_no_text_are_replaced(tmp_path):
    long = "x" * 4096
    path = write_journal(tmp_path, [{"id": NAME, "said": long}, {**here(), "locked": True}]) / journal.FILE
    path.write_bytes(path.read_bytes() + json.dumps(["answered", long]).encode() + b'\n["failed","caf\xe9"]\n')
    (events,) = [list(item.events()) for item in left(tmp_path)]
    assert events == [["answered", long], ["failed", "caf\N{REPLACEMENT CHARACTER}"]]


def test_a_machine_without_an_id_is_no_other_one(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "MACHINE", tmp_path / "none")
    assert here()["machine"] == ""
    write_journal(tmp_path, [{"id": NAME}, {"kernel": "x", "machine": ""}])
    assert ids_of_ended_runs(tmp_path) == []
    monkeypatch.setattr(journal, "KERNEL", tmp_path / "none")
    assert here()["kernel"] == os.uname().nodename


def test_running_run_holds_its_journal_and_other_files_are_ignored(tmp_path):
    place = write_journal(tmp_path)
    with (place / journal.FILE).open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert ids_of_ended_runs(tmp_path) == []
    (tmp_path / "r2.partial").mkdir()
    (tmp_path / "r3.partial").symlink_to(place)
    (tmp_path / "r4").mkdir()
    assert ids_of_ended_runs(tmp_path) == [NAME] and ids_of_ended_runs(tmp_path / "none") == []


@pytest.mark.parametrize("another", [False, True])
def test_journal_replaced_meanwhile_is_of_no_run(tmp_path, monkeypatch, another):
    path = write_journal(tmp_path) / journal.FILE

    def close(*_: int) -> None:
        path.rename(path.with_suffix(".old"))
        if another:
            path.write_text(path.with_suffix(".old").read_text())

    monkeypatch.setattr(journal.fcntl, "flock", close)
    assert ids_of_ended_runs(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "free"), [(BlockingIOError(), False), (OSError("this directory knows no locks"), True)]
)
def test_a_directory_without_locks(tmp_path, monkeypatch, error, free):
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(journal.fcntl, "flock", refuse)
    monkeypatch.setattr(journal, "locked", refuse)
    assert journal._free(0) is free and journal._lock(0, 0) is False
