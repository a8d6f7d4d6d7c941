"""External dynamic lists for PAN-OS, of the type URL list: one for a rule that denies, one for a rule before it.

`example.com/` is the host alone, `*.example.com/` all below it. Without the slash, PAN-OS before 10.2 takes
`example.com.evil.example` for it, too. What is beyond its limit, a firewall skips.
"""

from __future__ import annotations

from ..declaration import Decision, Device, Format, Limit, Rendered
from ..header import about, text
from ..two_lists import blocks, two_lists

LONGEST = 255 - len("*./")  # characters of an entry
LIMIT = Limit(50_000, "entries of URL lists", "every model of PAN-OS 7.1; later it varies by model")


def render(decision: Decision) -> Rendered:
    """The lists."""
    names = two_lists(decision, lambda name: len(name) <= LONGEST, "It is too long for an entry of PAN-OS.")
    LIMIT.check(2 * (len(names.blocked) + len(names.allowed)))
    files = {
        f"{kind}.txt": text([line for name in those for line in (f"{name}/", f"*.{name}/")])
        for kind, those in (("blocked", names.blocked), ("allowed", names.allowed))
    }
    return Rendered({**files, **about(decision, "paloalto_edl")}, names.included, names.left_out)


FORMAT = Format(
    name="paloalto_edl",
    meant_for="Palo Alto Networks firewalls (PAN-OS) and Prisma Access: external dynamic lists of the type URL list",
    controls=("dns",),
    render=render,
    main="blocked.txt, allowed.txt",
    blocks=blocks,
    device=Device(
        below="`example.com/` and `*.example.com/`",
        exceptions="`allowed.txt`: a security rule that allows, above the one that denies",
        fetched="by the firewall, from a web server, at the interval that is set there, such as hourly or daily",
        pages=(
            "https://docs.paloaltonetworks.com/advanced-url-filtering/administration/configuring-url-filtering/"
            "url-category-exceptions/guidelines-for-url-category-exceptions",
            "https://docs.paloaltonetworks.com/pan-os/7-1/pan-os-web-interface-help/objects/objects-external-dynamic-lists.html",
            "https://docs.paloaltonetworks.com/pan-os/10-0/pan-os-admin/url-filtering/block-and-allow-lists",
            "https://www.pulumi.com/registry/packages/scm/api-docs/externaldynamiclist",
        ),
        read="2026-11-30",
        limit=LIMIT,
    ),
)
