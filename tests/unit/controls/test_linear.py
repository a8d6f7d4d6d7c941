"""Whatever a user names or writes is matched in a time that grows with its length, not faster.

Each reader gets texts of one shape at two sizes, one eight times the other: what is linear then takes about eight times
as long, what is quadratic 64 times, what is exponential never ends. The least of some rounds counts, and 30 times is
let pass, so that a busy machine does not matter; each runs in a process that is ended after a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proscribe.controls.apps import appimage, desktop, flatpak, npm, pip_changes, running, site_packages, snap
from proscribe.controls.apps.copy_names import Names
from proscribe.controls.browser import packaged
from proscribe.host import Unseen, escaped, one_line, walking
from proscribe.host.apart import Limits, asked

ENTRY = {
    "packages": {},
    "processes": ["qq"],
    "paths": ["~/QQ/qq"],
    "web_hosts": ["qq.com", "qq.com/x"],
    "web_allow": [],
}
WEB = desktop.WebHosts({"qq": ENTRY})
NAMES = Names({"qq": ENTRY}, ["/home/a"])
PIECES = (
    *(
        '"',
        "\\",
        '\\"',
        "a",
        ".",
        "1.",
        ".1",
        "-",
        " ",
        "/",
        "=",
        "env ",
        "x=1 ",
        "https://a.",
        "http://",
        "%u ",
        "linux",
    ),
    *(
        "-linux",
        "x86_64-",
        "v1",
        "_",
        "\n",
        "[",
        "]",
        "name=a\n",
        "prefix=~/a\n",
        "\0",
        "python3.",
        "qq",
        "crx_",
        "@",
        "?",
    ),
    *("#", "Name: a\n", "--app-id=", "filesystems=host;", "é", "\udcff", "appdata-version\0", "/lib/python3/"),
)


def started(text: str) -> object:
    return desktop.started(desktop.arguments(text))


READERS: dict[str, tuple[Callable[[str], Any], int]] = {  # and the length of the longer text
    "stem of a file's name": (appimage.stem, 2_000),
    "version of a file's name": (appimage.version, 16_000),
    "names of a directory": (lambda text: NAMES.choose("/home/a", text.split("\n")), 2_000),
    "desktop entry": (lambda text: desktop.parse(f"[Desktop Entry]\nExec={text}\nURL={text}"), 16_000),
    "unit": (lambda text: desktop.parse(f"[Service]\nExecStart={text}", ("ExecStart",), "Service"), 16_000),
    "arguments": (desktop.arguments, 16_000),
    "what a line starts": (started, 16_000),
    "a web address": (lambda text: WEB.services(f"https://{text}"), 16_000),
    "a path of a program": (lambda text: running.below(f"/{text}", {"/home/a"}, {"~/QQ": ["qq"]}), 16_000),
    ".npmrc": (lambda text: npm.parse(f"prefix={text}".splitlines(), "/home/a"), 16_000),
    "metadata of a distribution": (site_packages.parse, 16_000),
    "name of a distribution": (site_packages.normal, 16_000),
    "version of a distribution": (site_packages.told_version, 16_000),
    ".flatpak-info": (flatpak.parse, 16_000),
    "deployment of a flatpak": (lambda text: flatpak.APP_VERSION.search(text.encode("utf-8", "replace")), 16_000),
    "overrides of a flatpak": (lambda text: packaged.applied({}, f"[Context]\n{text}"), 16_000),
    "path of a snap": (lambda text: snap.MOUNTED.match(f"/snap/{text}"), 16_000),
    "control group": (lambda text: snap.GROUP.search(f"/snap.{text}"), 16_000),
    "file of a snap": (snap.parse_file, 16_000),
    "path of a distribution": (lambda text: pip_changes.interpreter(f"/usr/lib/python3/{text}"), 16_000),
    "type of a file system": (walking.REMOTE.fullmatch, 16_000),
    "a name in print": (escaped, 16_000),
    "a line in print": (one_line, 16_000),
}  # fmt: skip
SHAPES = (
    *PIECES,
    *('"\\', "1.1.1.", "a b ", '" ', "\\\\", "-1.1!", "v1.2-x86_64.linux_", "a=b\n[c]\n", "/a=\n", "::", "a.b@c:1/"),
)


def least(read: Callable[[str], Any], text: str) -> float:
    taken = []
    for _ in range(2):
        begun = time.process_time()
        read(text)
        taken.append(time.process_time() - begun)
    return min(taken)


@pytest.mark.parametrize("reader", READERS)
def test_eight_times_as_much_takes_about_eight_times_as_long(reader):
    read, length = READERS[reader]

    def worst() -> list[Any]:
        found = []
        for shape in SHAPES:
            for end in ("", "!", "\\"):
                text = shape * (length // len(shape)) + end
                short = least(read, text[: length // 8] + end)
                long = least(read, text)
                if long > 0.05 and long > 30 * short:  # what takes less says nothing
                    found.append([shape, end, short, long])
        return found

    try:
        assert asked(worst, Limits(seconds=60)) == []
    except Unseen as unseen:
        pytest.fail(f"{reader}: {unseen}")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(READERS)), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), st.text(max_size=3))
def test_no_text_keeps_a_reader_busy(reader, pieces, end):
    read, length = READERS[reader]
    unit = "".join(pieces)
    text = unit * (length // len(unit)) + end
    asked(lambda: bool(read(text)), Limits(seconds=20))  # more than a hundred times what any needs


def test_a_name_of_many_versions_is_read_at_once():
    assert appimage.stem(f"a{'.1' * 40}!.AppImage") == f"a{'.1' * 40}!"
    assert appimage.stem(f"wechat{'-1.0' * 60}-linux-x86_64.AppImage") == "wechat"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('a "b c" d', ["a", "b c", "d"]),
        (r'"a\"b" c', ['a"b', "c"]),
        (r'a\ b', ["a\\", "b"]),
        (r'a\"b c"', ["a\\b c"]),
        ('x"y z"w %U @@u', ["xy zw"]),
        ('"not ended', ["not ended"]),
        ('a "b\\', ["a", "b"]),
        ("", []),
    ],
)  # fmt: skip
def test_the_arguments_of_a_line(line, words):
    assert desktop.arguments(line) == words
