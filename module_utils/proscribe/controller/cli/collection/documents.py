"""Markdown of the checkout as a collection has it: examples with full names, and links that lead somewhere."""

from __future__ import annotations

import posixpath
import re

from .. import Refused
from .full_names import Names, examples
from .layout import Source, place_of

FENCED = re.compile(r"^(?P<open>```ya?ml\n)(?P<inside>.*?)(?P<close>^```$)", re.MULTILINE | re.DOTALL)
OF_CHECKOUT = re.compile(r"^In a checkout, .*?\n\n", re.MULTILINE | re.DOTALL)  # a paragraph of a role's README
DOCUMENTED = re.compile(r"(ansible-doc -t module )(\w+)")
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)")


def document(text: str, names: Names, source: str, place: str, shipped: Source) -> str:
    """The text of a file of Markdown in the collection. It is `source` in the checkout, and `place` in the collection.
    A link to what is not `shipped` (files of the checkout) becomes its text.
    """

    def moved(link: re.Match[str]) -> str:
        target = link["target"]
        if not target or ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        new = place_of(path) if path in shipped else _directory(path, shipped)
        if not new:
            return link["text"]
        relative = posixpath.relpath(new, posixpath.dirname(place) or ".")
        return f"{link['image']}[{link['text']}]({relative}{link['anchor'] or ''})"

    def full(block: re.Match[str]) -> str:
        try:  # a document may show a part of a file, and what is no list of tasks has no names of modules
            inside = examples(block["inside"], names, source)
        except Refused:
            inside = block["inside"]
        return block["open"] + inside + block["close"]

    def found(command: re.Match[str]) -> str:
        return command[1] + (names.full(command[2]) if command[2] in names.modules else command[2])

    if source.startswith("roles/"):
        text = OF_CHECKOUT.sub("", text)
    return FENCED.sub(full, DOCUMENTED.sub(found, LINK.sub(moved, text)))


def _directory(path: str, shipped: Source) -> str:
    """Where a directory of the checkout is; "" for one that is not shipped."""
    inside = any(one.startswith(f"{path}/") for one in shipped)
    return posixpath.dirname(place_of(f"{path}/x")) if inside and place_of(f"{path}/x") else ""
