"""The policies on real browsers: what is blocked is not connected to, and what the organisation has keeps its effect.

The tree that is enforced has a copy of this machine's /etc; the browsers see it in a mount namespace of their own, so
that nothing of it is ever in force on the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from proscribe.controls import browser
from proscribe.host import Host

pytestmark = pytest.mark.integration

PROBE = Path(__file__).with_name("browser_probe.py")

SERVICES = {
    "gmail": {"domains": ["mail.google.com"], "urls": ["mail.google.com/mail"]},
    "whatsapp": {"domains": ["whatsapp.com"], "urls": ["web.whatsapp.com"]},
    "dropbox": {"domains": ["dropbox.com"]},
    "proton_drive": {"urls": ["proton.me/drive"]},
    "telegram": {"domains": ["telegram.org"], "allow": ["api.telegram.org"]},
    "closed": {"domains": ["closed.test"], "allow": ["open.closed.test"]},
    "again": {"domains": ["again.open.closed.test"]},
}
RESTRICTED = [
    "https://mail.google.com/",
    "https://web.whatsapp.com/",
    "https://www.dropbox.com/",
    "https://proton.me/drive/folder",
    "https://web.telegram.org/",
    "https://www.closed.test/",
    "https://again.open.closed.test/",
]
PERMITTED = [
    "https://www.example.org/",
    "https://proton.me/mail",
    "https://api.telegram.org/",
    "https://open.closed.test/",
]
OWN = ["https://www.example.net/", "https://www.example.com/"]  # what the organisation itself blocks

OWN_FILES = {
    "chromium": {
        "/etc/chromium/policies/managed/10-organisation.json": {"URLBlocklist": ["www.example.net"]},
        "/etc/chromium/policies/managed/zz-organisation.json": {"URLBlocklist": ["www.example.com"]},
    },
    "firefox": {
        "/etc/firefox/policies/policies.json": {
            "policies": {"WebsiteFilter": {"Block": ["*://www.example.net/*", "*://*.www.example.com/*"]}}
        }
    },
}


def section(**settings: Any) -> dict[str, Any]:
    services = {id_: {"name": id_, "mode": "enforce", **entry} for id_, entry in SERVICES.items()}
    return {"mode": "enforce", "services": services, "settings": {"dns_over_https": "off", **settings}}


def connections(name: str, etc: Path, urls: list[str]) -> dict[str, int]:
    """What the probe counts where `etc` stands in place of /etc."""
    script = 'mount --bind "$1" /etc && shift && exec "$@"'
    inside = ["sh", "-c", script, "sh", str(etc), sys.executable, str(PROBE), "--browser", name, *urls]
    argv = ["timeout", "-k", "5", "120", "unshare", "--mount", "--propagation", "private", *inside]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    counted: dict[str, int] = json.loads(answer.stdout)
    return counted


@pytest.fixture
def tree(tmp_path: Path, require_root: Callable[[], None], require_tool: Callable[[str], str]) -> Iterator[Path]:
    require_root()
    require_tool("unshare")
    if subprocess.run(["unshare", "--mount", "--propagation", "private", "true"], check=False).returncode:
        end = pytest.fail if os.environ.get("PROSCRIBE_TESTS_COMPLETE") == "1" else pytest.skip
        end("needs mount namespaces: run the tests on a machine or in a container with CAP_SYS_ADMIN")
    secrets = shutil.ignore_patterns("*shadow*", "private", "ssh", "sudoers*")  # no browser needs these
    shutil.copytree("/etc", tmp_path / "etc", symlinks=True, ignore=secrets)
    for folder in ("chromium", "opt/chrome", "firefox"):  # what this machine may have of its own
        shutil.rmtree(tmp_path / "etc" / folder, ignore_errors=True)
    (tmp_path / "var/lib").mkdir(parents=True)
    tmp_path.chmod(0o755)
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(("name", "tool"), [("chromium", "chromium"), ("firefox", "firefox-esr")])
def test_a_real_browser_is_kept_from_what_is_restricted_until_the_lift(
    name: str, tool: str, tree: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool(tool)
    for path, document in OWN_FILES[name].items():
        file = tree / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
    before = {path: (tree / path[1:]).read_bytes() for path in OWN_FILES[name]}
    host, plan = Host(str(tree)), {"controls": {"browser": section()}}

    for action in browser.enforce(host, plan).actions:
        action.apply()
    assert {verdict.state for verdict in browser.observe(host, plan)} == {"compliant"}
    counted = connections(name, tree / "etc", RESTRICTED + OWN + PERMITTED)
    assert [url for url in RESTRICTED + OWN if counted[url]] == []
    assert [url for url in PERMITTED if not counted[url]] == []

    for action in browser.lift(host, plan).actions:
        action.apply()
    counted = connections(name, tree / "etc", RESTRICTED[:2])
    assert [url for url in RESTRICTED[:2] if not counted[url]] == []
    assert {path: (tree / path[1:]).read_bytes() for path in OWN_FILES[name]} == before
