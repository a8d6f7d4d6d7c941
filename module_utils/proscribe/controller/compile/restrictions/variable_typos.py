"""Detection of misspelled variables: `proscibe_watch`, `Proscribe_watch`, `prescribe_controls`.

Misspelled names lack the prefix `proscribe_`, so they would be ignored without a message. Only a name close to a real
variable counts, because other products have variables of their own.
"""

from __future__ import annotations

import functools
import re

from ....base.edit_distance import count_edits
from . import PREFIX, REGISTERED_VARIABLES, RESTRICTIONS

MAX_MISTAKES = 2  # typing mistakes in a whole name
# Two mistakes leave at least one of these parts of the prefix intact, near its place. This test saves most comparisons.
PREFIX_PARTS = ("pro", "scr", "ibe")
OTHER_WORDS = ("proscribed_", "proscriber_")  # plausible prefixes of other products
SEPARATORS = re.compile(r"[-_. ]+")


@functools.lru_cache(maxsize=100_000)
def guess_intended_variable(name: str) -> str:
    """Return the variable that a misspelled name stands for; "" for a name with the prefix, or of another product."""
    if name.startswith(PREFIX):
        return ""
    plain = SEPARATORS.sub("_", name.lower())
    if plain.startswith(OTHER_WORDS) or not any(part in plain[: len(PREFIX) + MAX_MISTAKES] for part in PREFIX_PARTS):
        return ""
    distances = {
        candidate: count_edits(plain, candidate, MAX_MISTAKES)
        for candidate in (f"{PREFIX}{known_name}" for known_name in RESTRICTIONS)
    }
    nearest = min(distances, key=distances.__getitem__)
    return nearest if distances[nearest] <= MAX_MISTAKES else ""


def is_policy_variable(name: str) -> bool:
    """Return True for a variable of Proscribe, or a likely misspelling of it."""
    return name not in REGISTERED_VARIABLES and (name.startswith(PREFIX) or bool(guess_intended_variable(name)))
