"""How much is read at a time of what reports starts, and which refusals are for want of what the kernel has."""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.watch.starts import sources
from proscribe.host.watch.starts.sources import Sources


@pytest.fixture
def one():
    made = Sources()
    yield made
    os.close(made.mountinfo)


def reading(*found: Any) -> Any:
    """What reads these, one after the other, and the last one for ever."""
    left = list(found)

    def read() -> Any:
        next_ = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(next_, OSError):
            raise next_
        return next_

    return SimpleNamespace(read=read, descriptor=5)


def test_a_flood_is_read_in_portions(one):
    assert list(one.files()) == [] == list(one.processes())
    one.fanotify, one.proc_events = reading(([], False)), reading(([7], False))
    assert list(one.files()) == [([], False)] * 256
    assert list(one.processes()) == [([7], False)] * 4096


def test_what_cannot_be_read_is_passed_over(one):
    one.fanotify = reading(([(4, 7)], False), OSError(errno.EIO, "x"), ([], True), None)
    assert list(one.files()) == [([(4, 7)], False), ([], True)]
    one.fanotify = reading(OSError(errno.EIO, "x"))
    assert list(one.files()) == []


@pytest.mark.parametrize(
    ("number", "limited"),
    [
        *((number, "yes") for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EAGAIN)),
        *((number, "") for number in (errno.EPERM, errno.EINVAL, errno.ENOSYS)),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_limit_is_said_whichever_of_the_two_has_met_it(one, monkeypatch, number, limited, first):
    def refuse(error):
        raise OSError(error, os.strerror(error))

    others = (number, errno.EPERM) if first else (errno.EPERM, number)
    for name, error in zip(("Fanotify", "ProcEvents"), others):
        monkeypatch.setattr(sources, name, lambda error=error: refuse(error))
    one.open(select.poll())
    found = one.fields()
    assert {name: found[name] for name in ("by", "limited", "fanotify", "marked", "refused")} == {
        "by": "",
        "limited": limited,
        "fanotify": "",
        "marked": "",
        "refused": f"fanotify: {os.strerror(others[0])}; the proc connector: {os.strerror(others[1])}",
    }


def test_what_is_marked_is_not_kept_open(one):
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    fields = next(line for line in lines if line.split(" ")[4] == "/proc").partition(" - ")[0]
    os.close(one.mountinfo)
    one.mountinfo = os.memfd_create("mountinfo")
    os.write(one.mountinfo, f"{fields} - ext4 x rw\n".encode())
    marked = []
    one.fanotify = SimpleNamespace(descriptor=5, mark=lambda path: marked.append(os.readlink(path)))
    before = len(os.listdir("/proc/self/fd"))
    one.mark()
    assert (marked, one.marked, len(os.listdir("/proc/self/fd"))) == (["/proc"], 1, before)
