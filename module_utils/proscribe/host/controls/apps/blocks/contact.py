"""The text for a user whose installation was refused: whom to ask, and the organisation's own messages."""

from __future__ import annotations

from ....system import format_one_line


def format_contact(contact: str) -> str:
    """A contact as one printable line, fit for a comment or a message of any format that it is quoted for."""
    return format_one_line(contact) or "the administrators of this host"


def list_language_lines(text: str) -> tuple[str, ...]:
    """A text of a plan that has one line a language, each as one printable line, in their order."""
    return tuple(line for line in map(format_one_line, text.split("\n")) if line)
