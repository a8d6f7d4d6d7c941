"""Whom somebody is told to ask whose installation was refused."""

from __future__ import annotations


def whom(contact: str) -> str:
    """A contact as one printable line, fit for a comment or a message of any format that it is quoted for."""
    words = " ".join("".join(c if c.isprintable() else " " for c in contact).split())
    return words or "the administrators of this host"
