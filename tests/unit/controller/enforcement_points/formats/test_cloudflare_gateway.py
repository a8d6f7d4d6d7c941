"""Exports for devices by name: each list as the vendor's page describes it, and what the device does with a host."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import device_readers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import Limit, NotExportable, Rendered
from proscribe.controller.enforcement_points.formats import (
    cloudflare_gateway,
    defender_indicators,
    fortigate,
    paloalto_edl,
    zscaler,
)
from proscribe.controller.enforcement_points.registry import FORMATS
from proscribe.host.controls.dns.desired import covering, of_plan
from proscribe.host.system import ControlError

from unit.controller.enforcement_points.test_registry import HOSTILE, NAMES, PLACES, hostile_plan, plans

DEVICES = device_readers.DEVICES
NESTED = "What is blocked below it could not be blocked again, so all of it stays blocked."


def export(name: str, made: dict[str, Any] | None = None) -> Rendered:
    return FORMATS[name].render(decision(made))


def reader(name: str, made: dict[str, Any] | None = None) -> Callable[[str], bool]:
    return DEVICES[name](export(name, made).files)


def test_every_device_has_a_reader_and_says_where_its_facts_are_from() -> None:
    assert {name for name, one in FORMATS.items() if one.device and one.controls == ("dns",)} == set(DEVICES)
    for one in FORMATS.values():
        if one.device:
            assert one.device.pages and all(re.fullmatch(r"https://[!-~]+", page) for page in one.device.pages)
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", one.device.read)
            assert one.device.below and one.device.exceptions and one.device.fetched


# What each device does with the names of the made plan: chat.example blocked, help.chat.example open below it,
# bad.help.chat.example blocked below that, mail.example blocked.
SIMPLE = {"chat": {"domains": ["chat.example"], "allow": ["help.chat.example"]}, "mail": {"domains": ["mail.example"]}}


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_what_a_device_does_with_names_below_one_another(name: str) -> None:
    simple = reader(name, plan({"dns": SIMPLE}))
    below = name != "defender_indicators"  # of which nobody knows
    expected = {
        "chat.example": True,
        "mail.example": True,
        "a.chat.example": below,
        "a.b.chat.example": below,
        "help.chat.example": False,
        "a.help.chat.example": False,
        "notchat.example": False,
        "xhelp.chat.example": below,
        "chat.example.evil": False,
        "example": False,
    }
    assert {host: simple(host) for host in expected} == expected


def test_an_open_name_with_something_blocked_below_stays_blocked_where_there_are_two_lists() -> None:
    for name in set(DEVICES) - {"defender_indicators"}:
        blocks, said = reader(name), {(one.what, one.why) for one in export(name).left_out}
        assert ("name help.chat.example, open below chat.example", NESTED) in said
        assert blocks("help.chat.example") and blocks("bad.help.chat.example")
        assert FORMATS[name].blocks is not None and FORMATS[name].blocks(plan(), "help.chat.example")


def test_zscaler_looks_five_labels_deep() -> None:
    blocks, answer = reader("zscaler"), FORMATS["zscaler"].blocks
    for host, expected in (("e.d.c.b.a.mail.example", True), ("f.e.d.c.b.a.mail.example", False)):
        assert answer is not None and blocks(host) is answer(plan(), host) is expected
    assert zscaler.DEEPER in export("zscaler").left_out


@pytest.mark.parametrize(
    ("name", "odd", "why"),
    [
        ("zscaler", "under_score.example", "Zscaler does not take its form. It stays open."),
        ("zscaler", "_.under.example", "Zscaler does not take its form. It stays open."),
        ("zscaler", "example", "Zscaler does not take its form. It stays open."),
        ("pihole", "chat.example-", "Pi-hole does not take its form. It stays open."),
        ("pihole", "chat.x", "Pi-hole does not take its form. It stays open."),
        ("opnsense", "chat.e_x", "OPNsense skips it in blocklist.txt. It stays open."),
        (
            "paloalto_edl",
            ".".join(["a" * 63] * 3 + ["b" * 61]),
            "It is too long for an entry of PAN-OS. It stays open.",
        ),
    ],
)
def test_a_name_that_a_device_does_not_take_is_left_out_and_said(name: str, odd: str, why: str) -> None:
    made = export(name, plan({"dns": {"chat": {"domains": [odd, "good.test"], "allow": [], "canaries": []}}}))
    assert (f"name {odd}", why) in {(one.what, one.why) for one in made.left_out}
    blocks = DEVICES[name](made.files)
    assert blocks("good.test") and not blocks(odd)


@pytest.mark.parametrize(
    ("name", "longest"),
    [("paloalto_edl", ".".join(["a" * 63] * 3 + ["b" * 60])), ("pihole", "a" * 63 + ".xn"), ("opnsense", "a.x1")],
)
def test_a_name_that_a_device_just_takes_is_in_its_list(name: str, longest: str) -> None:
    made = export(name, plan({"dns": {"chat": {"domains": [longest], "allow": [], "canaries": []}}}))
    assert DEVICES[name](made.files)(longest)
    assert not any(longest in one.what for one in made.left_out)


def test_defender_has_each_name_alone_and_says_that_nobody_knows_of_those_below() -> None:
    made, answer = export("defender_indicators"), FORMATS["defender_indicators"].blocks
    assert device_readers.defender(made.files) == {
        **dict.fromkeys(["bad.help.chat.example", "chat.example", "mail.example", "web.chat.example"], "Block"),
        "help.chat.example": "Allowed",
    }
    assert defender_indicators.BELOW in made.left_out
    hosts = ("chat.example", "web.chat.example", "a.chat.example", "help.chat.example", "a.help.chat.example", "x.test")
    assert answer is not None
    assert [answer(plan(), host) for host in hosts] == [True, True, None, False, False, False]


@pytest.mark.parametrize("name", sorted(set(DEVICES) - {"defender_indicators"}))
def test_no_list_is_empty(name: str) -> None:
    """A device that fetches an empty list keeps its earlier one."""
    nothing = {id_: {"mode": "report"} for id_ in ("chat", "mail")}
    made = export(name, plan({"dns": nothing}))
    assert list(made.included) == []
    DEVICES[name](made.files)
    assert b"proscribe.invalid" in b"".join(made.files.values()).replace(b"\\", b"")


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


def many(number: int) -> dict[str, Any]:
    return plan({"dns": {"chat": {"domains": [f"n{one}.test" for one in range(number)], "allow": [], "canaries": []}}})


@pytest.mark.parametrize(
    ("name", "module", "names", "said"),
    [
        ("paloalto_edl", paloalto_edl, 10, "24 entries of URL lists, but the device takes at most 20"),
        ("fortigate", fortigate, 10, "22 lines of one feed, but the device takes at most 20"),
        ("zscaler", zscaler, 20, "22 URLs of custom categories, but the device takes at most 20"),
        ("cloudflare_gateway", cloudflare_gateway, 20, "22 names, but the device takes at most 20"),
        ("defender_indicators", defender_indicators, 20, "21 indicators, but the device takes at most 20"),
    ],
)
def test_an_export_beyond_a_limit_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, module: Any, names: int, said: str
) -> None:
    device = FORMATS[name].device
    assert device is not None and device.limit == module.LIMIT and module.LIMIT.most >= 15_000
    monkeypatch.setattr(module, "LIMIT", Limit(20, module.LIMIT.what, module.LIMIT.source))
    made = many(names)
    made["controls"]["dns"]["services"]["mail"]["domains"] = ["mail.example"]
    with pytest.raises(NotExportable, match=re.escape(said) + r" \(.+\)"):
        export(name, made)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("cloudflare_gateway", {"blocked_1.csv": 1_000, "blocked_2.csv": 1_000, "blocked_3.csv": 501}),
        ("defender_indicators", {f"indicators_{number}.csv": 500 for number in range(1, 6)} | {"indicators_6.csv": 1}),
    ],
)
def test_what_a_file_cannot_hold_goes_on_in_the_next(name: str, files: dict[str, int]) -> None:
    made = many(2_500)
    made["controls"]["dns"]["services"]["mail"]["domains"] = ["mail.example"]
    rendered = export(name, made)
    assert {one: rendered.files[one].count(b"\n") - 1 for one in files} == files
    blocks = DEVICES[name](rendered.files)
    assert all(blocks(host) for host in ("n0.test", "n999.test", "n2499.test", "mail.example"))


OWN, PARTNER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "72f988bf-86f1-41af-91ab-2d7cd011db47"


def of_tenants(*tenants: str) -> dict[str, Any]:
    made = plan()
    made["controls"]["browser"]["settings"]["tenants"] = {"google": [], "microsoft": [*tenants]}
    return made


def test_entra_lets_in_the_tenants_of_the_policy_and_nobody_else() -> None:
    made = export("entra_tenant_restrictions", of_tenants(OWN, PARTNER))
    for lets_in in device_readers.entra(made.files):
        assert [lets_in(one) for one in (OWN, PARTNER, "other.example")] == [True, True, False]
    assert made.included == ["browser/microsoft_tenants"]


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


def test_jamf_ends_the_applications_of_restricted_services_and_deletes_none() -> None:
    made = for_macs(chat=["Chat.app", "Chat Desktop.app"], mail=[], drive=["Drive.app"])
    made["controls"]["apps"]["services"]["drive"] |= {"mode": "waived", "waiver": "W-1"}
    found = export("jamf_restricted_software", made)
    assert device_readers.jamf(found.files) == {"Chat.app", "Chat Desktop.app"}
    assert set(found.files) == {"chat_1.xml", "chat_2.xml", "about.txt"} and found.included == ["apps/chat"]
    assert "apps/mail" in {one.rule for one in found.left_out}
    made["controls"]["apps"]["services"]["chat"]["mode"] = "report"
    with pytest.raises(NotExportable, match="nothing to export") as refused:
        export("jamf_restricted_software", made)
    assert refused.value.nothing


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_name_and_no_contact_changes_a_record(name: str, contact: str) -> None:
    made = {**for_macs(chat=[f"{name}.app"]), "contact": contact}
    try:
        files = export("jamf_restricted_software", made).files
    except NotExportable:
        return
    assert device_readers.jamf(files) == {f"{name}.app"}
