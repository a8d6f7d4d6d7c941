"""The journal of a host: its lines are read whatever else is in the file, and whatever lies in its place."""

import errno
import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from properties import examples
from proscribe.base.timestamps import parse_timestamp
from proscribe.host.system import ControlError, Host, ObservationError, file_locks
from proscribe.host.watch.state import journal
from refusals import make_refusal

AT = "2026-11-27T03:00:00Z"
DRIFT = {"at": AT, "event": "drift", "rules": ["apps/wechat"], "users": ["mara"], "cause": "package wechat"}


@pytest.fixture
def host(tmp_path):
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


@pytest.fixture
def place(host):
    place = Path(host.root + journal.JOURNAL)
    place.parent.mkdir()
    return place


def read_events(host: Host) -> list[str]:
    return [line["event"] for line in journal.read_journal(host)[0]]


def test_unknown_event_or_field_is_an_error_of_the_code(host):
    for event, fields in (("danced", {}), ("thawed", {"rules": []}), ("clock", {"back": -1})):
        with pytest.raises(ValueError, match="no event|no field"):
            journal.append_event(host, event, **fields)


def test_many_rules_become_several_lines(host):
    rules = [f"apps/{'x' * 60}{number}" for number in range(300)]
    journal.append_event(host, "drift", rules=rules, users=["\N{PILE OF POO}" * 100] * 99, cause="x")
    lines, left_out = journal.read_journal(host)
    assert [rule for line in lines for rule in line["rules"]] == rules and left_out == 0


def test_half_a_line_of_a_killed_write_costs_no_other_line(host, place):
    journal.append_event(host, "thawed")
    with place.open("ab") as file:
        file.write(b'{"at": "2026-')
    journal.append_event(host, "renewed")
    assert (read_events(host), journal.read_journal(host)[1]) == (["thawed", "renewed"], 1)


def test_full_disk_leaves_the_file_as_it_was(host, place, monkeypatch):
    journal.append_event(host, "thawed")
    before, real = place.read_bytes(), os.write
    monkeypatch.setattr(journal.os, "write", lambda descriptor, data: real(descriptor, data[: len(data) // 2]))
    with pytest.raises(ControlError, match="full"):
        journal.append_event(host, "renewed")
    assert place.read_bytes() == before


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EIO, "Input/output error"), f"cannot write {journal.JOURNAL}: Input/output error"),
        (
            ObservationError("/var/lib is a link that uid 1000 made: not followed"),
            "/var/lib is a link that uid 1000 made",
        ),
    ],
)
def test_journal_that_cannot_be_written_is_an_error(host, monkeypatch, error, message):
    monkeypatch.setattr(journal, "_try_write", make_refusal(error))
    with pytest.raises(ControlError, match=f"^{message}"):
        journal.append_event(host, "thawed")


def test_full_journal_becomes_the_older_one(host, place):
    place.write_bytes(b'{"at": "2026-11-27T03:00:00Z", "event": "thawed"}\n' * 10485)
    journal.append_event(host, "renewed")
    older = Path(host.root + journal.OLDER_JOURNAL).stat()
    assert place.stat().st_size < 100 and older.st_size <= 512 * 1024 and stat.S_IMODE(older.st_mode) == 0o600
    events = read_events(host)
    assert (len(events), events[-1]) == (10486, "renewed")


def test_directory_in_place_of_the_journal_is_replaced_and_its_files_are_kept(host, place):
    place.mkdir()
    (place / "theirs").write_text("x")
    journal.append_event(host, "thawed")
    assert read_events(host) == ["thawed"] and [*place.parent.glob("journal.jsonl.*/theirs")]


def test_directory_in_place_of_the_older_journal_is_one_line_less(host, place):
    journal.append_event(host, "thawed")
    older = Path(host.root + journal.OLDER_JOURNAL)
    older.unlink(missing_ok=True)
    older.mkdir()
    assert (read_events(host), journal.read_journal(host)[1]) == (["thawed"], 1)
    place.write_bytes((b"x" * 1023 + b"\n") * (524_288 // 1024))
    journal.append_event(host, "thawed")  # the file is full, and becomes the older one
    assert read_events(host) == ["thawed"] and older.is_file()


ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(st.sampled_from(["at", "event", "rules", "users", "back"]), part, max_size=5)
    ),
    max_leaves=8,
)
BROKEN = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda count: b"[" * count, st.integers(1, 6000)),
    st.builds(lambda count: b'{"a":' + b"9" * count + b"}", st.integers(1, 6000)),
    st.builds(lambda value: json.dumps(value).encode(), ANY_VALUE),
)


@examples(150, HealthCheck.function_scoped_fixture)
@given(st.lists(BROKEN | st.just(json.dumps(DRIFT).encode()), max_size=8))
def test_broken_lines_are_counted_and_the_others_are_read(host, parts):
    place = Path(host.root + journal.JOURNAL)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"\n".join(parts))
    lines, left_out = journal.read_journal(host)
    texts = [part for part in b"\n".join(parts).split(b"\n") if part]
    good = sum(text == json.dumps(DRIFT).encode() for text in texts)
    assert len(lines) + left_out == len(texts) and sum(line == DRIFT for line in lines) == good
    for line in lines:
        assert line.keys() == {"at", "event", *journal.EVENTS[line["event"]]}


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


@pytest.mark.parametrize("event", EXAMPLES)
def test_event_is_read_as_it_was_written_and_never_in_part(host, event):
    assert journal.EVENTS.keys() == EXAMPLES.keys()
    fields = EXAMPLES[event]
    journal.write_down(host, event, fields, AT)
    assert journal.read_journal(host) == ([{"at": AT, "event": event, **fields}], 0)
    for name, value in fields.items():
        others = {key: fields[key] for key in fields if key != name}
        assert journal.parse_line(json.dumps({"at": AT, "event": event, **others}).encode()) is None
        for wrong in ("soon", None) if value == AT else WRONG[type(value)]:
            text = json.dumps({"at": AT, "event": event, **fields, name: wrong})
            assert journal.parse_line(text.encode()) is None, (name, wrong)
        with pytest.raises(ValueError):
            journal.write_down(host, event, others, AT)


def test_journal_has_lost_lines_where_it_is_shorter_or_gone(host, place):
    assert journal.measure_journal(host) == [] and not journal.has_lost_lines(host, [], AT)
    for _ in range(2):
        journal.append_event(host, "thawed")
    before = journal.measure_journal(host)
    assert before == [place.stat().st_ino, place.stat().st_size]
    assert not journal.has_lost_lines(host, before, AT)
    journal.append_event(host, "thawed")
    assert not journal.has_lost_lines(host, before, AT)
    os.truncate(place, before[1] - 1)
    assert journal.has_lost_lines(host, before, AT)
    place.unlink()
    assert journal.has_lost_lines(host, before, AT)


@pytest.mark.parametrize("error", [ControlError("no"), ObservationError("no")])
def test_journal_that_cannot_be_seen_has_lost_no_lines(host, monkeypatch, error):
    journal.append_event(host, "thawed")
    before = journal.measure_journal(host)
    monkeypatch.setattr(host, "find_entry", make_refusal(error))
    assert journal.measure_journal(host) == [] and not journal.has_lost_lines(host, before, AT)


@pytest.mark.parametrize("kind", ["link", "fifo", "dangling link"])
def test_link_or_pipe_in_place_of_the_journal_is_replaced_and_not_followed(host, place, tmp_path, kind):
    target, before = tmp_path / "target", os.umask(0)
    if kind == "link":
        target.write_text("mine")
    os.mkfifo(place) if kind == "fifo" else place.symlink_to(target)
    journal.append_event(host, "thawed")
    os.umask(before)
    assert read_events(host) == ["thawed"] and stat.S_IMODE(place.stat().st_mode) == 0o600
    assert target.read_text() == "mine" if kind == "link" else not target.exists()


def test_held_journal_is_not_waited_for_without_end(host, place, monkeypatch):
    monkeypatch.setattr(file_locks, "LOCK_TIMEOUT_SECONDS", 0.05)
    journal.append_event(host, "thawed")
    with place.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ControlError, match="another process"):
            journal.append_event(host, "renewed")


def test_concurrent_processes_lose_no_line(host, monkeypatch):
    monkeypatch.setattr(journal, "MAX_JOURNAL_BYTES", 4096)  # the file turns over several times meanwhile
    monkeypatch.setattr(file_locks, "LOCK_TIMEOUT_SECONDS", 60.0)
    children, newest = [], {}
    for child in range(4):
        if not (pid := os.fork()):
            for number in range(12):
                journal.append_event(host, "plan", plan=f"{child}-{number}-{'x' * 50}")
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    monkeypatch.setattr(journal, "MAX_JOURNAL_BYTES", 1 << 20)
    lines, left_out = journal.read_journal(host)
    assert left_out == 0 and len(lines) >= 28, "two files of 4096 bytes hold that many"
    for line in lines:  # of each child in its order, none twice
        child, number, _ = line["plan"].split("-")
        assert int(number) > newest.get(child, -1)
        newest[child] = int(number)


def test_text_of_a_user_is_no_line_of_its_own_and_is_cut(host, place):
    journal.append_event(
        host, "failed", control="apps", message='x\n{"event": "thawed"}\x1b[2J' + "\N{PILE OF POO}" * 9999
    )
    (line,), left_out = journal.read_journal(host)
    assert (line["event"], line["message"].isprintable(), left_out) == ("failed", True, 0)
    assert all(len(text) <= 4096 for text in place.read_bytes().splitlines(keepends=True))
    long = {"rules": ["r"] * 9, "users": ["\N{PILE OF POO}" * 100] * 4, "cause": "c" * 300}
    journal.write_down(host, "drift", long, AT)
    fields = journal.read_journal(host)[0][-1]
    assert (fields["rules"], len(fields["users"]), fields["cause"]) == (["r"] * 9, 2, "c" * 300)


@pytest.mark.parametrize(("changed", "lost"), [(-1, True), (0, False), (1, False)])
def test_journal_that_became_the_older_one_has_lost_no_lines(host, place, changed, lost):
    journal.append_event(host, "thawed")
    before, older = journal.measure_journal(host), place.rename(f"{host.root}{journal.OLDER_JOURNAL}")
    os.utime(older, (parse_timestamp(AT) + changed,) * 2)
    assert journal.has_lost_lines(host, before, AT) is lost


@pytest.mark.slow
def test_end_of_a_journal_that_somebody_let_grow_is_read(host, place):
    line = json.dumps(DRIFT).encode() + b"\n"
    place.write_bytes(line * (1 << 20) + json.dumps({"at": AT, "event": "thawed"}).encode())
    lines, left_out = journal.read_journal(host)
    assert (lines[-1]["event"], left_out) == ("thawed", 0) and len(lines) <= 512 * 1024 // len(line) + 1
