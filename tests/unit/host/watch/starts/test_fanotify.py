"""A real group of fanotify, on one file system that is made for the test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import proscribe
import pytest
from patience import LONGEST
from watch_host import ROOT

pytestmark = ROOT
SCRIPT = """
import errno, fcntl, json, os, shutil, subprocess, sys
from proscribe.host.watch.starts.fanotify import Fanotify
place = sys.argv[1]
try:
    one = Fanotify()
except OSError as error:
    print(json.dumps({"refused": error.strerror}))
    raise SystemExit
for name in "ab":
    shutil.copy(shutil.which("true"), f"{place}/{name}")

def run(*names):
    started = []
    for name in names:
        process = subprocess.Popen([f"{place}/{name}"])
        process.wait()
        started.append([name, process.pid])
    return started

def heard():
    found = []
    while (read := one.read()) is not None:
        assert read[1] is False
        for descriptor, pid in read[0]:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            modes.add(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE)
            inherited.add(os.get_inheritable(descriptor))
            found.append([path.rpartition("/")[2], pid])
            os.close(descriptor)
    return found

modes, inherited, answers = set(), {os.get_inheritable(one.fileno())}, {}
run("a")
answers["before"] = heard()
one.mark(place)
expected = run("a", "b")
answers["both"] = heard() == expected
open(f"{place}/a", "rb").read()
answers["read"] = heard()
one.leave_out(f"{place}/a")
with open(f"{place}/a", "ab") as file:
    file.write(b"x")
expected = run("a", "b")
answers["one"] = heard() == expected[1:]
for call in (one.mark, one.leave_out):
    try:
        call(f"{place}/gone")
    except OSError as error:
        answers[call.__name__] = [error.errno == errno.ENOENT, error.strerror]
print(json.dumps({**answers, "modes": [*modes], "inherited": [*inherited]}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    mounted = 'mount -t tmpfs tmpfs "$1" && exec "$0" -c "$2" "$1"'
    command = ["unshare", "--mount", "sh", "-c", mounted, sys.executable, str(place), SCRIPT]
    environment = {**os.environ, "PYTHONPATH": str(Path(proscribe.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    found_answers = json.loads(done.stdout)
    if "refused" in found_answers:
        pytest.skip(f"no group of fanotify here: {found_answers['refused']}")
    return found_answers


def test_starts_on_a_marked_mount_are_heard(answers):
    assert (answers["before"], answers["both"], answers["read"]) == ([], True, [])


def test_file_that_is_left_out_stays_so_after_a_write(answers):
    assert answers["one"]


def test_path_that_cannot_be_marked_is_an_error_with_the_reason(answers):
    assert answers["mark"] == answers["leave_out"] == [True, "No such file or directory"]


def test_descriptors_are_for_reading_and_not_inherited(answers):
    assert (answers["modes"], answers["inherited"]) == ([os.O_RDONLY], [False])
