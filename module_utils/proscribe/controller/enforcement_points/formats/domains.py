"""Format `domains`: two plain lists of names, to block and to leave open below these."""

from __future__ import annotations

from ..dns_names import collect_dns_names, is_name_blocked
from ..file_header import encode_lines, make_comment
from ..format_declaration import ExportDecision, ExportFormat, ExportOmission, RenderedExport


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the list of blocked names, and the list of open names below these.

    A point that reads only the first list blocks more.
    """
    exported_names = collect_dns_names(decision)
    files = {"blocked.txt": encode_lines([*make_comment(decision, "domains"), *exported_names.blocked_names])}
    left_out = list(exported_names.left_out)
    if exported_names.open_names:
        files["allowed.txt"] = encode_lines([*make_comment(decision, "domains"), *exported_names.open_names])
        reason = "Only who also reads allowed.txt leaves these open; blocked.txt alone blocks all below its names."
        left_out.append(ExportOmission("", f"{len(exported_names.open_names)} names below blocked ones", reason))
    return RenderedExport(files, exported_names.included_rules, left_out)


FORMAT = ExportFormat(
    name="domains",
    purpose="whatever takes a list of names: firewalls, DNS services, mail gateways",
    controls=("dns",),
    render_export=render_export,
    main_files="blocked.txt, allowed.txt",
    is_blocked=is_name_blocked,
)
