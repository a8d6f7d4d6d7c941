"""Format `entra_tenant_restrictions`: accounts that Microsoft admits, as proxy headers and as Entra's policy.

    - `headers.json` (version 1): a proxy that decrypts HTTPS removes these headers from requests to the listed
      hosts, and adds the listed values.
    - `default.json`, `partner_<number>.json` (version 2): requests to Microsoft Graph. The first tenant is the
      organisation's, the others are its partners. Windows, Global Secure Access or a proxy marks the requests
      that are subject to the policy. Each of these needs the id that Entra assigns to the policy.

Both versions need the id (a GUID) of each tenant. This id is the key of a partner's policy. Accounts of a partner
without a policy are refused. The header Restrict-Access-Context accepts only an id. Microsoft: with version 2, a proxy
no longer adds the headers of version 1. The proxy decrypts no subdomain of the listed hosts, such as
device.login.microsoftonline.com.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....host.controls.browser.browser_settings import MICROSOFT_TENANTS
from ....host.controls.browser.chromium import make_microsoft_headers
from ....model.plan import RESTRICTED_MODES
from ....model.tenants import CONTEXT_HEADER, PARTNER_POLICY, TENANTS_HEADER, read_microsoft_tenants
from ..file_header import encode_json, make_about_file
from ..format_declaration import (
    NOTHING_TO_EXPORT,
    DeviceDocumentation,
    DeviceLimit,
    ExportDecision,
    ExportError,
    ExportFormat,
    ExportOmission,
    RenderedExport,
)
from ..web_names import BROWSER_CONTROL, collect_web_names

HEADER_LIMIT = DeviceLimit(4_000, "characters of a header", "a figure of our own: Microsoft names none")
ACCOUNTS_ONLY_REASON = "Tenant restrictions distinguish Microsoft's accounts, and close no site."


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the export: proxy headers, and requests to Microsoft Graph.

    Raises ExportError for missing or invalid tenants.
    """
    tenants = read_microsoft_tenants(decision.plan["controls"][BROWSER_CONTROL]["settings"])
    if not tenants:
        raise ExportError(f"{NOTHING_TO_EXPORT}: proscribe_tenants names no tenant of Microsoft's")
    for problem in (
        TENANTS_HEADER.explain_wrong_value(tenants),
        CONTEXT_HEADER.explain_missing_value(tenants),
        PARTNER_POLICY.explain_missing_value(tenants),
    ):
        if problem:
            raise ExportError(problem)
    HEADER_LIMIT.check_count(len(",".join(TENANTS_HEADER.select_values(tenants))))
    headers = [
        {"hosts": header_group["patterns"], "headers": header_group["headers"]}
        for header_group in make_microsoft_headers(tenants)
    ]
    files = {
        "headers.json": encode_json(headers),
        "default.json": _render_request("PATCH", "default", {"tenantRestrictions": _make_restrictions("blocked")}),
    }
    for number, partner_id in enumerate(PARTNER_POLICY.select_values(tenants[1:]), 1):
        body: dict[str, object] = {PARTNER_POLICY.name: partner_id, "tenantRestrictions": _make_restrictions("allowed")}
        files[f"partner_{number}.json"] = _render_request("POST", "partners", body)
    rule = f"{BROWSER_CONTROL}/{MICROSOFT_TENANTS}"
    files |= make_about_file(decision, "entra_tenant_restrictions")
    return RenderedExport(files, [rule], list(_iterate_open_sites(decision)))


def _make_restrictions(access: str) -> dict[str, object]:
    return {
        "usersAndGroups": {"accessType": access, "targets": [{"target": "AllUsers", "targetType": "user"}]},
        "applications": {"accessType": access, "targets": [{"target": "AllApplications", "targetType": "application"}]},
    }


def _render_request(method: str, endpoint: str, body: dict[str, object]) -> bytes:
    return encode_json({"method": method, "path": f"/policies/crossTenantAccessPolicy/{endpoint}", "body": body})


def _iterate_open_sites(decision: ExportDecision) -> Iterator[ExportOmission]:
    """Report each restricted service and blocked path as missing from the export.

    Tenant restrictions block no site.
    """
    for service_id, entry in sorted(decision.plan["controls"][BROWSER_CONTROL]["services"].items()):
        if entry["mode"] in RESTRICTED_MODES:
            yield ExportOmission(f"{BROWSER_CONTROL}/{service_id}", "the service", ACCOUNTS_ONLY_REASON)
    web_names = collect_web_names(decision)
    for web_name in web_names.is_blocked_by_path:
        yield ExportOmission(web_names.rule_by_path.get(web_name, ""), f"path {web_name}", ACCOUNTS_ONLY_REASON)


FORMAT = ExportFormat(
    name="entra_tenant_restrictions",
    purpose="Microsoft Entra: tenant restrictions, as headers for a proxy (version 1) or as its policy (version 2)",
    controls=(BROWSER_CONTROL,),
    render_export=render_export,
    main_files="headers.json, default.json, partner_<number>.json",
    device=DeviceDocumentation(
        wildcard_form="no names: the hosts of Microsoft's sign-in, each alone, without what lies below",
        exception_form="the tenants of `proscribe_tenants`; the first one is the organisation's own",
        fetch_method="nothing is fetched: the proxy is configured, or a client of Microsoft Graph sends the requests",
        vendor_pages=(
            "https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions",
            "https://learn.microsoft.com/entra/external-id/tenant-restrictions-v2",
            "https://learn.microsoft.com/graph/api/crosstenantaccesspolicyconfigurationdefault-update",
            "https://learn.microsoft.com/graph/api/resources/crosstenantaccesspolicytenantrestrictions",
        ),
        read_on="2026-11-30",
        limit=HEADER_LIMIT,
    ),
)
