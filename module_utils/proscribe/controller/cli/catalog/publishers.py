"""Publishers of lists: `publishers.yml` of each catalogue directory, with an item for each list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...compile.catalogue.release import PUBLISHERS_FILE
from ...compile.catalogue.schema import FLAG
from ...compile.reading import grammar
from ...compile.reading.document_schema import GroupSchema, KeySchema, ListSchema, Mistake, TextSchema, read_document
from ...compile.reading.yaml_file import Document
from ...policy_errors import PolicyError, PolicyErrors, propose_similar_names
from . import list_formats, network_formats
from .public_lists import PublicList, read_public_lists

FORMATS = {**list_formats.FORMATS, **network_formats.FORMATS}
DESTINATIONS = ("feed", "networks", "domains")
_CHECK_URL = grammar.make_pattern_check(
    r"https://[a-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/?=&%!-]*", "an address with https://"
)
_CHECK_NUMBER = grammar.make_pattern_check(r"[1-9][0-9]{0,5}", "a number, 1 to 999999")

_ROW_KEYS: dict[str, KeySchema] = {
    "id": TextSchema(grammar.check_service_id),
    "lists": ListSchema(TextSchema(grammar.check_service_id)),
    "url": TextSchema(_CHECK_URL),
    "format": TextSchema(grammar.make_word_check(*FORMATS)),
    "into": TextSchema(grammar.make_word_check(*DESTINATIONS)),
    "of": TextSchema(grammar.check_service_id),
    "named": TextSchema(grammar.check_label),
    "least": TextSchema(_CHECK_NUMBER),
    "family": TextSchema(grammar.check_service_id),
    "adds": TextSchema(FLAG.text_check),
    "notes": TextSchema(grammar.check_prose),
}
_REQUIRED_KEYS = ("id", "url", "format", "into", "least")  # required in rows that name no lists of recall.yml
_LIST_KEYS = ("lists", "of", "notes")  # allowed in rows that name lists of recall.yml
_PUBLISHERS = ListSchema(GroupSchema(_ROW_KEYS, required=("of",)))


class Publisher(NamedTuple):
    """A published list and its destination in the catalogue."""

    id: str
    url: str
    format: str  # of FORMATS
    into: str  # a feed, or the networks or domains of a service
    of: str  # the id of the feed, or of the service
    named: tuple[str, ...]  # the parts of the list to read, such as a service
    least: int  # values: a list with fewer is truncated, or is a different list
    family: str = ""  # lists of a family copy each other: they count once in an agreement
    adds: bool = True  # False: networks that the list covers stay, others are removed, none is added
    directory: Path = Path()  # the directory whose publishers.yml has the row
    public_list: PublicList | None = None  # only for lists of recall.yml

    @property
    def list_id(self) -> str:
        """The id of the list in recall.yml; "" for other lists."""
        return self.public_list.id if self.public_list else ""


def read_publishers(directories: Sequence[Path]) -> list[Publisher]:
    """Return the publishers of the catalogue's directories.

    A row of publishers.yml is one publisher, or names lists of recall.yml, each of which becomes a publisher. Raises
    PolicyErrors with every mistake, also for duplicate ids.
    """
    # Places in files, for messages about duplicate ids. The key is (id, ""), but (id, feed) for a list of recall.yml,
    # because such a list may serve several feeds.
    places: dict[tuple[str, str], str] = {}
    publishers: list[Publisher] = []
    errors: list[PolicyError] = []
    documents = [document for directory in directories if (document := _read_document(directory))]
    needs_lists = any("lists" in row for document in documents for row in document.data)
    public_lists = read_public_lists(directories) if needs_lists else {}
    for document in documents:
        for index, row in enumerate(document.data):
            mistakes = list(_find_mistakes(row, public_lists))
            for publisher in _make_publishers(row, public_lists, document.path.parent) if not mistakes else ():
                position = ("lists", row["lists"].index(publisher.id)) if publisher.public_list else ("id",)
                if earlier_place := places.get((publisher.id, publisher.of if publisher.public_list else "")):
                    mistakes.append((position, publisher.id, f"an id of its own; {earlier_place} has this one"))
                places[(publisher.id, publisher.of if publisher.public_list else "")] = document.describe_place(
                    (index, *position)
                )
                publishers.append(publisher)
            errors += [
                document.make_error((index, *position), bad_value, expected)
                for position, bad_value, expected in mistakes
            ]
    if errors:
        raise PolicyErrors(errors)
    return publishers


def _read_document(directory: Path) -> Document | None:
    """Read the publishers.yml of a directory; return None if there is none.

    Raises PolicyErrors for a file whose keys or values are not well-formed.
    """
    path = directory / PUBLISHERS_FILE
    return read_document(path, _PUBLISHERS) if path.exists() else None


def _find_mistakes(row: Mapping[str, Any], public_lists: Mapping[str, PublicList]) -> Iterator[Mistake]:
    """Yield the mistakes of a row whose keys are well-formed: missing or surplus keys, and unusable lists."""
    if "lists" not in row:
        for key in _REQUIRED_KEYS:
            if key not in row:
                yield (), row.get("id", row["of"]), f"{key} beside it, or lists of recall.yml"
        return
    for key in row:
        if key not in _LIST_KEYS:
            yield (key,), row[key], "no such key beside lists: recall.yml says it"
    for position, list_id in enumerate(row["lists"]):
        public_list = public_lists.get(list_id)
        if public_list is None:
            yield (
                ("lists", position),
                list_id,
                f"the id of a list of recall.yml{propose_similar_names(list_id, public_lists)}",
            )
        elif not public_list.url:
            yield ("lists", position), list_id, "a list that has an address"


def _make_publishers(
    row: Mapping[str, Any], public_lists: Mapping[str, PublicList], directory: Path
) -> Iterator[Publisher]:
    """Yield the publishers of a row without mistakes.

    A row with `lists` gives a publisher for each of these lists of recall.yml. All of them fill the same feed. Any
    other row gives one publisher. `directory` has the publishers.yml with the row.
    """
    target = row["of"]
    for public_list in (public_lists[list_id] for list_id in row.get("lists", ())):
        parts = public_list.named or ("",)
        yield Publisher(
            public_list.id,
            public_list.url,
            public_list.format,
            "feed",
            target,
            parts,
            public_list.least,
            public_list.family,
            True,
            directory,
            public_list,
        )
    if "lists" not in row:
        list_id, parts, adds = row["id"], (row.get("named", target),), row.get("adds") != "false"
        least, family = int(row["least"]), row.get("family", list_id)
        yield Publisher(list_id, row["url"], row["format"], row["into"], target, parts, least, family, adds, directory)


def select_publisher_ids(publishers: Sequence[Publisher], destinations: Sequence[str], target: str) -> list[str]:
    """Return the ids of the publishers whose lists refresh `target`, the id of a feed or of a service.

    `destinations` are the kinds of values to refresh, some of DESTINATIONS.
    """
    return [publisher.id for publisher in publishers if publisher.into in destinations and publisher.of == target]
