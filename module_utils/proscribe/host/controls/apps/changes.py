"""What `apps` changes: notifies users, ends programs, removes packages, moves portable apps, sets blocks."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Callable, Collection, Iterator, Mapping, Sequence

from ....base.moments import format_timestamp
from ...system import ControlError, Host, ObservationError, Process, TerminationTarget, escape_text
from ...system.forked import DEFAULT_LIMITS, WorkLimits, run_apart
from ..base import Action, Changes, Refusal
from ..users_tools import SPENT
from . import install_block, protected, user_notice
from . import removed as memory
from .blocks.parts import BlockPart
from .blocks.tries import TRIED
from .execution import fapolicyd_changes
from .observed import Identity, Observed, Running, observe_apps
from .portable import evidence
from .portable.names import Names
from .portable.scan import PortableApp
from .portable.scan_cache import keep, traces
from .quarantine import capacity, completing, restoring
from .quarantine import moving as quarantine
from .requests import command
from .requests.answers import ANSWERS, NOTIFIED
from .systems import dpkg_removal, pacman_removal
from .systems.package import Block, Package
from .systems.registry import SYSTEMS

if TYPE_CHECKING:
    from ....model.types.plan import Plan

CHECKING_SECONDS = 60.0  # for all that is checked of one user's portable apps before they move
READ = WorkLimits(seconds=5)  # for what one process runs
SYSTEM_MANAGERS = ("dpkg", "rpm", "pacman")  # whose packages make up the system itself


def enforce(host: Host, plan: Plan) -> Changes:
    """See the package. The install block comes last: until then, nothing has to pass it."""
    section = plan["controls"]["apps"]
    settings = section["settings"]
    observed = observe_apps(host, section)
    ended, spared = _ends(host, observed, settings.get("grace", 5))
    removed, left, gone = _removals(host, observed)
    seconds = settings.get("quarantine_keep", 0)
    moved, stays = _portable_apps(host, observed, seconds)
    going = [*ended, *removed, *moved]
    blocking = [
        *_block(host, plan, observed, gone),
        *_set(host, [(part, command.required(plan)) for part in command.parts(plan)]),
        *fapolicyd_changes.enforce(host, section, observed.desired),
    ]
    until, requests = capacity.until(seconds), bool(command.digest(plan))
    notified = user_notice.notifying(host, settings.get("user_notice", ""), going, until, requests)
    actions = [*notified, *completing.unfinished(host), *capacity.pruning(host, seconds), *going, *blocking]
    return Changes(
        actions,
        [*spared, *left, *stays, *completing.unread(host)],
        independent=True,
        beforehand=_noting(host, removed),
        afterwards=partial(keep, host, observed.memory),
    )


def _noting(host: Host, removing: Sequence[Action]) -> Callable[[], None] | None:
    """What has a host remember the packages that go."""
    at = format_timestamp(time.time())
    taken = [one._replace(at=at) for action in removing for one in action.takes]
    return partial(memory.note, host, taken) if taken else None


def lift(host: Host) -> Changes:
    """Every part of every install block, in reverse: the caller of a script goes before the script. Then everything
    in the quarantine is restored.
    """
    parts = [part for system in SYSTEMS for part in system.block_parts(Block())]
    parts += command.parts(None)
    blocking = [*fapolicyd_changes.lift(host), *(_down(host, part) for part in reversed(parts) if part.in_place(host))]
    back = restoring.given_back(host)
    stays = memory.still_removed(host, SYSTEMS)
    files = (TRIED, ANSWERS, NOTIFIED, dpkg_removal.MARK, pacman_removal.MARK, memory.FILE, SPENT)
    marks = [path for path in files if host.has_traces(path)]
    forgotten = [Action("delete", path, partial(host.delete_file, path)) for path in [*traces(host), *marks]]
    return Changes([*blocking, *back.actions, *forgotten], back.refused, independent=True, removed=stays)


def _ends(host: Host, observed: Observed, grace: float) -> tuple[list[Action], list[Refusal]]:
    actions: list[Action] = []
    refused: list[Refusal] = []
    lineage = host.list_ancestor_pids()
    endings: dict[str, list[TerminationTarget]] = {}  # by user

    def restricted(running: Running, process: Process) -> bool:
        identity = _identify(observed, process)
        if identity is None or identity.doubt:
            return False
        now = running._replace(identity=identity, processes=[process])  # it may be another program by now
        return bool(observed.enforced_of(observed.placed(now)))

    for running in observed.running:
        services = observed.enforced_of(running)
        pids = [str(process.pid) for process in running.processes]
        subject = f"{running.identity.id} of {running.user} (pid {', '.join(pids)})"
        reason = running.identity.doubt
        if not reason and any(process.pid in lineage for process in running.processes):
            reason = "this run depends on it"
        if reason:
            refused += [Refusal(f"apps/{service}", subject, reason) for service in services]
        elif services:
            program = TerminationTarget(running.processes, partial(restricted, running))
            of_user = endings.setdefault(running.user, [])
            of_user.append(program)
            uid = host.find_process_uid(running.processes[0])
            apply = partial(
                host.end_program, program, of_user, partial(_list_again, host, of_user, uid, lineage), grace
            )
            user = "" if running.user == "root" else running.user
            rules = [f"apps/{service}" for service in services]
            actions.append(Action("end", subject, apply, running.processes[0].exe + "\n", user=user, rules=rules))
    return actions, refused


def _list_again(
    host: Host, programs: Sequence[TerminationTarget], uid: int, lineage: Collection[int]
) -> Iterator[tuple[Process, TerminationTarget]]:
    """List what runs of some programs of a user by now."""
    by_path = {process.exe: program for program in programs for process in program.processes}
    for process in host.list_processes()[0]:
        program = by_path.get(process.exe)
        if program and process.pid not in lineage and host.find_process_uid(process) == uid:
            yield process, program


def _identify(observed: Observed, process: Process) -> Identity | None:
    """Identify a process; apart, where something of it has to be read, which its user may have made to hang."""
    if not observed.identify.needs_content(process):
        return observed.identify(process)
    try:
        row = run_apart(lambda: observed.identify(process), READ)
    except (ObservationError, ControlError):
        return None
    return Identity(*row) if row else None


def _removals(host: Host, observed: Observed) -> tuple[list[Action], list[Refusal], dict[str, set[str]]]:
    """What removes packages, what is not removed, and by package system the packages that will be gone."""
    actions: list[Action] = []
    refused: list[Refusal] = []
    gone: dict[str, set[str]] = {}
    for system in SYSTEMS:
        services_of = {
            p: services
            for held_by, p in observed.packages
            if p.manager == system.MANAGER and (services := observed.enforced(held_by, p.finding()))
        }
        guards = [(p, why) for p in services_of if (why := _never(host, p))]
        doomed = [package for package in services_of if package not in dict(guards)]
        refused += [
            Refusal(f"apps/{service}", package.id, why) for package, why in guards for service in services_of[package]
        ]
        stays: set[str] = set()
        for user, rules, packages in _by_user(doomed, services_of):
            planned, left = system.removal(host, packages)
            actions += [action._replace(user=user, rules=rules, has_users_tool=bool(user)) for action in planned]
            refused += [
                Refusal(f"apps/{service}", package.id, reason)
                for package, reason in left
                for service in services_of[package]
            ]
            stays |= {package.id for package, _ in left}
        gone[system.MANAGER] = {package.id for package in doomed} - stays
    return actions, refused, gone


def _never(host: Host, package: Package) -> str:
    """Why a package is not removed, whatever its system says; "" if it may be."""
    if package.manager in SYSTEM_MANAGERS:
        why = protected.package(package.id)
        return f"never removed: {why}" if why else ""
    own = package.owner is not None and package.owner.uid != 0
    place = "" if own or not package.path else host.find_changeable_part(package.path)
    return f"users may write to {place}, and root runs nothing there" if place else ""


def _by_user(
    packages: Sequence[Package], services_of: Mapping[Package, Sequence[str]]
) -> Iterator[tuple[str, list[str], list[Package]]]:
    """The host's packages together, which their system removes in one go; those of users by user and by services."""
    groups: dict[tuple[str, tuple[str, ...]], list[Package]] = {}
    for package in packages:
        own = package.owner is not None and package.owner.uid != 0
        key = (package.owner.name, tuple(services_of[package])) if own and package.owner else ("", ())
        groups.setdefault(key, []).append(package)
    for (user, services), members in groups.items():
        yield user, [f"apps/{service}" for service in services], members


def _portable_apps(host: Host, observed: Observed, seconds: int) -> tuple[list[Action], list[Refusal]]:
    """What moves portable apps into the quarantine, each with all of it that is the program's own."""
    refused: list[Refusal] = []
    moving: dict[str, tuple[PortableApp, list[str]]] = {}  # one path may belong to several services
    for app in observed.portable_apps:
        services = observed.enforced(app.services, app.finding())
        if app.doubt:
            refused += [Refusal(f"apps/{service}", escape_text(app.path), app.doubt) for service in services]
        elif services:
            moving.setdefault(app.path, (app, []))[1].extend(services)
    names = Names(observed.desired.services) if moving else None
    actions = []
    seconds_left: dict[int, float] = {}
    for app, services in moving.values():
        reason, doubt = _certain(host, app, names, services[0], seconds_left)
        if reason:
            refused += [Refusal(f"apps/{service}", escape_text(app.path), reason) for service in services]
            continue
        taking = quarantine.Taking(app.path, services, app.kind, app.parts, doubt, seconds)
        user = app.owner.name if app.owner and app.owner.uid else ""
        actions.append(quarantine.take(host, taking)._replace(user=user, rules=[f"apps/{s}" for s in services]))
    return actions, refused


def _certain(
    host: Host, app: PortableApp, names: Names | None, service: str, seconds_left: dict[int, float]
) -> tuple[str, Callable[[Host, str, str], str] | None]:
    """Why something stays after all, "" if it goes; and what sees once it has moved whether it is what was seen.

    That reads what is its user's, so it is asked apart, in the seconds that are left for this user: the run has the
    host meanwhile.
    """
    uid = app.owner.uid if app.owner else app.uid
    left = seconds_left.setdefault(uid, CHECKING_SECONDS)
    if left <= 0:
        return f"what was checked before of its owner's took {CHECKING_SECONDS:g} s", None
    began = time.monotonic()

    def question() -> tuple[str, Mapping[str, int]]:
        known = evidence.listed(host, app.path) if app.kind == "tree" else {}
        paths = app.parts or [app.path]
        return quarantine.refusal(host, paths[0]) or capacity.lacking(host, paths), known

    try:
        reason, known = run_apart(question, DEFAULT_LIMITS._replace(seconds=min(left, DEFAULT_LIMITS.seconds)))
    except (ObservationError, ControlError) as error:
        return str(error), None
    finally:
        if uid > 0:  # the rest is the host's
            seconds_left[uid] -= time.monotonic() - began
    if not names or app.uid < 0:
        return reason, None
    own = evidence.own(names, service, app.uid, known, pictures=app.kind == "web_app")
    return reason, partial(evidence.unlike, kind=app.kind, names=names, service=service, of=own)


def _block(host: Host, plan: Plan, observed: Observed, gone: Mapping[str, set[str]]) -> list[Action]:
    parts: list[tuple[BlockPart, bool]] = []
    for manager, part, called_for in install_block.expected(host, plan, observed.desired):
        if hasattr(part, "without"):
            part = part.without(gone.get(manager, set()))
        parts.append((part, called_for))
    return _set(host, parts)


def _set(host: Host, parts: Sequence[tuple[BlockPart, bool]]) -> list[Action]:
    """What puts up the parts that are called for, and takes down the others, in reverse and before that."""
    up: list[Action] = []
    down: list[Action] = []
    for part, called_for in parts:
        if not part.wrong(host, called_for):
            continue
        if called_for:
            up.append(Action("write", part.path, partial(part.enforce, host), part.text(host), part.desired(host)))
        else:
            down.insert(0, _down(host, part))
    return [*down, *up]


def _down(host: Host, part: BlockPart) -> Action:
    return Action("delete", part.path, partial(part.lift, host), part.text(host), part.left(host))
