"""The names of all formats. None of them is loaded for it: every run reads the variables that name some."""

from __future__ import annotations

import functools
import pkgutil

from . import formats


@functools.cache
def list_format_names() -> tuple[str, ...]:
    """The names of all formats, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(formats.__path__)))
