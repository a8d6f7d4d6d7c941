"""`TypedDict` as `typing` has it, without its cost at each start: `typing` compiles the annotation of every key."""

from __future__ import annotations

MYPY = False  # which mypy takes for true
if MYPY:
    from typing import TypedDict as TypedDict
if not MYPY:

    class TypedDict(dict):
        """A mapping whose keys have names."""

        def __init_subclass__(cls, total=True):
            cls.__total__ = total
