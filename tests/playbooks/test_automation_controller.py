"""What an automation controller does, for real: the inventory is a generated script far from the project."""

import datetime
import json
import shutil

import pytest
from checkout import proscribe

pytestmark = pytest.mark.playbook

SCRIPT = """\
#!/bin/sh
cat <<'END'
{"press": {"hosts": ["press01"]}, "_meta": {"hostvars": {"press01": {"ansible_connection": "local"}}}}
END
"""
WAIVER = """\
id: press-whatsapp
services: [whatsapp]
hosts: [press01]
reason: for a test
requested_by: somebody
approved_by: head.of.press
approved_on: %s
expires: %s
"""


def test_a_job_honours_the_projects_waivers_and_stops_where_it_finds_them_no_more(tmp_path):
    script = tmp_path / "runner" / "inventory" / "hosts"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT)
    script.chmod(0o755)
    policy = tmp_path / "policy"
    (policy / "waivers").mkdir(parents=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    days = tuple(f"{now + datetime.timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (-1, 1))
    (policy / "waivers" / "press-whatsapp.yml").write_text(WAIVER % days)
    (policy / "approvers.yml").write_text("press: {head: head.of.press}\n")

    def job(*options):
        return proscribe("audit", "-i", str(script), "--tags", "dns", *options, reports=tmp_path / "reports")

    named = ("-e", f"proscribe_waivers_dir={policy / 'waivers'}")
    first = job(*named)
    assert first.code == 0, first.said
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    assert [(waiver["id"], waiver["status"]) for waiver in report["waivers"]] == [("press-whatsapp", "active")]

    for options in ((), named):
        if options:
            shutil.move(policy / "waivers", policy / "elsewhere")
            (policy / "waivers").mkdir()
        lost = job(*options)
        assert lost.code == 2, lost.said
        for expected in (report["run"]["id"], str(policy / "waivers"), "-e proscribe_waivers_removed=press-whatsapp"):
            assert expected in " ".join(lost.said.split()), lost.said
    done = job("-e", "proscribe_waivers_removed=press-whatsapp")
    assert done.code == 0, done.said
    assert job().code == 0
