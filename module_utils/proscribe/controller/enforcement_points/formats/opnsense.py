"""For OPNsense's own resolver: a blocklist that it fetches, and the file of `unbound`, for its folder of drop-ins.

In a blocklist, `*.example.com` is the name and all below it. What stays open below is for the field Allowlist Domains,
one expression each: the router fetches no such list. The file of `unbound` has no such gap.
"""

from __future__ import annotations

import re

from ....host.controls.dns.backends.unbound import LANGUAGE
from ..declaration import Decision, Device, Format, LeftOut, Rendered
from ..dns_names import of_resolver
from ..header import comment, text
from ..two_lists import NOBODY, blocks, two_lists

LIST, EXPRESSIONS, FILE = "blocklist.txt", "allowlist.txt", "unbound.opnsense.d/proscribe.conf"
# BaseBlocklistHandler.domain_pattern, for names in lower case: other lines of a blocklist are skipped.
_NAME = re.compile(
    r"(?:[a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.(?:xn--[a-z0-9]+|[a-z0-9]{2,})", re.ASCII
)
WHY = f"{FILE} leaves them open. With {LIST}, somebody has to enter the lines of {EXPRESSIONS} on the router."


def render(decision: Decision) -> Rendered:
    """The files."""
    names = two_lists(decision, lambda name: bool(_NAME.fullmatch(name)), f"OPNsense skips it in {LIST}.")
    (exact,) = of_resolver("opnsense", LANGUAGE, decision).files.values()
    files = {
        LIST: text([*comment(decision, "opnsense"), *(f"*.{name}" for name in names.blocked)]),
        EXPRESSIONS: text([f"^(.*\\.)?{re.escape(name)}$" for name in names.allowed]),
        FILE: exact,
    }
    by_hand = LeftOut("", "the open names below blocked ones", WHY)
    return Rendered(files, names.included, [*names.left_out, *([by_hand] if names.allowed != (NOBODY,) else [])])


FORMAT = Format(
    name="opnsense",
    meant_for="OPNsense: a blocklist of its Unbound DNS, or a file for its folder of drop-ins",
    controls=("dns",),
    render=render,
    accepted_by="unbound-checkconf, for the drop-in",
    main=f"{LIST}, {EXPRESSIONS}, {FILE}",
    blocks=blocks,
    device=Device(
        below="`*.example.com`",
        exceptions=f"`{EXPRESSIONS}`: expressions for the field Allowlist Domains; the drop-in has them",
        fetched=f"`{LIST}` by the router, from a web server, by a task of its cron (daily); the others by hand",
        pages=(
            "https://docs.opnsense.org/manual/unbound.html",
            "https://github.com/opnsense/core/blob/master/src/opnsense/scripts/unbound/blocklists/default_bl.py",
            "https://github.com/opnsense/core/blob/master/src/opnsense/scripts/unbound-dnsbl/lib/dnsbl.py",
        ),
        read="2026-11-30",
    ),
)
