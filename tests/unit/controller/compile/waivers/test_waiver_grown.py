"""Groups and zones that grow after a waiver for them was signed: what opens, and what is printed before the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_waivers import NOW, OURS, Keys, Organisation
from waiver_cases import on

SIGNED = {"hosts": None, "groups": ["desks"], "signed_hosts": ["press01"]}


@pytest.fixture
def grown(organisation: Organisation) -> Organisation:
    organisation.groups["desks"] = frozenset({"press01", "press02"})
    return organisation


def printed(organisation: Organisation) -> list[str]:
    """The warnings of a run about the one waiver."""
    return [text for text in organisation.run(NOW)["warnings_to_print"] if "waiver w1" in text]


@pytest.mark.parametrize(
    ("waiver", "variables", "opened", "warning"),
    [
        (SIGNED, {}, ["press01", "press02"], "still waives, but it was signed for 1 host, now 2: press02 is new"),
        (
            SIGNED,
            {"waiver_groups": "frozen"},
            ["press01"],
            "still waives, but it was signed for 1 host, now 2: it does not open press02 (proscribe_waiver_groups: "
            "frozen)",
        ),
        ({**SIGNED, "signed_hosts": ["press01", "press02"]}, {"waiver_groups": "frozen"}, ["press01", "press02"], ""),
        ({**SIGNED, "signed_hosts": ["press01", "press02", "left01"]}, {}, ["press01", "press02"], ""),
        ({**SIGNED, "hosts": ["press02"]}, {"waiver_groups": "frozen"}, ["press01", "press02"], ""),
        (
            {**SIGNED, "signed_hosts": None},
            {"waiver_groups": "frozen"},
            [],
            "waives nothing (no hosts): its file does not say for which hosts of its groups and zones it was signed",
        ),
        (
            {**SIGNED, "signed_hosts": None, "hosts": ["press02"]},
            {"waiver_groups": "frozen"},
            ["press02"],
            "still waives, but it does not open press01: its file does not say",
        ),
        ({**SIGNED, "signed_hosts": None}, {}, ["press01", "press02"], ""),
        (
            {"hosts": None, "zones": ["internal"], "signed_hosts": ["press01"]},
            {"waiver_groups": "frozen"},
            [],
            "waives nothing (no hosts): it was signed for 1 host, now 1: it does not open press02",
        ),
    ],
)
def test_what_a_waiver_for_a_group_opens(
    grown: Organisation, waiver: dict[str, object], variables: dict[str, str], opened: list[str], warning: str
) -> None:
    grown.waiver(**waiver)
    grown.variables = variables
    assert grown.opened() == on(*opened)
    texts = printed(grown)
    assert len(texts) == bool(warning) and all(warning in text for text in texts)


def test_the_signature_covers_the_hosts(grown: Organisation, key_folder: Path) -> None:
    """Who adds a host to the group cannot add it to the file."""
    grown.variables = {"waiver_groups": "frozen", "waiver_signatures": "required"}
    keys = Keys(key_folder, grown.inventory)
    keys.allow("head.of.press", keys.make("head"), OURS)
    keys.sign(grown.waiver(**SIGNED), keys.make("head"))
    assert grown.opened() == on("press01")
    grown.waiver(**{**SIGNED, "signed_hosts": ["press01", "press02"]})
    assert grown.status() == "bad_signature" and grown.opened() == {}


def test_growth_since_the_last_run_is_printed_where_the_file_says_nothing(organisation: Organisation) -> None:
    organisation.groups["desks"] = frozenset({"press01"})
    organisation.waiver(hosts=None, groups=["desks"])
    run = organisation.run(NOW)["id"]
    organisation.groups["desks"] = frozenset({"press01", "press02"})
    (text,) = printed(organisation)
    assert text.startswith(f"waiver w1 opens 1 host more than in run {run}: press02") and "sign it again" in text
    assert printed(organisation) == []  # it was printed
