"""What the channel webhook sends, to a server on a loopback address."""

import json

import pytest
from checkout import PROJECT
from loopback import Loopback
from proscribe.controller.cli.scheduled import sending
from proscribe.controller.report.notification import made

pytestmark = pytest.mark.playbook


@pytest.fixture(autouse=True)
def configured(tmp_path, monkeypatch):
    """Ansible has the project's configuration, and a place for its files."""
    monkeypatch.setenv("ANSIBLE_CONFIG", str(PROJECT / "ansible.cfg"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_webhook_sends_all_facts_as_json(tmp_path):
    notification = made("Proscribe: a trial", ["one line"], hosts=[])
    with Loopback() as server:
        values = {"proscribe_notify": {"webhook": f"{server.url}/hook"}}
        (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"vars": values}}))
        assert sending.send(notification, ["-i", str(tmp_path / "hosts.yml")])
    (sent,) = server.got
    assert (sent.path, sent.kind, sent.facts) == ("/hook", "application/json", notification.facts)


def test_why_the_webhook_refused_it_is_printed_without_its_token(tmp_path, capsys):
    with Loopback() as server:
        server.codes = [403]
        values = {"proscribe_notify": {"webhook": f"{server.url}/hook?token=secret"}}
        (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"vars": values}}))
        assert not sending.send(made("Proscribe: a trial", ["one line"]), ["-i", str(tmp_path / "hosts.yml")])
    printed = capsys.readouterr().err
    assert "Status code was 403" in printed and "token=secret" not in printed


def test_an_inventory_that_is_not_there_is_named(tmp_path, capsys):
    gone = tmp_path / "gone.yml"
    assert not sending.send(made("Proscribe: a trial", ["one line"]), ["-i", str(gone)])
    assert str(gone) in capsys.readouterr().err
