"""Local zones for unbound, in a file to be included. They are those of hosts that run one."""

from __future__ import annotations

from functools import partial

from ....host.controls.dns.backends.unbound import LANGUAGE
from ..declaration import Format
from ..dns_names import blocks, of_resolver

FORMAT = Format(
    name="unbound",
    meant_for="unbound as a network's resolver, on OPNsense and pfSense too",
    controls=("dns",),
    render=partial(of_resolver, "unbound", LANGUAGE),
    accepted_by="unbound-checkconf and unbound",
    main="proscribe.conf",
    blocks=blocks,
)
