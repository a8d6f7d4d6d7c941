"""What all files of Chromium's folder come to, as a whole: ours, those of the organisation, copies, and what is odd."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from made_browser import Tree, section
from made_places import CHROMIUM
from proscribe.host.controls.browser import chromium
from proscribe.host.controls.browser.chromium_folder import Folder
from proscribe.host.controls.browser.rendering import Name, rules

A, B = "a" * 32, "b" * 32
MAIL = {"domains": ["mail.example"], "allow": ["ok.mail.example"], "extensions": {"chrome": [A, B]}}
CLOSED = dict.fromkeys(("dns_over_https", "extensions", "proxies", "quic"), "blocked")
RULES = rules(section({"mail": MAIL}, browsers=CLOSED))
OURS = chromium.policies(RULES, CHROMIUM)
BLOCK, ALLOW, MERGE = "URLBlocklist", "URLAllowlist", "PolicyListMultipleSourceMergeList"
JOINED = ["ExtensionInstallBlocklist", ALLOW, BLOCK]
CLOUD = "CloudPolicyOverridesPlatformPolicy"
WITHOUT = f"zz.json sets {MERGE} without {', '.join(JOINED)}, after proscribe.json"
NO_LIST = "to what is no list of texts: it has no effect in proscribe.json either"
LOOSE = f"can be changed by others (uid {os.getuid()}, mode 646): chown root, chmod 644"
NONE = "no policy file"
NOTHING: dict[str, Any] = {"block": ["mail.example"], "allow": ["ok.mail.example"]}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, NOTHING),
        (
            {"proscribe.json": None},
            {"why": NONE, "wrong": [NONE], "settings": dict.fromkeys(CLOSED, NONE), "unblocked": {A, B}},
        ),
        (  # a later file has the last word, and opens what it allows
            {
                "zz.json": {
                    "QuicAllowed": True,
                    MERGE: [BLOCK],
                    CLOUD: True,
                    ALLOW: ["mail.example", "x.mail.example", "*", "://", "other.example"],
                }
            },
            {
                "block": ["mail.example"],
                "allow": ["mail.example", "x.mail.example", "*", "://", "other.example"],
                "why": WITHOUT,
                "wrong": [
                    WITHOUT,
                    "zz.json overrides QuicAllowed of proscribe.json",
                    f"zz.json sets {CLOUD}, so that other policies win over all files here",
                ],
                "settings": {"quic": "zz.json sets QuicAllowed to true"},
                "openings": [Name("mail.example"), Name("x.mail.example")],
                "openers": [
                    (Name("mail.example"), "zz.json allows mail.example"),
                    (Name("x.mail.example"), "zz.json allows x.mail.example"),
                ],
            },
        ),
        (  # with an earlier one ours goes along: it blocks no less, and answers what ours leaves to it
            {
                "10.json": {
                    "QuicAllowed": True,
                    CLOUD: 1,
                    MERGE: ["Own", 5],
                    "NetworkPredictionOptions": 1,
                    BLOCK: ["ok.mail.example"],
                    ALLOW: ["b.mail.example"],
                    "ProxyServer": "x",
                    "ExtensionInstallAllowlist": [A],
                }
            },
            {
                "expected": {MERGE: ["ExtensionInstallBlocklist", "Own", ALLOW, BLOCK], ALLOW: []},
                "gone": {"ProxyMode", "NetworkPredictionOptions"},
                "block": ["mail.example", "ok.mail.example"],
                "allow": ["ok.mail.example", "b.mail.example"],
                "wrong": [
                    "not as the plan has it: NetworkPredictionOptions is not the plan's;"
                    f" {MERGE} is without 1 of 4 entries; ProxyMode is not the plan's; {ALLOW} has 1 more"
                ],
                "unblocked": {A},
                "openings": [Name("b.mail.example")],
                "openers": [(Name("b.mail.example"), "10.json allows b.mail.example")],
            },
        ),
        (  # what counts as a copy of ours, what no browser reads, and what others can change
            {
                "copy.json": {"proscribe": "x", BLOCK: []},
                ".proscribe.json.proscribe~": "{",
                "sub/x": "",
                "secret.json": {BLOCK: ["a.example"]},
                "open.json": {},
            },
            {
                **NOTHING,
                "backups": [".proscribe.json.proscribe~", "copy.json"],
                "wrong": [
                    f"open.json beside it {LOOSE}",
                    ".proscribe.json.proscribe~ beside it is a copy of it, and counts",
                    "copy.json beside it is a copy of it, and counts",
                ],
            },
        ),
        (
            {"10.json": {ALLOW: ["a", 5]}, "zz.json": {BLOCK: "x", "DnsOverHttpsMode": "secure"}},
            {
                "why": f"10.json sets {ALLOW} {NO_LIST}",
                "wrong": [
                    f"10.json sets {ALLOW} {NO_LIST}",
                    f"zz.json sets {BLOCK} {NO_LIST}",
                    "zz.json overrides DnsOverHttpsMode of proscribe.json",
                ],
                "settings": {"dns_over_https": 'zz.json sets DnsOverHttpsMode to "secure"'},
            },
        ),
        ({"10.json": {BLOCK: "x"}}, NOTHING),
    ],
)
def test_what_the_files_come_to(tmp_path: Path, files: dict[str, Any], found: dict[str, Any]) -> None:
    tree = Tree(tmp_path, section())
    modes = {"secret.json": 0o600, "open.json": 0o646}
    for name, content in {"proscribe.json": OURS, **files}.items():
        if content is not None:
            text = chromium.render(content) if content is OURS else content
            tree.put(f"{CHROMIUM.path.rpartition('/')[0]}/{name}"[1:], text, modes.get(name, 0o644))
    folder = Folder(tree.host, CHROMIUM, RULES)
    seen = folder.observed()._replace(effect=None)._asdict()
    said = {
        "expected": {name: value for name, value in folder.expected.items() if value != OURS.get(name)},
        "gone": OURS.keys() - folder.expected.keys(),
        "backups": folder.backups,
        "block": folder.effective(BLOCK),
        "allow": folder.effective(ALLOW),
        **seen,
    }
    assert {name: value for name, value in said.items() if value} == found
