"""Variables that are nearly called as one of ours: `proscibe_watch`, `Proscribe_watch`, `prescribe_controls`.

They lack our prefix, so they would be ignored without a word. Only a name close to a real variable counts, since other
products have names of their own.
"""

from __future__ import annotations

import functools
import re

from ....base.edit_distance import count_edits
from . import PREFIX, REGISTERED, RESTRICTIONS

MISTAKES = 2  # typing mistakes in a whole name
# Two mistakes leave one of these parts of the prefix as it is, at about its place. This saves comparing most names.
PARTS = ("pro", "scr", "ibe")
OTHER_WORDS = ("proscribed_", "proscriber_")  # somebody else may list what is proscribed
SEPARATORS = re.compile(r"[-_. ]+")


@functools.lru_cache(maxsize=100_000)
def guess_intended_variable(name: str) -> str:
    """Return the variable that a misspelled name was meant to be; "" for a name that is ours, or somebody else's."""
    if name.startswith(PREFIX):
        return ""
    plain = SEPARATORS.sub("_", name.lower())
    if plain.startswith(OTHER_WORDS) or not any(part in plain[: len(PREFIX) + MISTAKES] for part in PARTS):
        return ""
    distances = {one: count_edits(plain, one, MISTAKES) for one in (f"{PREFIX}{own}" for own in RESTRICTIONS)}
    nearest = min(distances, key=distances.__getitem__)
    return nearest if distances[nearest] <= MISTAKES else ""


def is_of_policy(name: str) -> bool:
    """Return whether a variable is ours, or was meant to be."""
    return name not in REGISTERED and (name.startswith(PREFIX) or bool(guess_intended_variable(name)))
