"""The organisation's tenants in all that takes them, in the form that each vendor documents: Restrict-Access-To-Tenants
takes domains and ids, Restrict-Access-Context one id (learn.microsoft.com/entra/identity, tenant-restrictions).
"""

import base64
import datetime
import functools
import json
import plistlib
import re
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.compile.catalogue.catalogue_loader import Catalogue, read_catalogue
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.enforcement_points import decision, format_declaration
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.host.controls.browser.desired_policies import DesiredPolicies
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.controls.group_policy import account_restrictions
from proscribe.host.controls.group_policy.registry_pol import decode_entry, parse_entries
from proscribe.model import tenants

CATALOG = Path(__file__).resolve().parents[3] / "catalog"
NOW = datetime.datetime(2026, 11, 29, 8, tzinfo=datetime.timezone.utc)
ID, PARTNER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "72f988bf-86f1-41af-91ab-2d7cd011db47"
WHOLE = {"id": ID, "domains": ["dept.example", "hk.dept.example"]}

TENANTS: dict[str, dict[str, Any]] = {
    "none": {},
    "google": {"google": ["corp.example"]},
    "domain": {"microsoft": ["dept.example"]},
    "id": {"microsoft": [ID]},
    "whole": {"microsoft": [WHOLE]},
    "both": {"google": ["corp.example"], "microsoft": [WHOLE]},
    "partner": {"microsoft": [WHOLE, {"id": PARTNER, "domains": ["friend.example"]}]},
    "half a partner": {"microsoft": [WHOLE, "friend.example"]},
    "all vendors": {
        "google": ["corp.example", "b.corp.example"],
        "microsoft": [WHOLE, {"id": PARTNER, "domains": ["friend.example"]}],
    },
}

# By point and tenants: the tenant whose id the point needs, and the policy lacks.
NEEDED = {
    (point, name): tenant
    for point in ("gpo", "mobileconfig", "intune", "entra_tenant_restrictions")
    for name, tenant in (("domain", "dept.example"), ("half a partner", "friend.example"))
}


def answered(*points: str) -> list[tuple[str, str]]:
    return [(point, name) for point in points for name in TENANTS if (point, name) not in NEEDED]


@functools.cache
def own() -> Catalogue:
    return read_catalogue([CATALOG])


@functools.cache
def plan_of(name: str) -> Any:
    variables = {"categories": ["webmail", "cloud_storage", "instant_messaging"], "tenants": TENANTS[name]}
    read = read_restrictions({f"proscribe_{key}": value for key, value in variables.items()}, str)
    return compile_plan(own(), read, (), NOW.date())


@functools.cache
def export(format_: str, name: str) -> format_declaration.RenderedExport:
    item = EXPORT_FORMATS[format_]
    return item.render_export(decision.make_decision({"fin01": plan_of(name)}, NOW, "", item.controls))


# -- the policies of browsers, as each point has them
def on_linux(name: str) -> dict[str, dict[str, Any]]:
    plan = plan_of(name)
    items = [item for item in plan["browsers"] if item["family"] == "chromium"]
    places = [PolicyPlace(item["id"], "chromium", item["path"], browsers=tuple(item["browsers"])) for item in items]
    files = {place.id: DesiredPolicies(plan).render_file(place) for place in places}
    return {id_: json.loads(content) for id_, content in files.items() if content}


KEYS = {"google_chrome": "Google\\Chrome", "microsoft_edge": "Microsoft\\Edge", "brave": "BraveSoftware\\Brave"}
DOMAINS = {"google_chrome": "com.google.Chrome", "microsoft_edge": "com.microsoft.Edge", "brave": "com.brave.Browser"}


def in_group_policy(name: str) -> dict[str, dict[str, Any]]:
    files = export("gpo", name).files
    registry = [content for path, content in files.items() if path.startswith("sysvol/") and "Machine/Reg" in path]
    entries = [entry for content in registry for entry in parse_entries(content)]
    policies: dict[str, dict[str, Any]] = {}
    for id_, key in KEYS.items():
        own_entries = [entry for entry in entries if entry.key == f"Software\\Policies\\{key}"]
        values = {entry.value_name: decode_entry(entry) for entry in own_entries}
        policies[id_] = {key: json.loads(value) if key == HEADERS else value for key, value in values.items()}
    return policies


def profile(content: bytes) -> dict[str, dict[str, Any]]:
    return {item["PayloadType"]: item for item in plistlib.loads(content)["PayloadContent"]}


def on_macs(name: str) -> dict[str, dict[str, Any]]:
    payloads = profile(export("mobileconfig", name).files["browsers.mobileconfig"])
    return {id_: payloads[domain] for id_, domain in DOMAINS.items()}


def in_intune(name: str) -> dict[str, dict[str, Any]]:
    payload = json.loads(export("intune", name).files["macos_browsers.json"])["payload"]
    return {id_: profile(base64.b64decode(payload))[domain] for id_, domain in DOMAINS.items()}


def in_the_console(name: str) -> dict[str, dict[str, Any]]:
    return {id_: json.loads(export("chrome_enterprise", name).files[f"{id_}.json"]) for id_ in KEYS}


HEADERS = "HttpHeaderInjection"
BROWSERS = {"Linux": on_linux, "gpo": in_group_policy, "mobileconfig": on_macs, "intune": in_intune}
BROWSERS["chrome_enterprise"] = in_the_console


# -- the headers, wherever they are
CONTEXTS = {"domain": None, "id": ID, "whole": ID, "both": ID, "partner": ID, "half a partner": ID, "all vendors": ID}
LISTED = {"domain": "dept.example", "id": ID, "whole": ID, "both": ID}
LISTED |= {"all vendors": f"{ID},{PARTNER}", "partner": f"{ID},{PARTNER}", "half a partner": f"{ID},friend.example"}
WORK = ("login.microsoftonline.com", "login.microsoft.com", "login.windows.net")


def of_squid(name: str) -> dict[str, str]:
    lines = export("squid_opening", name).files["proscribe.conf"].decode().splitlines()
    if name in LISTED:  # what a client says is lost, also where nothing takes its place
        assert "request_header_access Restrict-Access-Context deny all" in lines
    result = (re.fullmatch(r'request_header_add (\S+) "(\S+)" proscribe_tenants_\d', line) for line in lines)
    return {item[1]: item[2] for item in result if item}


def of_entra(name: str) -> dict[str, str]:
    rows = json.loads(export("entra_tenant_restrictions", name).files["headers.json"])
    return {item["name"]: item["value"] for row in rows for item in row["headers"]}


def of_browser(point: str, name: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for rule in BROWSERS[point](name)["microsoft_edge"].get(HEADERS, ()):
        headers.update((item["name"], item["value"]) for item in rule["headers"])
        assert tuple(rule["patterns"]) in (WORK, ("login.live.com",))
    return headers


NOTHING = [("entra_tenant_restrictions", name) for name in ("none", "google")]
WITH_HEADERS = answered(*BROWSERS, "squid_opening", "entra_tenant_restrictions")


@pytest.mark.slow
@pytest.mark.parametrize(("point", "name"), [item for item in WITH_HEADERS if item not in NOTHING])
def test_the_context_is_the_id_of_the_own_tenant_or_not_there(point, name):
    made = {"squid_opening": of_squid, "entra_tenant_restrictions": of_entra}
    headers = made[point](name) if point in made else of_browser(point, name)
    assert headers.get("Restrict-Access-Context") == CONTEXTS.get(name)
    assert headers.get("Restrict-Access-To-Tenants") == LISTED.get(name)
    assert headers.get("sec-Restrict-Tenant-Access-Policy") == ("restrict-msa" if name in LISTED else None)
    if point in EXPORT_FORMATS and name == "domain":
        (left_out,) = (item for item in export(point, name).left_out if "Restrict-Access-Context" in item.subject)
        assert "proscribe_tenants.microsoft" in left_out.reason and "'dept.example'" in left_out.reason


# -- the programs that take ids only
@pytest.mark.parametrize("point", ["gpo", "mobileconfig", "intune", "chrome_enterprise"])
def test_where_the_domains_of_a_tenant_are_not_named_an_export_says_what_stays_open_in_edge(point):
    (left_out,) = (item for item in export(point, "id").left_out if item.rule == "browser/sign-in")
    assert left_out.subject == "Microsoft Edge: which accounts sign in"
    assert all(text in left_out.reason for text in ("proscribe_tenants.microsoft", f"'{ID}'", "domains"))
    assert not [item for item in export(point, "whole").left_out if item.rule == "browser/sign-in"]


def test_programs_that_need_no_id_are_exported_without_one():
    """Where the private editions of OneDrive and Teams are permitted, nothing of them is managed."""
    read = read_restrictions({"proscribe_categories": ["webmail"], "proscribe_tenants": TENANTS["domain"]}, str)
    plan = compile_plan(own(), read, (), NOW.date())
    for point in ("gpo", "mobileconfig", "intune"):
        item = EXPORT_FORMATS[point]
        assert item.render_export(decision.make_decision({"fin01": plan}, NOW, "", item.controls)).files


# -- several vendors at once: what each place gets, in the form that each vendor takes
GUIDS, HOSTS = f"{ID},{PARTNER}", "b.corp.example,corp.example"
EDGE_ACCOUNTS = ("x@dept.example", "X@HK.dept.example", "x@friend.example")
CHROME_ACCOUNTS = ("x@corp.example", "x@b.corp.example")
NOBODY = ("x@gmail.com", "x@outlook.com", "x@dept.example.evil.example", f"x@{ID}")


@pytest.mark.slow
@pytest.mark.parametrize("point", BROWSERS)
def test_browsers_get_the_tenants_of_all_vendors_each_in_its_form(point):
    policies = BROWSERS[point]("all vendors")
    for id_, accounts in (("google_chrome", CHROME_ACCOUNTS), ("microsoft_edge", EDGE_ACCOUNTS)):
        assert policies[id_]["AllowedDomainsForApps"] == HOSTS
        pattern = policies[id_]["RestrictSigninToPattern"]
        assert [bool(re.fullmatch(pattern, account)) for account in (*accounts, *NOBODY)] == [True] * len(accounts) + [
            False
        ] * len(NOBODY)
        (work, private) = policies[id_][HEADERS]
        assert {item["name"]: item["value"] for item in work["headers"]} == {
            "Restrict-Access-To-Tenants": GUIDS,
            "Restrict-Access-Context": ID,
        }
        assert [item["value"] for item in private["headers"]] == ["restrict-msa"]


def entries_of(part: str) -> dict[tuple[str, str], object]:
    files = export("gpo", "all vendors").files
    (content,) = (text for path, text in files.items() if path.startswith("sysvol/") and f"{part}/Reg" in path)
    return {
        (entry.key.rpartition("Policies\\")[2], entry.value_name): decode_entry(entry)
        for entry in parse_entries(content)
    }


@pytest.mark.slow
def test_programs_get_the_tenants_of_all_vendors_each_in_its_form():
    machine, user = entries_of("Machine"), entries_of("User")
    onedrive, teams = "Microsoft\\OneDrive\\AllowTenantList", "RestrictTeamsSignInToAccountsFromTenantList"
    assert {value for (key, _), value in machine.items() if key == onedrive} == {ID, PARTNER}
    assert user["Microsoft\\Office\\16.0\\Teams", teams] == GUIDS
    drive = str(machine["Google\\DriveFS", "AllowedAccountsPattern"])
    assert all(re.fullmatch(drive, account) for account in CHROME_ACCOUNTS)
    assert not any(re.fullmatch(drive, account) for account in NOBODY)
    for payloads in (
        profile(export("mobileconfig", "all vendors").files["browsers.mobileconfig"]),
        profile(base64.b64decode(json.loads(export("intune", "all vendors").files["macos_browsers.json"])["payload"])),
    ):
        assert payloads["com.microsoft.OneDrive"]["AllowTenantList"] == {ID: True, PARTNER: True}
        assert payloads["com.microsoft.teams2"][teams] == GUIDS
        assert payloads["com.google.drivefs.settings"]["AllowedAccountsPattern"] == drive
    accounts = export("intune", "all vendors").files["windows_accounts.json"].decode()
    assert f'"{GUIDS}"' in accounts and "corp.example" not in accounts and "dept.example" not in accounts


@pytest.mark.slow
def test_headers_of_proxies_have_the_tenants_of_all_vendors_each_in_its_form():
    work = {"Restrict-Access-To-Tenants": GUIDS, "Restrict-Access-Context": ID}
    work["sec-Restrict-Tenant-Access-Policy"] = "restrict-msa"
    google = {"X-GoogApps-Allowed-Domains": "corp.example,b.corp.example"}
    assert of_squid("all vendors") == {**google, **work}
    assert of_entra("all vendors") == work
    partner = json.loads(export("entra_tenant_restrictions", "all vendors").files["partner_1.json"])
    assert partner["body"]["tenantId"] == PARTNER


# -- the table itself
OF_GOOGLE, OF_MICROSOFT = (tenants.Tenant(domains=("a.example",)),), (tenants.Tenant(ID, ("b.example",)),)


@pytest.mark.parametrize("setting", tenants.TENANT_SETTINGS)
def test_each_setting_takes_what_its_row_says(setting):
    own = {"google": OF_GOOGLE, "microsoft": OF_MICROSOFT}[setting.provider]
    partner = tenants.Tenant(PARTNER, ("friend.example",))
    values = setting.select_values((*own, partner))
    assert (
        values
        == {
            ("ids",): (ID, PARTNER),
            ("ids", "domains"): (ID, PARTNER),
            ("domains",): (*own[0].domains, "friend.example"),
        }[setting.kinds][: None if setting.takes_many else 1]
    )
    assert setting.source.startswith("https://") and not setting.explain_wrong_value((*own, partner))
    wrong = tenants.Tenant(id="b.example", domains=(PARTNER,))
    assert f"proscribe_tenants.{setting.provider}: found " in setting.explain_wrong_value([wrong])
    lacking = tenants.Tenant(domains=("c.example",)) if setting.kinds == ("ids",) else tenants.Tenant(PARTNER)
    if len(setting.kinds) == 1:
        with pytest.raises(ValueError, match=f"proscribe_tenants.{setting.provider} has .* takes (ids|domains)"):
            setting.select_values([lacking])
    assert setting.select_values([]) == ()


def test_programs_have_the_names_of_the_table():
    names = (tenants.ONEDRIVE_TENANTS.name, tenants.TEAMS_SIGN_IN.name, tenants.DRIVE_ACCOUNTS.name)
    assert names == (
        account_restrictions.ALLOWED_TENANTS,
        account_restrictions.SIGN_IN_TENANTS,
        account_restrictions.ACCOUNTS_PATTERN,
    )


def test_no_setting_is_twice_in_the_table():
    names = [(setting.name, setting.reader) for setting in tenants.TENANT_SETTINGS]
    assert len(names) == len(set(names)) and {setting.provider for setting in tenants.TENANT_SETTINGS} == {
        *tenants.PROVIDERS
    }
