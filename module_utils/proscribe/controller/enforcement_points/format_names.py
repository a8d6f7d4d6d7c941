"""Names of all export formats, found without loading them.

Every run reads settings that name export formats.
"""

from __future__ import annotations

import functools
import pkgutil

from . import formats


@functools.cache
def list_format_names() -> tuple[str, ...]:
    """Return the names of all export formats, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(formats.__path__)))
