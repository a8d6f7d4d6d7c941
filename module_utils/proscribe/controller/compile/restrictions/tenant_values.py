"""The value of proscribe_tenants: the organisation's own tenants at each provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....base.lazy_patterns import ASCII, compile_pattern
from ....model.tenants import CONFIGURATION_URL, GUID_PATTERN, read_tenant
from ....model.types.plan import TenantEntry
from ...policy_errors import UnexpectedValue, propose_similar_names
from ..catalogue.schema import TENANT_PROVIDERS
from ..reading.value_readers import make_names_reader, read_part, require_one_of

TENANT_KEYS = ("id", "domains")
MAX_TENANTS = 100  # most tenants of an organisation; a single HTTP header lists all of them
MAPPING_EXAMPLE = "{id: <tenant id>, domains: [example.org]}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN_PATTERN = compile_pattern(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+", ASCII)
_ID_DESCRIPTION = (
    f"a tenant id: a GUID such as 2fd6bb84-ad40-4ec5-9369-a215b25c9952, as in {CONFIGURATION_URL.format('<domain>')}"
)


def read_tenants(setting: object) -> Mapping[str, tuple[str | TenantEntry, ...]]:
    """Return the tenants of each provider, in the form of plans (model/tenants.py). Raises UnexpectedValue."""
    if not isinstance(setting, Mapping):
        raise UnexpectedValue(
            "", setting, f"a mapping such as {{google: [example.org], microsoft: [{MAPPING_EXAMPLE}]}}"
        )
    for name in setting:
        read_part(f".{name}", require_one_of, name, TENANT_PROVIDERS)
    google, microsoft = (setting.get(provider) or [] for provider in ("google", "microsoft"))
    return {
        "google": read_part(".google", _read_names, google),
        "microsoft": read_part(".microsoft", _read_microsoft, microsoft),
    }


def _read_names(setting: object) -> tuple[str, ...]:
    """Return the domains of an organisation at Google.

    Raises UnexpectedValue.
    """
    names = make_names_reader(None, "tenant names")(setting)
    for index, name in enumerate(names):
        read_part(f"[{index}]", _check_characters, name)
    return names


def _check_characters(name: str) -> None:
    """Raise UnexpectedValue for a name with characters that the HTTP header of browsers cannot carry."""
    if not all(character.isascii() and (character.isalnum() or character in ".-") for character in name):
        raise UnexpectedValue("", name, "a domain or a tenant id: letters, digits, dots, hyphens")


def _read_microsoft(setting: object) -> tuple[str | TenantEntry, ...]:
    """Return an organisation's tenants at Microsoft: domains, ids, or mappings of both.

    Raises UnexpectedValue. UnexpectedValue is also raised if two different tenants share an id or a domain.
    """
    if not isinstance(setting, list | tuple) or len(setting) > MAX_TENANTS:
        raise UnexpectedValue(
            "", setting, f"a list of at most {MAX_TENANTS} tenants, each a domain, an id, or {MAPPING_EXAMPLE}"
        )
    tenants = [read_part(f"[{index}]", _read_entry, entry) for index, entry in enumerate(setting)]
    entries: list[str | TenantEntry] = []
    tenants_by_name: dict[str, str | TenantEntry] = {}
    for index, entry in enumerate(tenants):
        if isinstance(entry, str) and not (GUID_PATTERN.fullmatch(entry) or _DOMAIN_PATTERN.fullmatch(entry)):
            raise UnexpectedValue(f"[{index}]", entry, f"a domain such as example.org, or {_ID_DESCRIPTION}")
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
    _check_characters(setting)
    return str(setting)


def _read_mapping(setting: Mapping[object, object]) -> TenantEntry:
    """Read a tenant from a mapping with `id`, `domains` or both. Raises UnexpectedValue."""
    for key in setting:
        if key not in TENANT_KEYS:
            raise UnexpectedValue(
                f".{key}", key, f"one of {', '.join(TENANT_KEYS)}{propose_similar_names(str(key), TENANT_KEYS)}"
            )
    id_, domains = setting.get("id") or "", setting.get("domains") or []
    if not isinstance(id_, str) or (id_ and not GUID_PATTERN.fullmatch(id_)):
        raise UnexpectedValue(".id", id_, _ID_DESCRIPTION)
    if not isinstance(domains, list | tuple):
        raise UnexpectedValue(".domains", domains, "a list of domains such as [example.org]")
    for index, domain in enumerate(domains):
        if not isinstance(domain, str) or not _DOMAIN_PATTERN.fullmatch(domain):
            raise UnexpectedValue(f".domains[{index}]", domain, "a domain such as example.org")
    if not id_ and not domains:
        raise UnexpectedValue("", setting, f"an id, domains, or both: {MAPPING_EXAMPLE}")
    entry: TenantEntry = {"id": id_.lower()} if id_ else {}
    if domains:
        entry["domains"] = list(dict.fromkeys(domain.lower() for domain in domains))
    return entry
