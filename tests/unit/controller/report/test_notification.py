"""What the notification of a scheduled run reports, and when a run sends none."""

from __future__ import annotations

import pytest
from fleets import answer, no_policy, wechat
from pasts import PACKAGE, Past, bad, good, repaired
from proscribe.controller.report import notification
from proscribe.controller.report.history import open_history
from proscribe.model.finding import NONCOMPLIANT, REPAIRED, Verdict


class NotifiedRuns(Past):
    """Past runs, and the notification of each."""

    def notification_of(self, hosts, refused=(), **changes):
        self.run(hosts, **changes)

        def left(record):
            return {**record, "errors": [*record["errors"], *refused]}

        report, records = self.made(hosts, number=self.number, change=left)
        report["rollout"] = changes.get("rollout")
        return notification.notification(report, records, notification.known(self.history, report), "reports/x")


@pytest.fixture
def past(tmp_path):
    return NotifiedRuns(open_history("sqlite", tmp_path))


def test_the_first_run_brings_hosts_in_line(past):
    sent = past.notification_of({"web01": repaired(), "web02": good()})
    assert sent.subject == "Proscribe: 1 host corrected for the first time"


def test_the_notification_of_a_partly_corrected_host_names_what_is_left(past):
    stays = Verdict("dns/x", NONCOMPLIANT, reason="not blocked in /etc/hosts")
    past.run({"web01": answer(wechat(PACKAGE), stays)})
    mended = wechat(PACKAGE)._replace(state=REPAIRED, drifted=False)
    refused = [{"control": "dns", "message": "/etc/hosts was left as it is"}]
    sent = past.notification_of({"web01": answer(mended, stays)}, refused)
    assert sent.subject == "Proscribe: 1 host partly corrected"
    assert "  still not compliant: dns/x: /etc/hosts was left as it is" in sent.lines
    assert sent.facts["hosts"][0]["still_not_in_order"] == 1


def test_what_is_compliant_again_is_reported(past):
    past.run({"web01": bad()})
    assert past.notification_of({"web01": good()}).subject == "Proscribe: 1 host compliant again"
    assert past.notification_of({"web01": good()}) is None


def test_a_host_that_had_answered_is_not_said_to_answer_again(past):
    errors = [{"control": "apps", "message": "No space left on device"}]
    past.run({"web01": good()}, change=lambda record: {**record, "state": "error", "errors": errors})
    lines = past.notification_of({"web01": good()}).lines
    what = "no error any more (before: No space left on device)"
    assert f"  the host: compliant: {what}; since 2026-11-25 01:00 UTC" in lines


def test_what_drifted_beside_the_end_of_a_waiver_is_a_line_of_its_own(past):
    first, second = (verdict._replace(state=REPAIRED, drifted=False) for verdict in no_policy()[:2])
    past.run({"web01": answer(first._replace(state="waived", waiver="press"), evaluated=[second.rule])})
    past.run({"web01": answer(first, second)})
    report, records = past.made({"web01": answer(first, second)}, number=past.number)
    control, service = first.rule.split("/")
    ended = {"id": "press", "status": "expired", "hosts": ["web01"], "services": [service], "controls": [control]}
    report["waivers"] = [ended]
    sent = notification.notification(report, records, notification.known(past.history, report), "reports/x")
    assert f"  {first.rule}: corrected: waiver press ended: " in sent.text
    assert f"  {second.rule}: corrected: chromium www." in sent.text
