"""What an enforcing run knows of the loaded table, for the audits after it.

Whoever knows what was loaded at one generation of the kernel's tables, and made the one change since, knows what is
loaded at the next; and as long as the generation stays, nothing of it has changed. So an audit need not list every
element of very large sets again, which takes nft a second for 100,000. Any change to any table of the host, ours or
another's, makes the next audits whole ones.
"""

from __future__ import annotations

from ...hashing import sha256
from ...host import Generation, Host

STATE = "/run/proscribe/firewall"  # gone with a reboot, as the table is


def remember(host: Host, text: str, at: Generation) -> None:
    """Keep that a table made from `text` is what is loaded at that generation."""
    host.write(STATE, _said(text, at), 0o600)


def forget(host: Host) -> None:
    """Keep nothing: the next look is a whole one."""
    host.delete(STATE)


def unchanged(host: Host, text: str) -> bool:
    """Whether a table made from `text` was loaded by us, and no table of the host has changed since."""
    now = host.ruleset_generation()
    return now is not None and host.text(STATE) == _said(text, now)


def _said(text: str, at: Generation) -> str:
    return f"{at.place} {at.number} {sha256(text.encode()).hexdigest()}\n"
