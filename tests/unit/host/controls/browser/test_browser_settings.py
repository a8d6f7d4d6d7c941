"""The settings that close bypasses of a block list."""

import json
from pathlib import Path
from typing import Any

import browser_hosts
import pytest
from browser_hosts import Tree
from proscribe.host.controls.browser import chromium, firefox
from proscribe.host.controls.browser.browser_settings import SETTINGS, format_rule_name
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.controls.browser.site_rules import make_rules
from recording import compare

A, B = "a" * 32, "b" * 32
VPN = {"domains": ["vpn.example"], "extensions": {"chrome": [A, B], "firefox": ["vpn@example"]}}
ID, EDGE = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "etc/opt/edge/policies/managed/"


def section(managed: dict[str, str], services: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return browser_hosts.section(services or {}, browsers=managed, **settings)


def place(*browsers: str, family: str = "chromium") -> PolicyPlace:
    return PolicyPlace(browsers[0], family, "/etc/x/policies.json", browsers=browsers)


FOX = place("firefox", family="firefox")


def said(
    where: PolicyPlace, managed: dict[str, str], services: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """What is said at a place beside the notice and the lists of sites."""
    desired = make_rules(section(managed, services, **more))
    if where.family == "chromium":
        policies = chromium.make_policies(desired, where)
        lists = ("URLBlocklist", "URLAllowlist", "NetworkPredictionOptions", "proscribe")
        return {name: value for name, value in policies.items() if name not in lists}
    policies = firefox.make_policies(desired, where, firefox.make_filter_lists(desired))
    # It comes with the list of sites.
    if policies.get(firefox.PREFERENCES_POLICY) == firefox.NO_SPECULATION_PREFERENCE:
        del policies[firefox.PREFERENCES_POLICY]
    return {name: value for name, value in policies.items() if name != "WebsiteFilter"}


@pytest.mark.parametrize(
    ("browsers", "expected"),
    [
        (["chromium"], {"RestrictSigninToPattern": ".*@(b[.]example|example[.]org)"}),
        # Edge distinguishes upper and lower case.
        (["microsoft_edge"], {"RestrictSigninToPattern": "^[^@]+@([aA]1[.][dD][eE]|[bB][.][dD][eE])$"}),
        (["yandex_browser"], {"BrowserSignin": 0, "SyncDisabled": True}),  # no tenant has accounts there
    ],
)
def test_accounts_of_all_domains_of_a_tenant_sign_in_and_no_others(browsers, expected):
    tenants = {"google": ["example.org", "b.example"], "microsoft": [{"id": ID, "domains": ["b.de", "a1.de"]}]}
    policies = said(place(*browsers), {"sign_in": "blocked"}, tenants=tenants)
    names = ("BrowserSignin", "RestrictSigninToPattern", "SyncDisabled")
    assert {name: policies[name] for name in names if name in policies} == expected


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


ALL = dict.fromkeys(SETTINGS, "blocked")
RECORDED = Path(__file__).parents[3] / "recorded/controls/browser/firefox_settings.txt"


def test_all_settings_have_a_default_and_the_policies_that_browsers_document():
    assert all(row.meaning.endswith(".") for row in SETTINGS.values())
    assert all(format_rule_name(id_) == f"browser/{id_.replace('_', '-')}" for id_ in SETTINGS)
    facts: dict[str, Any] = {one: said(place(one, family=one), ALL) for one in ("firefox", "thunderbird")}
    facts["default, values"] = {
        format_rule_name(id_): ", ".join([row.default, *row.allowed_values]) for id_, row in SETTINGS.items()
    }
    compare(RECORDED, json.dumps(facts, indent=1, sort_keys=True) + "\n")
    brave, chrome = said(place("brave"), ALL), said(place("google_chrome"), ALL)  # Chrome's and Edge's are recorded
    assert (brave["BrowserSignin"], brave["SyncDisabled"]) == (0, True)
    assert brave == {**chrome, "BraveVPNDisabled": True, "TorDisabled": True}
    assert said(FOX, dict.fromkeys(SETTINGS, "unmanaged")) == said(place("brave"), {}) == {}


def test_every_setting_is_enforced_seen_and_taken_back(tmp_path):
    tree = Tree(tmp_path, section(ALL, {"vpn": VPN}))
    assert set(tree.wrong()) >= {format_rule_name(id_).partition("/")[2] for id_ in SETTINGS if id_ != "tor_windows"}
    assert len(tree.enforce().actions) == 4 and tree.wrong() == {} and len(tree.enforce().actions) == 0
    tree.lift()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
