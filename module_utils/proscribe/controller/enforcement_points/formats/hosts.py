"""A hosts file, which has exact names only: for appliances and machines that take nothing else."""

from __future__ import annotations

from ....host.controls.dns.block import blocking
from ..declaration import Decision, Format, LeftOut, Rendered
from ..dns_names import blocks_exactly, dns_names
from ..header import comment, text


def render(decision: Decision) -> Rendered:
    """The lines."""
    names = dns_names(decision, canaries=False, exact=True)
    found = [line.decode() for line in blocking(names.blocked)]
    below = LeftOut("", "all names below the listed ones", "A hosts file has exact names only.")
    left_out = [*names.left_out, *([below] if found else [])]
    return Rendered({"hosts": text([*comment(decision, "hosts"), *found])}, names.included, left_out)


FORMAT = Format(
    name="hosts",
    meant_for="a hosts file: exact names only, for what takes nothing better",
    controls=("dns",),
    render=render,
    accepted_by="glibc's getent",
    main="hosts",
    blocks=blocks_exactly,
)
