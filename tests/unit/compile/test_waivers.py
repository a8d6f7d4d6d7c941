"""Waivers: what is an approved exception, when it is one, and what is told about a wrong one."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import yaml
from proscribe.compile.errors import PolicyErrors
from proscribe.compile.waivers import Known, load_waivers, read_waiver

KNOWN = Known(frozenset({"whatsapp", "slack"}), frozenset({"web01", "web02"}), frozenset({"all", "press"}))
GOOD = {
    "id": "w1",
    "services": ["whatsapp"],
    "hosts": ["web01"],
    "reason": "Press enquiries come in there",
    "requested_by": "alice",
    "approved_by": "head.of.press",
    "approved_on": "2026-11-01T09:00:00+08:00",
    "expires": "2026-12-31T18:00:00+08:00",
}


def written(folder: Path, **changes: object) -> Path:
    content = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path = folder / "w1.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def test_a_waiver_without_controls_is_for_all_of_them(tmp_path):
    waiver = read_waiver(written(tmp_path), KNOWN)
    assert waiver.controls == ("apps", "browser", "firewall", "dns")
    assert waiver.expires == at("2026-12-31T10:00:00+00:00")


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ("2026-11-30T23:59:59+08:00", "not_yet_valid"),
        ("2026-12-01T00:00:00+08:00", "active"),
        ("2026-12-31T17:59:59+08:00", "active"),
        ("2026-12-31T18:00:00+08:00", "expired"),  # half-open: the moment itself is out
        ("2026-12-31T10:00:00+00:00", "expired"),  # the same moment in another zone
        ("2026-12-31T09:59:59+00:00", "active"),
    ],
)
def test_a_waiver_holds_from_its_first_moment_until_its_end(tmp_path, now, status):
    waiver = read_waiver(written(tmp_path, valid_from="2026-12-01T00:00:00+08:00"), KNOWN)
    assert waiver.status(at(now)) == status


@pytest.mark.parametrize(
    ("host", "groups", "covered"),
    [("web01", (), True), ("web02", (), False), ("web02", ("press",), True), ("web02", ("all",), False)],
)
def test_a_waiver_covers_its_hosts_and_the_members_of_its_groups(tmp_path, host, groups, covered):
    assert read_waiver(written(tmp_path, groups=["press"]), KNOWN).covers(host, groups) is covered


@pytest.mark.parametrize(
    ("changes", "key", "told"),
    [
        ({"expires": None}, "expires", "every waiver has one"),
        ({"expires": "2026-12-31"}, "expires", "a time with its zone"),
        ({"expires": "2015/10/21"}, "expires", "a time with its zone"),
        ({"expires": "2026-12-31T18:00:00"}, "expires", "a time with its zone"),
        ({"expires": "2028-01-01T00:00:00+00:00"}, "expires", "at most 366 days"),
        ({"expires": "2026-10-01T00:00:00+00:00"}, "expires", "a time after"),
        ({"services": ["whatsap"]}, "services[0]", "did you mean 'whatsapp'?"),
        ({"services": "whatsapp"}, "services", "a list of words"),
        ({"controls": ["firewal"]}, "controls[0]", "did you mean 'firewall'?"),
        ({"hosts": ["web1"]}, "hosts[0]", "a host of the inventory"),
        ({"groups": ["pres"]}, "groups[0]", "did you mean 'press'?"),
        ({"hosts": None}, "hosts", "hosts or groups"),
        ({"approved_by": "alice"}, "approved_by", "somebody else than requested_by"),
        ({"approved_by": None}, "approved_by", "every waiver has one"),
        ({"reason": ""}, "reason", "every waiver has one"),
        ({"id": "w2"}, "id", "the name of its file, w1"),
        ({"expiry": "never"}, "expiry", "did you mean 'expires'?"),
        ({"reason": "two\nlines"}, "reason", "one line of text"),
    ],
)
def test_a_wrong_waiver_is_named_with_its_place_and_what_was_expected(tmp_path, changes, key, told):
    path = written(tmp_path, **changes)
    with pytest.raises(PolicyErrors) as raised:
        read_waiver(path, KNOWN)
    error = next(error for error in raised.value.errors if error.key == key)
    assert error.where.rpartition(":")[0] == str(path)
    assert told in error.expected


def test_a_file_that_is_not_yaml_is_named_with_its_line(tmp_path):
    path = tmp_path / "w1.yml"
    path.write_text("id: w1\nservices: [whatsapp\nreason: x\n", encoding="utf-8")
    with pytest.raises(PolicyErrors, match=r"w1\.yml:3: found a syntax error .*expected valid YAML"):
        read_waiver(path, KNOWN)


def test_an_empty_file_is_a_mistake(tmp_path):
    path = tmp_path / "w1.yml"
    path.write_text("", encoding="utf-8")
    with pytest.raises(PolicyErrors, match="a YAML document"):
        read_waiver(path, KNOWN)


def test_waivers_are_read_from_every_folder_and_an_id_stands_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    written(tmp_path / "a")
    assert [waiver.id for waiver in load_waivers([tmp_path / "a"], KNOWN)] == ["w1"]
    written(tmp_path / "b")
    with pytest.raises(PolicyErrors, match="does not have"):
        load_waivers([tmp_path / "a", tmp_path / "b"], KNOWN)
