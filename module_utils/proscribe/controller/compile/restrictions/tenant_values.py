"""The value of proscribe_tenants: the organisation's own tenants at each provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....model.tenants import CONFIGURATION_URL, DOMAIN_PATTERN, GOOGLE, GUID_PATTERN, MICROSOFT, read_tenant
from ....model.types.plan import TenantEntry
from ...policy_errors import UnexpectedValue
from ..reading.value_readers import make_text_reader, read_items, read_mapping

MAX_TENANTS = 100  # most tenants of an organisation; a single HTTP header lists all of them
DOMAIN_DESCRIPTION = "a domain such as example.org"
MAPPING_EXAMPLE = "{id: <tenant id>, domains: [example.org]}"
# The HTTP header of browsers cannot carry other characters.
_read_name = make_text_reader(r"[A-Za-z0-9.-]*", "a domain or a tenant id: letters, digits, dots, hyphens")
_read_domain = make_text_reader(DOMAIN_PATTERN, DOMAIN_DESCRIPTION)
_read_google_domain = make_text_reader(DOMAIN_PATTERN, f"{DOMAIN_DESCRIPTION}: Google's settings take no ids")
_ID_DESCRIPTION = (
    f"a tenant id: a GUID such as 2fd6bb84-ad40-4ec5-9369-a215b25c9952, as in {CONFIGURATION_URL.format('<domain>')}"
)
_read_guid = make_text_reader(GUID_PATTERN, _ID_DESCRIPTION)


def read_tenants(setting: object) -> Mapping[str, tuple[str | TenantEntry, ...]]:
    """Return the tenants of each provider, in the form of plans (model/tenants.py). Raises UnexpectedValue."""
    readers = {GOOGLE: _read_google, MICROSOFT: _read_microsoft}
    example = f"a mapping such as {{google: [example.org], microsoft: [{MAPPING_EXAMPLE}]}}"
    return {GOOGLE: (), MICROSOFT: (), **read_mapping(setting, readers, example)}


def _read_google(setting: object) -> tuple[str, ...]:
    """Return the domains of an organisation at Google, in lower case. Raises UnexpectedValue."""
    expected = f"a list of at most {MAX_TENANTS} domains such as [example.org]"
    domains = read_items(setting or [], _read_google_domain, expected, maximum=MAX_TENANTS)
    return tuple(dict.fromkeys(domain.lower() for domain in domains))


def _read_microsoft(setting: object) -> tuple[str | TenantEntry, ...]:
    """Return an organisation's tenants at Microsoft: domains, ids, or mappings of both.

    Raises UnexpectedValue. UnexpectedValue is also raised if two different tenants share an id or a domain.
    """
    expected = f"a list of at most {MAX_TENANTS} tenants, each a domain, an id, or {MAPPING_EXAMPLE}"
    tenants = read_items(setting or [], _read_entry, expected, maximum=MAX_TENANTS)
    entries: list[str | TenantEntry] = []
    tenants_by_name: dict[str, str | TenantEntry] = {}
    for index, entry in enumerate(tenants):
        if isinstance(entry, str) and not (GUID_PATTERN.fullmatch(entry) or DOMAIN_PATTERN.fullmatch(entry)):
            raise UnexpectedValue(f"[{index}]", entry, f"{DOMAIN_DESCRIPTION}, or {_ID_DESCRIPTION}")
        for name in _list_names(entry):
            if tenants_by_name.setdefault(name, entry) != entry:
                raise UnexpectedValue(
                    f"[{index}]", name, f"each tenant once, with its id and all of its domains: {MAPPING_EXAMPLE}"
                )
        if entry not in entries:
            entries.append(entry)
    return tuple(entries)


def _list_names(entry: str | TenantEntry) -> Iterator[str]:
    """Yield the id and the domains of a tenant, in lower case."""
    tenant = read_tenant(entry)
    yield from (name.lower() for name in (tenant.id, *tenant.domains) if name)


def _read_entry(setting: object) -> str | TenantEntry:
    """Return a tenant at Microsoft: a domain or id as text, or a mapping.

    Raises UnexpectedValue.
    """
    if isinstance(setting, Mapping):
        return _read_mapping(setting)
    if not isinstance(setting, str) or not setting:
        raise UnexpectedValue("", setting, f"a domain, a tenant id, or a mapping such as {MAPPING_EXAMPLE}")
    return _read_name(setting)


def _read_mapping(setting: Mapping[object, object]) -> TenantEntry:
    """Read a tenant from a mapping with `id`, `domains` or both. Raises UnexpectedValue."""
    values = read_mapping(setting, {"id": _read_id, "domains": _read_domains})
    entry: TenantEntry = {}
    if id_ := values.get("id"):
        entry["id"] = id_
    if domains := values.get("domains"):
        entry["domains"] = domains
    if not entry:
        raise UnexpectedValue("", setting, f"an id, domains, or both: {MAPPING_EXAMPLE}")
    return entry


def _read_id(setting: object) -> str:
    return _read_guid(setting).lower() if setting else ""


def _read_domains(setting: object) -> list[str]:
    domains = read_items(setting or [], _read_domain, "a list of domains such as [example.org]")
    return list(dict.fromkeys(domain.lower() for domain in domains))
