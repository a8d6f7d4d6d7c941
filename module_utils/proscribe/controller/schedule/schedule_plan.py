"""The files of a schedule, for the controller and for the hosts: systemd units, programs and settings. Pure."""

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
from . import schedule_units

NO_SIGNERS_WARNING = (
    "proscribe_schedule_signers is empty: whoever can push to proscribe_schedule_repository can have root on every host"
    " run what they like"
)


class ScheduleController(NamedTuple):
    """The controller on which the command that sets up the schedule runs."""

    project_directory: str  # the directory of the checkout
    account: str
    is_root: bool
    inventory: Sequence[str]  # inventory sources, as given to the command that sets up the schedule
    limit: str  # --limit of the run that sets up the schedule
    environment: Mapping[str, str]  # PROSCRIBE_* variables for scheduled runs


class SchedulePart(TypedDict):
    """The part of a schedule for the controller or for each host: texts of files by path, and settings."""

    files: dict[str, str]
    settings: NotRequired[Mapping[str, object]]  # settings for the program of host/programs/pulling
    runs: NotRequired[ScheduledRuns]


class SchedulePlan(TypedDict):
    """A whole schedule. `drift` is the part of the controller, and `pull` is the part of each host."""

    method: str  # value of proscribe_schedule
    controller: str  # inventory name of the controller; `localhost` for this machine
    become: bool  # whether the controller's files need another account's rights (sudo) to be installed
    warnings: list[str]
    drift: SchedulePart
    pull: SchedulePart


class _ScheduleVariables(NamedTuple):
    """The settings of the schedule, named without their prefix. All hosts of a run must have the same values."""

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
    def times(self) -> schedule_units.ScheduleTimes:
        return schedule_units.ScheduleTimes(self.calendar, self.spread, self.timeout)


FIRST_LINE = f"#!{PYTHON_PATH} -IB\n"  # first line of a program that a systemd unit starts

# A function that makes an error about a variable of the schedule, from the name without prefix and the expected text.
MakeError = Callable[[str, str], PolicyErrors]


def plan_schedule(
    hosts: Sequence[HostVariables],
    restrictions: Mapping[str, Restrictions],
    controller: ScheduleController,
    other_controller: str,
    changes_controller: bool,
) -> SchedulePlan:
    """Return the schedule: the files for the controller and for the hosts.

    `other_controller` is the inventory name of the controller if it is another machine; "" for this machine.
    `changes_controller` is True if a host is reached without a connection: then runs change the controller itself.
    Raises PolicyErrors if the hosts have different values, or if a setting that the schedule method needs is missing.
    """
    variable_names = (
        name if name in ("schedule", "notify") else f"schedule_{name}" for name in _ScheduleVariables._fields
    )
    variables = _ScheduleVariables(*(get_common_setting(name, hosts, restrictions) for name in variable_names))
    first_host = hosts[0] if hosts else None

    def make_variable_error(variable: str, expected: str, found_value: object = "") -> PolicyErrors:
        """Return the error about a variable, named without its prefix, at the place where the first host sets it."""
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
    """Describe the controller's scheduled runs: account, checked paths, needed files, written directories.

    If another machine is the controller, paths within the project are moved to the checkout there.
    """
    checkout = variables.directory if other_controller else controller.project_directory
    ansible_paths = [] if other_controller else [controller.environment.get("PROSCRIBE_ANSIBLE_PLAYBOOK", "")]
    needed_paths = [*ansible_paths, *controller.inventory, *_list_option_files(variables.options)]
    named_paths = [*ansible_paths, *controller.inventory, *policy_files, *_list_option_files(variables.options)]
    paths = [
        checkout,
        *(_move_path(path, controller.project_directory, checkout) for path in named_paths if path.startswith("/")),
    ]
    reports = "" if other_controller else controller.environment.get(ENVIRONMENT_VARIABLE, "")
    # A refresh of the catalogue makes a branch in the git repository of the inventory, so it writes there.
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
    """Return the absolute paths, each once.

    Other texts are left out: a list of hosts (`web01,`) or a command's name.
    """
    return list(dict.fromkeys(path for path in paths if path.startswith("/")))


def _list_policy_files(host: HostVariables, restrictions: Restrictions, project: str) -> Iterator[str]:
    """Yield the paths that a host's settings may mean: catalogues, waivers, approver lists and their signers.

    A relative path may begin at the project or at the inventory, so both are listed.
    """
    for base_directory in (project, host.folder):
        yield from (str(Path(base_directory, name)) for name in restrictions.catalog_dirs)
        if restrictions.waivers_dir:
            folder = Path(base_directory, restrictions.waivers_dir)
            yield from map(str, (folder, folder.parent / APPROVERS_FILE, folder.parent / SIGNERS_OF_WAIVERS))


def _list_option_files(options: Sequence[str]) -> list[str]:
    """Return the files that command-line options name.

    Forms: `-e @FILE`, `--vault-id ID@FILE`, `--vault-password-file FILE`.
    """
    words = [word.partition("=")[2] if re.match(r"--[a-z-]+=", word) else word for word in options]
    return [match[1] for word in words if (match := re.fullmatch(r"(?:[\w.-]*@)?(/.+)", word))]


def _render_drift_files(
    variables: _ScheduleVariables, controller: ScheduleController, other_controller: str, changes_controller: bool
) -> dict[str, str]:
    """Return the texts of the controller's files, by path.

    These are systemd units, and the guard: a program that the units start first. The guard refuses a run if other
    accounts can change the files of the run. The units' hardening depends on the
    account, and on whether runs change the controller or send mail.
    """
    launcher_command = "collect" if variables.schedule == "pull" else "drift"
    checkout = variables.directory if other_controller else controller.project_directory
    account = variables.account or controller.account
    options = [
        part
        for source in controller.inventory
        for part in ("-i", _move_path(source, controller.project_directory, checkout))
    ]
    # With pull, --limit selects only the hosts to set up now. Scheduled runs collect the results of all hosts.
    options += ["--limit", controller.limit] if controller.limit and variables.schedule != "pull" else []
    options += variables.options
    environment = {} if other_controller else controller.environment
    launcher = f"{checkout}/proscribe"
    root_hardening = schedule_units.ROOT_HARDENING if account == "root" else ""
    hardening = (
        root_hardening
        if changes_controller
        else root_hardening + schedule_units.MAIL_HARDENING
        if is_setgid_needed(variables.notify)
        else schedule_units.STRICT_HARDENING
    )
    run_command = schedule_units.format_exec_start([launcher, "scheduled", launcher_command, "--", *options])
    failure_command = schedule_units.format_exec_start([launcher, "scheduled", "failed", "--", *options])
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
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}.service": schedule_units.format_drift_service(
            checkout, account, run_command, environment, variables.times, hardening
        ),
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}-failed.service": schedule_units.format_failed_service(
            checkout, account, failure_command, environment, hardening
        ),
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}.timer": schedule_units.format_timer(
            description, variables.times, is_fixed=False
        ),
    }


def _render_catalogue_files(
    variables: _ScheduleVariables, command: Sequence[str], checkout: str, account: str, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the units that refresh the catalogue, by path; {} if `proscribe_schedule_refresh` is not set.

    These units contact no host.
    """
    if not variables.refresh:
        return {}
    hardening = (schedule_units.ROOT_HARDENING if account == "root" else "") + (
        schedule_units.MAIL_HARDENING if is_setgid_needed(variables.notify) else schedule_units.STRICT_HARDENING
    )
    run_command = schedule_units.format_exec_start(command)
    description = "proposing what publishers' lists change in the catalogue"
    return {
        f"{UNIT_DIRECTORY}/{CATALOGUE_UNIT}.service": schedule_units.format_catalogue_service(
            checkout, account, run_command, environment, hardening
        ),
        f"{UNIT_DIRECTORY}/{CATALOGUE_UNIT}.timer": schedule_units.format_timer(
            description, variables.times._replace(calendar=variables.refresh), is_fixed=False
        ),
    }


def _plan_pull(variables: _ScheduleVariables, controller: ScheduleController, make_error: MakeError) -> SchedulePart:
    """Return the part of the schedule for each host, which fetches and applies the policy itself.

    Raises PolicyErrors if neither a repository nor a checkout on the hosts is set.
    """
    if not variables.repository and not variables.directory:
        expected = "where hosts fetch from; or proscribe_schedule_directory, a checkout that every host was given"
        raise make_error("schedule_repository", expected)
    inventory = variables.inventory or _find_inventory_path(controller, make_error)
    host_paths = [variables.ansible]
    if not variables.repository:
        host_paths += [variables.directory, inventory]
    elif not variables.signers:  # without signatures, whoever can change a local repository decides what hosts run
        host_paths.append(variables.repository.removeprefix("file://"))
    paths = [path for path in host_paths if path.startswith("/")]
    files = {
        ABOUT_PATH: ABOUT_TEXT,
        PULL_PROGRAM_PATH: render_program(pulling, "pull", FIRST_LINE),
        COMMITS_PATH: render_program(pulling, "commits"),
        **{path: render_program(base, name) for name, path in PULL_BASE_FILES.items()},
        f"{UNIT_DIRECTORY}/{PULL_UNIT}.service": schedule_units.format_pull_service(variables.times),
        f"{UNIT_DIRECTORY}/{PULL_UNIT}.timer": schedule_units.format_timer(
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
    """Return the path of this run's inventory relative to the project.

    Raises PolicyErrors if the inventory is outside the project, or has several sources.
    """
    project_sources = [
        source for source in controller.inventory if Path(source).is_relative_to(controller.project_directory)
    ]
    if len(project_sources) != 1 or len(controller.inventory) != 1:
        expected = f"the inventory's path in the repository; that of this run is {', '.join(controller.inventory)}"
        raise make_error("schedule_inventory", expected)
    return str(Path(project_sources[0]).relative_to(controller.project_directory))


def render_program(package: ModuleType, name: str, first_line: str = "") -> str:
    """Return the source text of a module, as a file that another machine can run or import alone."""
    source = (Path(str(package.__file__)).parent / f"{name}.py").read_text(encoding="utf-8")
    return f"{first_line}# {WRITTEN_BY}\n{source}"


def _move_path(source: str, project: str, checkout: str) -> str:
    """Return the path in `checkout` for a path in `project`. A path outside `project` is returned unchanged."""
    is_inside = Path(source).is_relative_to(project)
    return str(Path(checkout) / Path(source).relative_to(project)) if is_inside else source
