"""What archives say of their packages: readers of their own metadata, one for each form.

The text comes from outside. A reader takes it line by line, holds one package at a time, and ends at MOST packages.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from proscribe.controller.compile.reading.package_names import NAMES

MOST = 5_000_000  # packages of one archive; npm has the most, some three million
LINE = 1_000_000  # characters of a field: a package that provides thousands of names has long ones
SUMMARY = 500  # characters of a summary that count
KNOWN = ("Package", "Description", "Section", "Tag")  # fields of Debian's index that count
COLUMNS = ("name", "summary")


class Package(NamedTuple):
    """One package of an archive."""

    name: str
    summary: str = ""
    section: str = ""
    tags: frozenset[str] = frozenset()


class Malformed(ValueError):
    """Metadata that does not have its form: place, value, what was expected."""


def debian(lines: Iterable[str], what: str) -> Iterator[Package]:
    """The packages of a Packages index of Debian: a package is a paragraph of fields, which an empty line ends."""
    fields: dict[str, str] = {}
    last = begun = ""
    found = itertools.count(1)
    for place, line in _placed(itertools.chain(lines, [""]), what):
        if not line.strip():
            if begun:
                yield _counted(_debian(fields, begun), next(found), begun)
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


def table(lines: Iterable[str], what: str, manager: str) -> Iterator[Package]:
    """The packages of a table with tabs between its columns. Its heading has `name` and a column `summary`."""
    columns: dict[str, int] | None = None
    for number, (place, line) in enumerate(_placed(lines, what)):
        values = line.split("\t")
        if columns is None:
            # What a heading explains in brackets is no part of a column's name.
            columns = {value.partition(" ")[0]: at for at, value in enumerate(values)}
            if absent := [column for column in COLUMNS if column not in columns]:
                raise Malformed(f"{place}: found {line[:100]!r}, expected a heading with {' and '.join(absent)}")
            continue
        if len(values) != len(columns):
            raise Malformed(f"{place}: found {len(values)} columns, expected {len(columns)} as in the heading")
        name, summary = (values[columns[column]] for column in COLUMNS)
        yield _counted(Package(_spelled(manager, name, place), summary[:SUMMARY]), number, place)


def _placed(lines: Iterable[str], what: str) -> Iterator[tuple[str, str]]:
    """Each line without its end, with its place."""
    for number, line in enumerate(lines, 1):
        place = f"{what}:{number}"
        yield place, _short(line.rstrip("\r\n"), place)


def _short(text: str, place: str) -> str:
    if len(text) > LINE:
        raise Malformed(f"{place}: found {len(text)} characters, expected at most {LINE}")
    return text


def _counted(package: Package, number: int, place: str) -> Package:
    if number > MOST:
        raise Malformed(f"{place}: found more than {MOST} packages, expected at most that many")
    return package


def _spelled(manager: str, name: str, place: str) -> str:
    pattern, meaning = NAMES[manager]
    if not re.fullmatch(pattern, name):
        raise Malformed(f"{place}: found {name[:100]!r}, expected {meaning}")
    return name


def _debian(fields: dict[str, str], place: str) -> Package:
    if absent := [key for key in ("Package", "Description") if not fields.get(key)]:
        raise Malformed(f"{place}: found a package without {' and '.join(absent)}, expected one with it")
    tags = frozenset(tag.strip() for tag in fields.get("Tag", "").split(",") if tag.strip())
    section = fields.get("Section", "").rpartition("/")[2]  # contrib/net is a section of contrib
    return Package(_spelled("apt", fields["Package"], place), fields["Description"][:SUMMARY], section, tags)
