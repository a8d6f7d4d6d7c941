"""`./proscribe quarantine` becomes ansible-playbook: with which words, and when it does not."""

import json
import os

import pytest
from proscribe.controller.cli import Refused, command_line

NOTHING = {"quarantine_do": "list", "quarantine_all": False, "quarantine_older_than": "", "quarantine_format": "table"}
NOTHING |= {f"quarantine_{name}": [] for name in ("host", "user", "service", "id")} | {"quarantine_accept_loss": False}


@pytest.fixture
def call(monkeypatch):
    monkeypatch.delenv("PROSCRIBE_ANSIBLE_PLAYBOOK", raising=False)
    became = []
    monkeypatch.setattr(os, "execvp", lambda file, argv: became.append([file, *argv]))

    def run(*words):
        became.clear()
        start, arguments = command_line.read("quarantine", words)
        start(arguments)
        return became.pop()

    return run


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("list s-3fa4b2c1", "found 's-3fa4b2c1', expected options only; an id is given with --id s-3fa4b2c1"),
        ("list -i x y", "found 'y', expected options only"),
        ("restore", "restore: found no selector"),
        ("prune --all --format json", "--format json: found with prune, expected with list"),
    ],
)
def test_contradictory_options_ask_no_host(call, words, why):
    with pytest.raises(Refused) as refused:
        call(*words.split())
    assert str(refused.value).startswith(why)


def test_output_in_json_has_the_answer_alone(call, monkeypatch):
    monkeypatch.setenv("PROSCRIBE_ANSWER_FD", "")
    instead = []
    monkeypatch.setattr(os, "dup2", lambda *given: instead.append(given))
    assert json.loads(call("list", "--format", "json")[-1]) == NOTHING | {"quarantine_format": "json"}
    answer = int(os.environ["PROSCRIBE_ANSWER_FD"])
    try:
        assert instead == [(2, 1)] and os.get_inheritable(answer) and os.path.sameopenfile(answer, 1)
    finally:
        os.close(answer)
