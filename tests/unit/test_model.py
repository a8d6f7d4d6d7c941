"""Small modules of the model: words of the published schemas, removed packages, ids of a quarantine."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from proscribe.model import quarantine_ids, vocabulary
from proscribe.model.removal_record import RemovedPackage, read_removed_package

LEAST = {"manager": "dpkg", "id": "owl", "scope": "system", "name": "owl:i386"}
MORE = {"version": "1.0", "how": "apt-get", "tool": "/t", "place": "/p", "source": "main", "mark": "auto", "at": "now"}


# -- ids of a quarantine
@pytest.mark.parametrize("id_", ["owl_2-0123abcd", "a-00000000", f"{'a' * 64}-ffffffff"])
def test_id_of_a_quarantined_item_is_read_from_the_end_of_its_action(id_):
    assert quarantine_ids.ITEM_ID.fullmatch(id_)
    assert (
        quarantine_ids.parse_moved_id(f"quarantine /home/alice/a as b {quarantine_ids.format_moved_suffix(id_)}") == id_
    )
    assert f"x {quarantine_ids.format_moved_suffix(id_)}" == f"x as {id_}"


# -- removed packages
def test_removed_package_is_read_with_empty_fields_and_differs_by_system_scope_place_and_name():
    assert read_removed_package({**LEAST, "more": 1})._asdict() == {**LEAST, **dict.fromkeys(MORE, "")}
    assert read_removed_package({**LEAST, **MORE})._asdict() == {**LEAST, **MORE}
    assert RemovedPackage("dpkg", "owl", "", "system", "owl") == read_removed_package({**LEAST, "name": "owl"})
    package = read_removed_package(LEAST)
    others = [{"manager": "rpm"}, {"scope": "user:ann"}, {"place": "/p"}, {"name": "owl"}]
    assert len({read_removed_package({**LEAST, **change}).identity for change in ({}, *others)}) == 5
    for change in ({"id": "elf"}, {"version": "2"}, {"mark": "manual"}, {"at": "now"}, {"how": "apt"}):
        assert read_removed_package({**LEAST, **change}).identity == package.identity
    assert (package.user, read_removed_package({**LEAST, "scope": "user:ann"}).user) == ("", "ann")


SCOPES = ("user:", "user:-a", "user:a b", "user:a/b", "user:a:b", "user:a,b", f"user:{'a' * 101}", "all")
WRONG_FIELDS = [
    *(({key: ""}, "has manager, id, name and scope") for key in LEAST),
    *(({"scope": scope}, "has manager, id, name and scope") for scope in SCOPES),
    *(({"version": value}, "printable") for value in (4, None, "-o", "a\nb", "a\0b", "a\u202eb", "a" * 501, ["a"])),
    *(({key: "a\0b"}, "printable") for key in ("name", "at")),
    ({"mark": "held"}, "auto or manual"),
]


@pytest.mark.parametrize(("change", "why"), WRONG_FIELDS)
def test_field_of_a_removed_package_that_cannot_be_is_refused(change, why):
    with pytest.raises(ValueError, match=f"removed package.*{why}"):
        read_removed_package({**LEAST, **change})


@pytest.mark.parametrize("value", [None, [LEAST]])
def test_removed_package_that_is_no_mapping_is_refused(value):
    with pytest.raises(ValueError, match="mapping"):
        read_removed_package(value)


# -- words and limits of the published schemas
def list_parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from list_parts(inner)


@pytest.fixture(scope="module")
def parts(project):
    files = sorted((project / "docs/schema").glob("*.json"))
    return [part for file in files for part in list_parts(json.loads(file.read_text(encoding="utf-8")))]


WORDS = "STATES CONTROLS RUN_MODES CONTROL_MODES RESTRICTED_MODES SERVICE_MODES REQUEST_ANSWERS POINT_STATES"
WORDS += " EVENT_STATES BETWEEN_RUN_EVENTS SYSLOG_FACILITIES SENT_EVENTS OUTLOOKS"


def test_words_of_a_document_are_listed_or_described_in_a_schema(parts):
    listed = [part["enum"] for part in parts if "enum" in part]
    assert [name for name in WORDS.split() if [*getattr(vocabulary, name)] not in listed] == []
    assert [*vocabulary.CONTROLS, *vocabulary.EXTRA_RULE_GROUPS] in listed
    assert [*vocabulary.STATES, *vocabulary.EXTRA_STATES] == [*vocabulary.EVENT_STATES]
    described = [part["description"] for part in parts if isinstance(part.get("description"), str)]
    for listed_words in (vocabulary.WAIVER_STATUSES[:-1], vocabulary.NOTE_KINDS, vocabulary.QUARANTINED_KINDS):
        assert any(text.endswith(f": {', '.join(listed_words)}") for text in described)
    assert [*vocabulary.PLATFORM_KEYS] in [[*part["properties"]] for part in parts if "properties" in part]


def test_names_and_limits_of_documents_are_those_of_their_schemas(parts):
    names = {*(part.get("const") for part in parts if isinstance(part.get("const"), str))}
    names |= {value for part in parts for value in part.get("enum", ()) if len(part["enum"]) == 1}
    assert [name for name, value in vars(vocabulary).items() if name.endswith("_SCHEMA") and value not in names] == []
    bounds = {part[key] for part in parts for key in ("maxItems", "maxLength", "maxProperties") if key in part}
    limits = {name: value for name, value in vars(vocabulary).items() if name.startswith("MAX_")}
    assert limits and [name for name, value in limits.items() if value not in bounds] == []
