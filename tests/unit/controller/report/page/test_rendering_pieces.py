"""Pieces of the page by themselves: the bar of states, a section that is one table."""

from __future__ import annotations

import re

import pytest
from proscribe.controller.report.page.bars import WIDTH, bar
from proscribe.controller.report.page.listings import MOST, Listing, beyond
from proscribe.controller.report.page.rendering import environment


@pytest.mark.parametrize(
    ("counts", "pieces"),
    [
        ({}, []),
        ({"compliant": 0, "error": 0}, []),
        ({"compliant": 7}, [("compliant", 0, WIDTH)]),
        ({"compliant": 3, "noncompliant": 1}, [("noncompliant", 0, 248), ("compliant", 250, 750)]),
        (
            {"waived": 1, "error": 1, "unknown": 2},
            [("error", 0, 248), ("unknown", 250, 498), ("waived", 750, 250)],
        ),
        # One of thousands is still to be seen, at the cost of the others.
        ({"error": 1, "compliant": 99_999}, [("error", 0, 4), ("compliant", 6, 994)]),
    ],
)
def test_a_bar_has_a_piece_for_each_state_the_worst_first(counts, pieces):
    assert [(one.state, round(one.x), round(one.width)) for one in bar(counts)] == pieces


def test_the_pieces_of_a_bar_fill_it_and_are_two_units_apart():
    found = bar({"error": 3, "unknown": 4, "compliant": 6})
    assert found[-1].x + found[-1].width == pytest.approx(WIDTH)
    assert [two.x - one.x - one.width for one, two in zip(found, found[1:])] == pytest.approx([2, 2])


@pytest.mark.parametrize(("number", "said"), [(MOST, ""), (MOST + 1, "1 host more in x.csv."), (0, "")])
def test_a_page_says_what_it_does_not_have_of_a_long_list(number, said):
    assert beyond(range(number), "host", "x.csv") == said


def listed(section):
    """A section as the page has it, without its line breaks."""
    template = '{% from "listing.html.j2" import listing %}{{ listing(section) }}'
    return re.sub(r"\n\s*", "", environment().from_string(template).render(section=section))


def test_a_section_has_nothing_that_it_was_not_given():
    columns = [("what", "Host"), ("number", "Rules")]
    assert listed(Listing("id", "Heading", "Caption", columns, [("web01", 1200)])) == (
        '<section id="id"><h2>Heading</h2><table class="story"><caption class="unseen">Caption</caption><thead><tr>'
        '<th scope="col" class="what">Host</th><th scope="col" class="number">Rules</th></tr></thead><tbody><tr>'
        '<th scope="row" class="what">web01</th><td class="number">1,200</td></tr></tbody></table></section>'
    )
    assert listed(Listing("id", "Heading", "", columns, [])) == '<section id="id"><h2>Heading</h2><p></p></section>'
    full = Listing("id", "Heading", "", columns, [], note="A note.", more="1 more.", nothing="None.")
    assert listed(full) == (
        '<section id="id"><h2>Heading</h2><p class="note">A note.</p><p>None.</p><p class="note">1 more.</p></section>'
    )
    assert listed(None) == ""
