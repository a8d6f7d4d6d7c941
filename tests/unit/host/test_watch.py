"""The program of the watch as it lies on a host: it runs the code that was installed, and no other."""

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
from proscribe.host.watch.program_text import WATCH_TEXT
from proscribe.host.watch.state import files, journal
from watch_host import ROOT

pytestmark = ROOT


class Installed:
    """The program with its code, in a directory of its own."""

    def __init__(self, root: Path) -> None:
        self.place = root / "state/watch"
        (self.place / "cache").mkdir(parents=True)
        self.code, self.program = self.place / "code", root / "watch"
        text = WATCH_TEXT.replace(files.PLACE, str(self.place)).replace("PATIENCE = 5", "PATIENCE = 0")
        self.program.write_text(text)
        self.settings, self.journal = self.place / "settings.json", root / "state" / journal.NAME
        code = {"packages": ["proscribe", "proscribe.host"], "texts": TEXTS}
        content = lzma.compress(json.dumps(code).encode())
        self.code.write_bytes(content)
        self.settings.write_text(json.dumps({"files": {f"{self.place}/code": files.hash_of(content)}}))
        self.cached = self.place / f"cache/{files.hash_of(content)}-{MAGIC_NUMBER.hex()}"
        for path in (root, root / "state", self.place, self.place / "cache"):
            path.chmod(0o755)

    def run(self, *words: str, before: Sequence[str] = (), **environment: str) -> subprocess.CompletedProcess[str]:
        command = [*before, sys.executable, "-IS", str(self.program), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, **environment})

    def call(self, *words: str, **more: str) -> dict[str, object]:
        """Run the program and return the report of its code."""
        done = self.run(*words, **more)
        assert (done.returncode, done.stderr) == (5, "")
        return dict(json.loads(done.stdout))

    def read_events(self) -> list[dict[str, object] | None]:
        return [journal.parsed(line) for line in self.journal.read_bytes().splitlines()]


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
    "words": ["observe"], "by": "root", "started_by": "", "compiled": True, "at": "/", "umask": 0o077,
    "environment": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"},
    "collects": False, "blocked": 0, "name": "proscribe.host.watch_commands",
}  # fmt: skip
BLOCKED = (
    "import os, signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture
def installed(tmp_path):
    return Installed(tmp_path)


def test_program_does_nothing_for_an_ordinary_user():
    as_user = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-IS", "-c", WATCH_TEXT)
    done = subprocess.run(as_user, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "this program is run by root\n")


def test_environment_of_the_caller_has_no_effect(installed, monkeypatch):
    for name in ("SUDO_USER", "TRIGGER_UNIT"):
        monkeypatch.delenv(name, raising=False)
    assert installed.call("observe") == CALLED
    hers = {"PATH": "/hers", "LC_ALL": "C", "HOME": "/hers", "LD_DEBUG_OUTPUT": "/hers"}
    hers |= {"SUDO_USER": "alice", "TRIGGER_UNIT": "a.path"}
    called = installed.call("observe", before=(sys.executable, "-c", BLOCKED), **hers)
    assert called == {**CALLED, "by": "alice", "started_by": "a.path"}
    for words, collects in ((["launches"], True), (["launches", "/dev/null"], False), ([], False)):
        assert installed.call(*words) == {**CALLED, "words": words, "collects": collects}


def test_cached_code_is_run_without_being_compiled_again(installed, tmp_path):
    installed.call("observe", str(tmp_path / "compiled"))
    content = (tmp_path / "compiled").read_bytes()
    for checksum, compiled in ((b"%08x" % crc32(content), False), (b"%08x" % (crc32(content) ^ 1), True)):
        installed.cached.write_bytes(checksum + content)
        assert installed.call("observe") == {**CALLED, "compiled": compiled}


@pytest.mark.parametrize("content", [b"", b"00000000nonsense", b"%08x" % crc32(b"nonsense") + b"nonsense"])
def test_broken_cache_only_costs_time(installed, content):
    installed.cached.write_bytes(content)
    assert installed.call("observe") == CALLED


DAMAGE: dict[str, Callable[[Installed], object]] = {
    "a byte more": lambda it: it.code.write_bytes(it.code.read_bytes() + b"x"),
    "gone": lambda it: it.code.unlink(),
    "a link": lambda it: it.code.symlink_to(it.code.rename(it.place / "elsewhere")),
    "a pipe": lambda it: (it.code.unlink(), os.mkfifo(it.code)),
    "others can write it": lambda it: it.code.chmod(0o666),
    "others can write its directory": lambda it: it.place.chmod(0o777),
    "of another user": lambda it: os.chown(it.code, 65534, 0),
    "no settings": lambda it: it.settings.unlink(),
    "settings without end": lambda it: it.settings.write_text("[" * 1_000_000),
    "other settings": lambda it: it.settings.write_text('{"files": 5}'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_code_that_was_not_installed_is_not_run_and_written_down_once(installed, damage):
    DAMAGE[damage](installed)
    for _ in range(2):
        done = installed.run("status")
        assert done.returncode == 1 and "is not what was installed: nothing was run" in done.stderr
    (event,) = installed.read_events()
    assert (event["event"], event["file"]) == ("damaged", f"{installed.place}/code")
    assert installed.journal.stat().st_mode & 0o777 == 0o600


def test_damage_is_written_down_behind_half_a_line_and_in_a_long_journal(installed):
    installed.code.unlink()
    installed.journal.write_bytes(b'{"at": "2026-11-27T03:00:00Z", "event": "tha')
    installed.run("status")
    half, event = installed.read_events()
    assert half is None and event["event"] == "damaged"
    thawed = b'{"at": "2026-11-27T03:00:00Z", "event": "thawed"}\n'
    for number in range(2):  # of a long journal only the end is read
        installed.journal.write_bytes(installed.journal.read_bytes() + thawed * 200 * number)
        installed.run("status")
        assert [event and event["event"] for event in installed.read_events()].count("damaged") == 1 + number
