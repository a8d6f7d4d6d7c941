"""The table as nft lists it, and its replacement."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from firewall_paths import BOOT_FILE
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import exemptions, listing, loaded_state, update
from proscribe.host.controls.firewall.listing import MANY, Observed, Part, Parts, observe_table, shown, take_apart
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.programs import LOAD_AND_LIST
from proscribe.host.system import ControlError, Generation, Host, Result, Unseen
from proscribe.model.finding import COMPLIANT, Finding


def test_large_set_is_shown_by_its_differences():
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
def test_failed_listing_is_unseen_or_an_error(tmp_path, err, error, said):
    with pytest.raises(error, match=said):
        listing.listed(Kernel(tmp_path, Result(1, "", err)), "nft")


def test_another_spelling_is_compared_as_this_host_lists_it(tmp_path):
    other = TEXT.replace("jump restricted", "goto restricted")
    host = Kernel(tmp_path, other, Result(0, other, ""))
    assert observe_table(host, "nft", TEXT).right and host.ran == [LIST, ALONE]
    host.namespace = Result(1, "", "Error: syntax\n  error")
    with pytest.raises(ControlError, match="^nft does not take the ruleset: Error: syntax error$"):
        observe_table(host, "nft", TEXT)
    host.namespace = Result(1, "", "unshare: unshare failed")
    seen = observe_table(host, "nft", TEXT)
    assert (seen.wrong, seen.unseen, seen.right) == ({"ruleset": []}, listing.NO_NAMESPACE, False)


def test_superfluous_and_missing_tables_are_reported(tmp_path):
    gone = Finding("table", "proscribe", manager="nftables", path="inet proscribe", detail="not loaded")
    extra = gone._replace(detail="loaded, though nothing is to be refused")
    assert observe_table(Kernel(tmp_path, TEXT), "nft", "").wrong == {"ruleset": [extra]}
    assert observe_table(Kernel(tmp_path, ""), "nft", TEXT).wrong == {"ruleset": [gone], "telegram": [gone]}
    assert observe_table(Kernel(tmp_path, ""), "nft", "").wrong == {}


def test_unchanged_table_is_read_by_its_counters(tmp_path):
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


def table(*networks: str, **more: list[str]) -> str:
    entries = {
        id_: {"name": id_, "mode": "enforce", "networks": nets, "ports": []}
        for id_, nets in {"telegram": list(networks), **more}.items()
    }
    return render({"mode": "enforce", "services": entries, "settings": {"dns_over_tls": "blocked"}}, Exemptions())


ONE, TWO = "203.0.113.1", "203.0.113.2"
WIDE, OTHER = "198.51.100.0/24", "192.0.2.0/24"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", table(ONE)),
        (table(ONE, WIDE), table(ONE, OTHER)),  # intervals
        (table(ONE), table(ONE, signal=[TWO])),  # another service
        (table(*(f"198.51.{n}.1" for n in range(200))), table(*(f"198.51.{n}.2" for n in range(200)))),  # all of it
        (table(ONE).replace("elements = { ", 'elements = { 203.0.113.9 comment "x", '), table(ONE)),  # not of ours
    ],
)
def test_large_change_replaces_the_table(before, after):
    assert update.transaction(take_apart(before), {}, after) == after


@pytest.mark.parametrize(
    ("before", "after", "commands"),
    [
        ([ONE], [ONE], []),
        ([ONE], [ONE, TWO], [f"add hosts4 {TWO}", "add hosts4in96 ::203.0.113.2", "add hosts4in16 0:cb00:7102::"]),
        (["2001:db8::1"], ["2001:db8::2"], ["delete hosts6 2001:db8::1", "add hosts6 2001:db8::2"]),
    ],
)
def test_single_address_is_exchanged_in_place(before, after, commands):
    expected = [
        f"{verb} element inet proscribe {name}_telegram {{ {address} }}\n"
        for verb, name, address in map(str.split, commands)
    ]
    assert update.transaction(take_apart(table(*before)), {}, table(*after)) == "".join(expected)


class LoadingKernel(Host):
    """A host whose generation goes up with each load, and by `others` more each time."""

    def __init__(self, root: Path, others: int = 0, rc: int = 0) -> None:
        super().__init__(str(root), self.answer)
        self.now, self.others, self.rc = Generation(4, "boot net:[1]"), others, rc
        self.loaded: list[str] = []

    def ruleset_generation(self) -> Generation | None:
        return self.now

    def answer(self, argv: list[str], **options: Any) -> Result:
        self.loaded.append(options["stdin"])
        self.now = self.now._replace(number=self.now.number + 1 + self.others)
        return Result(self.rc, "", "no")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "var/lib").mkdir(parents=True)
    return tmp_path


def test_the_one_change_that_was_ours_is_known(root):
    host = LoadingKernel(root)
    update.load(host, "nft", Observed(take_apart(table(ONE)), {}, generation=host.now), table(ONE, TWO))
    assert loaded_state.unchanged(host, table(ONE, TWO))
    assert not loaded_state.unchanged(host, table(ONE))
    host.now = host.now.next()
    assert not loaded_state.unchanged(host, table(ONE, TWO))


def test_concurrent_change_of_tables_replaces_the_whole_table(root):
    host = LoadingKernel(root, others=1)
    loaded_state.remember(host, table(ONE), host.now)
    observed = host.now._replace(number=3)
    update.load(host, "nft", Observed(take_apart(table(ONE)), {}, generation=observed), table(ONE, TWO))
    assert host.loaded == [table(ONE, TWO)]
    assert host.text(loaded_state.STATE) is None


def test_a_table_that_the_kernel_does_not_take_is_an_error(root):
    with pytest.raises(ControlError, match="ended with 1: no"):
        update.load(LoadingKernel(root, rc=1), "nft", Observed({}, {}), table(ONE))


def test_observing_writes_nothing_and_what_is_learnt_is_saved_by_the_run(root, monkeypatch):
    """An audit in check mode, or of a user, observes too. Only what a run saves afterwards is written."""
    host = LoadingKernel(root)
    entry = {"name": "telegram", "mode": "enforce", "networks": [ONE], "ports": []}
    section = {"mode": "enforce", "services": {"telegram": entry}, "settings": {"management": []}}
    text = render(section, exemptions.collect(host, section, ""))
    monkeypatch.setattr(LoadingKernel, "privileged", True)
    monkeypatch.setattr(host, "tool", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(host, "run", lambda argv, **_: Result(0, text if argv[2] == "table" else "", ""))
    (root / BOOT_FILE.lstrip("/")).parent.mkdir(parents=True)
    (root / BOOT_FILE.lstrip("/")).write_text(text)
    before = sorted(root.rglob("*"))
    verdicts = {verdict.rule: verdict.state for verdict in firewall.observe(host, {"controls": {"firewall": section}})}
    assert verdicts["firewall/telegram"] == COMPLIANT
    assert sorted(root.rglob("*")) == before
    for save in host.state_savers:
        save(False)
    assert loaded_state.unchanged(host, text)
