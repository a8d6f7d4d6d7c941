"""Units that restore the table: one loads it at boot, the other loads it again after a deletion.

nftables.service is not used: on Debian it flushes every table of the host when it stops. Proscribe's unit follows it
(PartOf), so that a restart of nftables.service, which flushes the table, also restores it. The second unit, the
watcher, learns of every other deletion (`nft flush ruleset`, a script) from the kernel's events.
"""

from __future__ import annotations

import stat
from typing import Sequence

from ....base.named_tuple import NamedTuple
from ....model.finding import Finding
from ...system import WRITTEN_BY, Host
from ...system.units import (
    CONFINEMENT,
    UNIT_DIRECTORY,
    find_foreign_files,
    is_evidently_active,
    is_suspended,
    read_unit_text,
)
from ...system.units import SYSTEMD_RUNS_PATH as SYSTEMD_RUNS_PATH
from . import program
from .ruleset import TABLE_NAME

BOOT_FILE_PATH = "/etc/proscribe/firewall.nft"
BOOT_FILE_MODE = 0o600  # the exemptions are confidential
LOAD_UNIT = "proscribe-firewall.service"
WATCH_UNIT = "proscribe-firewall-watch.service"
UNIT_FOLDER = UNIT_DIRECTORY
LOAD_UNIT_PATH = f"{UNIT_FOLDER}/{LOAD_UNIT}"
WATCH_UNIT_PATH = f"{UNIT_FOLDER}/{WATCH_UNIT}"
LOAD_ENABLED_LINK = f"{UNIT_FOLDER}/sysinit.target.wants/{LOAD_UNIT}"
WATCH_ENABLED_LINK = f"{UNIT_FOLDER}/multi-user.target.wants/{WATCH_UNIT}"

# Options of both units, which allow them to change the firewall and nothing else on the host.
_CONFINED_OPTIONS = f"""\
UMask=0077
CapabilityBoundingSet=CAP_NET_ADMIN
RestrictAddressFamilies=AF_NETLINK AF_UNIX
SystemCallFilter=@system-service
{CONFINEMENT}"""

# The unit starts before the network is up. It has no ExecStop, so that the table stays loaded when the unit stops. With
# DefaultDependencies=yes it would start after sysinit.target, and so after services that may already use the network.
# It has no private mounts: where those are impossible, the unit would fail, and nothing would be refused.
_LOAD_UNIT_TEMPLATE = """\
# {written_by}
[Unit]
Description=Refuse connections to restricted networks
Documentation=man:nft(8)
DefaultDependencies=no
ConditionPathExists={file}
Wants=network-pre.target
Before=network-pre.target sysinit.target shutdown.target
After=local-fs.target systemd-modules-load.service nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f {file}
ExecReload={nft} -f {file}
{confined}
[Install]
WantedBy=sysinit.target
"""

_WATCH_UNIT_TEMPLATE = """\
# {written_by}
[Unit]
Description=Load the table of restricted networks again when another program has deleted it
Documentation=man:nft(8)
ConditionPathExists={file}
After={unit}

[Service]
ExecStart={program} watch
Restart=always
RestartSec=5
{confined}DevicePolicy=closed
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes

[Install]
WantedBy=multi-user.target
"""


class FirewallUnit(NamedTuple):
    """Unit of Proscribe's: its name, its file, the text of the file, and the link that enables it."""

    name: str
    path: str
    text: str
    enabled_link: str


def make_units(nft: str) -> Sequence[FirewallUnit]:
    """Return the two units in the order in which they are started. `nft` is the path of nft on this host."""
    load_text = _LOAD_UNIT_TEMPLATE.format(
        written_by=WRITTEN_BY, nft=nft, file=BOOT_FILE_PATH, confined=_CONFINED_OPTIONS
    )
    watch_text = _WATCH_UNIT_TEMPLATE.format(
        written_by=WRITTEN_BY,
        file=BOOT_FILE_PATH,
        unit=LOAD_UNIT,
        program=program.PROGRAM_PATH,
        confined=_CONFINED_OPTIONS,
    )
    return (
        FirewallUnit(LOAD_UNIT, LOAD_UNIT_PATH, load_text, LOAD_ENABLED_LINK),
        FirewallUnit(WATCH_UNIT, WATCH_UNIT_PATH, watch_text, WATCH_ENABLED_LINK),
    )


def render_firewall_program() -> str:
    """Return the text of the host's program that restores a deleted table and reverts a change that nobody confirmed.

    The watcher (the second unit) and change_trial.py run it.
    """
    return program.render_program_text(BOOT_FILE_PATH, TABLE_NAME)


def is_program_intact(host: Host) -> bool:
    """Return whether the program has the desired text and mode."""
    status = host.find_entry(program.PROGRAM_PATH)
    return bool(
        status
        and stat.S_ISREG(status.st_mode)
        and stat.S_IMODE(status.st_mode) == program.PROGRAM_MODE
        and host.read_text(program.PROGRAM_PATH) == render_firewall_program()
    )


def has_systemd(host: Host) -> bool:
    """Return whether systemd starts this host. That includes an image that is not running."""
    return host.find_tool("systemctl") is not None


def is_unit_active(host: Host, name: str) -> bool:
    """Return whether a unit is active. Call it only on a host that systemd runs."""
    return is_evidently_active(host, name) or host.run_command(["systemctl", "is-active", "--quiet", name]).rc == 0


class RevertedChange(NamedTuple):
    """Change that was reverted."""

    reverted_at: str  # UTC
    reason: str  # key of REVERT_REASONS
    digest: str  # SHA-256 of the table that was reverted

    def __str__(self) -> str:
        return f"taken back at {self.reverted_at}, because {REVERT_REASONS.get(self.reason, 'it was not confirmed')}"


REVERT_REASONS = {
    "unreached": "no controller reached this host over a new connection in time",
    "cut": "with it this host could not send to its own gateways and resolvers",
}


def list_reverted_changes(host: Host) -> list[RevertedChange]:
    """Return the changes that were reverted since the last confirmation, oldest first."""
    lines = (line.split() for line in (host.read_text(program.REVERT_LOG_PATH) or "").splitlines())
    return [RevertedChange(*fields[:3]) for fields in lines if len(fields) > 2]


def list_pending_tokens(host: Host) -> list[str]:
    """Return the token of the change that waits for its confirmation, in a list; [] if there is none.

    The token identifies the change. It is a part of the name of the change's file (program.py).
    """
    prefix = "pending-"
    return [name[len(prefix) :] for name in host.list_directory(program.CHANGE_DIRECTORY) if name.startswith(prefix)]


def find_boot_defects(host: Host, nft: str, text: str) -> list[Finding]:
    """Return findings for everything that prevents the restoration of the table after a reboot or a deletion.

    `text` is the desired content of the boot file. If it is "", no table is desired: then the findings are for files
    that were left over.
    """
    stored_text = host.read_text(BOOT_FILE_PATH) or ""
    defects = _find_unconfirmed_change(host) if stored_text != text else []
    # If nothing is installed yet, one finding is enough.
    if text and not stored_text and not host.find_entry(LOAD_UNIT_PATH) and has_systemd(host):
        return [*defects, _make_unit_finding(LOAD_UNIT, "missing", LOAD_UNIT_PATH)]
    if stored_text != text:
        defects.append(
            _make_file_finding(BOOT_FILE_PATH, "missing" if not stored_text else "changed" if text else "left over")
        )
    if not text:
        leftover_units = [(read_unit_text(host, path), path) for path in (LOAD_UNIT_PATH, WATCH_UNIT_PATH)]
        defects += [_make_unit_finding(path, "left over", path) for content, path in leftover_units if content]
        return defects + [
            _make_file_finding(program.PROGRAM_PATH, "left over") for _ in [0] if host.find_entry(program.PROGRAM_PATH)
        ]
    if not has_systemd(host):
        return [*defects, _make_unit_finding(LOAD_UNIT, "this host has no systemd: the table is not loaded at boot")]
    if not is_program_intact(host):
        defects.append(
            _make_file_finding(program.PROGRAM_PATH, "changed" if host.find_entry(program.PROGRAM_PATH) else "missing")
        )
    for unit in make_units(nft):
        content = read_unit_text(host, unit.path)
        if content != unit.text:
            # the content of a masked unit, which systemd never starts, is ""
            state = "missing" if content is None else "changed" if content else "masked"
            defects.append(_make_unit_finding(unit.path, state, unit.path))
        if host.find_entry(unit.enabled_link) is None:
            defects.append(_make_unit_finding(unit.name, "not enabled", unit.enabled_link))
    for name, paths in find_foreign_files(host, [unit.name for unit in make_units(nft)]).items():
        defects += [_make_unit_finding(name, f"overridden by {path}", path) for path in paths]
    # The state of the watcher is checked only if all files are as desired.
    if not defects and host.find_entry(SYSTEMD_RUNS_PATH):
        if not is_unit_active(host, WATCH_UNIT):
            defects.append(_make_unit_finding(WATCH_UNIT, "not running"))
        elif is_suspended(host, WATCH_UNIT):
            defects.append(_make_unit_finding(WATCH_UNIT, "stopped by a signal, or frozen"))
    return defects


def _find_unconfirmed_change(host: Host) -> list[Finding]:
    """Return a finding for a change that waits for its confirmation, or for the last reverted change; else []."""
    if list_pending_tokens(host):
        return [_make_change_finding("waits until its controller confirms it; otherwise it is taken back by itself")]
    reverted_changes = list_reverted_changes(host)
    repetition = f" ({len(reverted_changes)} in a row)" if len(reverted_changes) > 1 else ""
    return [
        _make_change_finding(f"the last change was {reverted_change}{repetition}")
        for reverted_change in reverted_changes[-1:]
    ]


def _make_change_finding(detail: str) -> Finding:
    return Finding("change", TABLE_NAME, manager="nftables", path=program.REVERT_LOG_PATH, detail=detail)


def _make_file_finding(path: str, detail: str) -> Finding:
    return Finding("file", path, manager="nftables", path=path, detail=detail)


def _make_unit_finding(finding_id: str, detail: str, path: str = "") -> Finding:
    return Finding("unit", finding_id, manager="systemd", path=path, detail=detail)
