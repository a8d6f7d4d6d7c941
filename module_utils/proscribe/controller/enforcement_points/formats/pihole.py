"""Format `pihole`: two subscribed lists for Pi-hole 6 in the style of Adblock Plus. The allowlist takes precedence."""

from __future__ import annotations

import re

from ..allow_and_block_lists import is_host_blocked, make_two_lists
from ..file_header import encode_lines, make_comment
from ..format_declaration import DeviceDocumentation, ExportDecision, ExportFormat, RenderedExport

# FTL's valid_domain: two characters or more after the last dot, without a hyphen at either end.
_NAME_PATTERN = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*(?!-)[a-z0-9_-]{1,62}[a-z0-9_]", re.ASCII)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the blocking and the allowing list for subscription."""
    exported_names = make_two_lists(
        decision, lambda name: bool(_NAME_PATTERN.fullmatch(name)), "Pi-hole does not take its form."
    )
    header_lines = make_comment(decision, "pihole")
    files = {
        "blocked.txt": encode_lines([*header_lines, *(f"||{name}^" for name in exported_names.blocked_names)]),
        "allowed.txt": encode_lines([*header_lines, *(f"@@||{name}^" for name in exported_names.allowed_names)]),
    }
    return RenderedExport(files, exported_names.included_rules, exported_names.left_out)


FORMAT = ExportFormat(
    name="pihole",
    purpose="Pi-hole 6 and newer: a subscribed denylist and a subscribed allowlist",
    controls=("dns",),
    render_export=render_export,
    tested_with="AdGuard's engine for the same syntax (2.2), nightly",
    main_files="blocked.txt, allowed.txt",
    is_blocked=is_host_blocked,
    device=DeviceDocumentation(
        wildcard_form="`||example.com^`",
        exception_form="`allowed.txt`, `@@||example.com^`: subscribed allowlists come before subscribed denylists",
        fetch_method="by Pi-hole, from a web server: weekly, or by `pihole updateGravity` from a timer",
        vendor_pages=(
            "https://docs.pi-hole.net/database/domain-database/",
            "https://github.com/pi-hole/FTL/blob/master/src/tools/gravity-parseList.c",
            "https://github.com/pi-hole/pi-hole/blob/master/advanced/Templates/pihole.cron",
        ),
        read_on="2026-11-30",
    ),
)
