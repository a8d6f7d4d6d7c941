"""The journal of a host: what was written is read, whatever else is in the file, and whoever writes beside."""

from __future__ import annotations

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
from proscribe.host.system import ControlError, Host, Unseen, locking
from proscribe.host.watch.state import journal

AT = "2026-11-27T03:00:00Z"
DRIFT = {"event": "drift", "rules": ["apps/wechat"], "users": ["mara"], "cause": "package wechat"}


@pytest.fixture
def made(tmp_path: Path) -> Host:
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


def here(host: Host, name: str = journal.JOURNAL) -> Path:
    return Path(host.root + name)


def without_time(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "at"} for line in lines]


class TestWriting:
    def test_what_is_written_is_read_the_newest_last(self, made: Host) -> None:
        journal.append(made, "drift", rules=["apps/wechat"], users=["mara"], cause="package wechat")
        journal.append(made, "thawed")
        lines, left_out = journal.read(made)
        assert without_time(lines) == [DRIFT, {"event": "thawed"}]
        assert left_out == 0

    def test_it_is_roots_alone_whatever_the_umask(self, made: Host) -> None:
        before = os.umask(0)
        try:
            journal.append(made, "thawed")
        finally:
            os.umask(before)
        assert stat.S_IMODE(here(made).stat().st_mode) == 0o600

    def test_an_event_that_there_is_not_is_an_error_of_the_code(self, made: Host) -> None:
        with pytest.raises(ValueError, match="no event"):
            journal.append(made, "danced")
        with pytest.raises(ValueError, match="no event"):
            journal.append(made, "thawed", rules=[])
        with pytest.raises(ValueError, match="no field"):
            journal.append(made, "clock", back=-1)

    def test_many_rules_become_several_lines_and_none_is_lost(self, made: Host) -> None:
        rules = [f"apps/{'x' * 60}{number}" for number in range(300)]
        journal.append(made, "drift", rules=rules, users=["\N{PILE OF POO}" * 100] * 99, cause="x")
        lines, left_out = journal.read(made)
        assert [rule for line in lines for rule in line["rules"]] == rules
        assert left_out == 0

    def test_texts_cannot_be_lines_of_their_own_nor_too_long(self, made: Host) -> None:
        journal.append(
            made, "failed", control="apps", message='x\n{"event": "thawed"}\x1b[2J' + "\N{PILE OF POO}" * 9999
        )
        (line,), left_out = journal.read(made)
        assert line["event"] == "failed"
        assert line["message"].isprintable()
        assert all(len(text) <= journal.LARGEST_LINE for text in here(made).read_bytes().splitlines(keepends=True))
        assert left_out == 0

    def test_a_line_that_a_kill_left_half_costs_itself_only(self, made: Host) -> None:
        journal.append(made, "thawed")
        with here(made).open("ab") as file:
            file.write(b'{"at": "2026-')
        journal.append(made, "renewed")
        lines, left_out = journal.read(made)
        assert [line["event"] for line in lines] == ["thawed", "renewed"]
        assert left_out == 1

    def test_a_full_disk_leaves_the_file_as_it_was(self, made: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        journal.append(made, "thawed")
        before = here(made).read_bytes()
        real = os.write

        def half(descriptor: int, data: bytes) -> int:
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
    def test_what_cannot_be_written_is_an_error(
        self, made: Host, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
    ) -> None:
        def fails(*_: object) -> bool:
            raise error

        monkeypatch.setattr(journal, "_written", fails)
        with pytest.raises(ControlError, match=f"^{said}"):
            journal.append(made, "thawed")

    def test_what_is_there_again_whenever_it_is_taken_away_is_an_error(
        self, made: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here(made).parent.mkdir()
        os.mkfifo(here(made))
        monkeypatch.setattr(journal, "_take_away", lambda *_: None)
        with pytest.raises(ControlError, match=f"^cannot write {journal.JOURNAL}: it is no file$"):
            journal.append(made, "thawed")

    def test_it_never_grows_without_bound(self, made: Host) -> None:
        here(made).parent.mkdir()
        here(made).write_bytes(b'{"at": "2026-11-27T03:00:00Z", "event": "thawed"}\n' * 10485)
        journal.append(made, "renewed")
        assert here(made).stat().st_size < 100
        assert here(made, journal.OLDER_JOURNAL).stat().st_size <= journal.LARGEST
        assert stat.S_IMODE(here(made, journal.OLDER_JOURNAL).stat().st_mode) == 0o600
        lines, _ = journal.read(made)
        assert (len(lines), lines[-1]["event"]) == (10486, "renewed")

    @pytest.mark.parametrize("what", ["link", "fifo", "dangling"])
    def test_what_is_no_file_is_replaced_and_never_followed(self, made: Host, what: str, tmp_path: Path) -> None:
        here(made).parent.mkdir()
        target = tmp_path / "target"
        if what != "dangling":
            target.write_text("mine")
        os.mkfifo(here(made)) if what == "fifo" else here(made).symlink_to(target)
        journal.append(made, "thawed")
        assert without_time(journal.read(made)[0]) == [{"event": "thawed"}]
        assert not target.exists() or target.read_text() == "mine"

    def test_an_empty_directory_in_its_place_is_replaced(self, made: Host) -> None:
        here(made).mkdir(parents=True)
        journal.append(made, "thawed")
        assert without_time(journal.read(made)[0]) == [{"event": "thawed"}]

    def test_a_directory_with_somebodys_files_is_moved_aside(self, made: Host) -> None:
        here(made).mkdir(parents=True)
        (here(made) / "theirs").write_text("x")
        journal.append(made, "thawed")
        assert without_time(journal.read(made)[0]) == [{"event": "thawed"}]
        assert [path.read_text() for path in here(made).parent.glob("journal.jsonl.*/theirs")] == ["x"]

    def test_of_two_files_one_that_cannot_be_read_costs_itself_only(self, made: Host) -> None:
        journal.append(made, "thawed")
        older = here(made, journal.OLDER_JOURNAL)
        older.unlink(missing_ok=True)
        older.mkdir()
        lines, left_out = journal.read(made)
        assert (without_time(lines), left_out) == ([{"event": "thawed"}], 1)
        here(made).write_bytes(b"x\n" * (journal.LARGEST // 2))
        journal.append(made, "thawed")  # the file is full, and becomes the older one
        assert without_time(journal.read(made)[0]) == [{"event": "thawed"}] and older.is_file()

    def test_a_lock_that_is_held_is_not_waited_for_without_end(
        self, made: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(locking, "PATIENCE", 0.05)
        journal.append(made, "thawed")
        with here(made).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(ControlError, match="another process"):
                journal.append(made, "renewed")

    def test_processes_that_write_at_once_lose_nothing(self, made: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journal, "LARGEST", 4096)  # so that the file turns over several times meanwhile
        monkeypatch.setattr(locking, "PATIENCE", 60.0)
        children = []
        for child in range(4):
            pid = os.fork()
            if not pid:
                for number in range(12):
                    journal.append(made, "plan", plan=f"{child}-{number}-{'x' * 50}")
                os._exit(0)
            children.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
        monkeypatch.setattr(journal, "LARGEST", 1 << 20)
        lines, left_out = journal.read(made)
        assert left_out == 0
        assert len(lines) >= 28  # two files of 4096 bytes hold that much
        newest: dict[str, int] = {}
        for line in lines:  # of each child in its order, none twice
            child_name, number_text, _ = line["plan"].split("-")
            assert int(number_text) > newest.get(child_name, -1)
            newest[child_name] = int(number_text)


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


class TestReading:
    def test_a_host_without_one(self, made: Host) -> None:
        assert journal.read(made) == ([], 0)

    @examples(150, HealthCheck.function_scoped_fixture)
    @given(st.lists(BROKEN | st.just(json.dumps({"at": AT, **DRIFT}).encode()), max_size=8))
    def test_what_is_no_line_is_counted_and_the_rest_is_read(self, made: Host, parts: list[bytes]) -> None:
        here(made).parent.mkdir(exist_ok=True)
        here(made).write_bytes(b"\n".join(parts))
        lines, left_out = journal.read(made)
        texts = [part for part in b"\n".join(parts).split(b"\n") if part]
        good = sum(text == json.dumps({"at": AT, **DRIFT}).encode() for text in texts)
        assert len(lines) + left_out == len(texts)
        assert sum(line == {"at": AT, **DRIFT} for line in lines) == good
        for line in lines:
            assert line.keys() == {"at", "event", *journal.EVENTS[line["event"]]}

    @pytest.mark.parametrize(
        "line",
        [
            {"at": "2026-02-30T03:00:00Z", "event": "thawed"},
            {"at": "yesterday", "event": "thawed"},
            {"at": AT, "event": "thawed "},
            {"at": AT, "event": ["thawed"]},
            {"at": AT, "event": "clock", "back": True},
            {"at": AT, "event": "clock", "back": 1.5},
            {"at": AT, "event": "clock", "back": 1 << 60},
            {"at": AT, "event": "drift", "rules": "apps/wechat", "users": [], "cause": ""},
            {"at": AT, "event": "drift", "rules": ["apps/\x1b[2J"], "users": [], "cause": ""},
            {"at": AT, "event": "drift", "rules": ["x"] * 21, "users": [], "cause": ""},
            {"at": AT, "event": "plan", "plan": "x" * 301},
        ],
    )
    def test_a_line_of_another_form_is_none(self, line: dict[str, Any]) -> None:
        assert journal.parsed(json.dumps(line).encode()) is None

    def test_keys_that_nobody_knows_are_not_let_through(self) -> None:
        assert journal.parsed(json.dumps({"at": AT, "event": "thawed", "more": 1}).encode()) == {
            "at": AT,
            "event": "thawed",
        }

    def test_of_a_file_that_somebody_let_grow_the_end_is_read(self, made: Host) -> None:
        here(made).parent.mkdir()
        line = json.dumps({"at": AT, **DRIFT}).encode() + b"\n"
        here(made).write_bytes(
            line * (2 * journal.LARGEST // len(line)) + json.dumps({"at": AT, "event": "thawed"}).encode()
        )
        lines, left_out = journal.read(made)
        assert lines[-1]["event"] == "thawed"
        assert len(lines) <= journal.LARGEST // len(line) + 1
        assert left_out == 0
