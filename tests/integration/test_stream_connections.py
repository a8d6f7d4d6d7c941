"""The streamed code over real SSH: one record over each connection, and the code and plan that a host keeps."""

import json
import re

import pytest
from machines import ACCOUNTS, PROJECT, booted
from made_plans import make_plan, make_section
from patience import LONGEST

pytestmark = pytest.mark.whole_hosts

OF_APP = {"packages": {"apt": ["nftables"]}, "processes": ["nosuch"], "paths": ["/opt/nosuch"]}
SERVICES = {"apps": {"a": OF_APP}, "dns": {"b": ["nosuch.example.com"]}}
PLAN = make_plan(controls={name: make_section(name, services) for name, services in SERVICES.items()})
ADMIN = ("--become", "-e", "ansible_user=admin")
NO_ANSWER = "its Python did not answer the streamed code"
# What differs between two observations: clocks, the connection itself, and the state of the file scan.
PASSING = ("checked_at", "duration_ms", "logged_in", "full_scan")
PLACE = "/var/lib/proscribe/observe"


@pytest.fixture(scope="module")
def host():
    with booted("stream") as (machine,):
        machine.run("sh", "-c", ACCOUNTS)
        yield machine


def observed(host, *options, **arguments):
    controller = host.controller("compliance_state", {"plan": PLAN, **arguments}, PROJECT, *options)
    said, _ = controller.process.communicate(timeout=LONGEST)
    answers = re.findall(r"=> (\{\n.*?^\})", said, re.DOTALL | re.MULTILINE)
    assert len(answers) == 1, said[-3000:]
    return said, json.loads(answers[0])


def lasting(answer):
    """The record without what passes, in the bytes that a report gets."""
    return json.dumps({key: value for key, value in answer["record"].items() if key not in PASSING})


@pytest.fixture(scope="module")
def whole(host):
    """The record as root sees it, streamed; once for all cases."""
    answer = observed(host)[1]
    assert answer["record"]["state"] == "noncompliant" and answer["drifted"] == ["apps", "dns"]
    return lasting(answer)


def test_host_without_python3_answers_by_the_module(host, whole):
    host.run("mv", "/usr/bin/python3", "/usr/bin/python3-hidden")
    try:
        said, answer = observed(host, *ADMIN, "-e", "ansible_python_interpreter=auto_silent")
    finally:
        host.run("mv", "/usr/bin/python3-hidden", "/usr/bin/python3")
    assert NO_ANSWER in " ".join(said.split()) and lasting(answer) == whole


def test_code_and_plan_are_kept_by_runs_that_enforce_alone_and_not_in_check_mode(host, whole):
    observed(host)
    observed(host, "--check", remember=True)
    assert not host.there("/var/lib/proscribe") and lasting(observed(host, remember=True)[1]) == whole
    stored = [f"{PLACE}/{name}" for name in host.run("ls", PLACE).split()]  # the code, and the plan
    assert len(stored) == 2 and host.run("stat", "-c", "%a %u", *stored).split() == ["600", "0"] * 2
    before = host.run("stat", "-c", "%i", *stored)
    assert lasting(observed(host)[1]) == whole and host.run("stat", "-c", "%i", *stored) == before
    host.run("truncate", "-s", "100", *stored)  # what is sent comes before what is kept, and heals it
    assert lasting(observed(host, remember=True)[1]) == whole
    assert [f"{PLACE}/{name}" for name in host.run("ls", PLACE).split()] == stored
    assert all(int(size) > 100 for size in host.run("stat", "-c", "%s", *stored).split())
