"""What a schedule comes to: the files of the controller, and those of the hosts. Controller side, pure."""

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
from ..compile.inventory.inventory import HostVariables
from ..compile.inventory.policy_folders import APPROVERS_FILE
from ..compile.inventory.policy_folders import SIGNERS_FILE as SIGNERS_OF_WAIVERS
from ..compile.inventory.reporting import get_common_setting
from ..compile.inventory.reports_place import ENVIRONMENT_VARIABLE
from ..compile.restrictions import PREFIX, Restrictions
from ..compile.restrictions.channels import is_setgid_needed
from ..policy_errors import PolicyError, PolicyErrors
from . import units

NOBODY_SIGNS = (
    "proscribe_schedule_signers is empty: whoever can push to proscribe_schedule_repository can have root on every host"
    " run what they like"
)


class Here(NamedTuple):
    """The controller that sets the schedule up."""

    project: str  # the checkout
    account: str
    root: bool
    inventory: Sequence[str]  # as given to the run
    limit: str  # of the run that sets the schedule up
    environment: Mapping[str, str]  # PROSCRIBE_* that scheduled runs need too


class Part(TypedDict):
    """What the controller has, or each host."""

    files: dict[str, str]
    settings: NotRequired[Mapping[str, object]]  # of host/programs/pulling
    runs: NotRequired[ScheduledRuns]


class Planned(TypedDict):
    """What a schedule puts on which machine."""

    method: str
    controller: str
    become: bool
    warnings: list[str]
    drift: Part
    pull: Part


class _Said(NamedTuple):
    """What all hosts of a run say of their schedule, by the variables without their prefix: it is one schedule."""

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
    def times(self) -> units.Times:
        return units.Times(self.calendar, self.spread, self.timeout)


FIRST_LINE = f"#!{PYTHON_PATH} -IB\n"  # of a program that a machine runs by itself

# A mistake of a variable of the schedule: its name, what was expected, and what is there.
Refuse = Callable[[str, str], PolicyErrors]


def plan(
    hosts: Sequence[HostVariables], restrictions: Mapping[str, Restrictions], here: Here, elsewhere: str, local: bool
) -> Planned:
    """The files of the controller and of the hosts. `elsewhere` is the inventory name of another controller ("": this
    machine). `local` says whether some host is reached without a connection, so that runs change the controller itself.

    Raises PolicyErrors where hosts disagree, or something that a method needs is not set.
    """
    names = (name if name in ("schedule", "notify") else f"schedule_{name}" for name in _Said._fields)
    said = _Said(*(get_common_setting(name, hosts, restrictions) for name in names))
    first = hosts[0] if hosts else None

    def refuse(variable: str, expected: str, value: object = "") -> PolicyErrors:
        name = PREFIX + variable
        return PolicyErrors([PolicyError(first.locate_variable(name) if first else "", name, value, expected)])

    planned: Planned = {
        "method": said.schedule,
        "controller": elsewhere or "localhost",
        "become": not here.root or elsewhere != "",
        "warnings": [],
        "drift": {"files": {}},
        "pull": {"files": {}, "settings": {}},
    }
    if said.schedule in ("off", "awx"):
        return planned
    if installation.COLLECTION:
        expected = "awx or off: the units start the launcher of a checkout, and a collection has none"
        raise refuse("schedule", expected, said.schedule)
    if elsewhere and not said.directory:
        raise refuse("schedule_directory", f"the path of the checkout on {elsewhere}, which is to run the schedule")
    if elsewhere and not said.account:
        raise refuse("schedule_account", f"the account on {elsewhere} that runs are started as")
    policy = {path for host in hosts for path in _policy_files(host, restrictions[host.name], here.project)}
    planned["drift"] = {
        "files": _drift_files(said, here, elsewhere, local),
        "runs": _drift_runs(said, here, elsewhere, sorted(policy)),
    }
    if said.schedule == "pull":
        planned["pull"] = _pull(said, here, refuse)
        planned["warnings"] = [NOBODY_SIGNS] if said.repository and not said.signers else []
    return planned


def _drift_runs(said: _Said, here: Here, elsewhere: str, policy: Sequence[str]) -> ScheduledRuns:
    checkout = said.directory if elsewhere else here.project
    ansible = [] if elsewhere else [here.environment.get("PROSCRIBE_ANSIBLE_PLAYBOOK", "")]
    needed = [*ansible, *here.inventory, *_files_in(said.options)]
    named = [*ansible, *here.inventory, *policy, *_files_in(said.options)]
    paths = [checkout, *(_moved(path, here.project, checkout) for path in named if path.startswith("/"))]
    reports = "" if elsewhere else here.environment.get(ENVIRONMENT_VARIABLE, "")
    # A refresh makes a branch in the repository that the inventory is in.
    sources = [Path(_moved(source, here.project, checkout)) for source in here.inventory[:1] if said.refresh]
    repository = [str(one.parent if one.suffix else one) for one in sources]
    return {
        "account": said.account or here.account,
        "paths": list(dict.fromkeys(paths)),
        "needs": _required([f"{checkout}/proscribe", *(_moved(path, here.project, checkout) for path in needed)]),
        "starts": [f"{checkout}/proscribe"],
        "writes": [*([reports] if reports else []), *repository],
    }


def _required(paths: Iterable[str]) -> list[str]:
    """Return the absolute paths, each one once. A list of hosts (`web01,`) and a command's name are no paths."""
    return list(dict.fromkeys(path for path in paths if path.startswith("/")))


def _policy_files(host: HostVariables, restrictions: Restrictions, project: str) -> Iterator[str]:
    """What a host's variables name, wherever it may be: catalogues, waivers, and who approves these."""
    for above in (project, host.folder):
        yield from (str(Path(above, name)) for name in restrictions.catalog_dirs)
        if restrictions.waivers_dir:
            folder = Path(above, restrictions.waivers_dir)
            yield from map(str, (folder, folder.parent / APPROVERS_FILE, folder.parent / SIGNERS_OF_WAIVERS))


def _files_in(options: Sequence[str]) -> list[str]:
    """The files that options name: `-e @FILE`, `--vault-id ID@FILE`, `--vault-password-file FILE`."""
    words = [word.partition("=")[2] if re.match(r"--[a-z-]+=", word) else word for word in options]
    return [match[1] for word in words if (match := re.fullmatch(r"(?:[\w.-]*@)?(/.+)", word))]


def _drift_files(said: _Said, here: Here, elsewhere: str, local: bool) -> dict[str, str]:
    word = "collect" if said.schedule == "pull" else "drift"
    checkout = said.directory if elsewhere else here.project
    account = said.account or here.account
    options = [part for source in here.inventory for part in ("-i", _moved(source, here.project, checkout))]
    # Hosts that run by themselves are all collected. A limit selects those that are set up now.
    options += ["--limit", here.limit] if here.limit and said.schedule != "pull" else []
    options += said.options
    environment = {} if elsewhere else here.environment
    launcher = f"{checkout}/proscribe"
    of_root = units.NEVER if account == "root" else ""
    hardening = of_root if local else of_root + units.SHUT_IN if is_setgid_needed(said.notify) else units.LOCKED_IN
    run = units.exec_start([launcher, "scheduled", word, "--", *options])
    failed = units.exec_start([launcher, "scheduled", "failed", "--", *options])
    what = "collecting what the hosts found" if word == "collect" else "correcting what has drifted on the hosts"
    return {
        **_catalogue_files(said, [launcher, "scheduled", "catalog", "--", *options], checkout, account, environment),
        GUARD_PATH: program(guarding, "guard", FIRST_LINE),
        **{path: program(base, name) for name, path in GUARD_BASE_FILES.items()},
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}.service": units.drift_service(
            checkout, account, run, environment, said.times, hardening
        ),
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}-failed.service": units.failed_service(
            checkout, account, failed, environment, hardening
        ),
        f"{UNIT_DIRECTORY}/{DRIFT_UNIT}.timer": units.timer(what, said.times, fixed=False),
    }


def _catalogue_files(
    said: _Said, command: Sequence[str], checkout: str, account: str, environment: Mapping[str, str]
) -> dict[str, str]:
    """The units that refresh the catalogue; none where nothing says when. They reach no host."""
    if not said.refresh:
        return {}
    hardening = (units.NEVER if account == "root" else "") + (
        units.SHUT_IN if is_setgid_needed(said.notify) else units.LOCKED_IN
    )
    run = units.exec_start(command)
    what = "proposing what publishers' lists change in the catalogue"
    return {
        f"{UNIT_DIRECTORY}/{CATALOGUE_UNIT}.service": units.catalogue_service(
            checkout, account, run, environment, hardening
        ),
        f"{UNIT_DIRECTORY}/{CATALOGUE_UNIT}.timer": units.timer(
            what, said.times._replace(calendar=said.refresh), fixed=False
        ),
    }


def _pull(said: _Said, here: Here, refuse: Refuse) -> Part:
    if not said.repository and not said.directory:
        expected = "where hosts fetch from; or proscribe_schedule_directory, a checkout that every host was given"
        raise refuse("schedule_repository", expected)
    inventory = said.inventory or _inside(here, refuse)
    own = [said.ansible]
    if not said.repository:
        own += [said.directory, inventory]
    elif not said.signers:
        own.append(said.repository.removeprefix("file://"))
    paths = [path for path in own if path.startswith("/")]
    files = {
        ABOUT_PATH: ABOUT_TEXT,
        PULL_PROGRAM_PATH: program(pulling, "pull", FIRST_LINE),
        COMMITS_PATH: program(pulling, "commits"),
        **{path: program(base, name) for name, path in PULL_BASE_FILES.items()},
        f"{UNIT_DIRECTORY}/{PULL_UNIT}.service": units.pull_service(said.times),
        f"{UNIT_DIRECTORY}/{PULL_UNIT}.timer": units.timer(
            "correcting what has drifted on this host", said.times, fixed=True
        ),
    }
    if said.signers:
        files[SIGNERS_PATH] = "".join(f"{line}\n" for line in (f"# {WRITTEN_BY}", *said.signers))
    settings = {
        "repository": said.repository,
        "branch": said.branch,
        "signed": bool(said.signers),
        "first_commit": said.first_commit,
        "directory": said.directory,
        "inventory": inventory,
        "options": list(said.options),
        "ansible_playbook": said.ansible,
        "paths": paths,
    }
    starts = [] if said.repository else [f"{said.directory}/proscribe"]
    files_of_checkout = [] if said.repository else [*starts, str(Path(said.directory, inventory))]
    needs = _required([*files_of_checkout, said.ansible])
    runs: ScheduledRuns = {"account": "root", "paths": paths, "needs": needs, "starts": starts, "writes": []}
    return {"files": files, "settings": settings, "runs": runs}


def _inside(here: Here, refuse: Refuse) -> str:
    """The path of this run's inventory in the checkout."""
    inside = [source for source in here.inventory if Path(source).is_relative_to(here.project)]
    if len(inside) != 1 or len(here.inventory) != 1:
        expected = f"the inventory's path in the repository; that of this run is {', '.join(here.inventory)}"
        raise refuse("schedule_inventory", expected)
    return str(Path(inside[0]).relative_to(here.project))


def program(package: ModuleType, name: str, first: str = "") -> str:
    """Return a module of a package as it is on the machine that runs it by itself."""
    source = (Path(str(package.__file__)).parent / f"{name}.py").read_text(encoding="utf-8")
    return f"{first}# {WRITTEN_BY}\n{source}"


def _moved(source: str, project: str, checkout: str) -> str:
    """An inventory's path as it is in another checkout."""
    inside = Path(source).is_relative_to(project)
    return str(Path(checkout) / Path(source).relative_to(project)) if inside else source
