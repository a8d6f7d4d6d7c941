"""Feeds: long lists of names or networks of one service, apart from its entry.

`<directory>/feeds/<id>.yml` describes a list, `<id>.txt` beside it holds the values, one a line, sorted; `#` begins a
comment. In an agreement of publishers that is how many of them have the name; a name without a number is a person's.
A feed compiles into the sets of the DNS filter and of the firewall. It never passes through the lists of browsers,
which take a thousand names. Its values have one date, and the owner switches it (proscribe_feeds).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ...policy_errors import Described, PolicyError
from ..reading import grammar
from ..reading.plain_file import content_of
from ..reading.yaml_file import Document
from .claims import carried
from .entries import Compared, FeedEntry
from .kinds import Mistake
from .shared_networks import shared_by

FOLDER = "feeds"
LARGEST = 8 << 20  # bytes of a list
MOST = 100_000  # values of a list
LONGEST = 256  # characters of a line
MOST_MISTAKES = 20  # of one list: what is wrong with the rest is wrong in the same way

KINDS: Mapping[str, Callable[[str], str]] = {
    "domains": grammar.domain,
    "networks": grammar.network,
    "hosts": grammar.host_name,  # names that a list only speaks of
    "addresses": grammar.network,  # the same of networks
}


class Feed(NamedTuple):
    """A list of names or networks of one service."""

    id: str
    service: str
    kind: str  # of KINDS
    checked: str  # the day on which the list was last compared with its source
    values: tuple[str, ...]
    file: str
    agreement: int = 0  # how many families of publishers have a name (0: one publisher's list is the feed)
    compared: tuple[Compared, ...] = ()
    accepted: Mapping[str, str] = {}  # for how long nobody has to check it: day, until, why


def read_feed(document: Document) -> tuple[Feed | None, list[PolicyError]]:
    """The feed that a well-formed document describes, with its list; None where the list has mistakes, and these."""
    data: FeedEntry = document.data
    values, errors = read_list(document.path.with_suffix(".txt"), data["kind"])
    if errors:
        return None, errors
    feed = Feed(
        data["id"],
        data["service"],
        data["kind"],
        data["checked"],
        tuple(values),
        str(document.path),
        int(data.get("agreement", 0)),
        tuple(data.get("compared", ())),
        data.get("checked_accepted", {}),
    )
    return feed, []


def read_list(path: Path, kind: str) -> tuple[list[str], list[PolicyError]]:
    """The values of a list, or what is wrong with it."""
    try:
        text = content_of(path, LARGEST, within=path.parent).decode("ascii")
    except PolicyError as error:
        return [], [error]
    except UnicodeDecodeError as error:
        return [], [PolicyError(str(path), "", Described(f"byte {error.start}, which is not ASCII"), "text in ASCII")]
    values = dict(values_of(text))
    errors = list(_wrong(path, values, kind))
    if not errors and not values:
        errors = [PolicyError(str(path), "", None, "at least one value")]
    if len(values) > MOST:
        errors = [PolicyError(str(path), "", Described(f"{len(values)} values"), f"at most {MOST}")]
    return list(values), errors[:MOST_MISTAKES]


def values_of(text: str) -> Iterator[tuple[str, int]]:
    """Each value of a list, with its line."""
    for number, line in enumerate(text.split("\n"), 1):
        if value := line.partition("#")[0].strip():
            yield value, number


def numbered(text: str) -> dict[str, int]:
    """Each value of a list, with the number of publishers behind it; 0 for a line that a person wrote."""
    found = {}
    for line in text.split("\n"):
        value, _, comment = line.partition("#")
        if value := value.strip():
            found[value] = int(comment) if re.fullmatch(r" [1-9]\d?", comment, re.ASCII) else 0
    return found


def check(described: Mapping[str, object]) -> Iterator[Mistake]:
    """What is wrong between the keys of a well-formed description."""
    if "agreement" in described and described["kind"] != "domains":
        yield ("agreement",), described["agreement"], "kind: domains beside it"


def placed(feed: Feed, value: str, expected: str) -> PolicyError:
    """What is wrong with a value of a feed, at its line."""
    path = Path(feed.file).with_suffix(".txt")
    lines = dict(values_of(path.read_text(encoding="ascii")))
    return PolicyError(f"{path}:{lines.get(value, 0)}", "", value, expected)


def _wrong(path: Path, values: Mapping[str, int], kind: str) -> Iterator[PolicyError]:
    for value, number in values.items():
        if expected := wrong_value(value, kind):
            yield PolicyError(f"{path}:{number}", "", value, expected)


def wrong_value(value: str, kind: str) -> str:
    """What was expected instead of a value; "" for a good one."""
    expected = KINDS[kind](value) if len(value) <= LONGEST else f"at most {LONGEST} characters"
    return expected or _too_much(value, kind)


def _too_much(value: str, kind: str) -> str:
    """What was expected instead of a value that would block what others stand on; "" for one that does not."""
    if kind in ("hosts", "addresses"):
        return ""
    if kind == "networks":
        owner = shared_by(value)
        return f"a network of this service alone, none of {owner}" if owner else ""
    found = carried(value)
    return f"a name of this service alone: it carries {found[1]}" if found else ""
