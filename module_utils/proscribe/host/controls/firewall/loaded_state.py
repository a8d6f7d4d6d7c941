"""What an enforcing run knows of the loaded table, for the audits after it.

The kernel counts the generations of its tables. Who knows what was loaded at one, and made the one change since, knows
what is loaded at the next. As long as the generation stays, nothing has changed. So an audit need not list the table
again, which takes nft a second for 100,000 networks, nor check its neighbours. A change to any table of the host makes
the next audits whole ones.
"""

from __future__ import annotations

import functools

from ....base.hashing import sha256
from ...system import Host, RulesetGeneration

STATE = "/run/proscribe/firewall"  # gone with a reboot, as the table is
ALONE = " alone"


def remember(host: Host, text: str, at: RulesetGeneration, alone: bool = False) -> None:
    """Save that a table made from `text` is loaded at that generation; `alone`: and that no other table then
    bypassed it.
    """
    host.write_file(STATE, f"{_said(text, at)}{ALONE if alone else ''}\n", 0o600)


def forget(host: Host) -> None:
    """Save nothing: the next observation is a whole one."""
    host.delete_file(STATE)


def unchanged(host: Host, text: str) -> bool:
    """Whether a table made from `text` was loaded, and no table of the host has changed since."""
    return _now(host, text) is not None


def alone(host: Host, text: str) -> bool:
    """Whether moreover no other table bypassed it."""
    return _now(host, text) == ALONE


def _now(host: Host, text: str) -> str | None:
    """What is saved of the tables as they are now, beyond that this one is loaded; None if that is not known."""
    now = host.read_ruleset_generation()
    stored, said = (host.read_text(STATE) or "").rstrip("\n"), _said(text, now) if now else ""
    return stored[len(said) :] if said and stored.startswith(said) else None


def _said(text: str, at: RulesetGeneration) -> str:
    return f"{at.namespace} {at.number} {_digest(text)}"


@functools.lru_cache(maxsize=1)  # called several times; 100,000 networks take some milliseconds each time
def _digest(text: str) -> str:
    return str(sha256(text.encode()).hexdigest())
