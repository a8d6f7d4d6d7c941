"""The commands of the watch's program, and the cache of its observations."""

import marshal
from binascii import crc32
from importlib._bootstrap_external import MAGIC_NUMBER
from pathlib import Path
from typing import Any

import pytest
from proscribe.host import host_operations, watch_commands
from proscribe.host.system import ControlError
from proscribe.host.watch import launches, own_observation
from proscribe.host.watch.state import journal, pause, watch_files
from refusals import make_refusal
from watch_host import ROOT, Made

pytestmark = ROOT
FIVE = b"%08x" % crc32(marshal.dumps(5)) + marshal.dumps(5)


class Called:
    def __init__(self, host: Made, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host, self.monkeypatch = host, monkeypatch
        self.observed, self.unsaved = [], []
        self.caches, self.reads = {}, []
        self.found: dict[str, Any] = {}
        monkeypatch.setattr(watch_commands, "Host", lambda: host)
        monkeypatch.setattr(own_observation, "observe_host", self.observe)

    def observe(self, host: Made, settings: Any, operations: Any, cached: Any, keep: Any) -> list[str]:
        self.observed.append((host, settings, operations))
        self.found = {digest: cached(digest) for digest in self.reads}
        for digest, content in self.caches.items():
            keep(digest, content)
        return self.unsaved

    def __call__(self, *words: str, marshalled: bytes | None = None) -> int:
        return watch_commands.main(words, "ann", "proscribe-watch.timer", lambda: marshalled)

    def cached(self) -> dict[str, bytes]:
        place = Path(self.host.root + watch_files.CACHE_DIRECTORY)
        return {path.name: path.read_bytes() for path in place.iterdir()} if place.is_dir() else {}


@pytest.fixture
def call(watched, monkeypatch):
    return Called(watched[0], monkeypatch)


def test_pause_begins_with_a_reason_and_ends(call, capsys):
    assert call("thaw") == 0 and capsys.readouterr().out == "it was not frozen\n"
    assert call("freeze", "2h", "a reason") == 0
    now = pause.read_active_pause(call.host)
    assert now and (now["reason"], now["by"]) == ("a reason", "ann")
    assert capsys.readouterr().out == f"frozen until {now['until']}\n"
    assert call("thaw") == 0 and pause.read_active_pause(call.host) is None
    assert capsys.readouterr().out == "the watch corrects again\n"


@pytest.mark.parametrize(
    "words", [(), ("dance",), ("freeze", "2h"), ("freeze", "2h", "x", "y"), ("thaw", "2h", "x"), ("status", "x")]
)
def test_unknown_words_print_the_usage(call, words, capsys):
    assert call(*words) == 2
    printed = capsys.readouterr()
    verbs = ("observe", "freeze", "thaw", "status")
    assert printed.out == "" and all(f"proscribe-watch {verb}" in printed.err for verb in verbs)
    assert call.observed == [] and pause.read_active_pause(call.host) is None


def test_status_is_printed(call, capsys):
    assert call("status") == 0
    printed = capsys.readouterr()
    assert printed.out.endswith("\n") and not printed.out.endswith("\n\n") and printed.err == ""


def test_launches_runs_on_this_host(call, monkeypatch):
    ran = []
    monkeypatch.setattr(launches, "run_launches", ran.append)
    assert call("launches") == 0 and ran == [call.host]


def test_host_without_the_watch_is_reported(made, monkeypatch, capsys):
    assert Called(made, monkeypatch)("status") == 1 and watch_commands.NOT_INSTALLED in capsys.readouterr().err


def test_damage_is_written_down_once_until_another_event(call, capsys):
    Path(call.host.root + watch_files.SETTINGS_PATH).write_text("nonsense")
    for _ in range(2):
        assert call("observe") == 1
    assert "nothing was run; the next run of the controller repairs it" in capsys.readouterr().err
    assert call.observed == []
    events = [(line["event"], line.get("file")) for line in journal.read_journal(call.host)[0]]
    assert events[-1] == ("damaged", watch_files.SETTINGS_PATH) and events.count(events[-1]) == 1
    journal.append_event(call.host, "damaged", file="/another")
    call("observe")
    journal.append_event(call.host, "thawed")
    call("observe")
    events = [(line["event"], line.get("file")) for line in journal.read_journal(call.host)[0]]
    assert events.count(("damaged", watch_files.SETTINGS_PATH)) == 3


def test_unsaved_observation_is_printed_and_fails(call, capsys):
    call.unsaved = ["no room", "no journal"]
    assert call("observe") == 1
    assert capsys.readouterr().err == "proscribe-watch: no room\nproscribe-watch: no journal\n"


def test_cache_is_read_by_the_next_observation_and_old_entries_are_removed(call):
    named = f"{watch_files.read_settings(call.host).files[watch_files.CODE_PATH]}-{MAGIC_NUMBER.hex()}"
    call.caches = {"sha256:aa": [1], "sha256:bb": [2]}
    assert call("observe", marshalled=b"code") == 0
    first = call.cached()
    assert set(first) == {named, f"{named}-aa", f"{named}-bb"}
    assert first[named] == b"%08x" % crc32(b"code") + b"code", "as the program itself reads it"
    place = Path(call.host.root + watch_files.CACHE_DIRECTORY)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in place.iterdir())
    call.caches, call.reads = {}, ["sha256:aa", "sha256:cc"]
    (place / "of-an-older-release").write_bytes(b"x")
    assert call("observe") == 0 and call.found == {"sha256:aa": [1], "sha256:cc": None}
    assert (place / "of-an-older-release").exists(), "where nothing is new, nothing is written"
    call.caches = {"sha256:cc": [3]}
    assert call("observe") == 0 and set(call.cached()) == {named, f"{named}-aa", f"{named}-cc"}
    assert call.cached()[f"{named}-aa"] == first[f"{named}-aa"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [(("freeze", "8d", "x"), "at most 7d"), (("freeze", "soon", "x"), "soon"), (("freeze", "1h", ""), "a reason")],
)
def test_refused_pause_is_reported_in_a_line(call, words, reason, capsys):
    assert call(*words) == 1
    err = capsys.readouterr().err
    assert err.startswith("proscribe-watch: ") and reason in err and err.count("\n") == 1


def test_observation_is_of_this_host_in_its_own_name(call):
    assert call("observe") == 0
    ((host, settings, operations),) = call.observed
    assert host is call.host and settings == watch_files.read_settings(call.host)
    assert (operations.observe, operations.change) == (host_operations.observe, host_operations.change)
    expected = ("proscribe-watch.timer", "this host's own observation (proscribe-watch)")
    assert (host.starting_unit, host.changed_by) == expected


@pytest.mark.parametrize("content", [b"", b"%08x" % crc32(b"nonsense") + b"nonsense", b"%08x" % crc32(b"")])
def test_cached_content_that_is_broken_or_writable_is_not_read(call, content):
    rows = ((content, 0o600, None), (FIVE, 0o600, 5), (b"x" + FIVE[1:], 0o600, None), (FIVE, 0o666, None))
    for text, mode, value in rows:
        call.host.write_file(f"{watch_files.CACHE_DIRECTORY}/x", text, mode)
        assert watch_commands._read_cached(call.host, "x") == value


def test_host_that_cannot_cache_only_loses_time(call, monkeypatch):
    call.caches = {"sha256:aa": [1]}
    monkeypatch.setattr(Made, "write_file", make_refusal(ControlError("read-only")))
    assert call("observe") == 0
