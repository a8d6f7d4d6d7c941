"""Processes of a controller that wait for each other say for whom, as the kernel knows it. Real processes and locks."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

import pytest
from patience import LONGEST
from proscribe.controller import waiting
from proscribe.controller.waiting import holder, locked

SCRIPT = Path(waiting.__file__)
ME = pwd.getpwuid(os.geteuid()).pw_name
HOLDING = "import fcntl, sys, time; fcntl.flock(int(sys.argv[1]), 2); print('has it', flush=True); time.sleep(600)"


def holding(path: Path) -> subprocess.Popen[str]:
    """Another process that has the lock."""
    opened = os.open(path, os.O_RDONLY)
    command = [sys.executable, "-c", HOLDING, str(opened)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[opened])
    os.close(opened)
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    return process


def test_who_waits_says_for_whom_and_until_when(tmp_path: Path) -> None:
    said: list[str] = []
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with holding(tmp_path) as other:
        assert not locked(descriptor, 0, said.append) and said == []
        assert not locked(descriptor, 1, said.append)
        other.kill()
    [line] = said
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    expected = (
        rf"waits for process {other.pid} of {ME}, which began at {time} \(.*python.*\), until {time} at the latest"
    )
    assert re.fullmatch(expected, line), line
    assert locked(descriptor, LONGEST, said.append) and len(said) == 1
    os.close(descriptor)


def test_it_is_the_holder_of_this_file_and_of_no_other(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    descriptor = os.open(tmp_path / "other", os.O_RDONLY)
    with holding(tmp_path) as other:
        assert holder(descriptor) == "a process that cannot be seen from here"
        other.kill()
    os.close(descriptor)


@pytest.mark.parametrize("held", [False, True])
def test_the_launcher_waits_with_the_same_words(tmp_path: Path, held: bool) -> None:
    command = f'{{ {sys.executable} -I {SCRIPT} 9; echo "ended with $?"; }} 9<{tmp_path}'
    other = holding(tmp_path) if held else None
    waits = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if other is not None and waits.stderr is not None:
        assert f"proscribe: waits for process {other.pid} of {ME}" in waits.stderr.readline()
        other.kill()
        other.wait()
    assert waits.communicate(timeout=LONGEST)[0] == "ended with 0\n"
