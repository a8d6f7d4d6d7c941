"""What the channel webhook sends, to a server on a loopback address."""

import json

import pytest
from checkout import PROJECT
from loopback import Loopback
from proscribe.controller.cli.scheduled import notification_transport
from proscribe.controller.report.notification import build_notification

pytestmark = pytest.mark.playbook


@pytest.fixture(autouse=True)
def configured(tmp_path, monkeypatch):
    monkeypatch.setenv("ANSIBLE_CONFIG", str(PROJECT / "ansible.cfg"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_webhook_sends_all_facts_as_json_and_a_refusal_is_printed_without_its_token(tmp_path, capsys):
    notification = build_notification("Proscribe: a trial", ["one line"], hosts=[])
    inventory = tmp_path / "hosts.yml"
    with Loopback() as server:
        values = {"proscribe_notify": {"webhook": f"{server.url}/hook?token=secret"}}
        inventory.write_text(json.dumps({"all": {"vars": values}}))
        assert notification_transport.send_notification(notification, ["-i", str(inventory)])
        server.codes = [403]
        assert not notification_transport.send_notification(notification, ["-i", str(inventory)])
    first = server.got[0]
    assert (first.kind, first.facts) == ("application/json", notification.facts)
    printed = capsys.readouterr().err
    assert "Status code was 403" in printed and "token=secret" not in printed
    inventory.unlink()
    assert not notification_transport.send_notification(notification, ["-i", str(inventory)])
    assert str(inventory) in capsys.readouterr().err
