"""What other tables of the host do that bypasses ours.

An accept of theirs opens nothing, whatever its priority, and a translation that comes before our chains is seen by them
with the address that it leads to. What matters is what comes after, or goes past:

    a nat or route chain on output behind ours    can lead a packet that we let pass to a restricted address
    a flowtable                                   forwards the connections it has taken past every chain, so that those
                                                  which are older than the ban stay open
"""

from __future__ import annotations

from typing import Iterator

from ...finding import NONCOMPLIANT, NOT_APPLICABLE, Finding, Verdict
from ...host import Host
from ...patterns import pattern
from .ruleset import TABLE

RULE = "firewall/neighbours"
_OUR_PRIORITY = -10  # filter - 10
_TABLE = pattern(r"table (\S+ \S+) \{$")
_PART = pattern(r"(chain|flowtable) (\S+) \{$")
_LATE = pattern(r"type (nat|route) hook output priority (-?\d+);")


def observe(host: Host, nft: str) -> list[Verdict]:
    """One verdict if there is anything to say. Nothing of it is ours to correct."""
    result = host.run([nft, "-y", "list chains; list flowtables"])  # -y: priorities as numbers
    if result.rc:
        return []  # an nft that has no flowtables, or a table of another program's that this nft cannot read
    found = list(_findings(result.out))
    late = [finding for finding in found if finding.kind == "chain"]
    past = [finding for finding in found if finding.kind != "chain"]
    if late:
        return [Verdict(RULE, NONCOMPLIANT, (*late, *past))]
    return [Verdict(RULE, NOT_APPLICABLE, tuple(past), reason="seen and reported, counts nothing")] if past else []


def _findings(listing: str) -> Iterator[Finding]:
    table = name = ""
    for line in map(str.strip, listing.splitlines()):
        if found := _TABLE.match(line):
            table = found[1]
        elif found := _PART.match(line):
            name = found[2]
            if found[1] == "flowtable":
                detail = "forwards connections that are older than the ban past every rule"
                yield Finding("flowtable", name, manager="nftables", path=table, detail=detail)
        elif (found := _LATE.match(line)) and int(found[2]) > _OUR_PRIORITY and table != f"inet {TABLE}":
            detail = f"a {found[1]} chain that comes after ours can lead packets to restricted addresses"
            yield Finding("chain", name, manager="nftables", path=table, detail=detail)
