"""What holds for every export that declares itself, and that declaring is all that it takes to add one."""

from __future__ import annotations

import re
import sys

import pytest
import watched_hosts
from export_fleet import ANSWERS, STATE, exported
from proscribe.controller.report import exports
from proscribe.controller.report.exports import formats
from proscribe.controller.report.exports.record_lines import HOST, Reader
from proscribe.model.finding import COMPLIANT, WAIVED
from proscribe.wire.replies.record import read

# Names that no export has among its own words.
ANSWERING = {f"{host}.example": answer for host, answer in ANSWERS.items()}
HOSTS = {f"{host}.example": state for host, state in STATE.items()}
UNSERVED = {"switch01.example": "a network device"}
# What an export is for may leave out hosts with nothing but that.
WITHOUT = {"sarif_open": WAIVED}
# These write what is no rule of a plan in another form: events of the kind `between` and the key `errors`, metrics such
# as `watch_incidents` and `control_hosts`.
RULES_OF_PLANS = ("events", "prometheus")
OTHER_RULES = re.compile("watch/.*|.*/(error|refused)")


def find_lost_hosts(directory, name):
    text = exported(directory, [name], ANSWERING, tuple(HOSTS), not_served=UNSERVED)[name]
    expected = [host for host, state in HOSTS.items() if state != WITHOUT.get(name)]
    return [host for host in (*expected, *UNSERVED) if host not in text]


@pytest.mark.parametrize("name", formats())
def test_no_host_is_lost(tmp_path, name):
    assert find_lost_hosts(tmp_path, name) == []


@pytest.mark.parametrize("name", formats())
def test_no_rule_is_lost(tmp_path, name):
    answers = {**ANSWERING, **{f"{host}.example": answer for host, answer in watched_hosts.HOSTS.items()}}
    read_ = Reader()
    lines = [line for host, answer in answers.items() for line in read_.read(read(host, answer)).rows]
    rules = {line.rule for line in lines if line.state not in (COMPLIANT, WITHOUT.get(name))} - {HOST}
    assert {"watch/closed-again", "watch/still-open", "watch/ended", "dns/error"} <= rules
    if name in RULES_OF_PLANS:
        rules = {rule for rule in rules if not OTHER_RULES.fullmatch(rule)}
    text = exported(tmp_path, [name], answers, tuple(answers))[name]
    assert sorted(rule for rule in rules if rule not in text) == []


def test_the_documents_say_what_a_state_becomes_in_each(project):
    _, _, section = (project / "docs/exports.md").read_text().partition("## What a state becomes\n")
    words = re.findall(r"\w+", section.partition("\n## ")[0].lower())
    assert [name for name in formats() if name not in words] == []


TALLY = """
from proscribe.controller.report.exports.format import Format


class Export:
    def __init__(self, stream, report):
        self._stream = stream

    def add(self, answer):
        {which}self._stream.write(f"{{answer.host}} {{answer.state}}\\n")

    def not_served(self, host, why):
        self._stream.write(f"{{host}} not served\\n")

    def finish(self):
        pass


FORMATS = (Format("tally", "tally.txt", "people who count", Export),)
"""


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Return a function that adds a module to the exports."""

    def add_(text):
        (tmp_path / "tally.py").write_text(text)
        monkeypatch.setattr(exports, "__path__", [*exports.__path__, str(tmp_path)])
        formats.cache_clear()

    yield add_
    sys.modules.pop(f"{exports.__name__}.tally", None)
    monkeypatch.undo()
    formats.cache_clear()


def test_one_that_leaves_out_compliant_hosts_does_not_pass(add, tmp_path):
    add(TALLY.format(which='if answer.state != "compliant": '))
    assert find_lost_hosts(tmp_path, "tally") == ["holds.example"]
