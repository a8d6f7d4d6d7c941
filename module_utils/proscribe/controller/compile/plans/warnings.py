"""What a run says of a policy that is no mistake, and may not be what was meant."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from ....model.types.run import StaleCatalog
from ....wire.store import PlanStore
from ..catalogue import freshness, retired_keys
from ..inventory.inventory import Question
from ..inventory.policy_folders import catalogue_folders
from ..restrictions import Restrictions, by_group
from .chosen import chosen_services
from .hosts import Compiled

OBSERVING = ("audit", "check", "enforce")  # modes of a run
PRINTED = "printed-warnings"  # in the plan store: a day, and the warnings that were printed on it
MOST_PRINTED = 100


def of_policy(question: Question, compiled: Compiled) -> Iterator[str]:
    """Yield the warnings about what was compiled; the age of the catalogue is apart (`of_catalogue_age`)."""
    yield from question.warnings
    if places := list(dict.fromkeys(place for one in compiled.catalogues.values() for place in one.retired)):
        yield retired_keys.warning(places)
    yield from _unseparated(compiled.restrictions)
    yield from _open_to_members(compiled.restrictions)
    if question.mode != "audit" and question.windows:
        hosts = _first(question.windows)
        yield f"Windows hosts are only observed, and nothing is corrected on them: {hosts}"


def of_catalogue_age(question: Question, compiled: Compiled, now: datetime.datetime, max_age: int) -> Iterator[str]:
    """Yield the warning about entries that nobody checked within `max_age` seconds; 0 is for ever.

    Only runs that observe the ban depend on the entries: a lift, and the quarantine, do not.
    """
    stale = _stale(compiled, now, max_age // 86400) if max_age and question.mode in OBSERVING else {}
    if found := {item for items in stale.values() for item in items}:
        yield freshness.warning(freshness.oldest_first(found), max_age // 86400)


def select_not_printed_today(store: PlanStore, texts: Sequence[str], now: datetime.datetime) -> list[str]:
    """Return the warnings that no earlier run of this UTC day has returned here, and note them in the plan store."""
    day = now.date().isoformat()
    noted_day, *printed = store.read_note(PRINTED).decode("utf-8", "replace").splitlines() or [""]
    printed = printed if noted_day == day else []
    new = [text for text in texts if text not in printed]
    if new:
        store.write_note(PRINTED, "\n".join([day, *[*printed, *new][-MOST_PRINTED:]]).encode())
    return new


def stale_catalog(question: Question, compiled: Compiled, now: datetime.datetime, max_age: int) -> StaleCatalog | None:
    """Return the first catalogue with something restricted that was not checked within `max_age` seconds (0 for any
    age); None for none.
    """
    stale = _stale(compiled, now, max_age // 86400) if max_age else {}
    for host in question.hosts:
        if stale.get(host.name):
            folders = catalogue_folders(question, host, compiled.restrictions[host.name])
            return {"max_days": max_age // 86400, "directories": list(map(str, folders))}
    return None


def _first(hosts: list[str] | tuple[str, ...]) -> str:
    return f"{hosts[0]} (and {len(hosts) - 1} more)" if len(hosts) > 1 else hosts[0]


def _stale(compiled: Compiled, now: datetime.datetime, max_days: int) -> dict[str, list[freshness.Stale]]:
    """Return what is enforced and was not checked for too long, by host. One host stands for all that share its plan
    and its catalogue.
    """
    distinct = {(compiled.hosts[name], id(catalogue)): name for name, catalogue in compiled.catalogues.items()}
    found: dict[str, list[freshness.Stale]] = {}
    for name in distinct.values():
        own, catalogue = compiled.restrictions[name], compiled.catalogues[name]
        ids = {service.id for service, enforced in chosen_services(catalogue, own) if enforced}
        found[name] = freshness.stale(catalogue, ids, now.date(), max_days)
    return found


def _unseparated(restrictions: Mapping[str, Restrictions]) -> Iterator[str]:
    """Where an organisation's tenants keep hosts open, and nothing distinguishes its accounts from others."""
    hosts = sorted(
        name for name, own in restrictions.items() if any(own.tenants.values()) and own.controls["browser"] == "off"
    )
    if hosts:
        yield (
            f"proscribe_tenants keeps what private and business accounts share open on {_first(hosts)}, and with the"
            " control browser off nothing there distinguishes these accounts: enforce browser, or remove the tenants"
        )


def _open_to_members(restrictions: Mapping[str, Restrictions]) -> Iterator[str]:
    """What stays open to those for whom it is restricted, where a control cannot tell users apart."""
    found: dict[str, list[str]] = {}
    for name, own in restrictions.items():
        for text in by_group.open_elsewhere(own.groups_restricted, own.controls):
            found.setdefault(text, []).append(name)
    for text, hosts in found.items():
        yield f"{by_group.VARIABLE} on {_first(sorted(hosts))}: {text}"
