"""AppImages (programs in a single file): recognised by magic bytes, assigned to a service by name."""

from __future__ import annotations

from .....base.lazy_patterns import compile_pattern
from .....base.name_folding import fold_name

IMAGE_SUFFIX = ".appimage"
# Magic bytes of AppImage, and of formats with other letters at the same place (AppImageSpec; FlatImage, RunImage).
IMAGE_MAGICS = (b"AI\x01", b"AI\x02", b"FI\x01", b"RI\x02")
ELF_MAGIC = b"\x7fELF"
MIN_IMAGE_BYTES = 100_000  # the program that unpacks an AppImage is larger than this

# Words that are added to the name of a program: system, processor, kind of package, release channel.
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
_ATTACHED_WORD = "linux"  # counts as an addition without a separator before it too
_VERSION_CHARACTERS = frozenset("0123456789.abcdefghijklmnopqrstuvwxyz")
_VERSION_PATTERN = compile_pattern(r"(?:^|[-_ v])(\d+(?:\.\d+)+)")


def is_appimage(head: bytes) -> bool:
    """Return whether a file that begins with `head` is an AppImage, or has a similar format."""
    return head.startswith(ELF_MAGIC) and head[8:11] in IMAGE_MAGICS


def make_name_stem(name: str) -> str:
    """Return the name of the program in the name of a file or directory, in folded form.

    Version, processor and suffix are left out. Two file names refer to the same program if their stems are equal. The
    stems of `mega` and `megaglest` differ.
    """
    name = fold_name(name)
    name = name[: -len(IMAGE_SUFFIX)] if name.endswith(IMAGE_SUFFIX) else name
    return name[: _find_tail_start(name)] or name


def _find_tail_start(name: str) -> int:
    """Return the position from which a file name has only additions to the program's name.

    Additions are versions, and words such as `linux` or `x64`. The result is the length of the name if it has none. The
    name is read from its end, each position once. A regular expression with several ways to split a name would try all
    of them, and attackers choose the names. `is_tail[i]` is true if name[i:] consists of additions and separators only.
    """
    length = len(name)
    is_tail = [False] * length + [True]
    nearest_tail = length  # the first position from `i` on at which is_tail is true
    nearest = [length] * (length + 1)  # by position: its `nearest_tail`
    # start of the word at or after `i`, end of a version that begins at `i`, and the result so far
    word_at = version_end = tail = length
    starts_word = [False] * (length + 1)  # true if a word or version begins there and only additions follow it
    for i in range(length - 1, -1, -1):
        letter = name[i]
        version_end = version_end if letter in _VERSION_CHARACTERS else i
        if letter not in _SEPARATORS:
            word_at = i
            digit = i + (letter == "v")  # position of the digit that a version begins with
            # A tail is the end of the name that has only versions and known words. True in two cases. A known word
            # starts here, and a tail follows it. Or a version starts here, and a tail begins within its characters or
            # directly after them.
            starts_word[i] = any(
                is_tail[i + n] and name[i : i + n] in _EXTRA_WORDS for n in _EXTRA_WORD_LENGTHS if i + n <= length
            ) or (name[digit : digit + 1].isdecimal() and nearest[digit + 1] <= version_end)
            # in the middle of a word, only `linux` counts as an addition, as in `toollinux64`
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
    """Return the version in the name of a file, or ""."""
    match = _VERSION_PATTERN.search(name)
    return match[1] if match else ""
