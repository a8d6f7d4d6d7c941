"""Whatever a user names or writes is matched in a time that grows with its length, not faster.

Each reader gets texts of one shape at two sizes, one eight times the other: what is linear then takes about eight times
as long, what is quadratic 64 times, what is exponential never ends. Only the processor's own time counts, the least of
some rounds, and 25 times is let pass; what is above is measured again with more rounds, so that a busy machine does not
matter. Each runs in a process of its own that is ended in the end.
"""

from __future__ import annotations

from collections.abc import Callable
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
from proscribe.host.system import escaped, mounts, one_line
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


PATIENCE = 180  # seconds after which something has no end; the slowest takes 4 on a machine that has nothing else to do


@examples(60)
@given(st.sampled_from(sorted(READERS)), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), st.text(max_size=3))
def test_no_text_keeps_a_reader_busy(reader, pieces, end):
    read, length = READERS[reader]
    unit = "".join(pieces)
    text = unit * (length // len(unit)) + end
    run_apart(lambda: bool(read(text)), Limits(seconds=PATIENCE))
