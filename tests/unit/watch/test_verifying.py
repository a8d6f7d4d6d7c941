"""What the verifier knows of the plan: the one that is in effect now, at every start."""

from __future__ import annotations

import time
from typing import Any

import pytest
from proscribe.moments import stamp
from proscribe.watch import clock, installing, verifying
from proscribe.watch.verifying import RELOADED, Verifying
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT


def of_apps(waived: bool, **more: Any) -> dict[str, Any]:
    """A plan in which the program of a service is waived, or enforced."""
    entry = {"name": "A", "mode": "enforce", **({"exceptions": [{"waiver": "w1", "users": ["ann"]}]} if waived else {})}
    section = {"mode": "enforce", "services": {"a": entry}, "settings": {}}
    return plan(controls={"apps": section}, **more)


@pytest.mark.parametrize(
    ("passed", "read", "waived"),
    [
        pytest.param(0, 0, True, id="while the waiver lasts"),
        pytest.param(29, 1, True, id="a second before its end"),
        pytest.param(31, 1, False, id="a second after it, with a plan that was read a moment ago"),
        pytest.param(31, RELOADED + 1, False, id="after it, with a plan that is read anew"),
        pytest.param(-3600, RELOADED + 1, True, id="by a clock that went back before its end"),
    ],
)
def test_a_start_is_verified_by_the_plan_of_its_own_moment(
    made: Made, monkeypatch: pytest.MonkeyPatch, passed: float, read: float, waived: bool
) -> None:
    """A waiver ends in thirty seconds, and no run and no own observation comes by."""
    sections: list[Any] = []
    monkeypatch.setattr(verifying, "Restricted", lambda host, section: sections.append(section))
    later, begun = of_apps(False, number=1), time.time()
    monkeypatch.setattr(clock.time, "time", lambda: begun)
    now = of_apps(True, later={"at": stamp(begun + 30), "plan": later["digest"]})
    installing.change(made, now, {**given(now, later), "now": stamp(begun)})
    verifier = Verifying(lambda: made)
    verifier.reload(0.0)
    assert "exceptions" in sections[-1]["services"]["a"]

    monkeypatch.setattr(clock.time, "time", lambda: begun + passed)
    verifier.reload(read)
    assert ("exceptions" in sections[-1]["services"]["a"]) == waived


def test_nothing_is_read_again_as_long_as_nothing_changes(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    monkeypatch.setattr(verifying, "Restricted", lambda host, section: read.append(section))
    mine = of_apps(True)
    installing.change(made, mine, given(mine))
    verifier = Verifying(lambda: made)
    for now in (0.0, 1.0, RELOADED - 1):
        verifier.reload(now)
    assert len(read) == 2, "what nobody has installed, and the plan"
