"""What counts as new since an earlier run."""

from __future__ import annotations

import pytest
from fleets import PROCESS, WECHAT, answer, clean_answer, wechat
from proscribe.controller.report.evaluation.baseline import Baseline, New
from proscribe.model.finding import Finding, Verdict
from proscribe.wire.replies.record import read, silent

SIGNAL = Finding("package", "signal-desktop", manager="dpkg", version="7.1", scope="system")
WAIVED = wechat(WECHAT, entry={"mode": "waived", "waiver": "press"})


def error(*verdicts, message="apt is locked"):
    """A host on which a correction failed."""
    record = read("web01", answer(*verdicts, evaluated=["dns/x"]))
    return {**record, "state": "error", "errors": [{"control": "apps", "message": message}]}


def host(*verdicts, name="web01"):
    return read(name, answer(*verdicts, evaluated=["dns/x"]))


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        pytest.param(host(wechat(WECHAT)), host(wechat(WECHAT)), [], id="the same"),
        pytest.param(host(), host(wechat(WECHAT)), ["dpkg wechat 4.0"], id="something where nothing was"),
        pytest.param(
            host(wechat(WECHAT)), host(wechat(WECHAT._replace(version="4.1", detail="older"))), [], id="another version"
        ),
        pytest.param(
            host(wechat(PROCESS)), host(wechat(PROCESS._replace(scope="pid:9 user:alice"))), [], id="another process"
        ),
        pytest.param(
            host(wechat(PROCESS)),
            host(wechat(PROCESS._replace(scope="pid:9 user:bob"))),
            ["process /opt/wechat/wechat (bob)"],
            id="another user",
        ),
        pytest.param(
            host(wechat(WECHAT)), host(wechat(WECHAT, SIGNAL)), ["dpkg signal-desktop 7.1"], id="one more under a rule"
        ),
        pytest.param(host(WAIVED), host(WAIVED), [], id="what is waived is nothing wrong"),
        pytest.param(host(WAIVED), host(wechat(WECHAT)), ["dpkg wechat 4.0"], id="a waiver that ended"),
        pytest.param(host(wechat(WECHAT)), host(), [], id="what was put right"),
        pytest.param(host(), silent("web01", "unreachable: x"), ["unreachable: x"], id="a host that fell silent"),
        pytest.param(silent("web01", "a"), silent("web01", "b"), [], id="a host that was silent already"),
        pytest.param(silent("web01", "a"), host(wechat(WECHAT)), ["dpkg wechat 4.0"], id="nobody knew, now it is seen"),
        pytest.param(
            error(), error(message="apt is locked by 311"), [], id="the same control fails for another reason"
        ),
        pytest.param(host(), error(), ["apt is locked"], id="a correction that fails now"),
        pytest.param(
            host(),
            host(Verdict("dns/y", "unknown", reason="needs root")),
            ["needs root"],
            id="a rule that nobody can see now",
        ),
    ],
)
def test_new(before, now, new):
    assert [one.what for one in Baseline([before]).new([now])] == new


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


@pytest.mark.parametrize("key", ["manager", "path"])
def test_what_a_finding_does_not_say_is_the_same_however_that_is_written(key):
    """`null`, or an empty text, as another version of a host's code may have it."""
    records = [host(wechat(WECHAT._replace(manager="", path=""))) for _ in range(2)]
    records[1]["rules"][0]["findings"][0][key] = ""
    assert records[0]["rules"][0]["findings"][0][key] is None
    assert Baseline(records[:1]).new(records[1:]) == Baseline(records[1:]).new(records[:1]) == []


@pytest.mark.parametrize("key", ["kind", "manager", "id", "path"])
def test_what_makes_a_finding_another_one(key):
    of = WECHAT._replace(path="/opt/wechat")
    found = Baseline([host(wechat(of))]).new([host(wechat(of._replace(**{key: "other"})))])
    assert [(one.host, one.rule, one.state) for one in found] == [("web01", "apps/wechat", "noncompliant")]


def test_what_is_wrong_with_a_host_as_a_whole_has_no_rule():
    refused = {"control": "apps", "message": "it would take gnome", "refused": "apps/wechat"}
    failed = {**error(), "errors": [refused, {"control": "apps", "message": "apt is locked"}]}
    assert Baseline([host()]).new([failed]) == [New("web01", "", "error", "apt is locked")]
    nobody = {**silent("web01", ""), "reason": None}
    assert Baseline([host()]).new([nobody]) == [New("web01", "", "unknown", "no answer")]


def test_a_host_that_the_baseline_does_not_know_is_new_with_all_that_it_has():
    found = Baseline([read("web01", clean_answer())]).new([host(wechat(WECHAT), name="web02")])
    assert [(one.host, one.rule, one.state) for one in found] == [("web02", "apps/wechat", "noncompliant")]


def test_hosts_are_distinguished_though_they_share_their_evidence():
    baseline = Baseline([host(wechat(WECHAT), name="a"), read("b", clean_answer())])
    assert [one.host for one in baseline.new([host(wechat(WECHAT), name=name) for name in "ab"])] == ["b"]
