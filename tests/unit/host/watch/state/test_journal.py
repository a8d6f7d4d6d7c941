"""The journal of a host: what was written is read, whatever else is in the file, and whoever writes beside."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from properties import examples
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.host.watch.state import journal

AT = "2026-11-27T03:00:00Z"
DRIFT = {"event": "drift", "rules": ["apps/wechat"], "users": ["mara"], "cause": "package wechat"}


@pytest.fixture
def made(tmp_path):
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


def here(host: Host, name: str = journal.JOURNAL) -> Path:
    return Path(host.root + name)


def without_time(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "at"} for line in lines]


def test_an_event_that_there_is_not_is_an_error_of_the_code(made):
    with pytest.raises(ValueError, match="no event"):
        journal.append(made, "danced")
    with pytest.raises(ValueError, match="no event"):
        journal.append(made, "thawed", rules=[])
    with pytest.raises(ValueError, match="no field"):
        journal.append(made, "clock", back=-1)


def test_many_rules_become_several_lines_and_none_is_lost(made):
    rules = [f"apps/{'x' * 60}{number}" for number in range(300)]
    journal.append(made, "drift", rules=rules, users=["\N{PILE OF POO}" * 100] * 99, cause="x")
    lines, left_out = journal.read(made)
    assert [rule for line in lines for rule in line["rules"]] == rules
    assert left_out == 0


def test_a_line_that_a_kill_left_half_costs_itself_only(made):
    journal.append(made, "thawed")
    with here(made).open("ab") as file:
        file.write(b'{"at": "2026-')
    journal.append(made, "renewed")
    lines, left_out = journal.read(made)
    assert [line["event"] for line in lines] == ["thawed", "renewed"]
    assert left_out == 1


def test_a_full_disk_leaves_the_file_as_it_was(made, monkeypatch):
    journal.append(made, "thawed")
    before = here(made).read_bytes()
    real = os.write

    def half(descriptor, data):
        return real(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(journal.os, "write", half)
    with pytest.raises(ControlError, match="full"):
        journal.append(made, "renewed")
    assert here(made).read_bytes() == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EIO, "Input/output error"), f"cannot write {journal.JOURNAL}: Input/output error"),
        (Unseen("/var/lib is a link that uid 1000 made: not followed"), "/var/lib is a link that uid 1000 made"),
    ],
    ids=["a broken disk", "a link on the way"],
)
def test_what_cannot_be_written_is_an_error(made, monkeypatch, error, said):
    def fails(*_):
        raise error

    monkeypatch.setattr(journal, "_written", fails)
    with pytest.raises(ControlError, match=f"^{said}"):
        journal.append(made, "thawed")


def test_what_is_there_again_whenever_it_is_taken_away_is_an_error(made, monkeypatch):
    here(made).parent.mkdir()
    os.mkfifo(here(made))
    monkeypatch.setattr(journal, "_take_away", lambda *_: None)
    with pytest.raises(ControlError, match=f"^cannot write {journal.JOURNAL}: it is no file$"):
        journal.append(made, "thawed")


def test_it_never_grows_without_bound(made):
    here(made).parent.mkdir()
    here(made).write_bytes(b'{"at": "2026-11-27T03:00:00Z", "event": "thawed"}\n' * 10485)
    journal.append(made, "renewed")
    assert here(made).stat().st_size < 100
    assert here(made, journal.OLDER_JOURNAL).stat().st_size <= journal.LARGEST
    assert stat.S_IMODE(here(made, journal.OLDER_JOURNAL).stat().st_mode) == 0o600
    lines, _ = journal.read(made)
    assert (len(lines), lines[-1]["event"]) == (10486, "renewed")


def test_an_empty_directory_in_its_place_is_replaced(made):
    here(made).mkdir(parents=True)
    journal.append(made, "thawed")
    assert without_time(journal.read(made)[0]) == [{"event": "thawed"}]


def test_a_directory_with_somebodys_files_is_moved_aside(made):
    here(made).mkdir(parents=True)
    (here(made) / "theirs").write_text("x")
    journal.append(made, "thawed")
    assert without_time(journal.read(made)[0]) == [{"event": "thawed"}]
    assert [path.read_text() for path in here(made).parent.glob("journal.jsonl.*/theirs")] == ["x"]


def test_of_two_files_one_that_cannot_be_read_costs_itself_only(made):
    journal.append(made, "thawed")
    older = here(made, journal.OLDER_JOURNAL)
    older.unlink(missing_ok=True)
    older.mkdir()
    lines, left_out = journal.read(made)
    assert (without_time(lines), left_out) == ([{"event": "thawed"}], 1)
    here(made).write_bytes(b"x\n" * (journal.LARGEST // 2))
    journal.append(made, "thawed")  # the file is full, and becomes the older one
    assert without_time(journal.read(made)[0]) == [{"event": "thawed"}] and older.is_file()


BROKEN = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda count: b"[" * count, st.integers(1, 6000)),
    st.builds(lambda count: b'{"a":' + b"9" * count + b"}", st.integers(1, 6000)),
    st.builds(
        lambda value: json.dumps(value).encode(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=10),
            lambda part: (
                st.lists(part, max_size=3)
                | st.dictionaries(st.sampled_from(["at", "event", "rules", "users", "back"]), part, max_size=5)
            ),
            max_leaves=8,
        ),
    ),
)


@examples(150, HealthCheck.function_scoped_fixture)
@given(st.lists(BROKEN | st.just(json.dumps({"at": AT, **DRIFT}).encode()), max_size=8))
def test_what_is_no_line_is_counted_and_the_rest_is_read(made, parts):
    here(made).parent.mkdir(exist_ok=True)
    here(made).write_bytes(b"\n".join(parts))
    lines, left_out = journal.read(made)
    texts = [part for part in b"\n".join(parts).split(b"\n") if part]
    good = sum(text == json.dumps({"at": AT, **DRIFT}).encode() for text in texts)
    assert len(lines) + left_out == len(texts)
    assert sum(line == {"at": AT, **DRIFT} for line in lines) == good
    for line in lines:
        assert line.keys() == {"at", "event", *journal.EVENTS[line["event"]]}


AT = "2026-11-27T03:00:00Z"
EXAMPLES: dict[str, dict[str, Any]] = {
    "drift": {"rules": ["apps/x"], "users": ["ann"], "cause": "package x"},
    "corrected": {"rules": ["apps/x", "dns/x"]},
    "failed": {"control": "apps", "message": "no room"},
    "ended": {"rule": "apps/x", "program": "x", "user": "ann", "times": 3},
    "frozen": {"until": AT, "reason": "works", "by": "ann"},
    "thawed": {},
    "stale": {"renewed": AT},
    "renewed": {},
    "clock": {"back": 70},
    "plan": {"plan": "sha256:1"},
    "hours": {"opened": ["apps/x"], "closed": []},
    "damaged": {"file": "/x"},
    "notified": {"user": "ann", "waiver": "W-1", "about": "ends"},
}
WRONG: dict[type, tuple[Any, ...]] = {
    str: (None, 5, "x" * 301, "a\nb", ["x"]),
    list: (None, "x", [5], ["x" * 101], ["a\nb"], ["x"] * 21),
    int: (None, "1", -1, (1 << 53) + 1, 1.0),
}


@pytest.fixture
def made(tmp_path):
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


def text(event: str, **fields: Any) -> bytes:
    return json.dumps({"at": AT, "event": event, **fields}).encode()


@pytest.mark.parametrize("event", journal.EVENTS)
def test_each_event_is_read_as_it_was_written_and_never_in_part(made, event):
    fields = EXAMPLES[event]
    journal.write_down(made, event, fields, AT)
    assert journal.read(made) == ([{"at": AT, "event": event, **fields}], 0)
    for name, value in fields.items():
        assert journal.parsed(text(event, **{key: fields[key] for key in fields if key != name})) is None
        moment = journal.EVENTS[event][name] == journal.WHEN
        for wrong in ("soon", None) if moment else WRONG[type(value)]:
            assert journal.parsed(text(event, **{**fields, name: wrong})) is None, (name, wrong)
        with pytest.raises(ValueError):
            journal.write_down(made, event, {key: fields[key] for key in fields if key != name}, AT)


def lines(host: Host, number: int) -> Path:
    for _ in range(number):
        journal.append(host, "thawed")
    return Path(host.root + journal.JOURNAL)


def test_what_grows_has_lost_nothing(made):
    assert journal.extent(made) == [] and not journal.has_lost_lines(made, [], AT)
    place = lines(made, 2)
    before = journal.extent(made)
    assert before == [place.stat().st_ino, place.stat().st_size]
    assert not journal.has_lost_lines(made, before, AT)
    lines(made, 1)
    assert not journal.has_lost_lines(made, before, AT)


def test_what_is_shorter_or_gone_has(made):
    place = lines(made, 2)
    before = journal.extent(made)
    os.truncate(place, before[1] - 1)
    assert journal.has_lost_lines(made, before, AT)
    place.unlink()
    assert journal.has_lost_lines(made, before, AT)


@pytest.mark.parametrize("error", [ControlError("no"), Unseen("no")])
def test_where_nobody_can_see_nobody_knows(made, monkeypatch, error):
    def refuse(*_):
        raise error

    lines(made, 1)
    before = journal.extent(made)
    monkeypatch.setattr(made, "stat", refuse)
    assert journal.extent(made) == [] and not journal.has_lost_lines(made, before, AT)
