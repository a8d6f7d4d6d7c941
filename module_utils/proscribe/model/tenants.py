"""The organisation's own tenants of each provider, and the form in which each setting of a vendor takes them.

A plan has a text for a tenant with only an id or only one domain, else {id, domains}. A tenant of Google is a domain.
TENANT_SETTINGS is the one table of settings that take tenants. Every export and every control takes its values there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ..base.lazy_patterns import ASCII, IGNORECASE, compile_pattern
from ..base.named_tuple import NamedTuple

if TYPE_CHECKING:
    from .types.plan import ControlSettings, TenantEntry

TENANTS_VARIABLE = "proscribe_tenants"
GOOGLE, MICROSOFT = "google", "microsoft"  # keys of the variable
PROVIDERS = (GOOGLE, MICROSOFT)
IDS, DOMAINS = "ids", "domains"  # kinds of values
GUID_PATTERN = compile_pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", ASCII | IGNORECASE)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN_PATTERN = compile_pattern(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+", ASCII)
ADMIN_CENTER_URL = "https://entra.microsoft.com"
CONFIGURATION_URL = "https://login.microsoftonline.com/{}/v2.0/.well-known/openid-configuration"


class Tenant(NamedTuple):
    """A tenant of Microsoft Entra: its id and the domains of its accounts.

    One of the two may be missing. Settings that need the missing one are not written.
    """

    id: str = ""
    domains: tuple[str, ...] = ()


class TenantSetting(NamedTuple):
    """A setting of a vendor that takes tenants: a header, a policy, or a field of a request."""

    name: str  # as the vendor calls it
    reader: str  # who reads the setting
    provider: str  # whose tenants it takes
    kinds: tuple[str, ...]  # IDS, DOMAINS or both
    takes_many: bool  # False if the setting takes the organisation's own tenant only
    form: str  # how the values are written
    source: str  # the vendor's page

    def select_values(self, tenants: Sequence[Tenant]) -> tuple[str, ...]:
        """Return the values that the setting takes, in the order of the tenants.

        A setting that takes both kinds gets the id of a tenant, or the domains if the id is unknown. Raises ValueError
        if a tenant lacks the only kind that the setting takes: its accounts would be refused.
        """
        if problem := self.explain_missing_value(tenants):
            raise ValueError(problem)
        values = [value for tenant in self._select_tenants(tenants) for value in self._list_values(tenant)]
        return tuple(dict.fromkeys(values))

    def explain_missing_value(self, tenants: Sequence[Tenant]) -> str:
        """Return advice about the first tenant without a value that the setting takes; "" if none lacks it."""
        for tenant in self._select_tenants(tenants):
            if not self._list_values(tenant):
                return (_explain_missing_id if self.kinds == (IDS,) else _explain_missing_domains)(tenant, self)
        return ""

    def explain_wrong_value(self, tenants: Sequence[Tenant]) -> str:
        """Return what is wrong with the first value that has another form than the setting takes; "" if none has."""
        for tenant in self._select_tenants(tenants):
            for value in self._list_values(tenant):
                pattern, expected = _FORMS[IDS if tenant.id and value == tenant.id else DOMAINS]
                if not pattern.fullmatch(value):
                    return f"{TENANTS_VARIABLE}.{self.provider}: found {value!r}, expected {expected} for {self.label}"
        return ""

    @property
    def label(self) -> str:
        """The setting and its reader, for messages."""
        return f"{self.name} of {self.reader}"

    def _select_tenants(self, tenants: Sequence[Tenant]) -> Sequence[Tenant]:
        return tenants if self.takes_many else tenants[:1]

    def _list_values(self, tenant: Tenant) -> tuple[str, ...]:
        return (tenant.id,) if tenant.id and IDS in self.kinds else tenant.domains if DOMAINS in self.kinds else ()


_FORMS = {IDS: (GUID_PATTERN, "a tenant id (a GUID)"), DOMAINS: (DOMAIN_PATTERN, "a domain such as example.org")}
_COMMAS, _LIST, _PATTERN, _ONE = "separated by commas", "a list", "a regular expression", "one value"
_LEARN = "https://learn.microsoft.com/"
_RESTRICTIONS_PAGE = _LEARN + "entra/identity/enterprise-apps/tenant-restrictions"
ALLOWED_APP_DOMAINS = TenantSetting(
    "AllowedDomainsForApps",
    "Chromium's relatives and Firefox",
    GOOGLE,
    (DOMAINS,),
    True,
    _COMMAS,
    "https://chromeenterprise.google/policies/#AllowedDomainsForApps",
)
GOOGLE_HEADER = TenantSetting(
    "X-GoogApps-Allowed-Domains",
    "Google's servers",
    GOOGLE,
    (DOMAINS,),
    True,
    _COMMAS,
    "https://support.google.com/a/answer/1668854",
)
CHROME_SIGN_IN = TenantSetting(
    "RestrictSigninToPattern",
    "Chrome",
    GOOGLE,
    (DOMAINS,),
    True,
    _PATTERN,
    "https://chromeenterprise.google/policies/#RestrictSigninToPattern",
)
DRIVE_ACCOUNTS = TenantSetting(
    "AllowedAccountsPattern",
    "Google Drive",
    GOOGLE,
    (DOMAINS,),
    True,
    _PATTERN,
    "https://support.google.com/a/answer/7644837",
)
TENANTS_HEADER = TenantSetting(
    "Restrict-Access-To-Tenants",
    "Microsoft's sign-in",
    MICROSOFT,
    (IDS, DOMAINS),
    True,
    _COMMAS,
    _RESTRICTIONS_PAGE,
)
# The id of another tenant would show in the log of that tenant who signs in.
CONTEXT_HEADER = TenantSetting(
    "Restrict-Access-Context",
    "Microsoft's sign-in",
    MICROSOFT,
    (IDS,),
    False,
    _ONE,
    _RESTRICTIONS_PAGE,
)
PARTNER_POLICY = TenantSetting(
    "tenantId",
    "the policy of a partner in Microsoft Graph",
    MICROSOFT,
    (IDS,),
    True,
    "one request for each",
    _LEARN + "graph/api/resources/crosstenantaccesspolicyconfigurationpartner",
)
EDGE_SIGN_IN = TenantSetting(
    "RestrictSigninToPattern",
    "Edge",
    MICROSOFT,
    (DOMAINS,),
    True,
    _PATTERN,
    _LEARN + "deployedge/microsoft-edge-policies/restrictsignintopattern",
)
ONEDRIVE_TENANTS = TenantSetting(
    "AllowTenantList",
    "OneDrive",
    MICROSOFT,
    (IDS,),
    True,
    _LIST,
    _LEARN + "sharepoint/use-group-policy",
)
TEAMS_SIGN_IN = TenantSetting(
    "RestrictTeamsSignInToAccountsFromTenantList",
    "Teams",
    MICROSOFT,
    (IDS,),
    True,
    _COMMAS,
    _LEARN + "microsoftteams/sign-in-teams",
)
TENANT_SETTINGS = (
    ALLOWED_APP_DOMAINS,
    GOOGLE_HEADER,
    CHROME_SIGN_IN,
    DRIVE_ACCOUNTS,
    TENANTS_HEADER,
    CONTEXT_HEADER,
    PARTNER_POLICY,
    EDGE_SIGN_IN,
    ONEDRIVE_TENANTS,
    TEAMS_SIGN_IN,
)


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
    return tuple(map(read_tenant, settings.get("tenants", {}).get(MICROSOFT, ())))


def read_google_tenants(settings: ControlSettings) -> tuple[Tenant, ...]:
    """Return Google's tenants in a plan's browser settings. Each has one domain and no id."""
    return tuple(Tenant(domains=(str(domain),)) for domain in settings.get("tenants", {}).get(GOOGLE, ()))


def describe_missing_id(tenants: Sequence[Tenant]) -> str:
    """Return a phrase about the first of Microsoft's tenants without an id; "" if each tenant has an id."""
    return next(
        (
            f"{TENANTS_VARIABLE}.{MICROSOFT} has {tenant.domains[0]!r} without the id of its tenant"
            for tenant in tenants
            if not tenant.id
        ),
        "",
    )


def _explain_missing_id(tenant: Tenant, setting: TenantSetting) -> str:
    listed = ", ".join(tenant.domains)
    return (
        f"{describe_missing_id([tenant])}, and {setting.label} takes ids (GUIDs) only. Write"
        f" {{id: <tenant id>, domains: [{listed}]}} there. The id is the Tenant ID below Overview at"
        f" {ADMIN_CENTER_URL}; it is also in the issuer at {CONFIGURATION_URL.format(tenant.domains[0])}"
    )


def _explain_missing_domains(tenant: Tenant, setting: TenantSetting) -> str:
    return (
        f"{TENANTS_VARIABLE}.{setting.provider} has {tenant.id!r} without the domains of its accounts, and"
        f" {setting.label} takes domains only. Write {{id: {tenant.id}, domains: [<all domains of its accounts>]}}"
        " there."
    )
