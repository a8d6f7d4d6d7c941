"""While nothing is changed, a host is asked each thing once, and answers as it would otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import ControlError, Host, reading

Read = Callable[[Host], Any]

READS: tuple[Read, ...] = (
    lambda host: host.stat("/etc/hosts").st_size,
    lambda host: host.stat("/etc/missing"),
    lambda host: host.stat("/missing/too/deep"),
    lambda host: host.stat("/etc/hosts/below"),
    lambda host: host.list("/etc/"),
    lambda host: host.list("/missing"),
    lambda host: host.read("/etc/hosts"),
    lambda host: host.read("/etc/by-root/hosts"),
    lambda host: host.text("/etc/missing"),
    lambda host: host.head("/etc/hosts", 3),
    lambda host: host.target("/etc/by-root"),
    lambda host: host.read("/home/alice/link/hosts"),
    lambda host: host.list("/home/alice/link"),
    lambda host: host.stat("/"),
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for directory in ("etc", "home/alice"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "etc/by-root").symlink_to("../etc")
    (tmp_path / "home/alice/link").symlink_to("../../etc")
    if os.geteuid() == 0:  # a link of somebody else's
        os.lchown(tmp_path / "home/alice/link", 1000, 1000)
    return Host(str(tmp_path))


def answer(read: Read, host: Host) -> Any:
    try:
        return read(host)
    except ControlError as error:
        return str(error).replace(host.root, "")


def test_each_answer_is_the_one_that_it_would_be(host: Host) -> None:
    plainly = [answer(read, host) for read in READS]
    for most in (reading.MOST_OPEN, 2, 0):
        with pytest.MonkeyPatch.context() as patched, host.still():
            patched.setattr(reading, "MOST_OPEN", most)
            assert [answer(read, host) for read in (*READS, *READS)] == [*plainly, *plainly]
