"""The tables of docs/browsers.md: the files of policies and who reads them, and the switches with their policies."""

import json
from pathlib import Path

from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.plans.browser_policy_places import list_policy_places
from proscribe.host.controls.browser.browser_settings import EXTENSIONS, PROXY_EXTENSIONS, SETTINGS, SIGN_IN

from .part import parts_of, table

CATALOG = Path(__file__).resolve().parents[2] / "catalog"
# What the policies of these switches hold is made up from the plan.
MADE = {EXTENSIONS: ("`ExtensionInstallBlocklist`, `ExtensionInstallAllowlist`", "`ExtensionSettings`")}
MORE = {
    PROXY_EXTENSIONS: ", `PolicyDictionaryMultipleSourceMergeList`",
    SIGN_IN: "; with Google tenants `RestrictSigninToPattern` instead, in Edge with Microsoft tenants",
}


def files():
    catalogue = read_catalogue([CATALOG])
    rows = []
    for place in list_policy_places(catalogue):
        names = ", ".join(catalogue.browsers[id_].name for id_ in place["browsers"])
        rows.append((f"`{place['path']}`", names, "where it is installed" if place.get("present") else "always"))
    return table(("file", "read by", "written"), rows)


def switches():
    heads = ("switch", "values", "what it is about", "in Chromium and its relatives", "in Firefox")
    return table(heads, (_switch(id_, setting) for id_, setting in SETTINGS.items()))


def _switch(id_, setting):
    made = MADE.get(id_, ("", ""))
    chromium = (made[0] or ", ".join(_policies(setting.chromium)) or "-") + MORE.get(id_, "")
    firefox = made[1] or ", ".join(_policies(setting.firefox)) or "-"
    values = ", ".join(f"**{value}**" if value == setting.default else value for value in setting.allowed_values)
    return f"`{id_}`", values, setting.meaning, chromium, firefox


def _policies(said):
    for name, value in said.items():
        if name == "Preferences":
            for preference, locked in value.items():
                yield f"`{preference}` = {json.dumps(locked['Value'])}, locked"
        else:
            yield f"`{name}` {json.dumps(value)}"


DERIVED = parts_of("docs/browsers.md", {"files": files, "switches": switches})
