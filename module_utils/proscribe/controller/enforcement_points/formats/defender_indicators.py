"""Custom indicators for Microsoft Defender for Endpoint, as CSV files for the page "Indicators".

Microsoft's pages do not say whether an indicator of a domain covers the names below it. So every name has a line, and
what has none counts as open. What stays open below a blocked name is allowed, in case it is covered: the action Allowed
comes before Block. It also ends other warnings of Defender about that name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from ....host.controls.dns.desired import covering, of_plan
from ....model.types.plan import Plan
from ..declaration import Decision, Device, Format, LeftOut, Limit, Rendered
from ..dns_names import CONTROL, dns_names
from ..header import about

# The columns of the sample that the page "Indicators" gives.
COLUMNS = (
    *("IndicatorType", "IndicatorValue", "ExpirationTime", "Action", "Severity", "Title", "Description"),
    *("RecommendedActions", "RbacGroups", "Category", "MitreTechniques", "GenerateAlert"),
)
OF_FILE = 500
LIMIT = Limit(15_000, "indicators", "active ones of a tenant")
BELOW = LeftOut("", "all names below the listed ones", "Microsoft does not say whether they are blocked too.")


def render(decision: Decision) -> Rendered:
    """The files, of 500 indicators each."""
    names = dns_names(decision, canaries=False, exact=True)
    rows = sorted([*((name, "Block") for name in names.blocked), *((name, "Allowed") for name in names.through)])
    LIMIT.check(len(rows))
    files = {
        f"indicators_{start // OF_FILE + 1}.csv": _csv(rows[start : start + OF_FILE])
        for start in range(0, len(rows), OF_FILE)
    }
    left_out = [*names.left_out, *([BELOW] if names.blocked else [])]
    return Rendered({**files, **about(decision, "defender_indicators")}, names.included, left_out)


def _csv(rows: Iterable[tuple[str, str]]) -> bytes:
    stream = io.StringIO()
    table = csv.DictWriter(stream, COLUMNS, lineterminator="\r\n")
    table.writeheader()
    for name, action in rows:
        table.writerow(
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


def blocks(plan: Plan, host: str, port: int | None = None) -> bool | None:
    """Whether a host is blocked in a section; None for one below a blocked name, of which nobody says."""
    section = plan["controls"].get(CONTROL)
    if section is None:
        return False
    desired = of_plan(section, {}, canaries=False)
    name = covering(host, desired.names | desired.through)
    return None if name in desired.names and name != host else name in desired.names


FORMAT = Format(
    name="defender_indicators",
    meant_for="Microsoft Defender for Endpoint: custom network indicators, as CSV files to import",
    controls=(CONTROL,),
    render=render,
    main="indicators_<number>.csv",
    blocks=blocks,
    device=Device(
        below="not said by Microsoft: a line for each name, and what has none counts as open",
        exceptions="the action Allowed, which comes before Block, and before other warnings of Defender",
        fetched="nothing is fetched: somebody imports each file; a block takes up to 48 hours to reach devices",
        pages=(
            "https://learn.microsoft.com/defender-endpoint/indicator-manage",
            "https://learn.microsoft.com/defender-endpoint/indicator-ip-domain",
            "https://learn.microsoft.com/defender-endpoint/api/import-ti-indicators",
        ),
        read="2026-11-30",
        limit=LIMIT,
    ),
)
