"""Whom somebody is told to ask whose installation was refused."""

from __future__ import annotations

from ...host import one_line


def whom(contact: str) -> str:
    """A contact as one printable line, fit for a comment or a message of any format that it is quoted for."""
    return one_line(contact) or "the administrators of this host"
