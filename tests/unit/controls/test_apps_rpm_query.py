"""What rpm is asked, and what of its answers a package comes to."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_tools import Tools
from made_users import ALICE, put
from proscribe.host.controls.apps.systems import rpm
from proscribe.host.controls.apps.systems.package import Block, Package
from proscribe.host.system import Host, Process, Result

FORMAT = "%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n"
ANSWER = "elk\t1-1\telk-1-1.noarch\npackage yak is not installed\nowl\t2:1-1\towl-1-1.x86_64\n"
FILES = {"elk-1-1.noarch": "/usr/share/elk\n/usr/bin/elk\n", "owl-1-1.x86_64": "/usr/bin/owl\n/opt/owl/owl\n"}
OWL = Package("rpm", "owl", "2:1-1", ("owl-1-1.x86_64",), path="/opt/owl")
ELK = Package("rpm", "elk", "1-1", ("elk-1-1.noarch",), path="/usr/bin/elk")


def made(root: Path, own: int = 0) -> tuple[Host, Tools]:
    put(root, "/var/lib/rpm/Packages.db")
    put(root, "/usr/bin/rpm", mode=0o755)
    tools = Tools(
        *((f"-ql {handle}", Result(0, files, "")) for handle, files in FILES.items()),
        ("-q --qf", Result(2, ANSWER, "")),
        ("-q rpm", Result(own, "", "")),
    )
    return Host(str(root), tools), tools


def test_what_is_asked_and_what_is_there(root: Path) -> None:
    host, tools = made(root)
    assert rpm.query(host, {"owl", "elk", "yak"}) == ([ELK, OWL], "")
    assert [argv for argv, _ in tools.ran] == [
        ["rpm", "-q", "--qf", FORMAT, "--", "elk", "owl", "yak"],
        ["rpm", "-ql", "--", "elk-1-1.noarch"],
        ["rpm", "-ql", "--", "owl-1-1.x86_64"],
    ]
    assert rpm.query(host, set()) == rpm.query_of(host, ALICE, {"owl"}) == ([], "")
    assert len(tools.ran) == 3


def test_a_program_belongs_to_the_package_with_its_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _ = made(root)
    whose = rpm.programs(host, {"owl"}, [OWL, ELK])
    for shares in (True, False):
        monkeypatch.setattr(host, "shares_root", lambda process, shares=shares: shares)
        found = [whose(Process(7, exe)) for exe in ("/opt/owl/owl", "/usr/bin/elk", "/opt/owl")]
        assert found == (["owl", "elk", ""] if shares else ["", "", ""])


@pytest.mark.parametrize("lacking", ["", "var/lib/rpm/Packages.db", "usr/bin/rpm", "an rpm of rpm"])
def test_whose_packages_are_of_this_family(root: Path, lacking: str) -> None:
    host, tools = made(root, own=int(lacking == "an rpm of rpm"))
    if "/" in lacking:
        (root / lacking).unlink()
    assert rpm.gated(host) is not bool(lacking)
    assert [argv for argv, _ in tools.ran] == [["rpm", "-q", "rpm"]] * ("/" not in lacking)
    assert rpm.there(host, None) is not lacking.startswith("var") and not rpm.there(host, ALICE)


def test_its_block_is_made_of_parts() -> None:
    assert [part.path for part in rpm.block_parts(Block({"owl"}))][:2] == [
        "/etc/dnf/dnf.conf",
        "package proscribe-guard",
    ]
