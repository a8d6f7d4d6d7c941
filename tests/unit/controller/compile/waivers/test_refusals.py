"""Refused requests: which lines of the file count, which are mistakes, and what is said of one that counts for nothing;
and who may answer at all.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from proscribe.controller.compile.waivers.authority import Authority
from proscribe.controller.compile.waivers.refusals import (
    FILE,
    LARGEST,
    Disregarded,
    Refusal,
    in_force,
    read_refusals,
    warning,
    with_one_more,
)
from proscribe.controller.compile.waivers.standing import Context, Rules
from proscribe.controller.policy_errors import PolicyErrors

ONE = Refusal("1", "press01", "wong", "whatsapp", "no", "head.of.press", "2026-11-25T08:00:00Z")
GROUPS = {
    "all": frozenset({"press01", "press02", "fin01", "shared01", "lab01", "lab02"}),
    "press": frozenset({"press01", "press02", "shared01"}),
    "finance": frozenset({"fin01", "shared01"}),
}
REGISTER = {
    "press": Authority("head.of.press", ("deputy", "head.of.both")),
    "finance": Authority("head.of.finance", ("head.of.both",)),
}
CONTEXT = Context(GROUPS, REGISTER, Rules(), lambda host: "")


def line(refusal: Refusal) -> str:
    return json.dumps(refusal._asdict()) + "\n"


@pytest.mark.parametrize("key", Refusal._fields)
@pytest.mark.parametrize("value", ["", "a\nb", "x" * 1001, 7, None])
def test_each_text_of_a_refusal_is_a_short_line(tmp_path: Path, key: str, value: object) -> None:
    (tmp_path / FILE).write_text(line(ONE) + json.dumps({**ONE._asdict(), key: value}) + "\n" + "[\n")
    with pytest.raises(PolicyErrors) as wrong:
        read_refusals([tmp_path])
    expected = "a JSON object with the texts id, host, user, service, why, by, on"
    assert [(error.where, error.key, error.value, error.expected) for error in wrong.value.errors] == [
        (f"{tmp_path / FILE}:{number}", "", "something else", expected) for number in (2, 3)
    ]


def test_the_longest_text_counts(tmp_path: Path) -> None:
    one = ONE._replace(why="x" * 1000)
    (tmp_path / FILE).write_text(line(one))
    assert read_refusals([tmp_path]) == [one]


def test_what_is_no_file_of_lines_is_a_mistake(tmp_path: Path) -> None:
    def said(name: str) -> tuple[str, str, object, str]:
        with pytest.raises(PolicyErrors) as wrong:
            read_refusals([tmp_path / name])
        (error,) = wrong.value.errors
        return error.where, error.key, error.value, error.expected

    for name in ("folder", "large", "latin"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / FILE).mkdir()
    with (tmp_path / "large" / FILE).open("wb") as stream:
        stream.truncate(LARGEST + 1)
    (tmp_path / "latin" / FILE).write_bytes(b"\xe4\n")
    large = ("", "no plain file, or a large one", "lines of JSON")
    assert said("folder") == (str(tmp_path / "folder" / FILE), *large)
    assert said("large") == (str(tmp_path / "large" / FILE), *large)
    unreadable = (str(tmp_path / "latin" / FILE), "", "UnicodeDecodeError", "a file of UTF-8 that can be read")
    assert said("latin") == unreadable


def test_one_more_line_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / FILE
    other = ONE._replace(why="請用電話")
    added = (json.dumps(other._asdict(), ensure_ascii=False) + "\n").encode()
    assert with_one_more(file, other) == added
    for before, left in ((b"", b""), (b"x", b"x\n"), (b"x\n", b"x\n")):
        file.write_bytes(before)
        assert with_one_more(file, other) == left + added


def test_the_newest_that_counts_is_in_force() -> None:
    newer = ONE._replace(why="really", on="2026-11-26T08:00:00Z")
    own = ONE._replace(by="wong", on="2026-11-27T08:00:00Z")
    stranger = ONE._replace(id="2", by="head.of.finance")
    elsewhere = ONE._replace(host="gone01")
    found, disregarded = in_force([elsewhere, ONE, newer, own, stranger], CONTEXT)
    assert found == [newer]
    (left,) = disregarded
    assert left.refusal == stranger and left.why.startswith("head.of.finance may not approve for press")


def test_a_run_says_what_counts_for_nothing() -> None:
    one = Disregarded(ONE, "it is theirs")
    text = "the refusal of request 1 on press01 counts for nothing"
    assert warning([one]) == f"{text}: it is theirs [{FILE}]"
    assert warning([one, Disregarded(ONE._replace(id="2"), "x")]) == f"{text} (and 1 more): it is theirs [{FILE}]"
