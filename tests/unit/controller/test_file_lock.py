"""Processes of a controller that wait for a lock: message, holder, and real locks."""

import io
import itertools
import os
import pwd
import re
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote
from types import SimpleNamespace

import pytest
from patience import LONGEST
from proscribe.controller import file_lock
from proscribe.controller.file_lock import describe_holder, lock_file

SCRIPT = Path(file_lock.__file__)
ME = pwd.getpwuid(os.geteuid()).pw_name
HOLDING = "import fcntl, sys, time; fcntl.flock(int(sys.argv[1]), 2); print('has it', flush=True); time.sleep(600)"
FLOCK = "FLOCK ADVISORY WRITE"
EIGHT = "process 8 of root, which began at 1970-01-01T00:16:45Z (sh)"
BEGAN = "which began at 1970-01-01T00:16:45Z"
UNSEEN = "a process that cannot be seen from here"


def holding(path):
    opened = os.open(path, os.O_RDONLY)
    command = [sys.executable, "-c", HOLDING, str(opened)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[opened])
    os.close(opened)
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    return process


@pytest.mark.slow
def test_waiting_message_names_holder_and_end(tmp_path):
    said = []
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with holding(tmp_path) as other:
        assert not lock_file(descriptor, 0, said.append) and said == []
        assert not lock_file(descriptor, 1, said.append)
        other.kill()
    [line] = said
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    process = rf"waits for process {other.pid} of {ME}, which began at {time}"
    assert re.fullmatch(rf"{process} \(.*python.*\), until {time} at the latest", line), line
    assert lock_file(descriptor, LONGEST, said.append) and len(said) == 1
    os.close(descriptor)


def test_waiting_message_goes_to_stderr_once(tmp_path, monkeypatch, capsys):
    one, other = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    assert lock_file(one, 0)
    clock, own = itertools.count(), {"strftime": time.strftime, "gmtime": time.gmtime}
    made = SimpleNamespace(time=lambda: 1000, monotonic=lambda: next(clock), sleep=lambda _: None, **own)
    monkeypatch.setattr(file_lock, "time", made)
    monkeypatch.setattr(file_lock, "describe_holder", lambda descriptor: f"{descriptor == other}")
    assert not lock_file(other, 3)
    assert capsys.readouterr() == ("", "proscribe: waits for True, until 1970-01-01T00:16:43Z at the latest\n")
    for descriptor in (one, other):
        os.close(descriptor)


@pytest.mark.parametrize("held", [False, True])
def test_the_launcher_waits_with_the_same_words(tmp_path, held):
    command = f'{{ {quote(sys.executable)} -I {quote(str(SCRIPT))} 9; echo "ended with $?"; }} 9<{quote(str(tmp_path))}'
    other = holding(tmp_path) if held else None
    waits = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if other is not None and waits.stderr is not None:
        assert f"proscribe: waits for process {other.pid} of {ME}" in waits.stderr.readline()
        other.kill()
        other.wait()
    assert waits.communicate(timeout=LONGEST)[0] == "ended with 0\n"


class Proc:
    """A made /proc, in which processes hold the lock of `inode`."""

    def __init__(self, monkeypatch, inode, uid=0):
        self.files = {"/proc/stat": b"cpu 1 2\nbtime 1000\nprocesses 5\n"}
        self.inode = inode
        monkeypatch.setattr(file_lock, "CLOCK_TICKS", 100)
        monkeypatch.setattr(file_lock, "open", self.open, raising=False)
        made = SimpleNamespace(fstat=os.fstat, stat=lambda path: SimpleNamespace(st_uid=uid))
        monkeypatch.setattr(file_lock, "os", made)

    def open(self, path, mode="r", **named):
        if path not in self.files:
            raise FileNotFoundError(path)
        content = io.BytesIO(self.files[path])
        return content if mode == "rb" else io.TextIOWrapper(content, **named)

    def has(self, pid, command, ticks=500):
        self.files[f"/proc/{pid}/cmdline"] = command
        self.files[f"/proc/{pid}/stat"] = f"{pid} (a) \xff b) S {'1 ' * 18}{ticks} 9 9\n".encode("latin-1")


@pytest.mark.parametrize(
    ("locks", "expected"),
    [
        ([f"1: {FLOCK} 7 08:01:{{}} 0 EOF"], f"process 7 of root, {BEGAN} (python -m x)"),
        ([f"1: {FLOCK} 9 08:01:{{}}0 0 EOF", f"2: {FLOCK} 8 00:2a:{{}} 0 EOF"], EIGHT),
        ([f"1: {FLOCK} 5 08:01:{{}} 0 EOF", f"2: {FLOCK} 8 08:01:{{}} 0 EOF"], EIGHT),  # 5 has ended meanwhile
        ([f"{n}: {FLOCK} {n} 08:01:{{}} 0 EOF" for n in (3, 4, 8)], EIGHT),  # what is said of 3 and 4 is wrong
        ([f"1: -> {FLOCK} 7 08:01:{{}} 0 EOF"], UNSEEN),  # it waits, too
        ([f"1: {FLOCK} 0 08:01:{{}} 0 EOF"], UNSEEN),  # in another namespace
        ([f"1: {FLOCK} 7"], UNSEEN),
        (None, UNSEEN),  # another system
    ],
)
def test_the_holder_is_whom_the_kernel_names(tmp_path, monkeypatch, locks, expected):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    proc = Proc(monkeypatch, os.fstat(descriptor).st_ino)
    proc.has(7, b"python\0-m\0x\0")
    proc.has(8, b"sh\0")
    proc.has(3, b"sh\0")
    proc.files["/proc/3/stat"] = b"3 (sh) S 1\n"
    proc.has(4, b"sh\0")
    proc.files["/proc/4/stat"] = b"4 (sh) S" + b" x" * 20
    if locks is not None:
        proc.files["/proc/locks"] = "".join(f"{line.format(proc.inode)}\n" for line in locks).encode()
    assert describe_holder(descriptor) == expected
    monkeypatch.undo()
    os.close(descriptor)


@pytest.mark.parametrize(
    ("command", "uid", "said"),
    [
        (b"cat\0a\nb\x1b[2J\xff\0", 0, "root, {} (cat a b [2J\ufffd)"),
        # As the launcher starts a command, and a playbook: source text is for nobody to read.
        (
            b"/v/python\0-I\0-c\0\nimport sys\n\0/p/module_utils\0proscribe.controller.cli\0scheduled\0drift\0",
            0,
            "root, {} (proscribe scheduled drift)",
        ),
        (b"sh\0-c\0a\nb\0", 0, "root, {} (sh -c ...)"),
        (b"x" * 120, 0, f"root, {{}} ({'x' * 120})"),
        (b"x" * 121, 0, f"root, {{}} ({'x' * 117}...)"),
        (b"sh\0", 4_242_424, "account 4242424, {} (sh)"),
    ],
)
def test_a_process_is_named_in_a_short_harmless_line(tmp_path, monkeypatch, command, uid, said):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    proc = Proc(monkeypatch, os.fstat(descriptor).st_ino, uid)
    proc.has(7, command)
    proc.files["/proc/locks"] = f"1: FLOCK ADVISORY WRITE 7 08:01:{proc.inode} 0 EOF\n".encode()
    assert describe_holder(descriptor) == f"process 7 of {said.format(BEGAN)}"
    monkeypatch.undo()
    os.close(descriptor)
