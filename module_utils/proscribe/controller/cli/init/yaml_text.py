"""YAML text that is easy to read and gives the same data again when it is parsed: ambiguous values are quoted."""

from __future__ import annotations

import re
from itertools import takewhile

import yaml

from ..waiver.waiver_text import format_scalar

TEMPLATE_PATTERN = re.compile(r"\{[{%#]")


class LiteralText(str):
    """A text that Ansible must not treat as a template. In YAML, template syntax in it causes the tag `!unsafe`."""

    __slots__ = ()


class _QuotingDumper(yaml.SafeDumper):
    """A YAML dumper that writes no anchors, and indents lists below their key."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)  # ansible-lint requires lists that are indented below their key


def _make_text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Return the YAML node of a text: plain if that is unambiguous, else in quotes.

    A literal text with template syntax gets the tag `!unsafe`, so that Ansible does not run the template.
    """
    is_literal = isinstance(text, LiteralText) and TEMPLATE_PATTERN.search(text)
    style = None if format_scalar(text) == text else "'" if '"' in text else '"'
    return dumper.represent_scalar("!unsafe" if is_literal else "tag:yaml.org,2002:str", str(text), style)


def _make_null_node(dumper: yaml.SafeDumper, _: None) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "")


_QuotingDumper.add_representer(type(None), _make_null_node)
_QuotingDumper.add_representer(str, _make_text_node)
_QuotingDumper.add_representer(LiteralText, _make_text_node)


def format_yaml(data: object, comments: str = "") -> str:
    """Return data as the text of a YAML document. `comments` are complete comment lines for its start."""
    text = yaml.dump(data, Dumper=_QuotingDumper, allow_unicode=True, sort_keys=False, width=118)
    return f"---\n{comments}{text}"


def read_comments(text: str) -> str:
    """Return the comment lines at the start of a YAML document, each with its line break; "" for none."""
    lines = text.removeprefix("---\n").split("\n")
    return "".join(f"{line}\n" for line in takewhile(lambda line: line.startswith("#"), lines))
