"""Sets for `ipset restore`: one for each service and IP version, and one that has them all, for one rule of iptables.

Each set is filled beside the one in use, and the two are swapped; so no moment is without the ban.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ..declaration import Decision, Format, Rendered
from ..header import comment, text
from ..network_lists import Service, blocks, for_hosts, included, management, services

ALL = "proscribe"
# 31 characters are the most that the kernel takes (IPSET_MAXNAMELEN); "p4_" and "_new" are added.
LONGEST_ID = 24
FAMILIES = ((4, "inet"), (6, "inet6"))


def render(decision: Decision) -> Rendered:
    """The file, and one that says how sets are called, where that is not by the id of their service."""
    found = services(decision, but=management(decision))
    lines = comment(decision, "ipset")
    members: list[str] = []
    for one in found:
        for version, family in FAMILIES:
            entries = list(_entries(one, version))
            if entries:
                name = f"p{version}_{_short(one.id)}"
                kind = f"hash:net,port family {family}" if one.ports else f"hash:net family {family}"
                lines += [f"# {one.id}", *_filled(name, f"{kind} maxelem {_size(entries)}", entries)]
                members.append(name)
    lines += ["# all of them", *_filled(ALL, "list:set size 1024", members)]
    return Rendered({"proscribe.ipset": text(lines)}, included(found), tuple(for_hosts(decision, everywhere=False)))


def _filled(name: str, kind: str, entries: list[str]) -> Iterator[str]:
    yield f"create {name} {kind} -exist"
    yield f"create {name}_new {kind} -exist"
    yield f"flush {name}_new"
    yield from (f"add {name}_new {entry}" for entry in entries)
    yield f"swap {name}_new {name}"
    yield f"destroy {name}_new"


def _entries(one: Service, version: int) -> Iterator[str]:
    for network in one.of(version):
        if one.ports:
            yield from (f"{network},{protocol}:{port}" for port in one.ports for protocol in ("tcp", "udp"))
        else:
            yield network


def _size(entries: list[str]) -> int:
    """A power of two with room, the same for most services: `create -exist` refuses a set of another size."""
    return max(65536, 1 << len(entries).bit_length())


def _short(id_: str) -> str:
    if len(id_) <= LONGEST_ID:
        return id_
    return f"{id_[: LONGEST_ID - 9]}_{hashlib.sha256(id_.encode()).hexdigest()[:8]}"


FORMAT = Format(
    name="ipset",
    meant_for="a Linux router with iptables or firewalld",
    controls=("firewall",),
    render=render,
    accepted_by="ipset restore and iptables",
    main="proscribe.ipset",
    blocks=blocks,
)
