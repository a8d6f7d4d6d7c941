"""A name that `./proscribe report` does not know is a mistake: an answer about nothing reads as an all-clear."""

import argparse
import json
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pasts import Past, bad, good, made_plan
from properties import examples
from proscribe.controller.cli import Refused
from proscribe.controller.cli import report as word
from proscribe.controller.compile.inventory.reports_place import Place
from proscribe.controller.report.evaluation.rules import OF_CONTROL
from proscribe.controller.report.history import open_history
from proscribe.controller.report.terminal.summary import Screen
from proscribe.model.plan import CONTROLS

CONTROLS_OF_THE_HOST = Path(__file__).parents[5] / "module_utils" / "proscribe/host/controls"


class ReportCommand:
    """`report` over a host with WeChat and a host whose plan has no apps."""

    def __init__(self, reports: Path) -> None:
        self.reports = reports
        self.past = Past(open_history("sqlite", reports))
        self.plan = made_plan(reports, apps=["wechat", "signal"], dns=["x"])
        self.names_only = made_plan(reports, dns=["x"])
        self.run({"web01": {**bad(), "plan": self.plan}, "db01": {**good(), "plan": self.names_only}})

    def run(self, hosts, name="20261125T080000Z-audit-1a2b", **changes) -> None:
        self.past.stored(self.reports, hosts, name, **changes)

    def __call__(self, *options: str) -> str:
        parser = argparse.ArgumentParser()
        word.add_arguments(parser)
        return word.answer(parser.parse_args(options), Screen(100, 60), Place(self.reports, "a test"))


@pytest.fixture
def ask(tmp_path):
    return ReportCommand(tmp_path)


@pytest.mark.parametrize(("options", "message"), [
    (("--host", "nosuch"), "no run of the history has a host 'nosuch'"),
    (("--host", "web1"), "did you mean 'web01'"),
    (("--rule", "wechat"), "is no rule.*did you mean 'apps/wechat'"),
    (("--rule", "apps/nothing-like-it"), "no plan .* has a rule 'apps/nothing-like-it'"),
    (("--rule", "apps/telegram"), "telegram is a service of the catalogue, but no plan"),
    (("--rule", "browser/dns-over-https"), "no plan .* has the control browser"),
    (("--rule", "apps/wechat", "--host", "db01"), "the plan of db01 does not have the control apps"),
    (("--run", "nosuch"), "no complete report nosuch"),
])  # fmt: skip
def test_a_name_that_no_run_knows_is_refused_and_not_answered_with_nothing_wrong(ask, options, message):
    with pytest.raises(Refused, match=f"(?s){message}"):
        ask(*options)


def test_a_rule_that_no_run_has_checked_is_not_reported_as_compliant(ask, tmp_path, monkeypatch):
    ask.run({"new01": {**good(), "plan": ask.plan}}, name="20261125T090000Z-audit-77c0", controls=["dns"])
    assert "not checked yet: apps on 1 host" in ask("--rule", "apps/signal", "--host", "new01")
    assert "not checked yet: apps on 1 host" in ask("--host", "new01")
    document = json.loads(ask("--rule", "apps/signal", "--json"))
    assert document["looked"]["never"] == {"apps": 1}
    assert "not checked yet" not in ask("--rule", "dns/x")


def test_a_host_that_is_in_no_run_any_more_is_not_said_to_be_right(ask):
    ask.run({"db01": {**good(), "plan": ask.names_only}}, name="20261125T100000Z-audit-77c0")
    assert "wrong now\nnot known: no run covers this host any more" in ask("--host", "web01")


def test_a_plan_that_is_gone_makes_no_rule_of_it_right(ask):
    for plan in (ask.reports / "plans").glob("*.json"):
        plan.unlink()
    with pytest.raises(Refused, match="not kept any more"):
        ask("--rule", "apps/signal")
    assert "noncompliant" in ask("--rule", "apps/wechat")  # the history knows it


@pytest.mark.slow
@examples(30)  # each one is a history of its own
@given(
    st.one_of(
        st.sampled_from(["apps/wechat", "apps/signal", "dns/x", "apps/x", "dns/wechat", "browser/wechat", "wechat"]),
        st.tuples(st.sampled_from(CONTROLS), st.text(string.ascii_lowercase + "-_/", max_size=9)).map("/".join),
    )
)
def test_only_rules_of_a_plan_are_answered(tmp_path_factory, rule):
    ask = ReportCommand(tmp_path_factory.mktemp("names"))
    control, _, about = rule.partition("/")
    in_a_plan = rule in ("apps/wechat", "apps/signal", "dns/x")
    a_setting = control in ("apps", "dns") and about in OF_CONTROL[control]
    try:
        answer = ask("--rule", rule)
    except Refused:
        assert not in_a_plan and not a_setting
    else:
        assert in_a_plan or a_setting
        assert answer


def test_every_rule_that_a_control_makes_of_its_own_is_known():
    result = set()
    for path in CONTROLS_OF_THE_HOST.rglob("*.py"):
        text = path.read_text()
        result |= set(re.findall(r'(?:judge|Verdict)\(\s*"((?:apps|browser|firewall|dns)/[a-z-]+)"', text))
        result |= set(re.findall(r'^(?:RULE) = "((?:apps|browser|firewall|dns)/[a-z-]+)"', text, re.MULTILINE))
    assert len(result) > 8
    known_names = {f"{control}/{name}" for control, names in OF_CONTROL.items() for name in names}
    assert result - known_names == set()
    assert {"browser/dns-over-https", "firewall/quic", "firewall/ruleset", "apps/unmanaged-browsers"} <= known_names
