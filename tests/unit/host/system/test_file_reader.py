"""Reading of a host: limits, errors, no link of a user's, and nothing left open."""

import contextlib
import itertools
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from file_hosts import make_directories, make_host
from proscribe.host.system import ControlError, Host, ObservationError, file_reader
from proscribe.host.system.budget import ReadBudget
from refusals import make_refusal

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")


@pytest.fixture
def host(tmp_path):
    make_directories(tmp_path, "home/alice")
    return make_host(tmp_path, {"etc/file": b"0123456789", "etc/sub/file": b"below\xff"})


@pytest.mark.parametrize(("limit", "read"), [(10, 10), (9, 10), (3, 4), (0, 4)])
def test_file_beyond_the_limit_is_an_error_and_not_read_to_its_end(host, monkeypatch, limit, read):
    """Its beginning may be harmless; its end may be a terabyte away."""
    monkeypatch.setattr(file_reader, "PIECE_BYTES", 4)
    host.budget = ReadBudget()
    if limit < 10:
        with pytest.raises(ControlError, match=f"^/etc/file is larger than {limit} bytes$"):
            host.read_file("/etc/file", limit)
    else:
        assert host.read_file("/etc/file", limit) == b"0123456789"
    assert host.budget.limits["bytes read"] - host.budget.remaining["bytes read"] == read


def test_content_that_the_host_read_itself_is_no_answer_for_a_user(host, monkeypatch):
    """The content may be 64 MiB, and each user's part of an observation holds what it has read."""
    monkeypatch.setattr(file_reader, "MAX_USER_FILE_BYTES", 8)
    with host.cache_reads():
        assert host.read_file("/etc/file") == b"0123456789"
        host.budget = ReadBudget()
        with pytest.raises(ObservationError, match="larger than 8 bytes"):
            host.read_file("/etc/file")


def test_directory_is_held_while_it_is_used(host):
    with host.open_directory("/etc/sub") as held:
        (Path(host.root) / "etc/sub").rename(Path(host.root) / "etc/gone")
        assert os.stat("file", dir_fd=held).st_size == 6


def test_link_that_goes_away_before_it_is_read_is_unseen(host, monkeypatch):
    (Path(host.root) / "etc/link").symlink_to("file")
    monkeypatch.setattr(
        file_reader, "read_link_target", make_refusal(FileNotFoundError(2, "No such file or directory"))
    )
    with pytest.raises(ObservationError, match="^/etc/link cannot be read: No such file or directory$"):
        host.resolve_link("/etc/link")
    monkeypatch.setattr(file_reader, "read_link_target", lambda directory, name, path: "")
    assert host.resolve_link("/etc/link") == "/etc/link", "by now it is no link"


@pytest.mark.parametrize("still", [False, True])
def test_reads_have_their_answers_and_leave_no_descriptor_open(host, still):
    os.mkfifo(Path(host.root) / "etc/pipe")
    (Path(host.root) / "etc/loop").symlink_to("loop")
    asks = [
        host.read_file,
        host.list_directory,
        host.resolve_link,
        lambda path: host.read_head(path, 4),
        lambda path: host.read_range(path, 1, 4),
    ]
    asks += [lambda path: host.search_file(path, re.compile(b"[02]")), lambda path: host.find_entry(path) is not None]
    unread = ["ControlError"] * 3
    answers = {
        "/etc/file": [b"0123456789", [], "/etc/file", b"0123", b"1234", [b"0", b"2"], True],
        "/etc/sub": ["ControlError", ["file"], "/etc/sub", *unread, True],
        **{path: [None, [], path, b"", b"", [], False] for path in ("/etc/none", "/none/file", "/etc/file/x")},
        "/etc/pipe": ["ControlError", [], "/etc/pipe", *unread, True],
        "/etc/loop/x": ["ControlError", *["ObservationError"] * 2, *unread, "ObservationError"],
    }
    results: dict[str, list[object]] = {path: [] for path in answers}
    with host.cache_reads() if still else contextlib.nullcontext():
        for path, ask in itertools.product(answers, asks):
            try:
                results[path].append(ask(path))
            except (ControlError, ObservationError) as refusal:
                results[path].append(type(refusal).__name__)
    assert results == answers


def test_extended_attribute_is_that_of_the_entry_itself(tmp_path):
    (tmp_path / "file").touch()
    try:
        os.setxattr(tmp_path / "file", "user.made", b"value")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    (tmp_path / "link").symlink_to("file")
    host = Host(str(tmp_path))
    assert host.read_attribute("/file", "user.made") == b"value" and host.read_attribute("/file", "user.other") is None
    assert [host.read_attribute(path, "user.made") for path in ("/link", "/none", "/none/file")] == [None, None, None]


def test_search_finds_a_match_across_two_pieces(host, monkeypatch):
    monkeypatch.setattr(file_reader, "SEARCH_PIECE_BYTES", 4)
    assert host.search_file("/etc/file", re.compile(rb"34|5|67|89|0123"), 2) == [b"0123", b"34", b"5", b"67", b"89"]
    (Path(host.root) / "etc/file").write_bytes(b"aXbbXbaXb")
    assert host.search_file("/etc/file", re.compile(rb"[ab]X"), 2) == [b"aX", b"bX"], "each once"


def test_reads_for_a_user_are_not_kept(host):
    """They may be as much as the user likes; what was known before is not asked again."""
    sub = Path(host.root) / "etc/sub"
    with host.cache_reads():
        host.budget = ReadBudget()
        assert host.find_entry("/etc/sub/file") and host.find_entry("/etc/sub/new") is None
        (sub / "new").touch()
        assert host.find_entry("/etc/sub/new") is not None and host.list_directory("/etc/sub") == ["file", "new"]
        host.budget = None
        assert host.list_directory("/etc/sub") == ["file", "new"]
        (sub / "newer").touch()
        host.budget = ReadBudget()
        assert host.list_directory("/etc/sub") == ["file", "new"]


@pytest.mark.parametrize(
    ("error", "privileged", "message"),
    [
        (PermissionError(13, "Permission denied"), False, "can only be read by root"),
        (PermissionError(13, "Permission denied"), True, "cannot be read: Permission denied"),
        (OSError(5, "Input/output error"), False, "cannot be read: Input/output error"),
    ],
)
def test_path_that_cannot_be_read_is_unseen_with_the_reason(host, monkeypatch, error, privileged, message):
    monkeypatch.setattr(Host, "privileged", property(lambda self: privileged))
    monkeypatch.setattr(host, "_open_directory_path", make_refusal(error))
    for ask in (host.find_entry, host.list_directory, *[host.read_file] * isinstance(error, PermissionError)):
        with pytest.raises(ObservationError, match=f"^/etc/file {message}$"):
            ask("/etc/file")
    if not isinstance(error, PermissionError):
        with pytest.raises(ControlError, match="^cannot read /etc/file: Input/output error$"):
            host.read_file("/etc/file")


READS = (
    lambda host: host.find_entry("/etc/file").st_size,
    lambda host: host.find_entry("/missing/too/deep"),
    lambda host: host.find_entry("/etc/file/below"),
    lambda host: host.list_directory("/etc/"),
    lambda host: host.list_directory("/missing"),
    lambda host: host.read_file("/etc/by-root/file"),
    lambda host: host.read_text("/etc/missing"),
    lambda host: host.read_head("/etc/file", 3),
    lambda host: host.resolve_link("/etc/by-root"),
    lambda host: host.read_file("/home/alice/link/file"),
    lambda host: host.list_directory("/home/alice/link"),
    lambda host: host.find_entry("/"),
)


def test_answers_of_a_still_host_are_the_same(host):
    def answer(read):
        try:
            return read(host)
        except ControlError as error:
            return str(error).replace(host.root, "")

    (Path(host.root) / "etc/by-root").symlink_to("../etc")
    (Path(host.root) / "home/alice/link").symlink_to("../../etc")
    if os.geteuid() == 0:  # a link of somebody else's
        os.lchown(Path(host.root) / "home/alice/link", 1000, 1000)
    plain = [answer(read) for read in READS]
    for most in (128, 2, 0):
        with pytest.MonkeyPatch.context() as patched, host.cache_reads():
            patched.setattr(file_reader, "MAX_OPEN_DIRECTORIES", most)
            assert [answer(read) for read in (*READS, *READS)] == [*plain, *plain]


ASKS = {
    "read": (lambda host: host.read_file("/etc/file"), b"0123456789", 10, None),
    "head": (lambda host: host.read_head("/etc/file", 4), b"0123", 4, b""),
    "piece": (lambda host: host.read_range("/etc/file", 3, 4), b"3456", 4, b""),
    "search": (lambda host: host.search_file("/etc/file", re.compile(b"[57]")), [b"5", b"7"], 10, []),
    "text": (lambda host: host.read_text("/etc/file"), "0123456789", 10, None),
}


@pytest.mark.parametrize("name", ASKS)
def test_read_is_paid_to_the_last_byte_and_of_a_regular_file_alone(host, name):
    """A user may have as much as possible of anything that is not paid for."""
    ask, answer, size, nothing = ASKS[name]
    for still in (host.cache_reads, contextlib.nullcontext):
        host.budget = ReadBudget(size=size)
        with still():
            assert (ask(host), host.budget.remaining["bytes read"]) == (answer, 0)
        host.budget = ReadBudget(size=size - 1)
        with still(), pytest.raises(ObservationError, match=f"more than {size - 1} bytes read"):
            ask(host)
    host.budget, path = None, Path(host.root) / "etc/file"
    path.unlink()
    assert ask(host) == nothing
    for make in (Path.mkdir, lambda place: (place.rmdir(), os.mkfifo(place))):
        make(path)
        with pytest.raises(ControlError, match=r"^/etc/file is not a regular file$"):
            ask(host)


@pytest.mark.parametrize(
    ("offset", "size", "piece"),
    [(0, 3, b"012"), (8, 5, b"89"), *((offset, 1, b"") for offset in (10, -1, -(1 << 70), 1 << 62, 1 << 63, 1 << 70))],
)
def test_piece_is_read_wherever_a_hostile_file_says_that_it_is(host, offset, size, piece):
    assert host.read_range("/etc/file", offset, size) == piece
    assert (host.read_head("/etc/file", 0), host.read_head("/etc/file", 11)) == (b"", b"0123456789")


@ROOT
@pytest.mark.parametrize(
    ("owner", "myself", "budget", "whole"),
    [
        (0, 0, False, True),
        (1000, 0, False, False),
        (1, 0, False, False),  # an account of the system's is no root either
        (0, 1000, False, True),  # an ordinary user reads root's files,
        (1000, 1000, False, True),  # and this user's own,
        (1001, 1000, False, False),  # and those of others in part
        (0, 0, True, False),  # on a user's behalf, whoever owns it: a link of root's may lead anywhere
    ],
)
def test_large_file_is_read_only_where_no_user_made_it(host, monkeypatch, owner, myself, budget, whole):
    os.chown(f"{host.root}/etc/file", owner, owner)
    monkeypatch.setattr(file_reader, "MAX_USER_FILE_BYTES", 8)
    monkeypatch.setattr(os, "geteuid", lambda: myself)
    host.budget = ReadBudget() if budget else None
    with (
        contextlib.nullcontext()
        if whole
        else pytest.raises(ObservationError, match="more than is read of a user's file")
    ):
        assert host.read_file("/etc/file") == b"0123456789"
    if budget:  # a limit of the caller's is no mistake of the user's
        for limit, error in ((8, ControlError), (9, ObservationError)):
            with pytest.raises(error, match="^/etc/file is larger than 8 bytes"):
                host.read_file("/etc/file", limit)


@ROOT
def test_target_of_a_link_is_followed_up_to_16_links_and_past_none_of_a_user(host):
    place = Path(host.root) / "etc"
    (place / "first").symlink_to("sub/second")
    (place / "sub/second").symlink_to("/usr/bin/../lib/tool")
    targets = {"first": "/usr/lib/tool", "file": "/etc/file", "none": "/etc/none", "l15": "/etc/file", "l16": "/etc/l0"}
    for number in range(17):
        (place / f"l{number}").symlink_to(f"l{number - 1}" if number else "file")
    assert {name: host.resolve_link(f"/etc/{name}") for name in targets} == targets
    os.lchown(place / "first", 1000, 1000)
    with pytest.raises(ControlError, match="uid 1000 made"):
        host.resolve_link("/etc/first")


def test_names_of_a_directory_are_paid_as_they_come(host, monkeypatch):
    """A directory may have millions: names beyond the budget are not even taken."""
    for name in "abcd":
        (Path(host.root) / "etc" / name).touch()
    monkeypatch.setattr(file_reader, "NAMES_PIECE", 2)
    host.budget = ReadBudget(entries=6)
    assert (host.list_directory("/etc"), host.budget.remaining["files"]) == ([*"abcd", "file", "sub"], 0)
    host.budget = ReadBudget(entries=3)
    with pytest.raises(ObservationError, match="more than 3 files"):
        host.list_directory("/etc")
    assert host.budget.remaining["files"] == -1, "two were taken, and then two more"


def test_still_host_gives_the_same_answer_and_to_each_caller_its_own(host):
    file = Path(host.root) / "etc/file"
    asks = (
        lambda: host.read_file("/etc/file"),
        lambda: host.list_directory("/etc"),
        lambda: host.find_entry("/none/x") is None,
    )
    with host.cache_reads():
        before = [ask() for ask in asks]
        host.list_directory("/etc").clear()
        file.write_bytes(b"another")
        (file.parent / "new").touch()
        (file.parents[1] / "none").mkdir()
        (file.parents[1] / "none/x").touch()
        assert [ask() for ask in asks] == before == [b"0123456789", ["file", "sub"], True]
        assert host.read_file("/etc/file", 100) == b"another", "with a limit of its own it is another question"
    assert [ask() for ask in asks] == [b"another", ["file", "new", "sub"], False]


@pytest.mark.parametrize("error", [None, KeyError])
def test_still_host_holds_directories_up_to_a_limit_and_none_after_it(host, monkeypatch, error):
    monkeypatch.setattr(file_reader, "MAX_OPEN_DIRECTORIES", 3)  # the root, /etc and one more
    for name in "abc":
        (Path(host.root) / "etc" / name).mkdir()
        (Path(host.root) / "etc" / name / "x").touch()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(error) if error else contextlib.nullcontext(), host.cache_reads():
        for name in "abcabc":
            assert host.read_file(f"/etc/{name}/x") == b"" and host.list_directory(f"/etc/{name}") == ["x"]
        assert len(os.listdir("/proc/self/fd")) == before + 3
        if error:
            raise error


@pytest.mark.parametrize("path", ["//etc//sub/file", "/etc/./sub/file"])
def test_path_may_be_written_in_several_ways(host, path):
    for still in (host.cache_reads, contextlib.nullcontext):
        with still():
            assert host.read_file(path) == b"below\xff" and host.read_text(path) == "below\ufffd"
            assert host.list_directory(path.rpartition("/")[0] + "/") == ["file"]
            assert host.find_entry("/etc/") == host.find_entry("/etc")


def test_no_more_is_searched_twice_than_a_match_is_long(host, monkeypatch):
    """A gigabyte would else cost two."""
    monkeypatch.setattr(file_reader, "SEARCH_PIECE_BYTES", 1000)
    (Path(host.root) / "etc/file").write_bytes(b"x" * 2500)
    for options, sizes in (((), [1000, 1256, 756]), ((10,), [1000, 1010, 510])):
        searched = []
        pattern = SimpleNamespace(finditer=lambda content, searched=searched: searched.append(len(content)) or iter(()))
        assert host.search_file("/etc/file", pattern, *options) == [] and searched == sizes
