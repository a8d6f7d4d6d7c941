"""Selection of quarantined items: the operator's selectors, applied to the lists that the hosts sent."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ...base.duration import parse_moment
from ...model.types.plan import Plan
from ...model.types.quarantine import ChosenItem, QuarantineItem
from ..policy_errors import propose_similar_names
from .request import InvalidQuarantineRequest, QuarantineRequest
from .restore_effect import RestoreOutlook, find_outlook, find_retention_end


class QuarantineRow(NamedTuple):
    """An item in the quarantine of a host, with the end of its retention and the prediction for its restore."""

    host: str
    quarantine_item: QuarantineItem
    retained_until: str  # time (UTC) after which the item is deleted; "" for never
    outlook: RestoreOutlook  # effect of the next enforcing run on the item, if it is restored

    def make_document(self) -> ChosenItem:
        """Return the item in the form of the JSON output, which the action plugin returns too."""
        quarantine_item, (state, waiver, reason) = self.quarantine_item, self.outlook
        return {
            "host": self.host,
            "id": quarantine_item["id"],
            "group": quarantine_item["group"],
            "taken_at": quarantine_item["taken_at"],
            "services": quarantine_item["services"],
            "kind": quarantine_item["kind"],
            "path": quarantine_item["path"],
            "bytes": quarantine_item["bytes"],
            "finished": quarantine_item["finished"],
            "user": quarantine_item["owner"],
            "kept_until": self.retained_until,
            "next_run": {"state": state, "waiver": waiver or None, "why": reason},
        }


def select_rows(
    request: QuarantineRequest,
    items_by_host: Mapping[str, Sequence[QuarantineItem]],
    silent_count: int,
    get_plan: Callable[[str], Plan],
    waiver_ends: Mapping[str, str],
    now: datetime.datetime,
) -> list[QuarantineRow]:
    """Select the quarantined items that match a request, sorted by host and time.

    `items_by_host` has the items of each host that answered. `silent_count` is the number of hosts without an answer.
    `get_plan` returns the plan of a host. `waiver_ends` has the end of each waiver, by the waiver's id.

    If a part of an item is selected, all parts of the item are. Raises InvalidQuarantineRequest for a user, a service
    or an id that no item has.
    """
    host_items = [
        (host, quarantine_item)
        for host, quarantine_items in items_by_host.items()
        for quarantine_item in quarantine_items
    ]
    _check_selectors(
        request,
        [quarantine_item for _, quarantine_item in host_items],
        map(get_plan, items_by_host),
        len(items_by_host),
        silent_count,
    )
    newest_time = now - datetime.timedelta(seconds=request.older_than)
    # `group` is the common id of the parts of an item that were taken together. Another item has only its own id.
    selected_groups = {
        (host, quarantine_item["group"] or quarantine_item["id"])
        for host, quarantine_item in host_items
        if _is_selected(request, quarantine_item)
        and (not request.older_than or _is_older(quarantine_item, newest_time))
    }
    selected_items = [
        (host, quarantine_item)
        for host, quarantine_item in host_items
        if (host, quarantine_item["group"] or quarantine_item["id"]) in selected_groups
    ]
    rows = [
        QuarantineRow(
            host,
            quarantine_item,
            find_retention_end(get_plan(host), quarantine_item),
            find_outlook(get_plan(host), quarantine_item, waiver_ends),
        )
        for host, quarantine_item in selected_items
    ]
    return sorted(
        rows,
        key=lambda row: (
            row.host,
            row.quarantine_item["taken_at"],
            row.quarantine_item["group"],
            row.quarantine_item["id"],
        ),
    )


def _is_selected(request: QuarantineRequest, quarantine_item: QuarantineItem) -> bool:
    """Return whether an item matches the users, services and ids of a request; an empty selector matches all."""
    return (
        (not request.users or quarantine_item["owner"] in request.users)
        and (not request.services or not set(quarantine_item["services"]).isdisjoint(request.services))
        and (not request.ids or quarantine_item["id"] in request.ids or quarantine_item["group"] in request.ids)
    )


def _is_older(quarantine_item: QuarantineItem, newest_time: datetime.datetime) -> bool:
    """Return whether an item was taken at `newest_time` or before.

    An item without a valid time does not count as old.
    """
    try:
        return parse_moment(quarantine_item["taken_at"]) <= newest_time
    except ValueError:
        return False


def _check_selectors(
    request: QuarantineRequest,
    quarantine_items: Sequence[QuarantineItem],
    plans: Iterable[Plan],
    answered_count: int,
    silent_count: int,
) -> None:
    """Raise InvalidQuarantineRequest for a user, a service or an id that no host has.

    Such a selector may be a typing error. Without the error, less than intended would be selected.
    """
    services = {service for quarantine_item in quarantine_items for service in quarantine_item["services"]}
    for section in (plan["controls"].get("apps") for plan in plans):
        services.update(section["services"] if section else ())
    users = {quarantine_item["owner"] for quarantine_item in quarantine_items}
    ids = {id_ for quarantine_item in quarantine_items for id_ in (quarantine_item["id"], quarantine_item["group"])}
    hosts_text = f"{answered_count:,} host{'' if answered_count == 1 else 's'} that answered"
    hosts_text += f" ({silent_count:,} did not)" if silent_count else ""
    mistakes = [
        *_list_unknown_names(
            "--user", request.users, users, f"a user with an item in a quarantine of the {hosts_text}"
        ),
        *_list_unknown_names(
            "--service",
            request.services,
            services,
            f"a service that is restricted, or in quarantine, on the {hosts_text}",
        ),
        *_list_unknown_names("--id", request.ids, ids, f"an id in a quarantine of the {hosts_text}"),
    ]
    if mistakes:
        raise InvalidQuarantineRequest(mistakes)


def _list_unknown_names(option: str, names: Iterable[str], known_names: Collection[str], expected: str) -> list[str]:
    """Return a mistake for each name of an option that is not known; `expected` describes a known name."""
    return [
        f"{option}: found {name!r}, expected {expected}{propose_similar_names(name, known_names)}"
        for name in names
        if name not in known_names
    ]
