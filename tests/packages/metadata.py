"""What archives say of their packages: readers of their own metadata, one for each form.

The text comes from outside. A reader takes it line by line, holds one package at a time, and ends at MOST packages.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from proscribe.controller.compile.reading.package_names import NAMES

MOST = 5_000_000  # packages of one archive; npm has the most, some three million
LINE = 1_000_000  # characters of a field: a package that provides thousands of names has long ones
SUMMARY = 500  # characters of a summary that count
KNOWN = ("Package", "Description", "Section", "Tag")  # fields of Debian's index that count


class Package(NamedTuple):
    """One package of an archive."""

    name: str
    summary: str = ""
    section: str = ""
    tags: frozenset[str] = frozenset()


class Malformed(ValueError):
    """Metadata that does not have its form: place, value, what was expected."""


def lines_of(stream: IO[str]) -> Iterator[str]:
    """The lines of a stream. One that is too long comes in pieces, the first of which a reader refuses."""
    return iter(lambda: stream.readline(LINE + 2), "")


def debian(lines: Iterable[str], what: str) -> Iterator[Package]:
    """The packages of a Packages index of Debian: a package is a paragraph of fields, which an empty line ends."""
    fields: dict[str, str] = {}
    last = begun = ""
    found = itertools.count(1)
    for place, line in _placed(itertools.chain(lines, [""]), what):
        if not line.strip():
            if begun:
                _bounded(next(found), begun)
                yield _debian(fields, begun)
            fields, last, begun = {}, "", ""
            continue
        begun = begun or place
        if line[0] in " \t":
            if last in fields:
                fields[last] = _short(fields[last] + line, place)
            continue
        last, colon, value = line.partition(":")
        if not colon:
            raise Malformed(f"{place}: found {line[:100]!r}, expected a field such as Package: NAME")
        if last in fields:
            raise Malformed(f"{place}: found {last} again, expected it once for a package")
        if last in KNOWN:
            fields[last] = value.strip()


def names(lines: Iterable[str], what: str) -> Iterator[str]:
    """The names of a list: one a line, and what follows a tab is not read. Old names have spellings of their own."""
    found = itertools.count(1)
    for place, line in _placed(lines, what):
        if name := line.partition("\t")[0].strip():
            _bounded(next(found), place)
            yield name


def same(manager: str, name: str) -> str:
    """A name in the one spelling that stands for all: PyPI takes A_b and a.B for the same."""
    return re.sub("[-_.]+", "-", name).lower() if manager == "pip" else name


def _placed(lines: Iterable[str], what: str) -> Iterator[tuple[str, str]]:
    """Each line without its end, with its place."""
    for number, line in enumerate(lines, 1):
        place = f"{what}:{number}"
        yield place, _short(line.rstrip("\r\n"), place)


def _short(text: str, place: str) -> str:
    if len(text) > LINE:
        raise Malformed(f"{place}: found {len(text)} characters, expected at most {LINE}")
    return text


def _bounded(number: int, place: str) -> None:
    if number > MOST:
        raise Malformed(f"{place}: found more than {MOST} packages, expected at most that many")


def _spelled(name: str, place: str) -> str:
    pattern, meaning = NAMES["apt"]
    if not re.fullmatch(pattern, name):
        raise Malformed(f"{place}: found {name[:100]!r}, expected {meaning}")
    return name


def _debian(fields: dict[str, str], place: str) -> Package:
    if absent := [key for key in ("Package", "Description") if not fields.get(key)]:
        raise Malformed(f"{place}: found a package without {' and '.join(absent)}, expected one with it")
    tags = frozenset(tag.strip() for tag in fields.get("Tag", "").split(",") if tag.strip())
    section = fields.get("Section", "").rpartition("/")[2]  # contrib/net is a section of contrib
    return Package(_spelled(fields["Package"], place), fields["Description"][:SUMMARY], section, tags)
