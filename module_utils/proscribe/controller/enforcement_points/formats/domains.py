"""Two plain lists of names: what to block, and what stays open below it."""

from __future__ import annotations

from ..declaration import Decision, Format, LeftOut, Rendered
from ..dns_names import blocks, dns_names
from ..header import comment, text


def render(decision: Decision) -> Rendered:
    """The lists; whoever reads the first alone blocks more."""
    names = dns_names(decision)
    files = {"blocked.txt": text([*comment(decision, "domains"), *names.blocked])}
    left_out = list(names.left_out)
    if names.through:
        files["allowed.txt"] = text([*comment(decision, "domains"), *names.through])
        why = "Only who also reads allowed.txt leaves these open; blocked.txt alone blocks all below its names."
        left_out.append(LeftOut("", f"{len(names.through)} names below blocked ones", why))
    return Rendered(files, names.included, left_out)


FORMAT = Format(
    name="domains",
    meant_for="whatever takes a list of names: firewalls, DNS services, mail gateways",
    controls=("dns",),
    render=render,
    main="blocked.txt, allowed.txt",
    blocks=blocks,
)
