"""Names in any script as they are compared: two that a reader cannot distinguish are the same."""

from __future__ import annotations


def fold_name(name: str) -> str:
    """A name without the differences of case, width and composition: Unicode's NFKC, and its case folding.

    Takes as long as the name is, but for marks upon marks: cut what comes from strangers before.
    """
    if name.isascii():
        return name.lower()
    import unicodedata  # only who meets such a name pays for it

    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
