"""The keys of a service and of a browser, as data; docs/catalogue.md says what each means.

A key that is missing here is a mistake there: a mistyped key must never drop a part of the ban in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..reading import grammar, windows_signing
from ..reading.yaml_file import KeyPath
from . import dates
from .kinds import Group, Kind, Listed, Mistake, Text, listed, texts
from .shared_networks import shared_by

# In the order of reports. A service's file is in the folder of its category. The ban names the first four; the
# others are only reported where nobody asks for more (proscribe_categories).
BANNED = ("instant_messaging", "webmail", "cloud_storage", "circumvention")
CATEGORIES = (*BANNED, "remote_control", "ai_assistants", "social_media", "code_hosting")
AUDIENCES = ("consumer", "enterprise", "both")
CLASSES = (
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
TENANT_PROVIDERS = ("google", "microsoft")
# Whom the programs of an entry serve: what it restricts alone, or permitted accounts of the vendor, too.
PRIVATE, BOTH = PROGRAMS = ("private", "both")
OF_PROGRAMS = (
    *("packages", "processes", "paths", "registered", "publishers", "installers"),
    *("bundle_ids", "signing_ids", "team_ids", "desktop_files", "markers"),
)
# What was decided about a name that public lists have: it carries permitted services too, or it is not of this service.
# About one that is known to be good: it is blocked all the same (known_good.py).
DECISIONS = ("shared", "refused", "blocked")

FLAG = Text(grammar.one_of("true", "false"))
_LABEL = Text(grammar.label)
_PROSE = Text(grammar.prose)
_HOSTS = Listed(Text(grammar.domain))
_NAMES = Listed(Text(grammar.own_name))
_PROSES = Listed(_PROSE)
_PACKAGES = {system: Listed(Text(check)) for system, check in grammar.PACKAGE_NAMES.items()}
_PACKAGINGS = ("native", "flatpak", "snap")
# Thunderbird speaks the language of Firefox, but knows no sites.
POLICY_LANGUAGES = ("chromium", "firefox", "thunderbird")

# What identifies a service; the same keys may be under `unverified`, for values that no good source confirms yet.
_URLS = Listed(Text(grammar.url))
_DAY = Text(grammar.day)
_IDENTIFIERS: Mapping[str, Kind] = {
    "domains": _HOSTS,
    "urls": _URLS,
    "mail_hosts": _HOSTS,
    "shared_domains": _HOSTS,
    "allow_domains": _HOSTS,
    "networks": Listed(Text(grammar.network)),
    "networks_note": _PROSE,
    "packages": Group(_PACKAGES),
    "bundle_ids": Listed(Text(grammar.bundle_id)),
    "signing_ids": Listed(Text(grammar.signing_id)),
    "team_ids": Listed(Text(grammar.team_id)),
    "processes": Group(
        {
            "linux": Listed(Text(grammar.program)),
            "windows": Listed(Text(grammar.windows_program)),
            "macos": Listed(Text(grammar.mac_app)),
        }
    ),
    "paths": Group({"linux": Listed(Text(grammar.path)), "windows": Listed(Text(grammar.windows_path))}),
    "registered": Group({"keys": Listed(Text(grammar.uninstall_key)), "names": Listed(Text(grammar.registered_name))}),
    "publishers": Group(
        {"programs": Listed(Text(windows_signing.publisher)), "appx": Listed(Text(windows_signing.appx_publisher))}
    ),
    "installers": Listed(Text(windows_signing.installer)),
    "desktop_files": Listed(Text(grammar.desktop_file)),
    "markers": Group(
        {
            "go": Listed(Text(grammar.go_package)),
            "gecko": Listed(_LABEL),
            "programs": Listed(Text(grammar.program)),
        }
    ),
    "browser_extensions": Group(
        {"chrome": Listed(Text(grammar.chrome_extension)), "firefox": Listed(Text(grammar.firefox_extension))}
    ),
    "tenants": Text(grammar.one_of(*TENANT_PROVIDERS)),
    "tenant_control": Group(
        {
            "headers": Listed(
                Group(
                    {"name": Text(grammar.header_name), "value": Text(grammar.header_value), "hosts": _HOSTS},
                    required=("name",),
                )
            ),
            "browser_policies": _PROSES,
            "endpoint_policies": _PROSES,
        }
    ),
    "nxdomain_canaries": _HOSTS,
}

_DECIDED = Listed(
    Group({"names": _PROSES, "as": Text(grammar.one_of(*DECISIONS)), "why": _PROSE}, ("names", "as", "why"))
)

SERVICE = Group(
    {
        "id": Text(grammar.service_id),
        "name": _LABEL,
        "names": _NAMES,
        "category": Text(grammar.one_of(*CATEGORIES)),
        "vendor": _LABEL,
        "audience": Text(grammar.one_of(*AUDIENCES)),
        "enforce": FLAG,
        "programs": Text(grammar.one_of(*PROGRAMS)),
        "class": Text(grammar.one_of(*CLASSES)),
        **_IDENTIFIERS,
        "front_doors": _URLS,
        "decided": _DECIDED,
        "overlaps_with": Listed(Text(grammar.service_id)),
        "retired": FLAG,
        "checked": _DAY,
        "networks_checked": _DAY,
        **dates.KEYS,
        "notes": _PROSE,
        "unverified": Group(
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

# What an amendment may add, remove or accept: the keys of an entry whose values are lists of texts.
_AMENDABLE: Mapping[str, Kind] = {
    "names": _NAMES,
    "front_doors": _URLS,
    "overlaps_with": Listed(Text(grammar.service_id)),
    **{key: kind for key, kind in _IDENTIFIERS.items() if key not in ("networks_note", "tenants", "tenant_control")},
}
AMENDMENT = Group(
    {
        "amends": Text(grammar.service_id),
        "add": Group(_AMENDABLE),
        "remove": Group(_AMENDABLE),
        "accept": Group({key: kind for key, kind in _AMENDABLE.items() if key not in ("front_doors", "overlaps_with")}),
        "audience": Text(grammar.one_of(*AUDIENCES)),
        "enforce": FLAG,
        "programs": Text(grammar.one_of(*PROGRAMS)),
        "decided": _DECIDED,
        "checked": _DAY,
        "networks_checked": _DAY,
        "networks_note": _PROSE,
        **dates.KEYS,
        "notes": _PROSE,
        "sources": _PROSES,
    },
    required=("amends", "sources"),
)

FEED = Group(
    {
        "id": Text(grammar.service_id),
        "name": _LABEL,
        "service": Text(grammar.service_id),
        "kind": Text(grammar.one_of("domains", "networks")),
        "checked": _DAY,
        **dates.KEYS,
        "agreement": Text(grammar.matching(r"[2-9]", "a number of publishers, 2 to 9")),
        "replaces": FLAG,
        "notes": _PROSE,
        "sources": _PROSES,
    },
    required=("id", "name", "service", "kind", "checked", "sources"),
)

_POLICY_PATHS = Group({packaging: Listed(Text(grammar.policy_path)) for packaging in _PACKAGINGS})
_POLICY_PATH = Group({packaging: Text(grammar.policy_path) for packaging in _PACKAGINGS})
_BROWSER_IDENTIFIERS: Mapping[str, Kind] = {
    "packages": Group({system: _PACKAGES[system] for system in ("apt", "rpm", "pacman", "flatpak", "snap")}),
    "processes": Listed(Text(grammar.program)),
    "paths": Listed(Text(grammar.path)),
}

BROWSER = Group(
    {
        "id": Text(grammar.service_id),
        "name": _LABEL,
        **_BROWSER_IDENTIFIERS,
        "policy_support": Text(grammar.one_of(*POLICY_LANGUAGES, "none")),
        "policy_dir": _POLICY_PATH,
        "policy_file": _POLICY_PATH,
        "policy_fallbacks": Listed(Text(grammar.policy_path)),
        "notes": _PROSE,
        "unverified": Group(
            {**_BROWSER_IDENTIFIERS, "policy_dir": _POLICY_PATHS, "policy_file": _POLICY_PATHS, "notes": _PROSE}
        ),
        "sources": _PROSES,
    },
    required=("id", "name", "packages", "processes", "policy_support", "sources"),
)
BROWSERS = Group({"browsers": Listed(BROWSER)}, required=("browsers",))


def check_service(entry: object) -> Iterator[Mistake]:
    """What is wrong with a service's entry as such: its keys, their values, and how these fit each other."""
    yield from SERVICE.check(entry, ())
    if not isinstance(entry, dict) or not entry:
        return
    if "category" in entry:
        needed = "class" if entry["category"] == "circumvention" else "audience"
        if needed not in entry:
            yield (needed,), None, f"a value: every service of the category {entry['category']} has one"
    if "tenants" in entry and "tenant_control" not in entry:
        yield ("tenants",), entry["tenants"], "tenant_control beside it: how the accounts are distinguished"
    if not set(entry) & set(_IDENTIFIERS) and not entry.get("unverified"):
        yield ("domains",), None, "at least one key that identifies the service, such as domains or packages"
    if "programs" in entry and not set(entry) & set(OF_PROGRAMS):
        yield ("programs",), entry["programs"], f"a key of programs beside it, such as {' or '.join(OF_PROGRAMS[:2])}"
    if entry.get("programs") == BOTH and "team_ids" in entry:
        yield ("team_ids",), entry["team_ids"], "no team as a whole, since its programs serve permitted accounts, too"
    yield from _said_twice(entry, entry.get("unverified"), ())
    yield from windows_signing.unmatched(entry)
    yield from _front_doors(entry)
    yield from _decisions(entry)
    yield from dates.check(entry)
    if "networks_checked" in entry and "networks" not in entry:
        yield ("networks_checked",), entry["networks_checked"], "networks beside it"
    for index, text in enumerate(listed(entry, "networks")):
        if isinstance(text, str) and not grammar.network(text) and (owner := shared_by(text)):
            yield ("networks", index), text, f"a network of this service alone, none of {owner}: leave it to its names"


def amendable(key: str) -> bool:
    """Whether an amendment may change the values of a key, or the key is where unverified ones are."""
    return key in _AMENDABLE or key == "unverified"


def _front_doors(entry: Mapping[str, object]) -> Iterator[Mistake]:
    """Addresses that a user types, and that the entry leaves open although it says that they are the service's."""
    for index, door in enumerate(texts(entry, "front_doors")):
        if not grammar.url(door) and not blocks(entry, door):
            yield ("front_doors", index), door, "an address that the entry blocks, by domains or urls"


def blocks(entry: Mapping[str, object], address: str) -> bool:
    """Whether an entry blocks an address (host, or host/path) for a browser: it is below one of its domains and not
    excepted, or it is one of its pages or below one.
    """
    host = address.partition("/")[0]
    above = [host.split(".", count)[-1] for count in range(host.count(".") + 1)]
    if set(above) & set(texts(entry, "domains")) and not set(above) & set(texts(entry, "allow_domains")):
        return True
    return any(address == url or address.startswith(url + "/") for url in texts(entry, "urls"))


def _decisions(entry: Mapping[str, object]) -> Iterator[Mistake]:
    """Decisions that the rest of the entry does not follow."""
    left = {*texts(entry, "shared_domains"), *texts(entry, "allow_domains")}
    for index, decided, names in decisions(entry):
        for position, name in enumerate(names):
            path = ("decided", index, "names", position)
            if decided == "shared" and name not in left:
                yield path, name, "a name of shared_domains or allow_domains, as the decision says"
            elif decided == "refused" and (name in left or blocks(entry, name)):
                yield path, name, "a name that the entry does not have, as the decision says"


def decisions(entry: Mapping[str, object]) -> Iterator[tuple[int, object, list[str]]]:
    """The decisions of an entry: the index, what was decided, and of which names."""
    for index, decision in enumerate(listed(entry, "decided")):
        if isinstance(decision, Mapping):
            yield index, decision.get("as"), texts(decision, "names")


def check_browser(entry: Mapping[str, object]) -> Iterator[Mistake]:
    """What is wrong with a browser's entry, as `check_service`."""
    for key, languages in (
        ("policy_dir", POLICY_LANGUAGES[:1]),
        ("policy_file", POLICY_LANGUAGES[1:]),
        ("policy_fallbacks", POLICY_LANGUAGES[1:]),
    ):
        if key in entry and entry.get("policy_support") not in languages:
            yield (key,), entry[key], f"no {key} where policy_support is not {' or '.join(languages)}"
    yield from _said_twice(entry, entry.get("unverified"), ())


def _said_twice(verified: object, unverified: object, path: KeyPath) -> Iterator[Mistake]:
    """Values that are both among the verified and the unverified ones."""
    if isinstance(verified, dict) and isinstance(unverified, dict):
        for key in verified.keys() & unverified.keys():
            yield from _said_twice(verified[key], unverified[key], (*path, key))
    elif isinstance(verified, list) and isinstance(unverified, list):
        for index, item in enumerate(unverified):
            if isinstance(item, str) and item in verified:
                yield ("unverified", *path, index), item, f"a value that {path[0]} does not have already"
