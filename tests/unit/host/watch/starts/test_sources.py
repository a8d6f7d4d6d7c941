"""The listeners of starts: portions, errors, and refusals for want of a resource."""

import errno
import os
import select
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.watch.starts import sources
from proscribe.host.watch.starts.sources import Sources
from refusals import make_refusal


@pytest.fixture
def sources_():
    made = Sources()
    yield made
    os.close(made.mountinfo)


def reading(*fields: Any) -> Any:
    """Return a listener that reads these events in order, and the last one for ever."""
    left = list(fields)

    def read() -> Any:
        next_ = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(next_, OSError):
            raise next_
        return next_

    return SimpleNamespace(read=read, descriptor=5)


def test_flood_is_read_in_portions(sources_):
    assert list(sources_.files()) == [] == list(sources_.processes())
    sources_.fanotify, sources_.proc_events = reading(([], False)), reading(([7], False))
    assert list(sources_.files()) == [([], False)] * 256
    assert list(sources_.processes()) == [([7], False)] * 4096


def test_read_error_is_passed_over(sources_):
    sources_.fanotify = reading(([(4, 7)], False), OSError(errno.EIO, "x"), ([], True), None)
    assert list(sources_.files()) == [([(4, 7)], False), ([], True)]
    sources_.fanotify = reading(OSError(errno.EIO, "x"))
    assert list(sources_.files()) == []


@pytest.mark.parametrize(
    ("number", "limited"),
    [*((name, "yes") for name in ["EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EAGAIN"]), ("EINVAL", "")],
)
@pytest.mark.parametrize("first", [True, False])
def test_limit_of_either_listener_is_reported(sources_, monkeypatch, number, limited, first):
    others = [getattr(errno, number), errno.EPERM][:: 1 if first else -1]
    for name, error in zip(("Fanotify", "ProcEvents"), others):
        monkeypatch.setattr(sources, name, make_refusal(OSError(error, os.strerror(error))))
    sources_.open(select.poll())
    fields = sources_.fields()
    assert [fields[name] for name in ("by", "limited", "fanotify", "marked")] == ["", limited, "", ""]
    first_reason, second_reason = map(os.strerror, others)
    assert fields["refused"] == f"fanotify: {first_reason}; the proc connector: {second_reason}"


def test_marked_mount_is_not_kept_open(sources_):
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    fields = next(line for line in lines if line.split(" ")[4] == "/proc").partition(" - ")[0]
    os.close(sources_.mountinfo)
    sources_.mountinfo = os.memfd_create("mountinfo")
    os.write(sources_.mountinfo, f"{fields} - ext4 x rw\n".encode())
    marked = []
    sources_.fanotify = SimpleNamespace(descriptor=5, mark=lambda path: marked.append(os.readlink(path)))
    before = len(os.listdir("/proc/self/fd"))
    sources_.mark()
    assert (marked, sources_.marked, len(os.listdir("/proc/self/fd"))) == (["/proc"], 1, before)
