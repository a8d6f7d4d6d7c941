"""Compile a whole run: the plan of every host, written to the plan store, and what the report has to know."""

from __future__ import annotations

import contextlib
import datetime
import secrets
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ....base.duration import format_moment
from ....model.plan import format_canonical
from ....model.types.plan import Plan
from ....model.types.run import CompiledRun, ReleaseFacts, RolloutLimits, RunReporting, UpcomingRestriction
from ....wire.store import PLANS_DIRECTORY, PlanStore, UntrustedStore
from ....wire.watch_sent import make_expected_watch
from ...policy_errors import Described, Mistakes, PolicyError, PolicyErrors
from ...report.evaluation.scope import Scope
from ...version import own
from ..catalogue.cache import Catalogues
from ..catalogue.loading import Catalogue
from ..inventory.inventory import HostVariables, Question, left_out
from ..inventory.policy_folders import folders_of_waivers
from ..inventory.reporting import nothing_known, one_for_all, policies, reporting, rule_count
from ..inventory.reports_place import require_reports
from ..restrictions import STORED, read_in_part
from ..waivers import waiver_log
from ..waivers.reading import described
from . import lockout, warnings
from .cache import PlanCache
from .compiling import upcoming_services
from .departments import departments_of
from .hosts import Compiled, compiled_in_part
from .points import due_points
from .policy import store_of

LIFT = "lift"


def compile_run(question: Question, now: datetime.datetime | None = None) -> CompiledRun:
    """Compile the plans of all hosts, write each to the plan store, and return the run.

    Raises PolicyErrors with every mistake of every host; then nothing was written.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    asking = threading.Thread(target=own, daemon=True)  # git answers while the plans are compiled
    asking.start()
    mistakes = Mistakes()
    known = store_of(question)
    loading, cache = Catalogues(known), PlanCache(known)
    compiled = compiled_in_part(question, now, mistakes, loading, cache)
    exempted = _exempted(question, compiled, mistakes)
    agreed = _agreed(question, compiled, mistakes)
    points = due_points(question, compiled, now) if question.mode != LIFT else []
    store = _store(agreed.reports)
    loading.note_down()
    cache.note_down()
    for digest, plan in compiled.later.items():
        store.add_plan(plan, digest)
    id_ = f"{now:%Y%m%dT%H%M%SZ}-{question.mode}-{secrets.token_hex(2)}"
    gone: list[str] = []
    if question.mode != LIFT:  # it opens everything, so no approval can be missed
        folders = folders_of_waivers(question, compiled.restrictions)
        gone = waiver_log.require_found(
            store, question, compiled.restrictions, compiled.waivers, folders, compiled.memory, id_, now
        )
    age = list(warnings.of_catalogue_age(question, compiled, now, agreed.catalog_max_age))
    policy = [*compiled.warnings, *gone, *exempted, *warnings.of_policy(question, compiled)]
    asking.join()
    run = _run(question, compiled, agreed, store, id_, format_moment(now), [*policy, *age])
    reminders = warnings.select_not_printed_today(store, age, now)
    run["warnings_to_print"] = [*policy, *reminders]
    if reminders and (stale := warnings.stale_catalog(question, compiled, now, agreed.catalog_max_age)):
        run["stale_catalog"] = stale
    return {**run, "points": points} if points else run


def _exempted(question: Question, compiled: Compiled, mistakes: Mistakes) -> list[str]:
    """What is exempted though the policy names it, in words. Notes what would cut off those who run it."""
    if not compiled.hosts:
        return []
    changed = [host for host in question.hosts if host.name not in question.windows]
    plans = {name: compiled.plans[digest] for name, digest in compiled.hosts.items()}
    errors, exempted = lockout.find(changed, plans, compiled.later)
    mistakes.note(*errors)
    return exempted


class _Agreed(NamedTuple):
    """What all hosts of a run have to agree on."""

    reports: Path
    reporting: RunReporting
    rollout: RolloutLimits
    catalog_max_age: int


def _agreed(question: Question, compiled: Compiled, mistakes: Mistakes) -> _Agreed:
    """What all hosts agree on. Raises PolicyErrors where they do not, with all other mistakes."""
    # What is wrong on a host has its default, which says nothing of whether the hosts agree.
    sound = [host for host in question.hosts if not mistakes or not _wrong(host)]
    sure = {host.name: compiled.restrictions[host.name] for host in sound}
    with mistakes.noting():
        reports = require_reports(sound, question.inventory)
        said = reporting(sound, sure, reports, Scope(question.inventory, question.limit, question.controls))
    with mistakes.noting():
        batches = one_for_all("batches", sound, sure)
    with mistakes.noting():
        max_change = one_for_all("max_change", sound, sure)
    with mistakes.noting():
        max_failures = one_for_all("max_failures", sound, sure)
    with mistakes.noting():
        max_age = one_for_all("catalog_max_age", sound, sure)
    mistakes.settle()  # so all of them are there
    rollout: RolloutLimits = {"batches": batches, "max_change": max_change, "max_failures": max_failures}
    return _Agreed(reports, said, rollout, max_age)


def _wrong(host: HostVariables) -> bool:
    return bool(host.wrong or read_in_part(host.values, host.where)[1])


def _store(reports: Path) -> PlanStore:
    """The plan store of a run. Raises PolicyErrors where it is not to be trusted."""
    store = PlanStore(reports / PLANS_DIRECTORY)
    with _refusing():
        store.require_directories()
    return store


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Have what is wrong with the plan store end the run before it touches a host. Raises PolicyErrors."""
    try:
        yield
    except UntrustedStore as wrong:
        raise PolicyErrors([PolicyError(wrong.path, "", Described(wrong.observed), wrong.expected)]) from None


def _run(
    question: Question, compiled: Compiled, agreed: _Agreed, store: PlanStore, id_: str, started: str, said: list[str]
) -> CompiledRun:
    catalogues, plans, remembered = compiled.catalogues.values(), compiled.plans, agreed.reporting
    with _refusing():
        sent = store.prepare_plans(plans)
    changed = {name: own for name, own in compiled.restrictions.items() if name not in question.windows}
    run: CompiledRun = {
        "id": id_,
        "playbook": question.playbook,
        "mode": question.mode,
        "started": started,
        "version": own(),  # beside the plans: their digests stay, whatever commit compiled them
        "catalog_version": "+".join(sorted({catalogue.version for catalogue in catalogues})),
        "catalog": _release(catalogues),
        "inventory": question.inventory,
        "limit": question.limit,
        "pattern": question.pattern,
        "not_served": dict(question.not_served),
        "windows": list(question.windows),
        "controls": question.controls,
        "directory": str(agreed.reports / f"{id_}.partial"),
        "plans": str(store.directory),
        "code": sent["code"],
        "packed": sent["packed"],
        "hosts": compiled.hosts,
        "departments": departments_of(question, compiled.restrictions),
        "left_out": left_out(question),
        "policies": {digest: policies(plan) for digest, plan in plans.items()},
        "services": _services(plans.values()),
        "rules": {digest: rule_count(plan, question.controls) for digest, plan in plans.items()},
        "nothing_known": {digest: nothing_known(plan, question.controls) for digest, plan in plans.items()},
        "probe": [name for name, own in changed.items() if own.probe],
        "audit_stored": [name for name, own in changed.items() if own.audit_with == STORED],
        "gate": {n: r.compliance_gate for n, r in compiled.restrictions.items() if r.compliance_gate != "never"},
        "rollout": agreed.rollout,
        "exports": remembered["exports"],
        "exports_fed": remembered["exports_fed"],
        "events": remembered["events"],
        "round": remembered["round"] or question.round,
        "history": remembered["history"],
        "history_keep": remembered["history_keep"],
        "reports_keep": remembered["reports_keep"],
        "baseline": remembered["baseline"],
        "stale_after": remembered["stale_after"],
        "observe_timeout": remembered["observe_timeout"],
        "upcoming": _upcoming(plans.values()),
        "waivers": [described(judged, question) for judged in compiled.waivers],
        "warnings": said,
    }
    watched = any("watch" in plan for plan in plans.values())
    return {**run, "watch": make_expected_watch()} if watched else run


def _services(plans: Iterable[Plan]) -> list[str]:
    """The ids of the services that some plan names."""
    return sorted({id_ for plan in plans for section in plan["controls"].values() for id_ in section["services"]})


def _release(catalogues: Iterable[Catalogue]) -> ReleaseFacts:
    """The release of the catalogue that the hosts of a run have; of several, all."""
    releases = sorted({catalogue.release for catalogue in catalogues})
    return {
        "version": "+".join(dict.fromkeys(one.version for one in releases)),
        "released": "+".join(dict.fromkeys(one.released for one in releases)),
    }


def _upcoming(plans: Iterable[Plan]) -> list[UpcomingRestriction]:
    """What the plans of a run announce, each once."""
    found = {format_canonical(item): item for plan in plans for item in upcoming_services(plan)}
    return [found[key] for key in sorted(found)]
