"""How the table comes back: after a reboot, by a unit that loads a file; after another program deleted it, by a second
unit that watches for that.

Not nftables.service: on Debian that one flushes every table of the host, ours and others', when it stops. Ours follows
it (PartOf), so that a restart which flushed the table brings it back. What else deletes it (`nft flush ruleset`, a
script of somebody's) the watcher sees in the kernel's own events.
"""

from __future__ import annotations

import stat
from typing import Sequence

from ....base.tuples import NamedTuple
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
from .ruleset import TABLE

FILE = "/etc/proscribe/firewall.nft"
FILE_MODE = 0o600  # what is exempted is nobody else's business
UNIT_NAME = "proscribe-firewall.service"
WATCH_NAME = "proscribe-firewall-watch.service"
UNITS = UNIT_DIRECTORY
UNIT_FILE = f"{UNITS}/{UNIT_NAME}"
WATCH_FILE = f"{UNITS}/{WATCH_NAME}"
ENABLED = f"{UNITS}/sysinit.target.wants/{UNIT_NAME}"
WATCH_ENABLED = f"{UNITS}/multi-user.target.wants/{WATCH_NAME}"

# They may change the firewall, and nothing else of the host.
_CONFINED = f"""\
UMask=0077
CapabilityBoundingSet=CAP_NET_ADMIN
RestrictAddressFamilies=AF_NETLINK AF_UNIX
SystemCallFilter=@system-service
{CONFINEMENT}"""

# Before the network is up, and without an ExecStop: stopping the unit does not open the host. DefaultDependencies would
# put it after sysinit.target, that is after what may already talk to the network. It sees the mounts of the host: where
# others cannot be made for it, the unit would fail, and the host would be open.
_UNIT = """\
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

_WATCH = """\
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


class Unit(NamedTuple):
    """A unit of ours: its name, its file with the text of it, and the link that enables it."""

    name: str
    path: str
    text: str
    enabled: str


def units(nft: str) -> Sequence[Unit]:
    """The units, in the order in which they are started, for the nft of this host."""
    load = _UNIT.format(written_by=WRITTEN_BY, nft=nft, file=FILE, confined=_CONFINED)
    watch = _WATCH.format(written_by=WRITTEN_BY, file=FILE, unit=UNIT_NAME, program=program.PATH, confined=_CONFINED)
    return (
        Unit(UNIT_NAME, UNIT_FILE, load, ENABLED),
        Unit(WATCH_NAME, WATCH_FILE, watch, WATCH_ENABLED),
    )


def program_text() -> str:
    """The program that the watcher and unconfirmed changes need."""
    return program.text(FILE, TABLE)


def program_is_whole(host: Host) -> bool:
    """Whether the program is there as it should be, and can be run."""
    seen = host.find_entry(program.PATH)
    return bool(
        seen
        and stat.S_ISREG(seen.st_mode)
        and stat.S_IMODE(seen.st_mode) == program.MODE
        and host.read_text(program.PATH) == program_text()
    )


def has_systemd(host: Host) -> bool:
    """Whether systemd starts this host, now or (an image being made) when it boots."""
    return host.find_tool("systemctl") is not None


def is_active(host: Host, name: str) -> bool:
    """Whether a unit is active. Only for a host that systemd runs."""
    return is_evidently_active(host, name) or host.run_command(["systemctl", "is-active", "--quiet", name]).rc == 0


class TakenBack(NamedTuple):
    """A change that was taken back."""

    at: str  # UTC
    reason: str
    digest: str  # SHA-256 of the table that it loaded

    def __str__(self) -> str:
        return f"taken back at {self.at}, because {REASONS.get(self.reason, 'it was not confirmed')}"


REASONS = {
    "unreached": "no controller reached this host over a new connection in time",
    "cut": "with it this host could not send to its own gateways and resolvers",
}


def taken_back(host: Host) -> list[TakenBack]:
    """The changes that were taken back since one was confirmed, oldest first."""
    words = (line.split() for line in (host.read_text(program.TRACE) or "").splitlines())
    return [TakenBack(*word[:3]) for word in words if len(word) > 2]


def pending(host: Host) -> list[str]:
    """The tokens of the changes that wait for their confirmation: one at most."""
    start = "pending-"
    return [name[len(start) :] for name in host.list_directory(program.RUN) if name.startswith(start)]


def wrong(host: Host, nft: str, text: str) -> list[Finding]:
    """What keeps the table from coming back by itself; with nothing to load ("") what is left over."""
    stored = host.read_text(FILE) or ""
    found = _unconfirmed(host) if stored != text else []
    if text and not stored and not host.find_entry(UNIT_FILE) and has_systemd(host):
        return [*found, _unit(UNIT_NAME, "missing", UNIT_FILE)]
    if stored != text:
        found.append(_file(FILE, "missing" if not stored else "changed" if text else "left over"))
    if not text:
        left = [(read_unit_text(host, path), path) for path in (UNIT_FILE, WATCH_FILE)]
        found += [_unit(path, "left over", path) for content, path in left if content]
        return found + [_file(program.PATH, "left over") for _ in [0] if host.find_entry(program.PATH)]
    if not has_systemd(host):
        return [*found, _unit(UNIT_NAME, "this host has no systemd: the table is not loaded at boot")]
    if not program_is_whole(host):
        found.append(_file(program.PATH, "changed" if host.find_entry(program.PATH) else "missing"))
    for desired in units(nft):
        content = read_unit_text(host, desired.path)
        if content != desired.text:
            state = "missing" if content is None else "changed" if content else "masked"
            found.append(_unit(desired.path, state, desired.path))
        if host.find_entry(desired.enabled) is None:
            found.append(_unit(desired.name, "not enabled", desired.enabled))
    for name, paths in find_foreign_files(host, [desired.name for desired in units(nft)]).items():
        found += [_unit(name, f"overridden by {path}", path) for path in paths]
    if not found and host.find_entry(SYSTEMD_RUNS_PATH):
        if not is_active(host, WATCH_NAME):
            found.append(_unit(WATCH_NAME, "not running"))
        elif is_suspended(host, WATCH_NAME):
            found.append(_unit(WATCH_NAME, "stopped by a signal, or frozen"))
    return found


def _unconfirmed(host: Host) -> list[Finding]:
    """A change that waits to be confirmed, or why the last one is not there."""
    if pending(host):
        return [_change("waits until its controller confirms it; otherwise it is taken back by itself")]
    back = taken_back(host)
    times = f" ({len(back)} in a row)" if len(back) > 1 else ""
    return [_change(f"the last change was {last}{times}") for last in back[-1:]]


def _change(detail: str) -> Finding:
    return Finding("change", TABLE, manager="nftables", path=program.TRACE, detail=detail)


def _file(path: str, detail: str) -> Finding:
    return Finding("file", path, manager="nftables", path=path, detail=detail)


def _unit(id_: str, detail: str, path: str = "") -> Finding:
    return Finding("unit", id_, manager="systemd", path=path, detail=detail)
