"""The publishers of lists: `publishers.yml` of a catalogue, one item for each list."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.kinds import Group, Listed, Text
from ...compile.catalogue.release import PUBLISHERS
from ...compile.reading import grammar
from ...compile.reading.yaml_file import read_yaml
from ...policy_errors import PolicyErrors
from .formats import FORMATS

INTO = ("feed", "networks", "domains")
_URL = grammar.matching(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/?=&%-]*", "an address with https://")
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


def read_publishers(directory: Path) -> list[Publisher]:
    """The publishers of a catalogue; none where it has no such file. Raises PolicyErrors."""
    path = directory / PUBLISHERS
    if not path.exists():
        return []
    document = read_yaml(path)
    mistakes = list(_PUBLISHERS.check(document.data, ()))
    ids = [one["id"] for one in document.data] if not mistakes else []
    mistakes += [((index, "id"), id_, "an id of its own") for index, id_ in enumerate(ids) if id_ in ids[:index]]
    if mistakes:
        raise PolicyErrors(document.error(*mistake) for mistake in mistakes)
    return [
        Publisher(
            one["id"], one["url"], one["format"], one["into"], one["of"], one.get("named", one["of"]), int(one["least"])
        )
        for one in document.data
    ]
