"""Long lists are cut in turns: many items of one user push out none of another."""

import pytest
from proscribe.host.watch.state.fair_selection import select_in_turns


@pytest.mark.parametrize(
    ("items", "most", "left"),
    [
        ("", 3, ""),
        ("a1 b1 a2", 3, "a1 b1 a2"),  # just as much as there is room for
        ("a1 a2 a3 b1", 3, "a2 a3 b1"),
        ("a1 b1 a2 b2 a3 c1", 3, "b2 a3 c1"),  # the newest of each
        ("b1 a1 a2 a3", 0, ""),
        ("a1 a2 a3 a4", 2, "a3 a4"),
    ],
)
def test_newest_items_of_each_stay_in_order(items, most, left):
    assert select_in_turns(items.split(), lambda item: item[0], most, lambda _: 1) == left.split()


def test_large_item_ends_the_list():
    assert select_in_turns([1, 5, 2], lambda item: item, 4, lambda item: item) == [1]
    assert select_in_turns([5, 1, 2], lambda _: "one", 4, lambda item: item) == [1, 2]
