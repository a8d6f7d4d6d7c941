"""A hosts file, which has exact names only: for appliances and machines that take nothing else."""

from __future__ import annotations

from ..declaration import Decision, Format, LeftOut, Rendered
from ..dns_names import blocks_exactly, dns_names
from ..header import comment, text

# Both families: one without an address in the file is queried from the name servers.
SINKS = ("0.0.0.0", "::")


def render(decision: Decision) -> Rendered:
    """The lines."""
    names = dns_names(decision, canaries=False, exact=True)
    lines = [f"{sink} {name}" for name in names.blocked for sink in SINKS]
    below = LeftOut("", "all names below the listed ones", "A hosts file has exact names only.")
    left_out = [*names.left_out, *([below] if lines else [])]
    return Rendered({"hosts": text([*comment(decision, "hosts"), *lines])}, names.included, left_out)


FORMATS = (
    Format(
        name="hosts",
        meant_for="a hosts file: exact names only, for what takes nothing better",
        controls=("dns",),
        render=render,
        accepted_by="glibc's getent",
        main="hosts",
        blocks=blocks_exactly,
    ),
)
