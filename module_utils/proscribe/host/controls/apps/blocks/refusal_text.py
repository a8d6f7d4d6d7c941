"""Text for a user whose installation was refused: the contact and the messages of the organisation."""

from __future__ import annotations

from ....system import format_one_line


def format_contact(contact: str) -> str:
    """Return a contact as one printable line, fit for a comment or a message in any format that quotes it."""
    return format_one_line(contact) or "the administrators of this host"


def list_language_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a text of the plan, one for each language, as printable lines in their order."""
    return tuple(line for line in map(format_one_line, text.split("\n")) if line)
