"""A feed that is an agreement: the names that lists of several families have, and none that others need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.controller.compile.catalogue.feeds import numbered
from proscribe.controller.compile.catalogue.loading import load
from refreshed_catalogue import BIRDS, DAY, Refreshed

LISTS = [
    {"id": "one", "family": "one"},
    {"id": "copy", "family": "one"},
    {"id": "two", "family": "two"},
    {"id": "three", "family": "three"},
]
NAMES = "\n".join(f"bird{number:03}.example" for number in range(100))
# With others beside them, neither list copies the other one.
ONE = "\n".join([NAMES, *(f"tree{number:03}.example" for number in range(50))])
TWO = "\n".join([NAMES, *(f"bush{number:03}.example" for number in range(30))])
EMPTY = "z1.example\n"


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refreshed:
    made = Refreshed(tmp_path, capsys)
    made.write("release/feeds/birds.yml", BIRDS.replace("checked:", "agreement: '2'\nchecked:"))
    made.write("release/feeds/birds.txt", "# what sings\nhand.example\n")
    made.write("release/known_good.txt", "www.gov.example\n")
    made.publishers("release", *LISTS)
    return made


def lists(one: str = "", copy: str = "", two: str = "", three: str = "") -> dict[str, str]:
    named = {"one": one, "copy": copy, "two": two, "three": three}
    return {name: EMPTY.replace("z1", name) + text.replace(" ", "\n") + "\n" for name, text in named.items()}


@pytest.mark.parametrize(
    ("published", "listed"),
    [
        pytest.param(lists("a.example", two="a.example"), ["a.example # 2"], id="two have it"),
        pytest.param(lists("a.example", "a.example", "a.example", "a.example"), ["a.example # 3"], id="all have it"),
        pytest.param(lists("a.example b.example", "a.example", "b.example"), ["b.example # 2"], id="a copy adds none"),
        pytest.param(
            lists("b.example x.b.example", two="b.example x.b.example"), ["b.example # 2"], id="below another"
        ),
        pytest.param(
            lists("x.hand.example b.example", two="x.hand.example b.example"), ["b.example # 2"], id="below a person's"
        ),
        pytest.param(lists("hand.example", two="hand.example"), ["hand.example # 2"], id="a person's own"),
        pytest.param(lists("B.example. ", two="b.example"), ["b.example # 2"], id="in another spelling"),
    ],
)
def test_names_that_families_agree_on(made: Refreshed, published: dict[str, str], listed: list[str]) -> None:
    code, printed = made.refresh(published)
    assert code == 0, printed
    own = [] if "hand.example # 2" in listed else ["hand.example"]
    text = (made.release / "feeds/birds.txt").read_text()
    assert text == "\n".join(["# what sings", *sorted([*listed, *own]), ""])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("www.gov.example", id="known to be good"),
        pytest.param("gov.example", id="above what is known to be good"),
        pytest.param("google.com", id="what others stand on"),
        pytest.param("cdn.example", id="shared by an entry"),
        pytest.param("toys.example", id="refused by an entry"),
        pytest.param("parrot.example", id="an entry's own"),
        pytest.param("x.parrot.example", id="below an entry's own"),
        pytest.param("x.work.parrot.example", id="below what an entry leaves open"),
    ],
)
def test_what_others_need_is_left_out_and_counted(made: Refreshed, name: str) -> None:
    names = f"{name} a.example"
    code, printed = made.refresh(lists(names, two=names))
    assert code == 0 and "1 name left out: known to be good, shared, decided or of an entry" in " ".join(printed)
    assert (made.release / "feeds/birds.txt").read_text() == "# what sings\na.example # 2\nhand.example\n"


def test_a_plan_does_not_know_the_numbers(made: Refreshed) -> None:
    made.refresh(lists("a.example", two="a.example"))
    two = load([made.release])
    made.refresh(lists("a.example", two="a.example", three="a.example"))
    three = load([made.release])
    assert (made.release / "feeds/birds.txt").read_text().count("a.example # 3") == 1
    assert two.feeds["birds"].values == three.feeds["birds"].values and two.version == three.version


def test_a_name_goes_when_they_do_not_agree_any_more_and_a_persons_stays(made: Refreshed) -> None:
    made.refresh(lists("a.example b.example", two="a.example b.example"))
    code, printed = made.refresh(lists("a.example", two="a.example b.example"))
    assert code == 0 and "  - b.example" in printed
    assert (made.release / "feeds/birds.txt").read_text() == "# what sings\na.example # 2\nhand.example\n"


def test_what_it_was_compared_with_is_recorded_for_each_list(made: Refreshed) -> None:
    made.refresh(lists("a.example", two="a.example"))
    records = made.data("release/feeds/birds.yml")["compared"]
    assert [(one["with"], one["values"]) for one in records] == [
        ("one", "2"),
        ("copy", "1"),
        ("two", "2"),
        ("three", "1"),
    ]
    assert {one["day"] for one in records} == {"2026-09-21"}


WRENS = TWO.replace("bird", "wren").replace("bush", "moss")
WRONG = {
    "one is empty": ({"two": ""}, "two: it has 0 values, expected at least 1"),
    "one is a page": ({"two": "<html>\n<p>\nbird000.example\n"}, "two: 2 of its 3 values are no names"),
    "one has lost half": ({"two": "\n".join(TWO.split()[:65])}, "two: 65 values are gone, 50 % of 130"),
    "one has doubled": ({"two": f"{TWO}\n{WRENS}"}, "two: 130 values are new, 100 % of 130"),
    "one has each twice": ({"two": f"{TWO}\n{TWO}"}, "two: it has each of its 130 values twice or more"),
    "one is another list": ({"two": WRENS}, "no name is in enough of its lists"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_list_changes_nothing_and_says_which_it_is(made: Refreshed, name: str) -> None:
    published = {"one": ONE, "copy": EMPTY, "two": TWO, "three": EMPTY.replace("z1", "z3")}
    assert made.refresh(published)[0] == 0
    before = made.content()
    changed, why = WRONG[name]
    code, printed = made.refresh(changed)
    assert code == 1 and printed[0].startswith("birds: refused, nothing is changed")
    assert why in " ".join(" ".join(printed).split()) and made.content() == before


def test_a_list_that_cannot_be_had_takes_no_name_away_and_is_named(made: Refreshed) -> None:
    assert made.refresh(lists("a.example b.example", two="a.example b.example"))[0] == 0
    published = lists("c.example", three="c.example")
    (made.lists / "two").unlink()
    code, printed = made.refresh({id_: text for id_, text in published.items() if id_ != "two"})
    said = " ".join(printed)
    assert code == 1 and "birds: no name is taken away, since not every list could be had: two: " in " ".join(
        said.split()
    )
    text = "# what sings\na.example # 2\nb.example # 2\nc.example # 2\nhand.example\n"
    assert (made.release / "feeds/birds.txt").read_text() == text


def test_one_list_alone_agrees_with_nobody(made: Refreshed) -> None:
    before = made.content()
    code, printed = made.refresh({"one": "a.example"})
    assert code == 1 and printed[0].startswith("birds: refused, nothing is changed: copy: ")
    assert made.content() == before


TABLE = """\
- {id: %s, publisher: x, family: %s, %s: [vpn], folder: %s, paths: [list], url: 'https://x.example/', format: lines,
   least: '1', licence: x%s}
"""


@pytest.mark.parametrize(
    ("rows", "listed"),
    [
        pytest.param([("one", "about", ""), ("two", "about", "")], "a.example # 2", id="independent"),
        pytest.param([("one", "about", ""), ("two", "mixed", "")], "a.example # 2", id="one has other names, too"),
        pytest.param([("one", "mixed", ""), ("two", "mixed", "")], "", id="both have other names, too"),
        pytest.param([("one", "about", ""), ("two", "about", ", takes_from: [one]")], "", id="one copies the other"),
    ],
)
def test_lists_of_the_table_vouch_as_it_says(made: Refreshed, rows: list[tuple[str, str, str]], listed: str) -> None:
    """They are found in the folder of `recall`, with one that has its name twice: a list may serve several feeds."""
    text = "".join(TABLE % (id_, id_, about, id_, more) for id_, about, more in rows)
    made.write("release/recall.yml", f"---\n{text}")
    made.write("release/publishers.yml", "---\n- lists: [one, two]\n  of: birds\n")
    for id_, *_ in rows:
        os.utime(made.write(f"lists/{id_}/list", f"www.a.example\n8.8.4.4\n{id_}.example\n"), (DAY, DAY))
    code, printed = made.refresh({})
    assert code == (0 if listed else 1), printed
    assert (made.release / "feeds/birds.txt").read_text().splitlines()[1:-1] == [listed] * bool(listed)


WRONG_ROWS = {
    "- of: birds": "found 'birds', expected id beside it, or lists of recall.yml",
    "- {lists: [one], of: birds, least: '1'}": "no such key beside lists: recall.yml says it",
    "- {lists: [on], of: birds}": "found 'on', expected the id of a list of recall.yml, did you mean 'one'?",
    "- of: birds\n  lists:\n  - one\n  - on": "found 'on', expected the id of a list of recall.yml, did you mean",
    "- {lists: [far], of: birds}": "found 'far', expected a list that has an address",
    "- {lists: [one, one], of: birds}": "found 'one', expected every item once",
    "- {lists: [one], of: birds}\n- {lists: [one], of: birds, notes: x}": "found 'one', expected an id of its own; ",
}


@pytest.mark.parametrize("row", WRONG_ROWS)
def test_wrong_rows_are_named_at_their_place(made: Refreshed, row: str) -> None:
    far = (TABLE % ("far", "far", "about", "far", "")).replace("url: 'https://x.example/', ", "")
    made.write("release/recall.yml", "---\n" + TABLE % ("one", "one", "about", "one", "") + far)
    made.write("release/publishers.yml", f"---\n{row}\n")
    code, printed = made.refresh({})
    said = " ".join(" ".join(printed).split())
    assert code == 2 and f"publishers.yml:{2 + row.count(chr(10))}: " in said and WRONG_ROWS[row] in said


def test_lists_of_one_family_cannot_agree(made: Refreshed) -> None:
    made.publishers("release", *LISTS[:2])
    code, printed = made.refresh(lists("a.example", "a.example"))
    assert code == 1 and "its publishers are of 1 families, expected 2 or more" in " ".join(printed)


def test_all_of_its_lists_are_read_whichever_is_named(made: Refreshed) -> None:
    for words in (("birds",), ("two",), ("three", "birds")):
        code, printed = made.refresh(lists("a.example", two="a.example"), *words)
        assert code == 0 and [line.partition(":")[0] for line in printed if ":" in line[:6]] == ["birds"]


def test_networks_cannot_agree(made: Refreshed) -> None:
    made.write("release/feeds/birds.yml", BIRDS.replace("kind: domains", "agreement: '2'\nkind: networks"))
    made.write("release/feeds/birds.txt", "8.8.4.0/24\n")
    code, printed = made.refresh({})
    assert code == 2 and "agreement: found '2', expected kind: domains beside it" in " ".join(printed)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a.example", {"a.example": 0}),
        ("a.example # 2", {"a.example": 2}),
        ("a.example # 12", {"a.example": 12}),
        ("a.example # 0", {"a.example": 0}),
        ("a.example  # 2 lists", {"a.example": 0}),
        ("a.example # \u0662", {"a.example": 0}),
        ("a.example # seen in our log", {"a.example": 0}),
        ("# 2", {}),
    ],
)
def test_only_a_number_is_a_publishers(line: str, found: dict[str, int]) -> None:
    assert numbered(line) == found
