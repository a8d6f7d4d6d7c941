"""Lists of networks, one file for each service, and one for all: for firewalls and routers that fetch lists."""

from __future__ import annotations

from ..declaration import Decision, Format, LeftOut, Rendered
from ..header import comment, text
from ..network_lists import blocks, for_hosts, included, management, services


def render(decision: Decision) -> Rendered:
    """The files: those of services whose networks are restricted as a whole, and apart from them those with ports."""
    found = services(decision, but=management(decision))
    files = {}
    left_out = list(for_hosts(decision, everywhere=False))
    for one in found:
        ports = ", ".join(map(str, one.ports))
        head = [
            *comment(decision, "cidr"),
            f"# {one.id}: {f'TCP and UDP ports {ports} only' if ports else 'all ports'}",
        ]
        files[f"{'ports' if ports else 'networks'}/{one.id}.txt"] = text([*head, *one.with_lengths()])
        if ports:
            why = "The list has no ports: whoever blocks its networks whole blocks more than hosts do."
            left_out.append(LeftOut(f"firewall/{one.id}", f"ports {ports}", why))
    whole = [line for one in found if not one.ports for line in one.with_lengths()]
    files["networks.txt"] = text([*comment(decision, "cidr"), *dict.fromkeys(whole)])
    return Rendered(files, included(found), left_out)


FORMAT = Format(
    name="cidr",
    meant_for="firewalls and routers that fetch lists of networks",
    controls=("firewall",),
    render=render,
    main="networks.txt, networks/<service>.txt, ports/<service>.txt",
    blocks=blocks,
)
