"""What rpm is asked, and what of its answers a package comes to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_tools import Tools
from made_users import ALICE, put
from proscribe.host.controls.apps.systems import rpm, rpm_removal
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


def needs(handle: str, *others: str) -> Result:
    lines = [f"\t{handle} is needed by (installed) {other}" for other in others]
    return Result(len(lines), "", "\n".join(["error: Failed dependencies:", *lines]))


def test_as_many_as_can_go_together_go(root: Path) -> None:
    """What elk alone cannot leave goes with it; yak stays, and so does what nobody knows why."""
    ran: list[list[str]] = []

    def run(argv: Sequence[str], **_: Any) -> Result:
        ran.append([*argv])
        names = [handle.partition("-")[0] for handle in argv[argv.index("--") + 1 :]]
        if "yak" in names:
            return needs("yak", "b-1", "a-1", "b-1")
        if "ape" in names:
            return Result(1, "", "error: odd")
        return Result(0, "", "") if "owl" in names or "elk" not in names else needs("elk", "owl-1")

    packages = [Package("rpm", name, "1", (f"{name}-1.noarch",)) for name in ("elk", "yak", "ape", "owl")]
    ((action,), refused) = rpm_removal.removal(Host(str(root), run), packages)
    assert (str(action), action.before) == ("remove owl, elk", "owl-1.noarch\nelk-1.noarch\n")
    assert refused == [(packages[1], "would break a-1, b-1"), (packages[2], "error: odd")]
    assert ran[0] == ["rpm", "-e", "--test", "--", *(package.handles[0] for package in packages)]
    action.apply()
    assert ran[-1] == ["rpm", "-e", "--", "owl-1.noarch", "elk-1.noarch"]


@pytest.mark.parametrize(("tool", "simulated"), [("dnf", "--assumeno"), ("zypper", "--dry-run")])
def test_how_a_front_end_is_called(root: Path, tool: str, simulated: str) -> None:
    put(root, f"/usr/bin/{tool}", mode=0o755)
    ran: list[Any] = []
    solved = '<to-remove><solvable type="package" name="owl"/></to-remove>'

    def run(argv: Sequence[str], **options: Any) -> Result:
        ran.append(([*argv], options))
        return Result(0, solved if tool == "zypper" else "Removing: 1 package\n", "")

    ((action,), _) = rpm_removal.removal(Host(str(root), run), [OWL])
    action.apply()
    words = {
        "dnf": [
            "--disablerepo=*",
            "--setopt=clean_requirements_on_remove=False",
            "--setopt=disable_excludes=main",
            "{}",
            "remove",
            "owl-1-1.x86_64",
        ],
        "zypper": ["--non-interactive", "--no-refresh", "--xmlout", "remove", "--no-clean-deps", "{}", "owl=2:1-1"],
    }[tool]
    trial = [tool, *(simulated if word == "{}" else word for word in words)]
    real = {"dnf": ["--assumeyes"], "zypper": []}[tool]
    done = [tool, *(new for word in words for new in (real if word == "{}" else [word]))]
    assert [argv for argv, _ in ran if argv[0] == tool] == [trial, trial, done]
    assert ran[1][1] == {"timeout": rpm_removal.SIMULATION}


def test_its_block_is_made_of_parts() -> None:
    assert [part.path for part in rpm.block_parts(Block({"owl"}))][:2] == [
        "/etc/dnf/dnf.conf",
        "package proscribe-guard",
    ]
