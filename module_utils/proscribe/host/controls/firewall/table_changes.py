"""Changes of the firewall: they load Proscribe's table, protect it, and remove it.

The protection is against reboots and other programs.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Callable, Sequence

from ...system import ControlError, Host, ObservationError
from ...system.units import find_foreign_files, is_suspended, read_unit_text
from .. import management_exemptions
from ..base import ChangeRefusal, Changes, ControlAction
from . import boot_units, exemptions, loaded_state, pending_change, program, table_listing, table_update
from .rule_syntax import FirewallExemptions, format_network
from .ruleset import TABLE_NAME, render_ruleset

if TYPE_CHECKING:
    from ....model.types.plan import PlanSection

RESOLVE_TIMEOUT_SECONDS = (
    # for the resolution of all package sources together, so that a DNS server that hangs does not delay the firewall
    # for long
    5.0
)


class TableLoad:
    """Function of the action that loads the table.

    The load can cut the host off. So it is tried first (change_trial.py), unless this same table was confirmed before
    (`is_confirmed`).
    """

    def __init__(
        self,
        host: Host,
        nft: str,
        observation: table_listing.FirewallObservation,
        text: str,
        is_confirmed: bool,
        resolver_uids: Sequence[int] = (),
    ) -> None:
        self.host, self.nft, self.observation, self.text, self.is_confirmed = host, nft, observation, text, is_confirmed
        self.resolver_uids = resolver_uids  # uids of accounts that must still reach name servers

    def __call__(self) -> None:
        table_update.load_table(self.host, self.nft, self.observation, self.text)


def enforce_firewall(host: Host, section: PlanSection, resolver_uids: Sequence[int] = ()) -> Changes:
    """Return the actions that check the table, load it, and store it for the next boot.

    Only a table that the kernel has accepted is stored. If the plan refuses nothing on this host, the actions remove
    the table. `resolver_uids` are the accounts that alone may query name servers; empty: all may. Raises ControlError
    if nft is not installed or cannot list its tables.
    """
    connections = management_exemptions.find_control_connections(host)
    boot_text = host.read_text(boot_units.BOOT_FILE_PATH) or ""
    host_exemptions = exemptions.collect_exemptions(
        host, section, boot_text, _make_resolver(host), connections, resolver_uids
    )
    text = render_ruleset(section, host_exemptions)
    if not text:
        return lift_firewall(host)
    nft = find_nft(host)
    try:
        observation = table_listing.observe_table(host, nft, text, boot_text)
    except ObservationError as unseen_error:
        raise ControlError(str(unseen_error)) from None
    actions = []
    refusals = _make_refusals(section, host_exemptions, connections)
    if not boot_units.is_program_intact(host):
        actions.append(
            _make_write_action(host, program.PROGRAM_PATH, boot_units.render_firewall_program(), program.PROGRAM_MODE)
        )
        watch_unit = boot_units.make_units(nft)[-1]
        if host.find_entry(boot_units.SYSTEMD_RUNS_PATH) is not None and boot_units.is_unit_active(
            host, watch_unit.name
        ):
            # The running unit still has the old program in memory.
            actions.append(_make_systemctl_action(host, True, "restart", watch_unit))
    if not observation.is_right:
        # The boot file has only confirmed tables. So a table that equals it needs no trial.
        load = TableLoad(host, nft, observation, text, is_confirmed=text == boot_text, resolver_uids=resolver_uids)
        if not load.is_confirmed and (revert_note := pending_change.check_earlier_reverts(host, text)):
            refusals.append(ChangeRefusal("firewall/boot", table_listing.TABLE_PATH, revert_note))
        desired_parts = table_listing.parse_table(text)
        old_text, new_text = (
            table_listing.format_parts(observation.loaded_parts, desired_parts),
            table_listing.format_parts(desired_parts, observation.loaded_parts),
        )
        actions.append(ControlAction("load", table_listing.TABLE_PATH, load, old_text, new_text))
    actions += make_persisting_actions(host, nft, text)
    if not boot_units.has_systemd(host):
        reason = f"this host has no systemd: have {boot_units.BOOT_FILE_PATH} loaded at boot by other means"
        refusals.append(ChangeRefusal("firewall/boot", boot_units.LOAD_UNIT, reason))
    return Changes(actions, refusals)


def make_persisting_actions(host: Host, nft: str, text: str) -> list[ControlAction]:
    """Return the actions that store a loaded and confirmed table, and enable the units that restore it."""
    actions = []
    if host.read_text(boot_units.BOOT_FILE_PATH) != text:
        actions.append(_make_write_action(host, boot_units.BOOT_FILE_PATH, text, boot_units.BOOT_FILE_MODE))
    if boot_units.has_systemd(host):
        for unit in boot_units.make_units(nft):
            actions += _make_enabling_actions(host, unit)
    return actions


def find_nft(host: Host) -> str:
    """Return the path of nft on this host. Raises ControlError if it is not installed."""
    nft = host.find_tool("nft")
    if nft is None:
        raise ControlError("nft is not installed on this host: install the package nftables")
    return nft


def lift_firewall(host: Host) -> Changes:
    """Return the changes that remove Proscribe's table, units and files. Other tables stay.

    Raises ControlError if the boot file exists, but nft cannot list tables.
    """
    stored_text = host.read_text(boot_units.BOOT_FILE_PATH)
    nft = host.find_tool("nft")
    try:
        loaded_parts = table_listing.list_table_parts(host, nft) if nft else {}
    except ObservationError as unseen_error:
        if stored_text is not None:
            raise ControlError(str(unseen_error)) from None
        loaded_parts = {}  # without a boot file, an account that may not list tables cannot have loaded one either
    actions = []
    refusals = []
    if host.list_directory(program.CHANGE_DIRECTORY) or host.has_traces(program.REVERT_LOG_PATH):
        actions.append(
            ControlAction("forget", "unconfirmed changes", lambda: pending_change.drop_pending_changes(host))
        )
    # The unit that restores a deleted table comes first. Otherwise it would undo the deletion.
    for unit in reversed(boot_units.make_units(nft or "nft")):
        if host.find_entry(unit.path) is not None or host.find_entry(unit.enabled_link) is not None:
            unit_content = read_unit_text(host, unit.path) or ""
            actions.append(
                ControlAction("disable", unit.name, functools.partial(_disable_unit, host, unit), unit_content)
            )
    if nft and loaded_parts:
        delete_command = [nft, "delete", "table", "inet", TABLE_NAME]
        actions.append(
            ControlAction(
                "delete",
                table_listing.TABLE_PATH,
                lambda: host.read_command_output(delete_command),
                table_listing.format_parts(loaded_parts),
            )
        )
    if stored_text is not None:
        actions.append(
            ControlAction(
                "delete", boot_units.BOOT_FILE_PATH, lambda: host.delete_file(boot_units.BOOT_FILE_PATH), stored_text
            )
        )
        if nft is None:
            reason = "nft is not installed any more: if the table is loaded, it goes with the next boot"
            refusals.append(ChangeRefusal("firewall/ruleset", table_listing.TABLE_PATH, reason))
    if host.has_traces(program.PROGRAM_PATH):
        actions.append(
            ControlAction(
                "delete",
                program.PROGRAM_PATH,
                lambda: host.delete_file(program.PROGRAM_PATH),
                host.read_text(program.PROGRAM_PATH) or "",
            )
        )
    if host.find_entry(loaded_state.STATE_PATH) is not None:
        actions.append(ControlAction("delete", loaded_state.STATE_PATH, lambda: loaded_state.delete_loaded_state(host)))
    return Changes(actions, refusals)


def _make_write_action(host: Host, path: str, text: str, mode: int) -> ControlAction:
    return ControlAction("write", path, lambda: host.write_file(path, text, mode), host.read_text(path) or "", text)


def _make_enabling_actions(host: Host, unit: boot_units.FirewallUnit) -> list[ControlAction]:
    """Return the actions that are still missing so that a unit is as desired, enabled and active.

    Files that override the unit are deleted. [] means that the unit is as desired.
    """
    actions = []
    is_systemd_running = host.find_entry(boot_units.SYSTEMD_RUNS_PATH) is not None
    current_text = read_unit_text(host, unit.path)
    foreign_paths = find_foreign_files(host, [unit.name]).get(unit.name, ())
    actions += [ControlAction("delete", path, functools.partial(host.delete_file, path)) for path in foreign_paths]
    if current_text != unit.text:
        write_unit = functools.partial(host.write_file, unit.path, unit.text, 0o644)
        actions.append(ControlAction("write", unit.path, write_unit, current_text or "", unit.text))
    is_changed = bool(actions)
    if is_changed or host.find_entry(unit.enabled_link) is None:
        actions.append(_make_systemctl_action(host, is_systemd_running, "enable", unit))
    if is_systemd_running and not boot_units.is_unit_active(host, unit.name):
        # A restart of nftables.service flushes every table. The unit restores Proscribe's table after that only if the
        # unit is active.
        actions.append(_make_systemctl_action(host, is_systemd_running, "start", unit))
    elif is_systemd_running and unit.name == boot_units.WATCH_UNIT and (is_changed or is_suspended(host, unit.name)):
        actions.append(_make_systemctl_action(host, is_systemd_running, "restart", unit))
    return actions


def _make_systemctl_action(
    host: Host, is_systemd_running: bool, verb: str, unit: boot_units.FirewallUnit
) -> ControlAction:
    """Return the action that runs systemctl with `verb`. A running systemd rereads its files before."""

    def run_systemctl() -> None:
        if is_systemd_running:
            host.read_command_output(["systemctl", "daemon-reload"])
        host.read_command_output(["systemctl", verb, unit.name])

    return ControlAction(verb, unit.name, run_systemctl)


def _disable_unit(host: Host, unit: boot_units.FirewallUnit) -> None:
    """Stop, disable and delete a unit. The table stays loaded.

    Links and overriding files are deleted too: systemctl leaves them if the unit is damaged.
    """
    is_systemd_running = host.find_entry(boot_units.SYSTEMD_RUNS_PATH) is not None
    if read_unit_text(host, unit.path) == "":  # systemctl does not disable a masked unit
        host.write_file(unit.path, unit.text, 0o644)
        if is_systemd_running:
            host.read_command_output(["systemctl", "daemon-reload"])
    if host.find_tool("systemctl") is not None and host.find_entry(unit.path) is not None:
        if is_systemd_running:
            host.read_command_output(["systemctl", "stop", unit.name])
        host.read_command_output(["systemctl", "disable", unit.name])
    for path in (unit.enabled_link, unit.path, *find_foreign_files(host, [unit.name]).get(unit.name, ())):
        host.delete_file(path)
    if is_systemd_running:
        host.read_command_output(["systemctl", "daemon-reload"])


def _make_resolver(host: Host) -> Callable[[str], list[str]]:
    """Return a function that resolves a name to its addresses as the host does.

    It runs getent, which uses /etc/nsswitch.conf. Its calls take at most RESOLVE_TIMEOUT_SECONDS together. After that,
    or if a name does not resolve, the result is [].
    """
    deadline = time.monotonic() + RESOLVE_TIMEOUT_SECONDS

    def resolve_addresses(name: str) -> list[str]:
        """Return the addresses of a name; [] if it does not resolve in the remaining time."""
        seconds_left = deadline - time.monotonic()
        if seconds_left <= 0:
            return []
        try:
            result = host.run_command(["getent", "ahosts", name], timeout=seconds_left)
        except ControlError:  # getent is missing or had no answer in time, so the host cannot use the name either
            return []
        return list(dict.fromkeys(line.split()[0] for line in result.out.splitlines() if line.strip()))

    return resolve_addresses


def _make_refusals(
    section: PlanSection, host_exemptions: FirewallExemptions, connections: Sequence[tuple[str, int]]
) -> list[ChangeRefusal]:
    """Return a refusal for each address in a restricted network that stays reachable, with the reason.

    `connections` has (address of the other side, port on this host) for each control connection. A refusal for each
    waiver of a user who does not exist here is included.
    """
    refusals = [
        ChangeRefusal(
            f"firewall/{service_id}",
            format_network(exempt_network.network),
            f"{exempt_network.reason}: stays reachable{limitation}",
        )
        for exempt_networks, limitation in (
            (host_exemptions.exempt_networks, ""),
            (host_exemptions.resolvers, " for name resolution"),
        )
        for exempt_network in exempt_networks
        for service_id in exempt_network.service_ids
    ]
    blocked = exemptions.BlockedNetworks.read_section(section)
    for address, port in connections:
        peer = exemptions.parse_address(address)  # sshd reports the address UNKNOWN if it has no socket
        if peer is None:
            continue
        for service_id in blocked.find_containing_services(peer):
            reason = f"this run is controlled from there: what comes in to port {port} stays up, nothing goes out"
            refusals.append(ChangeRefusal(f"firewall/{service_id}", format_network(peer), reason))
    return [*refusals, *_make_unknown_user_refusals(section, host_exemptions)]


def _make_unknown_user_refusals(section: PlanSection, host_exemptions: FirewallExemptions) -> list[ChangeRefusal]:
    """Return a refusal for each user of a waiver who does not exist on this host.

    Such a waiver has no effect here.
    """
    reason = "no such user on this host: the waiver lets nobody through here"
    return [
        ChangeRefusal(f"firewall/{service_id}", f"user:{name}", reason)
        for service_id, name in host_exemptions.unknown_users
    ]
