"""Where a user's desktop, downloads and the like are: they have names in the user's language (`~/桌面`, `~/下載`).

`~/.config/user-dirs.dirs` says it in lines such as `XDG_DESKTOP_DIR="$HOME/桌面"` (user-dirs.dirs(5)). It is its user's
word, so it only names more places below that user's own home: they are scanned as any other place,
and nothing that it names is spared, followed or moved for it.
"""

from __future__ import annotations

from typing import Mapping

from ....system import ControlError, Host, ObservationError, User

FILE = "/.config/user-dirs.dirs"  # below a home
LARGEST = 64 * 1024  # bytes; xdg-user-dirs writes one
LONGEST = 1024  # characters of a path
DESKTOP = "DESKTOP"
KEYS = (DESKTOP, "DOWNLOAD", "DOCUMENTS", "MUSIC", "PICTURES", "PUBLICSHARE", "TEMPLATES", "VIDEOS")
_LINE = 'XDG_{}_DIR="'


def of_user(host: Host, user: User) -> Mapping[str, str]:
    """The directories by what they are for, as absolute paths below the home; none where the file cannot be read."""
    try:
        content = host.read_file(user.home + FILE, LARGEST)
    except (
        ObservationError,
        ControlError,
    ):  # a link, something huge, a budget that is spent: the usual names still count
        return {}
    return parse((content or b"").decode("utf-8", "surrogateescape"), user.home)


def parse(text: str, home: str) -> dict[str, str]:
    """What the file says; of a key that occurs twice, the last line counts, as for a shell."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        line = line.strip()
        for key in KEYS:
            begin = _LINE.format(key)
            if line.startswith(begin) and line.endswith('"'):
                found.pop(key, None)
                if path := _below(line[len(begin) : -1], home):
                    found[key] = path
    return found


def _below(value: str, home: str) -> str:
    """A value as a path below the home; "" for the home itself, which switches the key off, and for all else."""
    value = _unescaped(value)
    if value.startswith("$HOME/"):
        value = home + value[len("$HOME") :]
    parts = [part for part in value[len(home) :].split("/") if part]
    plain = len(value) <= LONGEST and "\0" not in value and not {".", ".."}.intersection(parts)
    return "/".join([home, *parts]) if parts and plain and value.startswith(home + "/") else ""


def _unescaped(value: str) -> str:
    """Without the backslashes that keep a character its meaning in a shell (xdg-user-dir-lookup.c)."""
    if "\\" not in value:
        return value
    pieces = value.split("\\\\")
    return "\\".join(piece.replace("\\", "") for piece in pieces)
