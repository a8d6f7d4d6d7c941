"""Format `paloalto_edl`: two external dynamic lists for PAN-OS, of the type URL list.

The blocking list is for a rule that denies, the allowing list for a rule before it.

`example.com/` is the host alone, `*.example.com/` all names below it. Without the slash, PAN-OS before 10.2 also
matches `example.com.evil.example`. A firewall skips entries beyond its limit.
"""

from __future__ import annotations

from ..allow_and_block_lists import is_host_blocked, make_two_lists
from ..file_header import encode_lines, make_about_file
from ..format_declaration import DeviceDocumentation, DeviceLimit, ExportDecision, ExportFormat, RenderedExport

MAX_NAME_LENGTH = 255 - len("*./")  # most characters of a name, so that its entry has 255 at most
ENTRY_LIMIT = DeviceLimit(50_000, "entries of URL lists", "every model of PAN-OS 7.1; later it varies by model")


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the blocking and the allowing list, each with two entries for a name."""
    exported_names = make_two_lists(
        decision, lambda name: len(name) <= MAX_NAME_LENGTH, "It is too long for an entry of PAN-OS."
    )
    ENTRY_LIMIT.check_count(2 * (len(exported_names.blocked_names) + len(exported_names.allowed_names)))
    files = {
        f"{kind}.txt": encode_lines([line for name in list_names for line in (f"{name}/", f"*.{name}/")])
        for kind, list_names in (("blocked", exported_names.blocked_names), ("allowed", exported_names.allowed_names))
    }
    return RenderedExport(
        {**files, **make_about_file(decision, "paloalto_edl")}, exported_names.included_rules, exported_names.left_out
    )


FORMAT = ExportFormat(
    name="paloalto_edl",
    purpose="Palo Alto Networks firewalls (PAN-OS) and Prisma Access: external dynamic lists of the type URL list",
    controls=("dns",),
    render_export=render_export,
    main_files="blocked.txt, allowed.txt",
    is_blocked=is_host_blocked,
    device=DeviceDocumentation(
        wildcard_form="`example.com/` and `*.example.com/`",
        exception_form="`allowed.txt`: a security rule that allows, above the one that denies",
        fetch_method="by the firewall, from a web server, at the interval that is set there, such as hourly or daily",
        vendor_pages=(
            "https://docs.paloaltonetworks.com/advanced-url-filtering/administration/configuring-url-filtering/"
            "url-category-exceptions/guidelines-for-url-category-exceptions",
            "https://docs.paloaltonetworks.com/pan-os/7-1/pan-os-web-interface-help/objects/objects-external-dynamic-lists.html",
            "https://docs.paloaltonetworks.com/pan-os/10-0/pan-os-admin/url-filtering/block-and-allow-lists",
            "https://www.pulumi.com/registry/packages/scm/api-docs/externaldynamiclist",
        ),
        read_on="2026-11-30",
        limit=ENTRY_LIMIT,
    ),
)
