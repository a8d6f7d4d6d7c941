"""Public lists of names: `recall.yml` of each catalogue directory, with an item for each list.

`recall` compares the catalogue with these lists. `refresh` makes feeds of names that several of them have
(publishers.yml). The table has facts about lists, never their names. Such facts are the publisher, the subjects that a
list covers, and the lists that it takes names from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...compile.catalogue.release import RECALL_FILE
from ...compile.reading import grammar
from ...compile.reading.document_schema import GroupSchema, ListSchema, Mistake, TextSchema, read_document
from ...compile.reading.yaml_file import Document
from ...policy_errors import PolicyError, PolicyErrors, propose_similar_names
from .list_formats import FORMATS

# Subjects of lists. These are no categories of the catalogue: a subject may correspond to a few services of the
# catalogue.
LIST_SUBJECTS = (
    "vpn",
    "web_proxy",
    "tor",
    "encrypted_dns",
    "webmail",
    "disposable_mail",
    "file_hosts",
    "image_hosts",
    "messaging",
    "remote_access",
)
RANKED_LIST = "ranked"
MAX_LIST_NAMES = 1_000_000
MAX_NAME_LENGTH = 256  # characters of a raw value, with its scheme or path

_PART = r"[A-Za-z0-9_!+][A-Za-z0-9._!+-]{0,99}"
_CHECK_FOLDER = grammar.make_pattern_check(_PART, "the name of a folder")
_CHECK_PATH = grammar.make_pattern_check(
    rf"(?:{_PART}/){{0,9}}(?:{_PART}|\*\.[a-z0-9]{{1,9}})",
    "the path of a file below the folder, or of all files with an ending such as data/*.txt",
)
_CHECK_URL = grammar.make_pattern_check(
    r"https://[a-z0-9.-]+(?::[0-9]{1,5})?/(?:[A-Za-z0-9._~%-]+/)*", "an address with https://, up to the last /"
)
_CHECK_NUMBER = grammar.make_pattern_check(r"[1-9][0-9]{0,6}", "a number, 1 to 9999999")
_CHECK_POPULAR = grammar.make_pattern_check(
    rf"{RANKED_LIST}|[1-9][0-9]{{0,6}}", f"{RANKED_LIST}, or how many most asked-for names a list without order has"
)
_SUBJECTS = ListSchema(TextSchema(grammar.make_word_check(*LIST_SUBJECTS)))
_IDS = ListSchema(TextSchema(grammar.check_service_id))

_SOURCES = ListSchema(
    GroupSchema(
        {
            "id": TextSchema(grammar.check_service_id),
            "publisher": TextSchema(grammar.check_prose),
            "family": TextSchema(grammar.check_service_id),
            "about": _SUBJECTS,
            "mixed": _SUBJECTS,
            "popular": TextSchema(_CHECK_POPULAR),
            "folder": TextSchema(_CHECK_FOLDER),
            "paths": ListSchema(TextSchema(_CHECK_PATH)),
            "url": TextSchema(_CHECK_URL),
            "format": TextSchema(grammar.make_word_check(*FORMATS)),
            "named": ListSchema(TextSchema(grammar.check_label)),
            "takes_from": _IDS,
            "without": _IDS,
            "only_popular": TextSchema(grammar.check_prose),
            "least": TextSchema(_CHECK_NUMBER),
            "licence": TextSchema(grammar.check_prose),
            "notes": TextSchema(grammar.check_prose),
        },
        required=("id", "publisher", "family", "folder", "paths", "format", "least", "licence"),
    )
)


class PublicList(NamedTuple):
    """A public list, and the weight of its evidence."""

    id: str
    publisher: str
    family: str  # lists of the same family count once
    about: tuple[str, ...]  # categories, if the list has names of nothing else
    mixed: tuple[str, ...]  # categories whose names are among others in the list
    popular: str  # for lists of the most requested names: RANKED_LIST, or the number of names; else ""
    folder: str
    paths: tuple[str, ...]  # below the folder
    url: str  # prefix of the paths; "" for a list that is not fetched
    format: str  # of FORMATS
    named: tuple[str, ...]  # parts of the list, such as services or headings
    takes_from: tuple[str, ...]  # ids and families of lists that it copies: beside them, it does not count
    without: tuple[str, ...]  # ids: names of these lists are left out
    only_popular: str  # the reason why only its most requested names count; "" if all count
    least: int  # names: a list with fewer is truncated, or is a different list
    licence: str

    @property
    def categories(self) -> tuple[str, ...]:
        return (*self.about, *self.mixed)


# The fields with texts, or with lists of texts; `least` is the only number.
_FIELDS = [name for name in PublicList._fields if name != "least"]


def read_public_lists(directories: Sequence[Path]) -> dict[str, PublicList]:
    """Return the public lists of some catalogue directories, as a mapping from their ids.

    Raises PolicyErrors with every mistake in a recall.yml.
    """
    errors: list[PolicyError] = []
    documents: list[Document] = []
    for path in (directory / RECALL_FILE for directory in directories if (directory / RECALL_FILE).exists()):
        try:
            documents.append(read_document(path, _SOURCES))
        except PolicyErrors as error:
            errors += error.errors
    rows = [row for document in documents for row in document.data]
    rows_by_id = {row["id"]: row for row in rows}
    families = {row["family"] for row in rows}
    seen_ids: set[str] = set()
    for document in documents:
        errors += [
            document.make_error(*mistake) for mistake in _find_mistakes(document.data, rows_by_id, families, seen_ids)
        ]
    if errors:
        raise PolicyErrors(errors)
    return {row["id"]: _make_public_list(row) for row in rows}


def _find_mistakes(
    rows: Sequence[Mapping[str, Any]],
    rows_by_id: Mapping[str, Mapping[str, Any]],
    families: set[str],
    seen_ids: set[str],
) -> Iterator[Mistake]:
    """Yield the mistakes of well-formed rows of a recall.yml: contradictions in a row, or with other rows.

    `rows_by_id` and `families` are those of all files. `seen_ids` has the ids of earlier rows; those of `rows` are
    added.
    """
    for index, row in enumerate(rows):
        if row["id"] in seen_ids:
            yield (index, "id"), row["id"], "an id of its own"
        seen_ids.add(row["id"])
        if ("popular" in row) == bool(row.get("about") or row.get("mixed")):
            yield (index,), row["id"], "either popular, or what the list is about: about, mixed"
        for position, category in enumerate(row.get("mixed", ())):
            if category in row.get("about", ()):
                yield (index, "mixed", position), category, "a category that is not in about, too"
        for position, path in enumerate(row["paths"]):
            if "*" in path and "url" in row:
                yield (index, "paths", position), path, "a file: what is fetched has a name"
        for position, list_id in enumerate(row.get("takes_from", ())):
            if list_id not in rows_by_id and list_id not in families:
                expected = f"the id or the family of a list{propose_similar_names(list_id, [*rows_by_id, *families])}"
                yield (index, "takes_from", position), list_id, expected
        for position, list_id in enumerate(row.get("without", ())):
            if list_id not in rows_by_id or "without" in rows_by_id[list_id]:
                expected = (
                    f"the id of a list that leaves nothing out itself{propose_similar_names(list_id, rows_by_id)}"
                )
                yield (index, "without", position), list_id, expected


def _make_public_list(row: Mapping[str, Any]) -> PublicList:
    """Return the public list of a row without mistakes; a missing key becomes "" or ()."""
    list_keys = {"about", "mixed", "paths", "named", "takes_from", "without"}
    values: dict[str, Any] = {key: tuple(row.get(key, ())) if key in list_keys else row.get(key, "") for key in _FIELDS}
    return PublicList(**values, least=int(row["least"]))


def extract_host_name(raw_value: str) -> str:
    """Return the host name in a value of a list, without wildcard, `www`, port and path; "" for none."""
    text = raw_value[: MAX_NAME_LENGTH + 1].strip().strip("\"',").lower()
    if len(text) > MAX_NAME_LENGTH:
        return ""
    text = text.partition("/")[0].partition(":")[0].lstrip("*.").rstrip(".").removeprefix("www.")
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return "" if grammar.check_domain(text) else text
