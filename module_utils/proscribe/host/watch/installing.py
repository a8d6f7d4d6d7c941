"""The watcher brought in line: what an enforcing run installs, and what a lift removes."""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Collection, Iterable, Mapping, Sequence

from ...base.json_text import format_json
from ...base.moments import format_timestamp, is_timestamp
from ...model.finding import WATCH
from ...model.plan import compute_digest as digest_of
from ...model.plan import format_canonical
from ..audit_program import interpreter
from ..controls.applying import carry_out
from ..controls.base import Action, Changes, differences
from ..system import DARWIN, ControlError, Host, Unseen
from ..system.units import foreign_to
from . import units
from .heartbeat import LATE, TEXT, Heartbeat
from .installed import SYSTEMD_RUNS, release_of, text_of_unit
from .starts import reported
from .state import clock, files, journal, reservations

if TYPE_CHECKING:
    from ...model.types.answer import ChangeAnswer
    from ...model.types.call import WatchInput
    from ...model.types.plan import Plan
    from ...model.types.watch import LastObservation

RUNNING = (reported.STATE, f"{reported.STATE}.new")  # what the daemon reports of itself
PULL = "/usr/libexec/proscribe/pull"  # the program of a host's own scheduled runs
TIMEOUT = 120  # seconds for a call of systemctl
READY_WITHIN = 120.0  # seconds in which a daemon that was started has read what is restricted, on a busy host


def enforce(host: Host, plan: Plan, given: WatchInput) -> Changes:
    """What installs the watch. `given` is what the controller sent. Raises ControlError."""
    if host.stat(SYSTEMD_RUNS) is None:
        raise ControlError("this host does not run systemd, whose timers the watch needs: set proscribe_watch to off")
    chain = _chain(plan, given["plans"])
    program, code = str(given["program"]).encode(), bytes(given["code"])
    contents = {**own_programs(program), files.CODE: code}
    contents.update(
        {files.plan_file(one["digest"]): format_canonical(one).encode() for one in (plan, *given["plans"][1:])}
    )
    made = files.Settings(
        release_of(program, code),
        plan["watch"]["every"],
        plan["watch"]["max_age"],
        plan["digest"],
        tuple(chain),
        {path: files.hash_of(content) for path, content in contents.items()},
    )
    actions = in_place(host, contents)
    settings = files.settings_text(made).encode()
    if actions or _differs(host, files.SETTINGS, settings, files.PRIVATE):
        actions.append(_write(host, files.SETTINGS, settings, files.PRIVATE))
    actions += [_delete(host, path) for path in _old_plans(host, made)]
    actions += linked(host)
    started = starting(host, made, units.ALL, READY_WITHIN, anew=bool(actions))
    changes = [*actions, *started]
    if changes:
        changes.append(Action("note", files.RENEWED, partial(_note, host, given.get("now"))))
    return Changes(changes)


def own_programs(program: bytes) -> dict[str, bytes]:
    """What is executed on a host, by path. `program` is the watch's without its first line."""
    return {files.PROGRAM: b"#!" + interpreter().encode() + program, reported.HEARTBEAT: TEXT.encode()}


def in_place(host: Host, contents: Mapping[str, bytes]) -> list[Action]:
    """What puts files in place that are not there like that."""
    modes = {path: files.MODE if path in (files.PROGRAM, reported.HEARTBEAT) else files.PRIVATE for path in contents}
    return [
        _write(host, path, content, modes[path])
        for path, content in contents.items()
        if _differs(host, path, content, modes[path])
    ]


def linked(host: Host) -> list[Action]:
    """What has people find the program, where they do not."""
    if _link_of(host) == files.PROGRAM:
        return []
    return [Action("link", files.COMMAND, partial(_link, host), "", f"{files.PROGRAM}\n")]


def _note(host: Host, now: object) -> None:
    """Store when the run brought the plan, and when a new watcher starts, so that a silent one is noticed."""
    clock.set_by_controller(host, now)
    if not files.state(host):
        start: LastObservation = {"up": clock.awake(), "boot": clock.boot_id(host)}
        host.write(files.STATE, format_json(start), files.PRIVATE)
    host.write(
        files.RENEWED, (now if is_timestamp(now) else format_timestamp(clock.effective(host))) + "\n", files.PRIVATE
    )  # type: ignore[operator]


def _chain(plan: Plan, plans: Sequence[Plan]) -> list[tuple[str, str]]:
    """The successors of a plan, by their moments. Raises ControlError for plans that do not belong together."""
    chain: list[tuple[str, str]] = []
    named = plan.get("later")
    if not plans or plans[0].get("digest") != plan["digest"] or len(plans) > files.MOST_PLANS:
        raise ControlError("the plans that were sent do not begin with the host's own")
    for one in plans[1:]:
        if not named or one.get("digest") != named["plan"] or digest_of(one) != named["plan"]:
            raise ControlError("the plans that were sent do not follow each other")
        if not is_timestamp(named["at"]) or chain and named["at"] <= chain[-1][0]:
            raise ControlError("the moments of the plans that were sent do not follow each other")
        chain.append((named["at"], named["plan"]))
        named = one.get("later")
    return chain


def starting(
    host: Host, made: files.Settings, names: Collection[str], within: float, anew: bool = False
) -> list[Action]:
    """What has systemd run these units; `anew` where what they run has changed. The daemon is then waited for, for
    `within` seconds.
    """
    actions: list[Action] = []
    texts = {name: text for name, text in units.texts(made.every).items() if name in names}
    written = []
    for name, text in texts.items():
        path = f"{units.FOLDER}/{name}"
        if text_of_unit(host, path) != text:
            written.append(name)
            actions.append(_write(host, path, text.encode(), 0o644))
    for name, paths in foreign_to(host, texts).items():
        written.append(name)
        actions += [_delete(host, path) for path in paths]
    if written:
        actions.append(Action("load", "systemd's units", partial(_systemctl, host, "daemon-reload")))
    for name in (name for name in units.ENABLED if name in texts):
        if host.stat(units.ENABLED[name]) is None or name in written:
            actions.append(Action("enable", name, partial(_systemctl, host, "reenable", "--quiet", name)))
        active = host.run(["systemctl", "is-active", "--quiet", name], timeout=TIMEOUT).rc == 0
        if not active or name in written or anew and name == units.LAUNCHES:
            actions.append(Action("start", name, partial(_start, host, made, name, within)))
        elif name == units.LAUNCHES and (heard := Heartbeat(host).heard(made)).wrong:
            actions.append(Action("start", name, partial(_revive, host, made, heard.state, within)))
    return actions


def _start(host: Host, made: files.Settings, name: str, within: float) -> None:
    """Start a unit anew, and wait for the daemon to notice starts: what a run reports next is so."""
    _systemctl(host, "restart", name)
    if name == units.LAUNCHES:
        _is_ready(host, made, within)


def _revive(host: Host, made: files.Settings, state: str, within: float) -> None:
    """Start a daemon anew that runs and notices no start; one that only reads the plan is waited for."""
    if state == LATE and _is_ready(host, made, within):
        return
    for verb in (["thaw"], ["kill", "--signal=KILL"]):  # one that is frozen or stopped does not end by itself
        host.run(["systemctl", *verb, units.LAUNCHES], timeout=TIMEOUT)
    _start(host, made, units.LAUNCHES, within)


def _is_ready(host: Host, made: files.Settings, within: float) -> bool:
    """Wait for the daemon to notice starts by the plan of now; whether it does. Else the next observation says so."""
    end = time.monotonic() + within
    while Heartbeat(host).heard(made).wrong:
        if time.monotonic() > end:
            return False
    return True


def change(
    host: Host, plan: Plan, given: WatchInput | None, lift_it: bool = False, dry_run: bool = False
) -> ChangeAnswer:
    """Install the watch, or remove it, and report what was done, as run.change does. Raises ControlError."""
    host.require_root()
    if host.system == DARWIN and lift_it:  # nothing was ever changed there
        return {"changed": False, "actions": [], "refused": [], "findings": [], "diff": []}
    with host.exclusive():
        is_lift = lift_it or given is None or "watch" not in plan
        changes = lift(host) if is_lift or given is None else enforce(host, plan, given)
        if changes.actions and not is_lift and not dry_run:
            # Meanwhile its files do not fit its settings.
            reservations.reserve_control(host, WATCH, plan["digest"])
        done = [] if dry_run else list(carry_out(changes)["done"])
        if given is not None and not is_lift and not dry_run:
            reservations.note_plan(host, [one["digest"] for one in given["plans"]])
    diff = differences(changes.actions)
    actions = [str(action) for action in changes.actions] if dry_run else done
    return {"changed": bool(changes.actions), "actions": actions, "refused": [], "findings": [], "diff": diff}


def lift(host: Host) -> Changes:
    """What removes the watch with all that it noted, itself first, since it would enforce again what is lifted next."""
    names = [units.TIMER, units.LAUNCHES, units.SERVICE]
    there = [name for name in names if _traces_of_unit(host, name)]
    actions = _stopping(host, there)
    loose = [files.COMMAND, files.PROGRAM, reported.HEARTBEAT, journal.JOURNAL, journal.OLDER_JOURNAL, *RUNNING]
    if host.stat(files.PLACE) and host.stat(PULL) is None:  # whose record it is too
        loose.append(files.RECORD)
    inside = [f"{folder}/{name}" for folder in (files.CACHE, files.PLANS) for name in host.list(folder)]
    own = [files.CODE, files.RENEWED, files.CLOCK, files.FROZEN, files.RESERVATIONS, files.STATE, files.SETTINGS]
    paths = [*loose, *inside, *own]
    actions += [_delete(host, path) for path in dict.fromkeys(paths) if host.stat(path) or host.unfinished(path)]
    folders = (files.CACHE, files.PLANS)
    unknown = [name for name in host.list(files.PLACE) if f"{files.PLACE}/{name}" not in (*own, *folders)]
    actions += [_delete(host, f"{files.PLACE}/{name}") for name in unknown]
    return Changes(actions)


def _traces_of_unit(host: Host, name: str) -> bool:
    path = f"{units.FOLDER}/{name}"
    links = [units.ENABLED[name]] if name in units.ENABLED else []
    return any(map(host.stat, (path, *links))) or bool(foreign_to(host, [name])) or host.unfinished(path)


def _stopping(host: Host, names: Iterable[str]) -> list[Action]:
    """What stops units for good. An observation that goes on is ended: it would enforce what is lifted next."""
    names = list(names)
    actions = [Action("stop", name, partial(_stop, host, name)) for name in names]
    for name in names:
        paths = [f"{units.FOLDER}/{name}", *([units.ENABLED[name]] if name in units.ENABLED else [])]
        there = [path for path in paths if host.stat(path) or host.unfinished(path)]
        actions += [_delete(host, path) for path in (*foreign_to(host, [name]).get(name, ()), *there)]
    if actions:
        actions.append(Action("load", "systemd's units", partial(_reload, host)))
    return actions


def _stop(host: Host, name: str) -> None:
    if host.stat(SYSTEMD_RUNS):  # it may never have been loaded: that it is not there to be stopped is no failure
        host.run(["systemctl", "stop", name], timeout=TIMEOUT)


def _reload(host: Host) -> None:
    if host.stat(SYSTEMD_RUNS):
        _systemctl(host, "daemon-reload")
        host.run(["systemctl", "reset-failed", units.SERVICE, units.LAUNCHES], timeout=TIMEOUT)


def _systemctl(host: Host, *argv: str) -> None:
    host.must(["systemctl", *argv], timeout=TIMEOUT)


def _differs(host: Host, path: str, content: bytes, mode: int) -> bool:
    seen = host.stat(path)
    if seen is None or seen.st_mode & 0o7777 != mode:
        return True
    try:
        return files.content_of(host, path) != content
    except files.Damaged:
        return True


def _old_plans(host: Host, made: files.Settings) -> list[str]:
    """Plans that are no more. (What is compiled for the cache is deleted where it is written.)"""
    names = {path.rpartition("/")[2] for path in map(files.plan_file, made.plans())}
    return [f"{files.PLANS}/{name}" for name in host.list(files.PLANS) if name not in names]


def _link_of(host: Host) -> str:
    with contextlib.suppress(ControlError, Unseen):
        return host.target(files.COMMAND)
    return ""


def _link(host: Host) -> None:
    """Have people find the program. A link of another's there is replaced, what is no link is deleted."""
    parent, _, name = files.COMMAND.rpartition("/")
    beside = f".{name}.proscribe~"
    try:
        with host.directory(parent) as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside, dir_fd=directory)
            os.symlink(files.PROGRAM, beside, dir_fd=directory)
            os.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError as error:
        raise ControlError(f"cannot link {files.COMMAND}: {error.strerror}") from None


def _write(host: Host, path: str, content: bytes, mode: int) -> Action:
    # Code, plans and hashes are nothing to read: the difference has their digests.
    before = _digest_of(host, path)
    return Action("write", path, lambda: host.write(path, content, mode), before, f"{files.hash_of(content)}\n")


def _digest_of(host: Host, path: str) -> str:
    try:
        content = files.content_of(host, path)
    except (files.Damaged, Unseen):
        return "unreadable\n"
    return "" if content is None else f"{files.hash_of(content)}\n"


def _delete(host: Host, path: str) -> Action:
    return Action("delete", path, lambda: host.delete(path))
