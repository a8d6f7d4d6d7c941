"""The publishers of lists: `publishers.yml` of each directory of a catalogue, one item for each list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...compile.catalogue.kinds import GroupSchema, KeySchema, ListSchema, Mistake, TextSchema
from ...compile.catalogue.release import PUBLISHERS_FILE
from ...compile.catalogue.schema import FLAG
from ...compile.reading import grammar
from ...compile.reading.yaml_file import Document, read_yaml
from ...policy_errors import PolicyError, PolicyErrors, close_to
from . import formats, formats_networks
from .public_lists import Source, read_sources

FORMATS = {**formats.FORMATS, **formats_networks.FORMATS}
INTO = ("feed", "networks", "domains")
_URL = grammar.make_pattern_check(
    r"https://[a-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/?=&%!-]*", "an address with https://"
)
_NUMBER = grammar.make_pattern_check(r"[1-9][0-9]{0,5}", "a number, 1 to 999999")

_SHAPE: dict[str, KeySchema] = {
    "id": TextSchema(grammar.check_service_id),
    "lists": ListSchema(TextSchema(grammar.check_service_id)),
    "url": TextSchema(_URL),
    "format": TextSchema(grammar.make_word_check(*FORMATS)),
    "into": TextSchema(grammar.make_word_check(*INTO)),
    "of": TextSchema(grammar.check_service_id),
    "named": TextSchema(grammar.check_label),
    "least": TextSchema(_NUMBER),
    "family": TextSchema(grammar.check_service_id),
    "adds": TextSchema(FLAG.text_check),
    "notes": TextSchema(grammar.check_prose),
}
_OWN = ("id", "url", "format", "into", "least")  # what a row needs that does not name lists of recall.yml
_OF_LISTS = ("lists", "of", "notes")  # what a row of such lists can have
_PUBLISHERS = ListSchema(GroupSchema(_SHAPE, required=("of",)))


class Publisher(NamedTuple):
    """A list that somebody publishes, and what it is for."""

    id: str
    url: str
    format: str  # of FORMATS
    into: str  # a feed, or the networks or domains of a service
    of: str  # the id of the feed, or of the service
    named: tuple[str, ...]  # the parts of the list to read, such as a service
    least: int  # values: a list with fewer is truncated, or is another one
    family: str = ""  # lists that copy each other: they count once in an agreement
    adds: bool = True  # False: what it covers of the networks stays, the others go, and none comes
    directory: Path = Path()  # whose publishers.yml has it
    listed: Source | None = None  # where it is a list of recall.yml

    @property
    def list_id(self) -> str:
        """Of a list of recall.yml, its id there."""
        return self.listed.id if self.listed else ""


def all_publishers(directories: Sequence[Path]) -> list[Publisher]:
    """The publishers of a catalogue's directories. Raises PolicyErrors, also for an id of two of them."""
    found: dict[tuple[str, str], str] = {}  # by id, and by feed for lists of recall.yml, which may serve several
    publishers: list[Publisher] = []
    errors: list[PolicyError] = []
    documents = [document for directory in directories if (document := _document(directory))]
    listing = any("lists" in row for document in documents for row in document.data)
    lists = read_sources(directories) if listing else {}
    for document in documents:
        for index, row in enumerate(document.data):
            mistakes = list(_wrong(row, lists))
            for one in _publishers(row, lists, document.path.parent) if not mistakes else ():
                where = ("lists", row["lists"].index(one.id)) if one.listed else ("id",)
                if before := found.get((one.id, one.of if one.listed else "")):
                    mistakes.append((where, one.id, f"an id of its own; {before} has this one"))
                found[(one.id, one.of if one.listed else "")] = document.describe_place((index, *where))
                publishers.append(one)
            errors += [document.make_error((index, *where), value, expected) for where, value, expected in mistakes]
    if errors:
        raise PolicyErrors(errors)
    return publishers


def read_publishers(directory: Path) -> list[Publisher]:
    """The publishers of one directory; none where it has no such file. Raises PolicyErrors."""
    return all_publishers([directory])


def _document(directory: Path) -> Document | None:
    path = directory / PUBLISHERS_FILE
    if not path.exists():
        return None
    document = read_yaml(path)
    if mistakes := list(_PUBLISHERS.check(document.data, ())):
        raise PolicyErrors(document.make_error(*mistake) for mistake in mistakes)
    return document


def _wrong(row: Mapping[str, Any], lists: Mapping[str, Source]) -> Iterator[Mistake]:
    """What is wrong between the well-formed keys of a row."""
    if "lists" not in row:
        for key in _OWN:
            if key not in row:
                yield (), row.get("id", row["of"]), f"{key} beside it, or lists of recall.yml"
        return
    for key in row:
        if key not in _OF_LISTS:
            yield (key,), row[key], "no such key beside lists: recall.yml says it"
    for position, id_ in enumerate(row["lists"]):
        listed = lists.get(id_)
        if listed is None:
            yield ("lists", position), id_, f"the id of a list of recall.yml{close_to(id_, lists)}"
        elif not listed.url:
            yield ("lists", position), id_, "a list that has an address"


def _publishers(row: Mapping[str, Any], lists: Mapping[str, Source], directory: Path) -> Iterator[Publisher]:
    of = row["of"]
    for one in (lists[id_] for id_ in row.get("lists", ())):
        parts = one.named or ("",)
        yield Publisher(one.id, one.url, one.format, "feed", of, parts, one.least, one.family, True, directory, one)
    if "lists" not in row:
        id_, parts, adds = row["id"], (row.get("named", of),), row.get("adds") != "false"
        least, family = int(row["least"]), row.get("family", id_)
        yield Publisher(id_, row["url"], row["format"], row["into"], of, parts, least, family, adds, directory)


def of_item(publishers: Sequence[Publisher], into: Sequence[str], of: str) -> list[str]:
    """The ids of those whose lists are for the values of a feed or of a service."""
    return [one.id for one in publishers if one.into in into and one.of == of]
