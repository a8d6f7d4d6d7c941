"""How the table comes back after a reboot: a file to load and a unit of our own.

Not nftables.service: on Debian that one flushes every table of the host, ours and others', when it stops. Ours follows
it (PartOf), so that a restart which flushed the table brings it back.
"""

from __future__ import annotations

from ...finding import Finding
from ...host import WRITTEN_BY, Host

FILE = "/etc/proscribe/firewall.nft"
FILE_MODE = 0o600  # what is exempted is nobody else's business
UNIT_NAME = "proscribe-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT_NAME}"
ENABLED = f"/etc/systemd/system/sysinit.target.wants/{UNIT_NAME}"

# Before the network is up, and without an ExecStop: stopping the unit does not open the host. DefaultDependencies would
# put it after sysinit.target, that is after what may already talk to the network.
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

[Install]
WantedBy=sysinit.target
"""


def unit(nft: str) -> str:
    """The unit's text, for the nft of this host."""
    return _UNIT.format(written_by=WRITTEN_BY, nft=nft, file=FILE)


def has_systemd(host: Host) -> bool:
    """Whether systemd starts this host, now or (an image being made) when it boots."""
    return host.tool("systemctl") is not None


def wrong(host: Host, nft: str, text: str) -> list[Finding]:
    """What keeps the table from being there after a reboot; with nothing to load ("") what is left over."""
    if text and has_systemd(host) and not host.stat(FILE) and not host.stat(UNIT_FILE):
        return [Finding("unit", UNIT_NAME, manager="systemd", path=UNIT_FILE, detail="missing")]
    found = []
    for kind, path, wanted in (("file", FILE, text), ("unit", UNIT_FILE, unit(nft) if text else "")):
        if kind == "unit" and text and not has_systemd(host):
            detail = "this host has no systemd: the table is not loaded at boot"
            found.append(Finding("unit", UNIT_NAME, manager="systemd", detail=detail))
            return found
        content = host.text(path) or ""
        if content != wanted:
            detail = "missing" if not content else "changed" if wanted else "left over"
            found.append(
                Finding(kind, path, manager="systemd" if kind == "unit" else "nftables", path=path, detail=detail)
            )
    if text and host.stat(ENABLED) is None:
        found.append(Finding("unit", UNIT_NAME, manager="systemd", path=ENABLED, detail="not enabled"))
    return found
