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

STATE_PATH = "/run/proscribe/firewall"  # gone with a reboot, as the table is
ALONE_MARK = " alone"


def save_loaded_state(host: Host, text: str, generation: RulesetGeneration, is_alone: bool = False) -> None:
    """Save that a table made from `text` is loaded at that generation; `is_alone`: and that no other table then
    bypassed it.
    """
    host.write_file(STATE_PATH, f"{_format_state(text, generation)}{ALONE_MARK if is_alone else ''}\n", 0o600)


def delete_loaded_state(host: Host) -> None:
    """Save nothing: the next observation is a whole one."""
    host.delete_file(STATE_PATH)


def is_table_unchanged(host: Host, text: str) -> bool:
    """Whether a table made from `text` was loaded, and no table of the host has changed since."""
    return _read_current_state(host, text) is not None


def is_table_alone(host: Host, text: str) -> bool:
    """Whether moreover no other table bypassed it."""
    return _read_current_state(host, text) == ALONE_MARK


def _read_current_state(host: Host, text: str) -> str | None:
    """What is saved of the tables as they are now, beyond that this one is loaded; None if that is not known."""
    generation = host.read_ruleset_generation()
    stored_text, expected_text = (
        (host.read_text(STATE_PATH) or "").rstrip("\n"),
        _format_state(text, generation) if generation else "",
    )
    return stored_text[len(expected_text) :] if expected_text and stored_text.startswith(expected_text) else None


def _format_state(text: str, generation: RulesetGeneration) -> str:
    return f"{generation.namespace} {generation.number} {_compute_digest(text)}"


@functools.lru_cache(maxsize=1)  # called several times; 100,000 networks take some milliseconds each time
def _compute_digest(text: str) -> str:
    return str(sha256(text.encode()).hexdigest())
