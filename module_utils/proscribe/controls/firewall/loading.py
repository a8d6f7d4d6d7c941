"""Changing the firewall: loading the table, keeping it over a reboot, taking both away."""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping, Sequence

from ...host import ControlError, Host, Unseen
from .. import lifelines
from ..base import Action, Changes, Refusal
from . import boot, exemptions, listing
from .ruleset import TABLE, Lifelines, networks, refused, render, spelled

PATIENCE = 5.0  # seconds for resolving all package sources; a host whose DNS hangs must not hang its firewall
SYSTEMD_RUNS = "/run/systemd/system"  # sd_booted(3)


def enforce(host: Host, section: Mapping[str, Any]) -> Changes:
    """The actions in the order that is safe: check, load, and only what the kernel took is kept for the next boot.

    Raises ControlError where nft is not installed or cannot list its tables.
    """
    connections = lifelines.control_connections(host)
    earlier = host.text(boot.FILE) or ""
    lets = exemptions.collect(host, section, earlier, _resolver(host), [port for _, port in connections])
    text = render(section, lets)
    if not text:
        return lift(host)
    nft = host.tool("nft")
    if nft is None:
        raise ControlError("nft is not installed on this host: install the package nftables")
    try:
        sight = listing.look(host, nft, text)
    except Unseen as unseen:
        raise ControlError(str(unseen)) from None
    actions = []
    if any(sight.wrong.values()) or sight.unseen:
        before, after = listing.shown(sight.live), listing.shown(listing.take_apart(text))
        actions.append(Action("load", listing.WHERE, lambda: _load(host, nft, text), before, after))
    if earlier != text:
        actions.append(_write(host, boot.FILE, text, boot.FILE_MODE))
    refusals = _refusals(section, lets, connections)
    if boot.has_systemd(host):
        actions += _enable(host, boot.unit(nft))
    else:
        reason = f"this host has no systemd: have {boot.FILE} loaded at boot by other means"
        refusals.append(Refusal("firewall/boot", boot.UNIT_NAME, reason))
    return Changes(actions, refusals)


def lift(host: Host) -> Changes:
    """Our table, unit and file go; other tables are not touched. Raises ControlError where nft cannot list tables."""
    kept = host.text(boot.FILE)
    nft = host.tool("nft")
    try:
        live = listing.listed(host, nft) if nft else {}
    except Unseen as unseen:
        if kept is not None:
            raise ControlError(str(unseen)) from None
        live = {}  # who may not even look cannot have loaded anything
    actions = []
    refusals = []
    if host.stat(boot.UNIT_FILE) is not None or host.stat(boot.ENABLED) is not None:
        before = host.text(boot.UNIT_FILE) or ""
        actions.append(Action("disable", boot.UNIT_NAME, lambda: _disable(host), before))
    if nft and live:
        delete = [nft, "delete", "table", "inet", TABLE]
        actions.append(Action("delete", listing.WHERE, lambda: _must(host, delete), listing.shown(live)))
    if kept is not None:
        actions.append(Action("delete", boot.FILE, lambda: host.delete(boot.FILE), kept))
        if nft is None:
            reason = "nft is not installed any more: if the table is loaded, it goes with the next boot"
            refusals.append(Refusal("firewall/ruleset", listing.WHERE, reason))
    return Changes(actions, refusals)


def _load(host: Host, nft: str, text: str) -> None:
    """Check, then load in one transaction; a ruleset that does not pass leaves the old table as it is."""
    for argv in ([nft, "-c", "-f", "-"], [nft, "-f", "-"]):
        host.must(argv, stdin=text)


def _must(host: Host, argv: Sequence[str]) -> None:
    host.must(argv)


def _write(host: Host, path: str, text: str, mode: int) -> Action:
    return Action("write", path, lambda: host.write(path, text, mode), host.text(path) or "", text)


def _enable(host: Host, unit: str) -> list[Action]:
    actions = []
    changed = host.text(boot.UNIT_FILE) != unit
    running = host.stat(SYSTEMD_RUNS) is not None
    if changed:
        actions.append(_write(host, boot.UNIT_FILE, unit, 0o644))
    if changed or host.stat(boot.ENABLED) is None:
        actions.append(Action("enable", boot.UNIT_NAME, lambda: _systemctl(host, running, "enable")))
    if running and host.run(["systemctl", "is-active", "--quiet", boot.UNIT_NAME]).rc:
        # It has to be active, or a restart of nftables.service, which flushes every table, would not bring ours back.
        actions.append(Action("start", boot.UNIT_NAME, lambda: _systemctl(host, running, "start")))
    return actions


def _systemctl(host: Host, running: bool, verb: str) -> None:
    if running:
        host.must(["systemctl", "daemon-reload"])
    host.must(["systemctl", verb, boot.UNIT_NAME])


def _disable(host: Host) -> None:
    """Stop (which leaves the table alone), disable, delete; what systemctl leaves of a damaged unit is deleted too."""
    running = host.stat(SYSTEMD_RUNS) is not None
    if host.tool("systemctl") is not None and host.stat(boot.UNIT_FILE) is not None:
        if running:
            host.must(["systemctl", "stop", boot.UNIT_NAME])
        host.must(["systemctl", "disable", boot.UNIT_NAME])
    host.delete(boot.ENABLED)
    host.delete(boot.UNIT_FILE)
    if running:
        host.must(["systemctl", "daemon-reload"])


def _resolver(host: Host) -> Callable[[str], list[str]]:
    """Resolves as the host itself would (getent asks /etc/nsswitch.conf), all names within PATIENCE together."""
    end = time.monotonic() + PATIENCE

    def addresses(name: str) -> list[str]:
        left = end - time.monotonic()
        if left <= 0:
            return []
        try:
            answer = host.run(["getent", "ahosts", name], timeout=left)
        except ControlError:  # no getent, or no answer in time: the name leads nowhere anyway
            return []
        return list(dict.fromkeys(line.split()[0] for line in answer.out.splitlines() if line.strip()))

    return addresses


def _refusals(section: Mapping[str, Any], lets: Lifelines, connections: Sequence[tuple[str, int]]) -> list[Refusal]:
    """What of the services' networks stays open, and why."""
    told = [
        Refusal(f"firewall/{id_}", spelled(entry.network), f"{entry.reason}: stays reachable{only}")
        for entries, only in ((lets.exempt, ""), (lets.resolvers, " for name resolution"))
        for entry in entries
        for id_ in entry.services
    ]
    blocked = {id_: networks(entry) for id_, entry in refused(section).items()}
    for address, port in connections:
        peer = exemptions.network_of(address)  # sshd says UNKNOWN where it has no socket
        for id_, nets in blocked.items():
            if peer and any(peer.overlaps(net) for net in nets):
                reason = f"this run is controlled from there: what comes in to port {port} stays up, nothing goes out"
                told.append(Refusal(f"firewall/{id_}", spelled(peer), reason))
    return told
