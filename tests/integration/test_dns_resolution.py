"""What the C library's resolver answers from a hosts file with our block, in a mount namespace of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from proscribe.host.controls import dns
from proscribe.host.system import Host

pytestmark = pytest.mark.integration

OWN = "127.0.0.1 localhost\n192.0.2.10 intranet.example web.own.example\n"
ENTRY = {"name": "WeChat", "mode": "enforce", "domains": ["wechat.com", "web.own.example"], "allow": []}
PLAN = {"controls": {"dns": {"mode": "enforce", "services": {"wechat": ENTRY}, "settings": {}}}}


def test_blocked_names_lead_nowhere_and_own_names_stay(
    tmp_path: Path, require_tool: Callable[[str], str], require_root: Callable[[], None]
) -> None:
    require_root()
    unshare, getent = require_tool("unshare"), require_tool("getent")
    hosts = tmp_path / "etc/hosts"
    for directory in (hosts.parent, tmp_path / "var/lib"):
        directory.mkdir(parents=True)
    hosts.write_text(OWN)

    def resolved(database: str, name: str) -> set[str]:
        script = f'mount --bind "$0" /etc/hosts && exec {getent} --no-addrconfig {database} {name}'
        argv = [unshare, "--mount", "--net", "sh", "-c", script, str(hosts)]  # no network: nobody else can answer
        answer = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        return {line.split()[0] for line in answer.splitlines()}

    assert resolved("ahosts", "wechat.com") == set()
    changes = dns.enforce(Host(str(tmp_path)), PLAN)
    for action in changes.actions:
        action.apply()
    assert resolved("ahostsv4", "wechat.com") == {"0.0.0.0"}
    assert resolved("ahostsv6", "wechat.com") == {"::"}
    assert resolved("ahostsv4", "web.own.example") == {"192.0.2.10"}
    assert resolved("ahostsv4", "localhost") == {"127.0.0.1"}
    assert resolved("ahosts", "notwechat.com") == set()
    for action in dns.lift(Host(str(tmp_path)), PLAN).actions:
        action.apply()
    assert hosts.read_text() == OWN
