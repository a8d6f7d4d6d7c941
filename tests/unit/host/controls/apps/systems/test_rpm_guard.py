"""The guard package, read as rpm's package format 4 has it (https://rpm.org/docs/4.20.x/manual/format_v4.html)."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest
from made_tools import DONE, Tools
from proscribe.host.controls.apps.systems import rpm_block, rpm_guard
from proscribe.host.controls.apps.systems.package import Block
from proscribe.host.controls.apps.systems.rpm_conflicts import PLACE, Conflict, conflicts
from proscribe.host.system import LIFT, WRITTEN_BY, ControlError, Host, Result

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


def marked(*lines: str) -> str:
    return "".join(f"{line}\n" for line in (f"# proscribe: begin. {WRITTEN_BY}", f"# {POLICY}", *lines, END))


END = "# proscribe: end"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", marked("[main]", "excludepkgs=owl,elk")),
        ("[main]\n\na=1\n\n#\n[o]\nb=1\n", "[main]\n\na=1\n" + marked("excludepkgs=owl,elk") + "\n#\n[o]\nb=1\n"),
        ("[main]\na=1", "[main]\na=1\n" + marked("excludepkgs=owl,elk").rstrip("\n")),
        ("[main]\nexcludepkgs=a,\n b\n", "[main]\nexcludepkgs=a,\n b\n" + marked("exclude=owl,elk")),
        (
            "[main]\nexclude=a\n b,c\nexcludepkgs=d\n",
            "[main]\nexclude=a\n b,c\nexcludepkgs=d\n" + marked("exclude=a,b,c,owl,elk"),
        ),
        ("[o]\nexclude=a\n", "[o]\nexclude=a\n" + marked("[main]", "excludepkgs=owl,elk")),
    ],
)
def test_where_dnf_leaves_names_out(before: str, after: str) -> None:
    assert rpm_block.excluded(["owl", "elk"], POLICY, before) == after
    assert rpm_block.excluded([], POLICY, after) == before


def test_a_lock_of_zyppers_on_each_name() -> None:
    lock = "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {}\n{}\n"
    theirs = lock.format("elk", "") + lock.format("yak", "comment: theirs\n")
    locks = "".join(lock.format(name, f"comment: {WRITTEN_BY}. {POLICY}\n") for name in ("owl", "yak"))
    assert rpm_block.locked(["owl", "elk", "yak"], POLICY, theirs) == locks + theirs
    assert rpm_block.locks(locks + theirs) == {"owl", "yak"} and rpm_block.locks(theirs) == set()


def test_all_parts_of_the_block(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    block = Block({"owl", "elk"}, "it@example.org", {"elk": ["1"]}, messages=["Ask IT."])
    dnf, guard, protected, zypper, shop, trial = rpm_block.parts(block)
    policy = "Restricted by the policy of this organisation; ask it@example.org."
    assert guard == rpm_block.Guard(
        (Conflict("elk", "<", "1"), Conflict("elk", ">", "1"), Conflict("owl")), policy, messages=("Ask IT.",)
    )
    said = "Conflicts: elk < 1\nConflicts: elk > 1\nConflicts: owl\n"
    assert guard.desired(host) == f"proscribe-guard {guard.release(set())}\n{said}" and guard.text(host) == ""
    assert (dnf.path, protected.path, zypper.path) == (
        "/etc/dnf/dnf.conf",
        "/etc/dnf/protected.d/proscribe.conf",
        "/etc/zypp/locks",
    )
    assert "excludepkgs=owl\n" in dnf.desired(host) and f"# {policy}\n" in dnf.desired(host)
    assert protected.desired(host) == f"# {WRITTEN_BY}\nproscribe-guard\n"
    assert rpm_block.locks(zypper.desired(host)) == {"owl", "proscribe-guard"} and policy in zypper.desired(host)
    assert shop.path.endswith("packagekit-rpm.rules") and '["owl"]' in shop.desired(host)
    assert trial.path == "a made package"
    assert [guard.concerns(host), rpm_block.parts(Block())[1].concerns(host)] == [True, False]
    nothing = rpm_block.parts(Block())
    assert len(nothing) == 5 and [part.desired(host) for part in (nothing[0], nothing[3])] == ["", ""]
    for tool, concerned in (("dnf-3", [dnf, protected]), ("zypper", [zypper]), ("microdnf", [dnf, protected])):
        (tmp_path / "usr/bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / "usr/bin" / tool).touch(0o755)
        assert [part for part in (dnf, protected, zypper) if part.concerns(host)] == concerned
        (tmp_path / "usr/bin" / tool).unlink()


def test_a_guard_of_another_word_is_another_release() -> None:
    one = rpm_block.Guard((Conflict("owl"),), POLICY)
    others = [
        one._replace(policy="x"),
        one._replace(messages=("x",)),
        one._replace(conflicts=(Conflict("elk"),)),
        one._replace(conflicts=(Conflict("owl", "<", "1"),)),
    ]
    assert len({other.release(set()) for other in (one, *others)}) == 5 and len(one.release(set())) == 16
    assert one.release({"owl"}) == one._replace(conflicts=()).release(set()) != one.release(set())


def test_it_is_erased(tmp_path: Path) -> None:
    tools = Tools(("-e", DONE))
    rpm_guard.erase(Host(str(tmp_path), tools))
    assert tools.calls == ["rpm -e proscribe-guard"]
