"""Whatever a user names or writes is matched in a time that grows with its length, not faster.

Each reader gets texts of one shape at two sizes, one eight times the other: what is linear then takes about eight times
as long, what is quadratic 64 times, what is exponential never ends. Only the processor's own time counts, the least of
some rounds, and 25 times is let pass; what is above is measured again with more rounds, so that a busy machine does not
matter. Each runs in a process of its own that is ended in the end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.host.controls.apps import running
from proscribe.host.controls.apps.portable import appimage, desktop_entries, user_dirs
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.controls.apps.systems import flatpak, npm, pip_removal, site_packages, snap
from proscribe.host.controls.browser import packaged
from proscribe.host.system import Unseen, escaped, mounts, one_line
from proscribe.host.system.forked import Limits, run_apart

pytestmark = pytest.mark.slow

ENTRY = {
    "packages": {},
    "processes": ["qq"],
    "paths": ["~/QQ/qq"],
    "web_hosts": ["qq.com", "qq.com/x"],
    "web_allow": [],
}
WEB = desktop_entries.WebHosts({"qq": ENTRY})
NAMES = Names({"qq": ENTRY}, ["/home/a"])
PIECES = (
    *('"', "\\", '\\"', "a", ".", "1.", ".1", "-", " ", "/", "=", "\n", "[", "]", "\0", "_", "@", "?", "#", "é"),
    *("env ", "x=1 ", "%u ", "https://a.", "http://", "linux", "-linux", "x86_64-", "v1", "qq", "crx_", "python3."),
    *("name=a\n", "prefix=~/a\n", "Name: a\n", "--app-id=", "filesystems=host;", "\udcff", "appdata-version\0"),
    "/lib/python3/",
)


def started(text: str) -> object:
    return desktop_entries.started(desktop_entries.arguments(text))


READERS: dict[str, tuple[Callable[[str], Any], int]] = {  # and the length of the longer text
    "stem of a file's name": (appimage.stem, 4_000),
    "version of a file's name": (appimage.version, 16_000),
    "names of a directory": (lambda text: NAMES.choose("/home/a", text.split("\n")), 4_000),
    "desktop entry": (lambda text: desktop_entries.parse(f"[Desktop Entry]\nExec={text}\nURL={text}"), 16_000),
    "names of a desktop entry": (lambda text: desktop_entries.parse(f"[Desktop Entry]\nName=é{text}").titles, 16_000),
    "user-dirs.dirs": (lambda text: user_dirs.parse(f'XDG_DESKTOP_DIR="$HOME/{text}"\n{text}', "/home/a"), 16_000),
    "unit": (lambda text: desktop_entries.parse(f"[Service]\nExecStart={text}", ("ExecStart",), "Service"), 16_000),
    "arguments": (desktop_entries.arguments, 16_000),
    "what a line starts": (started, 16_000),
    "a web address": (lambda text: WEB.services(f"https://{text}"), 16_000),
    "a path of a program": (lambda text: running.below(f"/{text}", {"/home/a"}, {"~/QQ": ["qq"]}), 16_000),
    ".npmrc": (lambda text: npm.parse(f"prefix={text}".splitlines(), "/home/a"), 16_000),
    "metadata of a distribution": (site_packages.parse, 16_000),
    "name of a distribution": (site_packages.normal, 16_000),
    "version of a distribution": (site_packages.claimed_version, 16_000),
    ".flatpak-info": (flatpak.parse, 16_000),
    "deployment of a flatpak": (lambda text: flatpak.APP_VERSION.search(text.encode("utf-8", "replace")), 16_000),
    "overrides of a flatpak": (lambda text: packaged.applied({}, f"[Context]\n{text}"), 16_000),
    "path of a snap": (lambda text: snap.MOUNTED.match(f"/snap/{text}"), 16_000),
    "control group": (lambda text: snap.GROUP.search(f"/snap.{text}"), 16_000),
    "file of a snap": (snap.parse_file, 16_000),
    "path of a distribution": (lambda text: pip_removal.interpreter(f"/usr/lib/python3/{text}"), 16_000),
    "type of a file system": (mounts.is_remote, 16_000),
    "a name in print": (escaped, 16_000),
    "a line in print": (one_line, 16_000),
}  # fmt: skip
SHAPES = (
    *PIECES,
    *('"\\', "1.1.1.", "a b ", '" ', "\\\\", "-1.1!", "v1.2-x86_64.linux_", "a=b\n[c]\n", "/a=\n", "::", "a.b@c:1/"),
)


PATIENCE = 180  # seconds after which something has no end; the slowest takes 4 on a machine that has nothing else to do
PASSES = 25  # times as long


def least(read: Callable[[str], Any], text: str, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        read(text)
        taken.append(time.process_time() - begun)
    return min(taken)


def grows(read: Callable[[str], Any], length: int, shapes: Sequence[str] = SHAPES) -> list[Any]:
    """The first text for which a reader takes longer than it should: [shape, end, seconds of an eighth, and of all]."""
    for shape in shapes:
        for end in ("", "!", "\\"):
            text = shape * (length // len(shape)) + end
            for rounds in (1, 2, 3):
                short, long = least(read, text[: length // 8] + end, 2 * rounds), least(read, text, rounds)
                if long < 0.05 or long < PASSES * short:  # what takes less says nothing
                    break
            else:
                return [shape, end, short, long]
    return []


@pytest.mark.parametrize("reader", READERS)
def test_eight_times_as_much_takes_about_eight_times_as_long(reader):
    read, length = READERS[reader]
    try:
        assert run_apart(lambda: grows(read, length), Limits(seconds=PATIENCE)) == []
    except Unseen as unseen:
        pytest.fail(f"{reader}: {unseen}")


def test_a_reader_that_tries_its_text_in_many_ways_would_be_noticed():
    """As `Exec` lines and the names of files once were read; long enough for a fast machine to take its time."""
    quadratic = ((r'"(?:[^"\\]|\\.)*"', 7_000, '\\"'), (r"[\d.]+-", 7_000, "1."))  # at each place on to the end
    for pattern, length, shape in quadratic:
        assert grows(re.compile(pattern, re.DOTALL).findall, length, ["a", shape]) != []
    exponential = re.compile(r"(?:(?:\.?1)+)+$")
    with pytest.raises(Unseen, match="over budget"):
        run_apart(lambda: grows(exponential.match, 4_000), Limits(seconds=0.5))


@examples(60)
@given(st.sampled_from(sorted(READERS)), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), st.text(max_size=3))
def test_no_text_keeps_a_reader_busy(reader, pieces, end):
    read, length = READERS[reader]
    unit = "".join(pieces)
    text = unit * (length // len(unit)) + end
    run_apart(lambda: bool(read(text)), Limits(seconds=PATIENCE))


def test_a_name_of_many_versions_is_read_at_once():
    assert appimage.stem(f"a{'.1' * 40}!.AppImage") == f"a{'.1' * 40}!"
    assert appimage.stem(f"wechat{'-1.0' * 60}-linux-x86_64.AppImage") == "wechat"
