"""The examples for other schedulers: what they make on AWX, Semaphore and GitLab, and that Proscribe takes it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from automation_apis import Awx, Semaphore, serving
from patience import LONGEST
from processes import MERGED
from proscribe.controller.compile.restrictions import read_noting_errors
from vendored import PROJECT, collection_of_pypi, tools

EXAMPLES = PROJECT / "examples" / "schedules"
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")


def played(example, place, *options, **environment):
    """What a playbook of the examples prints, with the address of no proxy."""
    own = {**os.environ, "no_proxy": "127.0.0.1", "ANSIBLE_LOCALHOST_WARNING": "false", **environment}
    done = subprocess.run([ANSIBLE, EXAMPLES / example, *options], cwd=place, env=own, timeout=LONGEST, **MERGED)
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


def refused(variables):
    return [str(mistake.key) for mistake in read_noting_errors(variables, lambda name: name)[1]]


@pytest.mark.nightly
def test_awx_gets_two_templates_with_surveys_and_a_schedule(tmp_path):
    collections = collection_of_pypi("awx", "awx").parents[2]
    organization = {"id": 1, "name": "Default", "type": "organization"}
    machine = {"id": 2, "name": "Hosts over SSH", "type": "credential"}
    made = {"organizations": [organization], "credentials": [machine]}
    with serving(Awx, made) as address:
        own = {"CONTROLLER_HOST": address, "CONTROLLER_OAUTH_TOKEN": "a-token"}
        for changed in (9, 0):
            output = played("awx.yml", tmp_path, ANSIBLE_COLLECTIONS_PATH=str(collections), **own)
            assert re.search(rf"ok=9 +changed={changed} ", output), output
    (type_,) = made["credential_types"]
    assert type_["injectors"] == {"env": {"PROSCRIBE_REPORTS": "{{ directory }}"}}
    (schedule,) = made["schedules"]
    templates = {template["id"]: template for template in made["job_templates"]}
    assert templates[schedule["unified_job_template"]]["playbook"] == "playbooks/drift.yml"
    assert re.fullmatch(r"DTSTART(;TZID=\w+/\w+)?:\d{8}T\d{6}Z? RRULE:FREQ=DAILY;INTERVAL=1", schedule["rrule"])
    for template in templates.values():
        assert (PROJECT / template["playbook"]).is_file() and refused(json.loads(template["extra_vars"])) == []
        assert len(template["of"]["credentials"]) == 2
        for question in template["survey"]["spec"]:
            for answer in question.get("choices", question["default"]).splitlines():
                assert refused({question["variable"]: answer}) == [], question
    assert len(templates) == 2


def test_semaphore_gets_a_template_and_its_schedule(tmp_path):
    ours, other = {"id": 4, "name": "Proscribe"}, {"id": 3, "name": "Other"}
    made = {"repositories": [other, ours], "inventory": [{"id": 5, "name": "Proscribe"}]}
    with serving(Semaphore, made) as address:
        for changed in (3, 0):
            said = played("semaphore.yml", tmp_path, "-e", f"semaphore={address}", SEMAPHORE_TOKEN="a-token")
            assert re.search(rf"changed={changed} ", said), said
    (template,), (schedule,), (environment,) = made["templates"], made["schedules"], made["environment"]
    assert (template["repository_id"], template["inventory_id"]) == (4, 5)
    assert template["environment_id"] == environment["id"] and schedule["template_id"] == template["id"]
    assert (PROJECT / template["playbook"]).is_file() and refused(json.loads(environment["json"])) == []
    assert json.loads(environment["env"]).keys() == {"PROSCRIBE_REPORTS"}


@pytest.mark.parametrize("more", [{}, {"resource_grup": "x"}])
def test_gitlab_takes_the_job(tmp_path, more):
    checker = tools() / "check-jsonschema"
    pipeline = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
    (job,) = pipeline.values()
    job.update(more)
    file = tmp_path / "gitlab-ci.yml"
    file.write_text(yaml.safe_dump(pipeline))
    done = subprocess.run([checker, "--builtin-schema", "vendor.gitlab-ci", file], capture_output=True, text=True)
    assert (done.returncode == 0) == (not more), done.stdout + done.stderr
    (command,) = job["script"]
    assert refused(dict([command.partition(" -e ")[2].split("=")])) == [], command
