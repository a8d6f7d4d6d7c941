"""The templates of the page, and the cleaning and escaping of every value in them.

No template has to escape or to clean: the environment makes every value printable (`finalize`) and escapes it
(`autoescape`). A misspelled name in a template is an error, never an empty text. This module loads Jinja2, which
Ansible needs too. Import it only to write a page.
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

from ....base.foreign_access import read_acl
from ....base.ownership import describe_others
from ....model.finding import OPEN_STATES, STATES
from ....wire import installation
from ..text.wording import clean_text, format_count, format_key, format_percent, format_ratio, format_readable_time
from .listings import INITIAL_ROWS

PAGE_DIRECTORY = Path(__file__).parent

# The meaning of each state, for the legend of the page.
STATE_MEANINGS = {
    "error": "could not be evaluated, or a correction failed",
    "noncompliant": "is broken, with the findings that show it",
    "unknown": "could not be seen",
    "waived": "is broken, and an active waiver covers it",
    "repaired": "was broken, was corrected in this run, and was compliant when checked again",
    "compliant": "is in effect",
    "not_applicable": "does not count here",
}


def render_template(template_name: str, **template_variables: Any) -> Iterator[str]:
    """Render a template of the directory `templates` with these variables, and yield the text in pieces."""
    yield from make_environment().get_template(template_name).generate(template_variables)


@cache
def make_environment() -> Environment:
    """Make the Jinja2 environment of the page, in which every value is cleaned and escaped."""
    jinja_environment = Environment(
        loader=FileSystemLoader(PAGE_DIRECTORY / "templates"),
        autoescape=True,
        finalize=make_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_make_template_cache(),
    )
    jinja_environment.filters |= {
        "counted": format_count,
        "flowing": insert_line_breaks,
        "moment": format_readable_time,
        "named": format_key,
        "percent": format_percent,
        "ratio": format_ratio,
        "thousands": "{:,}".format,
    }
    jinja_environment.globals |= {
        "AT_ONCE": INITIAL_ROWS,
        "MEANING": STATE_MEANINGS,
        "OPEN": OPEN_STATES,
        "STATES": STATES,
    }
    return jinja_environment


class _TemplateCache(FileSystemBytecodeCache):
    """A cache that stores compiled templates as files.

    Where files cannot be written, the cache stores nothing.
    """

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):  # a cache is not needed, and a checkout may be read-only
            super().dump_bytecode(bucket)


def _make_template_cache() -> _TemplateCache | None:
    """Return the cache of compiled templates; None if no cache can be used safely.

    Compiling the templates takes longer than all other work on a page. The cache is in the directory of Python's
    compiled modules. An account that can write there can already run code through Python. For a collection there is no
    cache, because only the installer writes there.
    """
    if installation.COLLECTION or sys.dont_write_bytecode:
        return None
    try:
        directory = Path(importlib.util.cache_from_source(__file__)).parent
        # other accounts could put code into the cache
        if describe_others(directory.stat(), {os.geteuid(), Path(__file__).stat().st_uid}, read_acl(directory)):
            return None
    except (NotImplementedError, OSError):
        return None
    # Jinja2's key of a cached file identifies the template, but not Jinja2's version or this module. So the file's name
    # has a digest of both.
    cache_key = hashlib.sha256(Path(__file__).read_bytes() + jinja2.__version__.encode()).hexdigest()[:16]
    return _TemplateCache(str(directory), f"page-{cache_key}-%s.cache")


def make_printable(content: object) -> str:
    """Format a value for a template as printable text in a single line.

    Markup keeps its line breaks, and loses other special characters. It may come from a text that was escaped but not
    cleaned.
    """
    if isinstance(content, Markup):
        return content if content.isprintable() else Markup("\n".join(map(clean_text, content.split("\n"))))
    return clean_text(content)


def insert_line_breaks(content: object) -> Markup:
    """Format text as markup in which long paths and names may wrap after each `/` and `_`.

    It is for the content of an element, not for an attribute.
    """
    # Convert Markup to str, because its methods, which `re` uses, would also escape the <wbr>.
    escaped_text = str(escape(clean_text(content)))
    return Markup(re.sub("[/_]", r"\g<0><wbr>", escaped_text))
