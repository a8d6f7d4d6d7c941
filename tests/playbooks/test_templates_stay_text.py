"""What Ansible would run as a template is text, wherever strangers can have written it: entries of a catalogue, and
waivers. Variables of an inventory are Ansible's own: whoever writes them may run anything.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkout import Ended, proscribe

pytestmark = pytest.mark.playbook

ENTRY = """\
id: mail_of_ours
name: {name}
category: webmail
vendor: Ours
audience: both
enforce: true
domains: [mail.example.org]
checked: 2026-11-01
notes: {evil}
sources: [{evil}]
"""
WAIVER = """\
id: w1
services: [mail_of_ours]
hosts: [localhost]
reason: {evil}
requested_by: {evil}
approved_by: head
approved_on: 2026-11-02T10:00:00+08:00
expires: 2027-04-30T18:00:00+08:00
"""


class Desk:
    """An inventory of this machine, with a template in every text."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.mark = directory, directory / "was-here"
        self.evil = f"{{{{ lookup('ansible.builtin.pipe', 'touch {self.mark}') }}}}"
        quoted = json.dumps(self.evil)
        for name, text in {
            "hosts.yml": "a_department: {hosts: {localhost: {ansible_connection: local}}}\n",
            "group_vars/all.yml": "proscribe_catalog_dirs: [catalog]\nproscribe_categories: [webmail]\n",
            "catalog/webmail/mail_of_ours.yml": ENTRY.format(name="Mail of ours", evil=quoted),
            "approvers.yml": "a_department: {head: head}\n",
            "waivers/w1.yml": WAIVER.format(evil=quoted),
        }.items():
            path = directory / "inventory" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def __call__(self, *words: str) -> Ended:
        return proscribe(*words, "-i", str(self.directory / "inventory"), reports=self.directory / "reports")


def test_no_text_of_a_stranger_is_run(tmp_path: Path) -> None:
    """Where a template may stand at all; a name may have none of its characters."""
    desk = Desk(tmp_path)
    entry = tmp_path / "inventory/catalog/webmail/mail_of_ours.yml"
    good = entry.read_text()
    entry.write_text(ENTRY.format(name=json.dumps(desk.evil), evil="x"))
    refused = desk("audit", "--tags", "browser")
    assert refused.code == 2 and "without quotes, backslash, $, <, >, { and }" in refused.said
    entry.write_text(good)
    for words, code in (
        (("audit", "--tags", "browser", "--diff"), 0),
        (("enforce", "--check", "--tags", "browser", "--diff", "-v"), 0),
        (("explain", "mail.example.org"), 0),
        (("waiver", "list"), 0),
        (("waiver", "verify"), 0),
    ):
        ended = desk(*words)
        assert ended.code == code, (words, ended.said)
        assert not desk.mark.exists(), f"{words} ran it"
    assert desk.evil in (tmp_path / "reports/latest/report.json").read_text(), "the text itself is in the report"
