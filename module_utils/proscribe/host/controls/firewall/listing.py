"""What nft lists: the table taken apart, and compared with the desired table."""

from __future__ import annotations

import functools
import sys
from typing import Iterator, Mapping, Sequence

from ....base.patterns import compile_pattern
from ....base.tuples import NamedTuple
from ....model.finding import Finding
from ...programs import LOAD_AND_LIST
from ...system import ControlError, Host, ObservationError, RulesetGeneration
from . import loaded_state
from .rule_text import OWN_RULES
from .ruleset import DNS_OVER_TLS, LOCAL_SSH, PLAIN_DNS, QUIC, TABLE, WITNESSES

WHERE = f"inet {TABLE}"
NOT_LOADED = Finding("table", TABLE, manager="nftables", path=WHERE, detail="not loaded")
NO_EFFECT = Finding(
    "effect", TABLE, manager="nftables", path=WHERE, detail=f"{WITNESSES[0]}, which it refuses last, is not refused"
)
_DISCARD = 9  # the port (RFC 863)
NO_NAMESPACE = "the rules cannot be compared: `unshare -n` is not permitted here (needs CAP_SYS_ADMIN)"
NO_NFT = Finding("package", "nftables", manager="nftables", detail="nft is not installed")

# The same thing in the spelling of other versions (0.9.8, 1.0.6), and of a host without /etc/protocols.
SPELLINGS = (
    ("icmpx type ", "icmpx "),
    ("tcp flags != syn / syn,ack", "tcp flags & (syn | ack) != syn"),
    ("meta l4proto 6 ", "meta l4proto tcp "),
    ("meta l4proto { 6, 17 }", "meta l4proto { tcp, udp }"),
)

MANY = 1000  # elements of a set: a diff that showed all of them could not be read

_HELD = compile_pattern(r"elements = \{([^}]*)\}")


class Part(NamedTuple):
    """A set, chain or counter of the table, or what the table says of itself."""

    lines: tuple[str, ...] = ()
    elements: frozenset[str] = frozenset()


Parts = dict[tuple[str, str], Part]


class Observed(NamedTuple):
    """What there is, and what is wrong with it, by rule: a service, `dns-over-tls`, `ruleset` (all of the table)."""

    live: Parts  # empty too where nothing had to be listed, because all is known to be as desired
    wrong: Mapping[str, Sequence[Finding]]
    unseen: str = ""  # why nothing more can be said where nothing is wrong
    counts: Mapping[str, tuple[int, int]] = {}  # packets and bytes that were refused, by rule
    generation: RulesetGeneration | None = None  # of the kernel's tables, from before the observation

    @property
    def right(self) -> bool:
        """Whether the table was seen, and is as it should be."""
        return not any(self.wrong.values()) and not self.unseen


def observe_table(host: Host, nft: str, text: str, at_boot: str = "") -> Observed:
    """Compare the loaded table with the one that `text` would load. Raises Unseen, or ControlError if nft fails.

    `at_boot` is the boot file's text. If the table was made from it, has not changed since and refuses what it has to,
    only the counters are listed.
    """
    generation = host.read_ruleset_generation()
    refused = _refuses_witness(host, text)
    if at_boot and refused and loaded_state.unchanged(host, at_boot):
        counted = _list(host, nft, "counters", "table")
        if counted and loaded_state.unchanged(host, at_boot):
            live = {} if text == at_boot else take_apart(at_boot)
            differs = ({}, "") if text == at_boot else _compare(host, nft, text, live)
            return Observed(live, *differs, refusals(counted), generation)
    listing = _list(host, nft, "table")
    live = take_apart(listing)
    wrong, unseen = _compare(host, nft, text, live)
    return Observed(
        live, wrong if wrong or refused else {"ruleset": [NO_EFFECT]}, unseen, refusals(listing), generation
    )


def _refuses_witness(host: Host, text: str) -> bool:
    """Whether the kernel refuses the witness as the desired table does, or has no way to send it anywhere."""
    tried = (
        host.is_destination_refused(address, _DISCARD) for address in WITNESSES if f" daddr {address} reject" in text
    )
    return next((refused for refused in tried if refused is not None), True)


def _compare(host: Host, nft: str, text: str, live: Parts) -> tuple[Mapping[str, Sequence[Finding]], str]:
    """What is wrong with the loaded table, by rule, and what cannot be said."""
    desired = take_apart(text)
    if desired == live:
        return {}, ""
    if not live:
        return {rule: [NOT_LOADED] for rule in {"ruleset", *map(owner, desired)}}, ""
    if not desired:
        return {"ruleset": [NOT_LOADED._replace(detail="loaded, though nothing is to be refused")]}, ""
    if all(live[key].lines == part.lines for key, part in desired.items() if key in live):
        return differences(desired, live), ""  # this nft spells as we do
    as_listed = _as_listed(host, nft, text)
    if as_listed is not None:
        return differences(as_listed, live), ""
    # Our spelling is all there is to compare with: it can be trusted for names and addresses only.
    every = differences(desired, live)
    sure = {rule: [finding for finding in found if finding.kind != "rule"] for rule, found in every.items()}
    return sure, NO_NAMESPACE if sure != every else ""


def listed(host: Host, nft: str) -> Parts:
    """The table as it is loaded; no parts if it is not."""
    return take_apart(_list(host, nft, "table"))


def _list(host: Host, nft: str, *what: str) -> str:
    """What nft lists of the table (`table`: all of it, counts included); "" if it is not loaded."""
    result = host.run_command([nft, "list", *what, "inet", TABLE])
    if result.rc == 0:
        return result.out
    if "No such file or directory" in result.err:
        return ""
    if "not permitted" in result.err:
        raise ObservationError("the firewall's rules can only be listed by root with CAP_NET_ADMIN")
    raise ControlError(f"nft cannot list the table {WHERE}: {' '.join(result.err.split())[-300:]}")


def refusals(listing: str) -> dict[str, tuple[int, int]]:
    """How many packets and bytes were refused, by rule, for those that were."""
    found: dict[str, tuple[int, int]] = {}
    for counter in listing.split("counter refused")[1:]:
        words = counter.split(maxsplit=6)[:6]  # _telegram { packets 2 bytes 120
        if len(words) == 6 and words[1:3] == ["{", "packets"] and words[3].isdecimal() and words[5].isdecimal():
            found[words[0][1:]] = int(words[3]), int(words[5])
    return {name: (packets, size) for name, (packets, size) in found.items() if packets}


def _as_listed(host: Host, nft: str, text: str) -> Parts | None:
    """The parts of a ruleset as this host's kernel and nft list them. It is loaded in an empty network namespace that
    ends with the call. None if the host does not permit one.
    """
    child = [sys.executable, "-I", "-S", "-c", LOAD_AND_LIST, nft, TABLE]
    result = host.run_command(["unshare", "-n", *child], stdin=text)
    if result.rc == 0:
        return take_apart(result.out)
    if result.err.startswith("unshare:"):
        return None
    raise ControlError(f"nft does not take the ruleset: {' '.join(result.err.split())[-300:]}")


@functools.lru_cache(maxsize=2)  # an enforcing run asks for the same text several times
def take_apart(text: str) -> Parts:
    """The parts of the table in a listing, or in a file to load, by kind and name. Not to be changed."""
    held = _HELD.findall(text)  # the elements of each set; they may be many, so they are not compared line by line
    numbers = iter(range(len(held)))
    text = _HELD.sub(lambda _: f"elements {next(numbers)}", text)
    lines = map(str.strip, text.replace("\t}\n", "\n}\n").splitlines())  # 0.9.8 ends a counter on the line of its state
    if f"table inet {TABLE} {{" not in lines:  # consumes the lines up to there
        return {}
    parts: Parts = {}
    own: list[str] = []
    for line in lines:
        if line == "}":
            break
        if line.endswith("{"):
            kind, _, name = line[:-1].strip().partition(" ")
            parts[kind, name] = _part(lines, held)
        elif line:
            own.append(line)
    parts["table", TABLE] = Part(tuple(own))
    return parts


def _part(lines: Iterator[str], held: Sequence[str]) -> Part:
    plain: list[str] = []
    elements: frozenset[str] = frozenset()
    for line in lines:
        if line == "}":
            break
        if line.startswith("elements "):
            elements = frozenset(map(str.strip, held[int(line.split()[1])].split(",")))
        elif line and not line.startswith("packets "):  # what a counter stands at
            for other, ours in SPELLINGS:
                line = line.replace(other, ours)
            plain.append(line)
    return Part(tuple(plain), elements)


def shown(parts: Parts, beside: Parts | None = None) -> str:
    """The table as text for a diff, one element a line and in one order, whoever wrote it.

    Of a set with many elements only those that `beside`, the other side of the diff, has not.
    """
    lines = []
    for key, part in sorted(parts.items()):
        common = beside[key].elements if beside and key in beside and len(part.elements) > MANY else frozenset()
        lines += [" ".join(key), *(f"    {line}" for line in part.lines)]
        lines += [f"    {element}" for element in sorted(part.elements - common)]
    return "".join(f"{line}\n" for line in lines)


def owner(key: tuple[str, str]) -> str:
    """The rule that a part of the desired table belongs to."""
    name = key[1]
    for rule in (DNS_OVER_TLS, QUIC, PLAIN_DNS, LOCAL_SSH, OWN_RULES):
        if name.endswith(f"-{rule}"):
            return rule
    return name.partition("_")[2] or (OWN_RULES if name.startswith(("own", "managed-")) else "ruleset")


def differences(desired: Parts, live: Parts) -> dict[str, list[Finding]]:
    """What is missing, changed or too much, by the rule it counts against."""
    found: dict[str, list[Finding]] = {}

    def add(rule: str, kind: str, id_: str, detail: str) -> None:
        found.setdefault(rule, []).append(Finding(kind, id_, manager="nftables", path=WHERE, detail=detail))

    for key, part in desired.items():
        kind, name = key
        if key not in live:
            add(owner(key), kind, name, "missing")
            continue
        seen = live[key]
        if detail := _unequal(part.elements, seen.elements):
            add(owner(key), kind, name, detail)
        missing = [line for line in part.lines if line not in seen.lines]
        for line in missing:
            target = line.rpartition("jump refuse")[2]  # the rule of a service, in the chain of all
            add(owner((kind, target)) if target != line else owner(key), "rule", line, f"missing in {kind} {name}")
        extra = [line for line in seen.lines if line not in part.lines]
        for line in extra:
            add(owner(key), "rule", line, f"not of the plan, in {kind} {name}")
        if part.lines != seen.lines and not missing and not extra:
            add(owner(key), kind, name, "in another order, or doubled")
    for kind, name in live.keys() - desired.keys():
        add("ruleset", kind, name, "not of the plan")
    return found


def _unequal(desired: frozenset[str], live: frozenset[str]) -> str:
    """How two sets differ, in a few words: "2 missing: 192.0.2.1, 192.0.2.2; 1 not of the plan: 192.0.2.9"."""
    said = []
    for what, some in (("missing", desired - live), ("not of the plan", live - desired)):
        if some:
            shown = ", ".join(sorted(some)[:3]) + (", ..." if len(some) > 3 else "")
            said.append(f"{len(some)} {what}: {shown}")
    return "; ".join(said)
