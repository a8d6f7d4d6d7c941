"""`./proscribe requests`: the list of them as people and programs read it, and what a refusal has to be."""

from __future__ import annotations

import argparse
import datetime
import json
from typing import Any

import pytest
from made_policy import NOW
from proscribe.controller.cli import Refused, inventory, requests
from proscribe.controller.cli.waiver.requested import ORDER, Opens, Standing
from proscribe.controller.compile.waivers import refusals
from proscribe.controller.report.storage.requests_file import Request

ID = "0f3a9c5d7e1b2846"
OPENS = Opens("wong", ("apps", "firewall"), ("apps", "browser", "firewall"), ("browser",))
WAIVED = "waived by W-1 until 2026-12-25 04:00:00 UTC"


def request(state: str = "open", why: str = "", waiver: str = "", **changed: Any) -> Standing:
    """One of wong's on press01, made three days ago."""
    fields = {"id": ID, "user": "wong", "service": "parrot", "reason": "Press calls", "at": "2026-11-22T04:00:00Z"}
    departments = changed.pop("departments", ("press",))
    made = Request(**{"host": "press01", **fields, **changed})
    return Standing(made, departments, ("head.of.press",), state, why, waiver, OPENS, 90)


def table(*listed: Standing, width: int = 400, colours: bool = False) -> list[str]:
    return requests.table(listed, NOW, width, colours).splitlines()


def test_the_list_begins_with_how_many_wait_and_has_a_row_for_each() -> None:
    listed = [request(), request("waived", WAIVED, "W-1", id="a" * 16), request("refused", id="b" * 16)]
    first, second, third = (requests.sentence(one, NOW) for one in listed)
    assert table(*listed) == [
        "3 requests: 1 open",
        "",
        f"{ID}  open     {first}",
        f"{'a' * 16}  waived   {second}",
        f"{'b' * 16}  refused  {third}",
    ]


@pytest.mark.parametrize("state", ORDER)
def test_a_state_is_coloured_and_no_other_word_that_is_like_it(state: str) -> None:
    (row,) = (line for line in table(request(state, f"{state} by somebody"), colours=True) if ID in line)
    before, coloured, after = row.partition(f"m{state}\x1b[0m")
    assert before.startswith(f"{ID}  \x1b[") and coloured and after.startswith(f"  {state} by somebody. wong on")
    assert "\x1b" not in "".join(table(request(state)))


def test_a_narrow_screen_has_all_of_it_in_more_lines() -> None:
    said = table(request(id="an-id-of-another-kind-that-is-long"), width=60)
    assert max(map(len, said)) <= 60
    whole = f"an-id-of-another-kind-that-is-long open {requests.sentence(request(), NOW)}"
    assert " ".join(" ".join(said[2:]).split()) == whole


@pytest.mark.parametrize(
    ("changed", "begins"),
    [
        ({}, "wong on press01 (press) requests parrot, 3 days ago: Press calls. A waiver would open apps and firewall"),
        ({"departments": ()}, "wong on press01 (no department) requests"),
        ({"departments": ("a", "b", "c")}, "wong on press01 (a, b, c) requests"),
        ({"departments": ("a", "b", "c", "d")}, "wong on press01 (a, b, c and 1 more) requests"),
        ({"at": "2026-11-26T04:00:00Z"}, "wong on press01 (press) requests parrot, less than a minute ago"),
        ({"why": "refused by head.of.press"}, "refused by head.of.press. wong on press01"),
    ],
)
def test_a_sentence_says_who_requests_what_since_when_and_why(changed: dict[str, Any], begins: str) -> None:
    assert requests.sentence(request(**changed), NOW).startswith(begins)


class Command:
    """The command, over requests that are listed already, at a moment of its own."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.listed: list[Standing] = [request()]
        patch.setattr(requests, "found", lambda arguments, now: self.listed)

    def __call__(self, *words: str) -> None:
        parser = argparse.ArgumentParser()
        requests.add_arguments(parser)
        assert requests.run(parser.parse_args(words)) == 0


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(monkeypatch)


def test_programs_read_the_same_of_it(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command.listed = [request(), request("drafted", "W-1 is unsigned", "W-1")]
    command("list", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "proscribe/request-list/1"
    assert datetime.datetime.fromisoformat(said["at"].replace("Z", "+00:00")).tzinfo
    one = {
        "id": ID,
        "host": "press01",
        "user": "wong",
        "service": "parrot",
        "reason": "Press calls",
        "at": "2026-11-22T04:00:00Z",
        "departments": ["press"],
        "opens": {"user": ["apps", "firewall"], "host": ["apps", "browser", "firewall"]},
    }
    assert said["requests"] == [
        {**one, "state": "open", "why": None, "waiver": None},
        {**one, "state": "drafted", "why": "W-1 is unsigned", "waiver": "W-1"},
    ]


def test_where_there_is_none_that_is_said(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command.listed = []
    command()
    assert capsys.readouterr().out == "no requests: no host of this inventory has reported one\n"


LONG = "x" * (refusals.LONGEST + 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", ID], f"found '{ID}' after list, expected options only"),
        (["list", "", "why"], "found '' after list, expected options only"),
        (["refuse"], "found no reason"),
        (["refuse", ID], "found no reason"),
        (["refuse", ID, "  "], "found no reason"),
        (["refuse", "", "use the portal"], "found no reason"),
        (["refuse", ID, LONG], f"why: found {len(LONG)} characters, expected one printable line of at most"),
        (["refuse", ID, "use\nthe portal"], "why: found 14 characters, expected one printable line"),
        (["refuse", ID, "no", "--by", "\x1b[2J"], "--by: found 4 characters, expected one printable line"),
        (["refuse", ID[:-1], "no"], f"there is no request '{ID[:-1]}' in this inventory, did you mean '{ID}'?"),
    ],
)
def test_a_refusal_needs_a_request_and_one_line_that_says_why(command: Command, words: list[str], message: str) -> None:
    with pytest.raises(Refused) as refused:
        command(*words)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("answered", "message"),
    [
        (request("waived", WAIVED, "W-1"), f"is waived already: {WAIVED}; to end it, revoke the waiver W-1"),
        (request("refused", "refused by head.of.press"), "is refused already: refused by head.of.press"),
    ],
    ids=["waived", "refused"],
)
def test_what_is_answered_is_not_refused(command: Command, answered: Standing, message: str) -> None:
    command.listed = [answered]
    with pytest.raises(Refused) as refused:
        command("refuse", ID, "no")
    assert str(refused.value) == f"request {ID} {message}"


def test_a_reason_of_the_greatest_length_is_taken(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def question(arguments: argparse.Namespace) -> None:
        raise Refused("so far")

    monkeypatch.setattr(inventory, "question", question)
    with pytest.raises(Refused, match="so far"):
        command("refuse", ID, LONG[1:])
