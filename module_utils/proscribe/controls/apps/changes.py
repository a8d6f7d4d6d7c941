"""What `apps` changes: programs ended, packages removed, gates put up and taken down."""

from __future__ import annotations

from functools import partial
from typing import Any, Mapping, Sequence

from ...host import Host, Process
from ..base import Action, Changes, Refusal
from . import gate
from .gate_parts import GatePart
from .sight import SYSTEMS, Running, Sight, look


def enforce(host: Host, plan: Mapping[str, Any]) -> Changes:
    """See the package. The gate comes last: until then there is nothing that it would have to let pass."""
    sight = look(host, plan["controls"]["apps"])
    ended, kept = _ends(host, sight)
    removed, left = _removals(host, sight)
    return Changes([*ended, *removed, *_gate(host, plan, sight)], [*kept, *left], independent=True)


def lift(host: Host) -> Changes:
    """Every part of every gate, in reverse: what calls a script goes before the script."""
    parts = [part for system in SYSTEMS for part in system.gate(set(), "")]
    return Changes([_down(host, part) for part in reversed(parts) if part.stands(host)])


def _ends(host: Host, sight: Sight) -> tuple[list[Action], list[Refusal]]:
    actions: list[Action] = []
    refused: list[Refusal] = []
    lineage = host.lineage()

    def restricted(running: Running, process: Process) -> bool:
        identity = sight.identify(process)
        if identity is None or identity.doubt:
            return False
        now = running._replace(identity=identity, processes=[process])  # it may be another program by now
        return bool(sight.enforced_of(sight.placed(now)))

    for running in sight.running:
        services = sight.enforced_of(running)
        pids = [str(process.pid) for process in running.processes]
        subject = f"{running.identity.id} of {running.user} (pid {', '.join(pids)})"
        reason = running.identity.doubt
        if not reason and any(process.pid in lineage for process in running.processes):
            reason = "this run depends on it"
        if reason:
            refused += [Refusal(f"apps/{service}", subject, reason) for service in services]
        elif services:
            apply = partial(_end, host, running.processes, partial(restricted, running))
            actions.append(Action("end", subject, apply, running.processes[0].exe + "\n"))
    return actions, refused


def _end(host: Host, processes: Sequence[Process], restricted: Any) -> None:
    for process in processes:
        host.end(process, restricted)


def _removals(host: Host, sight: Sight) -> tuple[list[Action], list[Refusal]]:
    actions: list[Action] = []
    refused: list[Refusal] = []
    for system in SYSTEMS:
        services_of = {
            p: services
            for held_by, p in sight.packages
            if p.manager == system.MANAGER and (services := sight.enforced(held_by, p.finding()))
        }
        doomed = list(services_of)
        if doomed:
            planned, left = system.removal(host, doomed)
            actions += planned
            refused += [
                Refusal(f"apps/{service}", package.id, reason)
                for package, reason in left
                for service in services_of[package]
            ]
    return actions, refused


def _gate(host: Host, plan: Mapping[str, Any], sight: Sight) -> list[Action]:
    up: list[Action] = []
    down: list[Action] = []
    for _, part, called_for in gate.expected(host, plan, sight.wanted):
        if called_for and part.wrong(host, called_for):
            up.append(Action("write", part.path, partial(part.enforce, host), part.text(host), part.wanted(host)))
        elif not called_for and part.stands(host):
            down.insert(0, _down(host, part))
    return [*down, *up]


def _down(host: Host, part: GatePart) -> Action:
    return Action("delete", part.path, partial(part.lift, host), part.text(host), part.left(host))
