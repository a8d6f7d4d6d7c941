"""The publishers of lists: `publishers.yml` of each directory of a catalogue, one item for each list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.kinds import Group, Listed, Text
from ...compile.catalogue.release import PUBLISHERS
from ...compile.catalogue.schema import FLAG
from ...compile.reading import grammar
from ...compile.reading.yaml_file import Document, read_yaml
from ...policy_errors import PolicyError, PolicyErrors
from . import formats, formats_networks

FORMATS = {**formats.FORMATS, **formats_networks.FORMATS}
INTO = ("feed", "networks", "domains")
_URL = grammar.matching(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/?=&%!-]*", "an address with https://")
_NUMBER = grammar.matching(r"[1-9][0-9]{0,5}", "a number, 1 to 999999")

_PUBLISHERS = Listed(
    Group(
        {
            "id": Text(grammar.service_id),
            "url": Text(_URL),
            "format": Text(grammar.one_of(*FORMATS)),
            "into": Text(grammar.one_of(*INTO)),
            "of": Text(grammar.service_id),
            "named": Text(grammar.label),
            "least": Text(_NUMBER),
            "family": Text(grammar.service_id),
            "adds": Text(FLAG.well_formed),
            "notes": Text(grammar.prose),
        },
        required=("id", "url", "format", "into", "of", "least"),
    )
)


class Publisher(NamedTuple):
    """A list that somebody publishes, and what it is for."""

    id: str
    url: str
    format: str  # of FORMATS
    into: str  # a feed, or the networks or domains of a service
    of: str  # the id of the feed, or of the service
    named: str  # the service's name in the list
    least: int  # values: a list with fewer is truncated, or is another one
    family: str = ""  # lists that copy each other: they count once in an agreement
    adds: bool = True  # False: what it covers of the networks stays, the others go, and none comes
    directory: Path = Path()  # whose publishers.yml has it


def all_publishers(directories: Sequence[Path]) -> list[Publisher]:
    """The publishers of a catalogue's directories. Raises PolicyErrors, also for an id of two of them."""
    found: dict[str, tuple[Publisher, str]] = {}
    clashes: list[PolicyError] = []
    for directory in directories:
        for publisher, document, index in _read(directory):
            if publisher.id in found:
                expected = f"an id of its own; {found[publisher.id][1]} has this one"
                clashes.append(document.error((index, "id"), publisher.id, expected))
            else:
                found[publisher.id] = publisher, document.place((index, "id"))
    if clashes:
        raise PolicyErrors(clashes)
    return [publisher for publisher, _ in found.values()]


def read_publishers(directory: Path) -> list[Publisher]:
    """The publishers of one directory; none where it has no such file. Raises PolicyErrors."""
    return all_publishers([directory])


def _read(directory: Path) -> Iterator[tuple[Publisher, Document, int]]:
    path = directory / PUBLISHERS
    if not path.exists():
        return
    document = read_yaml(path)
    if mistakes := list(_PUBLISHERS.check(document.data, ())):
        raise PolicyErrors(document.error(*mistake) for mistake in mistakes)
    for index, one in enumerate(document.data):
        yield _publisher(one, directory), document, index


def _publisher(one: dict[str, str], directory: Path) -> Publisher:
    return Publisher(
        one["id"],
        one["url"],
        one["format"],
        one["into"],
        one["of"],
        one.get("named", one["of"]),
        int(one["least"]),
        one.get("family", one["id"]),
        one.get("adds") != "false",
        directory,
    )


def of_item(publishers: Sequence[Publisher], into: Sequence[str], of: str) -> list[str]:
    """The ids of those whose lists are for the values of a feed or of a service."""
    return [one.id for one in publishers if one.into in into and one.of == of]
