"""The release of a catalogue: `release.yml` in its directory has its version and its day.

A catalogue has releases apart from those of the code. `schema` is the form of its entries. Code refuses an unknown form
with an error before any host changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ...policy_errors import PolicyError, PolicyErrors
from ..reading import grammar
from ..reading.document_schema import GroupSchema, TextSchema, read_document

FILE = "release.yml"
PUBLISHERS_FILE = "publishers.yml"  # publishers of lists, for `catalog refresh`
RECALL_FILE = "recall.yml"  # public lists to compare the catalogue with, for `catalog recall`
# Names, networks and file names of programs that no entry may block (known_good.py).
KNOWN_GOOD_FILE, KNOWN_GOOD_NETWORKS_FILE = "known_good.txt", "known_good_networks.txt"
KNOWN_GOOD_PROGRAMS_FILE = "known_good_programs.txt"
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
    """The version of a catalogue and the day of its release; both are "" for a catalogue without a release."""

    version: str = ""
    released: str = ""


def read_release(directory: Path) -> tuple[CatalogueRelease, list[PolicyError]]:
    """Return the release of the catalogue in a directory, and the errors in its file `release.yml`.

    If the file is missing or has errors, both fields of the release are "".
    """
    path = directory / FILE
    if not path.exists():
        return CatalogueRelease(), []
    try:
        data = read_document(path, _RELEASE).data
    except PolicyErrors as error:
        return CatalogueRelease(), list(error.errors)
    return CatalogueRelease(data["version"], data["released"]), []
