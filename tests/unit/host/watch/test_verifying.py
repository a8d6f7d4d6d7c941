"""What the verifier knows of the plan: the one that is in effect now, at every start."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from proscribe.host.watch import installing, verifying
from proscribe.host.watch.state import files, reservations
from proscribe.host.watch.verifying import RELOADED, REST, SLOW, Verifying
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT


def of_apps(waived: bool, **more: Any) -> dict[str, Any]:
    """A plan in which the program of a service is waived, or enforced."""
    entry = {"name": "A", "mode": "enforce", **({"exceptions": [{"waiver": "w1", "users": ["ann"]}]} if waived else {})}
    section = {"mode": "enforce", "services": {"a": entry}, "settings": {}}
    return plan(controls={"apps": section}, **more)


def test_nothing_is_read_again_as_long_as_nothing_changes(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    monkeypatch.setattr(verifying, "Restricted", lambda host, section: read.append(section))
    mine = of_apps(True)
    installing.change(made, mine, given(mine))
    verifier = Verifying(lambda: made)
    for now in (0.0, 1.0, RELOADED - 1):
        verifier.reload(now)
    assert len(read) == 2, "what nobody has installed, and the plan"
    os.utime(made.root + files.SETTINGS)
    verifier.reload(RELOADED - 1)
    assert len(read) == 3, "somebody has touched the settings"
    for now, number in ((2 * RELOADED - 1.5, 3), (2 * RELOADED - 1, 4), (2 * RELOADED, 4)):
        verifier.reload(now)
        assert len(read) == number


@pytest.mark.parametrize(("by", "ended"), [("the same plan", True), ("another plan", False), ("a lift", False)])
def test_what_a_run_has_changed_by_another_plan_is_not_ended(
    made: Made, monkeypatch: pytest.MonkeyPatch, by: str, ended: bool
) -> None:
    mine = of_apps(True)
    installing.change(made, mine, given(mine))
    digests = {"the same plan": mine["digest"], "another plan": of_apps(False)["digest"], "a lift": reservations.LIFTED}
    reservations.reserve_control(made, "apps", digests[by])
    verified: list[Any] = []

    class Counting:
        def __init__(self, *_: Any) -> None: ...

        def verify(self, *of: Any) -> list[Any]:
            verified.append(of)
            return []

    monkeypatch.setattr(verifying, "Restricted", Counting)
    Verifying(lambda: made).starts([(71, "/x", ("/x", 7))], 1.0)
    assert bool(verified) == ended


class TestSlowUsers:
    """A user whose starts take long is slower than others, and none of his starts is left out."""

    @pytest.fixture
    def one(self, made: Made) -> Verifying:
        return Verifying(lambda: made)

    def test_one_start_after_the_other_with_a_rest_that_goes_with_what_it_took(
        self, one: Verifying, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(verifying.time, "monotonic", lambda: 100.0)
        one._account(7, 2.0)
        assert one._put_off({71: 7, 81: 8, 72: 7}, 101.0) == {71: 5.0, 72: 5.0}, "others do not wait"
        assert list(one._put_off({71: 7, 72: 7, 73: 7}, 106.0)) == [72, 73], "the first one has its turn"
        assert list(one._put_off({72: 7}, 106.1)) == [72]
        assert one._put_off({72: 7}, 106.0 + REST * SLOW) == {}

    def test_who_is_quick_again_is_like_any_other(self, one: Verifying) -> None:
        one._account(7, 2.0)
        one._account(7, SLOW / 2)
        assert one._put_off({71: 7, 72: 7}, time.monotonic()) == {}
