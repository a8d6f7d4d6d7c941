"""The program of the watch as it lies on a host."""

import subprocess

from proscribe.host.watch.program_text import WATCH_TEXT
from watch_host import ROOT


@ROOT
def test_program_does_nothing_for_an_ordinary_user():
    as_user = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-IS", "-c", WATCH_TEXT)
    done = subprocess.run(as_user, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "this program is run by root\n")
