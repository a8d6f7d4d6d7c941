"""Which services the plans have that hosts answered for: of their controls, of Group Policy, of the watch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.history.plans import Plans
from proscribe.model.plan import sealed

APPS = {"apps": {"mode": "enforce", "services": {"wechat": {}, "line": {}}}}


def stored(place: Path, **more: Any) -> str:
    plan = sealed({"schema": "proscribe/plan/1", "controls": APPS, **more})
    (place / f"{plan['digest'].removeprefix('sha256:')}.json").write_text(json.dumps(plan))
    return plan["digest"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, {}),
        ({"watch": {}}, {"watch": {"watcher", "plan"}}),
        ({"group_policy": {"objects": [{"name": "Proscribe Desktops"}]}}, {"group_policy": {"proscribe-desktops"}}),
        ({"group_policy": {}, "watch": None}, {"watch": {"watcher", "plan"}}),
    ],
)
def test_a_plan_has_the_services_of_its_controls_and_what_is_beside_them(tmp_path: Path, more: Any, found: Any) -> None:
    assert Plans(tmp_path).services(stored(tmp_path, **more)) == {"apps": {"wechat", "line"}, **found}


def test_a_plan_is_read_once_and_one_that_is_gone_or_broken_is_none(tmp_path: Path) -> None:
    plans, digest = Plans(tmp_path), stored(tmp_path)
    path = tmp_path / f"{digest.removeprefix('sha256:')}.json"
    gone, broken = "sha256:" + "0" * 64, "sha256:" + "1" * 64
    (tmp_path / f"{'1' * 64}.json").write_text("{")
    assert (plans.services(gone), plans.services(broken), plans.services("rubbish")) == (None, None, None)
    assert plans.services(digest) is not None
    path.unlink()
    assert plans.services(digest) is not None
    assert Plans(tmp_path).services(digest) is None
