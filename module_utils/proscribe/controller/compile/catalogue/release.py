"""The release of a catalogue: `release.yml` in its directory says its version and its day.

A catalogue is released apart from the code. `schema` is the form of its entries: code refuses a form that it does not
know, and says so before any host is touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ...policy_errors import PolicyError
from ..reading import grammar
from ..reading.yaml_file import read_yaml
from .kinds import GroupSchema, TextSchema

FILE = "release.yml"
PUBLISHERS_FILE = "publishers.yml"  # beside it: who publishes lists, for `catalog refresh`
RECALL_FILE = "recall.yml"  # beside it: public lists that the catalogue is compared with, for `catalog recall`
# Beside it: names and networks that nobody may block (known_good.py).
KNOWN_GOOD_FILE, KNOWN_GOOD_NETWORKS_FILE = "known_good.txt", "known_good_networks.txt"
SCHEMA = "proscribe/catalog/1"

_RELEASE = GroupSchema(
    {
        "schema": TextSchema(grammar.make_word_check(SCHEMA)),
        "version": TextSchema(
            grammar.make_pattern_check(r"[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,3}", "a version such as 2026.11.1")
        ),
        "released": TextSchema(grammar.check_day),
    },
    required=("schema", "version", "released"),
)


class CatalogueRelease(NamedTuple):
    """The version of a catalogue, and the day of its release; both "" for one that says neither."""

    version: str = ""
    released: str = ""


def read_release(directory: Path) -> tuple[CatalogueRelease, list[PolicyError]]:
    """The release of the catalogue in a directory. One without the file has no version."""
    path = directory / FILE
    if not path.exists():
        return CatalogueRelease(), []
    try:
        document = read_yaml(path)
    except PolicyError as error:
        return CatalogueRelease(), [error]
    errors = [document.make_error(*mistake) for mistake in _RELEASE.check(document.data, ())]
    return (
        (CatalogueRelease(), errors)
        if errors
        else (CatalogueRelease(document.data["version"], document.data["released"]), [])
    )
