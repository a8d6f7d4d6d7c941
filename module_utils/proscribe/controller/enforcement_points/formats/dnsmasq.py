"""Format `dnsmasq`: configuration lines for dnsmasq's drop-in directory.

Hosts that run dnsmasq get the same lines.
"""

from __future__ import annotations

from functools import partial

from ....host.controls.dns.backends.dnsmasq import DNSMASQ_LANGUAGE
from ..dns_names import is_name_blocked, render_resolver_export
from ..format_declaration import ExportFormat

FORMAT = ExportFormat(
    name="dnsmasq",
    purpose="dnsmasq as a network's resolver: OpenWrt and most small routers",
    controls=("dns",),
    render_export=partial(render_resolver_export, "dnsmasq", DNSMASQ_LANGUAGE),
    tested_with="dnsmasq --test and dnsmasq",
    main_files="proscribe.conf",
    is_blocked=is_name_blocked,
)
