"""Earlier plans of hosts: those of a run, or those compiled again from an earlier revision of the policy."""

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
from ....wire.plan_store import PLANS_DIRECTORY, PlanStore, UntrustedStore
from ...compile.inventory.host_variables import CompileInput, HostVariables
from ...compile.inventory.policy_folders import (
    APPROVERS_FILE,
    CATALOGUES_VARIABLE,
    SIGNERS_FILE,
    WAIVERS_VARIABLE,
    list_possible_places,
)
from ...compile.inventory.variable_origins import list_source_paths
from ...compile.plans.host_plans import compile_hosts
from ...policy_errors import PolicyErrors
from ...report.evaluation.lifts import describe_lifts
from ...report.run_end.report_rewriting import is_present_report
from ...report.storage import fleet_state_file
from ...report.storage.report_reader import UnknownRun, UnreadableReport, find_run, read_records, read_report
from ...report.text.wording import clean_text, format_count
from .. import CommandError, inventory
from .exception_changes import ExceptionTexts, read_exceptions
from .files_at_revision import FilesAtRevision

PROJECT_DIRECTORY = inventory.PROJECT_DIRECTORY
MAX_NAMED_HOSTS = 5
# Inventory variables that name directories of policy files: catalogues and waivers.
FOLDER_VARIABLES = (CATALOGUES_VARIABLE, WAIVERS_VARIABLE)


class EarlierPlans(NamedTuple):
    """The plans of hosts at an earlier time: those of a run, or of a revision of the policy."""

    name: str  # for messages: the run, or the revision
    hosts: Mapping[str, str]  # digest of the plan by host, for hosts with a known plan
    plans: Mapping[str, Plan]  # by digest
    notes: tuple[str, ...] = ()  # further remarks for the user
    commits: Mapping[Path, str] = {}  # for a revision: the compared commit by top directory of the repository
    exceptions: ExceptionTexts | None = None  # for a revision; a run has none


def read_earlier_plans(name: str, arguments: argparse.Namespace, now: datetime.datetime, reports: Path) -> EarlierPlans:
    """Return the earlier plans: of a run in `reports` (`latest`, an id or a path), or else of a git revision.

    `name` is the argument OLD. Raises CommandError for an unknown name, and for plans that cannot be read or compiled.
    """
    try:
        directory = find_run(reports, name)
    except UnknownRun as error:
        if name == "latest":
            raise CommandError(str(error)) from None
        return _compile_plans_of_revision(name, arguments, now, reports)
    if arguments.old_inventory or arguments.as_now:
        option = "--old-inventory" if arguments.old_inventory else "--as-now"
        raise CommandError(f"{option} goes with a git revision; a run has the plans that its hosts answered for")
    return _read_plans_of_run(directory, reports)


def _read_plans_of_run(directory: Path, reports: Path) -> EarlierPlans:
    """Return the plans that the hosts of a run had, from its report in `directory`.

    The notes name hosts from which the ban was lifted (removed) after the run. Raises CommandError for an unreadable
    report, and for a plan that is missing or that other accounts can change.
    """
    try:
        run = read_report(directory)["run"]
        hosts = {record["host"]: plan for record in read_records(directory) if (plan := record.get("plan"))}
        plans = {digest: _read_plan(reports, digest) for digest in sorted(set(hosts.values()))}
    except UnreadableReport as error:
        raise CommandError(str(error)) from None
    lifts = fleet_state_file.read_lifts(reports) if is_present_report(directory, reports) else {}
    lifted_hosts = sorted(hosts.keys() & lifts.keys())
    notes = [
        f"{host} was {describe_lifts(lifts[host])}; the next enforce writes its plan anew"
        for host in lifted_hosts[:MAX_NAMED_HOSTS]
    ]
    if (omitted_count := len(lifted_hosts) - MAX_NAMED_HOSTS) > 0:
        notes.append(f"{format_count(omitted_count, 'more host')} lifted since that run")
    return EarlierPlans(f"run {directory.name}, catalogue {run.get('catalog_version')}", hosts, plans, tuple(notes))


def _read_plan(reports: Path, digest: str) -> Plan:
    """Return a stored plan of a run by its digest.

    Raises CommandError if the plan was deleted, or if other accounts can change the store.
    """
    try:
        return PlanStore(reports / PLANS_DIRECTORY).read_stored_plan(digest)
    except FileNotFoundError as missing_error:
        raise CommandError(f"{missing_error}: hosts answered for it, and it is not kept any more") from None
    except UntrustedStore as error:
        raise CommandError(str(error)) from None


def _compile_plans_of_revision(
    name: str, arguments: argparse.Namespace, now: datetime.datetime, reports: Path
) -> EarlierPlans:
    """Return the plans that the current code compiles from the policy of a git revision or day.

    `name` is the argument OLD. Raises CommandError for an unknown revision, a path without an earlier state, and a
    policy that cannot be compiled.
    """
    with tempfile.TemporaryDirectory(prefix="proscribe-diff-") as temporary_directory:
        earlier_files = FilesAtRevision(name, Path(temporary_directory).resolve(), arguments.as_now)
        # An installed collection is no git repository, so its catalogue has no history. The present catalogue is used.
        collection = installation.COLLECTION
        catalogue = (
            installation.CATALOGUE
            if collection
            else earlier_files.extract_path(PROJECT_DIRECTORY / "catalog", "the catalogue")
        )
        for folder in ("group_vars", "host_vars"):
            earlier_files.extract_optional_path(PROJECT_DIRECTORY / "playbooks" / folder)
        sources = list(arguments.old_inventory) or [
            _find_earlier_source(source, earlier_files) for source in _list_sources(arguments)
        ]
        if not earlier_files.commits and not arguments.old_inventory:
            raise CommandError("all of it is taken as it is now, so there is nothing to compare")
        earlier_arguments = argparse.Namespace(**{**vars(arguments), "inventory": sources, "limit": ""})
        try:
            compile_input = inventory.read_compile_input(earlier_arguments, catalogue.parent)
            compile_input = replace(
                compile_input, hosts=_replace_folders(compile_input, earlier_files), reports=reports
            )
            compiled = compile_hosts(compile_input, now)
            exceptions = read_exceptions(compile_input, compiled, now)
        except (PolicyErrors, CommandError) as error:
            reason = earlier_files.translate_message(str(error))
            raise CommandError(
                f"the policy of {clean_text(name)} cannot be compiled by the current code:\n{reason}"
            ) from None
        commits = earlier_files.commits
    commit_texts = [f"{top} at {commit[:12]}" for top, commit in commits.items()]
    revision_text = (
        next(iter(commits.values()))[:12]
        if len(commits) == 1 and not earlier_files.current_paths
        else "; ".join(commit_texts)
    )
    notes = [f"{path} is taken as it is now, as --as-now asks" for path in dict.fromkeys(earlier_files.current_paths)]
    full_name = f"{name} ({revision_text})" if revision_text else name
    return EarlierPlans(full_name, compiled.hosts, compiled.plans, tuple(notes), dict(commits), exceptions)


def _list_sources(arguments: argparse.Namespace) -> list[str]:
    """Return the inventory sources of the current command; those of ansible.cfg if it names none."""
    return inventory.resolve_sources(arguments.inventory)


def _find_earlier_source(source: str, earlier_files: FilesAtRevision) -> str:
    """Extract the earlier state of an inventory source (an argument of -i) and return its path.

    For a file, its whole directory is extracted, because the directory has variables and waivers, too. A list of host
    names is returned unchanged.
    """
    if not list_source_paths([source]):  # a list of host names, which has no history
        return source
    path = Path(source)
    if path.is_dir():
        return str(earlier_files.extract_path(path, "the inventory"))
    if not path.exists():
        raise CommandError(f"the inventory {source} is not there")
    earlier_path = earlier_files.extract_path(path.parent, "the directory of the inventory") / path.name
    if not earlier_path.exists():
        raise CommandError(
            f"the inventory {source} is not in {earlier_files.name}; --old-inventory names its place at that revision"
        )
    return str(earlier_path)


def _replace_folders(compile_input: CompileInput, earlier_files: FilesAtRevision) -> list[HostVariables]:
    """Return the hosts with variables that name the earlier states of catalogue and waiver directories.

    These directories may be in other repositories than the inventory. So each is extracted from its own repository.
    """
    earlier_folders: dict[tuple[str, str], str] = {}

    def find_earlier_folder(host: HostVariables, name: str, folder: str) -> str:
        """Extract the earlier state of a directory that the variable `name` of a host names, and return its path.

        For a directory of waivers, the approvers and their keys beside it are extracted, too.
        """
        key = host.folder, folder
        if key not in earlier_folders:
            current_places = [
                earlier_files.convert_to_current_path(earlier_path)
                for earlier_path in list_possible_places(folder, compile_input, host)
            ]
            current_place = next((place for place in current_places if place.is_dir()), current_places[0])
            earlier_folders[key] = str(earlier_files.extract_path(current_place, name))
            for file_name in (APPROVERS_FILE, SIGNERS_FILE) if name == WAIVERS_VARIABLE else ():
                earlier_files.extract_optional_path(current_place.parent / file_name)
        return earlier_folders[key]

    def replace_values(host: HostVariables) -> dict[str, Any]:
        """Return a host's variables with the paths of the earlier directories.

        A value of a wrong type stays, so that compiling reports it.
        """
        new_values = dict(host.values)
        for name in FOLDER_VARIABLES:
            folder_value = new_values.get(name)
            if isinstance(folder_value, str) and folder_value:
                new_values[name] = find_earlier_folder(host, name, folder_value)
            elif isinstance(folder_value, list):
                new_values[name] = [
                    find_earlier_folder(host, name, folder_name) if isinstance(folder_name, str) else folder_name
                    for folder_name in folder_value
                ]
        return new_values

    return [replace(host, values=replace_values(host)) for host in compile_input.hosts]
