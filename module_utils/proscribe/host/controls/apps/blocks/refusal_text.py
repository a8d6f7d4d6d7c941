"""Text for a user whose installation was refused: the contact and the messages of the organisation."""

from __future__ import annotations

from ....system import format_one_line


def format_contact(contact: str) -> str:
    """Return a contact as one printable line that fits a comment or a quoted message in any format.

    Without a contact, return a phrase for the administrators.
    """
    return format_one_line(contact) or "the administrators of this host"


def list_language_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a message of the plan, as printable lines in their order.

    The message has a line for each language.
    """
    return tuple(line for line in map(format_one_line, text.split("\n")) if line)
