"""Which journals are of runs that are over: by the kernel's own locks, and by what their first line says."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.storage import journal
from proscribe.controller.report.storage.journal import Journal, here, left

NAME = "r1.partial"


def made(reports: Path, first: Any = None, more: str = "", name: str = NAME) -> Path:
    """A run's directory with a journal."""
    place = reports / name
    place.mkdir()
    if first is None:
        first = [{"id": name}, {**here(), "locked": True}]
    text = first if isinstance(first, str) else json.dumps(first) + "\n"
    (place / journal.FILE).write_text(text + more)
    return place


def over(reports: Path) -> list[Any]:
    return [one.run["id"] for one in left(reports)]


def test_what_a_run_noted_is_read_up_to_what_was_not_written_whole(tmp_path: Path) -> None:
    place = tmp_path / NAME
    place.mkdir()
    writer = Journal(place, {"id": "r1", "mode": "audit", **dict.fromkeys(journal.OWN, "x")})
    writer.note("answered", "web01", {"a": 1})
    assert over(tmp_path) == [], "while it runs"
    writer.note("began", "web01")
    writer.close()
    writer.note("began", "web02")
    with (place / journal.FILE).open("a") as stream:
        stream.write('["half')
    assert place.joinpath(journal.FILE).stat().st_mode & 0o777 == journal.FILE_MODE
    for one in left(tmp_path):
        assert one.run == {"id": "r1", "mode": "audit"} and one.directory == place
        assert list(one.events()) == [["answered", "web01", {"a": 1}], ["began", "web01"]]
        assert one.ended == place.joinpath(journal.FILE).stat().st_mtime
        assert over(tmp_path) == [], "it is held by who looks at it"
    assert over(tmp_path) == ["r1"]


def test_a_second_run_does_not_write_into_the_first_ones_journal(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    Journal(tmp_path / NAME, {}).close()
    with pytest.raises(FileExistsError):
        Journal(tmp_path / NAME, {})


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_what_changed_is_on_the_disk_within_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append("whole"))
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.append("data"))
    monkeypatch.setattr(journal, "sync", lambda place: synced.append(place.name))
    (tmp_path / NAME).mkdir()
    one = Journal(tmp_path / NAME, {"mode": mode})
    assert synced == (["whole", NAME, tmp_path.name] if mode == "enforce" else [])
    synced.clear()
    one.note("changed", "web01")
    assert synced == [], "not each time"
    monkeypatch.setattr(journal, "EVERY", 0.0)
    one.note("answered", "web01")
    assert synced == []
    one.note("changed", "web01")
    assert synced == ["data"]
    monkeypatch.setattr(journal, "EVERY", 1e9)
    one.note("stopped", "x")
    assert synced == ["data"]
    one.close()


FIRST: dict[str, Any] = {
    "empty": "",
    "half": '[{"id": "r1"}, {',
    "no JSON": "nonsense\n",
    "nested without end": "[" * 100_000 + "\n",
    "no list": '{"id": "r1"}\n',
    "one part": [{"id": "r1"}],
    "three parts": [{"id": "r1"}, {}, {}],
    "another form": [{"id": "r1"}, []],
}


@pytest.mark.parametrize("first", FIRST)
def test_a_journal_that_says_no_run_is_of_none(tmp_path: Path, first: str) -> None:
    made(tmp_path, FIRST[first])
    made(tmp_path, name="r2.partial")
    assert over(tmp_path) == ["r2.partial"]


def test_a_first_line_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = made(tmp_path)
    length = len((place / journal.FILE).read_text())
    monkeypatch.setattr(journal, "MOST_RUN", length)
    assert over(tmp_path) == [NAME]
    monkeypatch.setattr(journal, "MOST_RUN", length - 2)
    assert over(tmp_path) == []


Said = Callable[[Mapping[str, str]], dict[str, Any]]


@pytest.mark.parametrize(
    ("said", "old", "is_over"),
    [
        pytest.param(lambda now: {**now, "locked": True}, False, True, id="here"),
        pytest.param(lambda now: {**now, "locked": False}, False, False, id="here, where nothing can be locked"),
        pytest.param(lambda now: {**now, "locked": False}, True, True, id="the same, long silent"),
        pytest.param(lambda now: {**now, "locked": "yes"}, False, False, id="here, and nothing of ours"),
        pytest.param(lambda now: {**now, "kernel": "x"}, False, True, id="before this machine started"),
        pytest.param(lambda now: {"kernel": "x", "machine": "y"}, False, False, id="another machine"),
        pytest.param(lambda now: {"kernel": "x", "machine": "y"}, True, True, id="another machine, long silent"),
        pytest.param(lambda now: {}, False, False, id="nobody knows"),
    ],
)
def test_a_run_that_nobody_holds_is_over_by_where_it_was(tmp_path: Path, said: Said, old: bool, is_over: bool) -> None:
    now = {"kernel": here()["kernel"], "machine": "this machine"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(journal, "here", lambda: now)
        path = made(tmp_path, [{"id": NAME}, said(now)]) / journal.FILE
        age = time.time() - (2 * journal.SILENT if old else 60)
        os.utime(path, (age, age))
        assert over(tmp_path) == ([NAME] if is_over else [])


def test_a_machine_without_an_id_is_no_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MACHINE", tmp_path / "none")
    assert here()["machine"] == ""
    made(tmp_path, [{"id": NAME}, {"kernel": "x", "machine": ""}])
    assert over(tmp_path) == []
    monkeypatch.setattr(journal, "KERNEL", tmp_path / "none")
    assert here()["kernel"] == os.uname().nodename


def test_who_runs_holds_its_journal_and_what_is_no_journal_is_left(tmp_path: Path) -> None:
    place = made(tmp_path)
    with (place / journal.FILE).open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert over(tmp_path) == []
    (tmp_path / "r2.partial").mkdir()
    (tmp_path / "r3.partial").symlink_to(place)
    (tmp_path / "r4").mkdir()
    assert over(tmp_path) == [NAME] and over(tmp_path / "none") == []


def test_a_journal_that_was_closed_meanwhile_is_of_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path) / journal.FILE
    with path.open() as stream:
        assert journal._is_still(path.parent, stream.fileno())
        path.rename(path.with_suffix(".old"))
        assert not journal._is_still(path.parent, stream.fileno())
        path.write_text("")
        assert not journal._is_still(path.parent, stream.fileno())


@pytest.mark.parametrize(
    ("error", "free"), [(BlockingIOError(), False), (OSError("this directory knows no locks"), True)]
)
def test_a_directory_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, free: bool) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(journal.fcntl, "flock", refuse)
    monkeypatch.setattr(journal, "locked", refuse)
    assert journal._free(0) is free and journal._lock(0, 0) is False
