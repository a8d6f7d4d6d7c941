"""Format `squid_opening`: rules for a Squid that decrypts HTTPS (ssl_bump), with paths and tenant headers.

The headers restrict the accounts that providers admit. They replace any such header from a client:
    - Google, with all hosts below: support.google.com/a/answer/1668854
    - Microsoft, without hosts below: device.login.microsoftonline.com requires a client's certificate and no proxy
      (learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ....host.controls.browser.browser_settings import GOOGLE_TENANTS, MICROSOFT_TENANTS
from ....host.controls.browser.chromium import make_microsoft_headers
from ....model.tenants import (
    CONTEXT_HEADER,
    GOOGLE_HEADER,
    TENANTS_HEADER,
    read_google_tenants,
    read_microsoft_tenants,
)
from ....model.types.plan import ControlSettings
from ..browser_formats import iterate_left_out_context
from ..file_header import encode_lines
from ..format_declaration import (
    BY_TENANT_REASON,
    HTTPS_PATHS,
    DeviceLimit,
    ExportDecision,
    ExportError,
    ExportFormat,
    ExportOmission,
    RenderedExport,
)
from ..text_template import render_template
from ..web_names import collect_web_names, is_site_blocked
from .squid import TEMPLATE, list_unsupported_paths, make_rules

GOOGLE_DOMAIN = ".google.com"
TENANT_RULES = (GOOGLE_TENANTS, MICROSOFT_TENANTS)
HEADER_LIMIT = DeviceLimit(4_000, "characters of a header", "a figure of our own: Squid limits the whole line")


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return a file that the organisation includes before its own http_access lines.

    Raises ExportError for a tenant that no header can have.
    """
    site_names = collect_web_names(decision)
    section = decision.plan["controls"]["browser"]
    rules = render_template(TEMPLATE, decision, "squid_opening", **make_rules(site_names))
    header_lines = encode_lines(list(_render_headers(section["settings"])))
    left_out = [
        omission
        for omission in site_names.left_out
        if omission.reason != BY_TENANT_REASON and omission.rule.partition("/")[2] not in TENANT_RULES
    ]
    left_out += [omission for omission in list_unsupported_paths(site_names) if not omission.rule]
    left_out += iterate_left_out_context(section)
    left_out.append(
        ExportOmission("", "connections that are not opened", "What Squid splices or tunnels has no paths.")
    )
    return RenderedExport({"proscribe.conf": rules + header_lines}, site_names.included_rules, left_out)


def _render_headers(settings: ControlSettings) -> Iterator[str]:
    """Yield the lines that set the headers for Google and Microsoft, and remove such headers from a client."""
    google_tenants, microsoft_tenants = read_google_tenants(settings), read_microsoft_tenants(settings)
    for setting, tenants in ((GOOGLE_HEADER, google_tenants), (TENANTS_HEADER, microsoft_tenants)):
        if problem := setting.explain_wrong_value(tenants):
            raise ExportError(problem)
    groups: list[dict[str, Any]] = make_microsoft_headers(microsoft_tenants) if microsoft_tenants else []
    if google_tenants:
        header_value = ",".join(GOOGLE_HEADER.select_values(google_tenants))
        groups.insert(
            0, {"patterns": [GOOGLE_DOMAIN], "headers": [{"name": GOOGLE_HEADER.name, "value": header_value}]}
        )
    if CONTEXT_HEADER.explain_missing_value(microsoft_tenants):
        yield f"request_header_access {CONTEXT_HEADER.name} deny all"  # a header from a client is removed in any case
    for number, group in enumerate(groups, 1):
        acl = f"proscribe_tenants_{number}"
        yield from (f"acl {acl} dstdomain -n {host}" for host in group["patterns"])
        for header in group["headers"]:
            HEADER_LIMIT.check_count(len(header["value"]))
            yield f"request_header_access {header['name']} deny all"
            yield f'request_header_add {header["name"]} "{header["value"]}" {acl}'


FORMAT = ExportFormat(
    name="squid_opening",
    purpose="Squid 5 and newer that opens HTTPS (ssl_bump): paths and tenants, too",
    controls=("browser",),
    render_export=render_export,
    tested_with="squid -k parse and squid (6.13), which sent the headers over HTTP",
    main_files="proscribe.conf",
    is_blocked=is_site_blocked,
    visible_paths=HTTPS_PATHS,
)
