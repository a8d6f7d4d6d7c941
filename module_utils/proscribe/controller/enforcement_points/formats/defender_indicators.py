"""Format `defender_indicators`: custom indicators of Microsoft Defender for Endpoint, as CSV files.

The files are for its page "Indicators".

Microsoft's pages do not document whether an indicator of a domain covers the names below it. So every name has a line,
and a name without a line counts as open. Open names below a blocked name are allowed, in case the block covers them:
the action Allowed takes precedence over Block. It also suppresses other warnings of Defender about that name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from ....host.controls.dns.names_to_block import collect_section_names, find_covering_name
from ....model.types.plan import Plan
from ..dns_names import DNS_CONTROL, collect_dns_names
from ..file_header import make_about_file
from ..format_declaration import (
    DeviceDocumentation,
    DeviceLimit,
    ExportDecision,
    ExportFormat,
    ExportOmission,
    RenderedExport,
)

# The columns of the sample file on the page "Indicators".
CSV_COLUMNS = (
    *("IndicatorType", "IndicatorValue", "ExpirationTime", "Action", "Severity", "Title", "Description"),
    *("RecommendedActions", "RbacGroups", "Category", "MitreTechniques", "GenerateAlert"),
)
MAX_FILE_ROWS = 500
INDICATOR_LIMIT = DeviceLimit(15_000, "indicators", "active ones of a tenant")
SUBDOMAIN_OMISSION = ExportOmission(
    "", "all names below the listed ones", "Microsoft does not say whether they are blocked too."
)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return CSV files of indicators, each with at most 500 rows."""
    exported_names = collect_dns_names(decision, with_canaries=False, is_exact=True)
    rows = sorted(
        [
            *((name, "Block") for name in exported_names.blocked_names),
            *((name, "Allowed") for name in exported_names.open_names),
        ]
    )
    INDICATOR_LIMIT.check_count(len(rows))
    files = {
        f"indicators_{start_index // MAX_FILE_ROWS + 1}.csv": _render_csv(
            rows[start_index : start_index + MAX_FILE_ROWS]
        )
        for start_index in range(0, len(rows), MAX_FILE_ROWS)
    }
    left_out = [*exported_names.left_out, *([SUBDOMAIN_OMISSION] if exported_names.blocked_names else [])]
    return RenderedExport(
        {**files, **make_about_file(decision, "defender_indicators")}, exported_names.included_rules, left_out
    )


def _render_csv(rows: Iterable[tuple[str, str]]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for name, action in rows:
        writer.writerow(
            {
                "IndicatorType": "DomainName",
                "IndicatorValue": name,
                "Action": action,
                "Severity": "Informational",
                "Title": "Proscribe",
                "Description": f"{'Restricted' if action == 'Block' else 'Permitted'} by the organisation's policy",
                "GenerateAlert": "False",
            }
        )
    return stream.getvalue().encode("ascii")


def is_indicator_blocked(plan: Plan, host: str, port: int | None = None) -> bool | None:
    """Return whether Defender blocks a host. `port` is not used.

    None means undecided: Microsoft does not document whether a name below a blocked name is blocked.
    """
    section = plan["controls"].get(DNS_CONTROL)
    if section is None:
        return False
    desired_names = collect_section_names(section, {}, canaries=False)
    covering_name = find_covering_name(host, desired_names.blocked_names | desired_names.open_names)
    return (
        None
        if covering_name in desired_names.blocked_names and covering_name != host
        else covering_name in desired_names.blocked_names
    )


FORMAT = ExportFormat(
    name="defender_indicators",
    purpose="Microsoft Defender for Endpoint: custom network indicators, as CSV files to import",
    controls=(DNS_CONTROL,),
    render_export=render_export,
    main_files="indicators_<number>.csv",
    is_blocked=is_indicator_blocked,
    device=DeviceDocumentation(
        wildcard_form="not said by Microsoft: a line for each name, and what has none counts as open",
        exception_form="the action Allowed, which comes before Block, and before other warnings of Defender",
        fetch_method="nothing is fetched: somebody imports each file; a block takes up to 48 hours to reach devices",
        vendor_pages=(
            "https://learn.microsoft.com/defender-endpoint/indicator-manage",
            "https://learn.microsoft.com/defender-endpoint/indicator-ip-domain",
            "https://learn.microsoft.com/defender-endpoint/api/import-ti-indicators",
        ),
        read_on="2026-11-30",
        limit=INDICATOR_LIMIT,
    ),
)
