"""Format `hosts`: a hosts file, with exact names only, for appliances and machines that accept nothing else."""

from __future__ import annotations

from ....host.controls.dns.hosts_block import make_sink_lines
from ..dns_names import collect_dns_names, is_exact_name_blocked
from ..file_header import encode_lines, make_comment
from ..format_declaration import ExportDecision, ExportFormat, ExportOmission, RenderedExport


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the hosts file, which blocks exact names only."""
    exported_names = collect_dns_names(decision, with_canaries=False, is_exact=True)
    host_lines = [line.decode() for line in make_sink_lines(exported_names.blocked_names)]
    subdomain_omission = ExportOmission("", "all names below the listed ones", "A hosts file has exact names only.")
    left_out = [*exported_names.left_out, *([subdomain_omission] if host_lines else [])]
    return RenderedExport(
        {"hosts": encode_lines([*make_comment(decision, "hosts"), *host_lines])},
        exported_names.included_rules,
        left_out,
    )


FORMAT = ExportFormat(
    name="hosts",
    purpose="a hosts file: exact names only, for what takes nothing better",
    controls=("dns",),
    render_export=render_export,
    tested_with="glibc's getent",
    main_files="hosts",
    is_blocked=is_exact_name_blocked,
)
