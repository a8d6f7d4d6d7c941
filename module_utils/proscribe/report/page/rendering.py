"""The templates of the page, and what every value passes on its way into them.

Nobody has to remember to escape or to clean: the environment escapes what it prints (`autoescape`), and before that
makes it printable (`finalize`). A name that a template misspells is an error, never an empty place.

This module loads Jinja2, which is there wherever Ansible is; import it where a page is written, and not before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ...finding import OPEN, STATES
from ..text.wording import clean, counted, in_words, moment, percent, ratio
from .listings import AT_ONCE

HERE = Path(__file__).parent

# What each state means, said where a reader may wonder.
MEANING = {
    "error": "could not be evaluated, or a correction failed",
    "noncompliant": "is broken, with the findings that show it",
    "unknown": "could not be seen",
    "waived": "is broken, and an active waiver covers it",
    "repaired": "was broken, was corrected in this run, and was compliant when checked again",
    "compliant": "holds",
    "not_applicable": "does not count here",
}


def render(name: str, **values: Any) -> Iterator[str]:
    """A template of the folder `templates`, piece by piece."""
    yield from environment().get_template(name).generate(values)


@cache
def environment() -> Environment:
    """Jinja2 as the page uses it. Nothing is written: a checkout may be read-only."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        finalize=printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "counted": counted,
        "flowing": flowing,
        "moment": moment,
        "named": in_words,
        "percent": percent,
        "ratio": ratio,
        "thousands": "{:,}".format,
    }
    made.globals |= {"AT_ONCE": AT_ONCE, "MEANING": MEANING, "OPEN": OPEN, "STATES": STATES}
    return made


def printable(value: object) -> str:
    """What a template prints: one line of printable text. Markup keeps its lines, and nothing else that is special:
    it may have been made of a text that was escaped and not yet cleaned.
    """
    if isinstance(value, Markup):
        return value if value.isprintable() else Markup("\n".join(map(clean, value.split("\n"))))
    return clean(value)


def flowing(value: object) -> Markup:
    """Text for an element (not for an attribute) in which long paths and names may go on in the next line."""
    plain = str(escape(clean(value)))  # the methods of Markup, which `re` uses, would escape the <wbr> too
    return Markup(re.sub("[/_]", r"\g<0><wbr>", plain))
