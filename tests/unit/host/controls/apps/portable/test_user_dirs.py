"""Where a user's desktop and the like are, by the file in which he or his desktop says it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_users import ALICE, put
from proscribe.host.controls.apps.portable.user_dirs import KEYS, LARGEST, LONGEST, of_user, parse
from proscribe.host.system import Host

HOME = "/home/alice"
LONG = "x" * (LONGEST - len(f"{HOME}/"))


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('XDG_DESKTOP_DIR="$HOME/桌面"', f"{HOME}/桌面"),
        ('  XDG_DESKTOP_DIR="$HOME/a//b/"  ', f"{HOME}/a/b"),
        (f'XDG_DESKTOP_DIR="{HOME}/a b"', f"{HOME}/a b"),
        (r'XDG_DESKTOP_DIR="$HOME/\"a\" \\\\b\\"', f'{HOME}/"a" \\\\b\\'),
        (f'XDG_DESKTOP_DIR="$HOME/{LONG}"', f"{HOME}/{LONG}"),
        (f'XDG_DESKTOP_DIR="$HOME/{LONG}x"', ""),
        ('XDG_DESKTOP_DIR="$HOME/"', ""),
        ('XDG_DESKTOP_DIR="$HOME"', ""),
        ('XDG_DESKTOP_DIR="$HOMES/a"', ""),
        ('XDG_DESKTOP_DIR="/home/alicex/a"', ""),
        ('XDG_DESKTOP_DIR="/srv/a"', ""),
        ('XDG_DESKTOP_DIR="a"', ""),
        ('XDG_DESKTOP_DIR="$HOME/a/../b"', ""),
        ('XDG_DESKTOP_DIR="$HOME/./b"', ""),
        ('XDG_DESKTOP_DIR="$HOME/a\0b"', ""),
        ('XDG_DESKTOP_DIR="$HOME/a', ""),
        ("XDG_DESKTOP_DIR=$HOME/a", ""),
        ('#XDG_DESKTOP_DIR="$HOME/a"', ""),
        ('XDG_OTHER_DIR="$HOME/a"', ""),
    ],
)
def test_what_a_line_says(line: str, path: str) -> None:
    assert parse(f"# a comment\n{line}\n", HOME) == ({"DESKTOP": path} if path else {})


def test_of_each_key_the_last_line_counts() -> None:
    lines = [f'XDG_{key}_DIR="$HOME/{number}"' for key in KEYS for number in (1, 2)]
    assert parse("\n".join(lines), HOME) == dict.fromkeys(KEYS, f"{HOME}/2")
    assert set(KEYS) >= {"DESKTOP", "DOWNLOAD", "DOCUMENTS", "MUSIC", "PICTURES", "PUBLICSHARE", "TEMPLATES", "VIDEOS"}
    assert parse("\n".join([*lines, 'XDG_MUSIC_DIR="$HOME/"']), HOME).keys() == {*KEYS} - {"MUSIC"}


def test_what_cannot_be_read_says_nothing(root: Path) -> None:
    assert of_user(Host(str(root)), ALICE) == {}
    place = put(root, f"{HOME}/.config/user-dirs.dirs")
    line = b'XDG_MUSIC_DIR="$HOME/\xff"\n'
    place.write_bytes(line.ljust(LARGEST, b"#"))
    assert of_user(Host(str(root)), ALICE) == {"MUSIC": f"{HOME}/\udcff"}
    place.write_bytes(line.ljust(LARGEST + 1, b"#"))
    assert of_user(Host(str(root)), ALICE) == {}
