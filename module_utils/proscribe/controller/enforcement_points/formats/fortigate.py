"""A domain name threat feed for FortiGate, and the local domain filter with what stays open below its names.

The feed is a remote category of a DNS filter profile. The local domain filter comes before categories: what it allows,
they do not see. It has the form of the Ansible module fortinet.fortios.fortios_dnsfilter_domain_filter.
"""

from __future__ import annotations

from ..declaration import Decision, Device, Format, Limit, Rendered
from ..header import about, json_file, text
from ..two_lists import blocks, two_lists

FILTER, ID = "proscribe", 8053  # whoever has a filter of this number gives another one to the module
KINDS = (("simple", ""), ("wildcard", "*."))
# Lines of a file before FortiOS 7.4.4. What is beyond is cut there without a word.
LIMIT = Limit(131_072, "lines of one feed", "FortiOS before 7.4.4; from then on 1,000,000 names in all on small models")


def render(decision: Decision) -> Rendered:
    """The feed, and the filter."""
    names = two_lists(decision)
    lines = [f"{start}{name}" for name in names.blocked for _, start in KINDS]
    LIMIT.check(len(lines))
    entries = [
        {"id": number, "domain": f"{start}{name}", "type": kind, "action": "allow", "status": "enable"}
        for number, (name, kind, start) in enumerate(
            ((name, kind, start) for name in names.allowed for kind, start in KINDS), 1
        )
    ]
    filter_ = {"dnsfilter_domain_filter": {"id": ID, "name": FILTER, "entries": entries}}
    files = {
        "blocked.txt": text(lines),
        "allowed.json": json_file(filter_),
        **about(decision, "fortigate"),
    }
    return Rendered(files, names.included, names.left_out)


FORMAT = Format(
    name="fortigate",
    meant_for="FortiGate (FortiOS): a domain name threat feed for the DNS filter, and its local domain filter",
    controls=("dns",),
    render=render,
    main="blocked.txt, allowed.json",
    blocks=blocks,
    device=Device(
        below="`example.com` and `*.example.com`",
        exceptions="`allowed.json`: entries of the local domain filter, which comes before categories",
        fetched="`blocked.txt` by the firewall, from a web server, every 1 to 43,200 minutes (5 unless set); "
        "`allowed.json` by Ansible or the REST API",
        pages=(
            "https://docs.fortinet.com/document/fortigate/latest/administration-guide/195303/external-resources-for-dns-filter",
            "https://docs.fortinet.com/document/fortigate/7.0.6/administration-guide/529838/local-domain-filter",
            "https://docs.fortinet.com/document/fortigate/7.4.0/new-features/677896/external-resource-entry-limit-enhancements-7-4-4",
            "https://docs.fortinet.com/document/fortigate/6.0.5/cli-reference/659870/system-external-resource",
        ),
        read="2026-11-30",
        limit=LIMIT,
    ),
)
