"""The plans that hosts had before: those of a run, or compiled anew from an earlier revision of the policy."""

from __future__ import annotations

import argparse
import datetime
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ....model.types.plan import Plan
from ....wire import installation
from ....wire.store import PLANS_DIRECTORY, PlanStore, UntrustedStore
from ...compile.inventory.inventory import CompileInput, HostVariables
from ...compile.inventory.places import list_source_paths
from ...compile.inventory.policy_folders import (
    APPROVERS_FILE,
    CATALOGUES_VARIABLE,
    SIGNERS_FILE,
    WAIVERS_VARIABLE,
    list_possible_places,
)
from ...compile.plans.hosts import compile_hosts
from ...policy_errors import PolicyErrors
from ...report.end.renewing import is_present_report
from ...report.evaluation.lifts import describe_lifts
from ...report.storage import fleet_state_file
from ...report.storage.complete import UnknownRun, UnreadableReport, find_run, read_records, read_report
from ...report.text.wording import clean, counted
from .. import Refused, inventory
from .at_revision import FilesAtRevision
from .exceptions import Exceptions, read_exceptions

PROJECT = inventory.PROJECT
MOST_LIFTED = 5  # hosts that are named
# The variables that name folders of files that a policy is made of.
FOLDERS = (CATALOGUES_VARIABLE, WAIVERS_VARIABLE)


class Earlier(NamedTuple):
    """What hosts were asked before."""

    name: str  # for people: the run, or the revision
    hosts: Mapping[str, str]  # the digest of each host's plan, for those whose plan is known
    plans: Mapping[str, Plan]  # by digest
    notes: tuple[str, ...] = ()  # what else one should know
    commits: Mapping[Path, str] = {}  # of a revision: the commit that was compared, by the top of its repository
    exceptions: Exceptions | None = None  # of a revision; a run has none


def earlier(name: str, arguments: argparse.Namespace, now: datetime.datetime, reports: Path) -> Earlier:
    """The plans of before: `name` is a run of `reports` (`latest`, an id, or a path) or else a git revision. Raises
    Refused.
    """
    try:
        directory = find_run(reports, name)
    except UnknownRun as none:
        if name == "latest":
            raise Refused(str(none)) from None
        return _of_revision(name, arguments, now, reports)
    if arguments.old_inventory or arguments.as_now:
        option = "--old-inventory" if arguments.old_inventory else "--as-now"
        raise Refused(f"{option} goes with a git revision; a run has the plans that its hosts answered for")
    return _of_run(directory, reports)


def _of_run(directory: Path, reports: Path) -> Earlier:
    try:
        run = read_report(directory)["run"]
        hosts = {record["host"]: plan for record in read_records(directory) if (plan := record.get("plan"))}
        plans = {digest: _plan(reports, digest) for digest in sorted(set(hosts.values()))}
    except UnreadableReport as wrong:
        raise Refused(str(wrong)) from None
    lifts = fleet_state_file.read_lifts(reports) if is_present_report(directory, reports) else {}
    lifted = sorted(hosts.keys() & lifts.keys())
    notes = [
        f"{host} was {describe_lifts(lifts[host])}; the next enforce writes its plan anew"
        for host in lifted[:MOST_LIFTED]
    ]
    if (more := len(lifted) - MOST_LIFTED) > 0:
        notes.append(f"{counted(more, 'more host')} lifted since that run")
    return Earlier(f"run {directory.name}, catalogue {run.get('catalog_version')}", hosts, plans, tuple(notes))


def _plan(reports: Path, digest: str) -> Plan:
    try:
        return PlanStore(reports / PLANS_DIRECTORY).read_stored_plan(digest)
    except FileNotFoundError as gone:
        raise Refused(f"{gone}: hosts answered for it, and it is not kept any more") from None
    except UntrustedStore as wrong:
        raise Refused(str(wrong)) from None


def _of_revision(name: str, arguments: argparse.Namespace, now: datetime.datetime, reports: Path) -> Earlier:
    with tempfile.TemporaryDirectory(prefix="proscribe-diff-") as made:
        then = FilesAtRevision(name, Path(made).resolve(), arguments.as_now)
        # That of a collection is in no history, and is taken as it is installed.
        collection = installation.COLLECTION
        catalogue = installation.CATALOGUE if collection else then.path(PROJECT / "catalog", "the catalogue")
        for part in ("group_vars", "host_vars"):
            then.optional(PROJECT / "playbooks" / part)
        sources = list(arguments.old_inventory) or [_source(source, then) for source in _sources(arguments)]
        if not then.commits and not arguments.old_inventory:
            raise Refused("all of it is taken as it is now, so there is nothing to compare")
        earlier_arguments = argparse.Namespace(**{**vars(arguments), "inventory": sources, "limit": ""})
        try:
            question = inventory.question(earlier_arguments, catalogue.parent)
            question = replace(question, hosts=_with_folders(question, then), reports=reports)
            compiled = compile_hosts(question, now)
            exceptions = read_exceptions(question, compiled, now)
        except (PolicyErrors, Refused) as wrong:
            reason = then.located(str(wrong))
            raise Refused(f"the policy of {clean(name)} cannot be compiled by the current code:\n{reason}") from None
        commits = then.commits
    several = [f"{top} at {commit[:12]}" for top, commit in commits.items()]
    where = next(iter(commits.values()))[:12] if len(commits) == 1 and not then.same else "; ".join(several)
    notes = [f"{path} is taken as it is now, as --as-now asks" for path in dict.fromkeys(then.same)]
    named = f"{name} ({where})" if where else name
    return Earlier(named, compiled.hosts, compiled.plans, tuple(notes), dict(commits), exceptions)


def _sources(arguments: argparse.Namespace) -> list[str]:
    return inventory.sources(arguments.inventory)


def _source(source: str, then: FilesAtRevision) -> str:
    """A source of the inventory as it was, with the folder that it stands in: variables and waivers are beside it."""
    if not list_source_paths([source]):  # hosts, named one by one: they have no history
        return source
    path = Path(source)
    if path.is_dir():
        return str(then.path(path, "the inventory"))
    if not path.exists():
        raise Refused(f"the inventory {source} is not there")
    before = then.path(path.parent, "the directory of the inventory") / path.name
    if not before.exists():
        raise Refused(f"the inventory {source} is not in {then.name}; --old-inventory names its place at that revision")
    return str(before)


def _with_folders(question: CompileInput, then: FilesAtRevision) -> list[HostVariables]:
    """The hosts, with the folders that their variables name as they were: those too lie in somebody's history."""
    known: dict[tuple[str, str], str] = {}

    def of_then(host: HostVariables, name: str, folder: str) -> str:
        key = host.folder, folder
        if key not in known:
            places = [then.now(place) for place in list_possible_places(folder, question, host)]
            place = next((place for place in places if place.is_dir()), places[0])
            known[key] = str(then.path(place, name))
            for judged_by in (APPROVERS_FILE, SIGNERS_FILE) if name == WAIVERS_VARIABLE else ():
                then.optional(place.parent / judged_by)
        return known[key]

    def values(host: HostVariables) -> dict[str, Any]:
        changed = dict(host.values)
        for name in FOLDERS:
            named = changed.get(name)
            if isinstance(named, str) and named:
                changed[name] = of_then(host, name, named)
            elif isinstance(named, list):
                changed[name] = [of_then(host, name, one) if isinstance(one, str) else one for one in named]
        return changed

    return [replace(host, values=values(host)) for host in question.hosts]
