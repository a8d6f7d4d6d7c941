"""Downloads, AppImages and their archives, Electron archives, and folders of users."""

import functools
import struct
import zlib
from contextlib import nullcontext
from typing import Any

import made_apps as fake
import pytest
from made_apps import Read
from made_apps import lay as put
from made_host import plan
from proscribe.host.controls.apps import install_block
from proscribe.host.controls.apps.apps_observation import observe_apps
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.portable import appimage_contents, asar, squashfs, user_dirs
from proscribe.host.controls.apps.portable.appimage import is_appimage, make_name_stem
from proscribe.host.controls.apps.portable.squashfs import SquashfsArchive, UnreadableArchive
from proscribe.host.controls.apps.systems import dpkg
from proscribe.host.system import User
from squashfs_maker import BLOCK, Maker, Tree

CHATS = [
    *("Chat-1.2.3.AppImage", "Chat-1.2.3-ia32.AppImage", "ChatLinux-x86_64.AppImage", "chat-linux-gnu-musl-glibc"),
    "chat-x86-x32-i386-i686-arm-armhf-armv7l-arm64-aarch64",
    "chat-64bit-32bit-bin-git-portable-setup-desktop-electron",
    "chat-latest-stable-alpha-release-nightly-canary-ptb-continuous-universal",
]
WECHAT = frozenset({"wechat", "com.tencent.wechat"})
OTHER = "does not say that it is this app"
KINDS = ["Game", "Education", "Science", "Graphics", "AudioVideo", "Audio", "Video", "Development"]
DIRECTORY: Any = {"usr": {"bin": {"wechat": fake.elf(), "run": b"text"}}}
MANY = {f"a{number:02}": fake.elf() for number in range(50)}  # as a Qt or Electron app has at its root
THREE_TEXTS = dict.fromkeys(("WECHAT", "WEchat", "WeChat"), b"text")  # each takes a read of the host's disk
HOME = "/home/alice"
DIRS = 'XDG_DESKTOP_DIR="$HOME/桌面"\nXDG_DOWNLOAD_DIR="$HOME/下載"\n'
BEFORE = b"\x7fELF, a program" * 10
PLAIN, LONG, PACKED = ("gzip", False, False), ("gzip", False, True), ("gzip", True, False)
FORMS = [PLAIN, LONG, PACKED, ("lzma", True, True), ("xz", True, False)]


def test_name_of_a_download_has_a_stem():
    stems = {**dict.fromkeys(CHATS, "chat"), "megaglest": "megaglest", "chat2": "chat2", "chat-ia64": "chat-ia64"}
    assert {name: make_name_stem(name) for name in stems} == stems


def test_first_bytes_mark_an_appimage():
    head = b"\x7fELF\x02\x01\x01\0"
    assert [is_appimage(head + mark) for mark in (b"AI\x02", b"FI\x01", b"RI\x02", b"AI\x03")] == [True] * 3 + [False]
    assert not is_appimage(b"MZ\0\0\0\0\0\0AI\x02")


@pytest.mark.parametrize(
    ("image", "doubt"),
    [
        (fake.image("wechat"), ""),
        (fake.image("WeChat", "com.tencent.WeChat"), ""),
        *((fake.image("wechat", categories=f"X;{kind};"), f"that it is something else ({kind})") for kind in KINDS),
        (fake.image("wechat", categories="Game;Network;"), ""),
        (fake.image("other"), f"known by its name alone: what is in it {OTHER}, so it is not moved"),
        (fake.image("other", "wechat", files={"wechat": b"text"}), OTHER),
        (fake.image("wechat", files={"second.desktop": fake.entry("x")}), "more than one desktop entry"),
        (fake.elf({}, b"AI\x02"), "it has no squashfs archive"),
        (fake.elf({}, b"AI\x02") + fake.squashfs({"wechat": fake.elf()}), "it has no desktop entry"),
        (b"text", "it is no program"),
    ],
)
def test_an_appimage_is_what_is_in_it(image, doubt):
    reason = appimage_contents.explain_appimage_doubt(Read(image), WECHAT)
    assert doubt in reason and bool(reason) == bool(doubt)


@pytest.mark.parametrize(
    ("more", "update", "files", "is_one"),
    [
        ({}, "", {}, False),  # only its desktop entry
        ({"Exec": "/opt/a/WeChat --x"}, "", {}, True),  # the command
        ({"StartupWMClass": "com.tencent.WeChat"}, "", {}, True),  # the window
        ({"Name": "wechat", "Icon": "wechat"}, "", {}, False),  # what anybody calls something
        ({}, "gh-releases-zsync|Tencent|WeChat|latest|x", {}, True),  # where it is updated from
        ({}, "zsync|http://x/wechat.zsync", {}, False),  # from an address that has the word in it
        ({}, "", {"wechat": fake.elf()}, True),  # a program
        ({}, "", {"wechat": "AppRun", "AppRun": fake.elf()}, True),  # a link to one
        ({}, "", {**MANY, "wechat": fake.elf()}, True),  # a program among many others
        ({}, "", {"wechat": fake.elf(), "usr": {}}, True),  # one beside a usr without a bin
        ({}, "", {**THREE_TEXTS, "Wechat": fake.elf()}, True),  # the fourth of that name
        ({}, "", {**THREE_TEXTS, "Wechat": b"text", "wEchat": fake.elf()}, False),  # the fifth
        ({}, "", {"wechat": {"wechat": fake.elf()}}, False),  # a directory
        ({}, "", DIRECTORY, True),  # a program where they are on a host
        ({}, "", {"resources": {"app.asar": fake.asar({"name": "wechat"})}}, True),  # its package.json
        ({}, "", {"resources": {"app.asar": fake.asar({"name": "other"})}}, False),  # another's
    ],
)
def test_appimage_names_its_app_in_two_places(more, update, files, is_one):
    tree = {"wechat.desktop": fake.entry("other", **more), **files}
    image = fake.elf({".upd_info": update.encode() + b"\0"}, b"AI\x02") + Maker(tree).archive()
    reason = appimage_contents.explain_appimage_doubt(Read(image), WECHAT)
    assert (reason == "") is is_one and (OTHER in reason) is not is_one


TREE: dict[str, Any] = {
    "a.node": {"size": 5, "unpacked": True},
    "packed": {"size": 6, "offset": "9"},
    "odd": {"size": 7, "unpacked": "yes"},
    "": {"size": 1, "unpacked": True},
    ".": {"size": 1, "unpacked": True},
    "..": {"files": {"x": {"size": 1, "unpacked": True}}},
    "b/c": {"size": 1, "unpacked": True},
    "d": {"files": {"e": {"files": {"f": {"size": "8", "unpacked": True}}}, "g": {"size": 2, "unpacked": True}}},
}


def test_files_beside_an_archive_have_paths_that_never_lead_out():
    read = asar.read_asar(Read(fake.asar({"name": "owl"}, tree=TREE)))
    assert read and read.unpacked_sizes == {"a.node": 5, "d/e/f": 8, "d/g": 2}
    for depth, count in ((asar.MAX_DEPTH, 1), (asar.MAX_DEPTH + 1, 0)):
        tree: dict[str, Any] = {"x": {"size": 1, "unpacked": True}}
        for _ in range(depth):
            tree = {"d": {"files": tree}}
        read = asar.read_asar(Read(fake.asar({}, tree=tree)))
        assert read and len(read.unpacked_sizes) == count


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x7fELF" + bytes(100),
        fake.asar({}, cut=1),
        fake.asar(["owl"]),
        *(fake.asar({}, tree={"a": value}) for value in ({"unpacked": True}, 5, {"files": 5})),
        fake.asar({}).replace(b'"package.json"', b'"package.jsox"'),
        fake.asar({}).replace(b'"files": {"package', b'"filex": {"package'),
    ],
)
def test_damaged_archive_is_read_as_none(content):
    assert asar.read_asar(Read(content)) is None


@pytest.mark.parametrize("limit", ["MAX_HEADER_BYTES", "MAX_MANIFEST_BYTES"])
def test_header_or_package_is_read_up_to_the_limit(monkeypatch, limit):
    content = fake.asar({"name": "owl"})
    header_size, manifest_size = struct.unpack_from("<I", content, 12)[0], len('{"name": "owl"}')
    size = {"MAX_HEADER_BYTES": header_size, "MAX_MANIFEST_BYTES": manifest_size}[limit]
    for most, is_read in ((size, True), (size - 1, False)):
        monkeypatch.setattr(asar, limit, most)
        assert (asar.read_asar(Read(content)) is not None) is is_read


def test_only_a_folder_below_the_home_counts():
    paths = {"$HOME/桌面": f"{HOME}/桌面", "$HOME/a//b/": f"{HOME}/a/b", r"$HOME/\$a\\\`b": rf"{HOME}/$a\`b"}
    paths |= {f"{HOME}/{'x' * 1012}": f"{HOME}/{'x' * 1012}", f"{HOME}/{'x' * 1013}": ""}
    paths |= dict.fromkeys(("$HOME", "$HOME/./x", "/home/alicex/Desktop", "$HOME/a\0b"), "")
    for value, path in paths.items():
        text = f'# c\n  XDG_DESKTOP_DIR="{value}"\nXDG_FOO_DIR="$HOME/y"\n'
        assert user_dirs.parse_user_directories(text, HOME) == ({"DESKTOP": path} if path else {}), value


def test_folder_of_downloads_never_moves_as_a_whole(host):
    put(host, HOME + user_dirs.USER_DIRS_FILE, DIRS)
    for name, content in fake.electron("signal-desktop").items():
        put(host, f"{HOME}/下載/{name}", content)
    (app,) = observe_apps(host, plan(signal={"processes": ["signal-desktop"]})["controls"]["apps"]).portable_apps
    assert not app.doubt and app.path != f"{HOME}/下載" and f"{HOME}/下載" not in app.parts


@pytest.mark.parametrize(("more", "read"), [(0, True), (1, False)])
def test_file_of_folders_is_read_up_to_the_limit(host, more, read):
    put(host, HOME + user_dirs.USER_DIRS_FILE, DIRS + "#" * (64 * 1024 - len(DIRS.encode()) + more))
    assert bool(user_dirs.read_user_directories(host, User("alice", 1000, 1000, HOME))) is read


def test_a_plans_words_for_a_refusal_reach_the_gates(host):
    of = plan(wechat={"packages": {"apt": ["wechat"]}})
    of["controls"]["apps"]["settings"] = {"refusal_notice": "Not here.\n \n此處不得安裝。"}
    listed = install_block.list_expected_parts(host, of, DesiredApps(of["controls"]["apps"]))
    parts = {part.path: part for _, part, _ in listed}
    assert parts[dpkg.CONTACT_PATH].make_desired_text(host).splitlines()[2:] == ["Not here.", "此處不得安裝。"]


def filled(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


FILES = {"empty": b"", "small": b"tiny!", "even": filled(3 * BLOCK + 100), "odd": filled(2 * BLOCK + 77)}
FILES["sparse"] = filled(BLOCK) + bytes(BLOCK) + filled(BLOCK)
SQUASHFS_TREE: Tree = {**FILES, **{f"many{number:03}": b"%d" % number for number in range(600)}}
SQUASHFS_TREE |= {"usr": {"bin": {"run": b"run it!", "up": "../../small", "top": "/odd"}, "none": {}}}
SQUASHFS_TREE |= {"link": "usr/bin", "round": "round", "nowhere": "nothing/here"}


@functools.lru_cache
def made_in(method: str, packed: bool, long: bool) -> bytes:
    return Maker(SQUASHFS_TREE, method, packed, long).archive()


def opened(content: bytes) -> SquashfsArchive:
    return SquashfsArchive(Read(BEFORE + content), len(BEFORE))


def content_of(archive: SquashfsArchive, path: str, size: int = 10**6) -> bytes | None:
    node = archive.find_node(path)
    return None if node is None else archive.read_head(node, size)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_an_archive_is_read_in_all_its_forms(form):
    archive = opened(made_in(*form))
    names = [name for name, _ in archive.list_directory(archive.read_node(archive.root_reference))]
    assert names == sorted(SQUASHFS_TREE)
    for name, content in FILES.items():
        archive = opened(made_in(*form))  # which has so much to unpack each time
        assert content_of(archive, name) == content
        node = archive.find_node(name)
        for size in (0, 1, BLOCK, BLOCK + 1):
            assert node and archive.read_head(node, size) == content[:size]


@pytest.mark.parametrize("form", [LONG, PACKED])
def test_path_leads_as_in_the_kernel(form):
    contents = {"/usr//bin/./run": b"run it!", "usr/../small": b"tiny!", "link/run": b"run it!", "link/up": b"tiny!"}
    contents |= {"usr/bin/top": FILES["odd"], "many599": b"599", "usr/bin": b"", "": b""}  # a directory is no file
    for path, content in {**contents, **dict.fromkeys(("many6", "small/x", "nowhere", "round"))}.items():
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
    result = Maker(SQUASHFS_TREE).archive(**other)
    if why:
        with pytest.raises(UnreadableArchive, match=why):
            opened(result)
    else:
        opened(result)
        with pytest.raises(UnreadableArchive, match="no squashfs archive"):
            opened(result[:95])


def test_an_archive_that_is_cut_short_anywhere_is_unreadable():
    tree = {"a": FILES["odd"], "b": {"c": b"it is"}}
    result = Maker(tree).archive()
    for cut in range(0, len(result) - 1, 7):
        with pytest.raises(UnreadableArchive):
            archive = opened(result[:cut])
            assert content_of(archive, "b/c") == tree["b"]["c"] and content_of(archive, "a") == tree["a"]


@pytest.mark.parametrize(
    ("limit", "tree", "most", "why"),
    [  # for `a` one of inodes, one of names, three of its own, one of fragments, and its end
        ("MAX_BLOCKS", {"a": filled(3 * BLOCK + 1)}, 7, "too much in it to search"),
        ("MAX_NAMES", {"a": b"", **{f"a{number}": b"" for number in range(9)}}, 10, "directory of its archive is too"),
    ],
)
def test_blocks_and_names_are_read_up_to_the_limit(monkeypatch, limit, tree, most, why):
    for count in (most, most - 1):
        monkeypatch.setattr(squashfs, limit, count)
        archive = opened(Maker(tree).archive())
        with nullcontext() if count == most else pytest.raises(UnreadableArchive, match=why):
            assert len(list(archive.list_directory(archive.read_node(archive.root_reference)))) == len(tree)
            assert content_of(archive, "a") == tree["a"]


@pytest.mark.parametrize(("steps", "links", "content"), [(32, 0, b"it"), (33, 0, None), (1, 7, b"it"), (1, 8, None)])
def test_link_is_followed_up_to_the_limit(steps, links, content):
    tree = {"it": b"it", "l0": "./" * (steps - 1) + "it", **{f"l{n + 1}": f"l{n}" for n in range(links)}}
    assert content_of(opened(Maker(tree).archive()), f"l{links}") == content


class Bomb(Maker):
    def block(self, content: bytes) -> int:
        body = zlib.compress(bytes(10 * BLOCK))
        self.data += body
        return len(body)


def test_block_is_never_larger_than_the_archive_says():
    assert content_of(opened(Bomb({"a": b"x" * BLOCK}).archive()), "a") == bytes(BLOCK)
    result = bytearray(Maker({"a": b"x" * BLOCK}, packed=False).archive())
    at = result.rindex(struct.pack("<I", BLOCK | 1 << 24))
    result[at : at + 4] = struct.pack("<I", BLOCK + 1 | 1 << 24)
    with pytest.raises(UnreadableArchive, match="a block of its archive is too large"):
        content_of(opened(bytes(result)), "a")


def test_damaged_block_is_unreadable():
    result = Maker(SQUASHFS_TREE).archive()
    block = zlib.compress(FILES["odd"][:BLOCK])
    with pytest.raises(UnreadableArchive, match="cannot be unpacked"):
        content_of(opened(result.replace(block, bytes(len(block)))), "odd")


def test_large_file_is_read_at_its_beginning():
    result = Maker({"a": filled(300 * BLOCK + 1)}).archive()
    assert content_of(opened(result), "a", 50 * BLOCK + 1) == filled(50 * BLOCK + 1)
    with pytest.raises(UnreadableArchive, match="too much in it to search"):
        content_of(opened(result), "a")


@pytest.mark.parametrize("short", range(1, 22))
def test_a_list_of_names_that_is_cut_short_lists_what_is_whole(short):
    result = Maker({"a": b"", "b": b""}, packed=False).archive()
    listing = 12 + 2 * 9
    cut = result.replace(struct.pack("<IIH", 0, 2, listing + 3), struct.pack("<IIH", 0, 2, listing + 3 - short))
    assert cut != result
    archive = opened(cut)
    names = [name for name, _ in archive.list_directory(archive.read_node(archive.root_reference))]
    assert names == (["a"] if short < 10 else [])
