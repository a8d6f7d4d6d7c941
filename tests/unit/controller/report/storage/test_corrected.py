"""What runs have corrected and could not observe again, in its file: which runs add to it, take from it and ask it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proscribe.controller.report.evaluation.unobserved import Earlier
from proscribe.controller.report.storage.corrected import earlier, read, take

R1, R2, R3 = (f"2026112{day}T003000Z-enforce-1a2b" for day in (1, 2, 3))
BEFORE = {"web01": {"apps": R1, "browser": R2}, "web02": {"dns": R1, "watch": R1}}


def record(host: str, *left: str, rules: int = 1) -> Any:
    more = {"not_observed_again": list(left)} if left else {}
    return {"host": host, "rules_evaluated": rules, "rules": [], **more}


def write(reports: Path, value: object) -> Path:
    file = reports / "corrected.json"
    file.write_text(json.dumps(value, indent=1))
    return file


def test_a_run_over_some_controls_says_nothing_of_others(tmp_path: Path) -> None:
    write(tmp_path, BEFORE)
    run: Any = {"id": R3, "controls": ["dns", "apps"]}
    take(tmp_path, run, [record("web01"), record("web02")])
    assert read(tmp_path) == {"web01": {"browser": R2}, "web02": {"watch": R1}}


def test_the_file_is_written_only_where_something_changes(tmp_path: Path) -> None:
    run: Any = {"id": R3}
    take(tmp_path, run, [record("web01")])
    assert not (tmp_path / "corrected.json").exists()
    take(tmp_path, run, [record("web01"), record("web02", "apps")])
    file = tmp_path / "corrected.json"
    assert file.read_text() == json.dumps({"web02": {"apps": R3}}, indent=1)
    before = file.stat().st_ino
    take(tmp_path, run, [record("web02", "apps")])
    assert file.stat().st_ino == before
    take(tmp_path, run, [record("web02", "apps", rules=0), record("web01")])
    assert file.stat().st_ino == before
    take(tmp_path, run, [record("web02")])
    take(tmp_path, run, [record("web02")])
    assert not file.exists()


def test_a_run_gets_the_records_of_what_is_open_of_its_hosts_and_controls(tmp_path: Path) -> None:
    write(tmp_path, {**BEFORE, "web03": {"apps": R1}, "web04": {"apps": R3}, "web05": {"apps": f"{R3[:-1]}c"}})
    for run in (R1, R2):
        (tmp_path / run).mkdir()
        lines = [{**record(host), "run": run} for host in ("web02", "web01", "web03")]
        (tmp_path / run / "hosts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / R3).mkdir()
    (tmp_path / R3 / "hosts.jsonl").write_text("{")

    def earlier_of(**run: Any) -> Any:
        run["hosts"] = dict.fromkeys(run["hosts"], "sha256:0")
        return earlier(tmp_path, run)  # type: ignore[arg-type]

    of = {(host, run): {**record(host), "run": run} for host in BEFORE for run in (R1, R2)}
    everything = {
        "web01": [Earlier(R1, of["web01", R1], ["apps"]), Earlier(R2, of["web01", R2], ["browser"])],
        "web02": [Earlier(R1, of["web02", R1], ["dns", "watch"])],
    }
    assert earlier_of(hosts=["web01", "web02", "web04", "web05", "web06"]) == everything
    assert earlier_of(hosts=["web02"]) == {"web02": everything["web02"]}
    assert earlier_of(hosts=["web01", "web02"], controls=["dns", "browser"]) == {
        "web01": everything["web01"][1:],
        "web02": [Earlier(R1, of["web02", R1], ["dns"])],
    }
