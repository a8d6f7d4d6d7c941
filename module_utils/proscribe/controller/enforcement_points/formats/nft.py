"""A table of nftables for a router: what hosts refuse to send is refused on its way through.

It is a table of its own, so it is replaced in one transaction and leaves the router's own rules alone. It only refuses:
an accept here ends this table's chain, and other tables still judge the packet.
"""

from __future__ import annotations

from ....host.controls.firewall.rule_text import block_of, either, refusing, sets
from ....host.controls.firewall.ruleset import refused_everywhere
from ....model.types.plan import Plan
from ..declaration import Decision, Format, Rendered
from ..header import comment, text
from ..network_lists import CONTROL, Service, blocks, for_hosts, included, management, services

TABLE = "proscribe_forward"
WRITTEN_BY = "Written by Proscribe, export nft."


def render(decision: Decision) -> Rendered:
    """The file that `nft -f` takes; of an empty decision it is one that removes the table."""
    section = decision.plan["controls"][CONTROL]
    logged = bool(section["settings"].get("log"))
    found = services(decision)
    everywhere = refused_everywhere(section)
    blocks_: list[str] = []
    rules: list[str] = []
    exempt = Service("", management(decision), ())
    for match, block in sets([*exempt.of(4), *exempt.of(6)], "management-nets"):
        blocks_.append(block)
        rules.append(f"{match} accept")
    for rule, match in everywhere.items():
        blocks_ += refusing(f"-{rule}", logged)
        rules.append(f"{match} jump refuse-{rule}")
    for one in found:
        blocks_ += refusing(f"_{one.id}", logged)
        for match, block in sets([*one.of(4), *one.of(6)], f"nets_{one.id}"):
            blocks_.append(block)
            rules.append(f"{match} {_ports(one)}jump refuse_{one.id}")
    lines = [*comment(decision, "nft"), f"table inet {TABLE}", f"delete table inet {TABLE}"]
    if found or everywhere:
        hook = ["type filter hook forward priority filter - 10; policy accept;", *rules]
        lines += [f"table inet {TABLE} {{", f'\tcomment "{WRITTEN_BY}"', *blocks_, block_of("chain forward", hook), "}"]
    rules_in = [*included(found), *(f"{CONTROL}/{rule}" for rule in everywhere)]
    return Rendered({"proscribe.nft": text(lines)}, rules_in, tuple(for_hosts(decision, everywhere=True)))


def _ports(one: Service) -> str:
    return f"meta l4proto {{ tcp, udp }} th dport {either(one.ports)} " if one.ports else ""


def _blocks(plan: Plan, host: str, port: int | None = None) -> bool | None:
    return blocks(plan, host, port, everywhere=True)


FORMAT = Format(
    name="nft",
    meant_for="a Linux router with nftables: a table of its own for what is forwarded",
    controls=("firewall",),
    render=render,
    accepted_by="nft -c and the kernel",
    main="proscribe.nft",
    blocks=_blocks,
)
