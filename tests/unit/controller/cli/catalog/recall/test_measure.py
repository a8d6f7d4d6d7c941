"""Which names count in `catalog recall`: who vouches for a name, who only copies, what is asked for most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.cli.catalog.independence import LEAST, Counting, Witness, copied
from proscribe.controller.cli.catalog.public_lists import Source
from proscribe.controller.cli.catalog.recall.measure import Popular, Share, measure, popular_names
from proscribe.controller.cli.catalog.recall.standing import MISSING, Standing

NOBODY = Popular({}, frozenset(), ())


def source(
    id_: str, about: str = "vpn", mixed: str = "", takes_from: str = "", popular: str = "", only_popular: str = ""
) -> Source:
    """A list: its family is what is before the _ of its id."""
    lists = {"about": about, "mixed": mixed, "takes_from": takes_from, "paths": "x", "named": "", "without": ""}
    split: dict[str, Any] = {key: tuple(value.split()) for key, value in lists.items()}
    texts: dict[str, Any] = {"publisher": "x", "folder": "x", "url": "", "format": "lines", "licence": "x"}
    return Source(
        id=id_, family=id_.partition("_")[0], popular=popular, only_popular=only_popular, least=1, **texts, **split
    )


def listed(names: str) -> dict[str, int]:
    return {f"{name}.example": place for place, name in enumerate(names.split(), 1)}


@pytest.mark.parametrize(
    ("lists", "names", "found"),
    [
        pytest.param([source("a"), source("b")], ["owl wren", "owl"], "owl", id="two publishers have it"),
        pytest.param([source("a"), source("b")], ["owl", "wren"], "", id="each has another"),
        pytest.param([source("a_1"), source("a_2")], ["owl", "owl"], "", id="both lists are of one publisher"),
        pytest.param([source("a_1"), source("a_2"), source("b")], ["owl"] * 3, "owl", id="and one of another"),
        pytest.param([source("a"), source("b", takes_from="a")], ["owl", "owl"], "", id="one copies the other"),
        pytest.param([source("a_1"), source("b", takes_from="a")], ["owl", "owl"], "", id="one copies a family"),
        pytest.param(
            [source("a", takes_from="b"), source("b", takes_from="a")], ["owl", "owl"], "", id="both copy each other"
        ),
        pytest.param(
            [source("a", takes_from="b"), source("b", takes_from="c"), source("c")],
            ["owl", "wren", "owl"],
            "",
            id="a copy at second hand, though the first has lost the name",
        ),
        pytest.param(
            [source("a", takes_from="b"), source("b"), source("c")],
            ["owl", "wren", "owl"],
            "owl",
            id="beside no source",
        ),
        pytest.param(
            [source("a", takes_from="c"), source("b", takes_from="c"), source("c")], ["owl"] * 3, "", id="two copies"
        ),
        pytest.param([source("a"), source("b", "", "vpn")], ["owl", "owl wren"], "owl", id="one is mixed"),
        pytest.param([source("a", "", "vpn"), source("b", "", "vpn")], ["owl", "owl"], "", id="both are mixed"),
        pytest.param([source("a"), source("b", "tor")], ["owl", "owl"], "", id="one is about something else"),
        pytest.param([source("a"), source("b")], ["owl x.owl", "owl x.owl"], "owl", id="a name below another"),
        pytest.param([source("a"), source("b")], ["owl x.owl", "x.owl"], "x.owl", id="a name below a single list's"),
    ],
)
def test_who_vouches_for_a_name(lists: Sequence[Source], names: Sequence[str], found: str) -> None:
    by_id = {one.id: listed(some) for one, some in zip(lists, names, strict=True)}
    result = measure("vpn", lists, by_id, NOBODY, lambda _: Standing(MISSING))
    assert {one.name for one in result.found} == set(listed(found))


@pytest.mark.parametrize(
    ("lists", "top", "found"),
    [
        pytest.param([source("a"), source("b", only_popular="ended")], "owl", "owl", id="asked for"),
        pytest.param([source("a"), source("b", only_popular="ended")], "", "", id="of a list that ended"),
        pytest.param(
            [source("a"), source("b"), source("c", only_popular="ended")], "", "owl", id="beside two that did not"
        ),
        pytest.param(
            [source("a", takes_from="c"), source("b", takes_from="c"), source("c", only_popular="ended")],
            "",
            "",
            id="whoever has it from such a list is no new voice",
        ),
    ],
)
def test_a_list_whose_names_count_only_where_they_are_asked_for(lists: list[Source], top: str, found: str) -> None:
    names = {one.id: listed("owl") for one in lists}
    popular = Popular(listed(top), frozenset(), ("top",))
    result = measure("vpn", lists, names, popular, lambda _: Standing(MISSING))
    assert {one.name for one in result.found} == set(listed(found))


@pytest.mark.parametrize(("shared", "counts"), [(20, False), (19, True)])
def test_a_list_that_has_nearly_all_of_another_copies_it(shared: int, counts: bool) -> None:
    """Four fifths of 25 names."""
    small = {f"owl{number}.example": number for number in range(LEAST)}
    large = dict(list(small.items())[:shared]) | {f"wren{number}.example": number for number in range(30)}
    result = measure("vpn", [source("a"), source("b")], {"a": small, "b": large}, NOBODY, lambda _: Standing(MISSING))
    assert bool(result.found) is counts


@pytest.mark.parametrize(
    ("small", "large", "shared", "copies"),
    [
        (LEAST, 30, LEAST, "large"),
        (LEAST - 1, 30, LEAST - 1, ""),
        (LEAST, LEAST, LEAST, "large small"),
        (LEAST, LEAST, 20, "large small"),
        (LEAST, 30, 20, "large"),
        (LEAST, 30, 19, ""),
    ],
)
def test_which_list_is_taken_for_a_copy(small: int, large: int, shared: int, copies: str) -> None:
    lists = {"small": {*range(small)}, "large": {*range(small - shared, small - shared + large)}}
    found = copied({id_: Witness(id_) for id_ in lists}, {id_: {*map(str, some)} for id_, some in lists.items()})
    other = {"large": {"small"}, "small": {"large"}}
    assert found == {id_: taken if id_ in copies.split() else set() for id_, taken in other.items()}


@pytest.mark.parametrize(
    ("lists", "silent", "count"),
    [
        ("a", "", 1),
        ("a b", "", 2),
        ("a b c", "", 2),  # c has it from b
        ("c", "", 1),
        ("b c", "b", 0),
        ("a b", "a", 1),
        ("m", "", 0),
        ("a m", "", 2),
        ("a m", "a", 0),
        ("a a2", "", 1),
    ],
)
def test_how_many_vouch(lists: str, silent: str, count: int) -> None:
    witnesses = {id_: Witness(id_) for id_ in "ab"} | {"a2": Witness("a"), "m": Witness("m", mixed=True)}
    counting = Counting({**witnesses, "c": Witness("c", ("b",))}, dict.fromkeys((*witnesses, "c"), ()))
    for _ in "twice":
        assert counting(lists.split(), frozenset(silent.split())) == count
        assert counting(lists.split(), frozenset((*witnesses, "c"))) == 0, (
            "where all are silent, it is another question"
        )


@pytest.mark.parametrize(
    ("popular", "most", "name", "rank"),
    [
        ("ranked", 9, "tit", 3),
        ("ranked", 3, "tit", 3),
        ("ranked", 2, "tit", 0),
        ("ranked", 9, "owl", 2),  # x.owl is below it
        ("ranked", 9, "wren", 0),
        ("5", 5, "tit", None),
        ("5", 4, "tit", 0),  # nobody knows which are its first four
        ("5", 9, "owl", 0),
    ],
)
def test_what_is_asked_for_most(popular: str, most: int, name: str, rank: int | None) -> None:
    """0: it is not asked for much; None: it is, and nobody says how much."""
    found = popular_names([source("top", "", popular=popular)], {"top": listed("a x.owl tit y.owl")}, most)
    assert found.has(f"{name}.example") is (rank != 0)
    assert found.ranks.get(f"{name}.example") == (rank or None)


def test_two_lists_of_what_is_asked_for_add_up() -> None:
    lists = [source("top", "", popular="ranked"), source("next", "", popular="ranked"), source("gone", "", popular="9")]
    found = popular_names(lists, {"top": listed("a b"), "next": listed("b a c")}, 9)
    assert found.read == ("top", "next")
    assert dict(found.ranks) == {"a.example": 1, "b.example": 1, "c.example": 3, "example": 1}


@pytest.mark.parametrize(
    ("families", "popular", "whole", "share"),
    [
        ("ab", ("top",), True, Share(1, 3)),
        ("ab", ("top",), False, Share(0, 1)),
        ("ab", (), True, Share(1, 3)),
        ("ab", (), False, None),  # no list says what is asked for
        ("a", ("top",), True, None),
        ("", ("top",), True, None),
    ],
)
def test_a_share_is_of_what_was_measured(
    families: str, popular: tuple[str, ...], whole: bool, share: Share | None
) -> None:
    states = {"owl.example": Standing("blocked", "owl")}
    result = measure(
        "vpn",
        [source(one) for one in families],
        {one: listed("owl wren tit") for one in families},
        Popular({"wren.example": 5} if popular else {}, frozenset(), popular),
        lambda name: states.get(name, Standing(MISSING)),
    )
    assert result.share(whole) == share


def test_the_most_asked_for_is_the_first() -> None:
    popular = Popular({"tit.example": 7, "owl.example": 9}, frozenset({"wren.example"}), ("top",))
    names = {"a": listed("owl x wren tit"), "b": listed("owl x wren tit")}
    result = measure("vpn", [source("a"), source("b")], names, popular, lambda _: Standing(MISSING))
    assert [one.name.partition(".")[0] for one in result.found] == ["tit", "owl", "wren", "x"]


IDS = "abcd"
LISTS = st.dictionaries(st.sampled_from(IDS), st.sets(st.sampled_from(["x", "y", "z", "x.y"]), max_size=4))


@given(lists=LISTS, taken=st.dictionaries(st.sampled_from(IDS), st.sets(st.sampled_from(IDS)), max_size=4))
def test_a_name_that_counts_is_in_two_families_and_saying_of_more_copies_adds_none(
    lists: dict[str, set[str]], taken: dict[str, set[str]]
) -> None:
    names = {id_: listed(" ".join(sorted(some))) for id_, some in lists.items()}
    free = measure("vpn", [source(one) for one in IDS], names, NOBODY, lambda _: Standing(MISSING))
    copies = [source(one, takes_from=" ".join(taken.get(one, ()))) for one in IDS]
    fewer = measure("vpn", copies, names, NOBODY, lambda _: Standing(MISSING))
    assert all(len(one.lists) > 1 for one in free.found)
    assert all(any(one.name.endswith(other.name) for other in free.found) for one in fewer.found)
