"""What a change comes to, for people: of each list how much is added and removed, with the first few. Pure.

A policy file has a thousand entries. Whoever is asked whether it may be written wants to know what it blocks more or
less, and where the whole text is. Texts come from hosts: each is looked through once, whatever it holds.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ....base.patterns import compile_pattern
from ..text.layout import clip
from ..text.wording import clean, counted, some

SHORT = 6  # changed lines that are shown as they are
FEW = 3  # items that are named of a list
ITEM = 60  # columns of one of them
MOST = 40  # kinds of changes of one answer whose differences are summed up
DEEPEST = 20  # levels of a JSON text
COMPARED = 1_000_000  # lines of one text times lines of the other, up to which the shortest difference is looked for

NAME = compile_pattern(r"(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*", re.ASCII)
OF_A_SET = compile_pattern("(?:type|flags) ")  # what a set is, and no element of it
COMMENT = ("#", "//")
OF_NAMES = 0.8  # the share of the changed lines with a name in them that makes a text a list of names


class Change(NamedTuple):
    """One change: what it is called (its action), its difference in lines, and whether these are all of it."""

    heading: str
    lines: tuple[str, ...] = ()
    whole: bool = True


def changes(differences: Sequence[Mapping[str, object]], actions: Sequence[object] = ()) -> list[Change]:
    """What a module's answer has changed: its `actions`, each with what its differences say of it ({before_header,
    before, after}), and those that no action is called by.
    """
    found: dict[str, Change] = {clean(action): Change(clean(action)) for action in actions}
    kinds: set[tuple[str, ...]] = set()
    more = 0
    for one in differences:
        before, after = _text(one.get("before")), _text(one.get("after"))
        if before == after:
            continue
        heading = clean(one.get("after_header") or one.get("before_header") or "")
        if heading not in found and len(found) >= len(actions) + MOST:
            more += 1
            continue
        lines, whole = _change(before, after) if len(kinds) < MOST else ((), False)
        kinds.add(tuple(lines))
        had = found.get(heading, Change(heading))
        found[heading] = Change(heading, (*had.lines, *lines), had.whole and whole)
    rest = [Change(f"... and {counted(more, 'more change')}", whole=False)] if more else []
    return [*found.values(), *rest]


def listed(found: Iterable[Change]) -> list[str]:
    """Changes in lines, in their order; of those that are alike the difference is shown once, below their headings."""
    alike: dict[tuple[str, ...], list[Change]] = {}
    for one in found:
        alike.setdefault(one.lines or ("", one.heading), []).append(one)
    said: list[str] = []
    for same in alike.values():
        said += [*(one.heading for one in same), *(f"  {line}" for line in same[0].lines)]
    return said


def text_of(differences: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """The differences whole, as `diff -u` has them; printable lines with their ends."""
    for one in differences:
        before, after = _lines(_text(one.get("before"))), _lines(_text(one.get("after")))
        if before == after:
            continue
        yield f"--- before: {clean(one.get('before_header') or '')}\n"
        yield f"+++ after: {clean(one.get('after_header') or '')}\n"
        for line in _unified(before, after):
            yield clean(line.replace("\t", "    ")) + "\n"


# -- one change --------------------------------------------------------------------------------------------------------


def _change(before: str, after: str) -> tuple[Sequence[str], bool]:
    """One change in lines, and whether that is all of it."""
    old, new = _lines(before), _lines(after)
    removed, added = list((Counter(old) - Counter(new)).elements()), list((Counter(new) - Counter(old)).elements())
    if not removed and not added:
        return ["the same lines in another order"], False
    if len(removed) + len(added) <= SHORT:
        return [clean(f"{sign}{line}") for sign, lines in (("-", removed), ("+", added)) for line in lines], True
    for read in (_of_json, _of_names, _of_sections):
        if (said := read(before, after, removed, added)) is not None:
            return said, False
    return _items("line", removed, added), False


def _items(noun: str, removed: Sequence[str], added: Sequence[str], of: str = "") -> list[str]:
    """`URLBlocklist: 2 added: a.example, b.example`, `1 line removed: x`."""
    said = []
    for verb, items in (("added", added), ("removed", removed)):
        if items:
            count = f"{of}: {len(items):,}" if of else counted(len(items), noun)
            ordered = sorted(items, key=lambda item: not item.strip() or item.startswith(COMMENT))  # comments last
            said.append(f"{count} {verb}: {some([clip(clean(item.strip()), ITEM) for item in ordered], FEW)}")
    return said


def _of_names(before: str, after: str, removed: Sequence[str], added: Sequence[str]) -> list[str] | None:
    """A text with a name of a host in nearly every line, such as a hosts file; one name may have two lines."""
    found = [NAME.search(line) for line in (*removed, *added)]
    if sum(match is not None for match in found) < OF_NAMES * len(found):
        return None
    named = [match[0] if match else "" for match in found]
    old, new = ({*named[: len(removed)]} - {""}, {*named[len(removed) :]} - {""})
    lines = [
        f"{counted(len(lines), 'line')} {verb}" for verb, lines in (("added", added), ("removed", removed)) if lines
    ]
    return [", ".join(lines), *_items("name", sorted(old - new), sorted(new - old))]


def _of_sections(before: str, after: str, removed: Sequence[str], added: Sequence[str]) -> list[str] | None:
    """A firewall's table: of each set what is in it, and the other parts by their headings."""
    old, new = _sections(before), _sections(after)
    headings = list(dict.fromkeys([*new, *old]))
    sets = [
        heading
        for heading in headings
        if heading.startswith("set ") and any(map(OF_A_SET.match, [*old.get(heading, ()), *new.get(heading, ())]))
    ]
    if not sets:
        return None
    said: list[str] = []
    for heading in sets:
        then, now = (Counter(line for line in part.get(heading, ()) if not OF_A_SET.match(line)) for part in (old, new))
        said += _items("", list((then - now).elements()), list((now - then).elements()), clean(heading))
    others = [heading for heading in headings if heading not in sets]
    for verb, parts in (
        ("added", [heading for heading in others if heading not in old]),
        ("removed", [heading for heading in others if heading not in new]),
        ("changed", [one for one in others if one in old and one in new and old[one] != new[one]]),
    ):
        said += [f"{counted(len(parts), 'other part')} {verb}: {some(parts, FEW)}"] if parts else []
    return said or None


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line[:1].isspace():
            lines.append(line.strip())
        else:
            lines = found.setdefault(line.strip(), [])
    return found


def _of_json(before: str, after: str, removed: Sequence[str], added: Sequence[str]) -> list[str] | None:
    """A JSON object: each of its lists, and the settings that are none."""
    flat: list[dict[str, list[str] | str]] = []
    for text in (before, after):
        try:
            value = json.loads(text) if text.strip() else {}
            if not isinstance(value, dict):
                return None
            flat.append(dict(_flattened(value, "")))
        except (ValueError, RecursionError):
            return None
    lists = [{path: item for path, item in one.items() if isinstance(item, list)} for one in flat]
    then, now = ({path: item for path, item in one.items() if isinstance(item, str)} for one in flat)
    said: list[str] = []
    for path in dict.fromkeys([*lists[1], *lists[0]]):
        old, new = Counter(lists[0].get(path, ())), Counter(lists[1].get(path, ()))
        said += _items("", list((old - new).elements()), list((new - old).elements()), clean(path))
    changed = [f"{path}: {then[path]} -> {now[path]}" for path in now if path in then and then[path] != now[path]]
    said += _items("setting", [path for path in then if path not in now], [path for path in now if path not in then])
    if changed:
        said.append(f"{counted(len(changed), 'setting')} changed: {some([clip(clean(c), ITEM) for c in changed], FEW)}")
    return said or ["the same settings in another form"]


def _flattened(value: object, path: str) -> Iterator[tuple[str, list[str] | str]]:
    """Each list of a JSON value with its path, and each other value that holds none."""
    if path.count(".") > DEEPEST:
        raise ValueError("too deep")
    if isinstance(value, dict):
        for key, item in value.items():
            # All of Firefox's settings are below this one.
            yield from _flattened(item, f"{path}.{key}" if path and path != "policies" else str(key))
    elif isinstance(value, list):
        yield path, [item if isinstance(item, str) else json.dumps(item) for item in value]
    else:
        yield path, json.dumps(value)


# -- the whole text ----------------------------------------------------------------------------------------------------


def _unified(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """The lines of a unified difference, without its two headings. Large texts are compared from both ends only, since
    looking for the shortest difference takes the square of their length.
    """
    if len(before) * len(after) <= COMPARED:
        yield from list(difflib.unified_diff(before, after, lineterm=""))[2:]
        return
    same, most = 0, min(len(before), len(after))
    while same < most and before[same] == after[same]:
        same += 1
    end = 0
    while end < most - same and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[same : len(before) - end], after[same : len(after) - end]
    yield f"@@ -{same + bool(old)},{len(old)} +{same + bool(new)},{len(new)} @@"
    yield from (f"-{line}" for line in old)
    yield from (f"+{line}" for line in new)


def _lines(text: str) -> list[str]:
    return text.split("\n")[: -1 if text.endswith("\n") else None] if text else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
