"""Access rules for Squid. They only refuse, so they open nothing that another rule closes.

A list of `dstdomain` must not have a name and another one below it. So the names are sorted into levels: blocked names,
those that stay open below them, those that are blocked below these. A name is refused if it is in a level of blocked
names and not in the next one. `-n` keeps Squid from resolving addresses to names for it.

A path is seen in plain HTTP, and in HTTPS only where Squid opens the connections (ssl_bump): squid_opening.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ....host.controls.browser.rendering import SiteName
from ..declaration import HTTP, Decision, Format, LeftOut, Rendered
from ..dns_names import levels
from ..header import comment, text
from ..web_names import WebNames, blocks, rule_of, web_names, with_left_out

# A backslash before some characters means more to the C library's expressions than the character.
_SPECIAL = re.compile(r"[^A-Za-z0-9/_~%&,;=:@!-]")


def render(decision: Decision) -> Rendered:
    """A file to be included before the organisation's own http_access lines."""
    names = web_names(decision)
    lines = [*comment(with_left_out(decision, names), "squid"), *rules(names)]
    left_out = [*names.left_out, *unseen(decision, names)]
    return Rendered({"proscribe.conf": text(lines)}, names.included, left_out)


def rules(names: WebNames) -> Iterator[str]:
    """The rules that refuse what is blocked."""
    yield from _hosts(names.hosts)
    yield from _paths(names)


def _hosts(hosts: Mapping[str, bool]) -> Iterator[str]:
    """The rules for names without a path. The first level is blocked, and levels alternate."""
    sorted_ = levels(hosts)
    called = [f"proscribe_{'open' if number % 2 else 'blocked'}_{number}" for number in range(len(sorted_))]
    for acl, level in zip(called, sorted_):
        yield from domains(acl, level)
    for number in range(0, len(called), 2):
        yield " ".join(["http_access deny", called[number], *(f"!{acl}" for acl in called[number + 1 : number + 2])])


def _paths(names: WebNames) -> Iterator[str]:
    """The rules for starts of paths: each refuses what no closer name opens."""
    closed = [one for one, blocked in names.paths.items() if blocked]
    opened = [one for one, blocked in names.paths.items() if not blocked]
    for number, one in enumerate(closed, 1):
        acl = f"proscribe_path_{number}"
        yield from domains(f"{acl}_host", [one.host])
        yield f"acl {acl}_path urlpath_regex {_start(one.path)}"
        denied = [f"{acl}_host", f"{acl}_path"]
        below = [host for host, blocked in names.hosts.items() if not blocked and host.endswith(f".{one.host}")]
        if below:
            yield from domains(f"{acl}_open", levels(below)[0])
            denied.append(f"!{acl}_open")
        for place, other in enumerate((other for other in opened if _closer(other, one)), 1):
            inner = f"{acl}_open_{place}"
            yield from domains(f"{inner}_host", [other.host])
            yield f"acl {inner}_path urlpath_regex {_start(other.path)}"
            yield f"acl {inner} all-of {inner}_host {inner}_path"
            denied.append(f"!{inner}")
        yield " ".join(["http_access deny", *denied])


def _closer(one: SiteName, other: SiteName) -> bool:
    """Whether a name decides before another one about some address that both cover."""
    if one.host == other.host:
        return one.path.startswith(other.path)
    common = one.path.startswith(other.path) or other.path.startswith(one.path)
    return common and one.host.endswith(f".{other.host}")


def domains(acl: str, hosts: Sequence[str]) -> Iterator[str]:
    """A list of hosts, each with all below it."""
    return (f"acl {acl} dstdomain -n .{host}" for host in hosts)


def _start(path: str) -> str:
    return "^" + _SPECIAL.sub(lambda found: f"[{found[0]}]", path)


def unseen(decision: Decision, names: WebNames) -> Iterator[LeftOut]:
    """What of paths is not as on hosts, where Squid opens no connection."""
    for one, blocked in names.paths.items():
        if blocked and not names.blocked(one.host):
            why = "Over HTTPS it stays open, unless Squid opens the connections (ssl_bump)."
            yield LeftOut(rule_of(decision, one), f"path {one}", why)
        elif not blocked and names.blocked(one.host):
            yield LeftOut("", f"path {one}, open on a blocked host", "Squid refuses the host, so it stays blocked.")


FORMAT = Format(
    name="squid",
    meant_for="Squid 5 and newer",
    controls=("browser",),
    render=render,
    accepted_by="squid -k parse and squid (6.13)",
    main="proscribe.conf",
    blocks=blocks,
    paths=HTTP,
)
