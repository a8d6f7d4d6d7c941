"""Values as YAML that people read, and that comes back as it was: in quotes wherever a reader may see more in it."""

from __future__ import annotations

import re
from itertools import takewhile

import yaml

from ..waiver.text import scalar

TEMPLATE = re.compile(r"\{[{%#]")


class Literal(str):
    """A text for a file in which Ansible fills in templates: there it stays the text that it is."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)  # lists further in than their key, as ansible-lint wants them


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    literal = isinstance(text, Literal) and TEMPLATE.search(text)
    style = None if scalar(text) == text else "'" if '"' in text else '"'
    return dumper.represent_scalar("!unsafe" if literal else "tag:yaml.org,2002:str", str(text), style)


def _nothing(dumper: yaml.SafeDumper, _: None) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "")


_Dumper.add_representer(type(None), _nothing)
_Dumper.add_representer(str, _represent)
_Dumper.add_representer(Literal, _represent)


def document(value: object, comments: str = "") -> str:
    """A YAML document; `comments` are lines that go before the value."""
    text = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=118)
    return f"---\n{comments}{text}"


def comments_of(text: str) -> str:
    """The comments with which a document begins."""
    lines = text.removeprefix("---\n").split("\n")
    return "".join(f"{line}\n" for line in takewhile(lambda line: line.startswith("#"), lines))
