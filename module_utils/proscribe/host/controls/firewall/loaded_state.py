"""State of the loaded table, saved by an enforcing run or by the watch for the next audits.

The kernel counts the generations of its tables: each change of any table adds one. If the generation was known before
Proscribe's only change, the content of the next generation is known too. As long as the generation stays the same,
nothing has changed. Then an audit does not need to list the table, which takes nft a second for 100,000 networks. It
does not need to check the other tables either. After a change of any table of the host, the next audit checks
everything again.
"""

from __future__ import annotations

import functools

from ....base.hashing import sha256
from ...system import Host, RulesetGeneration

STATE_PATH = "/run/proscribe/firewall"  # below /run, so that a reboot deletes the file with the table
ALONE_MARK = " alone"


def save_loaded_state(host: Host, text: str, generation: RulesetGeneration, is_alone: bool = False) -> None:
    """Save that the table made from `text` is loaded at a generation.

    `is_alone` also saves that no other table bypassed it then.
    """
    host.write_file(STATE_PATH, f"{_format_state(text, generation)}{ALONE_MARK if is_alone else ''}\n", 0o600)


def delete_loaded_state(host: Host) -> None:
    """Delete the saved state, so that the next observation lists the whole table."""
    host.delete_file(STATE_PATH)


def is_table_unchanged(host: Host, text: str) -> bool:
    """Return whether the table made from `text` was loaded, and no table of the host has changed since."""
    return _read_current_state(host, text) is not None


def is_table_alone(host: Host, text: str) -> bool:
    """Return whether the table made from `text` is unchanged, and no other table bypasses it."""
    return _read_current_state(host, text) == ALONE_MARK


def _read_current_state(host: Host, text: str) -> str | None:
    """Return the saved mark if the table is known to be loaded and unchanged; else None.

    The mark is ALONE_MARK, or "" if other tables may bypass it.
    """
    generation = host.read_ruleset_generation()
    stored_text, expected_text = (
        (host.read_text(STATE_PATH) or "").rstrip("\n"),
        _format_state(text, generation) if generation else "",
    )
    return stored_text[len(expected_text) :] if expected_text and stored_text.startswith(expected_text) else None


def _format_state(text: str, generation: RulesetGeneration) -> str:
    """Return the text of the state file, without the mark: network namespace, generation, digest of the table."""
    return f"{generation.namespace} {generation.number} {_compute_digest(text)}"


@functools.lru_cache(maxsize=1)  # called several times; 100,000 networks take some milliseconds each time
def _compute_digest(text: str) -> str:
    return str(sha256(text.encode()).hexdigest())
