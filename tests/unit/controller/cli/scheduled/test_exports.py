"""What scheduled runs do with the exports that an organisation feeds to its points."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.cli import Refused, export, inventory
from proscribe.controller.cli.scheduled import exports
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.compile.restrictions.points import Fed
from proscribe.controller.policy_errors import PolicyError, PolicyErrors

from unit.controller.cli.test_export import INVENTORY

NOW = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)
WAIVER = {
    "id": "w1",
    "services": ["whatsapp"],
    "groups": ["office"],
    "reason": "a test",
    "requested_by": "alice",
    "approved_by": "head",
    "approved_on": "2026-11-20T00:00:00Z",
    "expires": "2026-11-28T18:00:00Z",
}


@pytest.fixture
def renew(tmp_path: Path) -> Callable[..., list[str]]:
    """Renews an export of an inventory with a waiver that ends."""
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    (tmp_path / "approvers.yml").write_text("office: {head: head}\n")
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers/w1.yml").write_text(json.dumps(WAIVER))

    def renewed(fed: Fed, now: datetime.datetime = NOW) -> list[str]:
        parser = argparse.ArgumentParser()
        inventory.add_options(parser)
        arguments = parser.parse_args(["-i", str(tmp_path / "hosts.yml")])
        return export.renew(fed, compile_hosts(inventory.question(arguments, group=fed.group, served=False), now), now)

    return renewed


def test_what_is_somebody_elses_stays(renew: Callable[..., list[str]], tmp_path: Path) -> None:
    renew(Fed("unbound", str(tmp_path / "out"), "office"))
    with pytest.raises(Refused, match="has an export unbound of group office; expected another directory"):
        renew(Fed("rpz", str(tmp_path / "out"), "office"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes").write_text("mine")
    with pytest.raises(Refused, match="is not empty, and no earlier export"):
        renew(Fed("rpz", str(tmp_path / "mine"), "office"))
    assert (tmp_path / "mine/notes").read_text() == "mine"


@pytest.mark.parametrize(
    ("fed", "said"),
    [(None, None), ([], None), ([{"format": "rpz", "directory": "out", "group": "office"}], "1 export written again")],
)
def test_a_run_says_which_exports_it_renews(
    renew: Callable[..., list[str]], tmp_path: Path, fed: Any, said: str | None
) -> None:
    for one in fed or ():
        one["directory"] = str(tmp_path / one["directory"])
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.json").write_text(
        json.dumps({"schema": "proscribe/report/1", "run": {"exports_fed": fed}})
    )
    notification = exports.renewed(tmp_path / "report", ["-i", str(tmp_path / "hosts.yml"), "--limit", "kiosk1"])
    assert (notification and notification.subject) == (said and f"Proscribe: {said}")
    if notification:
        assert notification.facts["not_written"] == []
        assert f"  {tmp_path}/out (rpz of group office): there was none" in notification.lines


def test_one_that_cannot_be_written_keeps_no_other_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group is compiled once, for all of its hosts, whatever the run was limited to."""
    fed = [{"format": name, "directory": f"/srv/{name}", "group": group} for name, group in
           (("rpz", "office"), ("nft", "office"), ("pac", ""), ("hosts", ""), ("unbound", "guests"))]  # fmt: skip
    (tmp_path / "report.json").write_text(json.dumps({"run": {"exports_fed": fed}}))
    calls: list[Any] = []
    renewed: list[Any] = []
    outcomes: dict[str, Any] = {"rpz": ["a", "b"], "nft": [], "pac": Refused("no"), "hosts": OSError("full")}

    def question(arguments: argparse.Namespace, **how: Any) -> str:
        calls.append((arguments.inventory, arguments.limit, how))
        if how["group"] == "guests":
            raise PolicyErrors([PolicyError("a.yml:1", "b", "c", "d")])
        return f"question {how['group']}"

    def renew(one: Fed, compiled: Any, now: datetime.datetime) -> list[str]:
        renewed.append((one.format, compiled, now.microsecond, now.tzinfo))
        if isinstance(outcomes[one.format], Exception):
            raise outcomes[one.format]
        return list(outcomes[one.format])

    monkeypatch.setattr(inventory, "question", question)
    monkeypatch.setattr(exports, "compile_hosts", lambda *given: ("compiled", *given))
    monkeypatch.setattr(exports, "with_signing", lambda compiled, question: (*compiled[:2], question))
    monkeypatch.setattr(export, "renew", renew)
    notification = exports.renewed(tmp_path, ["-i", "x,", "--limit", "kiosk1"])
    assert (
        notification is not None and notification.subject == "Proscribe: 3 exports not written, 1 export written again"
    )
    about = [{"format": one["format"], "directory": one["directory"], "group": one["group"]} for one in fed]
    assert notification.facts["written"] == [{**about[0], "why": "a", "differences": 2}]
    whys = [(one["format"], one["why"]) for one in notification.facts["not_written"]]
    assert whys == [
        ("pac", "no"),
        ("hosts", "full"),
        ("unbound", str(PolicyErrors([PolicyError("a.yml:1", "b", "c", "d")]))),
    ]
    assert calls == [(["x,"], "", {"group": group, "served": False}) for group in ("office", "", "guests")]
    compiled = [("compiled", f"question {group}", f"question {group}") for group in ("office", "office", "", "")]
    utc = datetime.timezone.utc
    assert renewed == [(one["format"], of, 0, utc) for one, of in zip(fed, compiled, strict=False)]
    outcomes |= {"rpz": [], "pac": [], "hosts": []}
    (tmp_path / "report.json").write_text(json.dumps({"run": {"exports_fed": fed[:4]}}))
    assert exports.renewed(tmp_path, ["-i", "x,"]) is None
