"""Which things in the quarantines are meant: the selectors against what the hosts have listed."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ...base.duration import parse_moment
from ...model.types.plan import Plan
from ...model.types.quarantine import ChosenItem, QuarantineItem
from ..policy_errors import close_to
from .request import Request, Wrong
from .restore_effect import Outlook, outlook, retained_until


class Row(NamedTuple):
    """One thing in the quarantine of a host, and what is known of it."""

    host: str
    item: QuarantineItem
    until: str  # when it has been kept long enough (UTC); "" for ever
    outlook: Outlook  # once it is restored

    def as_dict(self) -> ChosenItem:
        """As it stands in the list for machines, and in the result of the action."""
        item, (state, waiver, why) = self.item, self.outlook
        return {
            "host": self.host,
            "id": item["id"],
            "group": item["group"],
            "taken_at": item["taken_at"],
            "services": item["services"],
            "kind": item["kind"],
            "path": item["path"],
            "bytes": item["bytes"],
            "finished": item["finished"],
            "user": item["owner"],
            "kept_until": self.until,
            "next_run": {"state": state, "waiver": waiver or None, "why": why},
        }


def choose(
    request: Request,
    listed: Mapping[str, Sequence[QuarantineItem]],
    silent: int,
    plan_of: Callable[[str], Plan],
    ends_of: Mapping[str, str],
    now: datetime.datetime,
) -> list[Row]:
    """What is meant, by host and time. `listed` is what each host that answered has; `silent` is how many did not.

    What was taken in several parts goes together. Raises Wrong for a user, a service or an id of which nothing is
    there.
    """
    items = [(host, item) for host, found in listed.items() for item in found]
    _known(request, [item for _, item in items], map(plan_of, listed), len(listed), silent)
    before = now - datetime.timedelta(seconds=request.older_than)
    meant = {
        (host, item["group"] or item["id"])
        for host, item in items
        if _fits(request, item) and (not request.older_than or _older(item, before))
    }
    chosen = [(host, item) for host, item in items if (host, item["group"] or item["id"]) in meant]
    rows = [
        Row(host, item, retained_until(plan_of(host), item), outlook(plan_of(host), item, ends_of))
        for host, item in chosen
    ]
    return sorted(rows, key=lambda row: (row.host, row.item["taken_at"], row.item["group"], row.item["id"]))


def _fits(request: Request, item: QuarantineItem) -> bool:
    return (
        (not request.users or item["owner"] in request.users)
        and (not request.services or not set(item["services"]).isdisjoint(request.services))
        and (not request.ids or item["id"] in request.ids or item["group"] in request.ids)
    )


def _older(item: QuarantineItem, than: datetime.datetime) -> bool:
    """Whether it was taken before then; what has no such time is not said to be old."""
    try:
        return parse_moment(item["taken_at"]) <= than
    except ValueError:
        return False


def _known(
    request: Request, items: Sequence[QuarantineItem], plans: Iterable[Plan], answered: int, silent: int
) -> None:
    """Raises Wrong for what names nothing: it may be a slip, and the rest would then be less than what was meant."""
    services = {service for item in items for service in item["services"]}
    for section in (plan["controls"].get("apps") for plan in plans):
        services.update(section["services"] if section else ())
    users = {item["owner"] for item in items}
    ids = {id_ for item in items for id_ in (item["id"], item["group"])}
    where = f"{answered:,} host{'' if answered == 1 else 's'} that answered"
    where += f" ({silent:,} did not)" if silent else ""
    mistakes = [
        *_unknown("--user", request.users, users, f"a user with an item in a quarantine of the {where}"),
        *_unknown(
            "--service", request.services, services, f"a service that is restricted, or in quarantine, on the {where}"
        ),
        *_unknown("--id", request.ids, ids, f"an id in a quarantine of the {where}"),
    ]
    if mistakes:
        raise Wrong(mistakes)


def _unknown(option: str, names: Iterable[str], known: Collection[str], expected: str) -> list[str]:
    return [
        f"{option}: found {name!r}, expected {expected}{close_to(name, known)}" for name in names if name not in known
    ]
