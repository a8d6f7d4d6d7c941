"""The smallest transaction from the loaded table to the desired one, and what is known after it.

Only a few single addresses differ, as after a refreshed catalogue: then these are exchanged. Else the whole table is
replaced, and the counters go on from where they were.

Only an enforcing run needs this file.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Mapping

from ...system import Host
from . import loaded_state
from .listing import Observed, Part, Parts, take_apart
from .ruleset import TABLE

_COUNTER = re.compile(r"^\tcounter (refused\S+) \{\n\t\}$", re.MULTILINE)


def load(host: Host, nft: str, observed: Observed, text: str) -> None:
    """Bring the table in line in one transaction, which the kernel takes whole or not at all.

    `observed` is the result of `listing.observe_table`. Raises ControlError if nft refuses.
    """
    before = host.read_ruleset_generation()
    unchanged = before is not None and before == observed.generation
    # Where somebody has changed a table since the observation, it is replaced whole, which cannot depend on what is
    # there.
    host.read_command_output(
        [nft, "-f", "-"], stdin=transaction(observed.live if unchanged else {}, observed.counts, text)
    )
    after = host.read_ruleset_generation()
    if before is not None and after == before.make_next():
        loaded_state.remember(host, text, after)
    else:
        loaded_state.forget(host)


def transaction(live: Parts, counts: Mapping[str, tuple[int, int]], text: str) -> str:
    """The input for nft that turns the table `live`, whose counters stand at `counts` (packets, bytes), into `text`."""
    desired = take_apart(text) if live else {}
    if desired and {key: part.lines for key, part in live.items()} == {k: p.lines for k, p in desired.items()}:
        changed = {key[1]: (live[key], part) for key, part in desired.items() if live[key].elements != part.elements}
        if all(_in_place(*parts) for parts in changed.values()):
            return "".join(_exchange(name, *parts) for name, parts in changed.items())
    return _COUNTER.sub(lambda found: _going_on(found[1], counts), text)


def _in_place(live: Part, desired: Part) -> bool:
    """Whether a set is changed element by element.

    Of intervals nft reads all for the smallest change, and older kernels mistake new ones for overlaps of those that
    go. Where much has changed the kernel takes longer to refill a set than to make another.
    """
    gone, new = live.elements - desired.elements, desired.elements - live.elements
    few = len(gone) + len(new) <= max(100, len(desired.elements) // 10)
    return few and "flags interval" not in desired.lines and all(map(_is_address, gone | new))


def _exchange(name: str, live: Part, desired: Part) -> str:
    gone, new = live.elements - desired.elements, desired.elements - live.elements
    return _command("delete", name, gone) + _command("add", name, new)


def _command(verb: str, name: str, elements: frozenset[str]) -> str:
    return f"{verb} element inet {TABLE} {name} {{ {', '.join(sorted(elements))} }}\n" if elements else ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _going_on(name: str, counts: Mapping[str, tuple[int, int]]) -> str:
    packets, size = counts.get(name[len("refused") + 1 :], (0, 0))
    return f"\tcounter {name} {{\n\t\tpackets {packets} bytes {size}\n\t}}" if packets else f"\tcounter {name} {{\n\t}}"
