"""All backends with a real filter.

`tests/tool python tests/derived` writes this file from what the backends declare (declaration.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

if TYPE_CHECKING:
    from .declaration import Backend

# Key: a backend. Value: its kind, its systemd unit ("" for none), and the files that it may leave.
FILTER_BACKENDS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "dnsmasq": ("server", "dnsmasq.service", ("/etc/dnsmasq.d/proscribe.conf",)),
    "unbound": (
        "server",
        "unbound.service",
        (
            "/etc/unbound/unbound.conf.d/proscribe.conf",
            "/etc/unbound/conf.d/proscribe.conf",
            "/etc/unbound/local.d/proscribe.conf",
        ),
    ),
    "networkmanager": (
        "manager",
        "NetworkManager.service",
        (
            "/etc/NetworkManager/dnsmasq.d/proscribe.conf",
            "/etc/NetworkManager/conf.d/zz-proscribe.conf",
        ),
    ),
    "resolved": (
        "stub",
        "systemd-resolved.service",
        (
            "/etc/systemd/resolved.conf.d/zz-proscribe.conf",
            "/etc/systemd/system/proscribe-dns.service",
            "/etc/proscribe/dns.conf",
        ),
    ),
}


def load_backend(name: str) -> Backend:
    """Return the module of a filter, compiled on a host only where it is needed. Raises KeyError."""
    if name == "dnsmasq":
        from . import dnsmasq

        return dnsmasq
    if name == "unbound":
        from . import unbound

        return unbound
    if name == "networkmanager":
        from . import networkmanager

        return networkmanager
    if name == "resolved":
        from . import resolved

        return resolved
    raise KeyError(name)
