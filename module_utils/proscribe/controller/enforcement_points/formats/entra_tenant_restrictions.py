"""Whose accounts Microsoft lets in: the headers for a proxy that opens HTTPS, and the policy of Microsoft Entra itself.

- `headers.json` (version 1): a proxy takes these headers away from requests to the listed hosts, and adds its own.
- `default.json`, `partner_<number>.json` (version 2): requests to Microsoft Graph. The first tenant is the
  organisation's own, the others are its partners. Windows, Global Secure Access or a proxy says which requests are
  subject to the policy. They need the id that Entra gives it.

Both need the id (a GUID) of each tenant. The policy of a partner has it as its key, and the accounts of a partner
without such a policy are refused. The header Restrict-Access-Context takes nothing else.

Microsoft: with version 2, a proxy no longer adds the headers of version 1. It opens no host below the listed ones,
such as device.login.microsoftonline.com.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ....host.controls.browser.chromium import CONTEXT_HEADER, make_microsoft_headers
from ....host.controls.browser.settings import MICROSOFT_TENANTS
from ....model.plan import RESTRICTED_MODES
from ....model.tenants import explain_missing_id, read_microsoft_tenants
from ..declaration import NOTHING, Decision, Device, Format, LeftOut, Limit, NotExportable, Rendered
from ..header import about, json_file
from ..web_names import CONTROL, rule_of, web_names

_TENANT = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)
LIMIT = Limit(4_000, "characters of a header", "a figure of our own: Microsoft names none")
ONLY = "Tenant restrictions distinguish Microsoft's accounts, and close no site."


def render(decision: Decision) -> Rendered:
    """The headers and the requests."""
    tenants = read_microsoft_tenants(decision.plan["controls"][CONTROL]["settings"])
    if not tenants:
        raise NotExportable(f"{NOTHING}: proscribe_tenants names no tenant of Microsoft's")
    for name in (name for tenant in tenants for name in (*filter(None, [tenant.id]), *tenant.domains)):
        if not _TENANT.fullmatch(name):
            raise NotExportable(f"{name!r} is no tenant, expected a domain or an id: letters, digits, dots, hyphens")
    if missing := explain_missing_id(tenants, "the policy of a partner" if tenants[0].id else CONTEXT_HEADER):
        raise NotExportable(missing)
    LIMIT.check(len(",".join(tenant.id for tenant in tenants)))
    headers = [{"hosts": one["patterns"], "headers": one["headers"]} for one in make_microsoft_headers(tenants)]
    files = {
        "headers.json": json_file(headers),
        "default.json": _request("PATCH", "default", {"tenantRestrictions": _restrictions("blocked")}),
    }
    for number, partner in enumerate(tenants[1:], 1):
        body: dict[str, object] = {"tenantId": partner.id, "tenantRestrictions": _restrictions("allowed")}
        files[f"partner_{number}.json"] = _request("POST", "partners", body)
    rule = f"{CONTROL}/{MICROSOFT_TENANTS}"
    files |= about(decision, "entra_tenant_restrictions")
    return Rendered(files, [rule], list(_sites(decision)))


def _restrictions(access: str) -> dict[str, object]:
    return {
        "usersAndGroups": {"accessType": access, "targets": [{"target": "AllUsers", "targetType": "user"}]},
        "applications": {"accessType": access, "targets": [{"target": "AllApplications", "targetType": "application"}]},
    }


def _request(method: str, where: str, body: dict[str, object]) -> bytes:
    return json_file({"method": method, "path": f"/policies/crossTenantAccessPolicy/{where}", "body": body})


def _sites(decision: Decision) -> Iterator[LeftOut]:
    for id_, entry in sorted(decision.plan["controls"][CONTROL]["services"].items()):
        if entry["mode"] in RESTRICTED_MODES:
            yield LeftOut(f"{CONTROL}/{id_}", "the service", ONLY)
    for one in web_names(decision).paths:
        yield LeftOut(rule_of(decision, one), f"path {one}", ONLY)


FORMAT = Format(
    name="entra_tenant_restrictions",
    meant_for="Microsoft Entra: tenant restrictions, as headers for a proxy (version 1) or as its policy (version 2)",
    controls=(CONTROL,),
    render=render,
    main="headers.json, default.json, partner_<number>.json",
    device=Device(
        below="no names: the hosts of Microsoft's sign-in, each alone, without what lies below",
        exceptions="the tenants of `proscribe_tenants`; the first one is the organisation's own",
        fetched="nothing is fetched: the proxy is configured, or a client of Microsoft Graph sends the requests",
        pages=(
            "https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions",
            "https://learn.microsoft.com/entra/external-id/tenant-restrictions-v2",
            "https://learn.microsoft.com/graph/api/crosstenantaccesspolicyconfigurationdefault-update",
            "https://learn.microsoft.com/graph/api/resources/crosstenantaccesspolicytenantrestrictions",
        ),
        read="2026-11-30",
        limit=LIMIT,
    ),
)
