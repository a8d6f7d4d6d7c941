"""Each format's export of one rich plan, with all that is said of it, is as it was recorded: to the byte."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_export import AT, decision, plan
from proscribe.controller.enforcement_points import manifest
from proscribe.controller.enforcement_points.registry import FORMATS
from proscribe.model.plan import sealed
from recording import compare, fold, join_files

RECORDED = Path(__file__).parents[2] / "recorded/enforcement_points"
OWN, PARTNER, BY_NAME = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "72f988bf-86f1-41af-91ab-2d7cd011db47", "b.example"
# Registry.pol is binary; each of the others is as a file of another browser, or the other way round.
LEFT_OUT = (".pol", "remove.reg", "brave.json", "chromium.json", "windows_edge.json")
CLAIMS = ("included", "left_out", "waived")  # the others are the same in each format
WAIVED = {"mode": "waived", "waiver": "W-1"}
# heron is waived, owl only reported, wren restricted with nothing that a point could take.
SERVICES: dict[str, dict[str, dict[str, Any]]] = {
    "apps": {
        "chat": {
            "name": "Chat & Talk",
            "mode": "enforce",
            "bundle_ids": ["com.example.talk", "com.example.chat"],
            "mac_apps": ["Talk.app", "Chat.app"],
            "signing_ids": ["EXAMPLE123:com.example.chat"],
            "team_ids": ["EXAMPLE123"],
            "windows_processes": ["chat.exe"],
            "windows_publishers": {"appx": ["CN=Example, O=Example\\Example.Chat"]},
            "windows_packages": {"winget": ["Example.Chat"], "appx": ["Example.Chat_1a2b", "Example.Talk_1a2b"]},
        },
        "mail": {"mode": "audit", "packages": {"brew_cask": ["mail"]}},
        "heron": {**WAIVED, "bundle_ids": ["com.example.heron"], "mac_apps": ["Heron.app"]},
        "owl": {"mode": "report"},
        "wren": {"mode": "enforce"},
    },
    "browser": {
        "chat": {
            "urls": ["www.corp.example/chat", "chat.example/open/bad"],
            "allow": ["help.chat.example", "chat.example/open", "www.corp.example/chat/open", "a.www.corp.example"],
            "extensions": {"chrome": ["a" * 32], "firefox": ["chat@example"]},
        },
        "heron": {**WAIVED, "domains": ["heron.example"], "urls": [], "allow": []},
        "owl": {"mode": "report", "domains": ["owl.example"], "urls": [], "allow": []},
        "wren": {"mode": "enforce", "domains": ["heron.example"], "urls": [], "allow": []},
    },
    "dns": {
        "chat": {"allow": ["help.chat.example", "e_.chat.example"], "canaries": ["canary.example", "chat.example"]},
        "mail": {"domains": ["mail.example", "bad.help.chat.example", "a.b.mail.example", "x.e_x", "z" * 63]},
        "heron": {**WAIVED, "domains": ["heron.example"], "allow": ["mail.example/x"], "canaries": ["c.heron.example"]},
        "owl": {"mode": "report", "domains": ["owl.example"], "allow": []},
        "wren": {"mode": "enforce", "domains": ["heron.example"], "allow": []},
    },
    "firewall": {
        "chat": {"networks": ["192.0.2.0/24", "198.51.100.7", "198.51.100.8/31", "2001:db8::/32"]},
        "a_service_with_a_long_name_of_its_own": {"mode": "audit", "networks": ["2001:db8:1::1"], "ports": [443]},
        "heron": {**WAIVED, "networks": ["233.252.0.1"], "ports": []},
        "owl": {"mode": "report", "networks": ["233.252.0.2"], "ports": []},
        "wren": {"mode": "enforce", "networks": ["203.0.113.200"], "ports": []},
    },
}


def made(*microsoft: Any) -> dict[str, Any]:
    found = plan(SERVICES, contact="IT & <help>", request_url="https://help.example/ask")
    controls = found["controls"]
    controls["apps"]["settings"] |= {"refusal_notice": "Ask us.\nFragen Sie uns.", "applocker": "enforce"}
    tenants = {"google": ["b.example"], "microsoft": [*microsoft] or [OWN, PARTNER, BY_NAME]}
    controls["browser"]["settings"]["tenants"] = tenants
    controls["firewall"]["settings"] |= {
        "dns_over_tls": "blocked",
        "quic": "blocked",
        "rules": [{"direction": "in"}],
        "force_dns": True,
        "management": ["192.0.2.64/26", "2001:db8:ffff::/48", "203.0.113.200"],
    }
    for control in ("dns", "browser"):
        controls[control]["by_tenant"] = ["gmail"]
    return sealed(found)


def recorded(name: str) -> str:
    """Render an export as one text: each file, and what the manifest says."""
    format_ = FORMATS[name]
    # Entra takes a tenant by its id only.
    one = made(OWN, {"id": PARTNER, "domains": [BY_NAME]}) if name == "entra_tenant_restrictions" else made()
    about = decision(one, format_.controls, "web")._replace(valid_until=AT + datetime.timedelta(days=1))
    found = format_.render(about)
    parts = {path: shown(content) for path, content in sorted(found.files.items()) if not path.endswith(LEFT_OUT)}
    claims = manifest.manifest(format_, about, found)
    parts[manifest.NAME] = "\n".join(f"{claim}: {json.dumps(claims[claim], sort_keys=True)}" for claim in CLAIMS)
    return fold(join_files(parts).replace("}, {", "},\n {"))


def shown(content: bytes) -> str:
    """Decode a file; show lists of values on one line, XML without lines on several, and no encoded payload."""
    text = content.decode("utf-16" if content[:2] == b"\xff\xfe" else "utf-8").replace("\r\n", "\\r\n")
    text = re.sub(r"\n\t*<(?=string|integer|true|false|/array|/dict)", " <", text)
    text = re.sub(r'\\r\n("\d)', r"\\r \1", text)
    text = text.replace("><", ">\n<") if text.count("\n") < 3 else text
    return re.sub(r'("payload": )"[^"]{999,}"', r'\1"..."', text)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_export_is_as_recorded(name: str) -> None:
    compare(RECORDED / f"{name}.txt", recorded(name))
