"""The guard package, read as rpm's package format 4 has it (https://rpm.org/docs/4.20.x/manual/format_v4.html)."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest
from made_tools import DONE, Tools
from proscribe.host.controls.apps.systems import rpm_guard
from proscribe.host.controls.apps.systems.rpm_conflicts import PLACE, Conflict, conflicts
from proscribe.host.system import LIFT, ControlError, Host, Result

POLICY = "Restricted by IT; ask it@example.org."
VERSION = "restricted.by.it.ask.it.at.example.org"
CONFLICTS = [Conflict("owl"), Conflict("elk", "<", "2:1.0-1"), Conflict("elk", ">", "2:1.0-1")]
INT32, STRING, BINARY, STRINGS, TRANSLATED = 4, 6, 7, 8, 9


def header(content: bytes, at: int, region: int) -> tuple[dict[int, tuple[int, Any]], int]:
    """A header's entries by tag, each with its type, and where it ends. Its region is checked and left out."""
    magic, count, size = struct.unpack_from(">8sii", content, at)
    assert magic == b"\x8e\xad\xe8\x01\0\0\0\0"
    index = [struct.unpack_from(">iiii", content, at + 16 + 16 * number) for number in range(count)]
    start = at + 16 + 16 * count
    store = content[start : start + size]
    assert index[0] == (region, BINARY, size - 16, 16)
    assert struct.unpack(">iiii", store[-16:]) == (region, BINARY, -16 * count, 16)
    assert [tag for tag, *_ in index[1:]] == sorted({tag for tag, *_ in index[1:]})
    found: dict[int, tuple[int, Any]] = {}
    for tag, kind, offset, items in index[1:]:
        if kind == INT32:
            assert offset % 4 == 0
            found[tag] = kind, list(struct.unpack_from(f">{items}i", store, offset))
        else:
            texts = [text.decode() for text in store[offset:].split(b"\0")[:items]]
            found[tag] = kind, texts[0] if kind == STRING else texts
            assert kind != STRING or items == 1
    return found, start + size


def read(content: bytes) -> tuple[dict[int, tuple[int, Any]], bytes]:
    """What a package says, and its payload; lead and signatures are checked."""
    assert content[:4] == b"\xed\xab\xee\xdb"
    signature, end = header(content, 96, 62)
    begin = -(-end // 8) * 8
    assert not content[end:begin].strip(b"\0")
    said, end = header(content, begin, 63)
    assert signature == {
        273: (STRING, hashlib.sha256(content[begin:end]).hexdigest()),
        1000: (INT32, [len(content) - begin]),
    }
    return said, content[end:]


def test_all_that_the_guard_says() -> None:
    content = rpm_guard.package(CONFLICTS, "abc", POLICY, ["請洽資訊處。", "Ask IT."])
    said, payload = read(content)
    about = f"{POLICY} This package conflicts with what is restricted, and goes with: {LIFT}\n請洽資訊處。\nAsk IT."
    assert said == {
        100: (STRINGS, ["C"]),
        1000: (STRING, "proscribe-guard"),
        1001: (STRING, VERSION),
        1002: (STRING, "abc"),
        1004: (TRANSLATED, [f"Written by Proscribe. {POLICY}"]),
        1005: (TRANSLATED, [about]),
        1006: (INT32, [0]),
        1009: (INT32, [0]),
        1014: (STRING, "GPL-3.0-or-later"),
        1016: (TRANSLATED, ["Unspecified"]),
        1021: (STRING, "linux"),
        1022: (STRING, "noarch"),
        1044: (STRING, f"proscribe-guard-{VERSION}-abc.src.rpm"),
        1047: (STRINGS, ["proscribe-guard"]),
        1053: (INT32, [0, 2, 4]),
        1054: (STRINGS, ["owl", "elk", "elk"]),
        1055: (STRINGS, ["", "2:1.0-1", "2:1.0-1"]),
        1064: (STRING, "4.14.0"),
        1112: (INT32, [8]),
        1113: (STRINGS, [f"{VERSION}-abc"]),
        1124: (STRING, "cpio"),
        1125: (STRING, "gzip"),
        1126: (STRING, "9"),
        5092: (STRINGS, [hashlib.sha256(payload).hexdigest()]),
        5093: (INT32, [8]),
    }
    lead = struct.unpack(">4sBBhh66shh16x", content[:96])
    called = f"proscribe-guard-{VERSION}-abc".encode()
    assert lead[1:] == (3, 0, 0, 1, called.ljust(66, b"\0"), 1, 5)
    assert content == rpm_guard.package(CONFLICTS, "abc", POLICY, ["請洽資訊處。", "Ask IT."])


def test_its_payload_is_an_archive_without_a_file() -> None:
    archive = gzip.decompress(read(rpm_guard.package([], "0", POLICY))[1])
    fields = [int(archive[at : at + 8], 16) for at in range(6, 110, 8)]
    assert archive[:6] == b"070701" and fields == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, len("TRAILER!!!") + 1, 0]
    assert archive[110:] == b"TRAILER!!!".ljust(14, b"\0")


def test_another_package_for_a_trial() -> None:
    said, _ = read(rpm_guard.package((), "0", "trial", name="made", provides="owl"))
    assert not {1053, 1054, 1055} & said.keys()
    assert [said[tag][1] for tag in (1000, 1047, 1112, 1113)] == ["made", ["made", "owl"], [8, 8], ["trial-0"] * 2]
    assert said[1044][1] == "made-trial-0.src.rpm"


def test_a_long_name_is_cut_in_the_lead_alone() -> None:
    content = rpm_guard.package((), "0", "x" * 100)
    assert content[10:76] == b"proscribe-guard-".ljust(65, b"x") + b"\0"
    assert read(content)[0][1001][1] == "x" * 100


@pytest.mark.parametrize(
    ("policy", "version"),
    [
        (POLICY, VERSION),
        ("", "0"),
        ("資訊處", "0"),
        ("--A  b/2!", "a.b.2"),
        ("a" * 201, "a" * 200),
        ("a" * 199 + " b", "a" * 199),
    ],
)
def test_a_sentence_as_a_version(policy: str, version: str) -> None:
    assert rpm_guard.worded(policy) == version


def test_what_it_conflicts_with() -> None:
    permitted = {"elk": ["1"], "yak": ["1", "2"], "other": ["3"]}
    assert list(conflicts(["owl", "elk", "yak"], permitted)) == [
        Conflict("owl", "", ""),
        Conflict("elk", "<", "1"),
        Conflict("elk", ">", "1"),
    ]


@pytest.mark.parametrize("rc", [0, 1])
def test_it_is_installed_out_of_a_file_of_roots_that_goes_whatever_comes(tmp_path: Path, rc: int) -> None:
    seen: list[Any] = []

    def run(argv: Any, **_: Any) -> Result:
        place = tmp_path / PLACE[1:]
        seen.append((argv, place.read_bytes(), place.stat().st_mode & 0o777))
        return Result(rc, "", "error: no")

    host = Host(str(tmp_path), run)
    if rc:
        with pytest.raises(ControlError, match="rpm could not: error: no"):
            rpm_guard.install(host, CONFLICTS, "abc", POLICY, ["Ask IT."])
    else:
        rpm_guard.install(host, CONFLICTS, "abc", POLICY, ["Ask IT."])
    content = rpm_guard.package(CONFLICTS, "abc", POLICY, ["Ask IT."])
    assert seen == [(["rpm", "-U", "--oldpackage", "--nosignature", PLACE], content, 0o600)]
    assert not (tmp_path / PLACE[1:]).exists()


def test_it_is_erased(tmp_path: Path) -> None:
    tools = Tools(("-e", DONE))
    rpm_guard.erase(Host(str(tmp_path), tools))
    assert tools.calls == ["rpm -e proscribe-guard"]
