"""AppImages: known by the magic bytes in them, and whose they are by their name."""

from __future__ import annotations

import re

SUFFIX = ".appimage"
# Of AppImage, and of formats that put other letters in the same place (AppImageSpec; FlatImage, RunImage).
MAGIC = (b"AI\x01", b"AI\x02", b"FI\x01", b"RI\x02")
ELF = b"\x7fELF"
SMALLEST = 100_000  # bytes; the program that unpacks an AppImage takes more

# What a file's name says beside the program's: system, processor, kind of package, version.
_BESIDE = (
    r"v?\d[\d.a-z]*|linux|gnu|musl|glibc|x86|x64|x32|x86_64|amd64|i[36]86|ia32|arm64|arm|armhf|armv7l|aarch64|64bit|32bit|"
    r"desktop|bin|git|portable|setup|latest|stable|beta|alpha|release|nightly|canary|ptb|continuous|universal|electron"
)
_TAIL = re.compile(rf"(?:[-_. ]+(?:{_BESIDE})|linux)+[-_. ]*$")
_VERSION = re.compile(r"(?:^|[-_ v])(\d+(?:\.\d+)+)")


def is_image(head: bytes) -> bool:
    """Whether a file that begins so is an AppImage, or a format like it."""
    return head.startswith(ELF) and head[8:11] in MAGIC


def stem(name: str) -> str:
    """The program that a file's or a directory's name speaks of, in small letters: without version, processor, suffix.

    Two names speak of the same program if their stems are equal; `mega` and `megaglest` do not.
    """
    name = name.lower()
    name = name[: -len(SUFFIX)] if name.endswith(SUFFIX) else name
    return _TAIL.sub("", name) or name


def version(name: str) -> str:
    """The version in a file's name; "" for none."""
    found = _VERSION.search(name)
    return found[1] if found else ""
