"""Proscribe's block (its lines between two markers) in a hosts file: the parser and the renderer.

The organisation's lines stay as they are, byte for byte. The block is at the beginning of the file, so its answer for a
blocked name comes first. The end of the file needs no change, although it may lack its last newline.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterable, Iterator, Sequence

from ....base.named_tuple import NamedTuple
from ...system import SIGNATURE, WRITTEN_BY
from .effect_test import WITNESS_ADDRESS, WITNESS_NAME

BEGIN_MARKER = b"# BEGIN proscribe"
END_MARKER = b"# END proscribe"
NEW_FILE_NOTE = b" (there was no file)"
# Addresses that blocked names get, one each for IPv4 and IPv6. If the file lacks one of them, the C library queries the
# name servers for it.
SINK_ADDRESSES = (b"0.0.0.0", b"::")
_NOTE_LINE = b"# " + WRITTEN_BY.encode()
_SIGNED_PREFIX = b"# " + SIGNATURE.encode()
_WITNESS_LINE = f"{WITNESS_ADDRESS} {WITNESS_NAME}".encode()


class HostsFileParts(NamedTuple):
    """Hosts file, split into Proscribe's lines (`own_lines`) and all other lines (`foreign_lines`)."""

    own_lines: bytes
    foreign_lines: bytes
    damage: str = ""  # faults of the markers, or the organisation's lines between them; "" if the block is intact
    is_new_file: bool = False  # Proscribe created the file


def render_block(names: Iterable[str], is_new_file: bool) -> bytes:
    """Return Proscribe's lines for a hosts file, which give `names` the sink addresses; b"" if `names` is empty.

    The lines begin and end with a marker, and include a line for the witness name (effect_test.py). `is_new_file` adds
    the note that there was no file before.
    """
    sink_lines = make_sink_lines(names)
    if not sink_lines:
        return b""
    return b"\n".join(
        [
            BEGIN_MARKER + (NEW_FILE_NOTE if is_new_file else b""),
            _NOTE_LINE,
            _WITNESS_LINE,
            *sink_lines,
            END_MARKER,
            b"",
        ]
    )


def make_sink_lines(names: Iterable[str]) -> list[bytes]:
    """Return the lines that block some names: each name gets the sink addresses (0.0.0.0 and ::)."""
    return [
        sink_address + b" " + name.encode("ascii") for name in sorted(set(names)) for sink_address in SINK_ADDRESSES
    ]


def find_blocked_names(own_lines: bytes) -> set[str]:
    """Return the names that Proscribe's lines give both sink addresses, for IPv4 and for IPv6."""
    lines = {(address, name) for address, name in map(_parse_sink_line, own_lines.splitlines()) if name}
    return {name for _, name in lines if all((sink_address, name) in lines for sink_address in SINK_ADDRESSES)}


def split_hosts_file(
    content: bytes, get_known_names: Callable[[], AbstractSet[str]], likely_block: bytes = b""
) -> HostsFileParts:
    """Split a hosts file into Proscribe's lines and the organisation's lines.

    Between both markers of a block, every line in the form of the block is Proscribe's. If the begin or the end marker
    is missing, only lines that block a name of the plan are. All other lines are the organisation's, wherever they are.
    `get_known_names` returns the names of the plan; it is called only if needed. `likely_block` is the block that most
    hosts have: a file that begins with it need not be parsed.
    """
    remainder = content[len(likely_block) :]
    if (
        likely_block
        and content.startswith(likely_block)
        and BEGIN_MARKER not in remainder
        and END_MARKER not in remainder
    ):
        return HostsFileParts(likely_block, remainder)
    lines = content.splitlines(keepends=True)
    begins = {
        line_index
        for line_index, line in enumerate(lines)
        if line.strip() in (BEGIN_MARKER, BEGIN_MARKER + NEW_FILE_NOTE)
    }
    ends = {line_index for line_index, line in enumerate(lines) if line.strip() == END_MARKER}
    # The markers are Proscribe's lines. The loop adds the other lines of Proscribe's.
    own_indexes: set[int] = begins | ends
    damage: dict[str, None] = {}
    block_count = 0
    begin_index = None  # index of the last begin marker whose end marker has not come yet
    for line_index in sorted(own_indexes):
        if line_index in ends and begin_index is not None:  # a complete block
            inner_indexes = range(begin_index + 1, line_index)
            own_inner_indexes = [
                inner_index
                for inner_index in inner_indexes
                if _is_signed_line(lines[inner_index]) or _parse_sink_line(lines[inner_index])[1]
            ]
            if len(own_inner_indexes) < len(inner_indexes):
                damage["other lines within it"] = None
            own_indexes.update(own_inner_indexes)
            block_count += 1
            begin_index = None
        elif line_index in ends:
            # The lines before the marker are searched, backwards from it.
            damage["an end without a beginning"] = None
            own_indexes.update(_iterate_own_indexes(lines, range(line_index - 1, -1, -1), get_known_names()))
        else:
            if begin_index is not None:
                damage["a beginning without an end"] = None
                own_indexes.update(_iterate_own_indexes(lines, range(begin_index + 1, line_index), get_known_names()))
            begin_index = line_index
    if begin_index is not None:
        damage["a beginning without an end"] = None
        own_indexes.update(_iterate_own_indexes(lines, range(begin_index + 1, len(lines)), get_known_names()))
    if block_count > 1:
        damage["it is there twice"] = None
    return HostsFileParts(
        own_lines=b"".join(line for line_index, line in enumerate(lines) if line_index in own_indexes),
        foreign_lines=b"".join(line for line_index, line in enumerate(lines) if line_index not in own_indexes),
        damage=", ".join(damage),
        is_new_file=any(lines[line_index].strip() == BEGIN_MARKER + NEW_FILE_NOTE for line_index in begins),
    )


def _iterate_own_indexes(
    lines: Sequence[bytes], indexes: Iterable[int], known_names: AbstractSet[str]
) -> Iterator[int]:
    """Yield the indexes of Proscribe's lines among `indexes`, and stop at the first line that is not Proscribe's.

    A line is Proscribe's if it has the signature, or if it blocks one of `known_names`.
    """
    for line_index in indexes:
        if not _is_signed_line(lines[line_index]) and _parse_sink_line(lines[line_index])[1] not in known_names:
            return
        yield line_index


def _is_signed_line(line: bytes) -> bool:
    return line.strip().startswith((_SIGNED_PREFIX, _WITNESS_LINE))


def _parse_sink_line(line: bytes) -> tuple[bytes, str]:
    """Return the address and the name of a line that blocks a name; (b"", "") for any other line."""
    words = line.split()
    if len(words) == 2 and words[0] in SINK_ADDRESSES:
        return words[0], words[1].decode("utf-8", "replace")
    return b"", ""
