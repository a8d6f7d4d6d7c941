"""The settings that close bypasses of a block list."""

from typing import Any

import browser_hosts
import pytest
from browser_hosts import Tree
from proscribe.host.controls.browser import chromium, firefox
from proscribe.host.controls.browser.places import Place
from proscribe.host.controls.browser.rendering import rules
from proscribe.host.controls.browser.settings import SETTINGS, UNMANAGED, rule

A, B = "a" * 32, "b" * 32
VPN = {"domains": ["vpn.example"], "extensions": {"chrome": [A, B], "firefox": ["vpn@example"]}}
ID, EDGE = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "etc/opt/edge/policies/managed/"


def section(managed: dict[str, str], services: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return browser_hosts.section(services or {}, browsers=managed, **settings)


def place(*browsers: str, family: str = "chromium") -> Place:
    return Place(browsers[0], family, "/etc/x/policies.json", browsers=browsers)


FOX = place("firefox", family="firefox")


def said(where: Place, managed: dict[str, str], services: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """What is said at a place beside the notice and the lists of sites."""
    desired = rules(section(managed, services, **more))
    if where.family == "chromium":
        policies = chromium.policies(desired, where)
        lists = ("URLBlocklist", "URLAllowlist", "NetworkPredictionOptions", "proscribe")
        return {name: value for name, value in policies.items() if name not in lists}
    policies = firefox.policies(desired, where, firefox.lists(desired))
    if policies.get(firefox.PREFERENCES) == firefox.NO_SPECULATION:  # which comes with the list of sites
        del policies[firefox.PREFERENCES]
    return {name: value for name, value in policies.items() if name != "WebsiteFilter"}


def test_accounts_of_all_domains_of_a_tenant_sign_in_and_no_others():
    policies = said(place("chromium"), {"sign_in": "blocked"}, tenants={"google": ["example.org", "b.example"]})
    assert policies["RestrictSigninToPattern"] == ".*@(b[.]example|example[.]org)" and "BrowserSignin" not in policies


@pytest.mark.parametrize(
    ("tenant", "installed", "theirs", "state"),
    [
        (ID, True, {}, "noncompliant"),
        (ID, False, {}, "compliant"),  # no browser of the host signs in at Microsoft
        (ID, True, {"RestrictSigninToPattern": "x"}, "compliant"),  # the organisation has decided it
        ({"id": ID, "domains": ["dept.example"]}, True, {}, "compliant"),
    ],
)
def test_edge_open_to_every_account_is_reported(tmp_path, tenant, installed, theirs, state):
    tree = Tree(tmp_path, section({"sign_in": "blocked"}, tenants={"microsoft": [tenant]}))
    path = f"/{EDGE}proscribe.json"
    edge = {"id": "microsoft_edge", "family": "chromium", "path": path, "browsers": ["microsoft_edge"]}
    tree.plan["browsers"] = [*tree.plan["browsers"], {**edge, "paths": ["/opt/microsoft/msedge/msedge"]}]
    if installed:
        tree.put("opt/microsoft/msedge/msedge", mode=0o755)
    tree.put(f"{EDGE}own.json", theirs)
    tree.enforce()
    assert "BrowserSignin" not in tree.read(f"{EDGE}proscribe.json")
    verdict = tree.verdicts()["sign-in"]
    assert (verdict.state, verdict.drifted) == (state, False)
    said = [f"{finding.manager}: {finding.detail}" for finding in verdict.findings]
    expected = f"microsoft_edge: every account may sign in: proscribe_tenants.microsoft has '{ID}' without the domains"
    assert [item.startswith(expected) for item in said] == ([True] if state == "noncompliant" else [])


def test_every_setting_says_something_to_somebody_and_has_a_default_that_it_may_have():
    for id_, row in SETTINGS.items():
        assert row.default in row.values and UNMANAGED in row.values and row.meaning.endswith(".")
        assert row.chromium or row.firefox or id_ == "extensions"
        assert rule(id_) == "browser/" + id_.replace("_", "-")
        closed = {**said(place("microsoft_edge"), {id_: "blocked"}), **said(place("brave"), {id_: "blocked"})}
        assert [name for name in row.chromium if closed[name] != row.chromium[name]] == []  # as it is documented
        assert [name for name in row.firefox if said(FOX, {id_: "blocked"})[name] != row.firefox[name]] == []


def test_every_setting_is_enforced_seen_and_taken_back(tmp_path):
    tree = Tree(tmp_path, section(dict.fromkeys(SETTINGS, "blocked"), {"vpn": VPN}))
    assert set(tree.wrong()) >= {rule(id_).partition("/")[2] for id_ in SETTINGS if id_ != "tor_windows"}
    assert len(tree.enforce().actions) == 4 and tree.wrong() == {}
    assert len(tree.enforce().actions) == 0
    tree.lift()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
