"""Names of all formats, without loading them. Every run reads variables that name formats."""

from __future__ import annotations

import functools
import pkgutil

from . import formats


@functools.cache
def list_format_names() -> tuple[str, ...]:
    """Return the names of all formats, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(formats.__path__)))
