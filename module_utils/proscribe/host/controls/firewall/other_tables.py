"""What other tables of the host do that bypasses ours.

An accept of theirs opens nothing, whatever its priority. Of a translation that comes before our chains, these see the
address that it leads to. What matters is what comes after, or goes past:

    chain        of type nat or route, on output, behind ours: it can lead a packet that we let pass elsewhere
    rule         behind ours that sets an address, on output, postrouting or egress: the same, untranslated
    device       with a rule that forwards by itself: packets of containers go past every chain
    flowtable    connections that are older than the ban go past every chain
"""

from __future__ import annotations

from typing import Iterator, Sequence

from ....base.patterns import compile_pattern
from ....base.tuples import NamedTuple
from ....model.finding import NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict
from ...system import Host, ObservationError
from .ruleset import TABLE

RULE = "firewall/neighbours"
_OUR_PRIORITY = -10  # filter - 10
_TABLE = compile_pattern(r"table (\S+ \S+) \{$")
_PART = compile_pattern(r"(chain|flowtable) (\S+) \{$")
_HOOK = compile_pattern(r"type (\S+) hook (\S+) .*?priority (-?\d+);")
_LEADS = compile_pattern(
    r"(?:\bdaddr|@nh,\S+) set |\bfwd (?:ip6? )?to "
)  # in nft's words; of addresses that it cannot name, too
_LONGEST = 120  # characters of a rule that are shown


class _Chain(NamedTuple):
    """A chain that has a hook, or a flowtable."""

    table: str
    name: str
    type: str  # filter, nat, route, or "flowtable"
    hook: str
    priority: int

    @property
    def comes_after(self) -> bool:
        if self.hook == "output":
            return self.priority > _OUR_PRIORITY
        return self.hook in ("postrouting", "egress") or (self.hook == "ingress" and self.table.startswith("netdev "))


def observe(host: Host, nft: str) -> list[RuleVerdict]:
    """One verdict if there is anything to say. Nothing of it is ours to correct."""
    try:
        chains = [chain for chain in _chains(_hooked(host, nft)) if chain.table != f"inet {TABLE}"]
        late = [_late(chain) for chain in chains if chain.type in ("nat", "route") and chain.hook == "output"]
        against = [*filter(None, late), *_leading(host, nft, chains)]
    except ObservationError as unseen:
        return [RuleVerdict(RULE, UNKNOWN, reason=str(unseen))]
    past = [_offload(chain) for chain in chains if chain.type == "flowtable"]
    if against:
        return [RuleVerdict(RULE, NONCOMPLIANT, (*against, *past))]
    return [RuleVerdict(RULE, NOT_APPLICABLE, tuple(past), reason="seen and reported, counts nothing")] if past else []


def _hooked(host: Host, nft: str) -> str:
    """All chains without their rules, and the flowtables, which a kernel may not have; -y: priorities as numbers."""
    try:
        return _list(host, nft, "-y", "list chains; list flowtables")
    except ObservationError:
        return _list(host, nft, "-y", "list chains")


def _list(host: Host, nft: str, *words: str) -> str:
    result = host.run_command([nft, *words])
    if result.rc:
        raise ObservationError(f"nft cannot list the tables of other programs: {' '.join(result.err.split())[-300:]}")
    return result.out


def _late(chain: _Chain) -> Finding | None:
    detail = f"a {chain.type} chain that comes after ours can lead packets to restricted addresses"
    return _finding("chain", chain.name, chain.table, detail) if chain.comes_after else None


def _offload(chain: _Chain) -> Finding:
    detail = "forwards connections that are older than the ban past every rule"
    return _finding("flowtable", chain.name, chain.table, detail)


def _leading(host: Host, nft: str, chains: Sequence[_Chain]) -> Iterator[Finding]:
    """The rules that lead packets elsewhere, of tables with a chain that comes after ours."""
    tables = list(dict.fromkeys(chain.table for chain in chains if chain.comes_after))
    earlier = {(chain.table, chain.name) for chain in chains if not chain.comes_after}
    if not tables:
        return
    # Sets without their elements, of which other programs have many.
    listing = _list(host, nft, "-t", "; ".join(f"list table {table}" for table in tables))
    for table, _, name, line in _lines(listing):
        if (table, name) not in earlier and _LEADS.search(line):
            detail = f"a rule that comes after ours leads packets elsewhere: {line[:_LONGEST]}"
            yield _finding("rule", name, table, detail)


def _chains(listing: str) -> Iterator[_Chain]:
    for table, kind, name, line in _lines(listing):
        if kind == "flowtable" and _PART.match(line):
            yield _Chain(table, name, kind, "", 0)
        elif found := _HOOK.match(line):
            yield _Chain(table, name, found[1], found[2], int(found[3]))


def _lines(listing: str) -> Iterator[tuple[str, str, str, str]]:
    """The lines of a listing of nft, each with the table, and the kind and name of the part, that it stands in."""
    table = kind = name = ""
    for line in map(str.strip, listing.splitlines()):
        if found := _TABLE.match(line):
            table, kind, name = found[1], "", ""
        elif found := _PART.match(line):
            kind, name = found[1], found[2]
        yield table, kind, name, line


def _finding(kind: str, name: str, table: str, detail: str) -> Finding:
    return Finding(kind, name, manager="nftables", path=table, detail=detail)
