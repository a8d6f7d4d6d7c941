"""What a believed list changes in the files of a catalogue: values, the day of checking, and what it was compared with.

A list changes the files of the directory whose publishers.yml names it. An entry of another directory is amended there,
a feed of another one is replaced there. Each change is a difference to the file's own values: what amendments have
brought or taken away stays theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.amendments import FOLDER as AMENDS
from ...compile.catalogue.entries import Compared
from ...compile.catalogue.feeds import FOLDER as FEEDS
from ...compile.catalogue.feeds import Feed
from ...compile.catalogue.loading import Service
from ...compile.reading.networks import NetworkTable, merge_networks, parse_network
from ...report.text.wording import counted
from .believing import Believed
from .chosen import Chosen
from .editing import FORM, NotEdited, Value, data_of, edited
from .formats import Unreadable
from .proposing import propose

_AMENDMENT = "---\namends: {id}\nsources:\n  - lists of publishers, each under `compared` with its day\n"
_DATES = {"networks": "networks_checked", "domains": "checked"}


class Change(NamedTuple):
    """What a list changes: where, and which values come and go."""

    path: Path
    added: list[str]
    removed: list[str]
    text: dict[Path, str]  # the new content of files
    before: int  # values of what it is about
    left: str = ""  # what was left out, in words


def of_feed(
    feed: Feed, lists: Sequence[Believed], lines: Sequence[str], directory: Path
) -> tuple[Path, dict[Path, str]]:
    """The new files of a feed with these lines: its list's path, and the content of both."""
    described = Path(feed.file)
    text = described.read_text(encoding="utf-8")
    old = described.with_suffix(".txt").read_text(encoding="ascii")
    changes: dict[str, Value] = dict(_dates(data_of(text), "checked", lists))
    if not _within(described, directory):
        described = directory / FEEDS / described.name
        changes["replaces"] = "true"
    head = [line for line in old.split("\n") if line.startswith("#")]
    listed = described.with_suffix(".txt")
    return listed, {listed: "\n".join([*head, *lines, ""]), described: edited(text, changes)}


def of_list(feed: Feed, believed: Believed, directory: Path) -> Change:
    """A feed that is one publisher's list."""
    values = believed.values
    listed, text = of_feed(feed, [believed], values, directory)
    return Change(listed, *_difference(feed.values, values), text, len(feed.values))


def of_domains(believed: Believed, chosen: Chosen, directory: Path) -> Change:
    """Names that a list has and an entry lacks are added; none is taken away, since other lists may have it. Decisions
    of the entry stay: what it shares or has refused is not added.
    """
    service = chosen.service(believed.publisher.of)
    new = propose(service, believed.values).add
    path, text = _entry(service, "domains", sorted({*service.domains, *new}), [believed], directory)
    return Change(path, new, [], {path: text}, max(len(believed.values) - len(new), 1))


def of_networks(lists: Sequence[Believed], chosen: Chosen, directory: Path) -> Change:
    """The networks of an entry: those of a list, or (`adds: false`) those that lists still cover."""
    service = chosen.service(lists[0].publisher.of)
    desired = lists[0].values if lists[0].publisher.adds else _covered(service.networks, lists)
    if set(merge_networks(desired)) == set(merge_networks(service.networks)):
        desired = list(service.networks)
    path, text = _entry(service, "networks", desired, lists, directory)
    return Change(path, *_difference(service.networks, desired), {path: text}, len(service.networks))


def _covered(networks: Sequence[str], lists: Sequence[Believed]) -> list[str]:
    """Those networks that lie whole in one of the lists' own. Raises Unreadable for none."""
    whole = merge_networks(value for one in lists for value in one.values)
    table = NetworkTable({value: value for value in whole})
    found = []
    for value in networks:
        over = table.find_text(parse_network(value))
        if over and _subnet(value, over):
            found.append(value)
    if not found:
        raise Unreadable(f"it covers none of the {counted(len(networks), 'network')} of {lists[0].publisher.of}")
    return found


def _subnet(value: str, over: str) -> bool:
    inner, outer = parse_network(value), parse_network(over)
    return outer.prefixlen <= inner.prefixlen and outer.supernet_of(inner)  # type: ignore[arg-type]


def _entry(
    service: Service, key: str, desired: Sequence[str], lists: Sequence[Believed], directory: Path
) -> tuple[Path, str]:
    """The file of an entry, or of its amendment in that directory, with the values that the entry is to have."""
    now: tuple[str, ...] = getattr(service, key)
    path = Path(service.file)
    if _within(path, directory):
        text = path.read_text(encoding="utf-8")
        data = data_of(text)
        own = _texts(data, key)
        brought = set(now) - set(own)  # by amendments, which are in other files
        new = [value for value in desired if value not in brought]
        changes: dict[str, Value] = {key: new} if set(desired) != set(now) and new != own else {}
    else:
        path = directory / AMENDS / path.name
        text = path.read_text(encoding="utf-8") if path.exists() else _AMENDMENT.format(id=service.id)
        data = data_of(text)
        changes = _amended(data, key, *_difference(now, desired), _texts(service.unverified, key))
    return path, edited(text, {**changes, **_dates(data, _DATES[key], lists)})


def _amended(
    amendment: Mapping[str, object], key: str, added: Iterable[str], removed: Iterable[str], unverified: Sequence[str]
) -> dict[str, Value]:
    """The keys of an amendment with which an entry gets and loses some values."""
    parts = {part: dict(_group(amendment, part)) for part in ("add", "accept", "remove")}
    values = {part: _texts(group, key) for part, group in parts.items()}
    for value in added:
        if value in values["remove"]:
            values["remove"].remove(value)
        else:
            values["accept" if value in unverified else "add"].append(value)
    for value in removed:
        brought = next((part for part in ("add", "accept") if value in values[part]), "")
        values[brought].remove(value) if brought else values["remove"].append(value)
    changed: dict[str, Value] = {}
    for part, group in parts.items():
        if values[part] != _texts(group, key):
            group = {**group, key: values[part]}
            changed[part] = {name: one for name, one in group.items() if one}
    return changed


def _dates(data: Mapping[str, object], key: str, lists: Sequence[Believed]) -> dict[str, Value]:
    """The keys that say when, and with what, a file was compared."""
    records: dict[str, Compared] = {}
    compared = data.get("compared", [])
    if not isinstance(compared, list):
        raise NotEdited(FORM)
    for one in (*compared, *(believed.record for believed in lists)):
        records[one["with"]] = one
    day = max(str(data.get(key, "")), min(one.fetched.day for one in lists).isoformat())  # another list may be newer
    return {key: day, "compared": list(records.values())}


def _difference(before: Iterable[str], after: Iterable[str]) -> tuple[list[str], list[str]]:
    old, new = set(before), set(after)
    return sorted(new - old), sorted(old - new)


def _group(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = data.get(key, {})
    if not isinstance(found, Mapping):
        raise NotEdited(FORM)
    return found


def _texts(data: Mapping[str, object], key: str) -> list[str]:
    found = data.get(key, [])
    if not isinstance(found, list | tuple):
        raise NotEdited(FORM)
    return [str(one) for one in found]


def _within(file: Path, directory: Path) -> bool:
    return file.resolve().is_relative_to(directory.resolve())
