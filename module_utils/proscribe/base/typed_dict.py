"""`TypedDict` without the cost of `typing` at each start: `typing` compiles the annotation of every key."""

from __future__ import annotations

MYPY = False  # mypy treats this name as true, and reads the first branch
if MYPY:
    from typing import TypedDict as TypedDict
if not MYPY:

    class TypedDict(dict):
        """A mapping whose keys have declared types."""

        def __init_subclass__(cls, total=True):
            cls.__total__ = total
