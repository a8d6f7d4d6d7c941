"""The age of the last check of entries, their networks, and feeds. Pure.

A network that a vendor returned, or a name that another party has bought, blocks the wrong users. So each entry has the
day on which a person last compared it with its sources. An organisation can accept an age for a time, with a reason
(check_dates.py).
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from .catalogue_loader import Catalogue

ENTRY, NETWORKS, FEED = "entry", "networks", "feed"


class StaleEntry(NamedTuple):
    """An entry, its networks, or a feed without a recent check.

    `checked` is the day of the last check, "" for never. `days` is the time since then, None for never.
    """

    what: str  # ENTRY, NETWORKS or FEED
    id: str
    checked: str
    days: int | None

    @property
    def name(self) -> str:
        """The words for a message: the service's id, `the networks of <id>`, or `the feed <id>`."""
        return {ENTRY: self.id, NETWORKS: f"the networks of {self.id}", FEED: f"the feed {self.id}"}[self.what]

    @property
    def summary(self) -> str:
        return f"{self.name} ({f'{self.days} days ago' if self.checked else 'never'})"

    def __str__(self) -> str:
        if not self.checked:
            return f"{self.name}: never checked"
        return f"{self.name}: checked on {self.checked}, {self.days} days ago"


def find_stale_entries(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int
) -> list[StaleEntry]:
    """Return the entries, networks and feeds of services that were not checked within `max_days`, oldest first.

    `ids` are the services. A person may accept the age of an entry for a time (`checked_accepted`). Entries whose age
    is accepted on `today` are left out.
    """
    return sort_oldest_first(
        entry for entry, acceptance in _find_old_entries(catalogue, ids, today, max_days) if not acceptance
    )


def find_accepted_entries(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int
) -> list[tuple[StaleEntry, Mapping[str, str]]]:
    """Return the stale entries whose age is accepted, each with the acceptance: day, until and why."""
    return [
        (entry, acceptance) for entry, acceptance in _find_old_entries(catalogue, ids, today, max_days) if acceptance
    ]


def sort_oldest_first(entries: Iterable[StaleEntry]) -> list[StaleEntry]:
    """Return stale entries in the order in which they are shown."""
    return sorted(entries, key=lambda entry: (entry.checked, entry.id, entry.what))


def _find_old_entries(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int
) -> Iterator[tuple[StaleEntry, Mapping[str, str]]]:
    """Yield each entry, network list and feed that was not checked within `max_days`, with its acceptance.

    An acceptance is a person's statement that the age is tolerable for a time. It is {} if there is none for today.
    """
    for entry, service_id, own_acceptance in _iterate_dated_entries(catalogue, ids, today):
        if entry.days is None or entry.days > max_days:
            acceptances = (own_acceptance, catalogue.services[service_id].checked_accepted)
            yield entry, next((acceptance for acceptance in acceptances if _is_acceptance_valid(acceptance, today)), {})


def _is_acceptance_valid(acceptance: Mapping[str, str], today: datetime.date) -> bool:
    """Return True if there is an acceptance and `today` lies in its time."""
    return bool(acceptance) and acceptance["day"] <= today.isoformat() <= acceptance["until"]


def _iterate_dated_entries(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date
) -> Iterator[tuple[StaleEntry, str, Mapping[str, str]]]:
    """Yield (dated entry, id of its service, acceptance) for each entry, network list and feed of the services `ids`.

    The acceptance of the age is that of a feed. It is {} for entries and networks, whose acceptance is in the service's
    entry.
    """
    for id_, service in catalogue.services.items():
        if id_ in ids:
            yield _make_stale_entry(ENTRY, id_, service.checked, today), id_, {}
            if service.networks:
                yield _make_stale_entry(NETWORKS, id_, service.networks_checked, today), id_, {}
    for id_, feed in catalogue.feeds.items():
        if feed.service in ids:
            yield _make_stale_entry(FEED, id_, feed.checked, today), feed.service, feed.accepted


def _make_stale_entry(kind: str, id_: str, checked: str, today: datetime.date) -> StaleEntry:
    return StaleEntry(kind, id_, checked, (today - datetime.date.fromisoformat(checked)).days if checked else None)


def describe_stale_entries(entries: list[StaleEntry], max_days: int) -> str:
    """Return the line of a report about stale entries.

    `entries` is not empty, and the oldest comes first. The command that remedies it is printed at the end of the run.
    """
    services = len({entry.id for entry in entries if entry.what != FEED})
    lists = sum(entry.what == FEED for entry in entries)
    summary = " and ".join(
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in ((services, "service"), (lists, "feed"))
        if count
    )
    verb = "was" if services + lists == 1 else "were"
    oldest = f"{entries[0].summary}{' is the oldest' if len(entries) > 1 else ''}"
    return f"catalogue: {summary} restricted here {verb} not checked within {max_days} days: {oldest}"
