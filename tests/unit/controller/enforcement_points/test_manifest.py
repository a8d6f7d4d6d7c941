"""The manifest of an export: what is read of it again, and what its files may be called; and the head of each file."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

import pytest
from made_export import AT, decision, plan
from proscribe.controller.enforcement_points import header, manifest
from proscribe.controller.enforcement_points.declaration import BY_TENANT, LeftOut, Limit, NotExportable, Rendered
from proscribe.controller.enforcement_points.registry import FORMATS
from proscribe.model.words import EXPORT_SCHEMA

UNTIL = AT + datetime.timedelta(days=1)
EMPTY: dict[str, Any] = {"schema": EXPORT_SCHEMA, "files": []}
NOTHING = manifest.Earlier("", "", None, "", None, {})


def test_what_is_written_is_read_again() -> None:
    about = decision(group="web")._replace(valid_until=UNTIL)
    made = manifest.manifest(
        FORMATS["rpz"], about, Rendered({"b.txt": b"b", "a/b.txt": b"a"}, ["dns/x", "dns/a", "dns/x"])
    )
    assert manifest.read(manifest.text(made)) == manifest.Earlier(
        format="rpz",
        group="web",
        at=AT,
        plan=about.digest,
        valid_until=UNTIL,
        files={one["path"]: one["sha256"] for one in made["files"]},
    )
    assert manifest.text(made) == (json.dumps(made, indent=2, sort_keys=True) + "\n").encode()


def test_a_manifest_says_from_what_the_export_was_made_and_what_is_in_it() -> None:
    waived = plan({"dns": {"mail": {"mode": "waived", "waiver": "W-1"}}})
    both, own = LeftOut("dns/x", "the service", "It is so."), LeftOut("", "all else", "It is not.")
    about = decision(waived, group="web")._replace(valid_until=UNTIL, left_out=(both,))
    rendered = Rendered({"b.txt": b"b", "a/b.txt": b"ab"}, ["dns/x", "dns/a", "dns/x"], [both, own])
    files = [("a/b.txt", b"ab"), ("b.txt", b"b")]
    assert manifest.manifest(FORMATS["rpz"], about, rendered) == {
        "schema": "proscribe/export/1",
        "format": "rpz",
        "group": "web",
        "hosts": ["host1", "host2"],
        "at": "2026-11-27T08:00:00Z",
        "valid_until": "2026-11-28T08:00:00Z",
        "plan": waived["digest"],
        "catalogue": "2026.11.1",
        "included": ["dns/a", "dns/x"],
        "waived": {"dns/mail": "W-1"},
        "left_out": [
            {"rule": "dns/x", "what": "the service", "why": "It is so."},
            {"rule": "", "what": "all else", "why": "It is not."},
        ],
        "files": [
            {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in files
        ],
    }


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (EMPTY, NOTHING),
        ({**EMPTY, "format": None, "group": None, "plan": None, "at": None, "valid_until": None}, NOTHING),
        ({**EMPTY, "files": [{"path": "a.txt"}]}, NOTHING._replace(files={"a.txt": ""})),
        ({**EMPTY, "valid_until": "2026-11-27T08:00:00Z"}, NOTHING._replace(valid_until=AT)),
        ({**EMPTY, "schema": "proscribe/plan/1"}, None),
        ({"files": []}, None),
        ({"schema": EXPORT_SCHEMA}, None),
        ({**EMPTY, "files": [{}]}, None),
        ({**EMPTY, "files": ["a.txt"]}, None),
        ({**EMPTY, "files": [{"path": 1}]}, None),
        ({**EMPTY, "files": [{"path": "../a"}]}, None),
        ({**EMPTY, "at": "yesterday"}, None),
        ([], None),
    ],
)
def test_what_is_none_of_ours_is_not_read(document: Any, read: manifest.Earlier | None) -> None:
    assert manifest.read(json.dumps(document).encode()) == read


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_document_is_not_read(content: bytes) -> None:
    assert manifest.read(content) is None


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("a.txt", True),
        ("{A-1}/b_c.pol", True),
        ("a" * 100, True),
        ("a" * 101, False),
        ("/".join("a" * 10), True),
        ("/".join("a" * 11), False),
        ("a/.b", False),
        ("a\u00e4", False),
    ],
)
def test_which_names_a_file_may_have(name: str, fits: bool) -> None:
    if fits:
        assert manifest.checked(name) == name
    else:
        with pytest.raises(ValueError, match="is no name for a file"):
            manifest.checked(name)


def test_a_text_from_outside_is_cut_and_has_no_sign_that_means_something() -> None:
    assert header.safe("Az09 ._:+@/-") == "Az09 ._:+@/-"
    assert header.safe("a\n#;<\u00e4") == "a?????"
    assert header.safe("x" * (header.LONGEST + 1)) == "x" * header.LONGEST


def test_a_head_says_nothing_that_is_not_known() -> None:
    assert header.header(decision()._replace(catalogue="", digest="sha256:1"), "rpz") == [
        "Written by Proscribe, export rpz. The next export replaces this file, so changes to it are lost.",
        "For 2 host(s) of the inventory, as of 2026-11-27T08:00:00Z",
        "plan sha256:1",
    ]
    tenants = [LeftOut(f"dns/{name}", "", why) for name in ("mail", "a;b") for why in (BY_TENANT, "another")]
    about = decision(group="w;b")._replace(digest="sha256:1", valid_until=UNTIL, left_out=(*tenants, *tenants))
    assert header.comment(about, "rpz", ";") == [
        "; Written by Proscribe, export rpz. The next export replaces this file, so changes to it are lost.",
        "; For 2 host(s) of group w?b, as of 2026-11-27T08:00:00Z, valid until 2026-11-28T08:00:00Z",
        "; catalogue 2026.11.1, plan sha256:1",
        "; Open to all accounts, for the organisation's tenants: a?b mail",
    ]
    assert header.about(about, "rpz") == {"about.txt": header.text(header.header(about, "rpz"))}
    assert header.comment(about, "rpz")[2] == "# catalogue 2026.11.1, plan sha256:1"
    assert header.witness(about) == "plan=sha256:1 at=2026-11-27T08:00:00Z"


def test_a_document_is_ascii_and_ends_with_its_line() -> None:
    assert header.json_file({"b": 1, "a": "ä"}) == b'{\n "b": 1,\n "a": "\\u00e4"\n}\n'
    assert header.json_file({"b": 1, "a": []}, 2, sort_keys=True) == b'{\n  "a": [],\n  "b": 1\n}\n'
    assert header.text(["a", "b"]) == b"a\nb\n"


def test_a_device_takes_as_much_as_its_limit_and_no_more() -> None:
    limit = Limit(1_000, "names", "by its manual")
    limit.check(1_000)
    with pytest.raises(NotExportable) as refused:
        limit.check(1_001)
    assert str(refused.value) == "1,001 names, but the device takes at most 1,000 (by its manual)"
    assert not refused.value.nothing
