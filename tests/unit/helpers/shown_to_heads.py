"""Made pages for people who run nothing: the whole page with 90 days, a department's page, and the trend's file."""

import datetime
from pathlib import Path

from fleets import WAIVERS, answer, clean_answer, run
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.department_report import make_department_report
from proscribe.controller.report.evaluation.reconciliation import make_run_report
from proscribe.controller.report.page.days_picture import TREND_DAYS, make_days_picture, render_svg
from proscribe.controller.report.page.html_page import render_page
from proscribe.model.finding import Finding, judge_rule

FINISHED = "2026-11-25T00:31:00Z"
PRESS = ("web01", "web02", "web03", "web04")
HIDDEN = ("vault-db07", "vault-db08", "treasury")
PLACES = [place for place in range(TREND_DAYS) if not (20 <= place < 34 or place % 7 == 5)]  # weekends, and two weeks
SHARE = {"numerator": 9, "denominator": 10, "percent": 90.0}


def past():
    last = datetime.date(2026, 11, 25)
    result = []
    for place in PLACES:
        hosts = {"noncompliant": max(0, 40 - place // 2), "unknown": (place * 5) % 7, "error": int(place % 11 == 0)}
        hosts = dict.fromkeys(hosts, 0) if place in (60, 61, TREND_DAYS - 6) else hosts
        hosts["compliant"] = 120 - sum(hosts.values())
        shares = dict.fromkeys(("coverage", "compliance_strict", "compliance_with_waivers"), SHARE)
        date = last - datetime.timedelta(days=TREND_DAYS - 1 - place)
        result.append({"run": str(date), "finished": f"{date}T00:31:00Z", "mode": "audit", "hosts": hosts, **shares})
    return result


def fleet():
    names = "vault-db07 of treasury"
    ends = {"ends-today": "2026-11-25T10:00:00Z", "press-office": "2027-03-31T10:00:00Z", "old": "2026-11-24T10:00:00Z"}
    waivers = [
        {**WAIVERS[0], "id": name, "expires": end, "hosts": ["web02", "vault-db07"], "reason": f"not for {names}"}
        for name, end in ends.items()
    ]
    waivers[-1]["status"] = "expired"
    result = Finding("package", "wechat", "dpkg", "4.0", "system", "/opt/wechat", f"installed from {names}")
    collector = Collector(run([*PRESS, "vault-db07", "vault-db08"], waivers=waivers))
    collector.answered("web01", answer(judge_rule("apps/wechat", {"mode": "enforce"}, [result])))
    for host in (*PRESS[1:], "vault-db07"):
        collector.answered(host, clean_answer())
    collector.unreachable("vault-db08", "ssh: no route")
    reconciled = collector.reconcile_hosts()
    departments = {"press": list(PRESS), "treasury": ["vault-db07", "vault-db08"]}
    return {**make_run_report(collector.run, reconciled, FINISHED), "departments": departments}, reconciled.records


def written(directory):
    report, records = fleet()
    trend = past()
    paths = {Path(name).stem: directory / name for name in ("whole.html", "press.html", "trend.svg")}
    paths["whole"].write_text("".join(render_page(report, records, trend=trend[-20:], days=trend)), encoding="utf-8")
    paths["press"].write_text("".join(render_page(*make_department_report(report, records, "press"))), encoding="utf-8")
    drawn = make_days_picture(trend, FINISHED)
    assert drawn is not None
    paths["trend"].write_text(render_svg(drawn), encoding="utf-8")
    return paths
