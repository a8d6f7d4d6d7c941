"""HttpHeaderInjection beside what else has changed, and beside header rules of the organisation.

The expected effects were tried on Chromium 156: lists are joined, a rule that lacks a key costs all of them their
effect, and of a header the closest pattern counts, of equal ones the last in the list.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_browser import Tree, section

OWN = "etc/chromium/policies/managed/proscribe.json"
POLICY = "HttpHeaderInjection"
ANOTHER = "sets another value of the header"
INCOMPLETE = f"sets {POLICY} to what is no list of complete header rules: it has no effect in proscribe.json either"
PRIVATE = "sec-Restrict-Tenant-Access-Policy"
SECTION = section({"mail": {"domains": ["mail.example"]}}, browsers={"quic": "blocked"}, tenants={"microsoft": ["t-1"]})


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path, SECTION)
    tree.enforce()
    return tree


def header(pattern: str, value: str, name: str = PRIVATE) -> dict[str, Any]:
    return {"patterns": [pattern], "headers": [{"name": name, "value": value}]}


def of_tenants(tree: Tree) -> tuple[str, list[str]]:
    """The state of the rule, and what is wrong in Chromium."""
    verdict = tree.verdicts()["microsoft-tenants"]
    return verdict.state, [one.detail for one in verdict.findings if verdict.state == "noncompliant"]


OTHER_CHANGES = [
    pytest.param(lambda own: {**own, "URLBlocklist": []}, id="a list of texts"),
    pytest.param(lambda own: {**own, "QuicAllowed": True}, id="a flag"),
    pytest.param(lambda own: {**own, "AllowedDomainsForApps": "x.example"}, id="a text"),
    pytest.param(lambda own: {**own, "ExtensionSettings": {"*": {}}}, id="a table"),
    pytest.param(lambda own: dict(reversed(list(own.items()))), id="the order"),
]


@pytest.mark.parametrize("change", OTHER_CHANGES)
def test_a_change_of_something_else_says_nothing_of_the_headers(tree: Tree, change: Callable[..., Any]) -> None:
    tree.put(OWN, change(tree.read(OWN)))
    assert of_tenants(tree) == ("compliant", [])


@pytest.mark.parametrize(
    ("name", "rule", "wrong"),
    [
        ("10.json", header("one.example", "1", "X-One"), ""),
        ("zz.json", header("one.example", "1", "X-One"), ""),
        ("zz.json", header("login.live.com", "none"), ""),  # then Proscribe's comes later in the list
        ("10.json", header("live.com", "none"), ""),  # Proscribe's is closer
        ("10.json", header("login.live.com", "restrict-msa"), ""),
        ("10.json", header("login.live.com", "none", PRIVATE.upper()), f"10.json {ANOTHER} {PRIVATE.upper()}"),
        ("zz.json", header("eu.login.live.com", "none"), f"zz.json {ANOTHER} {PRIVATE}"),
        ("10.json", {"patterns": ["one.example"]}, f"10.json {INCOMPLETE}"),
        ("10.json", "text", f"10.json {INCOMPLETE}"),
    ],
)
def test_header_rules_of_the_organisation_count_as_chromium_joins_them(
    tree: Tree, name: str, rule: Any, wrong: str
) -> None:
    tree.put(OWN.replace("proscribe.json", name), {POLICY: [rule]})
    tree.enforce()
    assert of_tenants(tree) == (("noncompliant", [wrong]) if wrong else ("compliant", []))
