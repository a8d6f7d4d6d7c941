"""The templates of the page, and what every value passes on its way into them.

Nobody has to remember to escape or to clean: the environment escapes what it prints (`autoescape`), and before that
makes it printable (`finalize`). A name that a template misspells is an error, never an empty place.

This module loads Jinja2, which is there wherever Ansible is; import it where a page is written, and not before.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from ....base.others import read_acl
from ....base.ownership import describe_others
from ....model.finding import OPEN_STATES, STATES
from ....wire import installation
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
    "compliant": "is in effect",
    "not_applicable": "does not count here",
}


def render(name: str, **values: Any) -> Iterator[str]:
    """A template of the folder `templates`, piece by piece."""
    yield from environment().get_template(name).generate(values)


@cache
def environment() -> Environment:
    """Jinja2 as the page uses it."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        finalize=printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_compiled(),
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
    made.globals |= {"AT_ONCE": AT_ONCE, "MEANING": MEANING, "OPEN": OPEN_STATES, "STATES": STATES}
    return made


class _Compiled(FileSystemBytecodeCache):
    """Compiled templates as files, where that can be."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):  # a checkout may be read-only
            super().dump_bytecode(bucket)


def _compiled() -> _Compiled | None:
    """The templates as an earlier run compiled them, which takes longer than all else of a page. They are beside this
    module as Python has compiled it, under the same conditions: whoever can write there has their code run by Python
    itself. A collection is written by its installer alone.
    """
    if installation.COLLECTION or sys.dont_write_bytecode:
        return None
    try:
        directory = Path(importlib.util.cache_from_source(__file__)).parent
        if describe_others(directory.stat(), {os.geteuid(), Path(__file__).stat().st_uid}, read_acl(directory)):
            return None
    except (NotImplementedError, OSError):
        return None
    # Jinja2 knows the template again, and not how it was compiled.
    how = hashlib.sha256(Path(__file__).read_bytes() + jinja2.__version__.encode()).hexdigest()[:16]
    return _Compiled(str(directory), f"page-{how}-%s.cache")


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
