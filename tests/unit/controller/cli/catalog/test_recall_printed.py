"""What `catalog recall` prints of a rich comparison, and what of it does not reach its goal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.cli import Refused, command_line
from proscribe.controller.cli.catalog import recall
from proscribe.controller.cli.catalog.recall.measure import Found, Result
from proscribe.controller.cli.catalog.recall.reading import Lists
from proscribe.controller.cli.catalog.recall.standing import STATES, Standing
from recording import compare, join_files

RECORDED = Path(__file__).parents[3] / "recorded/cli"


def name(number: int, state: str, popular: bool = True, rank: int | None = None, *lists: str) -> Found:
    return Found(f"n{number}.example", Standing(state, "owl"), popular, rank, lists or ("one", "two"))


EVERY = [name(number, state, True, number + 1) for number, state in enumerate(STATES)]
OTHERS = [name(20, "missing", True), name(21, "unverified", False, None, "two"), name(22, "blocked", False)]
RESULTS = (
    Result("vpn", {"one": 1200, "two": 12}, 2, 1201, [*EVERY, *OTHERS], True),
    Result("tor", {"one": 3}, 1, 3, [], True),
    Result("webmail", {"one": 3, "three": 5}, 2, 8, [], True),
    Result("messaging", {"one": 3, "two": 4}, 2, 7, [name(30, "blocked"), name(31, "blocked")], False),
)
LISTS = Lists({"one": {"a": 1}, "two": {"a": 1, "b": 2}}, {"four": "it is not there", "five": "it is empty"})
RECALL = recall.Recall(LISTS, RESULTS, ("top", "other"), 100_000)
CATEGORIES = [one.category for one in RESULTS]
Recalled = Any


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Recalled:
    """Runs the command over what was compared; its code and what it prints on both streams."""
    calls: list[Any] = []
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setattr(recall, "needed", lambda chosen, categories: (chosen, tuple(categories)))
    monkeypatch.setattr(recall, "fetch_lists", lambda *given: [calls.append(given) or "one: 1 file"])

    def command(*words: str, found: recall.Recall = RECALL) -> tuple[int, str, str, list[Any]]:
        calls.clear()
        monkeypatch.setattr(recall, "compared", lambda *given: calls.append(given) or found)
        _, arguments = command_line.read("catalog", ["recall", "lists", *words])
        return arguments.run_subcommand(arguments, "chosen"), *capsys.readouterr(), list(calls)

    return command


def test_all_of_a_comparison(run: Recalled) -> None:
    nothing = recall.Recall(Lists({}, {}), (), (), 5)
    shown = {
        "printed": run()[1],
        "missing": run("--missing")[1].partition("\nvpn\t")[2],
        "nothing": run("--missing", found=nothing)[1],
        "JSON": run("--json", "--at-least", "vpn=1")[1],
    }
    compare(RECORDED / "recall.printed.txt", join_files(shown))


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("vpn=0.7", ""),
        ("vpn=0.8", "vpn=0.8: not reached, 7 of 10 names are handled (0.700)"),
        ("vpn:all=0.6667", "vpn:all=0.6667: not reached, 8 of 12 names are handled (0.667)"),
        ("vpn:all=0.6666", ""),
        ("tor=0", "tor=0: not reached, nothing was measured: lists of 1 publishers, expected at least 2"),
        ("messaging=0", "messaging=0: not reached, nothing was measured: no list of the most asked-for names was read"),
        ("messaging:all=1", ""),
        ("webmail=0", "webmail=0: not reached, nothing was measured: no two independent lists share a name"),
        ("webmail:all=0", "webmail:all=0: not reached, nothing was measured: no two independent lists share a name"),
    ],
)
def test_a_goal_is_reached_or_it_is_said_why_not(run: Recalled, goal: str, said: str) -> None:
    code, _, printed, _ = run("--at-least", goal)
    assert (code, " ".join(printed.split())) == ((recall.BELOW_GOAL, said) if said else (0, ""))


def test_what_is_asked_for_is_compared(run: Recalled) -> None:
    assert run("--popular", "7")[3] == [("chosen", Path("lists"), recall.CATEGORIES, 7)]
    code, _, printed, calls = run("--category", "vpn", "--category", "tor", "--fetch", "--ca-file", "ca.pem")
    fetched, compared = calls
    assert (code, printed) == (0, "one: 1 file\n")
    assert fetched == (("chosen", ("vpn", "tor")), Path("lists"), "ca.pem")
    assert compared == ("chosen", Path("lists"), ["vpn", "tor"], recall.USUAL)
    with pytest.raises(Refused, match="^--at-least tor=0.5 is about a category that --category leaves out"):
        run("--category", "vpn", "--at-least", "vpn=0.1", "--at-least", "tor=0.5")


@pytest.mark.parametrize(
    ("option", "text", "taken"),
    [
        *(("--popular", text, True) for text in ("1", "9999999")),
        *(("--popular", text, False) for text in ("0", "10000000", "x", "-1", "01", "1.5")),
        *(("--at-least", f"vpn={text}", True) for text in ("0", "0.1", "0.1234", "1", "1.0000")),
        *(("--at-least", f"vpn={text}", False) for text in ("1.1", "0.", "0.12345", "2", "", ".5", "1.00000")),
        *(("--at-least", text, False) for text in ("vpns=0.5", "vpn:most=0.5", "vpn", "VPN=1")),
    ],
)
def test_numbers_and_goals_have_a_form(run: Recalled, option: str, text: str, taken: bool) -> None:
    if taken:
        assert run(f"{option}={text}")[3]
        return
    with pytest.raises(SystemExit, match="2"):
        run(f"{option}={text}")
