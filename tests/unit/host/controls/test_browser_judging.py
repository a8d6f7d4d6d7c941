"""What is said of each service and bypass, out of what was seen of the browsers."""

from __future__ import annotations

from typing import Any

from made_browser import section
from made_places import BROWSERS, CHROMIUM
from proscribe.host.controls.browser import ObservedPlace, managed
from proscribe.host.controls.browser.desired import Desired
from proscribe.host.controls.browser.observed import Observed
from proscribe.model.finding import NOT_APPLICABLE, Finding, Verdict

WHOLE = Observed(complete=True)


def seen(*pairs: Any) -> list[ObservedPlace]:
    return [ObservedPlace(place, observed) for place, observed in zip(pairs[::2], pairs[1::2])]


def policy(id_: str, manager: str = "", path: str = "", detail: str = "") -> Finding:
    return Finding("policy", id_, manager=manager, path=path, detail=detail)


def test_without_a_policy_to_set_nothing_else_is_said() -> None:
    plan = {"browsers": BROWSERS, "controls": {"browser": section()}}
    found = managed.verdicts(plan, Desired(plan), seen(CHROMIUM, WHOLE), [], "", "macOS")
    assert found == [Verdict("browser/policy-file", NOT_APPLICABLE, reason="no policy to set")]
