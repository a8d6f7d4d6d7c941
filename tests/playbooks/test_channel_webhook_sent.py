"""What the channel webhook sends, to a server on a loopback address."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkout import PROJECT
from loopback import Loopback
from proscribe.controller.cli.scheduled import sending
from proscribe.controller.report.notification import made

pytestmark = pytest.mark.playbook


def test_it_sends_all_facts_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_CONFIG", str(PROJECT / "ansible.cfg"))
    monkeypatch.setenv("HOME", str(tmp_path))  # Ansible keeps files there
    notification = made("Proscribe: a trial", ["one line"], hosts=[])
    with Loopback() as server:
        values = {"proscribe_notify": {"webhook": f"{server.url}/hook"}}
        (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"vars": values}}))
        assert sending.send(notification, ["-i", str(tmp_path / "hosts.yml")])
    (sent,) = server.got
    assert (sent.path, sent.kind, sent.facts) == ("/hook", "application/json", notification.facts)
