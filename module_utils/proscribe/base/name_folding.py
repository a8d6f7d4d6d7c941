"""Comparison of names in any script: names that a reader cannot distinguish are equal."""

from __future__ import annotations


def fold_name(name: str) -> str:
    """Return a name without differences of case, width and composition (Unicode's NFKC and case folding).

    The time grows with the length of the name; only stacked combining marks take more. Cut a name from an untrusted
    source before the call.
    """
    if name.isascii():
        return name.lower()
    import unicodedata  # loaded only for a name that needs it

    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
