"""`./proscribe requests`: the list of them as people and programs read it, and what a refusal has to be."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from proscribe.controller.cli import Refused, requests
from proscribe.controller.cli.waiver.requested import Opens, Standing
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


def test_where_there_is_none_that_is_said(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command.listed = []
    command()
    assert capsys.readouterr().out == "no requests: no host of this inventory has reported one\n"


LONG = "x" * (refusals.LONGEST + 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", ID], f"found '{ID}' after list, expected options only"),
        (["refuse", ID], "found no reason"),
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
