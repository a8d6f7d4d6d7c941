"""How often the filter has answered for a service since the boot, out of the journal of the resolver's unit.

What a resolver logs has the name that was queried, or the blocked one above it; which service that belongs to, only
the plan knows. The newest LINES lines are read: a journal may be large, and more tries than that say nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AbstractSet, Iterator, Mapping

from ...system import ControlError, Host
from .desired import covering
from .effect import queried_here

if TYPE_CHECKING:
    from typing import Pattern

LINES = 5000
PATIENCE = 5  # seconds


def count(host: Host, unit: str, hit: Pattern[str] | None, services: Mapping[str, AbstractSet[str]]) -> dict[str, int]:
    """The hits of each service that had any; `services` are the names that are blocked for each, `hit` is of the
    resolver's language.
    """
    journalctl = host.find_tool("journalctl")
    if journalctl is None or not host.privileged:
        return {}
    newest = [f"--unit={unit}", "--boot", "--quiet", "--no-pager", "--output=cat", f"--lines={LINES}"]
    try:
        text = host.run_command([journalctl, *newest], timeout=PATIENCE).out
    except ControlError:  # evidence of attempts is worth no failure
        return {}
    blocked = {name for names in services.values() for name in names}
    found: dict[str, int] = {}
    for name in named(text, hit):
        nearest = covering(name.lower(), blocked)
        for id_ in (id_ for id_, names in services.items() if nearest in names):
            found[id_] = found.get(id_, 0) + 1
    return found


def named(text: str, hit: Pattern[str] | None) -> Iterator[str]:
    """The names in the lines about hits, without those that observations have asked for."""
    for line in text.splitlines():
        if hit and (found := hit.search(line)) and not queried_here(found[found.lastindex or 0]):
            yield found[1]
