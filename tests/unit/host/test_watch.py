"""The program as it lies on a host: it runs the code that was installed, and no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
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
def installed(tmp_path):
    return Installed(tmp_path)


def test_for_an_account_other_than_root_it_does_nothing():
    as_user = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-IS", "-c", WATCH_TEXT)
    done = subprocess.run(as_user, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "this program is run by root\n")
