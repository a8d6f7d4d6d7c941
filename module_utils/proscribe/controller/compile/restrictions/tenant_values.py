"""The value of proscribe_tenants: the organisation's own tenants at each provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....base.patterns import ASCII, compile_pattern
from ....model.tenants import CONFIGURATION_URL, GUID_PATTERN, read_tenant
from ....model.types.plan import TenantEntry
from ...policy_errors import Expected, close_to
from ..catalogue.schema import TENANT_PROVIDERS
from ..reading.values import list_of_names, one_of, within

KEYS = ("id", "domains")
MOST_TENANTS = 100  # of an organisation; one header names them all
MAPPING = "{id: <tenant id>, domains: [example.org]}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = compile_pattern(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+", ASCII)
_ID = f"a tenant id: a GUID such as 2fd6bb84-ad40-4ec5-9369-a215b25c9952, as in {CONFIGURATION_URL.format('<domain>')}"


def read_tenants(value: object) -> Mapping[str, tuple[str | TenantEntry, ...]]:
    """Read the tenants of each provider, in the form that plans have (model/tenants.py). Raises Expected."""
    if not isinstance(value, Mapping):
        raise Expected("", value, f"a mapping such as {{google: [example.org], microsoft: [{MAPPING}]}}")
    for name in value:
        within(f".{name}", one_of, name, TENANT_PROVIDERS)
    google, microsoft = (value.get(provider) or [] for provider in ("google", "microsoft"))
    return {
        "google": within(".google", _read_names, google),
        "microsoft": within(".microsoft", _read_microsoft, microsoft),
    }


def _read_names(value: object) -> tuple[str, ...]:
    names = list_of_names(None, "tenant names")(value)
    for index, name in enumerate(names):
        within(f"[{index}]", _check_characters, name)
    return names


def _check_characters(name: str) -> None:
    """Raise Expected for a name that cannot stand in the HTTP header that browsers send."""
    if not all(character.isascii() and (character.isalnum() or character in ".-") for character in name):
        raise Expected("", name, "a domain or a tenant id: letters, digits, dots, hyphens")


def _read_microsoft(value: object) -> tuple[str | TenantEntry, ...]:
    """Read a list of tenants, each a domain, an id, or a mapping of both. No two of them share an id or a domain."""
    if not isinstance(value, list | tuple) or len(value) > MOST_TENANTS:
        raise Expected("", value, f"a list of at most {MOST_TENANTS} tenants, each a domain, an id, or {MAPPING}")
    read = [within(f"[{index}]", _read_entry, entry) for index, entry in enumerate(value)]
    entries: list[str | TenantEntry] = []
    owners: dict[str, str | TenantEntry] = {}
    for index, entry in enumerate(read):
        if isinstance(entry, str) and not (GUID_PATTERN.fullmatch(entry) or _DOMAIN.fullmatch(entry)):
            raise Expected(f"[{index}]", entry, f"a domain such as example.org, or {_ID}")
        for name in _list_names(entry):
            if owners.setdefault(name, entry) != entry:
                raise Expected(f"[{index}]", name, f"each tenant once, with its id and all of its domains: {MAPPING}")
        if entry not in entries:
            entries.append(entry)
    return tuple(entries)


def _list_names(entry: str | TenantEntry) -> Iterator[str]:
    tenant = read_tenant(entry)
    yield from (name.lower() for name in (tenant.id, *tenant.domains) if name)


def _read_entry(value: object) -> str | TenantEntry:
    if isinstance(value, Mapping):
        return _read_mapping(value)
    if not isinstance(value, str) or not value:
        raise Expected("", value, f"a domain, a tenant id, or a mapping such as {MAPPING}")
    _check_characters(value)
    return str(value)


def _read_mapping(value: Mapping[object, object]) -> TenantEntry:
    for key in value:
        if key not in KEYS:
            raise Expected(f".{key}", key, f"one of {', '.join(KEYS)}{close_to(str(key), KEYS)}")
    id_, domains = value.get("id") or "", value.get("domains") or []
    if not isinstance(id_, str) or (id_ and not GUID_PATTERN.fullmatch(id_)):
        raise Expected(".id", id_, _ID)
    if not isinstance(domains, list | tuple):
        raise Expected(".domains", domains, "a list of domains such as [example.org]")
    for index, domain in enumerate(domains):
        if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
            raise Expected(f".domains[{index}]", domain, "a domain such as example.org")
    if not id_ and not domains:
        raise Expected("", value, f"an id, domains, or both: {MAPPING}")
    entry: TenantEntry = {"id": id_.lower()} if id_ else {}
    if domains:
        entry["domains"] = list(dict.fromkeys(domain.lower() for domain in domains))
    return entry
