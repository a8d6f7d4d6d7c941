"""The scheduled refresh with the launcher, a real inventory, real git and a publisher over https."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import require_tool
from list_publisher import certificate, published

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).resolve().parents[2]
FEED = "---\nid: our_birds\nname: Birds\nservice: tor\nkind: domains\nchecked: 2026-01-02\nsources:\n  - a test\n"
LIST = "finch.example\nwren.example\n"


def git(top: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@x.example"]
    return subprocess.run(["git", *who, *words], cwd=top, check=True, capture_output=True, text=True).stdout.strip()


def test_a_branch_of_the_policy_repository_has_what_a_publisher_changed(tmp_path):
    require_tool("openssl")
    top = tmp_path / "ours"
    for name, text in {
        "inventory.yml": "all:\n  hosts:\n    web01:\n      proscribe_catalog_dirs: [policy]\n",
        "policy/feeds/our_birds.yml": FEED,
        "policy/feeds/our_birds.txt": "finch.example\n",
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    with published(certificate(tmp_path), {"birds": LIST}) as server:
        url = f"https://127.0.0.1:{server.server_port}/birds"
        row = f"- {{id: birds, url: {url}, format: lines, into: feed, of: our_birds, least: 1}}\n"
        (top / "policy/publishers.yml").write_text(row)
        git(top, "init", "--quiet")
        git(top, "add", "--all")
        git(top, "commit", "--quiet", "--message=policy")
        # The project's own publishers are not reached: each is refused, and keeps the organisation's list from nothing.
        environment = {
            **os.environ,
            "PROSCRIBE_ANSIBLE_PLAYBOOK": str(Path(sys.executable).with_name("ansible-playbook")),
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
            "https_proxy": "http://127.0.0.1:9",
            "no_proxy": "127.0.0.1",
            "PROSCRIBE_REPORTS": str(tmp_path / "reports"),
        }
        command = [str(PROJECT / "proscribe"), "scheduled", "catalog", "--", "-i", str(top / "inventory.yml")]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "our_birds.txt" in done.stdout and "  + wren.example" in done.stdout
    assert "telegram_networks: refused, nothing is changed: it could not be fetched" in done.stdout
    [branch] = [line.strip() for line in git(top, "branch", "--list", "proscribe/*").splitlines()]
    assert git(top, "show", f"{branch}:policy/feeds/our_birds.txt") == LIST.strip()
    assert (
        git(top, "status", "--porcelain") == ""
        and (top / "policy/feeds/our_birds.txt").read_text() == "finch.example\n"
    )
    assert "could not be sent" not in done.stderr
