"""More names than the lists of browsers take: which ones give way on a host, and what is reported of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_browser import Tree, section
from proscribe.host.controls.browser import rendering

CHROMIUM, FIREFOX = "etc/chromium/policies/managed/proscribe.json", "etc/firefox/policies/policies.json"
CLOSED = {"browsers": {"dns_over_https": "blocked"}}
MANY = [f"host{number:04}.example" for number in range(999)]
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
