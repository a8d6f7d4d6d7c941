"""Smallest transaction of nft that turns the loaded table into the desired table.

The state that is saved after it is here too.

If only a few single addresses differ, as after an update of the catalogue, only these are exchanged. Otherwise the
whole table is replaced, and the counters keep their values.

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
    """Load the desired table (`text`) in one transaction, which the kernel accepts completely or not at all.

    `observation` is the result of table_listing.observe_table. Raises ControlError if nft refuses. The loaded state is
    saved for later audits if no other program changed a table in the meantime.
    """
    old_generation = host.read_ruleset_generation()
    is_unchanged = old_generation is not None and old_generation == observation.generation
    # If any table has changed since the observation, the whole table is replaced, because that works whatever the
    # loaded table contains.
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
    """Return the input for nft that turns the table `loaded_parts` into the table `text`.

    `counts` has (packets, bytes) of the counters by rule. The whole table is replaced if `loaded_parts` is empty, or if
    more than some single addresses differ.
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
    """Return whether it is safe and fast to change a set element by element.

    A set of intervals is never changed so. nft reads all of its elements for the smallest change, and older kernels
    report overlaps with removed intervals. After many changes, the kernel makes a new set faster.
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
    """Return the commands of nft that change the elements of a set from the loaded to the desired elements."""
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
    """Return the definition of a counter with its present values, so that a new table continues to count."""
    packets, size = counts.get(name[len("refused") + 1 :], (0, 0))
    return f"\tcounter {name} {{\n\t\tpackets {packets} bytes {size}\n\t}}" if packets else f"\tcounter {name} {{\n\t}}"
