"""Fourteen well-known programs on a Windows host, however one can be there: each is named, or unknown with a reason
that names it. None is compliant, and none of the others is hit.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

import pytest
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.windows import observing
from proscribe.model.plan import sealed
from proscribe.wire.replies import results
from well_known import WELL_KNOWN
from windows_answers import Registered, answered

SERVICES = {one.service for one in WELL_KNOWN}


@pytest.fixture(scope="module")
def plan(own_catalogue: Catalogue) -> dict[str, Any]:
    """What the project's own catalogue says of the fourteen."""
    chosen = {"proscribe_categories": [], "proscribe_services_include": sorted(SERVICES)}
    compiled = compile_plan(own_catalogue, read_restrictions(chosen, str), [], datetime.date(2026, 11, 30))
    enforced = {id_ for id_, one in compiled["controls"]["apps"]["services"].items() if one["mode"] == "enforce"}
    assert enforced == SERVICES and len(SERVICES) == 14
    return sealed({**compiled, "controls": {"apps": compiled["controls"]["apps"]}})


def rules(plan: Mapping[str, Any], values: Registered, **named: Any) -> dict[str, dict[str, Any]]:
    """The rules that are not plainly compliant, by service."""
    said = answered(values, code_page=["65001"], **named)
    made = observing.observe(plan, said, ["apps"], time.monotonic())  # type: ignore[arg-type]
    record = results.observation(observing.answered(made, "never"))["record"]
    return {str(rule["rule"]).partition("/")[2]: dict(rule) for rule in record["rules"]}


def test_without_any_of_them_a_host_is_compliant(plan: dict[str, Any]) -> None:
    assert not SERVICES & rules(plan, {}).keys()
