"""Smallest transaction from the loaded table to the desired table, and the state saved after it.

If only a few single addresses differ, as after a refreshed catalogue, these are exchanged. Otherwise the whole table is
replaced, and the counters keep their values.

Only an enforcing run needs this file.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Mapping

from ...system import Host
from . import loaded_state
from .ruleset import TABLE_NAME
from .table_listing import FirewallObservation, TablePart, TableParts, parse_table

_COUNTER_PATTERN = re.compile(r"^\tcounter (refused\S+) \{\n\t\}$", re.MULTILINE)


def load_table(host: Host, nft: str, observation: FirewallObservation, text: str) -> None:
    """Load the desired table in one transaction, which the kernel accepts whole or not at all.

    `observation` is the result of `listing.observe_table`. Raises ControlError if nft refuses.
    """
    old_generation = host.read_ruleset_generation()
    is_unchanged = old_generation is not None and old_generation == observation.generation
    # If a table has changed since the observation, the whole table is replaced: that does not depend on its content.
    host.read_command_output(
        [nft, "-f", "-"],
        stdin=render_transaction(observation.loaded_parts if is_unchanged else {}, observation.counts, text),
    )
    new_generation = host.read_ruleset_generation()
    if old_generation is not None and new_generation == old_generation.make_next():
        loaded_state.save_loaded_state(host, text, new_generation)
    else:
        loaded_state.delete_loaded_state(host)


def render_transaction(loaded_parts: TableParts, counts: Mapping[str, tuple[int, int]], text: str) -> str:
    """Return the input for nft that turns the table `loaded_parts` into `text`.

    `counts` has the values of its counters (packets, bytes).
    """
    desired_parts = parse_table(text) if loaded_parts else {}
    if desired_parts and {key: part.lines for key, part in loaded_parts.items()} == {
        other_key: other_part.lines for other_key, other_part in desired_parts.items()
    }:
        changed_parts = {
            key[1]: (loaded_parts[key], part)
            for key, part in desired_parts.items()
            if loaded_parts[key].elements != part.elements
        }
        if all(_is_changed_in_place(*part_pair) for part_pair in changed_parts.values()):
            return "".join(_render_exchange(name, *part_pair) for name, part_pair in changed_parts.items())
    return _COUNTER_PATTERN.sub(lambda match: _render_counter(match[1], counts), text)


def _is_changed_in_place(loaded_part: TablePart, desired_part: TablePart) -> bool:
    """Return whether a set is changed element by element.

    For the smallest change of intervals nft reads them all. Older kernels mistake new intervals for overlaps of removed
    ones. After many changes the kernel refills a set more slowly than it makes another set.
    """
    removed_elements, added_elements = (
        loaded_part.elements - desired_part.elements,
        desired_part.elements - loaded_part.elements,
    )
    has_few_changes = len(removed_elements) + len(added_elements) <= max(100, len(desired_part.elements) // 10)
    return (
        has_few_changes
        and "flags interval" not in desired_part.lines
        and all(map(_is_address, removed_elements | added_elements))
    )


def _render_exchange(name: str, loaded_part: TablePart, desired_part: TablePart) -> str:
    removed_elements, added_elements = (
        loaded_part.elements - desired_part.elements,
        desired_part.elements - loaded_part.elements,
    )
    return _render_element_command("delete", name, removed_elements) + _render_element_command(
        "add", name, added_elements
    )


def _render_element_command(verb: str, name: str, elements: frozenset[str]) -> str:
    return f"{verb} element inet {TABLE_NAME} {name} {{ {', '.join(sorted(elements))} }}\n" if elements else ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _render_counter(name: str, counts: Mapping[str, tuple[int, int]]) -> str:
    packets, size = counts.get(name[len("refused") + 1 :], (0, 0))
    return f"\tcounter {name} {{\n\t\tpackets {packets} bytes {size}\n\t}}" if packets else f"\tcounter {name} {{\n\t}}"
