"""A list or a mapping that came as text: the message says how to write it where it is."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.restrictions.unquoted import LONGEST, written_right
from proscribe.controller.policy_errors import Expected

LIST, MAPPING = "a list of categories", "a mapping such as {dns: audit}"
QUOTED = "; the value is a text: write it without the quotes"
INI = (
    "; an INI inventory gives a text where words are without quotes: write v={meant} (in double quotes as a whole, "
    '"...", where it stands on the line of a host), or put it into group_vars/*.yml'
)


def said(value: object, expected: str = LIST, place: str = "hosts.ini:3", key: str = "") -> str:
    return written_right("v", Expected(key, value, expected), place)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("group_vars/all.yml:7", QUOTED),
        ("group_vars/all.yaml:7", QUOTED),
        ("host.json", QUOTED),
        ("<CLI option '-e'>", '; -e key=value gives texts only: write -e \'{"v": ["webmail"]}\''),
        ("hosts.ini:3", INI.format(meant="['webmail']")),
        ("hosts", INI.format(meant="['webmail']")),
    ],
)
def test_how_to_write_it_depends_on_where_it_is(place: str, message: str) -> None:
    assert said("[webmail]", place=place) == message


@pytest.mark.parametrize(
    ("value", "expected", "meant"),
    [
        ("webmail", LIST, "['webmail']"),
        ("webmail, cloud_storage", LIST, "['webmail', 'cloud_storage']"),
        ("webmail cloud_storage", LIST, "['webmail', 'cloud_storage']"),
        ("[1, 2.5, a, null, true]", LIST, "[1, 2.5, 'a', None, True]"),
        ("[[a], b]", LIST, "[['a'], 'b']"),
        ("{dns: audit}", MAPPING, "{'dns': 'audit'}"),
        ("{google: [example.org]}", MAPPING, "{'google': ['example.org']}"),
        ("x" * LONGEST, LIST, f"['{'x' * LONGEST}']"),
    ],
)
def test_what_a_text_was_meant_to_be(value: str, expected: str, meant: str) -> None:
    assert said(value, expected) == INI.format(meant=meant)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", LIST),
        ("x" * (LONGEST + 1), LIST),
        (["webmail"], LIST),
        (7, LIST),
        ("[webmail", LIST),
        ("webmail]", LIST),
        ("{webmail", LIST),
        ('"a\\nb"', LIST),
        ("{dns: audit}", LIST),
        ("dns", MAPPING),
        ("[dns]", MAPPING),
        ("webmail", "one line"),
        ("[[[a]]]", LIST),
        ("[{a: b}]", LIST),
        ("[2026-11-30]", LIST),
        ("{a: {b: c}}", MAPPING),
        ("{2026-11-30: c}", MAPPING),
    ],
)
def test_nothing_is_said_of_another_mistake(value: object, expected: str) -> None:
    assert said(value, expected) == ""


def test_nothing_is_said_of_a_part_of_a_value() -> None:
    assert said("[webmail]") and said("[webmail]", key="[0]") == ""
