"""Changing the firewall: loading the table, keeping it over a reboot and other programs, taking all of it away."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Callable, Sequence

from ...system import ControlError, Host, ObservationError
from ...system.units import find_foreign_files, is_suspended, read_unit_text
from .. import management_exemptions
from ..base import ChangeRefusal, Changes, ControlAction
from . import boot, exemptions, listing, loaded_state, pending, program, update
from .rule_text import Exemptions, spelled
from .ruleset import TABLE, render

if TYPE_CHECKING:
    from ....model.types.plan import PlanSection

PATIENCE = 5.0  # seconds for resolving all package sources; a host whose DNS hangs must not hang its firewall


class Load:
    """Loads a table: the `apply` of an action that can cut a host off, unless the same table was confirmed before."""

    def __init__(
        self, host: Host, nft: str, observed: listing.Observed, text: str, confirmed: bool, askers: Sequence[int] = ()
    ) -> None:
        self.host, self.nft, self.observed, self.text, self.confirmed = host, nft, observed, text, confirmed
        self.askers = askers  # of name servers: it is for them that these have to stay reachable

    def __call__(self) -> None:
        update.load(self.host, self.nft, self.observed, self.text)


def enforce(host: Host, section: PlanSection, askers: Sequence[int] = ()) -> Changes:
    """The actions in the order that is safe: check, load, and only what the kernel took is kept for the next boot.

    Raises ControlError where nft is not installed or cannot list its tables.
    """
    connections = management_exemptions.find_control_connections(host)
    earlier = host.read_text(boot.FILE) or ""
    lets = exemptions.collect(host, section, earlier, _resolver(host), connections, askers)
    text = render(section, lets)
    if not text:
        return lift(host)
    nft = nft_of(host)
    try:
        observed = listing.observe_table(host, nft, text, earlier)
    except ObservationError as unseen:
        raise ControlError(str(unseen)) from None
    actions = []
    refusals = _refusals(section, lets, connections)
    if not boot.program_is_whole(host):
        actions.append(_write(host, program.PATH, boot.program_text(), program.MODE))
        watch = boot.units(nft)[-1]
        if host.find_entry(boot.SYSTEMD_RUNS_PATH) is not None and boot.is_active(host, watch.name):
            actions.append(_systemctl(host, True, "restart", watch))  # it is running the program as it was
    if not observed.right:
        # What is confirmed is what a reboot would load too.
        load = Load(host, nft, observed, text, confirmed=text == earlier, askers=askers)
        if not load.confirmed and (said := pending.tried_before(host, text)):
            refusals.append(ChangeRefusal("firewall/boot", listing.WHERE, said))
        desired = listing.take_apart(text)
        before, after = listing.shown(observed.live, desired), listing.shown(desired, observed.live)
        actions.append(ControlAction("load", listing.WHERE, load, before, after))
    actions += keeping(host, nft, text)
    if not boot.has_systemd(host):
        reason = f"this host has no systemd: have {boot.FILE} loaded at boot by other means"
        refusals.append(ChangeRefusal("firewall/boot", boot.UNIT_NAME, reason))
    return Changes(actions, refusals)


def keeping(host: Host, nft: str, text: str) -> list[ControlAction]:
    """What makes a table that is loaded, and confirmed, come back after a reboot and after other programs."""
    actions = []
    if host.read_text(boot.FILE) != text:
        actions.append(_write(host, boot.FILE, text, boot.FILE_MODE))
    if boot.has_systemd(host):
        for unit in boot.units(nft):
            actions += _enable(host, unit)
    return actions


def nft_of(host: Host) -> str:
    """Where nft is on this host. Raises ControlError if it is not installed."""
    nft = host.find_tool("nft")
    if nft is None:
        raise ControlError("nft is not installed on this host: install the package nftables")
    return nft


def lift(host: Host) -> Changes:
    """Our table, unit and file go; other tables are not touched. Raises ControlError where nft cannot list tables."""
    stored = host.read_text(boot.FILE)
    nft = host.find_tool("nft")
    try:
        live = listing.listed(host, nft) if nft else {}
    except ObservationError as unseen:
        if stored is not None:
            raise ControlError(str(unseen)) from None
        live = {}  # who may not even list tables cannot have loaded one
    actions = []
    refusals = []
    if host.list_directory(program.RUN) or host.has_traces(program.TRACE):
        actions.append(ControlAction("forget", "unconfirmed changes", lambda: pending.drop(host)))
    for unit in reversed(boot.units(nft or "nft")):  # the watcher first, or it would bring the table back
        if host.find_entry(unit.path) is not None or host.find_entry(unit.enabled) is not None:
            before = read_unit_text(host, unit.path) or ""
            actions.append(ControlAction("disable", unit.name, functools.partial(_disable, host, unit), before))
    if nft and live:
        delete = [nft, "delete", "table", "inet", TABLE]
        actions.append(
            ControlAction("delete", listing.WHERE, lambda: host.read_command_output(delete), listing.shown(live))
        )
    if stored is not None:
        actions.append(ControlAction("delete", boot.FILE, lambda: host.delete_file(boot.FILE), stored))
        if nft is None:
            reason = "nft is not installed any more: if the table is loaded, it goes with the next boot"
            refusals.append(ChangeRefusal("firewall/ruleset", listing.WHERE, reason))
    if host.has_traces(program.PATH):
        actions.append(
            ControlAction(
                "delete", program.PATH, lambda: host.delete_file(program.PATH), host.read_text(program.PATH) or ""
            )
        )
    if host.find_entry(loaded_state.STATE) is not None:
        actions.append(ControlAction("delete", loaded_state.STATE, lambda: loaded_state.forget(host)))
    return Changes(actions, refusals)


def _write(host: Host, path: str, text: str, mode: int) -> ControlAction:
    return ControlAction("write", path, lambda: host.write_file(path, text, mode), host.read_text(path) or "", text)


def _enable(host: Host, unit: boot.Unit) -> list[ControlAction]:
    """What is missing until a unit is as it should be, enabled and (both have to be all the time) active."""
    actions = []
    running = host.find_entry(boot.SYSTEMD_RUNS_PATH) is not None
    there = read_unit_text(host, unit.path)
    foreign = find_foreign_files(host, [unit.name]).get(unit.name, ())
    actions += [ControlAction("delete", path, functools.partial(host.delete_file, path)) for path in foreign]
    if there != unit.text:
        write = functools.partial(host.write_file, unit.path, unit.text, 0o644)
        actions.append(ControlAction("write", unit.path, write, there or "", unit.text))
    changed = bool(actions)
    if changed or host.find_entry(unit.enabled) is None:
        actions.append(_systemctl(host, running, "enable", unit))
    if running and not boot.is_active(host, unit.name):
        # Were it not active, a restart of nftables.service, which flushes every table, would not bring ours back.
        actions.append(_systemctl(host, running, "start", unit))
    elif running and unit.name == boot.WATCH_NAME and (changed or is_suspended(host, unit.name)):
        actions.append(_systemctl(host, running, "restart", unit))
    return actions


def _systemctl(host: Host, running: bool, verb: str, unit: boot.Unit) -> ControlAction:
    def apply() -> None:
        if running:
            host.read_command_output(["systemctl", "daemon-reload"])
        host.read_command_output(["systemctl", verb, unit.name])

    return ControlAction(verb, unit.name, apply)


def _disable(host: Host, unit: boot.Unit) -> None:
    """Stop (which leaves the table alone), disable, delete; what systemctl leaves of a damaged unit is deleted too."""
    running = host.find_entry(boot.SYSTEMD_RUNS_PATH) is not None
    if read_unit_text(host, unit.path) == "":  # masked, and as long as that is so systemctl disables nothing
        host.write_file(unit.path, unit.text, 0o644)
        if running:
            host.read_command_output(["systemctl", "daemon-reload"])
    if host.find_tool("systemctl") is not None and host.find_entry(unit.path) is not None:
        if running:
            host.read_command_output(["systemctl", "stop", unit.name])
        host.read_command_output(["systemctl", "disable", unit.name])
    for path in (unit.enabled, unit.path, *find_foreign_files(host, [unit.name]).get(unit.name, ())):
        host.delete_file(path)
    if running:
        host.read_command_output(["systemctl", "daemon-reload"])


def _resolver(host: Host) -> Callable[[str], list[str]]:
    """Resolves as the host itself would (getent asks /etc/nsswitch.conf), all names within PATIENCE together."""
    end = time.monotonic() + PATIENCE

    def addresses(name: str) -> list[str]:
        left = end - time.monotonic()
        if left <= 0:
            return []
        try:
            answer = host.run_command(["getent", "ahosts", name], timeout=left)
        except ControlError:  # no getent, or no answer in time: the name leads nowhere anyway
            return []
        return list(dict.fromkeys(line.split()[0] for line in answer.out.splitlines() if line.strip()))

    return addresses


def _refusals(section: PlanSection, lets: Exemptions, connections: Sequence[tuple[str, int]]) -> list[ChangeRefusal]:
    """What of the services' networks stays open, and why."""
    refusals = [
        ChangeRefusal(f"firewall/{id_}", spelled(entry.network), f"{entry.reason}: stays reachable{only}")
        for entries, only in ((lets.exempt, ""), (lets.resolvers, " for name resolution"))
        for entry in entries
        for id_ in entry.services
    ]
    blocked = exemptions.Blocked.by(section)
    for address, port in connections:
        peer = exemptions.network_of(address)  # sshd says UNKNOWN where it has no socket
        if peer is None:
            continue
        for id_ in blocked.of(peer):
            reason = f"this run is controlled from there: what comes in to port {port} stays up, nothing goes out"
            refusals.append(ChangeRefusal(f"firewall/{id_}", spelled(peer), reason))
    return [*refusals, *_unknown_users(section, lets)]


def _unknown_users(section: PlanSection, lets: Exemptions) -> list[ChangeRefusal]:
    """The users of waivers whom this host does not know: nobody is let through for them."""
    reason = "no such user on this host: the waiver lets nobody through here"
    return [ChangeRefusal(f"firewall/{id_}", f"user:{name}", reason) for id_, name in lets.unknown_users]
