"""The bypasses of a block list: the policies of each browser, what counts as closed, and whose own settings stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_browser
import pytest
from proscribe.host.controls import browser
from proscribe.host.controls.browser import chromium, firefox
from proscribe.host.controls.browser.places import Place
from proscribe.host.controls.browser.rendering import rules
from proscribe.host.controls.browser.settings import SETTINGS, UNMANAGED, rule
from proscribe.model.finding import Verdict

CHROMIUM = "etc/chromium/policies/managed/"
FIREFOX = "etc/firefox/policies/policies.json"
A, B = "a" * 32, "b" * 32
VPN = {"domains": ["vpn.example"], "extensions": {"chrome": [A, B], "firefox": ["vpn@example"]}}
BLOCKED = {"installation_mode": "blocked"}


def section(managed: dict[str, str], services: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    return made_browser.section(services or {}, browsers=managed, **settings)


def place(*browsers: str, family: str = "chromium") -> Place:
    return Place(browsers[0], family, "/etc/x/policies.json", browsers=browsers)


FOX, BIRD = place("firefox", family="firefox"), place("thunderbird", family="thunderbird")


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


def test_a_program_without_sites_has_no_extensions_to_refuse_either(tmp_path: Path) -> None:
    """Else a merged file of Thunderbird would never be what it has to be."""
    path = "/etc/thunderbird/policies/policies.json"
    tree = Tree(tmp_path, section({"extensions": "blocked", "dns_over_https": "blocked"}, {"vpn": VPN}))
    tree.put(path[1:], {"policies": {"DisableAppUpdate": True}})
    browsers = [{"id": "thunderbird", "family": "thunderbird", "path": path, "browsers": ["thunderbird"]}]
    plan = {**tree.plan, "browsers": browsers}
    tree.enforce(plan)
    assert tree.states(plan) == {"compliant"}


SWITCHED_OFF = {"Value": False, "Status": "locked"}
MERGE = "PolicyListMultipleSourceMergeList"
LISTS = ["URLAllowlist", "URLBlocklist"]


@pytest.mark.parametrize(
    ("where", "managed", "policies"),
    [
        (
            place("chromium"),
            {"dns_over_https": "blocked"},
            {"BuiltInDnsClientEnabled": False, "DnsOverHttpsMode": "off"},
        ),
        (place("chromium"), {"quic": "blocked"}, {"QuicAllowed": False}),
        (place("chromium"), {"private_windows": "blocked"}, {"IncognitoModeAvailability": 1}),
        (place("microsoft_edge"), {"private_windows": "blocked"}, {"InPrivateModeAvailability": 1}),
        (place("chromium"), {"tor_windows": "blocked", "browser_vpn": "blocked"}, {}),
        (
            place("brave"),
            {"tor_windows": "blocked", "browser_vpn": "blocked"},
            {"TorDisabled": True, "BraveVPNDisabled": True},
        ),
        (place("chromium"), {"about_config": "blocked"}, {}),
        (place("chromium"), {"sign_in": "blocked"}, {"BrowserSignin": 0, "SyncDisabled": True}),
    ],
)
def test_chromium_and_its_relatives_get_policies(
    where: Place, managed: dict[str, str], policies: dict[str, Any]
) -> None:
    assert said(where, managed) == {**policies, MERGE: LISTS}


@pytest.mark.parametrize(
    ("where", "managed", "policies"),
    [
        (
            FOX,
            {"quic": "blocked"},
            {"Preferences": {"network.http.http3.enable": {"Value": False, "Status": "locked"}}},
        ),
        (FOX, {"proxies": "blocked"}, {"Proxy": {"Mode": "system", "Locked": True}}),
        (FOX, {"browser_vpn": "blocked"}, {"IPProtectionAvailable": False}),
        (place("firefox_esr", family="firefox"), {"browser_vpn": "blocked"}, {"IPProtectionAvailable": False}),
        (place("librewolf", family="firefox"), {"browser_vpn": "blocked"}, {}),
        (BIRD, {"private_windows": "blocked", "sign_in": "blocked"}, {}),
        (BIRD, {"about_config": "blocked"}, {"BlockAboutConfig": True}),
    ],
)
def test_firefox_and_thunderbird_get_policies(where: Place, managed: dict[str, str], policies: dict[str, Any]) -> None:
    assert said(where, managed) == policies


def test_all_at_once() -> None:
    managed = dict.fromkeys(SETTINGS, "blocked")
    for_all = {
        "BlockAboutConfig": True,
        "DNSOverHTTPS": {"Enabled": False, "Locked": True},
        "Proxy": {"Mode": "system", "Locked": True},
    }
    assert said(BIRD, managed, {"vpn": VPN}) == for_all
    assert said(FOX, managed, {"vpn": VPN}) == {
        **for_all,
        "DisableDeveloperTools": True,
        "DisableEncryptedClientHello": True,
        "DisableFirefoxAccounts": True,
        "DisablePrivateBrowsing": True,
        "ExtensionSettings": {"*": {"blocked_permissions": ["proxy", "debugger"]}, "vpn@example": BLOCKED},
        "IPProtectionAvailable": False,
        "Preferences": {
            "devtools.chrome.enabled": SWITCHED_OFF,
            "devtools.debugger.remote-enabled": SWITCHED_OFF,
            "extensions.experiments.enabled": SWITCHED_OFF,
            "network.http.http3.enable": SWITCHED_OFF,
            **firefox.NO_SPECULATION,
        },
    }
    assert said(place("brave"), managed, {"vpn": VPN}) == {
        "BraveVPNDisabled": True,
        "BrowserGuestModeEnabled": False,
        "BrowserSignin": 0,
        "BuiltInDnsClientEnabled": False,
        "DeveloperToolsAvailability": 2,
        "DnsOverHttpsMode": "off",
        "EncryptedClientHelloEnabled": False,
        "ExtensionDeveloperModeSettings": 1,
        "ExtensionInstallBlocklist": [A, B],
        "ExtensionInstallTypeBlocklist": ["command_line"],
        "ExtensionSettings": {"*": {"blocked_permissions": ["proxy", "debugger"]}},
        "IncognitoModeAvailability": 1,
        "PolicyDictionaryMultipleSourceMergeList": ["ExtensionSettings"],
        "PolicyListMultipleSourceMergeList": ["ExtensionInstallBlocklist", "ExtensionInstallTypeBlocklist", *LISTS],
        "ProxyMode": "system",
        "QuicAllowed": False,
        "RemoteDebuggingAllowed": False,
        "SyncDisabled": True,
        "TorDisabled": True,
        "WebAppInstallByUserEnabled": False,
    }


def test_extensions_of_restricted_services_are_refused_by_their_ids() -> None:
    services = {"vpn": VPN, "waived": {**VPN, "mode": "waived", "extensions": {"chrome": [B]}}}
    managed = {"extensions": "blocked"}
    assert said(place("chromium"), managed, services)["ExtensionInstallBlocklist"] == [A]
    assert "ExtensionInstallBlocklist" in said(place("chromium"), managed, services)[MERGE]
    assert said(FOX, managed, services) == {"ExtensionSettings": {"vpn@example": BLOCKED}}


def test_only_listed_extensions() -> None:
    managed, allowed = {"extensions": "allow_list"}, [A, "notes@example"]
    assert said(place("chromium"), managed, {"vpn": VPN}, extensions_allowed=allowed) == {
        "ExtensionInstallBlocklist": ["*"],
        "ExtensionInstallAllowlist": [A],
        MERGE: ["ExtensionInstallAllowlist", "ExtensionInstallBlocklist", *LISTS],
    }
    assert said(FOX, managed, {"vpn": VPN}, extensions_allowed=allowed) == {
        "ExtensionSettings": {"*": BLOCKED, "notes@example": {"installation_mode": "allowed"}}
    }


ID, OTHER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "72f988bf-86f1-41af-91ab-2d7cd011db47"


def test_with_tenants_their_accounts_sign_in_and_no_others() -> None:
    tenants = {"google": ["example.org", "b.example"], "microsoft": [ID, "tenant.example"]}
    policies = said(place("chromium"), {"sign_in": "blocked"}, tenants=tenants)
    assert policies["RestrictSigninToPattern"] == ".*@(b[.]example|example[.]org)" and "BrowserSignin" not in policies
    assert policies["AllowedDomainsForApps"] == "b.example,example.org"
    headers = {"Restrict-Access-To-Tenants": f"{ID},tenant.example", "Restrict-Access-Context": ID}
    assert policies["HttpHeaderInjection"] == [
        {"patterns": hosts, "headers": [{"name": name, "value": value} for name, value in headers.items()]}
        for hosts, headers in (
            (["login.microsoftonline.com", "login.microsoft.com", "login.windows.net"], headers),
            (["login.live.com"], {"sec-Restrict-Tenant-Access-Policy": "restrict-msa"}),
        )
    ]
    desired = rules(section({}, tenants=tenants))
    # Firefox has no such headers: the host where private accounts sign in is blocked in it.
    assert firefox.lists(desired).block == ["*://*.login.live.com/*"]


def test_where_tenants_are_distinguished_the_report_names_the_policy_and_browser(tmp_path: Path) -> None:
    partners = [{"id": ID, "domains": ["t.example", "u.example"]}, {"id": OTHER}]
    tenants = {"google": ["a.example", "b.example", "c.example", "d.example"], "microsoft": partners}
    tree = Tree(tmp_path, section({}, tenants=tenants))
    assert {state for state, _ in tree.tenants().values()} == {"noncompliant"}
    tree.enforce()
    assert tree.tenants() == {
        "browser/google-tenants": (
            "compliant",
            {
                ("chromium,google_chrome", "AllowedDomainsForApps"): "Google lets in accounts of a.example,"
                " b.example, c.example and 1 more only",
                ("firefox", "AllowedDomainsForApps"): "Google lets in accounts of a.example, b.example,"
                " c.example and 1 more only; at hosts below google.com, not at google.com itself",
            },
        ),
        "browser/microsoft-tenants": (
            "compliant",
            {
                ("chromium,google_chrome", "HttpHeaderInjection"): "Microsoft lets in accounts of t.example,"
                f" u.example, {OTHER} only, and no personal ones at login.live.com",
                ("firefox", "WebsiteFilter"): "personal accounts: login.live.com is blocked; business accounts of"
                " others are let in",
            },
        ),
    }


def test_without_an_id_the_report_says_which_header_is_not_sent(tmp_path: Path) -> None:
    tree = Tree(tmp_path, section({}, tenants={"microsoft": ["dept.example"]}))
    tree.enforce()
    state, found = tree.tenants()["browser/microsoft-tenants"]
    said = found["chromium,google_chrome", "HttpHeaderInjection"]
    assert state == "compliant" and said.startswith("Microsoft lets in accounts of dept.example only")
    assert "Restrict-Access-Context is not sent: proscribe_tenants.microsoft has 'dept.example' without the id" in said


EDGE = "etc/opt/edge/policies/managed/"


@pytest.mark.parametrize(
    ("tenant", "installed", "theirs", "state"),
    [
        (ID, True, {}, "noncompliant"),
        (ID, False, {}, "compliant"),  # no browser of the host signs in at Microsoft
        (ID, True, {"RestrictSigninToPattern": "x"}, "compliant"),  # the organisation has decided it
        ({"id": ID, "domains": ["dept.example"]}, True, {}, "compliant"),
        ("dept.example", True, {}, "compliant"),
    ],
)
def test_an_installed_edge_in_which_everybody_may_sign_in_is_reported_and_not_corrected(
    tmp_path: Path, tenant: Any, installed: bool, theirs: dict[str, Any], state: str
) -> None:
    tree = Tree(tmp_path, section({"sign_in": "blocked"}, tenants={"microsoft": [tenant]}))
    path = f"/{EDGE}proscribe.json"
    edge = {"id": "microsoft_edge", "family": "chromium", "path": path, "browsers": ["microsoft_edge"]}
    tree.plan["browsers"] = [*tree.plan["browsers"], {**edge, "paths": ["/opt/microsoft/msedge/msedge"]}]
    if installed:
        tree.put("opt/microsoft/msedge/msedge", mode=0o755)
    if theirs:
        tree.put(f"{EDGE}own.json", theirs)
    tree.enforce()
    assert "BrowserSignin" not in tree.read(f"{EDGE}proscribe.json")
    verdict = tree.verdicts()["sign-in"]
    assert (verdict.state, verdict.drifted) == (state, False)
    said = [f"{one.manager}: {one.detail}" for one in verdict.findings]
    expected = f"microsoft_edge: every account may sign in: proscribe_tenants.microsoft has '{ID}' without the domains"
    assert [one.startswith(expected) for one in said] == ([True] if state == "noncompliant" else [])


def test_every_setting_says_something_to_somebody_and_has_a_default_that_it_may_have() -> None:
    for id_, row in SETTINGS.items():
        assert row.default in row.values and UNMANAGED in row.values and row.meaning.endswith(".")
        assert row.chromium or row.firefox or id_ == "extensions"
        assert rule(id_) == "browser/" + id_.replace("_", "-")
        closed = {**said(place("microsoft_edge"), {id_: "blocked"}), **said(place("brave"), {id_: "blocked"})}
        assert [name for name in row.chromium if closed[name] != row.chromium[name]] == []  # as it is documented
        assert [name for name in row.firefox if said(FOX, {id_: "blocked"})[name] != row.firefox[name]] == []


class Tree(made_browser.Tree):
    """A made host on which a browser section is enforced."""

    def wrong(self) -> dict[str, list[str]]:
        def reported(verdict: Verdict) -> list[str]:
            return [f"{finding.manager} {finding.id}: {finding.detail}" for finding in verdict.findings]

        return {rule: reported(verdict) for rule, verdict in self.verdicts().items() if verdict.state == "noncompliant"}

    def tenants(self) -> dict[str, tuple[str, dict[tuple[str, str], str]]]:
        seen = [v for v in browser.observe(self.host, self.plan) if v.rule.endswith("-tenants")]
        return {v.rule: (v.state, {(one.manager, one.id): one.detail for one in v.findings}) for v in seen}


def test_every_setting_is_enforced_seen_and_taken_back(tmp_path: Path) -> None:
    tree = Tree(tmp_path, section(dict.fromkeys(SETTINGS, "blocked"), {"vpn": VPN}))
    assert set(tree.wrong()) >= {rule(id_).partition("/")[2] for id_ in SETTINGS if id_ != "tor_windows"}
    assert len(tree.enforce().actions) == 4
    assert tree.wrong() == {}
    assert len(tree.enforce().actions) == 0
    tree.lift()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


FOREIGN = [
    pytest.param(
        "extensions",
        {"ExtensionInstallAllowlist": [A]},
        {"vpn": [f"chromium extension {A}: "]},
        id="an exception of the organisation's for a refused extension",
    ),
    pytest.param(
        "extensions",
        {"ExtensionSettings": {A: {"installation_mode": "force_installed", "update_url": "https://x.example"}}},
        {"vpn": [f"chromium extension {A}: "]},
        id="a refused extension that is forced on everybody",
    ),
    pytest.param("extensions", {"ExtensionSettings": {A: BLOCKED}}, {}, id="refused by the organisation too"),
    pytest.param(
        "quic",
        {"QuicAllowed": True},
        {
            "quic": ["chromium quic: zz.json sets QuicAllowed to true"],
            "policy-file": ["chromium proscribe.json: zz.json overrides QuicAllowed of proscribe.json"],
        },
        id="a setting that is overridden",
    ),
    pytest.param("proxies", {"ProxySettings": {"ProxyMode": "pac_script"}}, {}, id="a proxy of the organisation's"),
    *(
        pytest.param("proxies", {name: 1}, {}, id=name)
        for name in ("ProxyMode", "ProxyServer", "ProxyServerMode", "ProxyPacUrl", "Proxy")
    ),
    *(
        pytest.param("sign_in", {name: 1}, {}, id=name)
        for name in ("BrowserSignin", "RestrictSigninToPattern", "DisableAccounts")
    ),
]


@pytest.mark.parametrize(("setting", "foreign", "wrong"), FOREIGN)
def test_what_another_file_does_to_a_setting(
    setting: str, foreign: dict[str, Any], wrong: dict[str, list[str]], tmp_path: Path
) -> None:
    tree = Tree(tmp_path, section({setting: "blocked"}, {"vpn": VPN}))
    tree.put(CHROMIUM + "zz.json", foreign)
    tree.enforce()
    assert tree.wrong() == wrong
    assert len(tree.enforce().actions) == 0
    if setting == "proxies":
        assert "ProxyMode" not in tree.read(CHROMIUM + "proscribe.json")
    if setting == "sign_in":
        assert "BrowserSignin" not in tree.read(CHROMIUM + "proscribe.json")


def test_firefox_settings_of_the_organisation_stay_and_come_back(tmp_path: Path) -> None:
    own: dict[str, Any] = {
        "policies": {
            "ExtensionSettings": {"notes@example": {"installation_mode": "force_installed"}, "vpn@example": {}},
            "Preferences": {
                "network.http.http3.enable": {"Value": True, "Status": "default"},
                "network.http.speculative-parallel-limit": {"Value": 6, "Status": "default"},
                "browser.x": {"Value": 1},
            },
            "Proxy": {"Mode": "autoConfig", "AutoConfigURL": "http://proxy.example/pac"},
            "DisableFirefoxAccounts": False,
        }
    }
    managed = dict.fromkeys(("extensions", "quic", "proxies", "sign_in"), "blocked")
    tree = Tree(tmp_path, section(managed, {"vpn": {**VPN, "domains": ["vpn.example"]}}))
    tree.put(FIREFOX, own)
    assert len(tree.enforce().actions) == 3
    assert tree.wrong() == {}
    now = tree.read(FIREFOX)["policies"]
    assert now["ExtensionSettings"] == {
        "notes@example": {"installation_mode": "force_installed"},
        "vpn@example": {**BLOCKED},
    }
    assert now["Preferences"] == {
        "browser.x": {"Value": 1},
        "network.http.http3.enable": SWITCHED_OFF,
        **firefox.NO_SPECULATION,
    }
    assert now["Proxy"] == {"Mode": "autoConfig", "AutoConfigURL": "http://proxy.example/pac", "Locked": True}
    now["ExtensionSettings"]["later@example"] = {"installation_mode": "allowed"}
    tree.put(FIREFOX, {**tree.read(FIREFOX), "policies": now})
    tree.enforce()
    assert tree.wrong() == {}
    tree.lift()
    own["policies"]["ExtensionSettings"]["later@example"] = {"installation_mode": "allowed"}
    assert tree.read(FIREFOX) == own
