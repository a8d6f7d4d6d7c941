"""The files of a schedule on the controller and on the hosts. Controller side, pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NotRequired, TypedDict

from ... import base
from ...host.programs import guarding, pulling
from ...host.schedule.timers import (
    ABOUT_PATH,
    ABOUT_TEXT,
    CATALOGUE_UNIT,
    COMMITS_PATH,
    DRIFT_UNIT,
    GUARD_BASE_FILES,
    GUARD_PATH,
    PULL_BASE_FILES,
    PULL_PROGRAM_PATH,
    PULL_UNIT,
    PYTHON_PATH,
    SIGNERS_PATH,
    UNIT_DIRECTORY,
)
from ...host.system import WRITTEN_BY
from ...model.types.schedule import ScheduledRuns
from ...wire import installation
from ..compile.inventory.host_variables import HostVariables
from ..compile.inventory.policy_folders import APPROVERS_FILE
from ..compile.inventory.policy_folders import SIGNERS_FILE as SIGNERS_OF_WAIVERS
from ..compile.inventory.report_settings import get_common_setting
from ..compile.inventory.reports_folder import ENVIRONMENT_VARIABLE
from ..compile.restrictions import PREFIX, Restrictions
from ..compile.restrictions.channels import is_setgid_needed
from ..policy_errors import PolicyError, PolicyErrors
from . import units

NO_SIGNERS_WARNING = (
    "proscribe_schedule_signers is empty: whoever can push to proscribe_schedule_repository can have root on every host"
    " run what they like"
)


class ScheduleController(NamedTuple):
    """The controller that sets up the schedule."""

    project_directory: str  # the checkout
    account: str
    is_root: bool
    inventory: Sequence[str]  # as in the options of the run
    limit: str  # --limit of the run that sets up the schedule
    environment: Mapping[str, str]  # PROSCRIBE_* variables for scheduled runs


class SchedulePart(TypedDict):
    """The files and settings of the controller, or of each host."""

    files: dict[str, str]
    settings: NotRequired[Mapping[str, object]]  # for host/programs/pulling
    runs: NotRequired[ScheduledRuns]


class SchedulePlan(TypedDict):
    """The parts of a schedule, for the controller and for the hosts."""

    method: str
    controller: str
    become: bool
    warnings: list[str]
    drift: SchedulePart
    pull: SchedulePart


class _ScheduleVariables(NamedTuple):
    """The schedule variables without their prefix. All hosts of a run share them: there is a single schedule."""

    schedule: str
    calendar: str
    refresh: str
    spread: int
    timeout: int
    options: tuple[str, ...]
    account: str
    directory: str
    repository: str
    branch: str
    signers: tuple[str, ...]
    first_commit: str
    inventory: str
    ansible: str
    notify: Mapping[str, str]

    @property
    def times(self) -> units.ScheduleTimes:
        return units.ScheduleTimes(self.calendar, self.spread, self.timeout)


FIRST_LINE = f"#!{PYTHON_PATH} -IB\n"  # first line of a program that a machine runs by itself

# Returns an error about a variable of the schedule: (name without prefix, expected text).
MakeError = Callable[[str, str], PolicyErrors]


def plan_schedule(
    hosts: Sequence[HostVariables],
    restrictions: Mapping[str, Restrictions],
    controller: ScheduleController,
    other_controller: str,
    changes_controller: bool,
) -> SchedulePlan:
    """Return the files of the controller and of the hosts.

    `other_controller` is the inventory name of another controller; "" for this machine. `changes_controller` is True if
    some host is reached without a connection, so that runs change the controller itself. Raises PolicyErrors if hosts
    disagree, or if a setting that the method needs is missing.
    """
    variable_names = (
        name if name in ("schedule", "notify") else f"schedule_{name}" for name in _ScheduleVariables._fields
    )
    variables = _ScheduleVariables(*(get_common_setting(name, hosts, restrictions) for name in variable_names))
    first_host = hosts[0] if hosts else None

    def make_variable_error(variable: str, expected: str, found_value: object = "") -> PolicyErrors:
        name = PREFIX + variable
        return PolicyErrors(
            [PolicyError(first_host.locate_variable(name) if first_host else "", name, found_value, expected)]
        )

    schedule_plan: SchedulePlan = {
        "method": variables.schedule,
        "controller": other_controller or "localhost",
        "become": not controller.is_root or other_controller != "",
        "warnings": [],
        "drift": {"files": {}},
        "pull": {"files": {}, "settings": {}},
    }
    if variables.schedule in ("off", "awx"):
        return schedule_plan
    if installation.COLLECTION:
        expected = "awx or off: the units start the launcher of a checkout, and a collection has none"
        raise make_variable_error("schedule", expected, variables.schedule)
    if other_controller and not variables.directory:
        raise make_variable_error(
            "schedule_directory", f"the path of the checkout on {other_controller}, which is to run the schedule"
        )
    if other_controller and not variables.account:
        raise make_variable_error("schedule_account", f"the account on {other_controller} that runs are started as")
    policy_files = {
        path
        for host in hosts
        for path in _list_policy_files(host, restrictions[host.name], controller.project_directory)
    }
    schedule_plan["drift"] = {
        "files": _render_drift_files(variables, controller, other_controller, changes_controller),
        "runs": _describe_drift_runs(variables, controller, other_controller, sorted(policy_files)),
    }
    if variables.schedule == "pull":
        schedule_plan["pull"] = _plan_pull(variables, controller, make_variable_error)
        schedule_plan["warnings"] = [NO_SIGNERS_WARNING] if variables.repository and not variables.signers else []
    return schedule_plan


def _describe_drift_runs(
    variables: _ScheduleVariables, controller: ScheduleController, other_controller: str, policy_files: Sequence[str]
) -> ScheduledRuns:
    checkout = variables.directory if other_controller else controller.project_directory
    ansible_paths = [] if other_controller else [controller.environment.get("PROSCRIBE_ANSIBLE_PLAYBOOK", "")]
    needed_paths = [*ansible_paths, *controller.inventory, *_list_option_files(variables.options)]
    named_paths = [*ansible_paths, *controller.inventory, *policy_files, *_list_option_files(variables.options)]
    paths = [
        checkout,
        *(_move_path(path, controller.project_directory, checkout) for path in named_paths if path.startswith("/")),
    ]
    reports = "" if other_controller else controller.environment.get(ENVIRONMENT_VARIABLE, "")
    # A refresh makes a branch in the repository of the inventory.
    sources = [
        Path(_move_path(source, controller.project_directory, checkout))
        for source in controller.inventory[:1]
        if variables.refresh
    ]
    repository = [str(source_path.parent if source_path.suffix else source_path) for source_path in sources]
    return {
        "account": variables.account or controller.account,
        "paths": list(dict.fromkeys(paths)),
        "needs": _list_absolute_paths(
            [
                f"{checkout}/proscribe",
                *(_move_path(path, controller.project_directory, checkout) for path in needed_paths),
            ]
        ),
        "starts": [f"{checkout}/proscribe"],
        "writes": [*([reports] if reports else []), *repository],
    }


def _list_absolute_paths(paths: Iterable[str]) -> list[str]:
    """Return the absolute paths, each once. A list of hosts (`web01,`) and the name of a command are no paths."""
    return list(dict.fromkeys(path for path in paths if path.startswith("/")))


def _list_policy_files(host: HostVariables, restrictions: Restrictions, project: str) -> Iterator[str]:
    """Yield the possible paths in a host's variables: catalogues, waivers, approver lists and their signers."""
    for base_directory in (project, host.folder):
        yield from (str(Path(base_directory, name)) for name in restrictions.catalog_dirs)
        if restrictions.waivers_dir:
            folder = Path(base_directory, restrictions.waivers_dir)
            yield from map(str, (folder, folder.parent / APPROVERS_FILE, folder.parent / SIGNERS_OF_WAIVERS))


def _list_option_files(options: Sequence[str]) -> list[str]:
    """Return the files in options: `-e @FILE`, `--vault-id ID@FILE`, `--vault-password-file FILE`."""
    words = [word.partition("=")[2] if re.match(r"--[a-z-]+=", word) else word for word in options]
    return [match[1] for word in words if (match := re.fullmatch(r"(?:[\w.-]*@)?(/.+)", word))]


def _render_drift_files(
    variables: _ScheduleVariables, controller: ScheduleController, other_controller: str, changes_controller: bool
) -> dict[str, str]:
    launcher_command = "collect" if variables.schedule == "pull" else "drift"
    checkout = variables.directory if other_controller else controller.project_directory
    account = variables.account or controller.account
    options = [
        part
        for source in controller.inventory
        for part in ("-i", _move_path(source, controller.project_directory, checkout))
    ]
    # With pull, the limit selects only the hosts to set up now. All hosts are collected later.
    options += ["--limit", controller.limit] if controller.limit and variables.schedule != "pull" else []
    options += variables.options
    environment = {} if other_controller else controller.environment
    launcher = f"{checkout}/proscribe"
    root_hardening = units.ROOT_HARDENING if account == "root" else ""
    hardening = (
        root_hardening
        if changes_controller
        else root_hardening + units.MAIL_HARDENING
        if is_setgid_needed(variables.notify)
        else units.STRICT_HARDENING
    )
    run_command = units.format_exec_start([launcher, "scheduled", launcher_command, "--", *options])
    failure_command = units.format_exec_start([launcher, "scheduled", "failed", "--", *options])
    description = (
        "collecting what the hosts found"
        if launcher_command == "collect"
        else "correcting what has drifted on the hosts"
    )
    return {
        **_render_catalogue_files(
            variables, [launcher, "scheduled", "catalog", "--", *options], checkout, account, environment
        ),
        GUARD_PATH: render_program(guarding, "guard", FIRST_LINE),
        **{path: render_program(base, name) for name, path in GUARD_BASE_FILES.items()},
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}.service": units.format_drift_service(
            checkout, account, run_command, environment, variables.times, hardening
        ),
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}-failed.service": units.format_failed_service(
            checkout, account, failure_command, environment, hardening
        ),
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}.timer": units.format_timer(description, variables.times, is_fixed=False),
    }


def _render_catalogue_files(
    variables: _ScheduleVariables, command: Sequence[str], checkout: str, account: str, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the units that refresh the catalogue; none without `proscribe_schedule_refresh`. They contact no host."""
    if not variables.refresh:
        return {}
    hardening = (units.ROOT_HARDENING if account == "root" else "") + (
        units.MAIL_HARDENING if is_setgid_needed(variables.notify) else units.STRICT_HARDENING
    )
    run_command = units.format_exec_start(command)
    description = "proposing what publishers' lists change in the catalogue"
    return {
        f"{UNIT_DIRECTORY}/{CATALOGUE_UNIT}.service": units.format_catalogue_service(
            checkout, account, run_command, environment, hardening
        ),
        f"{UNIT_DIRECTORY}/{CATALOGUE_UNIT}.timer": units.format_timer(
            description, variables.times._replace(calendar=variables.refresh), is_fixed=False
        ),
    }


def _plan_pull(variables: _ScheduleVariables, controller: ScheduleController, make_error: MakeError) -> SchedulePart:
    if not variables.repository and not variables.directory:
        expected = "where hosts fetch from; or proscribe_schedule_directory, a checkout that every host was given"
        raise make_error("schedule_repository", expected)
    inventory = variables.inventory or _find_inventory_path(controller, make_error)
    host_paths = [variables.ansible]
    if not variables.repository:
        host_paths += [variables.directory, inventory]
    elif not variables.signers:
        host_paths.append(variables.repository.removeprefix("file://"))
    paths = [path for path in host_paths if path.startswith("/")]
    files = {
        ABOUT_PATH: ABOUT_TEXT,
        PULL_PROGRAM_PATH: render_program(pulling, "pull", FIRST_LINE),
        COMMITS_PATH: render_program(pulling, "commits"),
        **{path: render_program(base, name) for name, path in PULL_BASE_FILES.items()},
        f"{UNIT_DIRECTORY}/{PULL_UNIT}.service": units.format_pull_service(variables.times),
        f"{UNIT_DIRECTORY}/{PULL_UNIT}.timer": units.format_timer(
            "correcting what has drifted on this host", variables.times, is_fixed=True
        ),
    }
    if variables.signers:
        files[SIGNERS_PATH] = "".join(f"{line}\n" for line in (f"# {WRITTEN_BY}", *variables.signers))
    settings = {
        "repository": variables.repository,
        "branch": variables.branch,
        "signed": bool(variables.signers),
        "first_commit": variables.first_commit,
        "directory": variables.directory,
        "inventory": inventory,
        "options": list(variables.options),
        "ansible_playbook": variables.ansible,
        "paths": paths,
    }
    started_programs = [] if variables.repository else [f"{variables.directory}/proscribe"]
    files_of_checkout = [] if variables.repository else [*started_programs, str(Path(variables.directory, inventory))]
    needed_paths = _list_absolute_paths([*files_of_checkout, variables.ansible])
    runs: ScheduledRuns = {
        "account": "root",
        "paths": paths,
        "needs": needed_paths,
        "starts": started_programs,
        "writes": [],
    }
    return {"files": files, "settings": settings, "runs": runs}


def _find_inventory_path(controller: ScheduleController, make_error: MakeError) -> str:
    """Return the path of this run's inventory in the checkout. Raises PolicyErrors if it is outside."""
    project_sources = [
        source for source in controller.inventory if Path(source).is_relative_to(controller.project_directory)
    ]
    if len(project_sources) != 1 or len(controller.inventory) != 1:
        expected = f"the inventory's path in the repository; that of this run is {', '.join(controller.inventory)}"
        raise make_error("schedule_inventory", expected)
    return str(Path(project_sources[0]).relative_to(controller.project_directory))


def render_program(package: ModuleType, name: str, first_line: str = "") -> str:
    """Return the source of a module in the form that a machine runs by itself."""
    source = (Path(str(package.__file__)).parent / f"{name}.py").read_text(encoding="utf-8")
    return f"{first_line}# {WRITTEN_BY}\n{source}"


def _move_path(source: str, project: str, checkout: str) -> str:
    """Return the path of an inventory in another checkout."""
    is_inside = Path(source).is_relative_to(project)
    return str(Path(checkout) / Path(source).relative_to(project)) if is_inside else source
