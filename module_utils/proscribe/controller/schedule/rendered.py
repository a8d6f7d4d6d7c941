"""What a schedule comes to: the files of the controller, and those of the hosts. Controller side, pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...host.programs import pulling
from ...host.schedule.timers import ABOUT, ABOUT_TEXT, COMMITS, DRIFT, PROGRAM, PULL, SIGNERS, UNITS
from ...host.system import WRITTEN_BY
from ...wire import installation
from ..compile.inventory.inventory import HostVariables
from ..compile.inventory.reporting import one_for_all
from ..compile.inventory.reports_place import ENVIRONMENT
from ..compile.restrictions import PREFIX, Restrictions
from ..compile.restrictions.channels import needs_setgid
from ..compile.waivers import REGISTER
from ..compile.waivers import SIGNERS as SIGNERS_OF_WAIVERS
from ..policy_errors import PolicyError, PolicyErrors
from . import units

# These have one value for all hosts of a run: what is set up is one schedule.
AGREED = (
    "schedule",
    "schedule_calendar",
    "schedule_spread",
    "schedule_timeout",
    "schedule_options",
    "schedule_account",
    "schedule_directory",
    "schedule_repository",
    "schedule_branch",
    "schedule_signers",
    "schedule_first_commit",
    "schedule_inventory",
    "schedule_ansible",
    "notify",
)


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
    limit: str
    environment: Mapping[str, str]  # PROSCRIBE_* that scheduled runs need too


def plan(
    hosts: Sequence[HostVariables], restrictions: Mapping[str, Restrictions], here: Here, elsewhere: str, local: bool
) -> dict[str, Any]:
    """{way, controller, become, warnings, drift {files, runs}, pull {files, settings, runs}}: the files of the
    controller and of the hosts; `runs` is what runs are made of, which nobody else may change: {account, paths}, and
    of these what they start, `starts`, and where they write, `writes`.
    `elsewhere` is the inventory name of another controller ("": this machine), `local` whether some host is reached
    without a connection, so that runs change the controller itself.

    Raises PolicyErrors where hosts disagree, or something that a method needs is not set.
    """
    said = {name.removeprefix("schedule_"): one_for_all(name, hosts, restrictions) for name in AGREED}
    method = said["schedule"]
    first = hosts[0] if hosts else None

    def refuse(name: str, expected: str, value: object = "") -> PolicyErrors:
        variable = f"{PREFIX}schedule_{name}"
        return PolicyErrors([PolicyError(first.where(variable) if first else "", variable, value, expected)])

    answer: dict[str, Any] = {
        "way": method,
        "controller": elsewhere or "localhost",
        "become": not here.root or elsewhere != "",
    }
    answer |= {"warnings": [], "drift": {"files": {}}, "pull": {"files": {}, "settings": {}}}
    if method in ("off", "awx"):
        return answer
    if installation.COLLECTION:
        expected = "awx or off: the units start the launcher of a checkout, and a collection has none"
        where = first.where(f"{PREFIX}schedule") if first else ""
        raise PolicyErrors([PolicyError(where, f"{PREFIX}schedule", method, expected)])
    if elsewhere and not said["directory"]:
        raise refuse("directory", f"the path of the checkout on {elsewhere}, which is to run the schedule")
    if elsewhere and not said["account"]:
        raise refuse("account", f"the account on {elsewhere} that runs are started as")
    times = units.Times(said["calendar"], said["spread"], said["timeout"])
    answer["drift"]["files"] = _drift_files(
        said, here, elsewhere, times, "collect" if method == "pull" else "drift", local
    )
    policy = {path for host in hosts for path in _policy_files(host, restrictions[host.name], here.project)}
    answer["drift"]["runs"] = _drift_runs(said, here, elsewhere, sorted(policy))
    if method == "pull":
        answer["pull"] = _pull(said, here, times, refuse)
        answer["warnings"] = [NOBODY_SIGNS] if said["repository"] and not said["signers"] else []
    return answer


def _drift_runs(said: Mapping[str, Any], here: Here, elsewhere: str, policy: Sequence[str]) -> dict[str, Any]:
    checkout = said["directory"] if elsewhere else here.project
    named = [] if elsewhere else [here.environment.get("PROSCRIBE_ANSIBLE_PLAYBOOK", "")]
    named += [*here.inventory, *policy, *_files_in(said["options"])]
    paths = [checkout, *(_moved(path, here.project, checkout) for path in named if path.startswith("/"))]
    reports = "" if elsewhere else here.environment.get(ENVIRONMENT, "")
    return {
        "account": said["account"] or here.account,
        "paths": list(dict.fromkeys(paths)),
        "starts": [f"{checkout}/proscribe"],
        "writes": [reports] if reports else [],
    }


def _policy_files(host: HostVariables, restrictions: Restrictions, project: str) -> Iterator[str]:
    """What a host's variables name, wherever it may be: catalogues, waivers, and who approves these."""
    for base in (project, host.folder):
        yield from (str(Path(base, name)) for name in restrictions.catalog_dirs)
        if restrictions.waivers_dir:
            folder = Path(base, restrictions.waivers_dir)
            yield from map(str, (folder, folder.parent / REGISTER, folder.parent / SIGNERS_OF_WAIVERS))


def _files_in(options: Sequence[str]) -> list[str]:
    """The files that options name: `-e @FILE`, `--vault-id ID@FILE`, `--vault-password-file FILE`."""
    words = [word.partition("=")[2] if re.match(r"--[a-z-]+=", word) else word for word in options]
    return [match[1] for word in words if (match := re.fullmatch(r"(?:[\w.-]*@)?(/.+)", word))]


def _drift_files(
    said: Mapping[str, Any], here: Here, elsewhere: str, times: units.Times, word: str, local: bool
) -> dict[str, str]:
    checkout = said["directory"] if elsewhere else here.project
    account = said["account"] or here.account
    options = [part for source in here.inventory for part in ("-i", _moved(source, here.project, checkout))]
    options += ["--limit", here.limit] if here.limit else []
    options += said["options"]
    environment = {} if elsewhere else here.environment
    launcher = f"{checkout}/proscribe"
    of_root = units.NEVER if account == "root" else ""
    hardening = of_root if local else of_root + units.SHUT_IN if needs_setgid(said["notify"]) else units.LOCKED_IN
    run = units.exec_start([launcher, "scheduled", word, "--", *options])
    failed = units.exec_start([launcher, "scheduled", "failed", "--", *options])
    what = "collecting what the hosts found" if word == "collect" else "correcting what has drifted on the hosts"
    return {
        f"{UNITS}/{DRIFT}.service": units.drift_service(checkout, account, run, environment, times, hardening),
        f"{UNITS}/{DRIFT}-failed.service": units.failed_service(checkout, account, failed, environment, hardening),
        f"{UNITS}/{DRIFT}.timer": units.timer(what, times, fixed=False),
    }


def _pull(said: Mapping[str, Any], here: Here, times: units.Times, refuse: Any) -> dict[str, Any]:
    if not said["repository"] and not said["directory"]:
        expected = "where hosts fetch from; or proscribe_schedule_directory, a checkout that every host was given"
        raise refuse("repository", expected)
    inventory = said["inventory"]
    if not inventory:
        inside = [source for source in here.inventory if Path(source).is_relative_to(here.project)]
        if len(inside) != 1 or len(here.inventory) != 1:
            expected = f"the inventory's path in the repository; that of this run is {', '.join(here.inventory)}"
            raise refuse("inventory", expected)
        inventory = str(Path(inside[0]).relative_to(here.project))
    files = {
        ABOUT: ABOUT_TEXT,
        PROGRAM: program("pull", "#!/usr/bin/python3 -IB\n"),
        COMMITS: program("commits"),
        f"{UNITS}/{PULL}.service": units.pull_service(times),
        f"{UNITS}/{PULL}.timer": units.timer("correcting what has drifted on this host", times, fixed=True),
    }
    if said["signers"]:
        files[SIGNERS] = "".join(f"{line}\n" for line in (f"# {WRITTEN_BY}", *said["signers"]))
    settings = {
        "repository": said["repository"],
        "branch": said["branch"],
        "signed": bool(said["signers"]),
        "first_commit": said["first_commit"],
        "directory": said["directory"],
        "inventory": inventory,
        "options": list(said["options"]),
        "ansible_playbook": said["ansible"],
    }
    own = [said["ansible"]]
    if not said["repository"]:
        own += [said["directory"], inventory]
    elif not said["signers"]:
        own.append(said["repository"].removeprefix("file://"))
    paths = [path for path in own if path.startswith("/")]
    starts = [] if said["repository"] else [f"{said['directory']}/proscribe"]
    runs = {"account": "root", "paths": paths, "starts": starts, "writes": []}
    return {"files": files, "settings": settings, "runs": runs}


def program(name: str, first: str = "") -> str:
    """A part of the program that a host runs by itself, as it is there."""
    source = (Path(pulling.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return f"{first}# {WRITTEN_BY}\n{source}"


def _moved(source: str, project: str, checkout: str) -> str:
    """An inventory's path as it is in another checkout."""
    inside = Path(source).is_relative_to(project)
    return str(Path(checkout) / Path(source).relative_to(project)) if inside else source
