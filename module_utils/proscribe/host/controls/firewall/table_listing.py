"""Parser of nft's listing of Proscribe's table, and comparison of the loaded with the desired table."""

from __future__ import annotations

import functools
import sys
from typing import Iterator, Mapping, Sequence

from ....base.lazy_patterns import compile_pattern
from ....base.named_tuple import NamedTuple
from ....model.finding import Finding
from ...programs import LOAD_AND_LIST
from ...system import ControlError, Host, ObservationError, RulesetGeneration
from . import loaded_state
from .rule_syntax import OWN_RULES
from .ruleset import DNS_OVER_TLS_RULE, LOCAL_SSH_RULE, PLAIN_DNS_RULE, QUIC_RULE, TABLE_NAME, WITNESS_ADDRESSES

TABLE_PATH = f"inet {TABLE_NAME}"
NOT_LOADED_FINDING = Finding("table", TABLE_NAME, manager="nftables", path=TABLE_PATH, detail="not loaded")
NO_EFFECT_FINDING = Finding(
    "effect",
    TABLE_NAME,
    manager="nftables",
    path=TABLE_PATH,
    detail=f"{WITNESS_ADDRESSES[0]}, which it refuses last, is not refused",
)
_DISCARD_PORT = 9  # RFC 863
NO_NAMESPACE_REASON = "the rules cannot be compared: `unshare -n` is not permitted here (needs CAP_SYS_ADMIN)"
NO_NFT_FINDING = Finding("package", "nftables", manager="nftables", detail="nft is not installed")

# (notation of another version of nft (0.9.8, 1.0.6) or of a host without /etc/protocols, Proscribe's notation)
RULE_SPELLINGS = (
    ("icmpx type ", "icmpx "),
    ("tcp flags != syn / syn,ack", "tcp flags & (syn | ack) != syn"),
    ("meta l4proto 6 ", "meta l4proto tcp "),
    ("meta l4proto { 6, 17 }", "meta l4proto { tcp, udp }"),
)

MAX_SHOWN_ELEMENTS = 1000  # elements of a set that a diff shows in full; more would be unreadable

_ELEMENTS_PATTERN = compile_pattern(r"elements = \{([^}]*)\}")


class TablePart(NamedTuple):
    """Set, chain or counter of the table, or the lines of the table itself. `elements` are those of a set."""

    lines: tuple[str, ...] = ()
    elements: frozenset[str] = frozenset()


TableParts = dict[tuple[str, str], TablePart]  # by (kind, name); kind is set, chain, counter or table


class FirewallObservation(NamedTuple):
    """Loaded table, and its faults by rule.

    A rule is a service, a setting such as `dns-over-tls`, or `ruleset` for the table as a whole.
    """

    # {} if the table is not loaded, or if no listing was needed because the table is as desired
    loaded_parts: TableParts
    findings_by_rule: Mapping[str, Sequence[Finding]]
    unseen_reason: str = ""  # reason why other faults may be hidden; "" if none are
    counts: Mapping[str, tuple[int, int]] = {}  # by rule: refused (packets, bytes)
    generation: RulesetGeneration | None = None  # generation of the kernel's tables before the observation

    @property
    def is_right(self) -> bool:
        """True if the table was observed, and is as desired."""
        return not any(self.findings_by_rule.values()) and not self.unseen_reason


def observe_table(host: Host, nft: str, text: str, boot_text: str = "") -> FirewallObservation:
    """Compare the loaded table with the table that `text` would load.

    `boot_text` is the text of the boot file. Only the counters are listed if the loaded table is known. That requires
    three facts: it was made from `boot_text`, it is unchanged since, and it refuses the witness address. Otherwise the
    whole table is listed. Raises ObservationError, or ControlError if nft fails.
    """
    generation = host.read_ruleset_generation()
    is_refused = _is_witness_refused(host, text)
    if boot_text and is_refused and loaded_state.is_table_unchanged(host, boot_text):
        counter_listing = _list_table(host, nft, "counters", "table")
        # checked again, because the table may have changed while nft listed the counters
        if counter_listing and loaded_state.is_table_unchanged(host, boot_text):
            loaded_parts = {} if text == boot_text else parse_table(boot_text)
            comparison = ({}, "") if text == boot_text else _compare_tables(host, nft, text, loaded_parts)
            return FirewallObservation(loaded_parts, *comparison, parse_refusal_counts(counter_listing), generation)
    listing = _list_table(host, nft, "table")
    loaded_parts = parse_table(listing)
    findings_by_rule, unseen_reason = _compare_tables(host, nft, text, loaded_parts)
    return FirewallObservation(
        loaded_parts,
        findings_by_rule if findings_by_rule or is_refused else {"ruleset": [NO_EFFECT_FINDING]},
        unseen_reason,
        parse_refusal_counts(listing),
        generation,
    )


def _is_witness_refused(host: Host, text: str) -> bool:
    """Return whether the kernel refuses the witness address, as the desired table (`text`) requires.

    The result is also True if the host has no route to it, or if the desired table does not refuse it.
    """
    refusals = (
        host.is_destination_refused(address, _DISCARD_PORT)
        for address in WITNESS_ADDRESSES
        if f" daddr {address} reject" in text
    )
    return next((is_refused for is_refused in refusals if is_refused is not None), True)


def _compare_tables(
    host: Host, nft: str, text: str, loaded_parts: TableParts
) -> tuple[Mapping[str, Sequence[Finding]], str]:
    """Return the faults of the loaded table by rule, and the reason why others may be hidden.

    The reason is "" if the comparison is complete. `text` is the input for nft that loads the desired table.
    """
    desired_parts = parse_table(text)
    if desired_parts == loaded_parts:
        return {}, ""
    if not loaded_parts:
        return {rule: [NOT_LOADED_FINDING] for rule in {"ruleset", *map(find_owning_rule, desired_parts)}}, ""
    if not desired_parts:
        return {"ruleset": [NOT_LOADED_FINDING._replace(detail="loaded, though nothing is to be refused")]}, ""
    if all(loaded_parts[key].lines == part.lines for key, part in desired_parts.items() if key in loaded_parts):
        # equal lines show that this nft has Proscribe's notation, so the two listings can be compared
        return compare_parts(desired_parts, loaded_parts), ""
    relisted_parts = _load_and_list_ruleset(host, nft, text)
    if relisted_parts is not None:
        return compare_parts(relisted_parts, loaded_parts), ""
    # The desired table is known in Proscribe's notation only. Compared with another notation, only names and addresses
    # are reliable.
    all_findings = compare_parts(desired_parts, loaded_parts)
    sure_findings = {
        rule: [finding for finding in findings if finding.kind != "rule"] for rule, findings in all_findings.items()
    }
    return sure_findings, NO_NAMESPACE_REASON if sure_findings != all_findings else ""


def list_table_parts(host: Host, nft: str) -> TableParts:
    """Return the parts of the loaded table; {} if it is not loaded."""
    return parse_table(_list_table(host, nft, "table"))


def _list_table(host: Host, nft: str, *listing_words: str) -> str:
    """Return nft's listing of the table; "" if the table is not loaded.

    `listing_words` say what is listed: `table` is everything, `counters table` only the counters.
    """
    result = host.run_command([nft, "list", *listing_words, "inet", TABLE_NAME])
    if result.rc == 0:
        return result.out
    if "No such file or directory" in result.err:
        return ""
    if "not permitted" in result.err:
        raise ObservationError("the firewall's rules can only be listed by root with CAP_NET_ADMIN")
    raise ControlError(f"nft cannot list the table {TABLE_PATH}: {' '.join(result.err.split())[-300:]}")


def parse_refusal_counts(listing: str) -> dict[str, tuple[int, int]]:
    """Return, by rule, how much was refused: (packets, bytes). Rules without refusals are left out.

    `listing` is nft's listing of the table, or of its counters.
    """
    counts_by_rule: dict[str, tuple[int, int]] = {}
    for counter in listing.split("counter refused")[1:]:
        words = counter.split(maxsplit=6)[:6]  # after "counter refused": _telegram { packets 2 bytes 120
        if len(words) == 6 and words[1:3] == ["{", "packets"] and words[3].isdecimal() and words[5].isdecimal():
            counts_by_rule[words[0][1:]] = int(words[3]), int(words[5])
    return {name: (packets, size) for name, (packets, size) in counts_by_rule.items() if packets}


def _load_and_list_ruleset(host: Host, nft: str, text: str) -> TableParts | None:
    """Return the desired table (`text`) as this host's kernel and nft list it.

    For that, the table is loaded in a new network namespace, which ends with the call. Returns None if this host does
    not permit such a namespace. Raises ControlError if nft rejects the table.
    """
    child_command = [sys.executable, "-I", "-S", "-c", LOAD_AND_LIST, nft, TABLE_NAME]
    result = host.run_command(["unshare", "-n", *child_command], stdin=text)
    if result.rc == 0:
        return parse_table(result.out)
    if result.err.startswith("unshare:"):
        return None
    raise ControlError(f"nft does not take the ruleset: {' '.join(result.err.split())[-300:]}")


@functools.lru_cache(maxsize=2)  # cached, because an enforcing run parses the same text several times
def parse_table(text: str) -> TableParts:
    """Parse a listing of the table, or the text to load, into parts by (kind, name).

    The result is {} if the text has no such table. It is cached, so callers must not change it.
    """
    # A number replaces the elements of each set, because there may be many, and a parse line by line would be slow.
    # `_parse_part` looks the elements up by that number.
    element_lists = _ELEMENTS_PATTERN.findall(text)
    numbers = iter(range(len(element_lists)))
    text = _ELEMENTS_PATTERN.sub(lambda _: f"elements {next(numbers)}", text)
    # nft 0.9.8 writes the closing brace of a counter on the line of its values.
    lines = map(str.strip, text.replace("\t}\n", "\n}\n").splitlines())
    # `lines` is an iterator: this test consumes the lines up to the first line of the table
    if f"table inet {TABLE_NAME} {{" not in lines:
        return {}
    parts: TableParts = {}
    table_lines: list[str] = []
    for line in lines:
        if line == "}":
            break
        if line.endswith("{"):
            kind, _, name = line[:-1].strip().partition(" ")
            parts[kind, name] = _parse_part(lines, element_lists)
        elif line:
            table_lines.append(line)
    parts["table", TABLE_NAME] = TablePart(tuple(table_lines))
    return parts


def _parse_part(lines: Iterator[str], element_lists: Sequence[str]) -> TablePart:
    """Parse the lines of a part up to its closing brace.

    `element_lists` has the elements of all sets. A line "elements <number>" stands for the list with that number.
    """
    part_lines: list[str] = []
    elements: frozenset[str] = frozenset()
    for line in lines:
        if line == "}":
            break
        if line.startswith("elements "):
            elements = frozenset(map(str.strip, element_lists[int(line.split()[1])].split(",")))
        # lines with the values of a counter are left out, because they change
        elif line and not line.startswith("packets "):
            for other_spelling, own_spelling in RULE_SPELLINGS:
                line = line.replace(other_spelling, own_spelling)
            part_lines.append(line)
    return TablePart(tuple(part_lines), elements)


def format_parts(parts: TableParts, other_parts: TableParts | None = None) -> str:
    """Format the table for a diff, one element a line, in a fixed order.

    `other_parts` is the other side of the diff. A set with many elements has only those that the other side lacks.
    """
    lines = []
    for key, part in sorted(parts.items()):
        common_elements = (
            other_parts[key].elements
            if other_parts and key in other_parts and len(part.elements) > MAX_SHOWN_ELEMENTS
            else frozenset()
        )
        lines += [" ".join(key), *(f"    {line}" for line in part.lines)]
        lines += [f"    {element}" for element in sorted(part.elements - common_elements)]
    return "".join(f"{line}\n" for line in lines)


def find_owning_rule(key: tuple[str, str]) -> str:
    """Return the rule whose verdict reports a fault of a part of the desired table.

    `key` is (kind, name) of the part. The end of the name says whose part it is: `refuse_telegram`, `refuse-quic`.
    """
    name = key[1]
    for rule in (DNS_OVER_TLS_RULE, QUIC_RULE, PLAIN_DNS_RULE, LOCAL_SSH_RULE, OWN_RULES):
        if name.endswith(f"-{rule}"):
            return rule
    return name.partition("_")[2] or (OWN_RULES if name.startswith(("own", "managed-")) else "ruleset")


def compare_parts(desired_parts: TableParts, loaded_parts: TableParts) -> dict[str, list[Finding]]:
    """Return findings for missing, changed and superfluous parts, by the rule whose verdict reports them."""
    findings_by_rule: dict[str, list[Finding]] = {}

    def add_finding(rule: str, kind: str, finding_id: str, detail: str) -> None:
        findings_by_rule.setdefault(rule, []).append(
            Finding(kind, finding_id, manager="nftables", path=TABLE_PATH, detail=detail)
        )

    for key, part in desired_parts.items():
        kind, name = key
        if key not in loaded_parts:
            add_finding(find_owning_rule(key), kind, name, "missing")
            continue
        loaded_part = loaded_parts[key]
        if detail := _describe_element_changes(part.elements, loaded_part.elements):
            add_finding(find_owning_rule(key), kind, name, detail)
        missing_lines = [line for line in part.lines if line not in loaded_part.lines]
        for line in missing_lines:
            target = line.rpartition("jump refuse")[2]  # a missing jump to a service's chain is a fault of that service
            add_finding(
                find_owning_rule((kind, target)) if target != line else find_owning_rule(key),
                "rule",
                line,
                f"missing in {kind} {name}",
            )
        extra_lines = [line for line in loaded_part.lines if line not in part.lines]
        for line in extra_lines:
            add_finding(find_owning_rule(key), "rule", line, f"not of the plan, in {kind} {name}")
        if part.lines != loaded_part.lines and not missing_lines and not extra_lines:
            add_finding(find_owning_rule(key), kind, name, "in another order, or doubled")
    for kind, name in loaded_parts.keys() - desired_parts.keys():
        add_finding("ruleset", kind, name, "not of the plan")
    return findings_by_rule


def _describe_element_changes(desired_elements: frozenset[str], loaded_elements: frozenset[str]) -> str:
    """Describe how two sets differ: "2 missing: 192.0.2.1, 192.0.2.2; 1 not of the plan: 192.0.2.9"."""
    phrases = []
    for label, elements in (
        ("missing", desired_elements - loaded_elements),
        ("not of the plan", loaded_elements - desired_elements),
    ):
        if elements:
            examples = ", ".join(sorted(elements)[:3]) + (", ..." if len(elements) > 3 else "")
            phrases.append(f"{len(elements)} {label}: {examples}")
    return "; ".join(phrases)
