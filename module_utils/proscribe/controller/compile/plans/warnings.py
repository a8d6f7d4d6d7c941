"""Warnings of a run about policies that are no mistake, but may not be intended."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from ....model.types.run import StaleCatalog
from ....wire.plan_store import PlanStore
from ..catalogue import freshness, retired_keys
from ..inventory.host_variables import CompileInput
from ..inventory.policy_folders import find_catalogue_folders
from ..restrictions import Restrictions, group_restrictions
from .host_plans import CompiledPlans
from .service_selection import select_services

OBSERVING_MODES = ("audit", "check", "enforce")  # modes of a run
PRINTED_NOTE_NAME = "printed-warnings"  # note in the plan store: a day, and the warnings of that day
MAX_PRINTED_WARNINGS = 100


def iterate_policy_warnings(compile_input: CompileInput, compiled: CompiledPlans) -> Iterator[str]:
    """Yield the warnings about the compiled policy, except the age of the catalogue (`iterate_age_warnings`)."""
    yield from compile_input.warnings
    if places := list(
        dict.fromkeys(place for catalogue in compiled.catalogues.values() for place in catalogue.retired)
    ):
        yield retired_keys.describe_retired_keys(places)
    yield from _warn_unseparated_tenants(compiled.restrictions)
    yield from _warn_open_to_members(compiled.restrictions)
    if compile_input.mode != "audit" and compile_input.windows_hosts:
        hosts = _describe_hosts(compile_input.windows_hosts)
        yield f"Windows hosts are only observed, and nothing is corrected on them: {hosts}"


def iterate_age_warnings(
    compile_input: CompileInput, compiled: CompiledPlans, now: datetime.datetime, max_age: int
) -> Iterator[str]:
    """Yield the warning about catalogue entries that nobody compared with their sources within `max_age` seconds.

    With `max_age` 0 there is no warning. A lift and a run over quarantines do not depend on the entries, so they get
    none either.
    """
    entries_by_host = (
        _find_stale_by_host(compiled, now, max_age // 86400)
        if max_age and compile_input.mode in OBSERVING_MODES
        else {}
    )
    if entries := {entry for host_entries in entries_by_host.values() for entry in host_entries}:
        yield freshness.describe_stale_entries(freshness.sort_oldest_first(entries), max_age // 86400)


def select_not_printed_today(store: PlanStore, texts: Sequence[str], now: datetime.datetime) -> list[str]:
    """Return those of `texts` that no run has printed yet on this day (UTC), and record them in the plan store."""
    day = now.date().isoformat()
    noted_day, *printed = store.read_note(PRINTED_NOTE_NAME).decode("utf-8", "replace").splitlines() or [""]
    printed = printed if noted_day == day else []
    new = [text for text in texts if text not in printed]
    if new:
        store.write_note(PRINTED_NOTE_NAME, "\n".join([day, *[*printed, *new][-MAX_PRINTED_WARNINGS:]]).encode())
    return new


def find_stale_catalogue(
    compile_input: CompileInput, compiled: CompiledPlans, now: datetime.datetime, max_age: int
) -> StaleCatalog | None:
    """Return the first host's catalogue with an enforced entry that was not checked within `max_age` seconds.

    Returns None if there is none, or if `max_age` is 0.
    """
    entries_by_host = _find_stale_by_host(compiled, now, max_age // 86400) if max_age else {}
    for host in compile_input.hosts:
        if entries_by_host.get(host.name):
            folders = find_catalogue_folders(compile_input, host, compiled.restrictions[host.name])
            return {"max_days": max_age // 86400, "directories": list(map(str, folders))}
    return None


def _describe_hosts(hosts: list[str] | tuple[str, ...]) -> str:
    return f"{hosts[0]} (and {len(hosts) - 1} more)" if len(hosts) > 1 else hosts[0]


def _find_stale_by_host(
    compiled: CompiledPlans, now: datetime.datetime, max_days: int
) -> dict[str, list[freshness.StaleEntry]]:
    """Return the enforced catalogue entries that were not checked within `max_days`, by host.

    Of several hosts with the same plan and catalogue, the result has only one.
    """
    distinct = {(compiled.hosts[name], id(catalogue)): name for name, catalogue in compiled.catalogues.items()}
    entries_by_host: dict[str, list[freshness.StaleEntry]] = {}
    for name in distinct.values():
        host_restrictions, catalogue = compiled.restrictions[name], compiled.catalogues[name]
        ids = {service.id for service, enforced in select_services(catalogue, host_restrictions) if enforced}
        entries_by_host[name] = freshness.find_stale_entries(catalogue, ids, now.date(), max_days)
    return entries_by_host


def _warn_unseparated_tenants(restrictions: Mapping[str, Restrictions]) -> Iterator[str]:
    """Yield a warning if `proscribe_tenants` keeps shared sites open on hosts whose browser control is off.

    Then nothing distinguishes the organisation's accounts from private accounts.
    """
    hosts = sorted(
        name
        for name, host_restrictions in restrictions.items()
        if any(host_restrictions.tenants.values()) and host_restrictions.controls["browser"] == "off"
    )
    if hosts:
        yield (
            f"proscribe_tenants keeps what private and business accounts share open on {_describe_hosts(hosts)}, and "
            f"with the"
            " control browser off nothing there distinguishes these accounts: enforce browser, or remove the tenants"
        )


def _warn_open_to_members(restrictions: Mapping[str, Restrictions]) -> Iterator[str]:
    """Yield warnings about services that stay open to users for whom they are restricted.

    Browser policies and the DNS filter cannot distinguish users.
    """
    hosts_by_text: dict[str, list[str]] = {}
    for name, host_restrictions in restrictions.items():
        for text in group_restrictions.describe_open_services(
            host_restrictions.groups_restricted, host_restrictions.controls
        ):
            hosts_by_text.setdefault(text, []).append(name)
    for text, hosts in hosts_by_text.items():
        yield f"{group_restrictions.VARIABLE} on {_describe_hosts(sorted(hosts))}: {text}"
