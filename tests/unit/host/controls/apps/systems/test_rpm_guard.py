"""The guard package, read as rpm's package format 4 has it (https://rpm.org/docs/4.20.x/manual/format_v4.html)."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest
from made_tools import DONE, Tools
from proscribe.host.controls.apps.systems import rpm_block, rpm_guard
from proscribe.host.controls.apps.systems.package import Block
from proscribe.host.controls.apps.systems.rpm_conflicts import PLACE, Conflict, conflicts
from proscribe.host.system import WRITTEN_BY, ControlError, Host, Result

POLICY = "Restricted by IT; ask it@example.org."
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


def test_a_long_name_is_cut_in_the_lead_alone() -> None:
    content = rpm_guard.package((), "0", "x" * 100)
    assert content[10:76] == b"proscribe-guard-".ljust(65, b"x") + b"\0"
    assert read(content)[0][1001][1] == "x" * 100


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


def test_it_is_erased(tmp_path: Path) -> None:
    tools = Tools(("-e", DONE))
    rpm_guard.erase(Host(str(tmp_path), tools))
    assert tools.calls == ["rpm -e proscribe-guard"]
