"""What a unit would see of what it runs: which places are refused by name, and what is tried in a unit of its kind.
That systemd agrees is in tests/integration/test_schedule_others.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.schedule import units
from proscribe.host.schedule import visible
from proscribe.host.schedule.visible import BETTER, PASSING, require_visible
from proscribe.host.system import ControlError, Host, Result

TIMES = units.Times("daily", 0, 60)
SERVICE = "/etc/systemd/system/proscribe-drift.service"
TIMER = "/etc/systemd/system/proscribe-drift.timer"


def unit(hardening: str = units.LOCKED_IN) -> dict[str, str]:
    text = units.drift_service("/opt/p", "ops", '"/opt/p/proscribe"', {"PROSCRIBE_REPORTS": "/r"}, TIMES, hardening)
    return {SERVICE: text, TIMER: units.timer("x", TIMES, fixed=False)}


class Machine:
    """A fixture whose systemd-run finds something wrong, or cannot be started."""

    def __init__(self, root: Path, answer: list[list[str]] | str = "") -> None:
        self.calls: list[tuple[list[str], Any]] = []
        self.answer = answer if isinstance(answer, str) else json.dumps(answer)
        self.host = Host(str(root), self.run)

    def run(self, argv: list[str], *, stdin: str, **_: Any) -> Result:
        self.calls.append((list(argv), json.loads(stdin)))
        return Result(0 if self.answer else 1, self.answer, "" if self.answer else "no bus")


@pytest.mark.parametrize("kind", ["paths", "starts", "writes"])
@pytest.mark.parametrize("place", PASSING)
def test_what_does_not_stay_is_refused_by_its_name(tmp_path: Path, kind: str, place: str) -> None:
    machine = Machine(tmp_path)
    runs = {"account": "ops", "paths": [], kind: [f"{place}/proscribe"]}
    with pytest.raises(
        ControlError, match=f"^{place}/proscribe is below {place}, which is not kept. Nothing was touch"
    ):
        require_visible(machine.host, unit(), runs)
    assert machine.calls == []


def test_so_is_a_link_to_there_and_nothing_that_only_begins_like_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visible, "PASSING", (f"{tmp_path}/run",))
    link, machine = tmp_path / "link", Machine(tmp_path, [])
    link.symlink_to(tmp_path / "run/x")
    with pytest.raises(ControlError, match=f"which is not kept, by way of a link: {tmp_path}/run/x"):
        require_visible(machine.host, unit(), {"account": "ops", "paths": [str(link)]})
    require_visible(machine.host, unit(), {"account": "ops", "paths": [f"{tmp_path}/runs", f"{tmp_path}/a/run"]})


def test_the_rest_is_tried_in_a_unit_of_the_same_kind(tmp_path: Path) -> None:
    drop_ins = tmp_path / f"{SERVICE[1:]}.d"
    drop_ins.mkdir(parents=True)
    (drop_ins / "a.conf").write_text("[Service]\nProtectHome=yes\nExecStart=/bin/evil\n# ProtectHome=no\n")
    (drop_ins / "a.txt").write_text("[Service]\nPrivateTmp=no\n")
    machine = Machine(tmp_path, [["/usr", ""], ["/srv/r", "cannot be written"]])
    runs = {"account": "ops", "paths": ["/usr", "/nosuch"], "starts": ["/usr/bin/env"], "writes": ["/srv/r"]}
    with pytest.raises(ControlError, match="^/srv/r cannot be written for proscribe-drift.service, as ops") as wrong:
        require_visible(machine.host, unit(), runs)
    assert "PrivateTmp=yes" in str(wrong.value) and "ProtectHome=yes" in str(wrong.value) and BETTER in str(wrong.value)
    [(argv, (same, starts, writes))] = machine.calls
    given = [word for word, before in zip(argv[1:], argv) if before == "--property"]
    assert {"User=ops", "PrivateTmp=yes", "ProtectHome=yes", "SystemCallFilter=@system-service"} <= set(given)
    assert not any(word.startswith(("Exec", "Environment", "Type", "RuntimeDirectory")) for word in given)
    assert (sorted(same), starts, writes) == (["/usr", "/usr/bin/env"], ["/usr/bin/env"], ["/srv/r"])


def test_two_units_of_one_kind_are_tried_once_and_none_where_nothing_is_named(tmp_path: Path) -> None:
    both = {**unit(), SERVICE.replace("drift", "drift-failed"): unit()[SERVICE]}
    machine = Machine(tmp_path, [])
    require_visible(machine.host, both, {"account": "ops", "paths": []})
    assert machine.calls == []
    require_visible(machine.host, both, {"account": "ops", "paths": ["/usr"]})
    require_visible(machine.host, {TIMER: unit()[TIMER]}, {"account": "ops", "paths": ["/usr"]})
    assert len(machine.calls) == 1


def test_what_cannot_be_tried_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot be tried what a unit sees \\(no bus\\): User=ops"):
        require_visible(Machine(tmp_path).host, unit(), {"account": "ops", "paths": ["/usr"]})
