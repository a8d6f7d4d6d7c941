"""The first hour of docs/first-hour.md, lived on a controller and three hosts, and how much of it is waiting."""

import json
import time

import pytest
from derived.first_hour import MINUTES_IN_ALL, MINUTES_OF_WAITING, PAGE, read_steps, waiting_of
from desk import MORE, REPOSITORY, SERVED, name_hosts, shell
from doc_blocks import Command, parts
from doc_shell import codes, missing
from machines import PROJECT
from scheduled_fleet import scheduled_fleet

pytestmark = pytest.mark.whole_hosts
# What the collection is made of, beside what a controller runs.
BUILT_FROM = ("examples", "doc_fragments", "LICENSE", "CHANGELOG.md", "SECURITY.md")


@pytest.fixture(scope="module")
def fleet():
    with scheduled_fleet("hour", ("press01", "press02", "fin01")) as booted:
        booted.controller.send_checkout((*MORE, *(part for part in BUILT_FROM if part not in MORE)))
        booted.controller.script(SERVED)
        name_hosts(booted)
        yield booted


def test_a_stranger_has_a_scheduled_run_within_the_hour(fleet):
    text = (PROJECT / PAGE).read_text(encoding="utf-8")
    commands = [part for part in parts(PAGE, text) if isinstance(part, Command)]
    ends_with = dict(codes(commands, {}))
    waited = {}
    with shell(fleet, "/root", PROSCRIBE_ANSIBLE_PLAYBOOK="/usr/bin/ansible-playbook") as typed:
        for command in commands:
            began = time.monotonic()
            done = typed.run(command.text.replace("<this repository>", REPOSITORY))
            step = next(step.title for step in reversed(list(read_steps(text))) if step.line < command.line)
            waited[step] = waited.get(step, 0) + time.monotonic() - began
            assert done.code == ends_with[command], (command.where, command.text, done)
            assert missing(command.output, done.printed) == [], f"{command.where}: {command.text}\n{done.printed}"
    for title, seconds in waited.items():
        print(f"{title}: {seconds:.1f} s")
        assert seconds <= 60 * waiting_of(title), title
    run = json.loads(fleet.controller.read("/opt/proscribe/reports/latest/report.json"))["run"]
    assert run["playbook"] == "enforce", run  # nobody has typed one: the timer's unit corrects what is on enforce
    assert fleet.controller.run("systemctl", "show", "--value", "-p", "Result", "proscribe-drift").strip() == "success"
    for host in fleet.hosts.values():
        assert not host.succeeds("test", "-e", "/etc/proscribe")  # nothing was changed there


def test_the_table_is_within_what_an_hour_has():
    every = list(read_steps((PROJECT / PAGE).read_text(encoding="utf-8")))
    waiting = sum(waiting_of(step.title) for step in every)
    assert waiting <= MINUTES_OF_WAITING
    assert sum(step.reading + step.typing for step in every) + waiting <= MINUTES_IN_ALL
