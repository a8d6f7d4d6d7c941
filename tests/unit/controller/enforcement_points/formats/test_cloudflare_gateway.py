"""Exports for devices by name: each list as the vendor's page describes it, and what the device does with a host."""

from __future__ import annotations

import re
from typing import Any

import device_readers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import NotExportable, Rendered
from proscribe.controller.enforcement_points.registry import FORMATS
from proscribe.host.controls.dns.desired import covering, of_plan
from proscribe.host.system import ControlError

from unit.controller.enforcement_points.test_registry import HOSTILE, NAMES, PLACES, hostile_plan, plans

DEVICES = device_readers.DEVICES
NESTED = "What is blocked below it could not be blocked again, so all of it stays blocked."


def export(name: str, made: dict[str, Any] | None = None) -> Rendered:
    return FORMATS[name].render(decision(made))


def test_every_device_has_a_reader_and_says_where_its_facts_are_from() -> None:
    assert {name for name, one in FORMATS.items() if one.device and one.controls == ("dns",)} == set(DEVICES)
    for one in FORMATS.values():
        if one.device:
            assert one.device.pages and all(re.fullmatch(r"https://[!-~]+", page) for page in one.device.pages)
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", one.device.read)
            assert one.device.below and one.device.exceptions and one.device.fetched


@given(
    plans("dns", domains=st.lists(NAMES, min_size=1, max_size=3, unique=True), allow=st.lists(NAMES, max_size=2)),
    st.lists(NAMES, min_size=1, max_size=30),
)
def test_every_device_answers_as_a_host_does_or_stricter_and_says_so(made: dict[str, Any], hosts: list[str]) -> None:
    desired = of_plan(made["controls"]["dns"], {}, canaries=False)
    either = desired.names | desired.through
    for name, read in DEVICES.items():
        rendered, answer = export(name, made), FORMATS[name].blocks
        blocks = read(rendered.files)
        nested = any(one.why == NESTED for one in rendered.left_out)
        for host in hosts:
            blocked = covering(host, either) in desired.names
            assert answer is not None and answer(made, host) in (blocks(host), None), (name, host)
            if name == "defender_indicators":
                assert blocks(host) == (host in desired.names)
            elif nested:
                assert blocks(host) or not blocked, (name, host)
            else:
                assert blocks(host) == blocked, (name, host)


@pytest.mark.parametrize("name", sorted(DEVICES))
@examples(1_000)
@given(text=HOSTILE, where=st.sampled_from(PLACES))
def test_nothing_injects(name: str, text: str, where: str) -> None:
    """Whatever a plan has for a name: the export is refused, or the vendor's grammar has each of its lines."""
    try:
        files = FORMATS[name].render(decision(hostile_plan(text, where))).files
    except (ControlError, NotExportable):
        return
    DEVICES[name](files)


OWN, PARTNER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "72f988bf-86f1-41af-91ab-2d7cd011db47"


def of_tenants(*tenants: str) -> dict[str, Any]:
    made = plan()
    made["controls"]["browser"]["settings"]["tenants"] = {"google": [], "microsoft": [*tenants]}
    return made


@pytest.mark.parametrize(
    ("tenants", "said"),
    [
        ((), "nothing to export: proscribe_tenants names no tenant of Microsoft's"),
        (('a"b',), "is no tenant, expected a domain or an id"),
        ((OWN, "a\r\nX: b"), "is no tenant, expected a domain or an id"),
        ((OWN,) * 110, "4,069 characters of a header, but the device takes at most 4,000"),
    ],
)
def test_tenants_that_no_header_takes_are_refused(tenants: tuple[str, ...], said: str) -> None:
    with pytest.raises(NotExportable, match=re.escape(said)) as refused:
        export("entra_tenant_restrictions", of_tenants(*tenants))
    assert refused.value.nothing == (not tenants)


def for_macs(**apps: list[str]) -> dict[str, Any]:
    made = plan()
    made["controls"]["apps"]["services"] = {
        id_: {"name": id_, "mode": "enforce", "mac_apps": those} for id_, those in apps.items()
    }
    return made


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_name_and_no_contact_changes_a_record(name: str, contact: str) -> None:
    made = {**for_macs(chat=[f"{name}.app"]), "contact": contact}
    try:
        files = export("jamf_restricted_software", made).files
    except NotExportable:
        return
    assert device_readers.jamf(files) == {f"{name}.app"}
