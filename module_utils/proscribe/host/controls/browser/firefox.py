"""Firefox: where its policy lives, how it is written.

Firefox reads one file only: the one below /etc, or, as long as that is missing, the one of its own installation. So
where the organisation has policies, Proscribe's are merged into them (firefox_merge says how, and how it is undone).
A file in which nothing but Proscribe's own part stands needs no more than a comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from ....base.json_text import dump_json
from ....base.tuples import NamedTuple
from ...system import WRITTEN_BY
from ..policy_tables import read_table
from .extension_settings import EXTENSION_SETTINGS, MODE, due
from .observed import MARK
from .places import THUNDERBIRD, Place
from .rendering import Name, Rules, above, covers
from .settings import ALLOW_LIST, BLOCKED, EXTENSIONS, GOOGLE_TENANTS, PRIVATE_LOGIN, PROXY_EXTENSIONS, SETTINGS

if TYPE_CHECKING:
    from ..policy_tables import Policies

FILTER, DNS, TENANTS = "WebsiteFilter", "DNSOverHTTPS", "AllowedDomainsForApps"
PREFERENCES = "Preferences"
# An entry of the menu Help. A blocked page itself has no place for a text or a link.
SUPPORT_MENU = "SupportMenu"
# Without it, Firefox (153) connects to a site of its command line before it checks whether that is blocked. It still
# looks up the name: no preference was found that keeps it from that.
NO_SPECULATION = {"network.http.speculative-parallel-limit": {"Value": 0, "Status": "locked"}}


class Lists(NamedTuple):
    """A WebsiteFilter: the blocked patterns, the exceptions, and permitted names that no exception can open."""

    block: list[str]
    exceptions: list[str]
    closed: list[tuple[Name, Name]]  # what stays closed, and what would be opened with it


def lists(rules: Rules, foreign: Iterable[Name] = ()) -> Lists:
    """The rules in Firefox's terms. `foreign` are names that the organisation itself blocks: no exception opens these.

    To Firefox an exception wins over everything below it. So a permitted name with a blocked one below it is opened
    alone, without the hosts below. If the blocked one is a path of the same host, it stays closed. Paths are compared
    in lower case.
    """
    # No policy of Firefox adds the headers by which Microsoft distinguishes accounts. But private ones sign in at a
    # host of their own, which the organisation's do not need.
    private = [Name(PRIVATE_LOGIN)] if rules.microsoft_tenants else []
    lowered = sorted({Name(one.host, one.path.lower()) for one in [*rules.block, *private]})
    exceptions, closed = [], []
    others = list(foreign)
    for permitted in rules.allow:
        one = Name(permitted.host, permitted.path.lower())
        if any(other.host == "*" or covers(other, one) for other in others):
            continue
        blocked = [*lowered, *others]
        within = [other for other in blocked if other.host == one.host and other.path.startswith(one.path)]
        below = any(other.host.endswith("." + one.host) and _share_paths(other, one) for other in blocked)
        if within:
            closed.append((permitted, within[0]))
        else:
            exceptions.append(_pattern(one, hosts_below=not below))
    return Lists([_pattern(one) for one in _uppermost(lowered, rules.allow)], exceptions, closed)


def _uppermost(lowered: list[Name], allowed: Iterable[Name]) -> list[Name]:
    """The blocked names that no other one covers. Only a path, or what is below a permitted name, can be."""
    known = set(lowered)
    below = tuple("." + one.host for one in allowed)
    hosts = {one.host for one in allowed}
    return [
        one
        for one in lowered
        if not (one.path or one.host in hosts or one.host.endswith(below))
        or not any(
            Name(host, one.path[:length]) in known
            for host in above(one.host)
            for length in range(len(one.path) + 1)
            if (host, length) != (one.host, len(one.path))
        )
    ]


def _share_paths(one: Name, other: Name) -> bool:
    return one.path.startswith(other.path) or other.path.startswith(one.path)


def _pattern(one: Name, hosts_below: bool = True) -> str:
    return f"*://{'*.' if hosts_below else ''}{one.host}{one.path or '/'}*"


def closing(rules: Rules, place: Place) -> dict[str, Policies]:
    """By setting that is managed: the policies that close it at a place."""
    found: dict[str, Policies] = {}
    for id_, value in rules.settings:
        row = SETTINGS[id_]
        said = dict(row.firefox)
        if not row.concerns(place.browsers) or (place.family == THUNDERBIRD and not row.thunderbird):
            said = {}
        elif id_ == EXTENSIONS:
            ids = rules.firefox_extensions
            by_id = {one: {MODE: "blocked"} for one in (["*"] if value == ALLOW_LIST else ids)}
            if value == ALLOW_LIST:
                by_id.update((one, {MODE: "allowed"}) for one in rules.firefox_allowed)
            said = {EXTENSION_SETTINGS: by_id} if by_id else {}
        elif id_ == PROXY_EXTENSIONS:
            said = {EXTENSION_SETTINGS: due({}, rules.firefox_allowed, _refused(rules))}
        if said:
            found[id_] = said
    if rules.google_domains:
        found[GOOGLE_TENANTS] = {TENANTS: ",".join(rules.google_domains)}
    return found


def _refused(rules: Rules) -> tuple[str, ...]:
    """The extensions that are refused by their ids, so that no exception speaks for them."""
    return rules.firefox_extensions if dict(rules.settings).get(EXTENSIONS) == BLOCKED else ()


def policies(rules: Rules, place: Place, listed: Lists) -> dict[str, object]:
    """Proscribe's own part of the policies."""
    said: dict[str, object] = {}
    if listed.block:
        said[FILTER] = {"Block": listed.block, **({"Exceptions": listed.exceptions} if listed.exceptions else {})}
        said[PREFERENCES] = dict(NO_SPECULATION)
        if rules.request_url:
            said[SUPPORT_MENU] = {"Title": "Request an exception", "URL": rules.request_url}
    for closed in closing(rules, place).values():
        for name, value in closed.items():  # several settings may have preferences, or say something of "*"
            said[name] = tables_joined(read_table(said, name), read_table(closed, name)) if name in said else value
    return said


def tables_joined(one: Policies, other: Policies) -> dict[str, object]:
    """Two tables of entries in one. Of an entry that both have, the fields are joined, and the other's count."""
    both = {key: {**read_table(one, key), **read_table(other, key)} for key in one if key in other}
    return {**one, **other, **both}


def render(document: Policies) -> bytes:
    """A file, one entry a line. Strict JSON in ASCII: after anything else Firefox would ignore all of it."""
    return (dump_json(document, indent=1, allow_nan=False) + "\n").encode()


def alone(rules: Rules, place: Place) -> bytes | None:
    """The file with nothing in it but Proscribe's own part; None if there is nothing to say."""
    said = policies(rules, place, lists(rules))
    return render({MARK: WRITTEN_BY, "policies": said}) if said else None
