"""What Ansible would run as a template is text, wherever strangers can have written it."""

import json

import pytest
from checkout import PROJECT, Site
from loopback import Loopback
from proscribe.controller.cli.scheduled import notification_transport
from proscribe.controller.report import request_notification
from proscribe.controller.report.storage import requests_file

pytestmark = pytest.mark.playbook

ENTRY = """\
{{id: mail_of_ours, name: {name}, category: webmail, vendor: Ours, audience: both, enforce: true,
 domains: [mail.example.org], checked: 2026-11-01, notes: {evil}, sources: [{evil}]}}
"""
WAIVER = """\
{{id: w1, services: [mail_of_ours], hosts: [localhost], reason: {evil}, requested_by: {evil}, approved_by: head,
 approved_on: 2026-11-02T10:00:00+08:00, expires: 2027-04-30T18:00:00+08:00}}
"""
FEED = """\
{{id: birds, name: Birds, service: mail_of_ours, kind: domains, checked: 2026-11-01, notes: {evil}, sources: [{evil}]}}
"""
AMENDMENT = "amends: mail_of_ours\nadd: {{domains: [post.example.org]}}\nnotes: {evil}\nsources: [{evil}]\n"
PUBLISHER = "- {{id: a, url: https://a.example/, format: lines, into: feed, of: birds, least: 1, notes: {evil}}}\n"
REQUEST = requests_file.StoredRequest(
    "localhost", "a" * 16, "{{ 7*7 }}", "mail_of_ours", "", "2026-11-25T08:00:00Z", "", "r1"
)


class Desk(Site):
    def __init__(self, directory):
        super().__init__(directory)
        self.mark = directory / "was-here"
        self.evil = f"{{{{ lookup('ansible.builtin.pipe', 'touch {self.mark}') }}}}"
        quoted = json.dumps(self.evil)
        for name, text in {
            "group_vars/all.yml": "proscribe_catalog_dirs: [catalog]\nproscribe_categories: [webmail]\n",
            "catalog/webmail/mail_of_ours.yml": ENTRY.format(name="Mail of ours", evil=quoted),
            "catalog/feeds/birds.yml": FEED.format(evil=quoted),
            "catalog/feeds/birds.txt": f"# {self.evil}\nbird.example.org\n",
            "catalog/amends/mail_of_ours.yml": AMENDMENT.format(evil=quoted),
            "catalog/publishers.yml": PUBLISHER.format(evil=quoted),
            "catalog/known_good.txt": f"# {self.evil}\nwww.gov.example.net\n",
            "approvers.yml": f"some_department: {{head: head, deputies: [{quoted}]}}\n",
            "../expectations.yml": f"all: {{blocked: [{quoted}]}}\n",
            "waivers/w1.yml": WAIVER.format(evil=quoted),
        }.items():
            self.file(name, text)
        (directory / "reports").mkdir(mode=0o750)
        lines = [{"schema": requests_file.SCHEMA}, REQUEST._replace(reason=self.evil)._asdict()]
        (directory / "reports" / requests_file.REQUESTS_FILE).write_text(
            "".join(json.dumps(line) + "\n" for line in lines)
        )


def test_no_text_of_a_stranger_is_run(tmp_path):
    desk = Desk(tmp_path)
    entry = tmp_path / "inventory/catalog/webmail/mail_of_ours.yml"
    good = entry.read_text()
    entry.write_text(ENTRY.format(name=json.dumps(desk.evil), evil="x"))
    refused = desk("audit", "--tags", "browser")
    assert refused.code == 2 and "without quotes, backslash, $, <, >, { and }" in refused.said
    entry.write_text(good)
    for words, code in (
        (("requests",), 0),  # before a run, which takes away what the host no longer has
        (("waiver", "new", "--request", REQUEST.id), 2),  # nobody is called so, and what is printed is text
        (("audit", "--tags", "browser", "--diff"), 0),
        (("enforce", "--check", "--tags", "browser", "--diff", "-v"), 0),
        (("explain", "mail.example.org"), 0),
        (("waiver", "list"), 0),
        (("waiver", "verify"), 0),
        (("explain", "--expect", str(tmp_path / "expectations.yml")), 2),  # it is no name
    ):
        ended = desk(*words)
        assert ended.code == code, (words, ended.said)
        assert not desk.mark.exists(), f"{words} ran it"
        assert "requests" not in words or desk.evil in ended.said
    assert desk.evil in (tmp_path / "reports/latest/report.json").read_text(), "the text itself is in the report"


def test_no_text_of_a_host_or_its_user_is_run_where_it_is_sent(tmp_path, monkeypatch):
    """A notification has the reasons of users and the names that hosts report. It arrives as they wrote it."""
    desk = Desk(tmp_path)
    monkeypatch.setenv("ANSIBLE_CONFIG", str(PROJECT / "ansible.cfg"))
    monkeypatch.setenv("HOME", str(tmp_path))  # Ansible keeps files there
    notification = request_notification.make_request_notification(
        [REQUEST._replace(reason=desk.evil, user=desk.evil)], {}, desk.evil
    )
    with Loopback() as chat:
        hook = {"proscribe_notify": {"webhook": f"{chat.url}/"}}
        (tmp_path / "inventory/group_vars/all.yml").write_text(json.dumps(hook))
        assert notification_transport.send_notification(notification, ["-i", str(tmp_path / "inventory")])
    assert not desk.mark.exists(), "it was run"
    ((request,),) = [sent.facts["requests"] for sent in chat.got]
    assert (request["reason"], request["user"]) == (desk.evil, desk.evil)
