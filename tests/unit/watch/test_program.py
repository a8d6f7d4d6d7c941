"""The program as it lies on a host: it runs the code that was installed, and no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from binascii import crc32
from collections.abc import Callable
from pathlib import Path

import pytest
from proscribe.host.watch.program_text import WATCH_TEXT
from proscribe.host.watch.state import files, journal
from proscribe.wire.stream import packed_watch
from watch_host import ROOT

pytestmark = ROOT


class Installed:
    """The program with its code, in a directory of its own."""

    def __init__(self, root: Path) -> None:
        self.place = root / "state/watch"
        (self.place / "cache").mkdir(parents=True)
        self.code = self.place / "code"
        self.code.write_bytes(packed_watch())
        self.program = root / "watch"
        text = WATCH_TEXT.replace(files.PLACE, str(self.place)).replace("PATIENCE = 5", "PATIENCE = 0")
        self.program.write_text(text)
        named = {f"{self.place}/code": files.hash_of(self.code.read_bytes())}
        self.settings = self.place / "settings.json"
        self.settings.write_text(json.dumps({"files": named}))
        for path in (root, root / "state", self.place, self.place / "cache"):
            path.chmod(0o755)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-IS", self.program, *words], capture_output=True, text=True, timeout=600
        )

    def events(self) -> list[dict[str, object] | None]:
        path = self.place.parent / journal.NAME
        return [journal.parsed(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


# The code asks this very machine, where nothing is installed: that it answers so shows that it ran.
@pytest.mark.skipif(os.path.exists(files.PLACE), reason="this machine has a watch of its own")
def test_the_code_that_was_installed_is_run(installed: Installed) -> None:
    done = installed.run("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the watch is not installed" in done.stderr
    assert installed.events() == []


def test_of_other_words_it_says_which_there_are(installed: Installed) -> None:
    done = installed.run("dance")
    assert done.returncode in (1, 2) and "proscribe-watch" in done.stderr


def linked(one: Installed) -> None:
    one.code.rename(one.place / "elsewhere")
    one.code.symlink_to(one.place / "elsewhere")


def piped(one: Installed) -> None:
    one.code.unlink()
    os.mkfifo(one.code)


DAMAGE: dict[str, Callable[[Installed], object]] = {
    "a byte more": lambda one: one.code.write_bytes(one.code.read_bytes() + b"x"),
    "empty": lambda one: one.code.write_bytes(b""),
    "gone": lambda one: one.code.unlink(),
    "a link": linked,
    "a pipe": piped,
    "others can write it": lambda one: one.code.chmod(0o666),
    "others can write its directory": lambda one: one.place.chmod(0o777),
    "of another's": lambda one: os.chown(one.code, 65534, 0),
    "no settings": lambda one: one.settings.unlink(),
    "settings without end": lambda one: one.settings.write_text("[" * 1_000_000),
    "other settings": lambda one: one.settings.write_text('{"files": 5}'),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_not_what_was_installed_is_not_run_and_written_down_once(installed: Installed, how: str) -> None:
    DAMAGE[how](installed)
    for _ in range(2):
        done = installed.run("status")
        assert done.returncode == 1
        assert "is not what was installed: nothing was run" in done.stderr
    (event,) = installed.events()
    assert event and (event["event"], event["file"]) == ("damaged", f"{installed.place}/code")


@pytest.mark.parametrize(
    "content", [b"", b"x" * 64, b"00000000nonsense", b"\xff" * 100, b"%08x" % crc32(b"nonsense") + b"nonsense"]
)
@pytest.mark.skipif(os.path.exists(files.PLACE), reason="this machine has a watch of its own")
def test_a_broken_cache_only_costs_time(installed: Installed, content: bytes) -> None:
    from importlib._bootstrap_external import MAGIC_NUMBER

    named = files.hash_of(installed.code.read_bytes())
    (installed.place / f"cache/{named}-{MAGIC_NUMBER.hex()}").write_bytes(content)
    assert "the watch is not installed" in installed.run("status").stderr


def test_damage_is_written_down_behind_a_line_that_is_half(installed: Installed) -> None:
    DAMAGE["empty"](installed)
    path = installed.place.parent / journal.NAME
    path.write_bytes(b'{"at": "2026-11-27T03:00:00Z", "event": "tha')
    installed.run("status")
    half, event = installed.events()
    assert half is None and event and event["event"] == "damaged"
