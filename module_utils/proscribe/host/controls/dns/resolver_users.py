"""Who asks name servers for a host, where everybody else is made to ask that one: for the firewall's forced DNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...system import Host, Process
from .choice import HOSTS, choose

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def resolver_users(host: Host, plan: Plan) -> list[str]:
    """The accounts of the resolver that a host filters with, sorted; none where it has no filter of its own. Then plain
    DNS must stay open for all: there is nobody else to ask.

    The rule is then: accept what leaves by `lo`; refuse port 53, TCP and UDP, unless `meta skuid` is one of them.
    Raises ControlError like `observe`.
    """
    section = plan["controls"].get("dns", {"mode": "audit"})
    choice = choose(host, section["settings"]) if section["mode"] == "enforce" else None
    if choice is None or choice.name == HOSTS:
        return []
    if choice.name == "resolved":
        from .backends.resolved import user

        return sorted({"systemd-resolve", user(host)})
    if choice.name == "networkmanager":
        return _dnsmasq_of(host, choice.observed.units["NetworkManager.service"])
    pid = choice.observed.units[f"{choice.name}.service"]
    owner = host.owner(Process(pid, "")) if pid else None
    return [owner.name] if owner else []


def _dnsmasq_of(host: Host, manager: int) -> list[str]:
    """The accounts of the dnsmasq that NetworkManager started, and of NetworkManager where it has started none yet."""
    found = set()
    for process in host.processes()[0]:
        status = host.text(f"/proc/{process.pid}/status") or ""
        if process.exe.endswith("/dnsmasq") and f"\nPPid:\t{manager}\n" in status:
            owner = host.owner(process)
            found.update([owner.name] if owner else [])
    return sorted(found)
