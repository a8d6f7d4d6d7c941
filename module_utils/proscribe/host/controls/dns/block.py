"""Our block in a hosts file: found, taken out, put in. What is not ours stays as it is, byte for byte.

The block is the beginning of the file, so the first answer to a blocked name is ours. And nothing has to be done to the
end of what was there, which may lack its last newline.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterable, Iterator, Sequence

from ....base.tuples import NamedTuple
from ...system import SIGNATURE, WRITTEN_BY
from .effect import ADDRESS, WITNESS

BEGIN = b"# BEGIN proscribe"
END = b"# END proscribe"
NEW_FILE = b" (there was no file)"
# Both families: the one without an answer in the file is queried from the name servers.
SINKS = (b"0.0.0.0", b"::")
_NOTE = b"# " + WRITTEN_BY.encode()
_SIGNED = b"# " + SIGNATURE.encode()
_WITNESS = f"{ADDRESS} {WITNESS}".encode()


class Split(NamedTuple):
    """A hosts file, taken apart."""

    ours: bytes
    foreign: bytes
    damage: str = ""  # what is wrong with the markers, or is between them without being ours
    made: bool = False  # the file came with the block: there was none before


def render(names: Iterable[str], made: bool) -> bytes:
    """The block that blocks some names, and has the witness; nothing for none. `made` notes that there was no file
    before.
    """
    found = blocking(names)
    if not found:
        return b""
    return b"\n".join([BEGIN + (NEW_FILE if made else b""), _NOTE, _WITNESS, *found, END, b""])


def blocking(names: Iterable[str]) -> list[bytes]:
    """The lines that block some names."""
    return [sink + b" " + name.encode("ascii") for name in sorted(set(names)) for sink in SINKS]


def blocked(ours: bytes) -> set[str]:
    """The names that a block blocks for both families."""
    lines = {(address, name) for address, name in map(_sink, ours.splitlines()) if name}
    return {name for _, name in lines if all((sink, name) in lines for sink in SINKS)}


def split(content: bytes, known: Callable[[], AbstractSet[str]], likely: bytes = b"") -> Split:
    """Take a hosts file apart. `known` gives the names of the plan, `likely` is the block that it most likely has.

    Between a marker and its pair, whatever looks like a line of the block is ours. Next to a marker that has lost its
    pair only the lines that block a name of the plan are. Everything else is foreign, wherever it is.
    """
    rest = content[len(likely) :]
    if likely and content.startswith(likely) and BEGIN not in rest and END not in rest:
        return Split(likely, rest)
    lines = content.splitlines(keepends=True)
    begins = {i for i, line in enumerate(lines) if line.strip() in (BEGIN, BEGIN + NEW_FILE)}
    ends = {i for i, line in enumerate(lines) if line.strip() == END}
    ours: set[int] = begins | ends
    damage: dict[str, None] = {}
    blocks = 0
    start = None
    for i in sorted(ours):
        if i in ends and start is not None:
            between = range(start + 1, i)
            mine = [j for j in between if _plainly_ours(lines[j]) or _sink(lines[j])[1]]
            if len(mine) < len(between):
                damage["other lines within it"] = None
            ours.update(mine)
            blocks += 1
            start = None
        elif i in ends:
            damage["an end without a beginning"] = None
            ours.update(_run(lines, range(i - 1, -1, -1), known()))
        else:
            if start is not None:
                damage["a beginning without an end"] = None
                ours.update(_run(lines, range(start + 1, i), known()))
            start = i
    if start is not None:
        damage["a beginning without an end"] = None
        ours.update(_run(lines, range(start + 1, len(lines)), known()))
    if blocks > 1:
        damage["it is there twice"] = None
    return Split(
        ours=b"".join(line for i, line in enumerate(lines) if i in ours),
        foreign=b"".join(line for i, line in enumerate(lines) if i not in ours),
        damage=", ".join(damage),
        made=any(lines[i].strip() == BEGIN + NEW_FILE for i in begins),
    )


def _run(lines: Sequence[bytes], indexes: Iterable[int], known: AbstractSet[str]) -> Iterator[int]:
    """The indexes up to the first line that is not one of a block of the plan's names."""
    for i in indexes:
        if not _plainly_ours(lines[i]) and _sink(lines[i])[1] not in known:
            return
        yield i


def _plainly_ours(line: bytes) -> bool:
    return line.strip().startswith((_SIGNED, _WITNESS))


def _sink(line: bytes) -> tuple[bytes, str]:
    """Address and name of a line as the block has them; the name is "" for any other line."""
    words = line.split()
    if len(words) == 2 and words[0] in SINKS:
        return words[0], words[1].decode("utf-8", "replace")
    return b"", ""
