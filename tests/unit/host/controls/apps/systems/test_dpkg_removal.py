"""Debian packages on recorded answers of dpkg and apt: what is installed, what may go, and the files of the gate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tools import DONE, Tools
from proscribe.host.controls.apps.systems import dpkg, dpkg_removal
from proscribe.host.controls.apps.systems.package import Block, Package
from proscribe.host.system import ControlError, Host, Process, Result
from proscribe.model.removed import Removed

RECORDED = Path(__file__).parents[4] / "recorded/controls/apps"
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True)


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


NATIVE = ("--print-architecture", Result(0, "amd64\n", ""))
PLAIN = ("dpkg-query", Result(0, "no no ", ""))


def host(tmp_path: Path, *rows: tuple[str, Result], tools: Sequence[str] = ("apt-get", "dpkg")) -> Host:
    for name in tools:
        tool = tmp_path / "usr/bin" / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.touch(0o755)
    return Host(str(tmp_path), Tools(*rows))


def package(name: str, **fields: Any) -> Package:
    return Package("dpkg", name.partition(":")[0], "1.0", (name,), **fields)


@given(st.lists(st.tuples(st.sampled_from("uihrp"), st.sampled_from("ncHUFWti"), NAMES)), st.sets(NAMES))
def test_whatever_is_listed_is_found_unless_its_files_are_gone(rows: list[tuple[str, str, str]], ids: set[str]) -> None:
    desired = ids | {name for _, _, name in rows[::2]}
    listing = "".join(f"{want}{state} \t{name}\t{name}\t1\n" for want, state, name in rows)
    found = [p.id for p in dpkg.parse(listing, desired)]
    assert found == [name for _, state, name in rows if name in desired and state not in "nc"]


def test_a_host_without_dpkg_has_nothing_to_see(tmp_path: Path) -> None:
    assert dpkg.query(Host(str(tmp_path), Tools()), {"wechat"}) == ([], "")


def test_the_programs_of_a_package_are_the_files_in_its_list(tmp_path: Path) -> None:
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "wechat.list").write_text("/.\n/opt\n/opt/wechat\n/opt/wechat/wechat\n")
    (info / "skype:i386.list").write_text("/usr/bin/skype\n")
    (tmp_path / "proc").mkdir()
    for pid in "78":
        (tmp_path / "proc" / pid).mkdir()
    (tmp_path / "proc/7/root").symlink_to(tmp_path)
    (tmp_path / "proc/8/root").mkdir()
    program = dpkg.programs(Host(str(tmp_path)), set(), [package("wechat"), package("skype:i386")])
    assert program(Process(7, "/opt/wechat/wechat")) == "wechat"
    assert program(Process(7, "/usr/bin/skype")) == "skype"
    assert program(Process(7, "/opt/wechat/other")) == ""
    assert program(Process(8, "/opt/wechat/wechat")) == ""  # a container's own file of that name


@pytest.mark.parametrize(
    ("simulation", "doomed", "refused"),
    [
        ("apt-nothing-else", ["wechat"], ""),
        ("apt-foreign-architecture", ["skypeforlinux:i386", "libpurple0t64:i386", "libpurple0t64:amd64"], ""),
        ("apt-takes-dependent", ["wechat"], "would also remove viber, wechat-moments"),
        ("apt-installs-in-place", ["linuxqq"], "would also install innocent-lib, tim"),
        (
            "apt-pending-configuration",
            ["wechat"],
            "repair dpkg first: `dpkg --configure -a` (not configured: signal-desktop, viber)",
        ),
    ],
)
def test_a_recorded_simulation_decides_whether_a_package_may_go(
    tmp_path: Path, simulation: str, doomed: list[str], refused: str
) -> None:
    here = host(tmp_path, NATIVE, PLAIN, ("--simulate", Result(0, recorded(simulation), "")))
    actions, reasons = dpkg_removal.removal(here, [package(name) for name in doomed])
    assert {reason for _, reason in reasons} == ({refused} if refused else set())
    assert [str(a) for a in actions] == ([] if refused else ["remove " + ", ".join(doomed)])


@pytest.mark.parametrize(
    ("auto", "tools", "how", "mark"),
    [
        ("wechat:i386", ["apt-get", "apt-mark"], "apt-get", "auto"),
        ("wechat", ["apt-get", "apt-mark"], "apt-get", "auto"),
        ("tim", ["apt-get", "apt-mark"], "apt-get", "manual"),
        ("wechat", ["apt-get"], "apt-get", "manual"),
        ("wechat", [], "dpkg", "manual"),
    ],
)
def test_a_package_is_remembered_with_its_front_and_the_mark_that_apt_had_for_it(
    tmp_path: Path, auto: str, tools: list[str], how: str, mark: str
) -> None:
    simulation = ("--simulate", Result(0, "Remv wechat:i386 [1.0]\n", ""))
    rows = (NATIVE, PLAIN, simulation, ("showauto", Result(0, f"{auto}\n", "")))
    here = host(tmp_path, *rows, ("--no-act", DONE), tools=["dpkg", *tools])
    ((action,), refused) = dpkg_removal.removal(here, [package("wechat:i386")])
    assert refused == []
    assert action.takes == [Removed("dpkg", "wechat", "1.0", "system", "wechat:i386", how, mark=mark)]


def test_a_broken_package_state_is_reported_in_apts_words_and_not_repaired(tmp_path: Path) -> None:
    answer = Result(100, "", recorded("apt-broken"))
    actions, refused = dpkg_removal.removal(host(tmp_path, PLAIN, ("--simulate", answer)), [package("linuxqq")])
    assert actions == []
    assert refused[0][1].startswith("E: Unmet dependencies. Try 'apt --fix-broken install'")


def test_one_refused_package_does_not_keep_the_others(tmp_path: Path) -> None:
    here = host(
        tmp_path,
        NATIVE,
        PLAIN,
        ("--simulate viber wechat", Result(0, recorded("apt-takes-dependent"), "")),
        ("--simulate viber", Result(0, "Remv viber [1]\n", "")),
        ("--simulate wechat", Result(0, "Remv wechat-moments [1.0]\nRemv wechat [4.0]\n", "")),
    )
    actions, refused = dpkg_removal.removal(here, [package("viber"), package("wechat")])
    assert [str(action) for action in actions] == ["remove viber"]
    assert refused == [(package("wechat"), "would also remove wechat-moments")]


def test_a_dependent_that_is_restricted_too_goes_along(tmp_path: Path) -> None:
    simulation = Result(0, "Remv wechat-moments [1.0]\nRemv wechat [4.0]\n", "")
    here = host(tmp_path, NATIVE, PLAIN, ("--simulate", simulation))
    actions, refused = dpkg_removal.removal(here, [package("wechat"), package("wechat-moments")])
    assert ([str(a) for a in actions], refused) == (["remove wechat, wechat-moments"], [])


@pytest.mark.parametrize(
    ("fields", "answer", "reason"),
    [
        ({"held": True}, "no no ", "it is on hold; to let it go: apt-mark unhold wechat"),
        ({}, "yes no ", "the system cannot do without it (Essential or Protected)"),
        ({}, "no yes ", "the system cannot do without it (Essential or Protected)"),
        ({}, "no no yes", "the system cannot do without it (Essential or Protected)"),
    ],
)
def test_a_held_or_essential_package_is_not_even_tried(
    tmp_path: Path, fields: dict[str, Any], answer: str, reason: str
) -> None:
    here = host(tmp_path, ("dpkg-query", Result(0, answer, "")))
    held = package("wechat", **fields)
    assert dpkg_removal.removal(here, [held]) == ([], [(held, reason)])


def test_what_changed_since_the_simulation_stops_the_removal(tmp_path: Path) -> None:
    here = host(tmp_path, NATIVE, PLAIN, ("--simulate", Result(0, "Remv wechat [4.0]\n", "")))
    actions, _ = dpkg_removal.removal(here, [package("wechat")])
    later = Tools(NATIVE, ("--simulate", Result(0, recorded("apt-takes-dependent"), "")))
    here._run = later
    with pytest.raises(ControlError, match="not removed: would also remove viber, wechat-moments"):
        actions[0].apply()
    assert not [call for call in later.calls if "--yes" in call]


def test_another_running_package_manager_is_reported(tmp_path: Path) -> None:
    locked = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 42 (apt-get)\n"
    here = host(
        tmp_path,
        NATIVE,
        PLAIN,
        ("--simulate", Result(0, "Remv wechat [4.0]\n", "")),
        ("--yes --option=DPkg::Lock::Timeout=60", Result(100, "", locked)),
    )
    actions, _ = dpkg_removal.removal(here, [package("wechat")])
    with pytest.raises(ControlError, match="held by process 42"):
        actions[0].apply()


def test_without_apt_dpkg_itself_says_what_would_break(tmp_path: Path) -> None:
    rows = (PLAIN, ("dpkg --simulate wechat", Result(1, "", recorded("dpkg-breaks-dependent"))))
    actions, refused = dpkg_removal.removal(host(tmp_path, *rows, tools=["dpkg"]), [package("wechat")])
    assert (actions, refused[0][1]) == ([], "would break wechat-moments")


def test_without_apt_dpkg_removes(tmp_path: Path) -> None:
    rows = (PLAIN, ("dpkg --simulate wechat", Result(0, "", "")), ("dpkg --remove wechat", Result(0, "", "")))
    here = host(tmp_path, *rows, tools=["dpkg"])
    here._run = tools = Tools(*rows)
    actions, _ = dpkg_removal.removal(here, [package("wechat")])
    actions[0].apply()
    assert tools.calls[-1] == "dpkg --remove wechat"


@given(st.sets(NAMES, min_size=1), st.text())
def test_the_gates_list_has_exactly_the_names_and_the_contact_is_one_harmless_line(ids: set[str], contact: str) -> None:
    listing, places, who, script, configuration, *_ = dpkg.block_parts(
        Block(ids, contact, paths=[f"/opt/{id_}" for id_ in ids])
    )
    assert [line for line in listing.content.splitlines() if not line.startswith("#")] == sorted(ids)
    assert [line for line in places.content.splitlines() if line[0] == "/"] == sorted(f"/opt/{id_}" for id_ in ids)
    lines = who.content.split("\n")
    assert len(lines) == 3 and lines[1].isprintable() and lines[1].strip()
    assert (script, configuration) == dpkg.block_parts(Block({"other"}))[3:5]  # nothing of the plan gets into code


def test_dpkg_reads_the_gates_configuration() -> None:
    directory, _, name = dpkg.CONFIGURATION.rpartition("/")
    assert directory == "/etc/dpkg/dpkg.cfg.d"
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name)  # dpkg.cfg(5)
    assert max(map(len, dpkg.HOOK.splitlines())) < 1000  # longer lines are cut
