"""What Proscribe reads of a Mac, made below a directory, and a `ps` that prints what macOS prints."""

import plistlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from made_plans import make_plan, make_section
from proscribe.host.controls.group_policy.policies import collect_program_policies
from proscribe.host.system import Host, ToolResult

RUNNING = (
    "    1     0 /sbin/launchd",
    "  412     0 /usr/libexec/logd",
    "  600   501 /System/Library/CoreServices/Finder.app/Contents/MacOS/Finder",
    "  601    -2 /usr/libexec/nobodys helper",
)


class Mac:
    """A Mac below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.running: Sequence[str] = RUNNING
        self.file(
            "/etc/passwd", b"root:*:0:0:System Administrator:/var/root:/bin/sh\nalice:*:501:20::/Users/alice:/bin/zsh\n"
        )
        self.file("/private/etc/hosts", b"127.0.0.1 localhost\n")
        for folder in ("/Applications", "/Users/alice/Applications", "/Users/Shared"):
            (root / folder[1:]).mkdir(parents=True)
        self.file("/System/Library/CoreServices/SystemVersion.plist", plistlib.dumps({"ProductVersion": "15.6.1"}))

    def file(self, path: str, content: bytes) -> Path:
        place = self.root / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def bundle(self, path: str, identifier: Any, **more: Any) -> None:
        """Write an application."""
        content = plistlib.dumps({"CFBundleIdentifier": identifier, **more}, fmt=plistlib.FMT_BINARY)
        self.file(f"{path}/Contents/Info.plist", content)
        self.file(f"{path}/Contents/MacOS/program", b"")

    def preferences(self, plan: Mapping[str, Any]) -> None:
        """Write the policies of a plan, as a profile of an MDM leaves them."""
        for program, policies in collect_program_policies(plan).items():
            self.prefer(program.domain, {**({} if program.family == "chromium" else ENABLED), **policies})

    def prefer(self, domain: str, policies: Mapping[str, Any]) -> None:
        self.file(f"/Library/Managed Preferences/{domain}.plist", plistlib.dumps(dict(policies)))

    @property
    def host(self) -> Host:
        def run(argv: Sequence[str], **_: Any) -> ToolResult:
            assert list(argv) == ["/bin/ps", "-axo", "pid=,uid=,comm="]
            return ToolResult(0, "".join(f"{line}\n" for line in self.running), "")

        return Host(str(self.root), run)


ENABLED = {"EnterprisePoliciesEnabled": True}
BARE: dict[str, Any] = {"packages": {}, "processes": [], "paths": []}
WECHAT: dict[str, Any] = {"name": "WeChat", "mode": "enforce", "processes": ["wechat"], "paths": []}
WECHAT |= {"packages": {"brew_cask": ["wechat"]}, "bundle_ids": ["com.tencent.xinWeChat"]}
SITES = {"name": "WeChat", "mode": "enforce", "domains": ["wechat.example"]}
SITES |= {"urls": [], "allow": ["work.wechat.example"]}
SETTINGS = {"browsers": {"dns_over_https": "blocked", "proxies": "blocked"}, "extensions_allowed": [], "tenants": {}}


def plan(
    apps: Mapping[str, Any] = {"wechat": WECHAT}, controls: Iterable[str] = ("apps", "browser", "firewall", "dns")
) -> dict[str, Any]:
    """A plan with one service."""
    services = {"apps": dict(apps), "browser": {"wechat": SITES}, "dns": {"wechat": SITES}}
    services["firewall"] = {"wechat": {**SITES, "networks": ["192.0.2.0/24"]}}
    settings = {"browser": SETTINGS}
    return make_plan(controls={name: make_section(name, services[name], **settings.get(name, {})) for name in controls})
