"""Every value for Firefox is one that Mozilla's own administrative template (ADMX) could have written.

The rows are those of windows/firefox.admx of mozilla/policy-templates as of Firefox 155 (read 2026-11-27) that the
browsers' settings need. The templates of Chrome and Edge could not be had; their policies are tried in Chromium.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls.browser.settings import ALLOW_LIST, BLOCKED, EXTENSIONS, SETTINGS
from proscribe.host.controls.group_policy.policies import entries
from proscribe.host.controls.group_policy.registry_pol import DWORD, EMPTY_KEY, SZ, Entry, said_by

PROJECT = Path(__file__).resolve().parents[5]
KEY = "Software\\Policies\\Mozilla\\Firefox"
SWITCH = "enabledValue 1, disabledValue 0"
TEXT, LONG_TEXT = "text", "text of at most 16384"  # the longer ones have "OneLine" in the names of their policies
MOST = 16384
ROWS = {  # by key below Firefox', and valueName
    ("", "AllowedDomainsForApps"): TEXT,
    ("", "BlockAboutConfig"): SWITCH,
    ("", "DisableDeveloperTools"): SWITCH,
    ("", "DisableEncryptedClientHello"): SWITCH,
    ("", "DisableFirefoxAccounts"): SWITCH,
    ("", "DisablePrivateBrowsing"): SWITCH,
    ("", "ExtensionSettings"): LONG_TEXT,
    ("", "IPProtectionAvailable"): SWITCH,
    ("", "Preferences"): LONG_TEXT,
    ("DNSOverHTTPS", "Enabled"): SWITCH,
    ("DNSOverHTTPS", "Locked"): SWITCH,
    ("Proxy", "Locked"): SWITCH,
    ("Proxy", "Mode"): ("none", "system", "manual", "autoDetect", "autoConfig"),
    ("SupportMenu", "Title"): TEXT,
    ("SupportMenu", "URL"): TEXT,
}
LISTS = ("WebsiteFilter\\Block", "WebsiteFilter\\Exceptions")  # valuePrefix="": the values are 1, 2, 3, ...
ALL = dict.fromkeys(SETTINGS, BLOCKED)
PLANS = {
    "as the catalogue has it": {},
    "everything closed": {"browser_settings": ALL, "tenants": {"google": ["corp.example"]}},
    "extensions by a list": {
        "browser_settings": {**ALL, EXTENSIONS: ALLOW_LIST},
        "browser_extensions_allowed": ["uBlock0@raymondhill.net"],
    },
}


def fits(entry: Entry) -> bool:
    """Whether a value is one that the template could have written."""
    below = entry.key[len(KEY) + 1 :]
    if below in LISTS:
        return entry.type == SZ and entry.value.isdecimal()
    row = ROWS[below, entry.value]
    said = said_by(entry)
    if row == SWITCH:
        return entry.type == DWORD and said in (0, 1)
    if entry.type != SZ or not isinstance(said, str):
        return False
    if row == LONG_TEXT:
        return len(said) <= MOST and isinstance(json.loads(said), dict)
    return row == TEXT or said in row


@pytest.mark.parametrize("restrictions", PLANS.values(), ids=PLANS)
def test_mozillas_template_has_every_value(restrictions: dict[str, Any]) -> None:
    named = {"request_url": "https://corp.example/ask", **restrictions}
    read = read_restrictions({f"proscribe_{name}": value for name, value in named.items()}, str)
    plan = compile_plan(load([PROJECT / "catalog"]), read, [], datetime.date(2026, 11, 27))
    ours = [one for one in entries(plan) if (one.key + "\\").startswith(KEY + "\\") and one.value != EMPTY_KEY]
    assert len(ours) > 500
    assert not [one for one in ours if not fits(one)]
    for below in LISTS:
        numbers = [int(one.value) for one in ours if one.key == f"{KEY}\\{below}"]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers
