"""Format `unbound`: a file of local zones that unbound's configuration includes.

Hosts that run unbound get the same zones.
"""

from __future__ import annotations

from functools import partial

from ....host.controls.dns.backends.unbound import UNBOUND_LANGUAGE
from ..dns_names import is_name_blocked, render_resolver_export
from ..format_declaration import ExportFormat

FORMAT = ExportFormat(
    name="unbound",
    purpose="unbound as a network's resolver, on OPNsense and pfSense too",
    controls=("dns",),
    render_export=partial(render_resolver_export, "unbound", UNBOUND_LANGUAGE),
    tested_with="unbound-checkconf and unbound",
    main_files="proscribe.conf",
    is_blocked=is_name_blocked,
)
