"""What nft lists of the table: what was refused, what is shown of it, and which tools are called for that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.firewall import listing, loaded_state
from proscribe.host.controls.firewall.listing import MANY, Part, Parts, observe_table, shown
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.programs import LOAD_AND_LIST
from proscribe.host.system import ControlError, Generation, Host, Result, Unseen
from proscribe.model.finding import Finding


def test_of_a_large_set_only_what_differs_is_shown() -> None:
    def parts(*names: str) -> Parts:
        return {("set", "a"): Part(("type ipv4_addr",), frozenset(names)), ("chain", "b"): Part(("accept", "drop"))}

    head = "chain b\n    accept\n    drop\nset a\n    type ipv4_addr\n"
    many = [f"x{number}" for number in range(MANY)]
    assert shown(parts("2", "1")) == f"{head}    1\n    2\n"
    assert shown(parts(*many), parts(*many)) == head + "".join(f"    {name}\n" for name in sorted(many))
    assert shown(parts(*many, "y"), parts(*many)) == f"{head}    y\n"
    assert shown(parts(*many, "y"), {}) == head + "".join(f"    {name}\n" for name in sorted([*many, "y"]))


def text_of(*networks: str) -> str:
    entry = {"name": "Telegram", "mode": "enforce", "networks": list(networks), "ports": []}
    return render({"mode": "enforce", "services": {"telegram": entry}, "settings": {}}, Exemptions())


TEXT = text_of("203.0.113.7")
LIST = ["nft", "list", "table", "inet", "proscribe"]
ALONE = ["unshare", "-n", sys.executable, "-I", "-S", "-c", LOAD_AND_LIST, "nft", "proscribe"]


class Kernel(Host):
    """A host with a table, as `nft list` and a namespace of its own answer for it."""

    def __init__(self, root: Path, table: str | Result, namespace: Result | None = None) -> None:
        super().__init__(str(root), self.answer)
        self.table, self.namespace = table, namespace or Result(1, "", "unshare: no")
        self.ran: list[list[str]] = []
        self.counts = ""
        (root / "run").mkdir(exist_ok=True)

    def ruleset_generation(self) -> Generation | None:
        return Generation(7, "here")

    def answer(self, argv: Sequence[str], **options: Any) -> Result:
        self.ran.append(list(argv))
        if argv[0] == "unshare":
            assert options["stdin"] == TEXT
            return self.namespace
        if argv[2] == "counters":
            return Result(0, self.counts, "")
        return self.table if isinstance(self.table, Result) else Result(0, self.table, "")


@pytest.mark.parametrize(
    ("err", "error", "said"),
    [
        ("Error: Operation not permitted", Unseen, "only be listed by root with CAP_NET_ADMIN"),
        (
            "x" * 400 + "\n  core dumped",
            ControlError,
            f"^nft cannot list the table inet proscribe: {'x' * 288} core dumped$",
        ),
    ],
)
def test_what_cannot_be_listed(tmp_path: Path, err: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        listing.listed(Kernel(tmp_path, Result(1, "", err)), "nft")


def test_a_table_that_is_not_there_has_no_parts(tmp_path: Path) -> None:
    host = Kernel(tmp_path, Result(1, "", "Error: No such file or directory"))
    assert (listing.listed(host, "nft"), host.ran) == ({}, [LIST])
    host.table = TEXT
    assert listing.listed(host, "nft") == listing.take_apart(TEXT)


def test_another_spelling_is_compared_as_this_host_lists_it(tmp_path: Path) -> None:
    other = TEXT.replace("jump restricted", "goto restricted")
    host = Kernel(tmp_path, other, Result(0, other, ""))
    assert observe_table(host, "nft", TEXT).right and host.ran == [LIST, ALONE]
    host.namespace = Result(1, "", "Error: syntax\n  error")
    with pytest.raises(ControlError, match="^nft does not take the ruleset: Error: syntax error$"):
        observe_table(host, "nft", TEXT)
    host.namespace = Result(1, "", "unshare: unshare failed")
    seen = observe_table(host, "nft", TEXT)
    assert (seen.wrong, seen.unseen, seen.right) == ({"ruleset": []}, listing.NO_NAMESPACE, False)


def test_what_is_loaded_where_nothing_should_be_and_nothing_where_something_should(tmp_path: Path) -> None:
    gone = Finding("table", "proscribe", manager="nftables", path="inet proscribe", detail="not loaded")
    extra = gone._replace(detail="loaded, though nothing is to be refused")
    assert observe_table(Kernel(tmp_path, TEXT), "nft", "").wrong == {"ruleset": [extra]}
    assert observe_table(Kernel(tmp_path, ""), "nft", TEXT).wrong == {"ruleset": [gone], "telegram": [gone]}
    assert observe_table(Kernel(tmp_path, ""), "nft", "").wrong == {}


def test_of_a_table_that_has_not_changed_only_the_counters_are_listed(tmp_path: Path) -> None:
    host = Kernel(tmp_path, TEXT)
    host.counts = "counter refused_telegram { packets 2 bytes 120 }"
    counters = ["nft", "list", "counters", "table", "inet", "proscribe"]
    assert observe_table(host, "nft", TEXT, TEXT)[:3] == (listing.take_apart(TEXT), {}, "")
    assert host.ran == [LIST]
    loaded_state.remember(host, TEXT, Generation(7, "here"))
    host.ran.clear()
    assert observe_table(host, "nft", TEXT, TEXT) == ({}, {}, "", {"telegram": (2, 120)}, Generation(7, "here"))
    assert host.ran == [counters]
    more = text_of("203.0.113.7", "203.0.113.8")
    seen = observe_table(host, "nft", more, TEXT)
    assert seen.live == listing.take_apart(TEXT)
    assert [finding.detail for finding in seen.wrong["telegram"]] == [
        "1 missing: 203.0.113.8",
        "1 missing: ::203.0.113.8",
        "1 missing: 0:cb00:7108::",
    ]
    host.counts, host.ran = "", []
    assert observe_table(host, "nft", TEXT, TEXT).right and host.ran == [counters, LIST]
    host.refuses = lambda *where: False  # type: ignore[method-assign]
    seen = observe_table(host, "nft", TEXT, TEXT)
    assert seen.wrong == {"ruleset": [listing.NO_EFFECT]} and not seen.right
    effect = "192.0.0.8, which it refuses last, is not refused"
    assert Finding("effect", "proscribe", "nftables", path="inet proscribe", detail=effect) == listing.NO_EFFECT
    host.table = ""
    assert observe_table(host, "nft", "").right  # no witness is to be refused
