"""Services that are restricted and of which a control has nothing to look for: in the plan, the record, each view."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
from made import catalogue, service
from proscribe.controller.compile.inventory.reporting import nothing_known
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.exports import pour
from proscribe.controller.report.page.document import page
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import host_record
from proscribe.model.plan import CONTROLS
from proscribe.wire.replies.record import read

DAY = datetime.date(2026, 11, 25)


def compiled(**restrictions: Any) -> dict[str, Any]:
    made = catalogue(
        service("parrot"),  # nothing at all
        service("heron", domains=("heron.example",)),
        service("stork", enforce=False),  # only reported, so nobody counts on it
        service("crane", tenants="google"),  # open for the organisation's own accounts, where it names tenants
    )
    read_ = read_restrictions({f"proscribe_{name}": value for name, value in restrictions.items()}, str)
    return compile_plan(made, read_, [], DAY)


def answered(plan: dict[str, Any], **counts: int) -> dict[str, Any]:
    """What a host answers that has so many rules of each control with nothing to look for, and no other."""
    facts: dict[str, Any] = {"platform": {}, "verdicts": [], "errors": [], "duration_ms": 1}
    at = "2026-11-25T08:00:00Z"
    return host_record(plan_digest=plan["digest"], checked_at=at, nothing_known=counts, **facts)


@pytest.fixture
def report() -> tuple[dict[str, Any], Any]:
    plan = compiled(services_exclude=["crane"])
    digest = plan["digest"]
    answer = answered(plan, apps=1, browser=1, firewall=2, dns=1)
    run = {
        **dict.fromkeys(("id", "playbook", "mode", "catalog_version", "limit"), ""),
        "started": "2026-11-25T08:00:00Z",
        "inventory": [],
        "controls": list(CONTROLS),
        "hosts": {"web01": digest, "web02": digest},
        "nothing_known": {digest: nothing_known(plan, CONTROLS)},
    }
    settled = reconcile(run["hosts"], [read("web01", answer)], rules={digest: 5})
    return fleet_report(run, settled, "2026-11-25T08:01:00Z"), settled.records


def test_the_report_counts_and_shows_them_for_the_hosts_that_answered(report: tuple[dict[str, Any], Any]) -> None:
    result, records = report
    assert {"rule": "apps/parrot", "hosts": 1} in result["nothing_known"] and len(result["nothing_known"]) == 5
    assert result["summary"]["rules"]["not_applicable"] == 5 and result["summary"]["rules"]["compliant"] == 0
    assert result["summary"]["hosts"]["compliant"] == 0
    said = summary.render(result, records, summary.Screen(width=160))
    assert "nothing known" in said and "apps: parrot" in said
    assert "parrot" in "".join(page(result, records)).partition("Nothing known to look for")[2]
    poured = io.StringIO()
    pour(poured, result, records, "prometheus")
    assert 'proscribe_nothing_known_rules{control="firewall"} 2\n' in poured.getvalue()
