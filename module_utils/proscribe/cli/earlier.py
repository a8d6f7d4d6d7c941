"""The plans that hosts had before: those of a run, or compiled anew from an earlier revision of the policy."""

from __future__ import annotations

import argparse
import datetime
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..compile.errors import PolicyErrors
from ..compile.policy_folders import relative_folders
from ..compile.run import compile_hosts, read_all
from ..report.stored import NoSuchRun, UnreadableReport, find_run, read_records, read_report
from ..store import PLANS, Store, Untrusted
from . import Refused, inventory
from .revision import Repository, repository_of

PROJECT = inventory.PROJECT


class Earlier(NamedTuple):
    """What hosts were asked before."""

    name: str  # for people: the run, or the revision
    hosts: Mapping[str, str]  # the digest of each host's plan, for those whose plan is known
    plans: Mapping[str, Mapping[str, Any]]  # by digest
    notes: tuple[str, ...] = ()  # what else one should know


def earlier(name: str, arguments: argparse.Namespace, now: datetime.datetime) -> Earlier:
    """The plans of before: `name` is a run (`latest`, an id, or a path) or else a git revision. Raises Refused."""
    reports = Path(os.environ.get("PROSCRIBE_REPORTS") or PROJECT / "reports").absolute()
    try:
        directory = find_run(reports, name)
    except NoSuchRun as none:
        if name == "latest":
            raise Refused(str(none)) from None
        return _of_revision(name, arguments, now)
    if arguments.old_inventory:
        raise Refused("--old-inventory goes with a git revision; a run has the plans that its hosts answered for")
    return _of_run(directory, reports)


def _of_run(directory: Path, reports: Path) -> Earlier:
    try:
        run = read_report(directory)["run"]
        hosts = {record["host"]: record["plan"] for record in read_records(directory) if record.get("plan")}
        plans = {digest: _plan(reports, digest) for digest in sorted(set(hosts.values()))}
    except UnreadableReport as wrong:
        raise Refused(str(wrong)) from None
    return Earlier(f"run {directory.name}, catalogue {run.get('catalog_version')}", hosts, plans)


def _plan(reports: Path, digest: str) -> dict[str, Any]:
    try:
        return Store(reports / PLANS).stored(digest)
    except FileNotFoundError as gone:
        raise Refused(f"{gone}: hosts answered for it, and it is not kept any more") from None
    except Untrusted as wrong:
        raise Refused(str(wrong)) from None


def _of_revision(name: str, arguments: argparse.Namespace, now: datetime.datetime) -> Earlier:
    repository = repository_of(PROJECT)
    if repository is None:
        raise Refused(
            f"{PROJECT} is no git checkout, so it has no revision {name!r}; `latest` compares with the last run"
        )
    commit = repository.revision(name)
    with tempfile.TemporaryDirectory(prefix="proscribe-diff-") as made:
        into = Path(made).resolve()
        prefix = PROJECT.resolve().relative_to(repository.top.resolve())
        needed = [prefix / "catalog", *(prefix / "playbooks" / part for part in ("group_vars", "host_vars"))]
        if needed[0] not in repository.extract(commit, needed, into):
            raise Refused(f"{name!r} ({commit[:12]}) has no {needed[0]}/, so it is no earlier state of this checkout")
        sources, notes = _inventories(repository, commit, arguments, into)
        asked = argparse.Namespace(**{**vars(arguments), "inventory": sources, "limit": ""})
        try:
            question = inventory.question(asked, into / prefix)
            named = relative_folders(question, read_all(question.hosts))
            repository.extract(commit, [prefix / path for path in named], into)
            compiled = compile_hosts(question, now)
        except (PolicyErrors, Refused) as wrong:
            told = str(wrong).replace(f"{into}/", f"{name}:")
            raise Refused(
                f"the policy of {name} ({commit[:12]}) cannot be compiled by the code of now:\n{told}"
            ) from None
    return Earlier(f"{name} ({commit[:12]})", compiled.hosts, compiled.plans, tuple(notes))


def _inventories(
    repository: Repository, commit: str, arguments: argparse.Namespace, into: Path
) -> tuple[list[str], list[str]]:
    """The sources of the inventory as they were, and what is to be told of those that are those of now."""
    if arguments.old_inventory:
        return list(arguments.old_inventory), []
    sources, notes = [], []
    for source in inventory.sources(arguments.inventory):
        path = Path(source)
        inside = None
        if "," not in source and path.exists():
            folder = (path if path.is_dir() else path.parent).resolve()
            inside = (
                folder.relative_to(repository.top.resolve())
                if folder.is_relative_to(repository.top.resolve())
                else None
            )
        before = None if inside is None else into / inside / ("" if path.is_dir() else path.name)
        if inside is not None and repository.extract(commit, [inside], into) and before is not None and before.exists():
            sources.append(str(before))
            continue
        sources.append(source)
        notes.append(
            f"{source} is not in {commit[:12]} of {repository.top}, so its hosts and variables are those of now; "
            "--old-inventory names others"
        )
    return sources, notes
