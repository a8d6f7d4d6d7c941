"""A package that was removed, as a file or a host has it: each field is read as it is, or all of it is none."""

from __future__ import annotations

import pytest
from proscribe.model.removed import Removed, read

LEAST = {"manager": "dpkg", "id": "owl", "scope": "system", "name": "owl:i386"}
MORE = {"version": "1.0", "how": "apt-get", "tool": "/t", "place": "/p", "source": "main", "mark": "auto", "at": "now"}


def test_what_is_not_said_is_empty_and_what_no_field_is_for_is_left_out() -> None:
    assert read({**LEAST, "more": 1})._asdict() == {**LEAST, **dict.fromkeys(MORE, "")}
    assert read({**LEAST, **MORE})._asdict() == {**LEAST, **MORE}
    assert Removed("dpkg", "owl", "", "system", "owl") == read({**LEAST, "name": "owl"})


def test_a_package_is_another_one_by_system_scope_place_and_name() -> None:
    one = read(LEAST)
    others = [{"manager": "rpm"}, {"scope": "user:ann"}, {"place": "/p"}, {"name": "owl"}]
    assert len({read({**LEAST, **change}).key for change in ({}, *others)}) == 5
    for change in ({"id": "elf"}, {"version": "2"}, {"mark": "manual"}, {"at": "now"}, {"how": "apt"}):
        assert read({**LEAST, **change}).key == one.key
    assert (one.user, read({**LEAST, "scope": "user:ann"}).user) == ("", "ann")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        *(({key: ""}, "has manager, id, name and scope") for key in LEAST),
        *(
            ({"scope": scope}, "has manager, id, name and scope")
            for scope in (
                "user:",
                "user:-a",
                "user:a b",
                "user:a/b",
                "user:a:b",
                "user:a,b",
                "user:" + "a" * 101,
                "all",
            )
        ),
        *(
            ({key: value}, "no printable text")
            for key in ("version", "name", "at")
            for value in (4, None, "-o", "a\nb", "a\0b", "a\u202eb", "a" * 501, ["a"])
        ),
        ({"mark": "held"}, "is auto or manual"),
    ],
)
def test_what_is_none_is_refused(change: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=f"removed package.*{why}"):
        read({**LEAST, **change})


@pytest.mark.parametrize("value", [None, "owl", [LEAST], 7])
def test_what_is_no_mapping_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a removed package is a mapping"):
        read(value)
