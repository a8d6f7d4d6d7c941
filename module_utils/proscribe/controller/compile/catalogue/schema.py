"""The keys of a service and of a browser, as data; docs/catalogue.md describes each.

An entry with a key that is missing here is a mistake: a mistyped key must never drop a part of the ban in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ....model.tenants import PROVIDERS
from ..reading import grammar, windows_signing
from ..reading.document_schema import (
    GroupSchema,
    KeySchema,
    ListSchema,
    Mistake,
    TextSchema,
    get_key_list,
    get_key_texts,
)
from ..reading.yaml_file import KeyPath
from . import check_dates
from .shared_networks import find_network_owner

# Categories, in the order of reports. A service's file is in the folder of its category. By default, only services of
# BANNED_CATEGORIES are banned. Other services are only reported, unless proscribe_categories adds their category.
BANNED_CATEGORIES = ("instant_messaging", "webmail", "cloud_storage", "circumvention")
CATEGORIES = (*BANNED_CATEGORIES, "remote_control", "ai_assistants", "social_media", "code_hosting")
AUDIENCES = ("consumer", "enterprise", "both")
SERVICE_CLASSES = (
    "bypass_client",
    "encrypted_dns",
    "vpn",
    "browser_vpn",
    "relay",
    "anonymity_network",
    "proxy_client",
    "tunnel",
    "web_proxy",
)
# The accounts that the programs of an entry serve: only restricted accounts, or also permitted accounts of the vendor.
PRIVATE, BOTH = PROGRAM_AUDIENCES = ("private", "both")
PROGRAM_KEYS = (
    *("packages", "processes", "paths", "registered", "publishers", "installers"),
    *("bundle_ids", "signing_ids", "team_ids", "desktop_files", "markers"),
)
# Decisions about a name of a public list: `shared`, it carries permitted services too; `refused`, it does not belong to
# this service. `blocked` is about a known good name that is blocked all the same (known_good.py).
DECISIONS = ("shared", "refused", "blocked")

FLAG = TextSchema(grammar.make_word_check("true", "false"))
_LABEL = TextSchema(grammar.check_label)
_PROSE = TextSchema(grammar.check_prose)
_HOSTS = ListSchema(TextSchema(grammar.check_domain))
_NAMES = ListSchema(TextSchema(grammar.check_native_name))
_PROSES = ListSchema(_PROSE)
_PACKAGES = {system: ListSchema(TextSchema(check)) for system, check in grammar.PACKAGE_NAMES.items()}
_PACKAGINGS = ("native", "flatpak", "snap")
# Thunderbird reads policies in Firefox's form, but has none about sites.
POLICY_LANGUAGES = ("chromium", "firefox", "thunderbird")

# Keys that identify a service. They may also be under `unverified`, for values that no good source confirms yet.
_URLS = ListSchema(TextSchema(grammar.check_url))
_DAY = TextSchema(grammar.check_day)
_IDENTIFIERS: Mapping[str, KeySchema] = {
    "domains": _HOSTS,
    "urls": _URLS,
    "mail_hosts": _HOSTS,
    "shared_domains": _HOSTS,
    "allow_domains": _HOSTS,
    "networks": ListSchema(TextSchema(grammar.check_network)),
    "networks_note": _PROSE,
    "packages": GroupSchema(_PACKAGES),
    "bundle_ids": ListSchema(TextSchema(grammar.check_bundle_id)),
    "signing_ids": ListSchema(TextSchema(grammar.check_signing_id)),
    "team_ids": ListSchema(TextSchema(grammar.check_team_id)),
    "processes": GroupSchema(
        {
            "linux": ListSchema(TextSchema(grammar.check_program)),
            "windows": ListSchema(TextSchema(grammar.check_windows_program)),
            "windows_shared": ListSchema(TextSchema(grammar.check_windows_program)),
            "macos": ListSchema(TextSchema(grammar.check_mac_app)),
        }
    ),
    "paths": GroupSchema(
        {
            "linux": ListSchema(TextSchema(grammar.check_path)),
            "windows": ListSchema(TextSchema(grammar.check_windows_path)),
        }
    ),
    "registered": GroupSchema(
        {
            "keys": ListSchema(TextSchema(grammar.check_uninstall_key)),
            "names": ListSchema(TextSchema(grammar.check_registered_name)),
        }
    ),
    "publishers": GroupSchema(
        {
            "programs": ListSchema(TextSchema(windows_signing.check_publisher)),
            "appx": ListSchema(TextSchema(windows_signing.check_appx_publisher)),
        }
    ),
    "installers": ListSchema(TextSchema(windows_signing.check_installer)),
    "desktop_files": ListSchema(TextSchema(grammar.check_desktop_file)),
    "markers": GroupSchema(
        {
            "go": ListSchema(TextSchema(grammar.check_go_package)),
            "gecko": ListSchema(_LABEL),
            "programs": ListSchema(TextSchema(grammar.check_program)),
        }
    ),
    "browser_extensions": GroupSchema(
        {
            "chrome": ListSchema(TextSchema(grammar.check_chrome_extension)),
            "firefox": ListSchema(TextSchema(grammar.check_firefox_extension)),
        }
    ),
    "tenants": TextSchema(grammar.make_word_check(*PROVIDERS)),
    "tenant_control": GroupSchema(
        {
            "headers": ListSchema(
                GroupSchema(
                    {
                        "name": TextSchema(grammar.check_header_name),
                        "value": TextSchema(grammar.check_header_value),
                        "hosts": _HOSTS,
                    },
                    required=("name",),
                )
            ),
            "browser_policies": _PROSES,
            "endpoint_policies": _PROSES,
        }
    ),
    "nxdomain_canaries": _HOSTS,
}

_DECIDED = ListSchema(
    GroupSchema(
        {"names": _PROSES, "as": TextSchema(grammar.make_word_check(*DECISIONS)), "why": _PROSE}, ("names", "as", "why")
    )
)

SERVICE = GroupSchema(
    {
        "id": TextSchema(grammar.check_service_id),
        "name": _LABEL,
        "names": _NAMES,
        "category": TextSchema(grammar.make_word_check(*CATEGORIES)),
        "vendor": _LABEL,
        "audience": TextSchema(grammar.make_word_check(*AUDIENCES)),
        "enforce": FLAG,
        "programs": TextSchema(grammar.make_word_check(*PROGRAM_AUDIENCES)),
        "class": TextSchema(grammar.make_word_check(*SERVICE_CLASSES)),
        **_IDENTIFIERS,
        "front_doors": _URLS,
        "decided": _DECIDED,
        "overlaps_with": ListSchema(TextSchema(grammar.check_service_id)),
        "retired": FLAG,
        "checked": _DAY,
        "networks_checked": _DAY,
        **check_dates.DATE_KEYS,
        "notes": _PROSE,
        "unverified": GroupSchema(
            {
                "names": _NAMES,
                **{key: kind for key, kind in _IDENTIFIERS.items() if key != "tenants"},
                "notes": _PROSE,
            }
        ),
        "sources": _PROSES,
    },
    required=("id", "name", "category", "vendor", "enforce", "sources"),
)

# Keys that an amendment may add to, remove from or accept: those whose values are lists of texts.
_AMENDABLE: Mapping[str, KeySchema] = {
    "names": _NAMES,
    "front_doors": _URLS,
    "overlaps_with": ListSchema(TextSchema(grammar.check_service_id)),
    **{key: kind for key, kind in _IDENTIFIERS.items() if key not in ("networks_note", "tenants", "tenant_control")},
}
AMENDMENT = GroupSchema(
    {
        "amends": TextSchema(grammar.check_service_id),
        "add": GroupSchema(_AMENDABLE),
        "remove": GroupSchema(_AMENDABLE),
        "accept": GroupSchema(
            {key: kind for key, kind in _AMENDABLE.items() if key not in ("front_doors", "overlaps_with")}
        ),
        "audience": TextSchema(grammar.make_word_check(*AUDIENCES)),
        "enforce": FLAG,
        "programs": TextSchema(grammar.make_word_check(*PROGRAM_AUDIENCES)),
        "decided": _DECIDED,
        "checked": _DAY,
        "networks_checked": _DAY,
        "networks_note": _PROSE,
        **check_dates.DATE_KEYS,
        "notes": _PROSE,
        "sources": _PROSES,
    },
    required=("amends", "sources"),
)

FEED = GroupSchema(
    {
        "id": TextSchema(grammar.check_service_id),
        "name": _LABEL,
        "service": TextSchema(grammar.check_service_id),
        "kind": TextSchema(grammar.make_word_check("domains", "networks")),
        "checked": _DAY,
        **check_dates.DATE_KEYS,
        "agreement": TextSchema(grammar.make_pattern_check(r"[2-9]", "a number of publishers, 2 to 9")),
        "replaces": FLAG,
        "notes": _PROSE,
        "sources": _PROSES,
    },
    required=("id", "name", "service", "kind", "checked", "sources"),
)

_POLICY_PATHS = GroupSchema({packaging: ListSchema(TextSchema(grammar.check_policy_path)) for packaging in _PACKAGINGS})
_POLICY_PATH = GroupSchema({packaging: TextSchema(grammar.check_policy_path) for packaging in _PACKAGINGS})
_BROWSER_IDENTIFIERS: Mapping[str, KeySchema] = {
    "packages": GroupSchema({system: _PACKAGES[system] for system in ("apt", "rpm", "pacman", "flatpak", "snap")}),
    "processes": ListSchema(TextSchema(grammar.check_program)),
    "paths": ListSchema(TextSchema(grammar.check_path)),
}

BROWSER = GroupSchema(
    {
        "id": TextSchema(grammar.check_service_id),
        "name": _LABEL,
        **_BROWSER_IDENTIFIERS,
        "policy_support": TextSchema(grammar.make_word_check(*POLICY_LANGUAGES, "none")),
        "policy_dir": _POLICY_PATH,
        "policy_file": _POLICY_PATH,
        "policy_fallbacks": ListSchema(TextSchema(grammar.check_policy_path)),
        "notes": _PROSE,
        "unverified": GroupSchema(
            {**_BROWSER_IDENTIFIERS, "policy_dir": _POLICY_PATHS, "policy_file": _POLICY_PATHS, "notes": _PROSE}
        ),
        "sources": _PROSES,
    },
    required=("id", "name", "packages", "processes", "policy_support", "sources"),
)
BROWSERS = GroupSchema({"browsers": ListSchema(BROWSER)}, required=("browsers",))


def check_service(entry: object) -> Iterator[Mistake]:
    """Yield the mistakes within a service's entry: its keys, their values, and contradictions between keys."""
    yield from SERVICE.check(entry, ())
    if not isinstance(entry, dict) or not entry:
        return
    if "category" in entry:
        required_key = "class" if entry["category"] == "circumvention" else "audience"
        if required_key not in entry:
            yield (required_key,), None, f"a value: every service of the category {entry['category']} has one"
    if "tenants" in entry and "tenant_control" not in entry:
        yield ("tenants",), entry["tenants"], "tenant_control beside it: how the accounts are distinguished"
    if not set(entry) & set(_IDENTIFIERS) and not entry.get("unverified"):
        yield ("domains",), None, "at least one key that identifies the service, such as domains or packages"
    if "programs" in entry and not set(entry) & set(PROGRAM_KEYS):
        yield ("programs",), entry["programs"], f"a key of programs beside it, such as {' or '.join(PROGRAM_KEYS[:2])}"
    if entry.get("programs") == BOTH and "team_ids" in entry:
        yield ("team_ids",), entry["team_ids"], "no team as a whole, since its programs serve permitted accounts, too"
    yield from _check_duplicate_values(entry, entry.get("unverified"), ())
    yield from windows_signing.find_unmatched_publishers(entry)
    yield from _check_front_doors(entry)
    yield from _check_decisions(entry)
    yield from check_dates.check_dates(entry)
    if "networks_checked" in entry and "networks" not in entry:
        yield ("networks_checked",), entry["networks_checked"], "networks beside it"
    for index, text in enumerate(get_key_list(entry, "networks")):
        if isinstance(text, str) and not grammar.check_network(text) and (owner := find_network_owner(text)):
            yield ("networks", index), text, f"a network of this service alone, none of {owner}: leave it to its names"


def is_amendable(key: str) -> bool:
    """Return True if an amendment may change the list at this key of a service's entry.

    An amendment is an organisation's change to a service of the catalogue. The key `unverified` counts, too, because an
    amendment can accept its values, and so remove them there.
    """
    return key in _AMENDABLE or key == "unverified"


def _check_front_doors(entry: Mapping[str, object]) -> Iterator[Mistake]:
    """Yield a mistake for each address in `front_doors` (addresses that users type) that the entry does not block."""
    for index, door in enumerate(get_key_texts(entry, "front_doors")):
        if not grammar.check_url(door) and not is_address_blocked(entry, door):
            yield ("front_doors", index), door, "an address that the entry blocks, by domains or urls"


def is_address_blocked(entry: Mapping[str, object], address: str) -> bool:
    """Return True if an entry blocks an address (host, or host/path) for a browser.

    A blocked address is below one of the domains and not excepted. Or it equals one of `urls` or is below it.
    """
    host = address.partition("/")[0]
    parent_names = [host.split(".", count)[-1] for count in range(host.count(".") + 1)]
    if set(parent_names) & set(get_key_texts(entry, "domains")) and not set(parent_names) & set(
        get_key_texts(entry, "allow_domains")
    ):
        return True
    return any(address == url or address.startswith(url + "/") for url in get_key_texts(entry, "urls"))


def _check_decisions(entry: Mapping[str, object]) -> Iterator[Mistake]:
    """Yield a mistake for each name in `decided` that contradicts the rest of the entry.

    A `shared` name must stay open, and a `refused` name must not be in the entry at all.
    """
    excepted_names = {*get_key_texts(entry, "shared_domains"), *get_key_texts(entry, "allow_domains")}
    for index, decision, names in iterate_decisions(entry):
        for position, name in enumerate(names):
            path = ("decided", index, "names", position)
            if decision == "shared" and name not in excepted_names:
                yield path, name, "a name of shared_domains or allow_domains, as the decision says"
            elif decision == "refused" and (name in excepted_names or is_address_blocked(entry, name)):
                yield path, name, "a name that the entry does not have, as the decision says"


def iterate_decisions(entry: Mapping[str, object]) -> Iterator[tuple[int, object, list[str]]]:
    """Yield (index, decision, names) for each item of an entry's `decided`. The decision is one of DECISIONS."""
    for index, decision in enumerate(get_key_list(entry, "decided")):
        if isinstance(decision, Mapping):
            yield index, decision.get("as"), get_key_texts(decision, "names")


def check_browser(entry: Mapping[str, object]) -> Iterator[Mistake]:
    """Yield a mistake for each contradiction between the keys of a browser's entry."""
    # Browsers derived from Chromium read all files of a directory, other browsers a single file.
    for key, languages in (
        ("policy_dir", POLICY_LANGUAGES[:1]),
        ("policy_file", POLICY_LANGUAGES[1:]),
        ("policy_fallbacks", POLICY_LANGUAGES[1:]),
    ):
        if key in entry and entry.get("policy_support") not in languages:
            yield (key,), entry[key], f"no {key} where policy_support is not {' or '.join(languages)}"
    yield from _check_duplicate_values(entry, entry.get("unverified"), ())


def _check_duplicate_values(verified: object, unverified: object, path: KeyPath) -> Iterator[Mistake]:
    """Yield a mistake for each value that is both in the entry and under its key `unverified`.

    The first two parameters are the values at `path` in both parts.
    """
    if isinstance(verified, dict) and isinstance(unverified, dict):
        for key in verified.keys() & unverified.keys():
            yield from _check_duplicate_values(verified[key], unverified[key], (*path, key))
    elif isinstance(verified, list) and isinstance(unverified, list):
        for index, identifier in enumerate(unverified):
            if isinstance(identifier, str) and identifier in verified:
                yield ("unverified", *path, index), identifier, f"a value that {path[0]} does not have already"
