"""Markup: how anything from outside gets into the page, and the few forms that it takes there."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from ...finding import STATES
from ..wording import clean, moment

# What each state means, said where a reader may wonder.
MEANING = {
    "error": "could not be evaluated, or a correction failed",
    "noncompliant": "is broken, with the findings that show it",
    "unknown": "could not be seen",
    "waived": "is broken, and an active waiver covers it",
    "repaired": "was broken, was corrected in this run, and held when it was looked at again",
    "compliant": "holds",
    "not_applicable": "does not count here",
}


def text(value: object) -> str:
    """Text for the page: one line, printable, escaped for elements and attributes."""
    return html.escape(clean(value))


def flowing(value: object) -> str:
    """Text for an element (not for an attribute) in which long paths and names may go on in the next line."""
    return re.sub("[/_]", r"\g<0><wbr>", text(value))


@cache
def static(name: str) -> str:
    """A file of this folder that goes into the page as it is."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def named(state: str) -> str:
    """A state in words."""
    return text(state.replace("_", " "))


@cache
def icon(state: str) -> str:
    """The sign of a state; its word always stands beside it."""
    sign = text(state) if state in STATES else "unknown"
    return f'<svg class="icon {sign}" aria-hidden="true"><use href="#{sign}"/></svg>'


@cache
def badge(state: str) -> str:
    """A state as sign and word."""
    return f'<span class="state">{icon(state)}{named(state)}</span>'


def time(iso: object) -> str:
    """A UTC time as people read it, and as machines do."""
    return f'<time datetime="{text(iso)}">{text(moment(iso))}</time>'


def table(caption: str, heads: Iterable[tuple[str, str]], rows: Iterable[str], kind: str = "") -> Iterator[str]:
    """A table; `heads` are (class, name) of its columns, a row is its cells as markup, the first one a `th`."""
    yield f'<table class="{kind}"><caption class="unseen">{text(caption)}</caption><thead><tr>'
    yield "".join(f'<th scope="col" class="{column}">{text(name)}</th>' for column, name in heads)
    yield "</tr></thead><tbody>\n"
    yield from (f"<tr>{row}</tr>\n" for row in rows)
    yield "</tbody></table>\n"


def bar(counts: Mapping[str, int], label: str, kind: str = "bar", height: int = 8) -> str:
    """Counts by state as one bar; a state with a single host in thousands is still to be seen. Decoration for the eye:
    whoever uses it says the counts in words as well.
    """
    total = sum(counts.values())
    states = [state for state in STATES if counts.get(state)]
    widths = {state: max(counts[state] * 1000 / total, 6.0) for state in states}
    scale, at, parts = 1000 / (sum(widths.values()) or 1), 0.0, []
    for state in states:
        width = widths[state] * scale
        gap = 0 if state == states[-1] else 2
        parts.append(f'<rect class="{state}" x="{at:.0f}" width="{max(width - gap, 2):.0f}" height="{height}"/>')
        at += width
    return (
        f'<svg class="{kind}" viewBox="0 0 1000 {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{text(label)}">{"".join(parts)}</svg>'
    )
