"""The compilation of a whole run: the plans of all hosts in the plan store, and the data for the report."""

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
from ....wire.plan_store import PLANS_DIRECTORY, PlanStore, UntrustedStore
from ....wire.watch_payload import make_expected_watch
from ...policy_errors import DescribedValue, MistakeCollector, PolicyError, PolicyErrors
from ...report.evaluation.scope import RunScope
from ...version import get_own_version
from ..catalogue.catalogue_cache import CatalogueCache
from ..catalogue.catalogue_loader import Catalogue
from ..inventory.host_variables import CompileInput, HostVariables, list_left_out_hosts
from ..inventory.policy_folders import find_waiver_folders
from ..inventory.report_settings import (
    collect_report_settings,
    count_rules,
    get_common_setting,
    list_rules_without_identifiers,
    summarise_policies,
)
from ..inventory.reports_folder import require_reports_folder
from ..restrictions import STORED, read_noting_errors
from ..waivers import waiver_log
from ..waivers.judged_waivers import make_run_waiver
from . import lockout, warnings
from .departments import list_departments
from .due_exports import list_due_points
from .host_plans import CompiledPlans, compile_noting_mistakes
from .host_policies import find_plan_store
from .plan_cache import PlanCache
from .plan_compiler import list_upcoming_services

LIFT_MODE = "lift"  # mode of a run that removes the whole ban from hosts


def compile_run(compile_input: CompileInput, now: datetime.datetime | None = None) -> CompiledRun:
    """Compile the plans of all hosts, write each to the plan store, and return the data of the run.

    Raises PolicyErrors with every mistake of every host. Most mistakes are found before anything is written.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    version_thread = threading.Thread(target=get_own_version, daemon=True)  # git runs while the plans are compiled
    version_thread.start()
    mistakes = MistakeCollector()
    plan_store = find_plan_store(compile_input)
    catalogue_cache, plan_cache = CatalogueCache(plan_store), PlanCache(plan_store)
    compiled = compile_noting_mistakes(compile_input, now, mistakes, catalogue_cache, plan_cache)
    exemptions = _check_lockout(compile_input, compiled, mistakes)
    common = _collect_common_settings(compile_input, compiled, mistakes)
    points = list_due_points(compile_input, compiled, now) if compile_input.mode != LIFT_MODE else []
    store = _open_store(common.reports)
    catalogue_cache.save_new_entries()
    plan_cache.save_new_entries()
    for digest, plan in compiled.later.items():
        store.add_plan(plan, digest)
    run_id = f"{now:%Y%m%dT%H%M%SZ}-{compile_input.mode}-{secrets.token_hex(2)}"
    missing_approvals: list[str] = []
    if compile_input.mode != LIFT_MODE:  # a lift removes the whole ban, so no approval can be missing
        folders = find_waiver_folders(compile_input, compiled.restrictions)
        missing_approvals = waiver_log.require_earlier_waivers(
            store,
            compile_input,
            compiled.restrictions,
            compiled.waivers,
            folders,
            compiled.revocation_memory,
            run_id,
            now,
        )
    age_warnings = list(warnings.iterate_age_warnings(compile_input, compiled, now, common.catalog_max_age))
    policy_warnings = [
        *compiled.warnings,
        *missing_approvals,
        *exemptions,
        *warnings.iterate_policy_warnings(compile_input, compiled),
    ]
    version_thread.join()
    run = _make_run(
        compile_input, compiled, common, store, run_id, format_moment(now), [*policy_warnings, *age_warnings]
    )
    # The report has every warning. A warning about an old catalogue is printed only once a day.
    reminders = warnings.select_not_printed_today(store, age_warnings, now)
    run["warnings_to_print"] = [*policy_warnings, *reminders]
    if reminders and (
        stale_catalogue := warnings.find_stale_catalogue(compile_input, compiled, now, common.catalog_max_age)
    ):
        run["stale_catalog"] = stale_catalogue
    return {**run, "points": points} if points else run


def _check_lockout(compile_input: CompileInput, compiled: CompiledPlans, mistakes: MistakeCollector) -> list[str]:
    """Return texts about management networks that stay reachable although the policy blocks them.

    A blocked network that would cut off the operators is added to `mistakes`.
    """
    if not compiled.hosts:
        return []
    # Windows hosts are only observed, so nothing is blocked on them.
    changed_hosts = [host for host in compile_input.hosts if host.name not in compile_input.windows_hosts]
    plans = {name: compiled.plans[digest] for name, digest in compiled.hosts.items()}
    errors, exemptions = lockout.find_lockouts(changed_hosts, plans, compiled.later)
    mistakes.add_mistakes(*errors)
    return exemptions


class _CommonSettings(NamedTuple):
    """The settings on which all hosts of a run have to agree."""

    reports: Path  # directory of reports and of the plan store
    reporting: RunReporting  # settings of the report
    rollout: RolloutLimits
    catalog_max_age: int  # seconds; 0 for no limit


def _collect_common_settings(
    compile_input: CompileInput, compiled: CompiledPlans, mistakes: MistakeCollector
) -> _CommonSettings:
    """Return the settings on which all hosts agree.

    Raises PolicyErrors if hosts differ, or if `mistakes` has any. The errors are those in `mistakes` and the new ones.
    """
    # A wrong value was replaced by a default, which may differ from the values of other hosts. So a host with a wrong
    # value is left out.
    sound_hosts = [host for host in compile_input.hosts if not mistakes or not _has_mistakes(host)]
    sound_restrictions = {host.name: compiled.restrictions[host.name] for host in sound_hosts}
    with mistakes.collect_mistakes():
        reports = require_reports_folder(sound_hosts, compile_input.inventory)
        report_settings = collect_report_settings(
            sound_hosts,
            sound_restrictions,
            reports,
            RunScope(compile_input.inventory, compile_input.limit, compile_input.controls),
        )
    with mistakes.collect_mistakes():
        batches = get_common_setting("batches", sound_hosts, sound_restrictions)
    with mistakes.collect_mistakes():
        max_change = get_common_setting("max_change", sound_hosts, sound_restrictions)
    with mistakes.collect_mistakes():
        max_failures = get_common_setting("max_failures", sound_hosts, sound_restrictions)
    with mistakes.collect_mistakes():
        max_age = get_common_setting("catalog_max_age", sound_hosts, sound_restrictions)
    mistakes.raise_mistakes()  # without errors every value above is set
    rollout: RolloutLimits = {"batches": batches, "max_change": max_change, "max_failures": max_failures}
    return _CommonSettings(reports, report_settings, rollout, max_age)


def _has_mistakes(host: HostVariables) -> bool:
    """Return True if a policy variable of the host has a wrong value."""
    return bool(host.errors or read_noting_errors(host.values, host.locate_variable)[1])


def _open_store(reports: Path) -> PlanStore:
    """Return the plan store of a run.

    Raises PolicyErrors if other accounts could change its files, or if this account cannot write it.
    """
    store = PlanStore(reports / PLANS_DIRECTORY)
    with _convert_store_errors():
        store.require_directories()
    return store


@contextlib.contextmanager
def _convert_store_errors() -> Iterator[None]:
    """Convert errors of the plan store to PolicyErrors, so that the run ends before it changes a host."""
    try:
        yield
    except UntrustedStore as error:
        raise PolicyErrors([PolicyError(error.path, "", DescribedValue(error.observed), error.expected)]) from None


def _make_run(
    compile_input: CompileInput,
    compiled: CompiledPlans,
    common: _CommonSettings,
    store: PlanStore,
    run_id: str,
    started: str,
    run_warnings: list[str],
) -> CompiledRun:
    """Return the data of a run for its tasks and its report, and write the plans to the plan store.

    Raises PolicyErrors if the plan store cannot be trusted.
    """
    catalogues, plans, report_settings = compiled.catalogues.values(), compiled.plans, common.reporting
    with _convert_store_errors():
        prepared = store.prepare_plans(plans)
    # without Windows hosts, which are only observed
    changed_restrictions = {
        name: host_restrictions
        for name, host_restrictions in compiled.restrictions.items()
        if name not in compile_input.windows_hosts
    }
    run: CompiledRun = {
        "id": run_id,
        "playbook": compile_input.playbook,
        "mode": compile_input.mode,
        "started": started,
        "version": get_own_version(),  # not in the plans: their digests do not depend on the commit that compiled them
        "catalog_version": "+".join(sorted({catalogue.version for catalogue in catalogues})),
        "catalog": _join_releases(catalogues),
        "inventory": compile_input.inventory,
        "limit": compile_input.limit,
        "pattern": compile_input.pattern,
        "not_served": dict(compile_input.not_served),
        "windows": list(compile_input.windows_hosts),
        "controls": compile_input.controls,
        "directory": str(common.reports / f"{run_id}.partial"),
        "plans": str(store.directory),
        "code": prepared["code"],
        "packed": prepared["packed"],
        "hosts": compiled.hosts,
        "departments": list_departments(compile_input, compiled.restrictions),
        "left_out": list_left_out_hosts(compile_input),
        "policies": {digest: summarise_policies(plan) for digest, plan in plans.items()},
        "services": _list_service_ids(plans.values()),
        "rules": {digest: count_rules(plan, compile_input.controls) for digest, plan in plans.items()},
        "nothing_known": {
            digest: list_rules_without_identifiers(plan, compile_input.controls) for digest, plan in plans.items()
        },
        "probe": [name for name, host_restrictions in changed_restrictions.items() if host_restrictions.probe],
        "audit_stored": [
            name for name, host_restrictions in changed_restrictions.items() if host_restrictions.audit_with == STORED
        ],
        "gate": {n: r.compliance_gate for n, r in compiled.restrictions.items() if r.compliance_gate != "never"},
        "rollout": common.rollout,
        "exports": report_settings["exports"],
        "exports_fed": report_settings["exports_fed"],
        "events": report_settings["events"],
        "round": report_settings["round"] or compile_input.round,
        "history": report_settings["history"],
        "history_keep": report_settings["history_keep"],
        "reports_keep": report_settings["reports_keep"],
        "baseline": report_settings["baseline"],
        "stale_after": report_settings["stale_after"],
        "observe_timeout": report_settings["observe_timeout"],
        "upcoming": _list_upcoming(plans.values()),
        "waivers": [make_run_waiver(judged, compile_input) for judged in compiled.waivers],
        "warnings": run_warnings,
    }
    watched = any("watch" in plan for plan in plans.values())
    return {**run, "watch": make_expected_watch()} if watched else run


def _list_service_ids(plans: Iterable[Plan]) -> list[str]:
    """Return the ids of the services in these plans."""
    return sorted({id_ for plan in plans for section in plan["controls"].values() for id_ in section["services"]})


def _join_releases(catalogues: Iterable[Catalogue]) -> ReleaseFacts:
    """Return the version and day of the release of a run's catalogue; for several catalogues, all joined by `+`."""
    releases = sorted({catalogue.release for catalogue in catalogues})
    return {
        "version": "+".join(dict.fromkeys(release.version for release in releases)),
        "released": "+".join(dict.fromkeys(release.released for release in releases)),
    }


def _list_upcoming(plans: Iterable[Plan]) -> list[UpcomingRestriction]:
    """Return the restrictions in a run's plans whose first day is in the future, each once."""
    by_key = {
        format_canonical(announcement): announcement for plan in plans for announcement in list_upcoming_services(plan)
    }
    return [by_key[key] for key in sorted(by_key)]
