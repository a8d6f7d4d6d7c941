"""How long ago the catalogue was checked: entries, their networks, feeds. Pure.

A network that a vendor gave back, or a name that somebody else has bought, blocks the wrong people. So each entry says
on which day somebody last compared it with its sources.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from .loading import Catalogue

ENTRY, NETWORKS, FEED = "entry", "networks", "feed"
MOST = 12  # that a warning names


class Stale(NamedTuple):
    """Something that was not checked for too long. `checked` is its day, "" for never; `days` since then, None so."""

    what: str  # ENTRY, NETWORKS or FEED
    id: str
    checked: str
    days: int | None

    @property
    def name(self) -> str:
        return {ENTRY: self.id, NETWORKS: f"the networks of {self.id}", FEED: f"the feed {self.id}"}[self.what]

    @property
    def in_short(self) -> str:
        return f"{self.name} ({f'{self.days} days ago' if self.checked else 'never'})"

    def __str__(self) -> str:
        if not self.checked:
            return f"{self.name}: never checked"
        return f"{self.name}: checked on {self.checked}, {self.days} days ago"


def stale(catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int) -> list[Stale]:
    """What was not checked within some days, of the services with these ids and their feeds; the oldest first."""
    found = [one for one in _dated(catalogue, ids, today) if one.days is None or one.days > max_days]
    return oldest_first(found)


def oldest_first(found: Iterable[Stale]) -> list[Stale]:
    """What is stale, in the order in which it is shown."""
    return sorted(found, key=lambda one: (one.checked, one.id, one.what))


def _dated(catalogue: Catalogue, ids: Collection[str], today: datetime.date) -> Iterator[Stale]:
    for id_, service in catalogue.services.items():
        if id_ in ids:
            yield _one(ENTRY, id_, service.checked, today)
            if service.networks:
                yield _one(NETWORKS, id_, service.networks_checked, today)
    for id_, feed in catalogue.feeds.items():
        if feed.service in ids:
            yield _one(FEED, id_, feed.checked, today)


def _one(what: str, id_: str, checked: str, today: datetime.date) -> Stale:
    return Stale(what, id_, checked, (today - datetime.date.fromisoformat(checked)).days if checked else None)


def warning(found: list[Stale], max_days: int) -> str:
    """The line of a report about what is stale; there is at least one."""
    services = len({one.id for one in found if one.what != FEED})
    lists = sum(one.what == FEED for one in found)
    counted = " and ".join(
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in ((services, "service"), (lists, "feed"))
        if count
    )
    verb = "was" if services + lists == 1 else "were"
    named = ", ".join(one.in_short for one in found[:MOST])
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    command = f"`catalog stale --max-age {max_days}d` lists those of the whole catalogue"
    return f"catalogue: {counted} restricted here {verb} not checked within {max_days} days: {named}{more}; {command}"
