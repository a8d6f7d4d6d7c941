"""Made runs, one after the other, for the tests of the history."""

import json

from fleets import DIGEST, answer, run, wechat
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records
from proscribe.controller.report.history import QueryScope, queries
from proscribe.controller.report.storage.report_directory import ReportDirectory
from proscribe.model.finding import REPAIRED, Finding, RuleVerdict
from proscribe.model.plan import add_digest
from proscribe.wire.answers.record import read_record

PACKAGE = Finding("package", "wechat", manager="dpkg", version="4.0", scope="system")


def made_plan(reports, **services):
    """Store a plan with services by control; return its digest."""
    controls = {name: {"mode": "enforce", "services": {id_: {} for id_ in ids}} for name, ids in services.items()}
    plan = add_digest({"schema": "proscribe/plan/1", "controls": controls})
    (reports / "plans").mkdir(exist_ok=True, parents=True)
    (reports / "plans" / f"{plan['digest'].removeprefix('sha256:')}.json").write_text(json.dumps(plan))
    return plan["digest"]


def bad(**changes):
    return answer(wechat(PACKAGE), evaluated=["dns/x"], **changes)


def good(**changes):
    return answer(evaluated=["apps/wechat", "dns/x"], **changes)


def waived(**changes):
    return answer(wechat(PACKAGE, entry={"mode": "waived", "waiver": "press"}), evaluated=["dns/x"], **changes)


def unseen(**changes):
    return answer(RuleVerdict("apps/wechat", "unknown", reason="needs root"), evaluated=["dns/x"], **changes)


def repaired(**changes):
    verdict = wechat(PACKAGE)._replace(state=REPAIRED, drifted=False)
    return answer(verdict, evaluated=["dns/x"], **changes)


class Past:
    """Runs of one fleet, an hour apart."""

    def __init__(self, history):
        self.history = history
        self.number = 0

    def made(self, hosts, day=25, hour=None, mode="audit", number=None, change=lambda record: record, **changes):
        """Return the events of a report, parsed."""
        self.number = number or self.number + 1
        time = f"2026-11-{day:02}T{self.number if hour is None else hour:02}"
        digests = {host: item["plan"] if item else DIGEST for host, item in hosts.items()}
        facts = {"id": f"run{self.number}", "started": f"{time}:00:00Z", **changes}
        result = {**run(list(hosts), mode, **facts), "hosts": digests}
        records = [
            read_record(host, {**entry, "checked_at": f"{time}:00:30Z"}) for host, entry in hosts.items() if entry
        ]
        fleet = reconcile_records(digests, map(change, records), dict.fromkeys(hosts, "unreachable: no route"))
        return make_run_report(result, fleet, f"{time}:01:00Z"), fleet.records

    def run(self, hosts, keep=0, **how):
        return self.history.record_run(*self.made(hosts, **how), keep)

    def stored(self, reports, hosts, name, **how):
        """Record a run and keep its report; return the directory."""
        report, records = self.made(hosts, id=name, history="sqlite", exports=["csv"], **how)
        self.history.record_run(report, records)
        return ReportDirectory(reports / f"{name}.partial").write_report(records, report, ["old page"])

    def ask(self, name, **scope):
        with self.history.database.open_for_reading() as session:
            result = getattr(queries, name)(session, QueryScope(**scope))
            return list(result) if name == "list_incidents" else result

    def story(self, host="web01", rule="apps/wechat"):
        result = [e for e in self.ask("list_incidents", host=host) if e.rule == rule]
        return [(e.state, e.opened[8:13], e.closed[8:13], e.ended) for e in reversed(result)]
