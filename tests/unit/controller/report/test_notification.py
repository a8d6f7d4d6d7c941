"""What the notification of a scheduled run reports, and when a run sends none."""

from __future__ import annotations

import email

import pytest
from fleets import DIGEST, answer, no_policy, run, wechat
from pasts import PACKAGE, Past, bad, good, repaired, unseen, waived
from proscribe.controller.report import notification
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.history import open_history
from proscribe.model.finding import NONCOMPLIANT, REPAIRED, Verdict
from proscribe.wire.replies.record import read


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


def test_a_fleet_in_order_is_nothing_to_tell(past):
    assert past.notification_of({"web01": good(), "web02": good()}) is None


def test_the_first_run_brings_hosts_in_line(past):
    sent = past.notification_of({"web01": repaired(), "web02": good()})
    assert sent.subject == "Proscribe: 1 host corrected for the first time"


def test_drift_is_reported_with_evidence_times_and_users(past):
    past.run({"web01": good()})
    found = {"found_at": "2026-11-25T02:00:10Z", "logged_in": ["alice", "bob"]}
    sent = past.notification_of({"web01": {**repaired(), **found}})
    assert sent.subject == "Proscribe: 1 host corrected after drift"
    assert "web01 (logged in: alice, bob)" in sent.lines
    line = "  apps/wechat: corrected: dpkg wechat 4.0; found 2026-11-25 02:00:10 UTC, corrected 2026-11-25 02:00:30 UTC"
    assert line in sent.lines
    host = sent.facts["hosts"][0]
    assert (host["host"], host["logged_in"], host["number_of_changes"]) == ("web01", ["alice", "bob"], 1)
    assert host["changes"][0]["repaired"] == "2026-11-25T02:00:30Z"


def test_a_lasting_state_is_reported_once(past):
    past.run({"web01": good()})
    assert past.notification_of({"web01": bad()}).subject == "Proscribe: 1 host newly not compliant"
    assert past.notification_of({"web01": bad()}) is None
    sent = past.notification_of({"web01": repaired()})
    assert "since 2026-11-25 02:00 UTC" in sent.text
    assert sent.subject == "Proscribe: 1 host corrected"  # it was known, and has not drifted since


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


def test_a_host_that_becomes_silent_and_answers_again_is_reported(past):
    past.run({"web01": good()})
    sent = past.notification_of({"web01": None})
    assert "  the host: unknown: unreachable: no route; since 2026-11-25 02:01 UTC" in sent.lines
    assert past.notification_of({"web01": None}) is None
    assert (
        "  the host: compliant: observed again (before: unreachable: no route); since 2026-11-25 02:01 UTC"
        in past.notification_of({"web01": good()}).lines
    )


def test_what_cannot_be_observed_is_reported_once(past):
    past.run({"web01": good()})
    assert "apps/wechat: unknown: needs root" in past.notification_of({"web01": unseen()}).text
    assert past.notification_of({"web01": unseen()}) is None


def test_a_host_that_drifts_again_and_again_is_named(past):
    for _ in range(3):  # the first one brings it in line
        past.run({"web01": repaired(), "web02": good()})
    sent = past.notification_of({"web01": repaired(), "web02": good()})
    assert "Repeated drift, so something there reverts the correction: web01" in sent.lines
    assert "(time 3 in 30 days)" in sent.text
    assert sent.facts["again_and_again"] == ["web01"]


def test_a_stopped_run_is_reported_though_nothing_changed(past):
    past.run({"web01": good()})
    sent = past.notification_of({"web01": good()}, rollout={"why": "12 of 20 hosts differ"})
    assert sent.subject == "Proscribe: stopped before all hosts were corrected"
    assert "The run was stopped: 12 of 20 hosts differ" in sent.lines


def without_history(*answers):
    hosts = {f"web{number:02}": DIGEST for number in range(len(answers))}
    fleet = reconcile(hosts, [read(host, one) for host, one in zip(hosts, answers)])
    report = fleet_report(run(list(hosts)), fleet, "2026-11-25T00:31:00Z")
    return notification.notification(report, fleet.records, None, "reports/x")


def test_without_a_history_all_that_is_wrong_is_new():
    assert without_history(good(), bad()).subject == "Proscribe: 1 host newly not compliant"
    assert without_history(good()) is None


def test_many_rules_of_one_cause_are_a_line_and_many_hosts_are_counted():
    sent = without_history(*[answer(*no_policy()) for _ in range(25)])
    assert sum("118 browser rules: noncompliant" in line for line in sent.lines) == notification.MOST_HOSTS
    assert "... and 5 more hosts" in sent.lines
    assert len(sent.lines) < 60


def test_a_mail_can_be_read_again_and_a_host_cannot_forge_its_headers():
    notification_ = notification.made("Proscribe: x\nBcc: all@example.org", ["a\x1b[2Jb", "größer"])
    mail = email.message_from_string(notification_.as_dict()["message"])
    assert mail["Subject"] == "Proscribe: x Bcc: all@example.org"
    assert mail["Bcc"] is None
    assert "größer" in mail.get_payload(decode=True).decode()
    assert "\x1b" not in notification_.facts["text"]


@pytest.mark.parametrize(
    ("before", "subject"),
    [
        pytest.param(None, "Proscribe: 1 host corrected", id="its first run"),
        pytest.param(good(digest="sha256:" + "b" * 64), "Proscribe: 1 host corrected", id="by another plan"),
        pytest.param(good(), "Proscribe: 1 host corrected after drift", id="by the same plan"),
        pytest.param(answer(evaluated=["dns/x"]), "Proscribe: 1 host corrected", id="another control alone"),
    ],
)
def test_only_what_was_compliant_by_the_same_plan_has_drifted(past, before, subject):
    controls = ["dns"] if before == answer(evaluated=["dns/x"]) else None
    past.run({"web02": good(), **({"web01": before} if before else {})}, **({"controls": controls} if controls else {}))
    assert past.notification_of({"web01": repaired(), "web02": good()}).subject == subject


def test_corrections_after_changes_of_the_policy_are_no_repeated_drift(past):
    for number in range(4):
        sent = past.notification_of({"web01": repaired(digest=f"sha256:{number:064}")})
        assert sent.facts["again_and_again"] == [] and "Repeated drift" not in sent.text
    for times in range(1, 4):
        sent = past.notification_of({"web01": repaired(digest=f"sha256:{3:064}")})
        assert sent.facts["again_and_again"] == (["web01"] if times == 3 else [])


def test_a_host_that_had_answered_is_not_said_to_answer_again(past):
    errors = [{"control": "apps", "message": "No space left on device"}]
    past.run({"web01": good()}, change=lambda record: {**record, "state": "error", "errors": errors})
    lines = past.notification_of({"web01": good()}).lines
    what = "no error any more (before: No space left on device)"
    assert f"  the host: compliant: {what}; since 2026-11-25 01:00 UTC" in lines


@pytest.mark.parametrize(
    ("answered", "subject", "state"),
    [
        (repaired(), "Proscribe: 1 host closed at the end of a waiver", "corrected"),
        (bad(), "Proscribe: 1 host newly not compliant", "noncompliant"),
    ],
)
def test_the_end_of_a_waiver_is_no_drift(past, answered, subject, state):
    past.run({"web01": waived(), "web02": good()})
    ended = {"id": "press", "status": "expired", "hosts": ["web01"], "services": ["wechat"], "controls": ["apps"]}
    other = {**ended, "id": "other", "hosts": ["web02"]}
    past.run({"web01": answered, "web02": good()})
    report, records = past.made({"web01": answered, "web02": good()}, number=past.number)
    report["waivers"] = [other, ended]
    sent = notification.notification(report, records, notification.known(past.history, report), "reports/x")
    assert sent.subject == subject
    assert f"apps/wechat: {state}: waiver press ended: dpkg wechat 4.0" in sent.text
    assert sent.facts["hosts"][0]["changes"][0]["ended_waiver"] == "press"


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
