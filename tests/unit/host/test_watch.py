"""The program as it lies on a host: it runs the code that was installed, and no other."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from binascii import crc32
from collections.abc import Callable, Sequence
from importlib._bootstrap_external import MAGIC_NUMBER
from pathlib import Path

import pytest
from proscribe.base.moments import is_stamp
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
        self.program = root / "watch"
        text = WATCH_TEXT.replace(files.PLACE, str(self.place)).replace("PATIENCE = 5", "PATIENCE = 0")
        self.program.write_text(text)
        self.settings = self.place / "settings.json"
        self.install(packed_watch())
        for path in (root, root / "state", self.place, self.place / "cache"):
            path.chmod(0o755)

    def install(self, code: bytes) -> None:
        self.code.write_bytes(code)
        self.settings.write_text(json.dumps({"files": {f"{self.place}/code": files.hash_of(code)}}))

    def run(self, *words: str, before: Sequence[str] = (), **environment: str) -> subprocess.CompletedProcess[str]:
        command = [*before, sys.executable, "-IS", str(self.program), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, **environment})

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


# Code that reports how it was called, and writes itself compiled into a file that is named.
REPORTING = """
import gc, json, os, signal
def main(words, by, started_by, marshalled):
    compiled = marshalled()
    if compiled and words[1:]:
        with open(words[1], "wb") as file:
            file.write(compiled)
    print(json.dumps({
        "words": words, "by": by, "started_by": started_by, "compiled": compiled is not None, "at": os.getcwd(),
        "umask": os.umask(0), "environment": dict(os.environ), "collects": gc.isenabled(),
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), "name": __name__,
    }))
    return 5
"""
TEXTS = {"proscribe": "", "proscribe.host": "", "proscribe.host.watch_commands": REPORTING}
CALLED = {
    "words": ["observe"],
    "by": "root",
    "started_by": "",
    "compiled": True,
    "at": "/",
    "umask": 0o077,
    "environment": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"},
    "collects": False,
    "blocked": 0,
    "name": "proscribe.host.watch_commands",
}
BLOCKED = (
    "import os, signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture
def reporting(installed: Installed) -> Installed:
    code = {"packages": ["proscribe", "proscribe.host"], "texts": TEXTS}
    installed.install(lzma.compress(json.dumps(code).encode()))
    return installed


def called(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert (done.returncode, done.stderr) == (5, "")
    return dict(json.loads(done.stdout))


def test_nothing_that_the_caller_left_behind_has_an_effect(
    reporting: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SUDO_USER", "TRIGGER_UNIT"):
        monkeypatch.delenv(name, raising=False)
    assert called(reporting.run("observe")) == CALLED
    before = (sys.executable, "-c", BLOCKED)
    hers = {"PATH": "/hers", "LC_ALL": "C", "HOME": "/hers", "LD_DEBUG_OUTPUT": "/hers"}
    done = reporting.run("observe", before=before, **hers, SUDO_USER="alice", TRIGGER_UNIT="a.path")
    assert called(done) == {**CALLED, "by": "alice", "started_by": "a.path"}
    for words, collects in ((["launches"], True), (["launches", "/dev/null"], False), ([], False)):
        assert called(reporting.run(*words)) == {**CALLED, "words": words, "collects": collects}


def test_code_that_is_cached_is_run_without_being_compiled_again(reporting: Installed, tmp_path: Path) -> None:
    called(reporting.run("observe", str(tmp_path / "compiled")))
    content = (tmp_path / "compiled").read_bytes()
    named = files.hash_of(reporting.code.read_bytes())
    cached = reporting.place / f"cache/{named}-{MAGIC_NUMBER.hex()}"
    for checksum, compiled in ((b"%08x" % crc32(content), False), (b"%08x" % (crc32(content) ^ 1), True)):
        cached.write_bytes(checksum + content)
        assert called(reporting.run("observe")) == {**CALLED, "compiled": compiled}


def test_for_an_account_other_than_root_it_does_nothing() -> None:
    as_user = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-IS", "-c", WATCH_TEXT)
    done = subprocess.run(as_user, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "this program is run by root\n")


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
    assert event and is_stamp(event.pop("at"))
    assert event == {"event": "damaged", "file": f"{installed.place}/code"}
    assert (installed.place.parent / journal.NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"x" * 64, b"00000000nonsense", b"\xff" * 100, b"%08x" % crc32(b"nonsense") + b"nonsense"]
)
@pytest.mark.skipif(os.path.exists(files.PLACE), reason="this machine has a watch of its own")
def test_a_broken_cache_only_costs_time(installed: Installed, content: bytes) -> None:
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
    for number in range(2):  # of a long journal only the end is read
        path.write_bytes(path.read_bytes() + b'{"at": "2026-11-27T03:00:00Z", "event": "thawed"}\n' * 200 * number)
        installed.run("status")
        assert [event and event["event"] for event in installed.events()].count("damaged") == 1 + number
        assert len(installed.events()) == 2 + 201 * number
