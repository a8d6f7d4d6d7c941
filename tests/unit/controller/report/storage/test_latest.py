"""Which run `reports/latest` stands for: the newest one over the whole, and never one over a part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.storage.latest import stays

HOSTS = ("web01", "db01")
PART = {"left_out": 1, "limit": "web01"}
OTHER = {"inventory": ["inventory/other"]}


def run(**more: Any) -> dict[str, Any]:
    return {"id": "r2", "inventory": ["inventory/prod"], "left_out": 0, "controls": [], **more}


def there(reports: Path, hosts: Sequence[str] = HOSTS, **more: Any) -> None:
    """The report that `latest` is now."""
    (reports / "r1").mkdir()
    (reports / "r1/report.json").write_text(json.dumps({"run": run(**more)}))
    lines = [json.dumps({"host": host, "rules": []}) for host in hosts]
    (reports / "r1/hosts.jsonl").write_text("\n".join(lines))
    (reports / "latest").symlink_to("r1")


@pytest.mark.parametrize(
    ("new", "named", "why"),
    [
        pytest.param({}, HOSTS, "", id="the whole"),
        pytest.param({}, ("web01",), "", id="the whole of an inventory that has shrunk"),
        pytest.param(PART, HOSTS, "latest stays r1: this run is over a part", id="some hosts"),
        pytest.param({"controls": ["dns"]}, HOSTS, "latest stays r1: this run is over a part", id="one control"),
        pytest.param(OTHER, (*HOSTS, "more01"), "", id="another inventory that has all hosts"),
        pytest.param(OTHER, ("web01",), "which lacks db01 of inventory/prod", id="another inventory without some"),
    ],
)
def test_over_a_report_of_the_whole(tmp_path: Path, new: dict[str, Any], named: Sequence[str], why: str) -> None:
    there(tmp_path)
    found = stays(tmp_path, run(**new), named)
    assert why in found and bool(found) is bool(why)


def test_the_hosts_that_another_inventory_lacks_are_named(tmp_path: Path) -> None:
    there(tmp_path, ("localhost", "d", "c", "b", "a"), inventory=["x", "y"])
    assert stays(tmp_path, run(**OTHER), ["e"]) == (
        "latest stays r1: this run is over another inventory, which lacks a, b, c and 1 more of x, y"
        f" (if that no longer exists, delete {tmp_path / 'latest'})"
    )
    assert stays(tmp_path, run(inventory=["y/", "x"]), ["e"]) == ""
    (tmp_path / "r1/hosts.jsonl").unlink()
    assert stays(tmp_path, run(**OTHER), ["e"]) == ""


def test_the_controllers_own_host_keeps_no_inventory_out(tmp_path: Path) -> None:
    there(tmp_path, ("localhost",))
    assert stays(tmp_path, run(**OTHER), HOSTS) == ""


def test_over_a_part_or_nothing_any_run_counts(tmp_path: Path) -> None:
    assert stays(tmp_path, run(**PART), HOSTS) == ""
    there(tmp_path, **PART)
    assert stays(tmp_path, run(**PART), ("web01",)) == ""
