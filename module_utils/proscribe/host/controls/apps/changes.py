"""Changes of the control `apps`: notify users, end programs, remove packages, move portable apps, install blocks."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Callable, Collection, Iterator, Mapping, Sequence

from ....base.timestamps import format_timestamp
from ...system import ControlError, Host, ObservationError, Process, TerminationTarget, escape_text
from ...system.forked_work import DEFAULT_LIMITS, WorkLimits, run_apart
from ..base import ChangeRefusal, Changes, ControlAction
from ..user_tools import SPENDING_PATH
from . import install_block, protection, user_notice
from . import removed_packages as memory
from .apps_observation import AppsObservation, ProgramIdentity, RunningProgram, observe_apps
from .blocks.parts import BlockPart
from .blocks.trial_cache import TRIED_PATH
from .execution import fapolicyd_changes
from .portable import evidence
from .portable.app_names import AppNames
from .portable.scan import PortableApp
from .portable.scan_cache import list_memory_files, save_scan_memory
from .quarantine import capacity, move_completion, restoration
from .quarantine import move_in as quarantine
from .requests import command
from .requests.answers import ANSWERS_PATH, NOTIFIED_PATH
from .systems import dpkg_removal, pacman_removal
from .systems.package import InstallBlock, Package
from .systems.package_systems import SYSTEMS

if TYPE_CHECKING:
    from ....model.types.plan import Plan

CHECKING_SECONDS = 60.0  # time to check all portable apps of one user, before they are moved into the quarantine
READ_LIMITS = WorkLimits(seconds=5)  # limits of the forked process that reads the files of one running program
SYSTEM_MANAGERS = ("dpkg", "rpm", "pacman")  # their packages make up the system itself


def enforce(host: Host, plan: Plan) -> Changes:
    """Return the changes that enforce the plan: notify users, end programs, remove packages, move portable apps.

    The parts of the install blocks come last, so that a block cannot refuse an earlier action, such as a removal.
    """
    section = plan["controls"]["apps"]
    settings = section["settings"]
    observation = observe_apps(host, section)
    end_actions, end_refusals = _make_end_actions(host, observation, settings.get("grace", 5))
    removals, removal_refusals, removed_ids = _make_removal_actions(host, observation)
    keep_seconds = settings.get("quarantine_keep", 0)
    moves, move_refusals = _make_move_actions(host, observation, keep_seconds)
    user_visible_actions = [*end_actions, *removals, *moves]
    block_actions = [
        *_make_block_actions(host, plan, observation, removed_ids),
        *_make_part_actions(
            host, [(part, command.is_command_required(plan)) for part in command.list_command_parts(plan)]
        ),
        *fapolicyd_changes.enforce(host, section, observation.desired),
    ]
    kept_until, has_requests = capacity.format_end_of_keeping(keep_seconds), bool(command.find_command_digest(plan))
    notify_actions = user_notice.make_notify_actions(
        host, settings.get("user_notice", ""), user_visible_actions, kept_until, has_requests
    )
    actions = [
        *notify_actions,
        *move_completion.make_complete_actions(host),
        *capacity.make_prune_actions(host, keep_seconds),
        *user_visible_actions,
        *block_actions,
    ]
    return Changes(
        actions,
        [*end_refusals, *removal_refusals, *move_refusals, *move_completion.make_broken_refusals(host)],
        is_independent=True,
        save_before=_make_removal_note(host, removals),
        save_after=partial(save_scan_memory, host, observation.scan_memory),
    )


def _make_removal_note(host: Host, removals: Sequence[ControlAction]) -> Callable[[], None] | None:
    """Return the function that records the packages to remove, or None if no package is removed.

    The function runs before the removals. The report of a later lift (removal of all that Proscribe did) lists the
    recorded packages.
    """
    now = format_timestamp(time.time())
    removed_packages = [package._replace(at=now) for action in removals for package in action.removed_packages]
    return partial(memory.note_removed_packages, host, removed_packages) if removed_packages else None


def lift(host: Host) -> Changes:
    """Return the changes that remove every part of the install blocks and restore the quarantine.

    Other files of Proscribe's control `apps` are deleted too. The parts are removed in reverse order: a setting that
    calls a script goes before the script.
    """
    parts = [part for system in SYSTEMS for part in system.make_block_parts(InstallBlock())]
    parts += command.list_command_parts(None)
    block_actions = [
        *fapolicyd_changes.lift(host),
        *(_make_lift_action(host, part) for part in reversed(parts) if part.is_in_place(host)),
    ]
    restorations = restoration.make_restore_changes(host)
    still_removed = memory.find_still_removed(host, SYSTEMS)
    files = (
        TRIED_PATH,
        ANSWERS_PATH,
        NOTIFIED_PATH,
        dpkg_removal.REMOVAL_MARK_PATH,
        pacman_removal.REMOVAL_MARK_PATH,
        memory.REMOVED_PACKAGES_PATH,
        SPENDING_PATH,
    )
    mark_paths = [path for path in files if host.has_traces(path)]
    delete_actions = [
        ControlAction("delete", path, partial(host.delete_file, path))
        for path in [*list_memory_files(host), *mark_paths]
    ]
    return Changes(
        [*block_actions, *restorations.actions, *delete_actions],
        restorations.refusals,
        is_independent=True,
        removed_packages=still_removed,
    )


def _make_end_actions(
    host: Host, observation: AppsObservation, grace: float
) -> tuple[list[ControlAction], list[ChangeRefusal]]:
    """Return the actions that end the running restricted programs, and refusals for the programs that may run on.

    A program is refused if its identity is doubtful. It is also refused if this run depends on one of its processes,
    such as a terminal. `grace` is the time between TERM and KILL in seconds.
    """
    actions: list[ControlAction] = []
    refusals: list[ChangeRefusal] = []
    ancestor_pids = host.list_ancestor_pids()
    # By user: all programs of that user to end. Each action of the user gets this list, because the first action ends
    # all of them in the same call. The loop below completes the list before any action runs.
    endings: dict[str, list[TerminationTarget]] = {}

    def is_still_restricted(running: RunningProgram, process: Process) -> bool:
        """Return whether a process still runs a restricted program when it is about to be ended."""
        # the process may have executed another program since the observation, so it is identified again
        identity = _identify_process(observation, process)
        if identity is None or identity.doubt:
            return False
        current = running._replace(identity=identity, processes=[process])
        return bool(observation.choose_running_services(observation.add_installation(current)))

    for running in observation.running_programs:
        services = observation.choose_running_services(running)
        pids = [str(process.pid) for process in running.processes]
        subject = f"{running.identity.id} of {running.user} (pid {', '.join(pids)})"
        reason = running.identity.doubt
        if not reason and any(process.pid in ancestor_pids for process in running.processes):
            reason = "this run depends on it"
        if reason:
            refusals += [ChangeRefusal(f"apps/{service}", subject, reason) for service in services]
        elif services:
            ending = TerminationTarget(running.processes, partial(is_still_restricted, running))
            user_endings = endings.setdefault(running.user, [])
            user_endings.append(ending)
            uid = host.find_process_uid(running.processes[0])
            apply = partial(
                host.end_program,
                ending,
                user_endings,
                partial(_list_running_programs, host, user_endings, uid, ancestor_pids),
                grace,
            )
            user = "" if running.user == "root" else running.user
            rules = [f"apps/{service}" for service in services]
            actions.append(
                ControlAction("end", subject, apply, running.processes[0].exe + "\n", user=user, rules=rules)
            )
    return actions, refusals


def _list_running_programs(
    host: Host, endings: Sequence[TerminationTarget], uid: int, ancestor_pids: Collection[int]
) -> Iterator[tuple[Process, TerminationTarget]]:
    """Yield the processes that now run one of the programs `endings` of the user `uid`, each with its program.

    Processes started since the observation are found too, by the path of their executable. The processes that this run
    depends on (`ancestor_pids`) are left out.
    """
    by_path = {process.exe: ending for ending in endings for process in ending.processes}
    for process in host.list_processes()[0]:
        ending = by_path.get(process.exe)
        if ending and process.pid not in ancestor_pids and host.find_process_uid(process) == uid:
            yield process, ending


def _identify_process(observation: AppsObservation, process: Process) -> ProgramIdentity | None:
    """Identify the program of a process that is about to be ended.

    Return None if it is not restricted or cannot be read. If files of the process must be read, a forked process reads
    them, because a user can make a file that never answers.
    """
    if not observation.identifier.is_content_needed(process):
        return observation.identifier(process)
    try:
        identity_row = run_apart(lambda: observation.identifier(process), READ_LIMITS)
    except (ObservationError, ControlError):
        return None
    return ProgramIdentity(*identity_row) if identity_row else None


def _make_removal_actions(
    host: Host, observation: AppsObservation
) -> tuple[list[ControlAction], list[ChangeRefusal], dict[str, set[str]]]:
    """Return the actions that remove restricted packages, the refusals, and the ids of the packages to be removed.

    The ids are by package system. The install blocks are then made for a host without these packages. A refusal is for
    a protected package, or for a package that its package system does not remove.
    """
    actions: list[ControlAction] = []
    refusals: list[ChangeRefusal] = []
    removed_ids: dict[str, set[str]] = {}
    for system in SYSTEMS:
        services_by_package = {
            package: services
            for holder_services, package in observation.packages
            if package.manager == system.MANAGER
            and (services := observation.choose_enforced_services(holder_services, package.make_finding()))
        }
        guarded = [
            (package, protection)
            for package in services_by_package
            if (protection := _explain_protection(host, package))
        ]
        removable = [package for package in services_by_package if package not in dict(guarded)]
        refusals += [
            ChangeRefusal(f"apps/{service}", package.id, protection)
            for package, protection in guarded
            for service in services_by_package[package]
        ]
        refused_ids: set[str] = set()
        for user, rules, packages in _group_by_user(removable, services_by_package):
            removal_actions, refused = system.plan_removal(host, packages)
            actions += [
                action._replace(user=user, rules=rules, has_users_tool=bool(user)) for action in removal_actions
            ]
            refusals += [
                ChangeRefusal(f"apps/{service}", package.id, reason)
                for package, reason in refused
                for service in services_by_package[package]
            ]
            refused_ids |= {package.id for package, _ in refused}
        removed_ids[system.MANAGER] = {package.id for package in removable} - refused_ids
    return actions, refusals, removed_ids


def _explain_protection(host: Host, package: Package) -> str:
    """Explain why a package is never removed, or return "".

    A package of the system may be needed by the host. For another package of the host, root would run a tool on files
    that users may have changed. Packages of users have no such reason: a tool removes them as that user.
    """
    if package.manager in SYSTEM_MANAGERS:
        reason = protection.explain_package_protection(package.id)
        return f"never removed: {reason}" if reason else ""
    is_user_owned = package.owner is not None and package.owner.uid != 0
    changeable_part = "" if is_user_owned or not package.path else host.find_changeable_part(package.path)
    return f"users may write to {changeable_part}, and root runs nothing there" if changeable_part else ""


def _group_by_user(
    packages: Sequence[Package], services_by_package: Mapping[Package, Sequence[str]]
) -> Iterator[tuple[str, list[str], list[Package]]]:
    """Yield the packages to remove together, as (user, rules, packages).

    All packages of the host and of root are yielded together, with the user "" and no rules. A user's packages are
    yielded together if their services are the same. The rules are those of the services, such as `apps/wechat`: a
    failed removal becomes a refusal under them.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[Package]] = {}
    for package in packages:
        is_user_owned = package.owner is not None and package.owner.uid != 0
        key = (package.owner.name, tuple(services_by_package[package])) if is_user_owned and package.owner else ("", ())
        groups.setdefault(key, []).append(package)
    for (user, services), members in groups.items():
        yield user, [f"apps/{service}" for service in services], members


def _make_move_actions(
    host: Host, observation: AppsObservation, keep_seconds: int
) -> tuple[list[ControlAction], list[ChangeRefusal]]:
    """Return the actions that move portable apps into the quarantine, and refusals for the apps that stay.

    There is one action for each app, which moves all files of the app. `keep_seconds` is how long the quarantine keeps
    them; 0 means no end.
    """
    refusals: list[ChangeRefusal] = []
    # by path: the app and its services, because several services may name a path
    apps_by_path: dict[str, tuple[PortableApp, list[str]]] = {}
    for app in observation.portable_apps:
        services = observation.choose_enforced_services(app.services, app.make_finding())
        if app.doubt:
            refusals += [ChangeRefusal(f"apps/{service}", escape_text(app.path), app.doubt) for service in services]
        elif services:
            apps_by_path.setdefault(app.path, (app, []))[1].extend(services)
    names = AppNames(observation.desired.services) if apps_by_path else None
    actions = []
    seconds_left: dict[int, float] = {}  # by uid of the app's user: time for checks that is not used yet
    for app, services in apps_by_path.values():
        reason, check_moved = _check_before_move(host, app, names, services[0], seconds_left)
        if reason:
            refusals += [ChangeRefusal(f"apps/{service}", escape_text(app.path), reason) for service in services]
            continue
        move_request = quarantine.MoveRequest(app.path, services, app.kind, app.parts, check_moved, keep_seconds)
        user = app.owner.name if app.owner and app.owner.uid else ""
        actions.append(
            quarantine.make_move_action(host, move_request)._replace(
                user=user, rules=[f"apps/{service}" for service in services]
            )
        )
    return actions, refusals


def _check_before_move(
    host: Host, app: PortableApp, names: AppNames | None, service: str, seconds_left: dict[int, float]
) -> tuple[str, Callable[[Host, str, str], str] | None]:
    """Return why a portable app stays in place ("" if it may move), and the check for after the move.

    The check tests that the moved content still is the observed app (see MoveRequest.check_moved). It is None if there
    is nothing to check. A forked process reads the user's files here, within the seconds in `seconds_left` for this
    user. The limit exists because the run holds the host's lock meanwhile.
    """
    uid = app.owner.uid if app.owner else app.uid
    user_seconds_left = seconds_left.setdefault(uid, CHECKING_SECONDS)
    if user_seconds_left <= 0:
        return f"what was checked before of its owner's took {CHECKING_SECONDS:g} s", None
    started_at = time.monotonic()

    def check_move() -> tuple[str, Mapping[str, int]]:
        """Return why the app stays ("" if it may move), and the sizes of the unpacked files of an Electron app."""
        file_sizes = evidence.list_unpacked_files(host, app.path) if app.kind == "tree" else {}
        paths = app.parts or [app.path]
        return quarantine.explain_refusal(host, paths[0]) or capacity.explain_lacking_room(host, paths), file_sizes

    try:
        reason, file_sizes = run_apart(
            check_move, DEFAULT_LIMITS._replace(seconds=min(user_seconds_left, DEFAULT_LIMITS.seconds))
        )
    except (ObservationError, ControlError) as error:
        return str(error), None
    finally:
        if uid > 0:  # the checks of files of the host and of root have no time limit
            seconds_left[uid] -= time.monotonic() - started_at
    if not names or app.uid < 0:
        return reason, None
    own_files = evidence.make_own_files(names, service, app.uid, file_sizes, has_pictures=app.kind == "web_app")
    return reason, partial(
        evidence.explain_moved_difference, kind=app.kind, names=names, service=service, own_files=own_files
    )


def _make_block_actions(
    host: Host, plan: Plan, observation: AppsObservation, removed_ids: Mapping[str, set[str]]
) -> list[ControlAction]:
    """Return the actions that install the required parts of the install blocks and remove the others.

    `removed_ids` has, by package system, the packages that this run removes first. The parts are made for a host
    without these packages, because some parts would conflict with installed packages.
    """
    parts: list[tuple[BlockPart, bool]] = []
    for manager, part, is_required in install_block.list_expected_parts(host, plan, observation.desired):
        if hasattr(part, "exclude_packages"):
            part = part.exclude_packages(removed_ids.get(manager, set()))
        parts.append((part, is_required))
    return _make_part_actions(host, parts)


def _make_part_actions(host: Host, parts: Sequence[tuple[BlockPart, bool]]) -> list[ControlAction]:
    """Return the actions that install the required parts and remove the others.

    `parts` are pairs of a part and whether it is required. Parts without a problem get no action. The removals come
    first, in reverse order, because a part may depend on the parts before it.
    """
    write_actions: list[ControlAction] = []
    delete_actions: list[ControlAction] = []
    for part, is_required in parts:
        if not part.find_problem(host, is_required):
            continue
        if is_required:
            write_actions.append(
                ControlAction(
                    "write",
                    part.path,
                    partial(part.enforce, host),
                    part.read_current_text(host),
                    part.make_desired_text(host),
                )
            )
        else:
            delete_actions.insert(0, _make_lift_action(host, part))
    return [*delete_actions, *write_actions]


def _make_lift_action(host: Host, part: BlockPart) -> ControlAction:
    return ControlAction(
        "delete", part.path, partial(part.lift, host), part.read_current_text(host), part.make_lifted_text(host)
    )
