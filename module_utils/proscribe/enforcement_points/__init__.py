"""One decision, for the points that Ansible does not reach: name servers, proxies, routers, Group Policy, MDM.

The plan that hosts enforce is written in the form that each of them takes. A format is a module of `formats/`, called as
the format is, whose `FORMATS` declares it; everything else follows from that. Controller only.
"""

from __future__ import annotations

import functools
import pkgutil

from . import formats


@functools.cache
def names() -> tuple[str, ...]:
    """The names of all formats; none of them is loaded for it, since every run reads variables that name some."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(formats.__path__)))
