"""Settings of Intune's settings catalogue for Chrome and Edge on Windows: the names, and the form of each value.

The ids of settings are those of Microsoft Graph (deviceManagement/configurationSettings). pl4nty/intune-change-tracking
publishes them in DCv2/Settings, here as of 2026-08-21. A policy without a row has no published setting there.

An id is `device_vendor_msft_policy_config_<template>~policy~<browser><category>_<policy>` in lower case. A switch has
the values `<id>_1` (on) and `<id>_0` (off). Every other policy is a switch that is on, with its value in a child.
"""

from __future__ import annotations

from typing import NamedTuple

from ...host.controls.browser import chromium
from ...host.controls.browser.extension_settings import EXTENSION_SETTINGS
from ...model.plan import format_canonical
from ...model.tenants import ALLOWED_APP_DOMAINS, EDGE_SIGN_IN
from .format_declaration import ExportError

RequestBody = dict[str, object]  # a request body, or a part of it
GRAPH_NAMESPACE = "#microsoft.graph."
CATALOGUE_NAMESPACE = GRAPH_NAMESPACE + "deviceManagementConfiguration"
# Kinds of policies: on or off; a child with a listed value; a child with a text; a child with a list of texts.
SWITCH, CHOICE, TEXT, LIST = "switch", "choice", "text", "list"
_EXTENSIONS, _PROXY, _DEPRECATED = "~extensions", "~proxy", "~deprecatedpolicies"
# Limits of the definitions: most characters of a text and of each text of a list, and most texts of a list.
MAX_TEXT_LENGTH = 1_000_000
MAX_LISTED_LENGTH = 2_048
MAX_TEAMS_LENGTH = 1_023  # of the tenants of Teams
MAX_LISTED = 1_000


class IntuneSetting(NamedTuple):
    """A policy of a browser in the settings catalogue."""

    kind: str
    category: str = ""
    template: str = ""  # template of a later release; "" for the first
    values: tuple[str, ...] = ()  # values of a choice


class CatalogueBrowser(NamedTuple):
    """A browser with settings in the catalogue."""

    file: str  # name of the file of the export
    name: str
    template: str  # template of most of its settings
    settings: dict[str, IntuneSetting]


_NUMBERS = ("0", "1", "2")
_MODES = ("off", "automatic", "secure")
_CHROME_141 = "chromeintunev141"
_COMMON = {
    chromium.BLOCK_LIST: IntuneSetting(LIST),
    chromium.ALLOW_LIST: IntuneSetting(LIST),
    chromium.EXTENSION_BLOCK_LIST: IntuneSetting(LIST, _EXTENSIONS),
    chromium.EXTENSION_ALLOW_LIST: IntuneSetting(LIST, _EXTENSIONS),
    EXTENSION_SETTINGS: IntuneSetting(TEXT, _EXTENSIONS),
    EDGE_SIGN_IN.name: IntuneSetting(TEXT),
    "BrowserGuestModeEnabled": IntuneSetting(SWITCH),
    "BrowserSignin": IntuneSetting(CHOICE, values=_NUMBERS),
    "BuiltInDnsClientEnabled": IntuneSetting(SWITCH),
    "DeveloperToolsAvailability": IntuneSetting(CHOICE, values=_NUMBERS),
    chromium.PREDICTION_POLICY: IntuneSetting(CHOICE, values=_NUMBERS),
    "QuicAllowed": IntuneSetting(SWITCH),
    "SyncDisabled": IntuneSetting(SWITCH),
}
CATALOGUE_BROWSERS = {
    "google_chrome": CatalogueBrowser(
        "windows_chrome.json",
        "googlechrome",
        "chromeintunev1",
        {
            **_COMMON,
            ALLOWED_APP_DOMAINS.name: IntuneSetting(TEXT),
            "DnsOverHttpsMode": IntuneSetting(CHOICE, values=_MODES),
            "DnsOverHttpsTemplates": IntuneSetting(TEXT),
            "EncryptedClientHelloEnabled": IntuneSetting(SWITCH, template=_CHROME_141),
            "ExtensionDeveloperModeSettings": IntuneSetting(CHOICE, _EXTENSIONS, _CHROME_141, ("0", "1")),
            "ExtensionInstallTypeBlocklist": IntuneSetting(LIST, _EXTENSIONS, _CHROME_141),
            "IncognitoModeAvailability": IntuneSetting(CHOICE, values=_NUMBERS),
            chromium.MERGE_LISTS: IntuneSetting(LIST),
            chromium.MERGE_DICTIONARIES: IntuneSetting(LIST),
            "ProxyMode": IntuneSetting(CHOICE, _DEPRECATED, values=("direct", "system")),
            "RemoteDebuggingAllowed": IntuneSetting(SWITCH),
        },
    ),
    "microsoft_edge": CatalogueBrowser(
        "windows_edge.json",
        "microsoft_edge",
        "microsoft_edge",
        {
            **_COMMON,
            ALLOWED_APP_DOMAINS.name: IntuneSetting(TEXT, template="microsoft_edgev104"),
            "DnsOverHttpsMode": IntuneSetting(CHOICE, template="microsoft_edgev83diff", values=_MODES),
            "DnsOverHttpsTemplates": IntuneSetting(TEXT, template="microsoft_edgev83diff"),
            "EncryptedClientHelloEnabled": IntuneSetting(SWITCH, template="microsoft_edgev108"),
            "ExtensionDeveloperModeSettings": IntuneSetting(CHOICE, _EXTENSIONS, "microsoft_edgev128", ("0", "1")),
            "ExtensionInstallTypeBlocklist": IntuneSetting(LIST, _EXTENSIONS, "microsoft_edgev123"),
            "InPrivateModeAvailability": IntuneSetting(CHOICE, values=_NUMBERS),
            "ProxyMode": IntuneSetting(CHOICE, _PROXY, values=("direct", "system")),
            "RemoteDebuggingAllowed": IntuneSetting(SWITCH, template="microsoft_edgev93"),
            "WebAppInstallByUserEnabled": IntuneSetting(SWITCH, template="microsoft_edgev145"),
        },
    ),
}


def make_browser_setting(browser: CatalogueBrowser, policy: str, policy_value: object) -> RequestBody:
    """Return the setting of the catalogue for a policy. Raises ExportError for a value that the setting cannot have."""
    row = browser.settings[policy]
    template = row.template or browser.template
    id_ = f"device_vendor_msft_policy_config_{template}~policy~{browser.name}{row.category}_{policy.lower()}"
    child = f"{id_}_{policy.lower()}"
    if row.kind == SWITCH:
        return make_switch(id_, is_on=bool(policy_value))
    if isinstance(policy_value, list):
        texts = [check_text(policy, text, MAX_LISTED_LENGTH) for text in policy_value]
        if len(texts) > MAX_LISTED:
            raise ExportError(f"{policy} has {len(texts):,} entries, but a list of Intune's has at most {MAX_LISTED:,}")
        return make_switch(id_, make_text_list(f"{child}desc", texts))
    if row.kind == TEXT:
        text = policy_value if isinstance(policy_value, str) else format_canonical(policy_value)
        return make_switch(id_, make_text(child, check_text(policy, text, MAX_TEXT_LENGTH)))
    if str(policy_value) not in row.values:
        raise ExportError(f"{policy} is {policy_value!r}, expected one of {', '.join(row.values)}")
    return make_switch(id_, make_choice(child, f"{child}_{policy_value}"))


def check_text(policy: str, text: object, maximum: int) -> str:
    """Return a text of a policy. Raises ExportError for a value that is no text or too long."""
    if not isinstance(text, str) or len(text) > maximum:
        raise ExportError(f"{policy} has a value that is no text of at most {maximum:,} characters, as Intune takes it")
    return text


def make_switch(setting: str, *children: RequestBody, is_on: bool = True) -> RequestBody:
    """Return a setting that is on or off, with the settings below it."""
    return {
        "@odata.type": CATALOGUE_NAMESPACE + "Setting",
        "settingInstance": make_choice(setting, f"{setting}_{int(is_on)}", *children),
    }


def make_choice(setting: str, choice: str, *children: RequestBody) -> RequestBody:
    """Return an instance of a setting with listed values."""
    return {
        "@odata.type": CATALOGUE_NAMESPACE + "ChoiceSettingInstance",
        "settingDefinitionId": setting,
        "choiceSettingValue": {
            "@odata.type": CATALOGUE_NAMESPACE + "ChoiceSettingValue",
            "value": choice,
            "children": list(children),
        },
    }


def make_text(setting: str, text: str) -> RequestBody:
    """Return an instance of a setting that is a text."""
    return {
        "@odata.type": CATALOGUE_NAMESPACE + "SimpleSettingInstance",
        "settingDefinitionId": setting,
        "simpleSettingValue": {"@odata.type": CATALOGUE_NAMESPACE + "StringSettingValue", "value": text},
    }


def make_text_list(setting: str, texts: list[str]) -> RequestBody:
    """Return an instance of a setting that is a list of texts."""
    return {
        "@odata.type": CATALOGUE_NAMESPACE + "SimpleSettingCollectionInstance",
        "settingDefinitionId": setting,
        "simpleSettingCollectionValue": [
            {"@odata.type": CATALOGUE_NAMESPACE + "StringSettingValue", "value": text} for text in texts
        ],
    }
