"""Reading of a host: limits, errors, no link of a user's, and nothing left open."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, Host, Unseen, reading
from proscribe.host.system.budget import Budget
from proscribe.host.system.reading import FileReader


@pytest.fixture
def host(tmp_path):
    for directory in ("etc/sub", "home/alice"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/file").write_bytes(b"0123456789")
    (tmp_path / "etc/sub/file").write_bytes(b"below\xff")
    return Host(str(tmp_path))


@pytest.mark.parametrize(("root", "real"), [("/", "/proc/7"), ("/made", "/made/proc/7"), ("/made/", "/made/proc/7")])
def test_path_of_the_host_is_below_its_root(root, real):
    assert FileReader(root)._real("/proc/7") == real


@pytest.mark.parametrize(("uid", "privileged"), [(0, True), (1, False)])
def test_only_root_is_privileged(host, monkeypatch, uid, privileged):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert host.privileged is privileged


@pytest.mark.parametrize(("limit", "read"), [(10, 10), (9, 10), (7, 8), (3, 4), (0, 4)])
def test_file_beyond_the_limit_is_an_error_and_not_read_to_its_end(host, monkeypatch, limit, read):
    """Its beginning may be harmless; its end may be a terabyte away."""
    monkeypatch.setattr(reading, "PIECE", 4)
    host.budget = Budget()
    if limit < 10:
        with pytest.raises(ControlError, match=f"^/etc/file is larger than {limit} bytes$"):
            host.read("/etc/file", limit)
    else:
        assert host.read("/etc/file", limit) == b"0123456789"
    assert host.budget.most["bytes read"] - host.budget.left["bytes read"] == read


def test_content_that_the_host_read_itself_is_no_answer_for_a_user(host, monkeypatch):
    """The content may be 64 MiB, and each user's part of an observation holds what it has read."""
    monkeypatch.setattr(reading, "LARGEST", 8)
    with host.still():
        assert host.read("/etc/file") == b"0123456789"
        host.budget = Budget()
        with pytest.raises(Unseen, match="larger than 8 bytes"):
            host.read("/etc/file")


def test_directory_is_held_while_it_is_used(host):
    with host.directory("/etc/sub") as held:
        (Path(host.root) / "etc/sub").rename(Path(host.root) / "etc/gone")
        assert os.stat("file", dir_fd=held).st_size == 6


def test_link_that_goes_away_before_it_is_read_is_unseen(host, monkeypatch):
    def gone(directory, name, path):
        raise FileNotFoundError(2, "No such file or directory")

    (Path(host.root) / "etc/link").symlink_to("file")
    monkeypatch.setattr(reading, "link_target", gone)
    with pytest.raises(Unseen, match="^/etc/link cannot be read: No such file or directory$"):
        host.target("/etc/link")
    monkeypatch.setattr(reading, "link_target", lambda directory, name, path: "")
    assert host.target("/etc/link") == "/etc/link", "by now it is no link"


@pytest.mark.parametrize("still", [False, True])
def test_reads_leave_no_descriptor_open(host, still):
    """An observation of a host is thousands of these calls, and a process may have some hundred files open."""
    os.mkfifo(Path(host.root) / "etc/pipe")
    (Path(host.root) / "etc/loop").symlink_to("loop")
    asks = [host.read, host.list, host.stat, host.target, lambda path: host.head(path, 4)]
    asks += [lambda path: host.piece(path, 1, 4), lambda path: host.search(path, re.compile(b"[0-9]"))]
    before = os.listdir("/proc/self/fd")
    with host.still() if still else contextlib.nullcontext():
        for path in ("/etc/file", "/etc/sub", "/etc/none", "/none/file", "/etc/file/x", "/etc/pipe", "/etc/loop/x"):
            for ask in asks:
                with contextlib.suppress(ControlError, Unseen):
                    ask(path)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_extended_attribute_is_that_of_the_entry_itself(tmp_path):
    (tmp_path / "file").touch()
    try:
        os.setxattr(tmp_path / "file", "user.made", b"value")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    (tmp_path / "link").symlink_to("file")
    host = Host(str(tmp_path))
    assert host.attribute("/file", "user.made") == b"value" and host.attribute("/file", "user.other") is None
    assert [host.attribute(path, "user.made") for path in ("/link", "/none", "/none/file")] == [None, None, None]


def test_search_finds_a_match_across_two_pieces(host, monkeypatch):
    monkeypatch.setattr(reading, "SEARCHED", 4)
    assert host.search("/etc/file", re.compile(rb"34|5|67|89|0123"), 2) == [b"0123", b"34", b"5", b"67", b"89"]
    (Path(host.root) / "etc/file").write_bytes(b"aXbbXbaXb")
    assert host.search("/etc/file", re.compile(rb"[ab]X"), 2) == [b"aX", b"bX"], "each once"


def test_reads_for_a_user_are_not_kept(host):
    """They may be as much as the user likes; what was known before is not asked again."""
    sub = Path(host.root) / "etc/sub"
    with host.still():
        host.budget = Budget()
        assert host.stat("/etc/sub/file") and host.stat("/etc/sub/new") is None
        (sub / "new").touch()
        assert host.stat("/etc/sub/new") is not None and host.list("/etc/sub") == ["file", "new"]
        host.budget = None
        assert host.list("/etc/sub") == ["file", "new"]
        (sub / "newer").touch()
        host.budget = Budget()
        assert host.list("/etc/sub") == ["file", "new"]


@pytest.mark.parametrize(
    ("error", "privileged", "message"),
    [
        (PermissionError(13, "Permission denied"), False, "can only be read by root"),
        (PermissionError(13, "Permission denied"), True, "cannot be read: Permission denied"),
        (OSError(5, "Input/output error"), False, "cannot be read: Input/output error"),
    ],
)
def test_path_that_cannot_be_read_is_unseen_with_the_reason(host, monkeypatch, error, privileged, message):
    def refuse(path):
        raise error

    monkeypatch.setattr(Host, "privileged", property(lambda self: privileged))
    monkeypatch.setattr(host, "_open_directory", refuse)
    for ask in (host.stat, host.list):
        with pytest.raises(Unseen, match=f"^/etc/file {message}$"):
            ask("/etc/file")
    if isinstance(error, PermissionError):
        with pytest.raises(Unseen, match=f"^/etc/file {message}$"):
            host.read("/etc/file")
    else:
        with pytest.raises(ControlError, match="^cannot read /etc/file: Input/output error$"):
            host.read("/etc/file")


READS = (
    lambda host: host.stat("/etc/file").st_size,
    lambda host: host.stat("/missing/too/deep"),
    lambda host: host.stat("/etc/file/below"),
    lambda host: host.list("/etc/"),
    lambda host: host.list("/missing"),
    lambda host: host.read("/etc/by-root/file"),
    lambda host: host.text("/etc/missing"),
    lambda host: host.head("/etc/file", 3),
    lambda host: host.target("/etc/by-root"),
    lambda host: host.read("/home/alice/link/file"),
    lambda host: host.list("/home/alice/link"),
    lambda host: host.stat("/"),
)


def test_answers_of_a_still_host_are_the_same(host):
    (Path(host.root) / "etc/by-root").symlink_to("../etc")
    (Path(host.root) / "home/alice/link").symlink_to("../../etc")
    if os.geteuid() == 0:  # a link of somebody else's
        os.lchown(Path(host.root) / "home/alice/link", 1000, 1000)

    def answer(read):
        try:
            return read(host)
        except ControlError as error:
            return str(error).replace(host.root, "")

    plain = [answer(read) for read in READS]
    for most in (reading.MOST_OPEN, 2, 0):
        with pytest.MonkeyPatch.context() as patched, host.still():
            patched.setattr(reading, "MOST_OPEN", most)
            assert [answer(read) for read in (*READS, *READS)] == [*plain, *plain]
