"""Format `fortigate`: a domain name threat feed, and a local domain filter with names that stay open below.

The feed is a remote category of a DNS filter profile. The local domain filter is evaluated before categories, so names
that it allows never reach them. It has the form of the Ansible module fortinet.fortios.fortios_dnsfilter_domain_filter.
"""

from __future__ import annotations

from ..allow_and_block_lists import is_host_blocked, make_two_lists
from ..file_header import encode_json, encode_lines, make_about_file
from ..format_declaration import DeviceDocumentation, DeviceLimit, ExportDecision, ExportFormat, RenderedExport

# If an organisation already has a filter with this number, it passes another number to the Ansible module.
FILTER_NAME, FILTER_ID = "proscribe", 8053
ENTRY_KINDS = (("simple", ""), ("wildcard", "*."))
# FortiOS before 7.4.4 drops further lines of a file without a message.
LINE_LIMIT = DeviceLimit(
    131_072, "lines of one feed", "FortiOS before 7.4.4; from then on 1,000,000 names in all on small models"
)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the threat feed of blocked names, and the local domain filter of allowed names."""
    exported_names = make_two_lists(decision)
    lines = [f"{prefix}{name}" for name in exported_names.blocked_names for _, prefix in ENTRY_KINDS]
    LINE_LIMIT.check_count(len(lines))
    entries = [
        {"id": number, "domain": f"{prefix}{name}", "type": kind, "action": "allow", "status": "enable"}
        for number, (name, kind, prefix) in enumerate(
            ((name, kind, prefix) for name in exported_names.allowed_names for kind, prefix in ENTRY_KINDS), 1
        )
    ]
    domain_filter = {"dnsfilter_domain_filter": {"id": FILTER_ID, "name": FILTER_NAME, "entries": entries}}
    files = {
        "blocked.txt": encode_lines(lines),
        "allowed.json": encode_json(domain_filter),
        **make_about_file(decision, "fortigate"),
    }
    return RenderedExport(files, exported_names.included_rules, exported_names.left_out)


FORMAT = ExportFormat(
    name="fortigate",
    purpose="FortiGate (FortiOS): a domain name threat feed for the DNS filter, and its local domain filter",
    controls=("dns",),
    render_export=render_export,
    main_files="blocked.txt, allowed.json",
    is_blocked=is_host_blocked,
    device=DeviceDocumentation(
        wildcard_form="`example.com` and `*.example.com`",
        exception_form="`allowed.json`: entries of the local domain filter, which comes before categories",
        fetch_method="`blocked.txt` by the firewall, from a web server, every 1 to 43,200 minutes (5 unless set); "
        "`allowed.json` by Ansible or the REST API",
        vendor_pages=(
            "https://docs.fortinet.com/document/fortigate/latest/administration-guide/195303/external-resources-for-dns-filter",
            "https://docs.fortinet.com/document/fortigate/7.0.6/administration-guide/529838/local-domain-filter",
            "https://docs.fortinet.com/document/fortigate/7.4.0/new-features/677896/external-resource-entry-limit-enhancements-7-4-4",
            "https://docs.fortinet.com/document/fortigate/6.0.5/cli-reference/659870/system-external-resource",
        ),
        read_on="2026-11-30",
        limit=LINE_LIMIT,
    ),
)
