"""Format `opnsense`: a blocklist that OPNsense fetches, and the file of the format `unbound` as a drop-in.

Both are for the resolver of the router. In a blocklist, `*.example.com` is the name and all names below it. The router
does not fetch a list of open names below blocked names. So somebody has to enter the open names into the field
Allowlist Domains, an expression for each. The drop-in needs no such step.
"""

from __future__ import annotations

import re

from ....host.controls.dns.backends.unbound import UNBOUND_LANGUAGE
from ..allow_and_block_lists import UNUSED_NAME, is_host_blocked, make_two_lists
from ..dns_names import render_resolver_export
from ..file_header import encode_lines, make_comment
from ..format_declaration import DeviceDocumentation, ExportDecision, ExportFormat, ExportOmission, RenderedExport

BLOCKLIST_FILE, ALLOWLIST_FILE, DROP_IN_FILE = "blocklist.txt", "allowlist.txt", "unbound.opnsense.d/proscribe.conf"
# BaseBlocklistHandler.domain_pattern, for lower case. OPNsense skips other lines of a blocklist.
_NAME_PATTERN = re.compile(
    r"(?:[a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.(?:xn--[a-z0-9]+|[a-z0-9]{2,})", re.ASCII
)
OPEN_NAMES_REASON = (
    f"{DROP_IN_FILE} leaves them open. With {BLOCKLIST_FILE}, somebody has to enter the lines of "
    f"{ALLOWLIST_FILE} on the router."
)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the blocklist, the allowlist, and the drop-in for the router's resolver."""
    exported_names = make_two_lists(
        decision, lambda name: bool(_NAME_PATTERN.fullmatch(name)), f"OPNsense skips it in {BLOCKLIST_FILE}."
    )
    (drop_in_content,) = render_resolver_export("opnsense", UNBOUND_LANGUAGE, decision).files.values()
    files = {
        BLOCKLIST_FILE: encode_lines(
            [*make_comment(decision, "opnsense"), *(f"*.{name}" for name in exported_names.blocked_names)]
        ),
        ALLOWLIST_FILE: encode_lines([f"^(.*\\.)?{re.escape(name)}$" for name in exported_names.allowed_names]),
        DROP_IN_FILE: drop_in_content,
    }
    open_names_omission = ExportOmission("", "the open names below blocked ones", OPEN_NAMES_REASON)
    return RenderedExport(
        files,
        exported_names.included_rules,
        [*exported_names.left_out, *([open_names_omission] if exported_names.allowed_names != (UNUSED_NAME,) else [])],
    )


FORMAT = ExportFormat(
    name="opnsense",
    purpose="OPNsense: a blocklist of its Unbound DNS, or a file for its folder of drop-ins",
    controls=("dns",),
    render_export=render_export,
    tested_with="unbound-checkconf, for the drop-in",
    main_files=f"{BLOCKLIST_FILE}, {ALLOWLIST_FILE}, {DROP_IN_FILE}",
    is_blocked=is_host_blocked,
    device=DeviceDocumentation(
        wildcard_form="`*.example.com`",
        exception_form=f"`{ALLOWLIST_FILE}`: expressions for the field Allowlist Domains; the drop-in has them",
        fetch_method=f"`{BLOCKLIST_FILE}` by the router, from a web server, by a task of its cron (daily); the others "
        f"by hand",
        vendor_pages=(
            "https://docs.opnsense.org/manual/unbound.html",
            "https://github.com/opnsense/core/blob/master/src/opnsense/scripts/unbound/blocklists/default_bl.py",
            "https://github.com/opnsense/core/blob/master/src/opnsense/scripts/unbound-dnsbl/lib/dnsbl.py",
        ),
        read_on="2026-11-30",
    ),
)
