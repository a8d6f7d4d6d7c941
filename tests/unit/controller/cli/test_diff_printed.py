"""What `./proscribe diff` prints of a rich difference, and how it asks."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.cli import command_line, diff
from proscribe.controller.cli.diff import Compared, Group
from proscribe.controller.cli.diff.earlier_plans import Earlier
from proscribe.controller.compile.plans.difference import CONTROL, IDENTIFIER, PLAN, SERVICE, SETTING, Change
from recording import compare, fold, join_files

RECORDED = Path(__file__).parents[2] / "recorded/cli"
MANY = tuple(f"n{number}.example" for number in range(diff.MOST_NAMES + 2))
CHANGES = (
    Change("", PLAN, "", "contact", before="", after="desk\x1b[2J"),
    Change("", PLAN, "", "request_url", before="desk", after=""),
    Change("apps", CONTROL, "", "", before="off", after="enforce"),
    Change("apps", SETTING, "", "quarantine", before="", after="/srv/q"),
    Change(
        "apps", SERVICE, "owl", after="enforce", counts=(("packages.apt", 1), ("packages.snap", 1), ("paths", 1200))
    ),
    Change("apps", SERVICE, "gull", before="audit"),
    Change("apps", SERVICE, "wren", before="audit", after="enforce", counts=(("paths", 3),)),
    Change("firewall", SERVICE, "owl", after="enforce", counts=(("networks", 2),)),
    Change("firewall", SERVICE, "parrot", before="enforce", after="", counts=(("networks", 1),)),
    Change("firewall", IDENTIFIER, "elf", "networks", added=("192.0.2.0/24",)),
    Change("dns", IDENTIFIER, "elf", "domains", added=MANY, removed=("gone.example",)),
    Change("dns", IDENTIFIER, "a_service_with_a_name_that_is_much_too_long", "domains", removed=MANY[:2]),
    Change("dns", SETTING, "elf", "allow", before="x", after="y"),
)
MORE = tuple(Change("dns", IDENTIFIER, f"s{number}", "domains", added=("a",)) for number in range(len(CHANGES) + 2))
HOSTS = tuple(f"h{number:02}" for number in range(diff.MOST_HOSTS + 2))
DEPARTMENTS = {"press": HOSTS[:3], "it\x1b": ("x", HOSTS[0]), "other": ("y",), "none": ()}
GROUPS = (Group(CHANGES, HOSTS), Group(MORE, ("z",)), Group(MORE[:-1], ("y",)))
FOUND = Compared(GROUPS, fresh=("new1",), gone=HOSTS, compared=1200)
BEFORE = Earlier("v1\x1b", {}, {}, ("a\x1b note", "another"), {Path("/srv/a"): "abc", Path("/srv/b"): "def"})


def test_all_of_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "MOST_LINES", len(CHANGES))
    first = FOUND._replace(groups=GROUPS[:1])
    shown = {
        "all": "\n".join(diff.render(BEFORE, FOUND, DEPARTMENTS, 100, False)),
        "narrow": "\n".join(diff.render(BEFORE, first, DEPARTMENTS, 40, False)),
        "colours": "\n".join(diff.render(BEFORE, first._replace(fresh=(), gone=()), {}, 100, True)),
        "JSON": fold(json.dumps(diff.as_json(BEFORE, first, DEPARTMENTS)).replace("}, {", "},\n{"), 120),
    }
    compare(RECORDED / "diff.printed.txt", join_files(shown))


class Plans(dict[str, Any]):
    """Plans by digest, of which only the digests are known."""

    def __missing__(self, digest: str) -> str:
        return digest


def test_hosts_are_together_by_what_changes_for_them_most_hosts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def difference(old: str, new: str) -> tuple[str, ...]:
        compared.append((old, new))
        return () if new == "same" else (f"{old[:1]}{new[:1]}",)

    monkeypatch.setattr(diff, "difference", difference)
    hosts = {"k": "n1", "j": "n2", "f": "x", "e": "x", "d": "x", "c": "same", "b": "o", "a": "n1", "z2": "n", "z1": "n"}
    old = {"k": "o", "j": "o2", "f": "p", "e": "p", "c": "o", "b": "o", "a": "p", "g2": "o", "g1": "o"}
    now: Any = SimpleNamespace(hosts=hosts, plans=Plans())
    found = diff.compare(Earlier("", old, Plans()), now)
    together: Any = [(("px",), ("e", "f")), (("on",), ("j", "k")), (("pn",), ("a",))]
    assert list(found.groups) == together
    assert (found.fresh, found.gone, found.compared) == (("d", "z1", "z2"), ("g1", "g2"), 7)
    assert len(compared) == len(set(compared)) == 5
    assert diff.compare(Earlier("", old, Plans()), now, whole=False) == found._replace(gone=())


@pytest.mark.parametrize(
    ("found", "different"),
    [
        (Compared((), (), (), 2), False),
        (Compared(GROUPS, (), (), 2), True),
        (Compared((), ("a",), (), 2), True),
        (Compared((), (), ("a",), 2), True),
    ],
)
def test_any_difference_is_one(found: Compared, different: bool) -> None:
    assert found.different is different


@pytest.mark.parametrize(("limit", "json_"), [("", False), ("web*", False), ("", True)])
@pytest.mark.parametrize("found", [Compared((), (), (), 1), Compared(GROUPS[1:2], ("a",), (), 1)])
def test_it_asks_for_the_plans_of_then_and_now(
    found: Compared, limit: str, json_: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    question = SimpleNamespace(hosts=["hosts"], inventory=["inventory"])
    compiled = SimpleNamespace(restrictions={"a": 1})
    calls: list[Any] = []

    def note(answer: Any) -> Any:
        return lambda *given, **named: calls.append((*given, *named.items())) or answer

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(diff.inventory, "question", lambda arguments: question)
    monkeypatch.setattr(diff, "reports_of", lambda hosts, inventory: (hosts, inventory))
    for name, answer in (
        ("earlier", BEFORE),
        ("compile_hosts", compiled),
        ("compare", found),
        ("departments_of", {"press": ("z",)}),
    ):
        monkeypatch.setattr(diff, name, note(answer))
    run, arguments = command_line.read(
        "diff", ["v1", *(["--limit", limit] if limit else []), *(["--json"] if json_ else [])]
    )
    assert run(arguments) == (diff.DIFFERENT if found.different else diff.SAME)
    (name, given, now, reports), (of, then), compared, departments = calls
    assert (name, given, reports) == ("v1", arguments, (["hosts"], ["inventory"]))
    assert (of, then, now.tzinfo is not None) == (question, now, True)
    assert compared == (BEFORE, compiled, ("whole", not limit)) and departments == (question, {"a": 1})
    printed = capsys.readouterr().out
    whole = list(diff.render(BEFORE, found, {"press": ("z",)}, 60, False))
    assert (
        json.loads(printed) == diff.as_json(BEFORE, found, {"press": ("z",)})
        if json_
        else printed.splitlines() == whole
    )
