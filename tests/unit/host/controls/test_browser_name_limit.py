"""More names than the lists of browsers take: which ones give way on a host, and what is reported of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_browser import Tree, section
from proscribe.host.controls.browser import judge_policies, rendering
from proscribe.host.controls.browser.desired import Desired
from proscribe.host.controls.browser.name_closing import ALONE, OPEN, WITH_ALL_BELOW
from proscribe.host.controls.browser.other_controls import HostControls

CHROMIUM, FIREFOX = "etc/chromium/policies/managed/proscribe.json", "etc/firefox/policies/policies.json"
CLOSED = {"browsers": {"dns_over_https": "blocked"}}
MANY = [f"host{number:04}.example" for number in range(999)]
SHORT = "open in browsers: their lists take 1000 names"
BELOW = "open below this name in browsers: their lists take 1000 names, and /etc/hosts closes it alone"


def control(services: dict[str, Any], mode: str = "enforce", **settings: Any) -> dict[str, Any]:
    entries = {
        id_: {"name": id_, "mode": mode, "domains": [], "urls": [], "allow": [], **entry}
        for id_, entry in services.items()
    }
    return {"mode": mode, "services": entries, "settings": settings}


SERVICES = {"many": {"domains": MANY}, "bin": {"domains": ["filebin.example", "x1.filebin2.example"]}}
BIN = {"bin": {"domains": ["filebin.example", "filebin2.example"]}}


def plan(dns: dict[str, Any] | None, **settings: Any) -> dict[str, Any]:
    controls = {"browser": control(SERVICES, **{**CLOSED, **settings})}
    return {"controls": controls if dns is None else {**controls, "dns": dns}}


@pytest.mark.parametrize(
    ("made", "backend", "left_open"),
    [
        pytest.param(plan(control(BIN)), WITH_ALL_BELOW, [], id="a filter closes all below a name"),
        pytest.param(plan(control(BIN)), ALONE, [("filebin.example", BELOW)], id="a hosts file closes exact names"),
        pytest.param(plan(control(BIN)), OPEN, [("host0998.example", SHORT)], id="no backend that the host can have"),
        pytest.param(plan(None), WITH_ALL_BELOW, [("host0998.example", SHORT)], id="dns is off"),
        pytest.param(
            plan(control(BIN, "audit")), WITH_ALL_BELOW, [("host0998.example", SHORT)], id="dns is only audited"
        ),
        pytest.param(
            plan(control({"bin": {**BIN["bin"], "mode": "waived"}})),
            *(WITH_ALL_BELOW, [("host0998.example", SHORT)]),
            id="the service is waived in dns",
        ),
        pytest.param(
            plan(control({"bin": {"domains": ["example"], "allow": ["filebin.example"]}})),
            *(WITH_ALL_BELOW, []),
            id="what dns lets through stays in the list",
        ),
        pytest.param(
            plan(control(BIN), browsers={}), WITH_ALL_BELOW, [("host0998.example", SHORT)], id="browsers may ask others"
        ),
    ],
)
def test_the_name_that_gives_way_is_closed_by_something_else_or_reported(
    made: dict[str, Any], backend: int, left_open: list[tuple[str, str]]
) -> None:
    desired = Desired(made, HostControls(made, lambda: backend))
    assert len(desired.rules.block) == 1000
    verdicts = judge_policies(made["controls"]["browser"], desired, [])
    found = [(one.id, one.detail) for verdict in verdicts for one in verdict.findings]
    wrong = [verdict for verdict in verdicts if verdict.rule in ("browser/many", "browser/bin") and verdict.findings]
    assert found == left_open
    assert [(verdict.state, verdict.drifted) for verdict in wrong] == [("noncompliant", False)] * len(left_open)


def test_what_people_type_is_listed_first_then_pages_then_short_names_of_each_service_in_turn() -> None:
    typed, page = "a.very.long.name.example", "zoo.example/drive"
    cdn = [f"{number}.cdn.example" for number in range(2000)]
    zoo = {"domains": [typed, *cdn, "zoo-cdn.example"], "urls": [page], "front_doors": [typed]}
    made = section({"zoo": zoo, "few": {"domains": [f"few{number}.example" for number in range(12)]}})
    left_out = [str(name) for name in rendering.fit_names(made).left_out["zoo"]]
    assert (len(left_out), len(rendering.rules(made).block)) == (1015, 1000)
    assert not {typed, page, "zoo-cdn.example"}.intersection(left_out)


@pytest.mark.parametrize(
    ("services", "tenants", "blocked", "allowed"),
    [
        ({"a": {"domains": MANY}, "b": {"domains": ["www.host0001.example"]}}, {}, 999, 0),  # covered, so no entry
        ({"a": {"domains": [*MANY, "b.example"]}}, {}, 1000, 0),
        ({"a": {"domains": [*MANY, "b.example"]}}, {"microsoft": ["t"]}, 999, 0),  # Firefox refuses private accounts
        ({"a": {"mode": "waived", "domains": [*MANY, "b.example", "c.example"]}}, {}, 0, 0),
        ({"a": {"domains": MANY, "allow": [f"{x}.{name}" for name in MANY for x in "ab"]}}, {}, 500, 1000),
    ],
)
def test_no_list_is_longer_than_browsers_take(
    services: dict[str, Any], tenants: dict[str, Any], blocked: int, allowed: int
) -> None:
    of = rendering.rules(section(services, tenants=tenants))
    assert (len(of.block), len(of.allow)) == (blocked, allowed)


def test_a_host_without_a_resolver_gets_the_best_list_and_reports_what_it_lacks(tmp_path: Path) -> None:
    of = {**plan(control(BIN, backend="hosts"))["controls"]}
    tree = Tree(tmp_path, of["browser"])
    tree.plan["controls"] = of
    tree.enforce()
    blocked = tree.read(CHROMIUM)["URLBlocklist"]
    assert (len(blocked), "filebin.example" in blocked) == (1000, False)
    assert len(tree.read(FIREFOX)["policies"]["WebsiteFilter"]["Block"]) == 1000
    verdicts = tree.verdicts()
    assert [(one.id, one.detail) for one in verdicts["bin"].findings] == [("filebin.example", BELOW)]
    assert (verdicts["bin"].state, verdicts["many"].state) == ("noncompliant", "compliant")
    assert tree.enforce().actions == []
    (tree.root / CHROMIUM).unlink()
    assert {rule for rule, verdict in tree.verdicts().items() if verdict.drifted} >= {"bin", "many", "policy-file"}
