"""Which names count in `catalog recall`: who vouches for a name, who only copies, what is asked for most."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
