"""From the table that is loaded to the one that is wanted, and what is known of it afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import boot, exemptions, loaded_state, update
from proscribe.host.controls.firewall.listing import Observed, take_apart
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import ControlError, Generation, Host, Result
from proscribe.model.finding import COMPLIANT


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
        (table(ONE), table(WIDE)),  # another set
        (table(ONE), table(ONE, signal=[TWO])),  # another service
        (table(*(f"198.51.{n}.1" for n in range(200))), table(*(f"198.51.{n}.2" for n in range(200)))),  # all of it
        (table(ONE).replace("elements = { ", 'elements = { 203.0.113.9 comment "x", '), table(ONE)),  # not of ours
    ],
)
def test_anything_else_replaces_the_table(before: str, after: str) -> None:
    assert update.transaction(take_apart(before), {}, after) == after


class Kernel(Host):
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
def root(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "var/lib").mkdir(parents=True)
    return tmp_path


def test_the_one_change_that_was_ours_is_known(root: Path) -> None:
    host = Kernel(root)
    update.load(host, "nft", Observed(take_apart(table(ONE)), {}, generation=host.now), table(ONE, TWO))
    assert loaded_state.unchanged(host, table(ONE, TWO))
    assert not loaded_state.unchanged(host, table(ONE))
    host.now = host.now.next()
    assert not loaded_state.unchanged(host, table(ONE, TWO))


def test_where_others_changed_tables_meanwhile_nothing_is_known_and_the_table_is_replaced_whole(root: Path) -> None:
    host = Kernel(root, others=1)
    loaded_state.remember(host, table(ONE), host.now)
    observed = host.now._replace(number=3)
    update.load(host, "nft", Observed(take_apart(table(ONE)), {}, generation=observed), table(ONE, TWO))
    assert host.loaded == [table(ONE, TWO)]
    assert host.text(loaded_state.STATE) is None


def test_a_table_that_the_kernel_does_not_take_is_an_error(root: Path) -> None:
    with pytest.raises(ControlError, match="ended with 1: no"):
        update.load(Kernel(root, rc=1), "nft", Observed({}, {}), table(ONE))


def test_observing_writes_nothing_and_what_is_learnt_is_saved_by_the_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit in check mode, or of a user, observes too. Only what a run saves afterwards is written."""
    host = Kernel(root)
    entry = {"name": "telegram", "mode": "enforce", "networks": [ONE], "ports": []}
    section = {"mode": "enforce", "services": {"telegram": entry}, "settings": {"management": []}}
    text = render(section, exemptions.collect(host, section, ""))
    monkeypatch.setattr(Kernel, "privileged", True)
    monkeypatch.setattr(host, "tool", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(host, "run", lambda argv, **_: Result(0, text if argv[2] == "table" else "", ""))
    (root / boot.FILE.lstrip("/")).parent.mkdir(parents=True)
    (root / boot.FILE.lstrip("/")).write_text(text)
    before = sorted(root.rglob("*"))
    verdicts = {one.rule: one.state for one in firewall.observe(host, {"controls": {"firewall": section}})}
    assert verdicts["firewall/telegram"] == COMPLIANT
    assert sorted(root.rglob("*")) == before
    for save in host.state_savers:
        save(False)
    assert loaded_state.unchanged(host, text)
