"""Who may do what with an object of ours: what a descriptor says other than it should, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.host.controls.group_policy.permissions import DIRECTORY, FILES, XATTRS, print_of_file, wrong
from proscribe.host.system import Host

DOMAIN = "S-1-5-21-1-2-3"
SHORT = "O:DAG:DAD:P(A;;RP;;;AU)"
BITS = {
    **{pair: 1 << bit for bit, pair in enumerate(["CC", "DC", "LC", "SW", "RP", "WP", "DT", "LO", "CR"])},
    **{pair: 1 << 16 << bit for bit, pair in enumerate(["SD", "RC", "WD", "WO"])},
    "FA": 0x1F01FF,
    "FR": 0x120089,
    "FW": 0x120116,
    "FX": 0x1200A0,  # of files (winnt.h)
}


@pytest.mark.parametrize(
    ("sddl", "desired", "said"),
    [
        (SHORT, SHORT, []),
        (DIRECTORY, DIRECTORY, []),
        (FILES, FILES, []),
        (f"{SHORT}S:(AU;SA;WP;;;WD)\n(x", SHORT, []),  # who is noted in a log
        (SHORT.replace("AU", f"{DOMAIN}-512"), SHORT.replace("AU", "DA"), []),
        (SHORT.replace("AU", f"{DOMAIN}-519"), SHORT.replace("AU", "EA"), []),
        (SHORT.replace("O:DA", f"O:{DOMAIN}-512"), SHORT, []),
        (SHORT.replace("RP", "0x10"), SHORT, []),
        (SHORT.replace(";;;AU", ";1A;;AU"), SHORT.replace(";;;AU", ";1a;;AU"), []),
        (SHORT.replace("O:DA", f"O:{DOMAIN}-1105"), SHORT, [f"it belongs to {DOMAIN}-1105"]),
        (SHORT.replace("G:DA", "G:BA"), SHORT, ["it belongs to DA"]),
        (SHORT.replace("D:P", "D:"), SHORT, ["it belongs to DA"]),
        (f"{SHORT}(A;;WP;;;WD)", SHORT, ["WD has 0x20"]),
        (f"{SHORT}(D;;WP;;;WD)", SHORT, ["WD is denied 0x20"]),
        (f"{SHORT}(OD;;WP;1a;;WD)", SHORT, ["WD is denied 0x20 (1a)"]),
        (f"{SHORT}(A;;RP;;;AU)", SHORT, ["AU has 0x10"]),
        (SHORT.replace(";;RP", ";CI;RP"), SHORT, ["AU has 0x10", "AU lacks 0x10"]),
        ("O:DAG:DAD:P", SHORT, ["AU lacks 0x10"]),
        (SHORT + "".join(f"(A;;WP;;;S-1-1-{n})" for n in range(9)), SHORT, [f"S-1-1-{n} has 0x20" for n in range(5)]),
        ("O:DAG:DAD:P(A;;RP;;AU)", SHORT, ["it cannot be read"]),
        ("O:DAG:DAD:P(A;;XX;;;AU)", SHORT, ["it cannot be read"]),
        ("O:DAG:DAD:P(A;;0xq;;;AU)", SHORT, ["it cannot be read"]),
        (f"{SHORT}x", SHORT, ["it cannot be read"]),
        ("", SHORT, ["it cannot be read"]),
        *((SHORT.replace("RP", pair), "O:DAG:DAD:P", [f"AU has {bit:#x}"]) for pair, bit in BITS.items()),
        (SHORT.replace("RP", "CCWO"), "O:DAG:DAD:P", ["AU has 0x80001"]),
    ],
)
def test_what_is_said_other_than_it_should(sddl: str, desired: str, said: list[str]) -> None:
    assert wrong(sddl, desired) == said


def test_the_print_of_a_file_changes_with_each_part_of_its_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, bytes | None] = {"security.NTACL": b"a"}
    monkeypatch.setattr(Host, "attribute", lambda self, path, name: values.get(name))
    host, file = Host(str(tmp_path)), tmp_path / "a"
    assert print_of_file(host, "/a") == ""
    file.touch(0o644)
    prints = [print_of_file(host, "/a")]
    (tmp_path / "b").touch(0o644)
    assert print_of_file(host, "/b") == prints[0] and len(prints[0]) == 64
    file.chmod(0o640)
    prints.append(print_of_file(host, "/a"))
    for name in ("security.NTACL", "system.posix_acl_access", "system.posix_acl_default"):
        values[name] = b"b"
        prints.append(print_of_file(host, "/a"))
    assert len(set(prints)) == 5 and len(XATTRS) == 3
    values["security.NTACL"] = None
    assert print_of_file(host, "/a") == ""
