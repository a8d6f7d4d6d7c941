"""AppImages: known by the magic bytes in them, and whose they are by their name."""

from __future__ import annotations

from .....base.folding import fold_name
from .....base.patterns import compile_pattern

IMAGE_SUFFIX = ".appimage"
# Of AppImage, and of formats that put other letters in the same place (AppImageSpec; FlatImage, RunImage).
IMAGE_MAGICS = (b"AI\x01", b"AI\x02", b"FI\x01", b"RI\x02")
ELF_MAGIC = b"\x7fELF"
MIN_IMAGE_BYTES = 100_000  # bytes; the program that unpacks an AppImage takes more

# What a file's name says beside the program's: system, processor, kind of package; and a version.
_EXTRA_WORDS = frozenset(
    (
        *("linux", "gnu", "musl", "glibc", "x86", "x64", "x32", "x86_64", "amd64", "i386", "i686", "ia32", "arm64"),
        *("arm", "armhf", "armv7l", "aarch64", "64bit", "32bit", "desktop", "bin", "git", "portable", "setup"),
        *("latest", "stable", "beta", "alpha", "release", "nightly", "canary", "ptb", "continuous", "universal"),
        "electron",
    )
)
_EXTRA_WORD_LENGTHS = sorted({len(word) for word in _EXTRA_WORDS})
_SEPARATORS = "-_. "
_ATTACHED_WORD = "linux"  # also without anything between
_VERSION_CHARACTERS = frozenset("0123456789.abcdefghijklmnopqrstuvwxyz")
_VERSION_PATTERN = compile_pattern(r"(?:^|[-_ v])(\d+(?:\.\d+)+)")


def is_appimage(head: bytes) -> bool:
    """Whether a file that begins so is an AppImage, or a format like it."""
    return head.startswith(ELF_MAGIC) and head[8:11] in IMAGE_MAGICS


def make_name_stem(name: str) -> str:
    """The program that a file's or a directory's name speaks of, folded: without version, processor, suffix.

    Two names speak of the same program if their stems are equal; `mega` and `megaglest` do not.
    """
    name = fold_name(name)
    name = name[: -len(IMAGE_SUFFIX)] if name.endswith(IMAGE_SUFFIX) else name
    return name[: _find_tail_start(name)] or name


def _find_tail_start(name: str) -> int:
    """Where in a name that begins which only says something beside the program's: words and versions to its end.

    Read from the end, each place once: a pattern that may split a name in many ways tries them all, and names are made
    by whoever wants to keep us busy. `rest[i]` is whether name[i:] is such words, with nothing or something between.
    """
    length = len(name)
    is_tail = [False] * length + [True]
    nearest_tail = length  # the next place from here on whose rest is such words
    nearest = [length] * (length + 1)
    word_at = version_end = tail = (
        length  # of what stands between: where the next word begins, and where a version there ends
    )
    starts_word = [False] * (length + 1)  # whether a word or version begins there whose rest is such words too
    for i in range(length - 1, -1, -1):
        letter = name[i]
        version_end = version_end if letter in _VERSION_CHARACTERS else i
        if letter not in _SEPARATORS:
            word_at = i
            digit = i + (letter == "v")  # a version begins with one
            starts_word[i] = any(
                is_tail[i + n] and name[i : i + n] in _EXTRA_WORDS for n in _EXTRA_WORD_LENGTHS if i + n <= length
            ) or (name[digit : digit + 1].isdecimal() and nearest[digit + 1] <= version_end)
            is_tail[i] = name.startswith(_ATTACHED_WORD, i) and is_tail[i + len(_ATTACHED_WORD)]
            is_tail_start = is_tail[i]
        else:
            is_tail_start = word_at < length and starts_word[word_at]
            is_tail[i] = is_tail_start or word_at == length
        tail = i if is_tail_start else tail
        nearest_tail = i if is_tail[i] else nearest_tail
        nearest[i] = nearest_tail
    return tail


def parse_name_version(name: str) -> str:
    """The version in a file's name; "" for none."""
    match = _VERSION_PATTERN.search(name)
    return match[1] if match else ""
