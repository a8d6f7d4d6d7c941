"""Settings of Intune's catalogue: each id, kind and value is one that Microsoft Graph lists."""

import json
from pathlib import Path

import pytest
from made_export import decision, plan
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.controller.enforcement_points.format_declaration import ExportError
from proscribe.controller.enforcement_points.intune_settings import (
    CATALOGUE_BROWSERS,
    CHOICE,
    LIST,
    MAX_LISTED,
    MAX_LISTED_LENGTH,
    MAX_TEXT_LENGTH,
    SWITCH,
    TEXT,
    make_browser_setting,
)
from proscribe.host.controls.browser.browser_settings import SETTINGS
from proscribe.model.plan import add_digest

DEFINITIONS = Path(__file__).parents[3] / "catalog/intune_definitions.txt"
GRAPH_KINDS = {"choice": "ChoiceSetting", "text": "SimpleSetting", "list": "SimpleSettingCollection"}


def read_definitions():
    """Return the kind of each setting, and its options or limits, by id."""
    parent, kinds, values = "", {}, {}
    for line in DEFINITIONS.read_text().splitlines():
        if not line.startswith("#"):
            id_, kind, limits = line.split()
            id_ = id_.replace("^", parent).replace("~/", "device_vendor_msft_policy_config_")
            parent = parent if line.startswith(" ") else id_
            kinds[id_], values[id_] = GRAPH_KINDS[kind], limits.split(",")
    return kinds, values


KINDS, VALUES = read_definitions()
POLICIES = [(browser, policy) for browser, item in CATALOGUE_BROWSERS.items() for policy in item.settings]
SAMPLES = {SWITCH: [True, False], TEXT: ["x", {"a": "b"}], LIST: [["x", "y"]]}
OWN = "2fd6bb84-ad40-4ec5-9369-a215b25c9952"


def check(instance):
    """Check an instance of a setting, and those below it, against the definitions. Return their values."""
    id_ = instance["settingDefinitionId"]
    assert instance["@odata.type"] == f"#microsoft.graph.deviceManagementConfiguration{KINDS[id_]}Instance"
    if "choiceSettingValue" in instance:
        choice = instance["choiceSettingValue"]
        assert choice["value"].removeprefix(f"{id_}_") in VALUES[id_], choice["value"]
        return [choice["value"], *(value for child in choice["children"] for value in check(child))]
    items = instance.get("simpleSettingCollectionValue", [instance.get("simpleSettingValue")])
    assert all(len(item["value"]) <= int(VALUES[id_][0]) for item in items)
    return [item["value"] for item in items]


@pytest.mark.parametrize(("browser", "policy"), POLICIES)
def test_each_policy_has_a_name_and_a_form_that_graph_lists(browser, policy):
    item = CATALOGUE_BROWSERS[browser]
    row = item.settings[policy]
    for value in row.values if row.kind == CHOICE else SAMPLES[row.kind]:
        values = check(make_browser_setting(item, policy, value)["settingInstance"])
        assert values[0].endswith("_0" if value is False else "_1")
        if row.kind == CHOICE:
            assert values[1].endswith(f"_{policy.lower()}_{value}")
        elif row.kind != SWITCH:
            assert values[1:] == (['{"a":"b"}'] if isinstance(value, dict) else list(value))


CHROME = CATALOGUE_BROWSERS["google_chrome"]


@pytest.mark.parametrize(
    ("policy", "value", "words"),
    [
        ("DnsOverHttpsMode", "of", "DnsOverHttpsMode is 'of', expected one of off, automatic, secure"),
        ("IncognitoModeAvailability", 3, "expected one of 0, 1, 2"),
        ("URLBlocklist", ["x"] * (MAX_LISTED + 1), "URLBlocklist has 1,001 entries"),
        ("URLBlocklist", ["x" * (MAX_LISTED_LENGTH + 1)], "no text of at most 2,048 characters"),
        ("URLBlocklist", [7], "no text of at most 2,048 characters"),
        ("AllowedDomainsForApps", "x" * (MAX_TEXT_LENGTH + 1), "no text of at most 1,000,000 characters"),
    ],
)
def test_a_value_that_the_catalogue_does_not_take_is_refused(policy, value, words):
    with pytest.raises(ExportError, match=words):
        make_browser_setting(CHROME, policy, value)


def export(tenants=(OWN,)):
    made = plan()
    services = made["controls"]["browser"]["services"]
    for id_ in ("onedrive_personal", "teams_personal"):
        services[id_] = {"mode": "enforce", "domains": [], "urls": [], "allow": []}
    settings = {"tenants": {"google": ["b.example"], "microsoft": list(tenants)}}
    made["controls"]["browser"]["settings"] |= {**settings, "browsers": dict.fromkeys(SETTINGS, "blocked")}
    return EXPORT_FORMATS["intune"].render_export(decision(add_digest(made)))


def test_an_export_of_every_setting_has_only_what_graph_lists_and_names_the_others():
    made = export()
    names = {"windows_accounts.json", "windows_chrome.json", "windows_edge.json"}
    files = {name: json.loads(made.files[name]) for name in names}
    values = {name: [check(item["settingInstance"]) for item in file["settings"]] for name, file in files.items()}
    chrome = [entry for entries in values["windows_chrome.json"] for entry in entries]
    edge = [entry for entries in values["windows_edge.json"] for entry in entries]
    for entries in (chrome, edge):
        assert any(entry.endswith("_dnsoverhttpsmode_dnsoverhttpsmode_off") for entry in entries)
        assert any(entry.endswith("_browserguestmodeenabled_0") for entry in entries)
        assert any('"blocked_permissions":["proxy"' in entry.replace(" ", "") for entry in entries)
    assert any(entry.endswith("_incognitomodeavailability_incognitomodeavailability_1") for entry in chrome)
    assert any(entry.endswith("_inprivatemodeavailability_inprivatemodeavailability_1") for entry in edge)
    reasons = {item.subject: item.reason for item in made.left_out if item.subject.endswith("on Windows: settings")}
    assert reasons == {
        "Google Chrome on Windows: settings": "Intune has no published name of HttpHeaderInjection, "
        "WebAppInstallByUserEnabled; the browser's scripts have them.",
        "Microsoft Edge on Windows: settings": "Intune has no published name of HttpHeaderInjection, "
        "PolicyDictionaryMultipleSourceMergeList, PolicyListMultipleSourceMergeList; the browser's scripts have them.",
    }


def test_more_tenants_than_teams_takes_in_intune_are_refused():
    ids = [f"{number:08x}{OWN[8:]}" for number in range(28)]
    assert export(ids[:27]).files["windows_accounts.json"]
    with pytest.raises(ExportError, match="RestrictTeamsSignInToAccountsFromTenantList has a value that is no text"):
        export(ids)
