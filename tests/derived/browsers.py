"""The tables of docs/browsers.md: the files of policies and who reads them, and the switches with their policies."""

import json
from pathlib import Path

from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.browsers import places
from proscribe.host.controls.browser.settings import EXTENSIONS, PROXY_EXTENSIONS, SETTINGS, SIGN_IN

from .part import Part, table

CATALOG = Path(__file__).resolve().parents[2] / "catalog"
# What the policies of these switches hold is made up from the plan.
MADE = {EXTENSIONS: ("`ExtensionInstallBlocklist`, `ExtensionInstallAllowlist`", "`ExtensionSettings`")}
MORE = {
    PROXY_EXTENSIONS: ", `PolicyDictionaryMultipleSourceMergeList`",
    SIGN_IN: "; with Google tenants `RestrictSigninToPattern` instead, in Edge with Microsoft tenants",
}


def files():
    catalogue = load([CATALOG])
    return table(
        ("file", "read by", "written"),
        (
            (
                f"`{place['path']}`",
                ", ".join(catalogue.browsers[id_].name for id_ in place["browsers"]),
                "where it is installed" if place.get("present") else "always",
            )
            for place in places(catalogue)
        ),
    )


def switches():
    return table(
        ("switch", "values", "what it is about", "in Chromium and its relatives", "in Firefox"),
        (_switch(id_, setting) for id_, setting in SETTINGS.items()),
    )


def _switch(id_, setting):
    made = MADE.get(id_, ("", ""))
    chromium = (made[0] or ", ".join(_policies(setting.chromium)) or "-") + MORE.get(id_, "")
    firefox = made[1] or ", ".join(_policies(setting.firefox)) or "-"
    values = ", ".join(f"**{value}**" if value == setting.default else value for value in setting.values)
    return f"`{id_}`", values, setting.meaning, chromium, firefox


def _policies(said):
    for name, value in said.items():
        if name == "Preferences":
            yield from (
                f"`{preference}` = {json.dumps(locked['Value'])}, locked" for preference, locked in value.items()
            )
        else:
            yield f"`{name}` {json.dumps(value)}"


DERIVED = (Part("docs/browsers.md", files, "files"), Part("docs/browsers.md", switches, "switches"))
