"""Reading files: how much of each, at what cost, and what an observation that changes nothing reads only once."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import ControlError, Host, Unseen, reading
from proscribe.host.system.budget import Budget

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/file").write_bytes(b"0123456789")
    return Host(str(tmp_path))


READS = {
    "read": lambda host: host.read("/etc/file"),
    "head": lambda host: host.head("/etc/file", 4),
    "piece": lambda host: host.piece("/etc/file", 3, 4),
    "search": lambda host: host.search("/etc/file", re.compile(b"[57]")),
    "text": lambda host: host.text("/etc/file"),
}
ANSWERS: dict[str, tuple[Any, int]] = {
    "read": (b"0123456789", 10),
    "head": (b"0123", 4),
    "piece": (b"3456", 4),
    "search": ([b"5", b"7"], 10),
    "text": ("0123456789", 10),
}


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("still", [False, True])
def test_each_way_to_read_is_paid_to_the_last_byte(host: Host, how: str, still: bool) -> None:
    """What is not paid for, a user may have as much of as he likes."""
    answer, size = ANSWERS[how]
    assert READS[how](host) == answer
    for left in (size, size - 1):
        host.budget = Budget(size=left)
        with host.still() if still else open(os.devnull):
            if left == size:
                assert (READS[how](host), host.budget.left["bytes read"]) == (answer, 0)
            else:
                with pytest.raises(Unseen, match=f"more than {left} bytes read"):
                    READS[how](host)


def test_text_of_any_bytes_is_text(host: Host) -> None:
    (Path(host.root) / "etc/file").write_bytes(b"a\xff\xe5\xbe\xae\n")
    assert host.text("/etc/file") == "a\ufffd\u5fae\n"


@pytest.mark.parametrize("how", READS)
def test_a_missing_path_reads_as_nothing_and_one_that_is_no_file_is_reported(host: Host, how: str) -> None:
    path = Path(host.root) / "etc/file"
    path.unlink()
    nothing: dict[str, Any] = {"read": None, "head": b"", "piece": b"", "search": [], "text": None}
    assert READS[how](host) == nothing[how]
    path.mkdir()
    with pytest.raises(ControlError, match=r"^/etc/file is not a regular file$"):
        READS[how](host)


@pytest.mark.parametrize(
    ("offset", "size", "found"),
    [
        (0, 3, b"012"),
        (8, 5, b"89"),
        *((offset, 1, b"") for offset in (10, -1, -(1 << 70), 1 << 62, (1 << 63) - 1, 1 << 63, 1 << 70)),
    ],
)
def test_a_piece_is_read_where_a_file_may_have_one(host: Host, offset: int, size: int, found: bytes) -> None:
    """Where it is, other files say, and they may say anything."""
    assert host.piece("/etc/file", offset, size) == found


def test_names_are_paid_for_as_they_come(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory may have millions: what is not within the budget is not even taken."""
    for name in "abcde":
        (Path(host.root) / "etc" / name).touch()
    everything = [*"abcde", "file"]
    assert host.list("/etc") == everything
    monkeypatch.setattr(reading, "NAMES", 2)
    host.budget = Budget(entries=6)
    assert (host.list("/etc"), host.budget.left["files"]) == (everything, 0)
    host.budget = Budget(entries=3)
    with pytest.raises(Unseen, match="more than 3 files"):
        host.list("/etc")
    assert host.budget.left["files"] == -1, "two were taken, and then two more"


@pytest.mark.parametrize("path", ["/none", "/etc/file", "/etc/file/x"])
def test_what_is_no_directory_has_nothing_in_it(host: Host, path: str) -> None:
    assert host.list(path) == []
    assert (host.stat(path) is None) is (path != "/etc/file")


@pytest.mark.parametrize(
    ("limit", "users", "message"),
    [
        (10, False, ""),
        (9, False, "/etc/file is larger than 9 bytes"),
        (64 << 20, True, "/etc/file is larger than 8 bytes, more than is read of a user's file"),
        (9, True, "/etc/file is larger than 8 bytes, more than is read of a user's file"),
        (8, True, "/etc/file is larger than 8 bytes"),
        (4, True, "/etc/file is larger than 4 bytes"),
    ],
)
def test_so_much_of_a_file_is_read(
    host: Host, monkeypatch: pytest.MonkeyPatch, limit: int, users: bool, message: str
) -> None:
    """A larger one of a user's is unseen: it is no mistake of the host's that would end its control."""
    monkeypatch.setattr(reading, "LARGEST", 8)
    host.budget = Budget() if users else None
    if not message:
        assert host.read("/etc/file", limit) == b"0123456789"
        return
    with pytest.raises(Unseen if "user's" in message else ControlError) as wrong:
        host.read("/etc/file", limit)
    assert str(wrong.value) == message


def test_a_search_finds_what_lies_across_two_pieces(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SEARCHED", 4)
    assert host.search("/etc/file", re.compile(rb"34|5|67|89|0123"), 2) == [b"0123", b"34", b"5", b"67", b"89"]
    (Path(host.root) / "etc/file").write_bytes(b"aXbbXbaXb")
    assert host.search("/etc/file", re.compile(rb"[ab]X"), 2) == [b"aX", b"bX"], "each once"


# -- an observation that changes nothing -------------------------------------------------------------------------------


def test_all_of_an_observation_uses_the_same_answer(host: Host) -> None:
    file = Path(host.root) / "etc/file"
    asks = (lambda: host.read("/etc/file"), lambda: host.list("/etc"), lambda: host.stat("/etc/new") is None)
    with host.still():
        before = [ask() for ask in asks]
        file.write_bytes(b"another")
        (file.parent / "new").touch()
        assert [ask() for ask in asks] == before == [b"0123456789", ["file"], True]
        assert host.read("/etc/file", 100) == b"another", "with a limit of its own it is another question"
    assert [ask() for ask in asks] == [b"another", ["file", "new"], False]


def test_what_a_user_has_is_not_kept(host: Host) -> None:
    """It may be as much as he likes; what was known before is not asked again."""
    file = Path(host.root) / "etc/file"
    with host.still():
        host.budget = Budget()
        assert host.stat("/etc/file") and host.stat("/etc/new") is None
        (file.parent / "new").touch()
        assert host.stat("/etc/new") is not None and host.list("/etc") == ["file", "new"]
        host.budget = None
        assert host.list("/etc") == ["file", "new"]
        (file.parent / "newer").touch()
        host.budget = Budget()
        assert host.list("/etc") == ["file", "new"]


def test_directories_stay_open_up_to_a_bound_and_none_after_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_OPEN", 3)  # the root, /etc and one more
    for name in "abc":
        (Path(host.root) / "etc" / name).mkdir()
        (Path(host.root) / "etc" / name / "x").touch()
    before = len(os.listdir("/proc/self/fd"))
    with host.still():
        for _ in range(2):
            for name in "abc":
                assert host.stat(f"/etc/{name}/x") is not None
                assert host.read(f"/etc/{name}/x") == b"" and host.list(f"/etc/{name}") == ["x"]
        assert len(os.listdir("/proc/self/fd")) == before + 3
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_missing_stays_missing_and_is_not_opened_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with host.still():
        assert host.stat("/none/x") is None
        (Path(host.root) / "none").mkdir()
        (Path(host.root) / "none/y").touch()
        assert host.stat("/none/y") is None
    assert host.stat("/none/y") is not None


# -- what cannot be seen -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "privileged", "message"),
    [
        (PermissionError(13, "Permission denied"), False, "can only be read by root"),
        (PermissionError(13, "Permission denied"), True, "cannot be read: Permission denied"),
        (OSError(5, "Input/output error"), False, "cannot be read: Input/output error"),
    ],
)
def test_what_cannot_be_read_is_unseen_with_the_reason(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: OSError, privileged: bool, message: str
) -> None:
    def refuse(path: str) -> None:
        raise error

    monkeypatch.setattr(Host, "privileged", property(lambda self: privileged))
    monkeypatch.setattr(host, "_open_directory", refuse)
    for ask in (host.stat, host.list):
        with pytest.raises(Unseen) as wrong:
            ask("/etc/file")
        assert str(wrong.value) == f"/etc/file {message}"
    permission = isinstance(error, PermissionError)
    with pytest.raises(Unseen if permission else ControlError) as other:
        host.read("/etc/file")
    assert str(other.value) == (f"/etc/file {message}" if permission else "cannot read /etc/file: Input/output error")


@ROOT
def test_links_that_root_made_lead_somewhere(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(host.root) / "etc"
    (place / "alternatives").mkdir()
    (place / "first").symlink_to("alternatives/second")
    (place / "alternatives/second").symlink_to("/usr/bin/../lib/tool")
    assert host.target("/etc/first") == "/usr/lib/tool"
    assert host.target("/etc/file") == "/etc/file" and host.target("/none") == "/none"
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    assert host.target("/etc/a") in ("/etc/a", "/etc/b")
    os.lchown(place / "first", 1000, 1000)
    with pytest.raises(ControlError, match="uid 1000 made"):
        host.target("/etc/first")


@ROOT
@pytest.mark.parametrize(("links", "end"), [(16, "/etc/file"), (17, "/etc/l0")])
def test_so_many_links_are_followed(host: Host, links: int, end: str) -> None:
    place = Path(host.root) / "etc"
    for number in range(links):
        (place / f"l{number}").symlink_to(f"l{number - 1}" if number else "file")
    assert host.target(f"/etc/l{links - 1}") == end
