"""The archive in an AppImage: all forms of it are read, and none beyond bounds."""

import functools
import struct
import zlib
from contextlib import nullcontext

import pytest
from made_apps import Read
from proscribe.host.controls.apps.portable import squashfs
from proscribe.host.controls.apps.portable.squashfs import Archive, Unreadable
from squashfs_maker import BLOCK, Maker, Tree

BEFORE = b"\x7fELF, a program" * 10


def filled(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


FILES = {
    "empty": b"",
    "small": b"tiny!",
    "even": filled(3 * BLOCK + 100),
    "odd": filled(2 * BLOCK + 77),
    "sparse": filled(BLOCK) + bytes(BLOCK) + filled(BLOCK),
}
TREE: Tree = {
    **FILES,
    "usr": {"bin": {"run": b"run it!", "up": "../../small", "top": "/odd"}, "none": {}},
    "link": "usr/bin",
    "round": "round",
    "nowhere": "nothing/here",
    **{f"many{number:03}": b"%d" % number for number in range(600)},
}


@functools.lru_cache
def made_in(method: str, packed: bool, long: bool) -> bytes:
    return Maker(TREE, method, packed, long).archive()


def opened(content: bytes) -> Archive:
    return Archive(Read(BEFORE + content), len(BEFORE))


def content_of(archive: Archive, path: str, size: int = 10**6) -> bytes | None:
    node = archive.find(path)
    return None if node is None else archive.head(node, size)


PLAIN, LONG, PACKED = ("gzip", False, False), ("gzip", False, True), ("gzip", True, False)
FORMS = [PLAIN, LONG, PACKED, ("lzma", True, True), ("xz", True, False)]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_an_archive_is_read_in_all_its_forms(form):
    archive = opened(made_in(*form))
    assert [name for name, _ in archive.listed(archive.node(archive.root))] == sorted(TREE)
    for name, content in FILES.items():
        archive = opened(made_in(*form))  # which has so much to unpack each time
        assert content_of(archive, name) == content
        node = archive.find(name)
        for size in (0, 1, BLOCK, BLOCK + 1):
            assert node and archive.head(node, size) == content[:size]


@pytest.mark.parametrize("form", [LONG, PACKED])
def test_path_leads_as_in_the_kernel(form):
    for path, content in {
        "/usr//bin/./run": b"run it!",
        "usr/../small": b"tiny!",
        "link/run": b"run it!",
        "link/up": b"tiny!",
        "usr/bin/top": FILES["odd"],
        "many599": b"599",
        "many6": None,
        "small/x": None,
        "nowhere": None,
        "round": None,
        "usr/bin": b"",  # which is no file
        "": b"",
    }.items():
        assert content_of(opened(made_in(*form)), path) == content, path


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({}, ""),
        ({"magic": 0x73717369}, "no squashfs archive"),
        ({"block": 4095}, "of another kind"),
        ({"block": 2**20}, ""),
        ({"block": 2**20 + 1}, "of another kind"),
        ({"method": 3}, "packed with an unknown method"),
    ],
)
def test_head_is_read_within_limits(other, why):
    result = Maker(TREE).archive(**other)
    if why:
        with pytest.raises(Unreadable, match=why):
            opened(result)
    else:
        opened(result)
        with pytest.raises(Unreadable, match="no squashfs archive"):
            opened(result[:95])


def test_an_archive_that_is_cut_short_anywhere_is_unreadable():
    """Never a part of what was in it, and no other error: it is a file that its user made."""
    tree = {"a": FILES["odd"], "b": {"c": b"it is"}}
    result = Maker(tree).archive()
    for cut in range(0, len(result) - 1, 7):
        with pytest.raises(Unreadable):
            archive = opened(result[:cut])
            assert content_of(archive, "b/c") == tree["b"]["c"] and content_of(archive, "a") == tree["a"]


@pytest.mark.parametrize(("blocks", "fine"), [(7, True), (6, False)])
def test_blocks_are_unpacked_up_to_the_limit(monkeypatch, blocks, fine):
    """For `a` one of inodes, one of names, three of its own, one of fragments, and its end."""
    monkeypatch.setattr(squashfs, "MOST_BLOCKS", blocks)
    archive = opened(Maker({"a": filled(3 * BLOCK + 1)}).archive())
    with nullcontext() if fine else pytest.raises(Unreadable, match="too much in it to search"):
        assert content_of(archive, "a") == filled(3 * BLOCK + 1)


@pytest.mark.parametrize(("names", "fine"), [(10, True), (9, False)])
def test_names_are_read_up_to_the_limit(monkeypatch, names, fine):
    monkeypatch.setattr(squashfs, "MOST_NAMES", names)
    archive = opened(Maker({f"a{number}": b"" for number in range(10)}).archive())
    with nullcontext() if fine else pytest.raises(Unreadable, match="a directory of its archive is too large"):
        assert len(list(archive.listed(archive.node(archive.root)))) == 10


@pytest.mark.parametrize(("steps", "links", "content"), [(32, 0, b"it"), (33, 0, None), (1, 7, b"it"), (1, 8, None)])
def test_link_is_followed_up_to_the_limit(steps, links, content):
    tree = {"it": b"it", "l0": "./" * (steps - 1) + "it", **{f"l{n + 1}": f"l{n}" for n in range(links)}}
    assert content_of(opened(Maker(tree).archive()), f"l{links}") == content


class Bomb(Maker):
    """An archive whose blocks unpack to ten times what their file has."""

    def block(self, content: bytes) -> int:
        body = zlib.compress(bytes(10 * BLOCK))
        self.data += body
        return len(body)


def test_block_is_never_larger_than_the_archive_says():
    """One of 4 KiB would otherwise be a gigabyte, unpacked or read."""
    assert content_of(opened(Bomb({"a": b"x" * BLOCK}).archive()), "a") == bytes(BLOCK)
    result = bytearray(Maker({"a": b"x" * BLOCK}, packed=False).archive())
    at = result.rindex(struct.pack("<I", BLOCK | 1 << 24))
    result[at : at + 4] = struct.pack("<I", BLOCK + 1 | 1 << 24)
    with pytest.raises(Unreadable, match="a block of its archive is too large"):
        content_of(opened(bytes(result)), "a")


def test_damaged_block_is_unreadable():
    result = Maker(TREE).archive()
    block = zlib.compress(FILES["odd"][:BLOCK])
    with pytest.raises(Unreadable, match="cannot be unpacked"):
        content_of(opened(result.replace(block, bytes(len(block)))), "odd")


def test_large_file_is_read_at_its_beginning():
    content = filled(300 * BLOCK + 1)
    result = Maker({"a": content}).archive()
    assert content_of(opened(result), "a", 50 * BLOCK + 1) == content[: 50 * BLOCK + 1]
    with pytest.raises(Unreadable, match="too much in it to search"):
        content_of(opened(result), "a")


@pytest.mark.parametrize("short", range(1, 22))
def test_a_list_of_names_that_is_cut_short_lists_what_is_whole(short):
    result = Maker({"a": b"", "b": b""}, packed=False).archive()
    listing = 12 + 2 * 9
    cut = result.replace(struct.pack("<IIH", 0, 2, listing + 3), struct.pack("<IIH", 0, 2, listing + 3 - short))
    assert cut != result
    archive = opened(cut)
    names = [name for name, _ in archive.listed(archive.node(archive.root))]
    assert names == (["a"] if short < 10 else [])
