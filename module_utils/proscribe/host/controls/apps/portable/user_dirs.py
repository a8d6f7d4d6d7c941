"""Where a user's desktop, downloads and the like are: they have names in the user's language (`~/桌面`, `~/下載`).

`~/.config/user-dirs.dirs` says it in lines such as `XDG_DESKTOP_DIR="$HOME/桌面"` (user-dirs.dirs(5)). It is its user's
word, so it only names more places below that user's own home: they are scanned as any other place,
and nothing that it names is spared, followed or moved for it.
"""

from __future__ import annotations

from typing import Mapping

from ....system import ControlError, Host, ObservationError, User

USER_DIRS_FILE = "/.config/user-dirs.dirs"  # below a home
MAX_FILE_BYTES = 64 * 1024  # bytes; xdg-user-dirs writes one
MAX_PATH_CHARACTERS = 1024  # characters of a path
DESKTOP_KEY = "DESKTOP"
DIRECTORY_KEYS = (DESKTOP_KEY, "DOWNLOAD", "DOCUMENTS", "MUSIC", "PICTURES", "PUBLICSHARE", "TEMPLATES", "VIDEOS")
_LINE_START = 'XDG_{}_DIR="'


def read_user_directories(host: Host, user: User) -> Mapping[str, str]:
    """The directories by what they are for, as absolute paths below the home; none where the file cannot be read."""
    try:
        content = host.read_file(user.home + USER_DIRS_FILE, MAX_FILE_BYTES)
    except (
        ObservationError,
        ControlError,
    ):  # a link, something huge, a budget that is spent: the usual names still count
        return {}
    return parse_user_directories((content or b"").decode("utf-8", "surrogateescape"), user.home)


def parse_user_directories(text: str, home: str) -> dict[str, str]:
    """What the file says; of a key that occurs twice, the last line counts, as for a shell."""
    directories: dict[str, str] = {}
    for line in text.split("\n"):
        line = line.strip()
        for key in DIRECTORY_KEYS:
            line_start = _LINE_START.format(key)
            if line.startswith(line_start) and line.endswith('"'):
                directories.pop(key, None)
                if path := _resolve_below_home(line[len(line_start) : -1], home):
                    directories[key] = path
    return directories


def _resolve_below_home(quoted_path: str, home: str) -> str:
    """A value as a path below the home; "" for the home itself, which switches the key off, and for all else."""
    quoted_path = _unescape_path(quoted_path)
    if quoted_path.startswith("$HOME/"):
        quoted_path = home + quoted_path[len("$HOME") :]
    parts = [part for part in quoted_path[len(home) :].split("/") if part]
    is_plain = (
        len(quoted_path) <= MAX_PATH_CHARACTERS and "\0" not in quoted_path and not {".", ".."}.intersection(parts)
    )
    return "/".join([home, *parts]) if parts and is_plain and quoted_path.startswith(home + "/") else ""


def _unescape_path(quoted_path: str) -> str:
    """Without the backslashes that keep a character its meaning in a shell (xdg-user-dir-lookup.c)."""
    if "\\" not in quoted_path:
        return quoted_path
    pieces = quoted_path.split("\\\\")
    return "\\".join(piece.replace("\\", "") for piece in pieces)
