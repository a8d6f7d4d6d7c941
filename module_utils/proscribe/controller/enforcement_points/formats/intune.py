"""Microsoft Intune: what its API (Microsoft Graph) takes, one request body a file.

- `macos_browsers.json`: the configuration profile of `mobileconfig`, as a macOSCustomConfiguration.
- `macos_restricted_apps.json`: the bundle ids, as the list of a macOSGeneralDeviceConfiguration. Intune reports Macs
  that have one of them; it stops none.
- `windows_accounts.json`: which accounts OneDrive and Teams take, as policies of the settings catalogue.
- `windows_chrome.json`, `windows_edge.json`: sites and extensions as policies of the settings catalogue. Its names of
  settings are taken from policies that administrators have exported. The names of other settings are not published, so
  these are left out, and Group Policy has them.

https://learn.microsoft.com/graph/api/resources/intune-deviceconfig-macoscustomconfiguration
https://learn.microsoft.com/graph/api/resources/intune-deviceconfigv2-devicemanagementconfigurationpolicy (beta)
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping

from ....host.controls.browser import chromium
from ....host.controls.group_policy import accounts, policies
from .. import apple
from ..browsers import CONTROL, accounts_left_out, blocks, included, left_out
from ..declaration import HTTPS, Decision, Format, LeftOut, NotExportable, Rendered
from ..group_policy.identity import display_name
from ..header import header, json_file

Body = dict[str, object]  # of a request, or a part of one
GRAPH = "#microsoft.graph."
CATALOGUE = GRAPH + "deviceManagementConfiguration"
# By browser: the file, and the names of its settings of the machine up to that of a setting.
WINDOWS = {
    "google_chrome": ("windows_chrome.json", "device_vendor_msft_policy_config_chromeintunev1~policy~googlechrome"),
    "microsoft_edge": ("windows_edge.json", "device_vendor_msft_policy_config_microsoft_edge~policy~microsoft_edge"),
}
LISTS = {
    chromium.BLOCK_LIST: "",
    chromium.ALLOW_LIST: "",
    chromium.EXTENSION_BLOCK_LIST: "~extensions",
    chromium.EXTENSION_ALLOW_LIST: "~extensions",
}
# Of the programs that serve both kinds of account. Drive for desktop is not in Intune's catalogue of settings.
_ONEDRIVE = "vendor_msft_policy_config_onedrivengscv2~policy~onedrivengsc"
NO_PRIVATE = f"user_{_ONEDRIVE}_{accounts.NO_PRIVATE.lower()}"
TENANTS = f"device_{_ONEDRIVE}_{accounts.TENANTS.lower()}"
SIGN_IN = "user_vendor_msft_policy_config_teamsv3~policy~l_teams_string_teams_signinrestriction_policy"
MOST_APPS = 10_000  # of a list of apps, in Graph


def render(decision: Decision) -> Rendered:
    """The request bodies."""
    files: dict[str, Body] = {}
    rules: list[str] = []
    missing: list[LeftOut] = []
    if CONTROL in decision.plan["controls"]:
        if profile := apple.browsers(decision):
            files["macos_browsers.json"] = _custom(decision, profile)
            rules += included(decision)
            missing += left_out(decision, "macOS")
        for program, said in policies.of_programs(decision.plan).items():
            if program.id in WINDOWS and (settings := list(_settings(program, said))):
                files[WINDOWS[program.id][0]] = _catalogue(decision, program.name, settings)
        missing += [*_left_out(policies.of_programs(decision.plan)), *accounts_left_out(decision)]
        if settings := list(_of_accounts(accounts.of_programs(decision.plan))):
            files["windows_accounts.json"] = _catalogue(decision, "accounts of programs", settings)
        missing += [
            LeftOut("", f"{one.name} on Windows: accounts", "Intune has no published name of it; gpo has it.")
            for one in accounts.of_programs(decision.plan)
            if accounts.PATTERN in one.preferences
        ]
    if "apps" in decision.plan["controls"]:
        if ids := apple.bundle_ids(decision):
            files["macos_restricted_apps.json"] = _restricted(decision, ids)
            missing += [LeftOut(f"apps/{id_}", "the programs", "Intune reports them, and stops none.") for id_ in ids]
        missing += apple.without_bundle_id(decision)
    if not files:
        raise NotExportable("nothing to export: the plan has no policy for a browser, and no program of macOS")
    content = {name: json_file(one, sort_keys=True) for name, one in files.items()}
    return Rendered(content, rules, missing)


def _left_out(found: Mapping[policies.Program, Mapping[str, object]]) -> Iterator[LeftOut]:
    for program, said in found.items():
        if program.id not in WINDOWS:
            yield LeftOut(
                "", f"{program.name} on Windows", "Intune has no published name of its settings; gpo has them."
            )
        elif rest := sorted(set(said) - set(LISTS)):
            why = f"Intune has no published name of {', '.join(rest)}; gpo has them."
            yield LeftOut("", f"{program.name} on Windows: bypasses", why)


def _custom(decision: Decision, profile: bytes) -> Body:
    return {
        "@odata.type": GRAPH + "macOSCustomConfiguration",
        "displayName": f"{display_name(decision)}: browsers on macOS",
        "description": " ".join(header(decision, "intune")),
        "payloadName": f"{display_name(decision)}: browsers",
        "payloadFileName": "browsers.mobileconfig",
        "payload": base64.b64encode(profile).decode("ascii"),
    }


def _restricted(decision: Decision, ids: Mapping[str, list[str]]) -> Body:
    services = decision.plan["controls"]["apps"]["services"]
    apps = [
        {"@odata.type": GRAPH + "appListItem", "name": services[id_]["name"], "appId": one}
        for id_, those in ids.items()
        for one in those
    ]
    if len(apps) > MOST_APPS:
        raise NotExportable(f"{len(apps)} programs, but a list of Intune's has at most {MOST_APPS}")
    return {
        "@odata.type": GRAPH + "macOSGeneralDeviceConfiguration",
        "displayName": f"{display_name(decision)}: restricted programs on macOS",
        "description": " ".join(header(decision, "intune")),
        "compliantAppListType": "appsNotInListCompliant",
        "compliantAppsList": apps,
    }


def _catalogue(decision: Decision, name: str, settings: list[Body]) -> Body:
    return {
        "name": f"{display_name(decision)}: {name} on Windows",
        "description": " ".join(header(decision, "intune")),
        "platforms": "windows10",
        "technologies": "mdm",
        "roleScopeTagIds": ["0"],
        "settings": settings,
    }


def _settings(program: policies.Program, said: Mapping[str, object]) -> Iterator[Body]:
    for name, category in LISTS.items():
        if isinstance(values := said.get(name), list) and values:
            setting = f"{WINDOWS[program.id][1]}{category}_{name.lower()}"
            yield _enabled(setting, _values(f"{setting}_{name.lower()}desc", values))


def _of_accounts(found: Iterable[accounts.Accounts]) -> Iterator[Body]:
    for one in found:
        if accounts.NO_PRIVATE in one.preferences:
            yield _enabled(NO_PRIVATE)
        if tenants := one.preferences.get(accounts.TENANTS):
            yield _enabled(TENANTS, _values(f"{TENANTS}_allowtenantlistbox", list(tenants)))
        if listed := one.preferences.get(accounts.SIGN_IN):
            value = {"@odata.type": CATALOGUE + "StringSettingValue", "value": listed}
            instance: Body = {
                "@odata.type": CATALOGUE + "SimpleSettingInstance",
                "settingDefinitionId": f"{SIGN_IN}_{accounts.SIGN_IN.lower()}",
                "simpleSettingValue": value,
            }
            yield _enabled(SIGN_IN, instance)


def _enabled(setting: str, *children: Body) -> Body:
    return {
        "@odata.type": CATALOGUE + "Setting",
        "settingInstance": {
            "@odata.type": CATALOGUE + "ChoiceSettingInstance",
            "settingDefinitionId": setting,
            "choiceSettingValue": {
                "@odata.type": CATALOGUE + "ChoiceSettingValue",
                "value": f"{setting}_1",
                "children": list(children),
            },
        },
    }


def _values(setting: str, values: list[str]) -> Body:
    return {
        "@odata.type": CATALOGUE + "SimpleSettingCollectionInstance",
        "settingDefinitionId": setting,
        "simpleSettingCollectionValue": [
            {"@odata.type": CATALOGUE + "StringSettingValue", "value": one} for one in values
        ],
    }


FORMAT = Format(
    name="intune",
    meant_for="Microsoft Intune: browsers on macOS, sites and extensions of Chrome and Edge on Windows",
    controls=(CONTROL, "apps"),
    render=render,
    accepted_by="nothing that can be run here; the form is Microsoft Graph's documentation",
    main="macos_browsers.json, macos_restricted_apps.json, windows_{accounts,chrome,edge}.json",
    blocks=blocks,
    paths=HTTPS,
)
