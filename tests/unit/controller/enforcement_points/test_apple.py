"""What Macs and the management of devices get: a profile, declarations, and request bodies for Intune and Google."""

from __future__ import annotations

import base64
import copy
import json
import plistlib
import uuid
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import AT, decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import NotExportable, Rendered
from proscribe.controller.enforcement_points.formats import chrome_enterprise, ddm, gpo, intune, mobileconfig
from proscribe.controller.enforcement_points.group_policy.identity import display_name
from proscribe.host.controls.group_policy.policies import of_programs

APPS = {
    "chat": {"mode": "enforce", "bundle_ids": ["com.example.chat", "com.example.Chat_2"]},
    "mail": {"mode": "audit", "bundle_ids": ["com.example.mail"]},
    "waived": {"mode": "waived", "waiver": "W-1", "bundle_ids": ["com.example.waived"]},
    "seen": {"mode": "report", "bundle_ids": ["com.example.seen"]},
    "linux": {"mode": "enforce"},
}
VPN = {"vpn": {"mode": "enforce", "extensions": {"chrome": ["a" * 32], "firefox": ["v@v.example"]}}}


def made(**top: Any) -> dict[str, Any]:
    found = copy.deepcopy(plan({"apps": APPS, "browser": VPN}, **top))
    found["controls"]["browser"]["settings"]["browsers"] = {"extensions": "blocked", "dns_over_https": "blocked"}
    found["controls"]["browser"]["settings"]["tenants"] = {"google": ["corp.example"]}
    found["controls"]["browser"]["by_tenant"] = ["google_drive"]
    return found


def document(rendered: Rendered, name: str) -> Any:
    return json.loads(rendered.files[name])


def profile(**changes: Any) -> dict[str, Any]:
    rendered = mobileconfig.render(decision(made())._replace(**changes))
    found = plistlib.loads(rendered.files["browsers.mobileconfig"], fmt=plistlib.FMT_XML)
    assert isinstance(found, dict)
    return found


def test_a_profile_has_a_payload_for_the_domain_of_each_browser_with_its_policies() -> None:
    found = profile()
    said = of_programs(made())
    assert [one["PayloadType"] for one in found["PayloadContent"]] == [
        "com.google.Chrome",
        "com.microsoft.Edge",
        "com.brave.Browser",
        "org.chromium.Chromium",
        "org.mozilla.firefox",
        "org.mozilla.thunderbird",
        "com.google.drivefs.settings",  # beside the browsers: the accounts of a program that serves both
    ]
    for program, payload in zip(said, found["PayloadContent"]):
        own = {name: value for name, value in payload.items() if not name.startswith("Payload")}
        assert own.pop("EnterprisePoliciesEnabled", None) is (None if program.family == "chromium" else True)
        assert own == said[program]
        assert payload["PayloadVersion"] == 1
    assert found["PayloadType"] == "Configuration"
    assert found["PayloadScope"] == "System"
    assert found["PayloadRemovalDisallowed"] is True


def test_the_next_profile_replaces_this_one_and_differs_where_the_plan_does() -> None:
    first, again, other, group = profile(), profile(at=AT), profile(digest="sha256:" + "0" * 64), profile(group="x")

    def named(one: dict[str, Any]) -> list[str]:
        return [one["PayloadIdentifier"], *(inner["PayloadIdentifier"] for inner in one["PayloadContent"])]

    def uuids(one: dict[str, Any]) -> list[str]:
        return [one["PayloadUUID"], *(inner["PayloadUUID"] for inner in one["PayloadContent"])]

    assert first == again
    assert named(first) == named(other)
    assert not set(named(first)) & set(named(group))
    assert not set(uuids(first)) & set(uuids(other))
    assert len({uuid.UUID(one) for one in uuids(first)}) == 8


def test_programs_are_a_list_beside_the_profile_which_cannot_deny_them() -> None:
    rendered = mobileconfig.render(decision(made()))
    assert document(rendered, "restricted_bundle_ids.json")["bundle_ids"] == {
        "chat": ["com.example.Chat_2", "com.example.chat"],
        "mail": ["com.example.mail"],
    }
    assert {one.rule for one in rendered.left_out if "A profile cannot" in one.why} == {"apps/chat", "apps/mail"}
    assert {one.rule for one in rendered.left_out if "no identifier" in one.why} == {"apps/linux"}
    assert not any(rule.startswith("apps/") for rule in rendered.included)


def test_a_declaration_denies_binaries_by_their_signing_identifier_as_apples_schema_has_it() -> None:
    """As alr-single-rule-signing-id-base-denylist-only.json has it among the examples of apple/device-management.
    DeniedApps is for iOS: a Mac would ignore it.
    """
    rendered = ddm.render(decision(made()))
    declaration, activation = document(rendered, "app_settings.json"), document(rendered, "activation.json")
    assert declaration["Type"] == "com.apple.configuration.app.settings"
    assert declaration["Payload"] == {
        "Allowed": {
            "DeniedBinaries": [
                {"SigningID": "com.example.Chat_2"},
                {"SigningID": "com.example.chat"},
                {"SigningID": "com.example.mail"},
            ]
        }
    }
    assert activation["Type"] == "com.apple.activation.simple"
    assert activation["Payload"] == {"StandardConfigurations": [declaration["Identifier"]]}
    assert list(rendered.included) == ["apps/chat", "apps/mail"]
    later = document(ddm.render(decision(made(contact="Help desk"))), "app_settings.json")
    assert later["Identifier"] == declaration["Identifier"]
    assert later["ServerToken"] != declaration["ServerToken"]


def test_without_a_known_program_there_is_no_declaration() -> None:
    with pytest.raises(NotExportable, match="nothing to export"):
        ddm.render(decision(plan()))


def test_chrome_gets_the_policies_of_hosts_and_googles_api_the_lists_of_sites() -> None:
    rendered = chrome_enterprise.render(decision(made()))
    assert list(rendered.files) == [
        "google_chrome.json",
        "microsoft_edge.json",
        "brave.json",
        "chromium.json",
        "chrome_policy_api.json",
    ]
    for program, said in of_programs(made()).items():
        if program.family == "chromium":
            assert document(rendered, f"{program.id}.json") == said
    (request,) = document(rendered, "chrome_policy_api.json")["requests"]
    assert request == {
        "policyTargetKey": {"targetResource": "orgunits/ORGANISATIONAL_UNIT_ID"},
        "policyValue": {
            "policySchema": "chrome.users.UrlBlocking",
            "value": {
                "urlBlocklist": ["bad.help.chat.example", "chat.example", "mail.example", "www.corp.example/drive"],
                "urlAllowlist": ["help.chat.example"],
            },
        },
        "updateMask": "urlBlocklist,urlAllowlist",
    }


def test_intune_gets_the_profile_the_programs_and_the_lists_of_two_browsers() -> None:
    rendered = intune.render(decision(made()))
    custom = document(rendered, "macos_browsers.json")
    assert custom["@odata.type"] == "#microsoft.graph.macOSCustomConfiguration"
    assert base64.b64decode(custom["payload"]) == mobileconfig.render(decision(made())).files["browsers.mobileconfig"]
    restricted = document(rendered, "macos_restricted_apps.json")
    assert restricted["@odata.type"] == "#microsoft.graph.macOSGeneralDeviceConfiguration"
    assert {one["@odata.type"] for one in restricted["compliantAppsList"]} == {"#microsoft.graph.appListItem"}
    assert restricted["compliantAppListType"] == "appsNotInListCompliant"
    assert [(one["name"], one["appId"]) for one in restricted["compliantAppsList"]] == [
        ("Chat", "com.example.Chat_2"),
        ("Chat", "com.example.chat"),
        ("Mail", "com.example.mail"),
    ]
    blocklist = document(rendered, "windows_chrome.json")["settings"][0]["settingInstance"]
    chrome = "device_vendor_msft_policy_config_chromeintunev1~policy~googlechrome"
    assert blocklist["settingDefinitionId"] == f"{chrome}_urlblocklist"
    assert blocklist["choiceSettingValue"]["value"] == f"{chrome}_urlblocklist_1"
    (values,) = blocklist["choiceSettingValue"]["children"]
    assert values["settingDefinitionId"] == f"{chrome}_urlblocklist_urlblocklistdesc"
    assert [one["value"] for one in values["simpleSettingCollectionValue"]][:2] == [
        "bad.help.chat.example",
        "chat.example",
    ]
    for file, browser in (("windows_chrome.json", "Google Chrome"), ("windows_edge.json", "Microsoft Edge")):
        policy = {key: value for key, value in document(rendered, file).items() if key != "settings"}
        assert decision(made()).digest in policy.pop("description")
        assert policy == {
            "name": f"{display_name(decision(made()))}: {browser} on Windows",  # else an administrator sees two alike
            "platforms": "windows10",
            "technologies": "mdm",
            "roleScopeTagIds": ["0"],
        }
    edge = document(rendered, "windows_edge.json")["settings"]
    assert [one["settingInstance"]["settingDefinitionId"].rpartition("microsoft_edge")[2] for one in edge] == [
        "_urlblocklist",
        "_urlallowlist",
        "~extensions_extensioninstallblocklist",
    ]
    why = {one.what: one.why for one in rendered.left_out}
    assert "DnsOverHttpsMode" in why["Google Chrome on Windows: bypasses"]
    assert "Firefox on Windows" in why


def typed(kind: str, **fields: object) -> dict[str, object]:
    return {"@odata.type": f"#microsoft.graph.deviceManagementConfiguration{kind}", **fields}


def chosen(setting: str, *children: dict[str, object]) -> dict[str, object]:
    value = typed("ChoiceSettingValue", value=f"{setting}_1", children=[*children])
    instance = typed("ChoiceSettingInstance", settingDefinitionId=setting, choiceSettingValue=value)
    return typed("Setting", settingInstance=instance)


ONE, OTHER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "72f988bf-86f1-41af-91ab-2d7cd011db47"


def test_intune_gets_which_accounts_programs_let_in() -> None:
    private = {id_: {"mode": "enforce", "domains": []} for id_ in ("onedrive_personal", "teams_personal")}
    one = plan({"browser": {id_: {"urls": [], "allow": [], **entry} for id_, entry in private.items()}})
    one["controls"]["browser"]["settings"]["tenants"] = {"microsoft": [ONE, OTHER]}
    drive = "vendor_msft_policy_config_onedrivengscv2~policy~onedrivengsc"
    teams = "user_vendor_msft_policy_config_teamsv3~policy~l_teams_string_teams_signinrestriction_policy"
    assert document(intune.render(decision(one)), "windows_accounts.json")["settings"] == [
        chosen(f"user_{drive}_disablepersonalsync"),
        chosen(
            f"device_{drive}_allowtenantlist",
            typed(
                "SimpleSettingCollectionInstance",
                settingDefinitionId=f"device_{drive}_allowtenantlist_allowtenantlistbox",
                simpleSettingCollectionValue=[typed("StringSettingValue", value=tenant) for tenant in (ONE, OTHER)],
            ),
        ),
        chosen(
            teams,
            typed(
                "SimpleSettingInstance",
                settingDefinitionId=f"{teams}_restrictteamssignintoaccountsfromtenantlist",
                simpleSettingValue=typed("StringSettingValue", value=f"{ONE},{OTHER}"),
            ),
        ),
    ]


TENANTS = {"microsoft": [ONE], "google": ["corp.example"]}
CHATS = "Teams: chats with people who have private accounts"


@pytest.mark.parametrize("format_", [mobileconfig, intune, gpo])
@pytest.mark.parametrize(
    ("restricted", "tenants", "open_"),
    [
        ([], {}, []),
        (["onedrive_personal"], {}, ["OneDrive: accounts of other organisations"]),
        (["onedrive_personal"], TENANTS, []),
        (["teams_personal"], {}, ["Teams: private accounts, and those of other organisations", CHATS]),
        (["teams_personal"], TENANTS, [CHATS]),  # the tenant's own setting
        (["google_drive"], {}, ["Google Drive for desktop: all accounts"]),
    ],
)
def test_what_programs_for_both_leave_open_is_named(
    format_: Any, restricted: list[str], tenants: dict[str, list[str]], open_: list[str]
) -> None:
    services = {id_: {"mode": "enforce", "domains": [], "urls": [], "allow": []} for id_ in restricted}
    one = plan({"browser": services})
    one["controls"]["browser"]["settings"]["tenants"] = tenants
    found = [one.what for one in format_.render(decision(one)).left_out if ": " in one.what and one.rule]
    assert [one for one in found if one.partition(":")[0] in ("OneDrive", "Teams", "Google Drive for desktop")] == open_


@pytest.mark.parametrize("hostile", ["com.example\n", "a b", "<key>x</key>", "com/../x", '"', "\u202e", "x" * 256, ""])
def test_an_identifier_that_is_more_than_one_is_refused(hostile: str) -> None:
    one = plan({"apps": {"chat": {"mode": "enforce", "bundle_ids": [hostile]}}})
    for format_ in (mobileconfig, ddm, intune):
        with pytest.raises(NotExportable, match="no identifier of a program on macOS"):
            format_.render(decision(one))


@pytest.mark.parametrize("hostile", ["\0", "\x1b", "\ufffe", "\ud800"])
def test_a_text_that_no_profile_can_have_is_refused(hostile: str) -> None:
    with pytest.raises(NotExportable, match="a text that no profile takes"):
        mobileconfig.render(decision(made(request_url="https://corp.example/" + hostile)))


PLAIN = [
    one.tag
    for one in ElementTree.fromstring(
        mobileconfig.render(decision(plan(request_url="https://a.example/"))).files["browsers.mobileconfig"]
    ).iter()
]


@pytest.mark.slow
@examples(10_000)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_text_gets_out_of_its_place_in_a_profile(hostile: str) -> None:
    """The link for requests, the name of a group and that of a release are the texts that come from outside."""
    chosen = decision(plan(request_url="https://a.example/" + hostile))._replace(group=hostile, catalogue=hostile)
    try:
        content = mobileconfig.render(chosen).files["browsers.mobileconfig"]
    except NotExportable:
        assert any(one < " " or one in "\ufffe\uffff" for one in hostile)
        return
    (firefox,) = [
        one for one in plistlib.loads(content)["PayloadContent"] if one["PayloadType"] == "org.mozilla.firefox"
    ]
    url = firefox["SupportMenu"]["URL"]
    one_end = ("https://a.example/" + hostile).replace("\r\n", "\n").replace("\r", "\n")  # as XML has it
    assert url == one_end
    assert [one.tag for one in ElementTree.fromstring(content).iter()] == PLAIN


@pytest.mark.parametrize("format_", [mobileconfig, ddm, intune, chrome_enterprise])
def test_one_plan_gives_one_set_of_bytes_in_whatever_order_it_came(format_: Any) -> None:
    shuffled = made()
    for section in shuffled["controls"].values():
        section["services"] = dict(reversed(section["services"].items()))
    assert format_.render(decision(shuffled)) == format_.render(decision(made()))
