"""Firefox: where its policy lives, how it is written, and a first look at it.

Firefox reads one file only: the one below /etc, or, as long as that is missing, the one of its own installation. So
where the organisation has policies, Proscribe's are merged into them (firefox_merge says how, and how it is undone).
A file in which nothing but Proscribe's own part stands needs no more than a comparison.
"""

from __future__ import annotations

import json
from typing import Any, Iterable, NamedTuple

from ...host import WRITTEN_BY, ControlError, Host, Unseen
from .browsers import Browser
from .rendering import Name, Rules, above, covers
from .sight import MARK, Sight, faults

FILTER, DNS, TENANTS = "WebsiteFilter", "DNSOverHTTPS", "AllowedDomainsForApps"
DNS_OFF = {"Enabled": False, "Locked": True}


class Lists(NamedTuple):
    """A WebsiteFilter: the blocked patterns, the exceptions, and permitted names that no exception can open."""

    block: list[str]
    exceptions: list[str]
    closed: list[tuple[Name, Name]]  # what stays closed, and what would be opened with it


def lists(wanted: Rules, foreign: Iterable[Name] = ()) -> Lists:
    """The rules in Firefox's terms. `foreign` are names that the organisation itself blocks: no exception opens these.

    To Firefox an exception wins over everything below it. So a permitted name with a blocked one below it is opened
    alone, without the hosts below; and stays closed if the blocked one is a path of the same host. Paths are compared
    in lower case.
    """
    lowered = sorted({Name(one.host, one.path.lower()) for one in wanted.block})
    exceptions, closed = [], []
    others = list(foreign)
    for permitted in wanted.allow:
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
    return Lists([_pattern(one) for one in _uppermost(lowered, wanted.allow)], exceptions, closed)


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


def policies(wanted: Rules, listed: Lists) -> dict[str, Any]:
    """Proscribe's own part of the policies. Firefox has none that would add the header of Microsoft's tenants."""
    said: dict[str, Any] = {}
    if listed.block:
        said[FILTER] = {"Block": listed.block, **({"Exceptions": listed.exceptions} if listed.exceptions else {})}
    if wanted.dns_over_https == "off":
        said[DNS] = dict(DNS_OFF)
    if wanted.google_domains:
        said[TENANTS] = ",".join(wanted.google_domains)
    return said


def render(document: dict[str, Any]) -> bytes:
    """A file, one entry a line. Strict JSON in ASCII: after anything else Firefox would ignore all of it."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def alone(wanted: Rules) -> bytes | None:
    """The file with nothing in it but Proscribe's own part; None if there is nothing to say."""
    said = policies(wanted, lists(wanted))
    return render({MARK: WRITTEN_BY, "policies": said}) if said else None


def look(host: Host, browser: Browser, wanted: Rules) -> Sight:
    """What holds of a browser's policy."""
    try:
        content = host.read(browser.path)
        inherited = next((path for path in browser.fallbacks if host.stat(path) is not None), "")
        if content == alone(wanted) and not inherited and not any(faults(host, browser.path)[:2]):
            return Sight(complete=True)
    except Unseen as unseen:
        return Sight(unseen=str(unseen))
    except ControlError as error:
        return Sight(why=str(error), dns=str(error), wrong=[str(error)])
    from .firefox_file import PolicyFile

    return PolicyFile(host, browser, wanted).sight()
