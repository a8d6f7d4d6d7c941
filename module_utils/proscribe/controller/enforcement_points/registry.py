"""All formats by name, found in `formats/`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from . import formats
from .declaration import Format
from .names import names


def _found() -> Mapping[str, Format]:
    found = {}
    for name in names():
        declared = import_module(f".{name}", formats.__name__).FORMAT
        if declared.name != name:
            raise ValueError(f"formats/{name}.py declares {declared.name!r}: a format is called as its module is")
        found[name] = declared
    return found


FORMATS: Mapping[str, Format] = _found()
