"""AppImages: known by the magic bytes in them, and whose they are by their name."""

from __future__ import annotations

from .....base.folding import fold_name
from .....base.patterns import compile_pattern

SUFFIX = ".appimage"
# Of AppImage, and of formats that put other letters in the same place (AppImageSpec; FlatImage, RunImage).
MAGIC = (b"AI\x01", b"AI\x02", b"FI\x01", b"RI\x02")
ELF = b"\x7fELF"
SMALLEST = 100_000  # bytes; the program that unpacks an AppImage takes more

# What a file's name says beside the program's: system, processor, kind of package; and a version.
_BESIDE = frozenset(
    (
        *("linux", "gnu", "musl", "glibc", "x86", "x64", "x32", "x86_64", "amd64", "i386", "i686", "ia32", "arm64"),
        *("arm", "armhf", "armv7l", "aarch64", "64bit", "32bit", "desktop", "bin", "git", "portable", "setup"),
        *("latest", "stable", "beta", "alpha", "release", "nightly", "canary", "ptb", "continuous", "universal"),
        "electron",
    )
)
_LENGTHS = sorted({len(word) for word in _BESIDE})
_BETWEEN = "-_. "
_ATTACHED = "linux"  # also without anything between
_IN_VERSION = frozenset("0123456789.abcdefghijklmnopqrstuvwxyz")
_VERSION = compile_pattern(r"(?:^|[-_ v])(\d+(?:\.\d+)+)")


def is_image(head: bytes) -> bool:
    """Whether a file that begins so is an AppImage, or a format like it."""
    return head.startswith(ELF) and head[8:11] in MAGIC


def stem(name: str) -> str:
    """The program that a file's or a directory's name speaks of, folded: without version, processor, suffix.

    Two names speak of the same program if their stems are equal; `mega` and `megaglest` do not.
    """
    name = fold_name(name)
    name = name[: -len(SUFFIX)] if name.endswith(SUFFIX) else name
    return name[: _tail(name)] or name


def _tail(name: str) -> int:
    """Where in a name that begins which only says something beside the program's: words and versions to its end.

    Read from the end, each place once: a pattern that may split a name in many ways tries them all, and names are made
    by whoever wants to keep us busy. `rest[i]` is whether name[i:] is such words, with nothing or something between.
    """
    length = len(name)
    rest = [False] * length + [True]
    near = length  # the next place from here on whose rest is such words
    nearest = [length] * (length + 1)
    word_at = after = tail = (
        length  # of what stands between: where the next word begins, and where a version there ends
    )
    starts = [False] * (length + 1)  # whether a word or version begins there whose rest is such words too
    for i in range(length - 1, -1, -1):
        letter = name[i]
        after = after if letter in _IN_VERSION else i
        if letter not in _BETWEEN:
            word_at = i
            digit = i + (letter == "v")  # a version begins with one
            starts[i] = any(rest[i + n] and name[i : i + n] in _BESIDE for n in _LENGTHS if i + n <= length) or (
                name[digit : digit + 1].isdecimal() and nearest[digit + 1] <= after
            )
            rest[i] = name.startswith(_ATTACHED, i) and rest[i + len(_ATTACHED)]
            begins = rest[i]
        else:
            begins = word_at < length and starts[word_at]
            rest[i] = begins or word_at == length
        tail = i if begins else tail
        near = i if rest[i] else near
        nearest[i] = near
    return tail


def version(name: str) -> str:
    """The version in a file's name; "" for none."""
    found = _VERSION.search(name)
    return found[1] if found else ""
