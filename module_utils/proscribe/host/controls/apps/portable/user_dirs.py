"""User directories such as desktop and downloads, whose names are in the user's language (`~/桌面`, `~/下載`).

`~/.config/user-dirs.dirs` has them in lines such as `XDG_DESKTOP_DIR="$HOME/桌面"` (user-dirs.dirs(5)).
The user controls this file. So it can only add directories below that user's home to the search. No directory is left
out of the scan because of it, no link is followed, and nothing is moved.
"""

from __future__ import annotations

from typing import Mapping

from ....system import ControlError, Host, ObservationError, User

USER_DIRS_FILE = "/.config/user-dirs.dirs"  # below a home
MAX_FILE_BYTES = 64 * 1024  # xdg-user-dirs writes about 1 KiB
MAX_PATH_CHARACTERS = 1024
DESKTOP_KEY = "DESKTOP"
DIRECTORY_KEYS = (DESKTOP_KEY, "DOWNLOAD", "DOCUMENTS", "MUSIC", "PICTURES", "PUBLICSHARE", "TEMPLATES", "VIDEOS")
_LINE_START = 'XDG_{}_DIR="'


def read_user_directories(host: Host, user: User) -> Mapping[str, str]:
    """Return the user directories as absolute paths below the home, by key such as DESKTOP.

    Return {} if the file is missing or cannot be read.
    """
    try:
        content = host.read_file(user.home + USER_DIRS_FILE, MAX_FILE_BYTES)
    except (
        ObservationError,
        ControlError,
    ):  # a link, a huge file or a spent budget: the scan still uses the usual names such as Desktop
        return {}
    return parse_user_directories((content or b"").decode("utf-8", "surrogateescape"), user.home)


def parse_user_directories(text: str, home: str) -> dict[str, str]:
    """Return, by key such as DESKTOP, the directories in the text of user-dirs.dirs that are below the home.

    If a key occurs twice, the last line counts, as in a shell.
    """
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
    """Return the absolute path that a value of user-dirs.dirs names, if it is below the home.

    Otherwise return "". The home itself also gives "": in the file, it means that the user has no such directory.
    """
    quoted_path = _unescape_path(quoted_path)
    if quoted_path.startswith("$HOME/"):
        quoted_path = home + quoted_path[len("$HOME") :]
    parts = [part for part in quoted_path[len(home) :].split("/") if part]
    is_plain = (
        len(quoted_path) <= MAX_PATH_CHARACTERS and "\0" not in quoted_path and not {".", ".."}.intersection(parts)
    )
    return "/".join([home, *parts]) if parts and is_plain and quoted_path.startswith(home + "/") else ""


def _unescape_path(quoted_path: str) -> str:
    """Return a path without the backslashes that escape characters for a shell (xdg-user-dir-lookup.c)."""
    if "\\" not in quoted_path:
        return quoted_path
    pieces = quoted_path.split("\\\\")
    return "\\".join(piece.replace("\\", "") for piece in pieces)
