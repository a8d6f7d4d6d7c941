"""The organisation's own tenants of Microsoft Entra: the id and the domains of each.

A plan has a text for a tenant with only an id or only one domain, else {id, domains}. Microsoft's settings name tenants
in different forms:

- `Restrict-Access-To-Tenants`: ids and domains (learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions)
- `Restrict-Access-Context`: the id of the tenant that sets the restriction (same page)
- `AllowTenantList` of OneDrive: ids (learn.microsoft.com/sharepoint/use-group-policy)
- `RestrictTeamsSignInToAccountsFromTenantList`: ids (learn.microsoft.com/microsoftteams/sign-in-teams)
- the policy of a partner in Microsoft Graph: an id (learn.microsoft.com/graph/api/resources/
    crosstenantaccesspolicyconfigurationpartner)
- `RestrictSigninToPattern` of Edge: names of accounts, so domains
    (learn.microsoft.com/deployedge/microsoft-edge-policies/restrictsignintopattern)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ..base.lazy_patterns import ASCII, IGNORECASE, compile_pattern
from ..base.named_tuple import NamedTuple

if TYPE_CHECKING:
    from .types.plan import ControlSettings, TenantEntry

TENANTS_VARIABLE = "proscribe_tenants.microsoft"
GUID_PATTERN = compile_pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", ASCII | IGNORECASE)
ADMIN_CENTER_URL = "https://entra.microsoft.com"
CONFIGURATION_URL = "https://login.microsoftonline.com/{}/v2.0/.well-known/openid-configuration"


class Tenant(NamedTuple):
    """A tenant of Microsoft Entra: its id and the domains of its accounts.

    One of the two may be missing. Settings that need the missing one are not written.
    """

    id: str = ""
    domains: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The id, or the domains if the id is unknown, for settings that accept ids and domains."""
        return (self.id,) if self.id else self.domains


def read_tenant(entry: str | TenantEntry) -> Tenant:
    """Read a tenant from a plan.

    The entry is {id, domains}, an id, or a single domain. A text that is not an id is a domain.
    """
    if isinstance(entry, str):
        return Tenant(id=entry) if GUID_PATTERN.fullmatch(entry) else Tenant(domains=(entry,))
    return Tenant(entry.get("id", ""), tuple(entry.get("domains", ())))


def read_microsoft_tenants(settings: ControlSettings) -> tuple[Tenant, ...]:
    """Return Microsoft's tenants in a plan's browser settings.

    The first is the organisation's own.
    """
    return tuple(map(read_tenant, settings.get("tenants", {}).get("microsoft", ())))


def read_google_domains(settings: ControlSettings) -> tuple[str, ...]:
    """Return the domains of Google's tenants in a plan's browser settings."""
    return tuple(map(str, settings.get("tenants", {}).get("google", ())))


def describe_missing_id(tenants: Sequence[Tenant]) -> str:
    """Return a phrase about the first tenant without an id; "" if each tenant has an id."""
    return next(
        (
            f"{TENANTS_VARIABLE} has {tenant.domains[0]!r} without the id of its tenant"
            for tenant in tenants
            if not tenant.id
        ),
        "",
    )


def explain_missing_id(tenants: Sequence[Tenant], needed_for: str) -> str:
    """Return advice about the first tenant without an id: the setting that needs the id, and where to find it.

    `needed_for` is the setting. The result is "" if each tenant has an id.
    """
    for tenant in tenants:
        if not tenant.id:
            listed = ", ".join(tenant.domains)
            return (
                f"{describe_missing_id([tenant])}, and {needed_for} takes ids (GUIDs) only. Write"
                f" {{id: <tenant id>, domains: [{listed}]}} there. The id is the Tenant ID below Overview at"
                f" {ADMIN_CENTER_URL}; it is also in the issuer at {CONFIGURATION_URL.format(tenant.domains[0])}"
            )
    return ""


def explain_missing_domains(tenants: Sequence[Tenant], needed_for: str) -> str:
    """Return advice about the first tenant without domains: the setting that needs domains, and what to write.

    `needed_for` is the setting. The result is "" if each tenant has a domain.
    """
    for tenant in tenants:
        if not tenant.domains:
            return (
                f"{TENANTS_VARIABLE} has {tenant.id!r} without the domains of its accounts, and {needed_for} takes "
                f"domains"
                f" only. Write {{id: {tenant.id}, domains: [<all domains of its accounts>]}} there."
            )
    return ""
