"""A waiver's file: what is in it, and which errors a wrong one gives. No wrong one reaches a host."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.waivers.document import MOMENT, load_waivers, read_waiver
from proscribe.controller.policy_errors import PolicyErrors
from waiver_organisation import WAIVER


def write_waiver(folder: Path, name: str = "w1.yml", **changes: object) -> Path:
    content = {key: value for key, value in {**WAIVER, **changes}.items() if value is not None}
    path = folder / name
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


NO_TIMES = [
    *("2026-12-31", "2015/10/21", "2026-12-31T18:00:00", "2026-12-31T18:00:00 Asia/Hong_Kong"),
    *("20261231T180000+0800", "2026-W53-4T18:00:00+08:00"),
    "2027-02-29T18:00:00+08:00",  # no leap year
    *("2026-12-31T24:00:00+08:00", "2026-12-31T18:00:60+08:00", "2026-12-31T18:00:00+15:00"),
    *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "\u0662026-12-31T18:00:00+08:00"),
    *(["2026-12-31T18:00:00+08:00"], "never"),
]


@pytest.mark.parametrize(
    ("changes", "key", "expected"),
    [
        # -- times
        ({"expires": None}, "expires", "every waiver has one"),
        *(({"expires": text}, "expires", "a time with its zone") for text in NO_TIMES),
        ({"expires": "2026-10-01T00:00:00+00:00"}, "expires", "a time after 2026-11-01T16:00:00+00:00"),
        ({"expires": "2026-11-01T16:00:00+00:00"}, "expires", "a time after"),
        ({"requested_on": "2026-11-05T00:00:00Z"}, "requested_on", "not after approved_on"),
        ({"reviewed_on": "2026-10-05T00:00:00Z"}, "reviewed_on", "not before approved_on"),
        # -- keys
        ({"expiry": "never"}, "expiry", "did you mean 'expires'?"),
        ({"id": "w2"}, "id", "the name of its file, w1"),
        ({"id": "w 1"}, "id", "letters, digits"),
        ({"services": None}, "services", "every waiver has one"),
        ({"services": "whatsapp"}, "services", "a list, such as [whatsapp]"),
        ({"services": [["whatsapp"]]}, "services[0]", "a service's id"),
        ({"controls": ["firewal"]}, "controls[0]", "did you mean 'firewall'?"),
        ({"hosts": None}, "hosts", "hosts, groups or zones"),
        ({"approved_by": " head"}, "approved_by", "one line of text"),
        ({"reason": ""}, "reason", "every waiver has one"),
        ({"reason": "\x1b[2J"}, "reason", "one line of text"),
        ({"reason": "x" * 1001}, "reason", "at most 1000"),
        # -- what narrows it
        ({"users": ["alice"]}, "controls", "[apps, firewall] or less beside users, because browser policies"),
        ({"versions": ["4.0"], "controls": ["apps", "firewall"]}, "controls", "[apps] or less beside versions"),
        ({"paths": ["/opt/x"]}, "controls", "[apps] or less beside paths"),
        ({"users": ["1000"], "controls": ["apps"]}, "users[0]", "a user's login name"),
        ({"users": ["-rf"], "controls": ["apps"]}, "users[0]", "a user's login name"),
        ({"versions": ["4 0"], "controls": ["apps"]}, "versions[0]", "a version as the package system says it"),
        ({"paths": ["opt/x"], "controls": ["apps"]}, "paths[0]", "an absolute path"),
        ({"paths": ["/opt/../etc"], "controls": ["apps"]}, "paths[0]", "an absolute path"),
        ({"posix_groups": ["press"]}, "controls", "[apps, firewall] or less beside posix_groups, because browser"),
        ({"posix_groups": ["-rf"], "controls": ["apps"]}, "posix_groups[0]", "the name of a group of the host's users"),
        ({"posix_groups": [f"g{n}" for n in range(21)], "controls": ["apps"]}, "posix_groups", "at most 20"),
        ({"hours": "sun 09:00-18:00"}, "controls", "[browser, firewall, dns] or less beside hours, because apps that"),
        ({"hours": "mon-fri 9-18", "controls": ["dns"]}, "hours[0]", "such as mon-fri 09:00-18:00"),
        ({"hours": "mon-fri 09:00-24:01", "controls": ["dns"]}, "hours[0]", "days and times of the host's own zone"),
        ({"hours": "mon\n09:00-18:00", "controls": ["dns"]}, "hours[0]", "days and times"),
        ({"hours": ["mon 09:00-09:00"], "controls": ["dns"]}, "hours[0]", "ends at another minute"),
        ({"hours": [f"mon 09:00-10:{n:02}" for n in range(21)], "controls": ["dns"]}, "hours", "at most 20"),
        ({"request": "12345"}, "request", "16 of 0-9 and a-f"),
        ({"request": "00C0FFEE00C0FFEE"}, "request", "16 of 0-9 and a-f"),
        # -- taken back
        ({"revoked": ""}, "revoked", "a mapping such as"),
        ({"revoked": {"on": "2026-12-01", "by": "x", "why": "y"}}, "revoked.on", "a time with its zone"),
        ({"revoked": {"on": "2026-12-01T00:00:00Z", "by": "x"}}, "revoked.why", "every revocation has one"),
        ({"revoked": {"on": "2026-12-01T00:00:00Z", "by": "x", "wy": "y"}}, "revoked.wy", "did you mean 'why'?"),
    ],
)
def test_a_wrong_waiver_is_named_with_its_place_and_what_was_expected(tmp_path, changes, key, expected):
    path = write_waiver(tmp_path, **changes)
    with pytest.raises(PolicyErrors) as raised:
        read_waiver(path)
    error = next(error for error in raised.value.errors if error.key == key)
    assert error.where.rpartition(":")[0] == str(path)
    assert expected in error.expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id: w1\nservices: [whatsapp\nreason: x\n", r"w1\.yml:3: found a syntax error .*expected valid YAML"),
        ("", "found nothing, expected a YAML document"),
        ("- w1\n", "found a list, expected a mapping with the keys of a waiver"),
        ("id: w1\nid: w1\n", "the key a second time"),
    ],
)
def test_a_file_that_is_no_waiver_is_named(tmp_path, content, expected):
    path = tmp_path / "w1.yml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PolicyErrors, match=expected):
        read_waiver(path)


def test_mistakes_of_all_files_are_reported_at_once(tmp_path):
    write_waiver(tmp_path, "w1.yml", reason="")
    write_waiver(tmp_path, "w2.yml", id="w2", expires="soon", risk="\n")
    write_waiver(tmp_path, "w3.yml", id="w3")
    with pytest.raises(PolicyErrors) as raised:
        load_waivers([tmp_path])
    assert [error.key for error in raised.value.errors] == ["reason", "risk", "expires"]


def test_only_yaml_files_are_waivers_and_every_folder_is_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    write_waiver(tmp_path / "a")
    write_waiver(tmp_path / "b", "w2.yaml", id="w2")
    for other in ("README.md", "w1.yml.sig", "w3.yml~", "w4.yml.bak", "._w1.yml"):
        (tmp_path / "a" / other).write_text("no waiver", encoding="utf-8")
    assert [waiver.id for waiver in load_waivers([tmp_path / "a", tmp_path / "b"])] == ["w1", "w2"]
    write_waiver(tmp_path / "b", "w1.yml")
    with pytest.raises(PolicyErrors, match="does not have"):
        load_waivers([tmp_path / "a", tmp_path / "b"])


def test_entry_of_the_folder_that_is_no_file_is_a_mistake(tmp_path):
    os.mkfifo(tmp_path / "pipe.yml")
    (tmp_path / "folder.yml").mkdir()
    (tmp_path / "link.yml").symlink_to("nowhere")
    with pytest.raises(PolicyErrors) as raised:
        load_waivers([tmp_path, tmp_path / "nosuch"])
    assert [Path(error.where).name for error in raised.value.errors] == ["folder.yml", "link.yml", "pipe.yml", "nosuch"]


@given(
    st.integers(0, 6_000_000_000),  # seconds since 1970, to the year 2160
    st.integers(-14 * 60, 14 * 60),
)
def test_any_moment_with_its_offset_can_be_written(seconds, minutes):
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    assert MOMENT.fullmatch(datetime.datetime.fromtimestamp(seconds, zone).isoformat())
