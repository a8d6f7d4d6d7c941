"""The streamed code over the connections that inventories describe: one record, whichever way it came.

A real host over real SSH: as root, with sudo (with and without a password), with another interpreter, behind a shell
that talks, in check mode, with -vvv, and where the connection must not pipe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from machines import ACCOUNTS, PROJECT, Machine, booted
from patience import LONGEST
from proscribe.model.plan import SCHEMA, sealed

pytestmark = [pytest.mark.integration, pytest.mark.whole_hosts]

APP = {
    "name": "A",
    "mode": "enforce",
    "packages": {"apt": ["nftables"]},
    "processes": ["nosuch"],
    "paths": ["/opt/nosuch"],
}
SITE = {"name": "B", "mode": "enforce", "domains": ["nosuch.example.com"], "allow": []}
PLAN = sealed(
    {
        "schema": SCHEMA,
        "contact": "",
        "browsers": [],
        "controls": {
            "apps": {"mode": "enforce", "services": {"a": APP}, "settings": {}},
            "dns": {"mode": "enforce", "services": {"b": SITE}, "settings": {}},
        },
    }
)
# The shells of root and of bob talk. (Ansible's own way of copying a module does not survive that, so the cases that
# need it have quiet ones.)
PREPARE = """\
for home in /root /home/bob; do
    printf 'echo Welcome; printf "{ not: json, proscribe-answer:{} "\\n%s\\n' "$(cat $home/.bashrc)" >$home/.bashrc
done
mkdir -p /opt/other
cp /usr/bin/python3.13 /opt/other/python
"""
ADMIN = ("--become", "-e", "ansible_user=admin")
BOB = ("--become", "-e", "ansible_user=bob", "-e", "ansible_become_password=secret")
CAROL = ("--become", "-e", "ansible_user=carol", "-e", "ansible_become_password=secret")
ALONE = json.dumps({"ansible_ssh_args": "-o ControlMaster=no -o ControlPath=none"})
MODULE = "goes as a module"
NO_ANSWER = "its Python did not answer the streamed code"
PLACE = "/var/lib/proscribe/observe"


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    with booted("stream") as (machine,):
        machine.run("sh", "-c", ACCOUNTS + PREPARE)
        yield machine


def observed(host: Machine, *options: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """What Ansible says, and the record in it."""
    controller = host.controller("compliance_state", {"plan": PLAN, **arguments}, PROJECT, *options)
    said, _ = controller.process.communicate(timeout=LONGEST)
    assert len(answers(said)) == 1, said[-3000:]
    return said, answers(said)[0]


def answers(said: str) -> list[dict[str, Any]]:
    return [json.loads(found) for found in re.findall(r"=> (\{\n.*?^\})", said, re.DOTALL | re.MULTILINE)]


# What differs between two observations: clocks, the connection itself, and the state of the file scan.
PASSING = ("checked_at", "duration_ms", "logged_in", "full_scan")


def lasting(answer: Mapping[str, Any]) -> str:
    """The record without what passes, in the bytes that a report gets."""
    return json.dumps({key: value for key, value in answer["record"].items() if key not in PASSING})


@pytest.fixture(scope="module")
def whole(host: Machine) -> str:
    """The record as root sees it, streamed; once for all cases."""
    answer = observed(host)[1]
    assert answer["record"]["state"] == "noncompliant" and answer["drifted"] == ["apps", "dns"]
    return lasting(answer)


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        (ADMIN, ""),
        ((*BOB, "-vvv", "--check"), ""),
        (("-e", "ansible_python_interpreter=/opt/other/python"), ""),
        (("-e", "ansible_python_interpreter=auto_silent"), ""),
        (("-e", ALONE), ""),
        ((*ADMIN, "-e", "ansible_pipelining=false"), MODULE),
        ((*CAROL, "-e", "ansible_pipelining=false"), MODULE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_record_is_the_same_whichever_way_the_code_came(host, whole, options, warned):
    said, answer = observed(host, *options)
    assert lasting(answer) == whole
    said = " ".join(said.split())
    assert [text for text in (MODULE, NO_ANSWER) if text in said] == ([warned] if warned else [])


@pytest.mark.parametrize("named", ["auto_silent", "/nosuch/python"])
def test_where_no_python3_answers_the_module_gives_the_record_or_says_what_is_missing(host, whole, named):
    host.run("mv", "/usr/bin/python3", "/usr/bin/python3-hidden")
    try:
        controller = host.controller(
            "compliance_state", {"plan": PLAN}, PROJECT, *ADMIN, "-e", f"ansible_python_interpreter={named}"
        )
        said, _ = controller.process.communicate(timeout=LONGEST)
    finally:
        host.run("mv", "/usr/bin/python3-hidden", "/usr/bin/python3")
    assert NO_ANSWER in " ".join(said.split())
    if named == "auto_silent":
        assert lasting(answers(said)[0]) == whole
    else:
        assert "/nosuch/python" in said and "rules_evaluated" not in said


def test_code_and_plan_are_kept_by_runs_that_enforce_alone_and_not_in_check_mode(host, whole):
    observed(host)
    observed(host, "--check", remember=True)
    assert not host.there("/var/lib/proscribe")
    assert lasting(observed(host, remember=True)[1]) == whole
    stored = [f"{PLACE}/{name}" for name in host.run("ls", PLACE).split()]  # the code, and the plan
    assert len(stored) == 2 and host.run("stat", "-c", "%a %u", *stored).split() == ["600", "0"] * 2
    before = host.run("stat", "-c", "%i", *stored)
    assert lasting(observed(host)[1]) == whole
    assert host.run("stat", "-c", "%i", *stored) == before
    host.run("truncate", "-s", "100", *stored)  # what is sent comes before what is kept, and heals it
    assert lasting(observed(host, remember=True)[1]) == whole
    assert [f"{PLACE}/{name}" for name in host.run("ls", PLACE).split()] == stored
    assert all(int(size) > 100 for size in host.run("stat", "-c", "%s", *stored).split())


POLICY = "/etc/owl/policies/managed/proscribe.json"
BROWSER = sealed(
    {
        "schema": SCHEMA,
        "contact": "",
        "browsers": [{"id": "owl", "family": "chromium", "path": POLICY, "browsers": ["owl"]}],
        "controls": {
            "browser": {"mode": "enforce", "services": {"b": {**SITE, "urls": []}}, "settings": {"browsers": {}}}
        },
    }
)


@pytest.mark.parametrize("options", [BOB, CAROL], ids=["bob", "carol"])
def test_a_control_is_enforced_and_lifted_with_a_password_for_sudo(host, options):
    def changes(state: str) -> bool:
        arguments = {"plan": BROWSER, "state": state}
        said, _ = host.controller("browser_policy", arguments, PROJECT, *options).process.communicate(timeout=LONGEST)
        return '"changed": true' in said or not ('"changed": false' in said or pytest.fail(said[-3000:]))

    assert [changes("present"), host.there(POLICY), changes("present")] == [True, True, False]
    assert "nosuch.example.com" in host.run("cat", POLICY)
    assert [changes("absent"), host.there("/etc/owl"), changes("absent")] == [True, False, False]


def test_a_host_without_a_password_for_sudo_gives_no_record(host):
    controller = host.controller("compliance_state", {"plan": PLAN}, PROJECT, "--become", "-e", "ansible_user=carol")
    said, _ = controller.process.communicate(timeout=LONGEST)
    assert "record" not in said and "password" in said.lower()
