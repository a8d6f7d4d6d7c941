"""Lines for dnsmasq, for its folder of drop-ins. They are those of hosts that run one."""

from __future__ import annotations

from functools import partial

from ....host.controls.dns.backends.dnsmasq import LANGUAGE
from ..declaration import Format
from ..dns_names import blocks, of_resolver

FORMAT = Format(
    name="dnsmasq",
    meant_for="dnsmasq as a network's resolver: OpenWrt and most small routers",
    controls=("dns",),
    render=partial(of_resolver, "dnsmasq", LANGUAGE),
    accepted_by="dnsmasq --test and dnsmasq",
    main="proscribe.conf",
    blocks=blocks,
)
