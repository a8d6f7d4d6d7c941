"""Bypasses of Proscribe's table by other tables of the host.

An accept in another table opens nothing, whatever its priority. If another table changes an address before Proscribe's
chains, these see the changed address. The following parts of other tables come later than Proscribe's chains, or bypass
them:

    chain        of type nat or route, on output, after Proscribe's: it can redirect a packet that was accepted
    rule         after Proscribe's that sets an address, on output, postrouting or egress: the same without nat
    device       with a rule that forwards by itself: packets of containers bypass every chain
    flowtable    connections that are older than the ban bypass every chain
"""

from __future__ import annotations

from typing import Iterator, Sequence

from ....base.lazy_patterns import compile_pattern
from ....base.named_tuple import NamedTuple
from ....model.finding import NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict
from ...system import Host, ObservationError
from .ruleset import TABLE_NAME

NEIGHBOURS_RULE = "firewall/neighbours"
_OWN_PRIORITY = -10  # filter - 10
_TABLE_PATTERN = compile_pattern(r"table (\S+ \S+) \{$")
_PART_PATTERN = compile_pattern(r"(chain|flowtable) (\S+) \{$")
_HOOK_PATTERN = compile_pattern(r"type (\S+) hook (\S+) .*?priority (-?\d+);")
# Rules that change a destination or forward a packet, in nft's notation. It has `@nh,` for an address that has no name.
_REDIRECTION_PATTERN = compile_pattern(r"(?:\bdaddr|@nh,\S+) set |\bfwd (?:ip6? )?to ")
_MAX_RULE_LENGTH = 120  # longer rules are cut in messages


class _HookedChain(NamedTuple):
    """Chain of another table that the kernel calls at a hook (point of a packet's way), or a flowtable.

    A flowtable forwards the packets of known connections past all chains.
    """

    table: str
    name: str
    type: str  # filter, nat, route, or "flowtable"
    hook: str
    priority: int

    @property
    def is_later(self) -> bool:
        """True if packets come to the chain after Proscribe's chains, or bypass them."""
        if self.hook == "output":
            return self.priority > _OWN_PRIORITY
        return self.hook in ("postrouting", "egress") or (self.hook == "ingress" and self.table.startswith("netdev "))


def observe_other_tables(host: Host, nft: str) -> list[RuleVerdict]:
    """Return the verdict on bypasses by other tables; [] if there are none.

    Proscribe does not correct them. Flowtables alone are reported, but are no violation.
    """
    try:
        chains = [
            chain for chain in _parse_chains(_list_hooked_chains(host, nft)) if chain.table != f"inet {TABLE_NAME}"
        ]
        late_findings = [
            _find_late_chain(chain) for chain in chains if chain.type in ("nat", "route") and chain.hook == "output"
        ]
        findings = [*filter(None, late_findings), *_find_redirecting_rules(host, nft, chains)]
    except ObservationError as unseen:
        return [RuleVerdict(NEIGHBOURS_RULE, UNKNOWN, reason=str(unseen))]
    offload_findings = [_make_offload_finding(chain) for chain in chains if chain.type == "flowtable"]
    if findings:
        return [RuleVerdict(NEIGHBOURS_RULE, NONCOMPLIANT, (*findings, *offload_findings))]
    return (
        [
            RuleVerdict(
                NEIGHBOURS_RULE,
                NOT_APPLICABLE,
                tuple(offload_findings),
                reason="reported only, without effect on the state",
            )
        ]
        if offload_findings
        else []
    )


def _list_hooked_chains(host: Host, nft: str) -> str:
    """Return nft's listing of all chains, without their rules, and of the flowtables.

    A kernel may not support flowtables. The option -y prints priorities as numbers.
    """
    try:
        return _run_nft_listing(host, nft, "-y", "list chains; list flowtables")
    except ObservationError:
        return _run_nft_listing(host, nft, "-y", "list chains")


def _run_nft_listing(host: Host, nft: str, *listing_words: str) -> str:
    result = host.run_command([nft, *listing_words])
    if result.rc:
        raise ObservationError(f"nft cannot list the tables of other programs: {' '.join(result.err.split())[-300:]}")
    return result.out


def _find_late_chain(chain: _HookedChain) -> Finding | None:
    """Return a finding for a chain if packets come to it after Proscribe's chains; else None."""
    detail = f"a {chain.type} chain that comes after ours can lead packets to restricted addresses"
    return _make_table_finding("chain", chain.name, chain.table, detail) if chain.is_later else None


def _make_offload_finding(chain: _HookedChain) -> Finding:
    detail = "forwards connections that are older than the ban past every rule"
    return _make_table_finding("flowtable", chain.name, chain.table, detail)


def _find_redirecting_rules(host: Host, nft: str, chains: Sequence[_HookedChain]) -> Iterator[Finding]:
    """Yield findings for rules of other tables that redirect packets after Proscribe's chains.

    A chain without a hook counts too, because a later chain may call it.
    """
    tables = list(dict.fromkeys(chain.table for chain in chains if chain.is_later))
    earlier_chains = {(chain.table, chain.name) for chain in chains if not chain.is_later}
    if not tables:
        return
    # The option -t omits the elements of sets, because other programs may have many.
    listing = _run_nft_listing(host, nft, "-t", "; ".join(f"list table {table}" for table in tables))
    for table, _, name, line in _parse_listing(listing):
        if (table, name) not in earlier_chains and _REDIRECTION_PATTERN.search(line):
            detail = f"a rule that comes after ours leads packets elsewhere: {line[:_MAX_RULE_LENGTH]}"
            yield _make_table_finding("rule", name, table, detail)


def _parse_chains(listing: str) -> Iterator[_HookedChain]:
    """Yield the chains with a hook, and the flowtables, of nft's listing."""
    for table, kind, name, line in _parse_listing(listing):
        if kind == "flowtable" and _PART_PATTERN.match(line):
            yield _HookedChain(table, name, kind, "", 0)
        elif match := _HOOK_PATTERN.match(line):
            yield _HookedChain(table, name, match[1], match[2], int(match[3]))


def _parse_listing(listing: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield (table, kind of part, name of part, line) for each line of nft's listing."""
    table = kind = name = ""
    for line in map(str.strip, listing.splitlines()):
        if match := _TABLE_PATTERN.match(line):
            table, kind, name = match[1], "", ""
        elif match := _PART_PATTERN.match(line):
            kind, name = match[1], match[2]
        yield table, kind, name, line


def _make_table_finding(kind: str, name: str, table: str, detail: str) -> Finding:
    return Finding(kind, name, manager="nftables", path=table, detail=detail)
