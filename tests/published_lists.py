"""The known-good names (catalog/known_good.txt) by heading, and those of publishers' lists that were left out."""

import itertools
from pathlib import Path
from typing import NamedTuple

import yaml

PROJECT = Path(__file__).resolve().parents[1]
KNOWN_GOOD = PROJECT / "catalog/known_good.txt"
LISTS = PROJECT / "tests/catalog/published_lists.yml"


class Section(NamedTuple):
    """Names below one heading."""

    title: str
    source: str
    names: list[str]


class LeftOut(NamedTuple):
    """Names that a service is blocked by, though publishers' lists have them."""

    service: str
    names: list[str]
    lists: list[str]
    why: str
    below: str = ""  # the pattern of a list; "" where it has the names themselves


def sections():
    """The headings of the list in their order, without the preamble. Each is `Title (source)` on one line or more."""
    lines = KNOWN_GOOD.read_text(encoding="utf-8").splitlines()
    blocks = [list(block) for empty, block in itertools.groupby(lines, lambda line: not line) if not empty]
    found = []
    for block in blocks[1:]:
        heading = " ".join(line.removeprefix("# ") for line in block if line.startswith("#"))
        title, _, source = heading.partition(" (")
        found.append(Section(title, source.removesuffix(")"), [line for line in block if not line.startswith("#")]))
    return found


def patterns():
    """What publishers' lists have as patterns, `*.example.com`."""
    return yaml.safe_load(LISTS.read_text(encoding="utf-8"))["patterns"]


def left_out():
    content = yaml.safe_load(LISTS.read_text(encoding="utf-8"))
    found = [LeftOut(**one) for one in content["left_out"]]
    assert {name for one in found for name in one.lists} == set(content["lists"])
    return found


def blocked_on_purpose(catalogue):
    """The names that entries block all the same, and say why: by name, the services."""
    found = {}
    for service in catalogue.services.values():
        for name in itertools.chain.from_iterable(one["names"] for one in service.decided if one["as"] == "blocked"):
            found.setdefault(name, set()).add(service.id)
    return found
