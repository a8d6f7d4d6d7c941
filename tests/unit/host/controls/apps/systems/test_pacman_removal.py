"""Arch's packages on made trees and recorded answers: what is installed, what may go, what the hook says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import put
from patience import until
from proscribe.host.controls.apps.systems import pacman, pacman_removal
from proscribe.host.controls.apps.systems.package import Block, Package
from proscribe.host.system import ControlError, Host, Process, Result

# What pacman 7.0.0 says where others need what is to go, recorded.
BREAKS = """\
checking dependencies...
error: failed to prepare transaction (could not satisfy dependencies)
:: removing linuxqq breaks dependency 'linuxqq>=1' required by qq-or-tim
:: removing linuxqq breaks dependency 'linuxqq' required by another
"""


@given(st.text())
def test_any_entry_is_read_without_an_error(entry: str) -> None:
    name, version = pacman.parse(entry)
    assert (name, version) == ("", "") or f"{name}-{version}" == entry


def test_what_is_installed_and_whose_programs_run(root: Path) -> None:
    for name in ("wechat-bin-4.0-1", "weechat-4.6-1", "broken-off-1-1"):
        put(root, f"{pacman.DATABASE}/{name}/files", "%FILES%\nopt/\nopt/wechat/\nopt/wechat/wechat\n")
    put(root, f"{pacman.DATABASE}/wechat-bin-4.0-1/desc")
    put(root, f"{pacman.DATABASE}/weechat-4.6-1/desc")
    host = Host(str(root))
    ids = {"wechat-bin", "broken-off"}
    found, unseen = pacman.query(host, ids)
    assert ([(p.id, p.version, p.path) for p in found], unseen) == (
        [("wechat-bin", "4.0-1", f"{pacman.DATABASE}/wechat-bin-4.0-1")],
        "",
    )
    (root / "proc/7").mkdir()
    (root / "proc/7/root").symlink_to(root)
    program = pacman.programs(host, ids, found)
    assert program(Process(7, "/opt/wechat/wechat")) == "wechat-bin"
    assert program(Process(7, "/opt/weechat/weechat")) == ""
    assert program(Process(8, "/opt/wechat/wechat")) == ""  # gone, or in a root of its own
    assert pacman.query(host, set()) == ([], "")


def pacman_host(root: Path, answers: dict[str, Result]) -> tuple[Host, list[Sequence[str]]]:
    calls: list[Sequence[str]] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        calls.append(argv)
        if argv[0] == "pacman-conf":
            return answers.get("pacman-conf", Result(0, "", ""))
        return answers.get(
            " ".join(argv[argv.index("--") + 1 :]), Result(0, "\n".join(argv[argv.index("--") + 1 :]), "")
        )

    put(root, "usr/bin/pacman", mode=0o755)
    return Host(str(root), run), calls


QQ, WECHAT = Package("pacman", "linuxqq", "3.2-1"), Package("pacman", "wechat-bin", "4.0-1")


def test_another_error_is_reported_unchanged(root: Path) -> None:
    host, _ = pacman_host(root, {"linuxqq": Result(1, "", "error: failed to init transaction\n")})
    assert pacman_removal.removal(host, [QQ]) == ([], [(QQ, "error: failed to init transaction")])


def test_what_is_on_hold_is_refused(root: Path) -> None:
    host, _ = pacman_host(root, {"pacman-conf": Result(0, "pacman\nlinuxqq\n", "")})
    assert pacman_removal.removal(host, [QQ])[1] == [(QQ, "it is on hold: HoldPkg in pacman.conf names linuxqq")]


def test_packages_without_pacman_are_refused(root: Path) -> None:
    assert pacman_removal.removal(Host(str(root)), [QQ])[0] == []


def test_a_host_that_changed_meanwhile_is_not_touched(root: Path) -> None:
    answers: dict[str, Result] = {}
    host, calls = pacman_host(root, answers)
    [action], _ = pacman_removal.removal(host, [QQ])
    answers["linuxqq"] = Result(1, BREAKS, "")
    with pytest.raises(ControlError, match="would break another, qq-or-tim"):
        action.apply()
    assert not [argv for argv in calls if "--noconfirm" in argv]


@given(st.text())
def test_any_answer_is_read_without_an_error(answer: str) -> None:
    assert isinstance(pacman_removal.parse(answer), dict)


def test_a_hook_always_has_a_target(root: Path) -> None:
    _, hook, *_ = pacman.block_parts(Block({"wechat-bin"}, "", {"wechat-bin": ["4.0-1"]}))
    assert [line for line in hook.content.splitlines() if line.startswith("Target")] == ["Target = /"]


class Removed:
    """A host with a pacman that removes, whose lock and whose mark are as the test has them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host, self.calls = pacman_host(root, {})
        (root / "var/lib/pacman").mkdir(parents=True, exist_ok=True)
        (root / "var/lib/proscribe").mkdir(parents=True, exist_ok=True)
        (root / "proc").mkdir(exist_ok=True)
        [self.action], _ = pacman_removal.removal(self.host, [QQ, WECHAT])
        self.calls.clear()
        self.result, self.dies = Result(0, "", ""), False
        self.marked = ""
        run = self.host._run

        def removing(argv: Sequence[str], **options: Any) -> Result:
            if "--noconfirm" not in argv:
                return run(argv, **options)
            self.calls.append(argv)
            self.options = options
            self.marked = self.host.text(pacman_removal.MARK) or ""
            self.there("lock", self.dies)
            return self.result

        self.host._run = removing

    def there(self, which: str, there: bool = True) -> None:
        path = self.root / {"lock": pacman_removal.LOCK, "mark": pacman_removal.MARK}[which].lstrip("/")
        path.write_text("") if there else path.unlink(missing_ok=True)

    def touched(self, which: str) -> float:
        """The time of change of one of them, which is written once more."""
        if which == "mark":
            self.there(which)
        seen = self.host.stat({"lock": pacman_removal.LOCK, "mark": pacman_removal.MARK}[which])
        assert seen is not None
        return seen.st_ctime

    def has(self) -> tuple[bool, bool]:
        lock, mark = (self.host.stat(path) is not None for path in (pacman_removal.LOCK, pacman_removal.MARK))
        return lock, mark


def test_what_pacman_says_is_why_it_could_not(root: Path) -> None:
    one = Removed(root)
    one.result = Result(1, "", "error:\n  no room\n")
    with pytest.raises(ControlError, match="pacman could not: error: no room"):
        one.action.apply()
    assert one.has() == (False, False)


def test_the_lock_of_a_pacman_of_ours_that_was_killed_is_taken_away_by_the_next_run(root: Path) -> None:
    one = Removed(root)
    one.dies, one.result = True, Result(137, "", "killed")
    with pytest.raises(ControlError):
        one.action.apply()
    assert one.has() == (True, True)
    one.dies, one.result = False, Result(0, "", "")
    one.action.apply()
    assert one.has() == (False, False)


@pytest.mark.parametrize("whose", ["another's", "one that runs", "one of long after", "one of before"])
def test_any_other_lock_stays_and_is_waited_for(root: Path, whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Removed(root)
    one.there("lock")
    if whose != "another's":
        one.there("mark")
    if whose == "one that runs":
        (root / "proc/9").mkdir()
        (root / "proc/9/exe").symlink_to("/usr/bin/pacman")
    if whose == "one of long after":
        monkeypatch.setattr(pacman_removal, "SOON", -1)
    if whose == "one of before":
        until(lambda: one.touched("mark") > one.touched("lock"))
    with monkeypatch.context() as impatient, pytest.raises(ControlError, match="another pacman has been at work"):
        impatient.setattr(pacman_removal, "PATIENCE", 0.0)
        one.action.apply()
    assert one.has()[0] and not [argv for argv in one.calls if "--noconfirm" in argv]
    monkeypatch.setattr(pacman_removal.time, "sleep", lambda _: one.there("lock", False))
    one.action.apply()
    assert one.calls[-1][1:3] == ["--remove", "--noconfirm"]
