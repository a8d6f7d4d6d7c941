"""What Macs and the management of devices get: a profile, declarations, and request bodies for Intune and Google."""

from __future__ import annotations

import copy
import json
import plistlib
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import NotExportable, Rendered
from proscribe.controller.enforcement_points.formats import ddm, intune, mobileconfig

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


def test_programs_are_a_list_beside_the_profile_which_cannot_deny_them() -> None:
    rendered = mobileconfig.render(decision(made()))
    assert document(rendered, "restricted_bundle_ids.json")["bundle_ids"] == {
        "chat": ["com.example.Chat_2", "com.example.chat"],
        "mail": ["com.example.mail"],
    }
    assert {one.rule for one in rendered.left_out if "A profile cannot" in one.why} == {"apps/chat", "apps/mail"}
    assert {one.rule for one in rendered.left_out if "no identifier" in one.why} == {"apps/linux"}
    assert not any(rule.startswith("apps/") for rule in rendered.included)


def typed(kind: str, **fields: object) -> dict[str, object]:
    return {"@odata.type": f"#microsoft.graph.deviceManagementConfiguration{kind}", **fields}


def chosen(setting: str, *children: dict[str, object]) -> dict[str, object]:
    value = typed("ChoiceSettingValue", value=f"{setting}_1", children=[*children])
    instance = typed("ChoiceSettingInstance", settingDefinitionId=setting, choiceSettingValue=value)
    return typed("Setting", settingInstance=instance)


@pytest.mark.parametrize("hostile", ["com.example\n", "a b", "<key>x</key>", "com/../x", '"', "\u202e", "x" * 256, ""])
def test_an_identifier_that_is_more_than_one_is_refused(hostile: str) -> None:
    one = plan({"apps": {"chat": {"mode": "enforce", "bundle_ids": [hostile]}}})
    for format_ in (mobileconfig, ddm, intune):
        with pytest.raises(NotExportable, match="no identifier of a program on macOS"):
            format_.render(decision(one))


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
