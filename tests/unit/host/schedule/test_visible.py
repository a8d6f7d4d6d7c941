"""What a unit would see of what it runs: which places are refused by name, and what is tried in a unit of its kind.
That systemd agrees is in tests/integration/test_schedule_others.py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.schedule import units
from proscribe.host.schedule import visible
from proscribe.host.schedule.visible import BETTER, require_visible
from proscribe.host.system import ControlError, Host, Result

TIMES = units.Times("daily", 0, 60)
SERVICE = "/etc/systemd/system/proscribe-drift.service"
TIMER = "/etc/systemd/system/proscribe-drift.timer"


def unit(hardening: str = units.LOCKED_IN) -> dict[str, str]:
    text = units.drift_service("/opt/p", "ops", '"/opt/p/proscribe"', {"PROSCRIBE_REPORTS": "/r"}, TIMES, hardening)
    return {SERVICE: text, TIMER: units.timer("x", TIMES, fixed=False)}


class Machine:
    """A fixture whose systemd-run finds something wrong, or cannot be started."""

    def __init__(self, root: Path, answer: list[list[str]] | str = "", said: str = "no bus") -> None:
        self.calls: list[tuple[list[str], Any]] = []
        self.answer = answer if isinstance(answer, str) else json.dumps(answer)
        self.said = said
        self.host = Host(str(root), self.run)

    def run(self, argv: list[str], *, stdin: str, **_: Any) -> Result:
        self.calls.append((list(argv), json.loads(stdin)))
        return Result(0 if self.answer else 1, self.answer, "" if self.answer else self.said)

    def properties(self) -> list[str]:
        """What the last unit was given."""
        argv = self.calls[-1][0]
        return [word for word, before in zip(argv[1:], argv) if before == "--property"]


def test_so_is_a_link_to_there_and_nothing_that_only_begins_like_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visible, "PASSING", (f"{tmp_path}/run",))
    link, machine = tmp_path / "link", Machine(tmp_path, [])
    link.symlink_to(tmp_path / "run/x")
    with pytest.raises(ControlError, match=f"which is not kept, by way of a link: {tmp_path}/run/x"):
        require_visible(machine.host, unit(), {"account": "ops", "paths": [str(link)]})
    require_visible(machine.host, unit(), {"account": "ops", "paths": [f"{tmp_path}/runs", f"{tmp_path}/a/run"]})


def test_two_units_of_one_kind_are_tried_once_and_none_where_nothing_is_named(tmp_path: Path) -> None:
    both = {**unit(), SERVICE.replace("drift", "drift-failed"): unit()[SERVICE]}
    machine = Machine(tmp_path, [])
    require_visible(machine.host, both, {"account": "ops", "paths": []})
    assert machine.calls == []
    require_visible(machine.host, both, {"account": "ops", "paths": ["/usr"]})
    require_visible(machine.host, {TIMER: unit()[TIMER]}, {"account": "ops", "paths": ["/usr"]})
    assert len(machine.calls) == 1


def service(*settings: str) -> dict[str, str]:
    return {SERVICE: "\n".join(["[Service]", *settings, ""])}


SEEN = [
    "BindPaths=/srv",
    "BindReadOnlyPaths=/opt",
    "CapabilityBoundingSet=",
    "ExecPaths=/usr",
    "InaccessiblePaths=/home",
    "LockPersonality=yes",
    "MountFlags=slave",
    "NoExecPaths=/",
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "ProtectHome=yes",
    "ReadOnlyPaths=/srv",
    "ReadWritePaths=/srv",
    "RestrictNamespaces=yes",
    "RootDirectory=/srv",
    "RootImage=/srv/image",
    "SystemCallFilter=@system-service",
    "TemporaryFileSystem=/home",
]
ROOTS_LINKS = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only links of root's are followed")
NOT_SEEN = ["BindsTo=x.service", "Environment=A=b", "Nice=5", "Restart=no", "ProtectHome", "#PrivateTmp=no"]


def test_the_unit_of_a_trial_has_all_settings_that_decide_what_is_seen_and_no_others(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [])
    require_visible(machine.host, service(*NOT_SEEN, *SEEN), {"account": "ops", "paths": ["/usr"]})
    assert machine.properties() == ["User=ops", *SEEN]


@ROOTS_LINKS
def test_a_drop_in_that_is_gone_meanwhile_adds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / f"{SERVICE[1:]}.d"
    folder.mkdir(parents=True)
    (folder / "a.conf").symlink_to("gone")
    machine = Machine(tmp_path, [])
    require_visible(machine.host, service(), {"account": "ops", "paths": ["/usr"]})
    assert machine.properties() == ["User=ops"]


def test_what_is_wrong_is_reported_with_what_may_hide_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, [["/srv", "is not there"]])
    hiding = ["PrivateTmp=yes", "ProtectHome=yes", "InaccessiblePaths=/srv", "TemporaryFileSystem=/opt"]
    for settings, why in (
        (["NoNewPrivileges=yes", *hiding], f" ({', '.join(hiding)})"),
        (["RestrictRealtime=yes"], ""),
    ):
        with pytest.raises(ControlError) as wrong:
            require_visible(machine.host, service(*settings), {"account": "ops", "paths": ["/usr"]})
        assert str(wrong.value) == f"/srv is not there for proscribe-drift.service, as ops{why}. {BETTER}"


@pytest.mark.parametrize(
    ("out", "said", "why"),
    [
        ("", "no bus", "no bus"),
        ("no\nJSON", "", "no JSON"),
        ("", "", "exit code 1"),
        ("", f"{'x' * 400}\ny", f"{'x' * 298} y"),
    ],
)
def test_what_cannot_be_tried_is_reported(tmp_path: Path, out: str, said: str, why: str) -> None:
    with pytest.raises(ControlError) as wrong:
        require_visible(
            Machine(tmp_path, out, said).host, service("PrivateTmp=yes"), {"account": "o", "paths": ["/usr"]}
        )
    assert str(wrong.value) == f"it cannot be tried what a unit sees ({why}): User=o PrivateTmp=yes. {BETTER}"
