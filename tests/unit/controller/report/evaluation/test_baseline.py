"""What counts as new since an earlier run."""

from __future__ import annotations

import pytest
from fleets import WECHAT, answer, clean_answer, wechat
from proscribe.controller.report.evaluation.baseline import Baseline, New
from proscribe.model.finding import Verdict
from proscribe.wire.replies.record import read, silent


def error(*verdicts, message="apt is locked"):
    """A host on which a correction failed."""
    record = read("web01", answer(*verdicts, evaluated=["dns/x"]))
    return {**record, "state": "error", "errors": [{"control": "apps", "message": message}]}


def host(*verdicts, name="web01"):
    return read(name, answer(*verdicts, evaluated=["dns/x"]))


@pytest.mark.parametrize(
    ("state", "reason"), [("noncompliant", ""), ("unknown", ""), ("error", "broken"), ("unknown", "no")]
)
def test_a_rule_that_is_wrong_without_evidence_is_new_once(state, reason):
    """A host that reports no evidence does not pass for better."""
    wrong = host(Verdict("dns/y", state, reason=reason))
    assert Baseline([host()]).new([wrong]) == [New("web01", "dns/y", state, reason)]
    assert Baseline([wrong]).new([wrong]) == []
    other = host(Verdict("dns/z", state, reason=reason))
    assert [one.rule for one in Baseline([wrong]).new([other])] == ["dns/z"]


def test_what_is_wrong_with_a_host_as_a_whole_has_no_rule():
    refused = {"control": "apps", "message": "it would take gnome", "refused": "apps/wechat"}
    failed = {**error(), "errors": [refused, {"control": "apps", "message": "apt is locked"}]}
    assert Baseline([host()]).new([failed]) == [New("web01", "", "error", "apt is locked")]
    nobody = {**silent("web01", ""), "reason": None}
    assert Baseline([host()]).new([nobody]) == [New("web01", "", "unknown", "no answer")]


def test_hosts_are_distinguished_though_they_share_their_evidence():
    baseline = Baseline([host(wechat(WECHAT), name="a"), read("b", clean_answer())])
    assert [one.host for one in baseline.new([host(wechat(WECHAT), name=name) for name in "ab"])] == ["b"]
