"""The rpm family on recorded answers: what is installed, what may go, and a gate that leaves what is others' alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_tools import Tools
from proscribe.host.controls.apps.blocks.parts import DIFFERS, LEFT_OVER, MISSING, SharedFile
from proscribe.host.controls.apps.systems import rpm, rpm_block, rpm_conflicts, rpm_guard, rpm_removal
from proscribe.host.controls.apps.systems.package import Block, Package
from proscribe.host.controls.apps.systems.rpm_conflicts import Conflict
from proscribe.host.system import ControlError, Host, Result, Unseen

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True)
POLICY = "Restricted by the policy of this organisation; ask it@example.org."


def host(root: Path, *rows: tuple[str, Result], tools: Sequence[str] = ("rpm",)) -> Host:
    """A made tree with an rpm database and these tools."""
    for place in ("var/lib/rpm/rpmdb.sqlite", *(f"usr/bin/{tool}" for tool in tools)):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).touch(0o755)
    return Host(str(root), Tools(*rows))


def package(name: str, version: str = "1.0-1") -> Package:
    return Package("rpm", name, version, (f"{name}-{version}.noarch",))


@given(st.text(), st.sets(NAMES))
def test_whatever_rpm_says_nothing_is_found_that_was_not_asked_for(answer: str, ids: set[str]) -> None:
    assert {p.id for p in rpm.parse(answer, ids)} <= ids


def test_a_database_without_rpm_is_reported_as_unseen(tmp_path: Path) -> None:
    found, unseen = rpm.query(host(tmp_path, tools=()), {"wechat"})
    assert (found, unseen) == ([], "there is an rpm database, and no rpm to read it")


def test_a_broken_database_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    answer = Result(1, "package wechat is not installed\n", "error: rpmdb: damaged header #7\n")
    with pytest.raises(ControlError, match="damaged header #7"):
        rpm.query(host(tmp_path, ("-q", answer)), {"wechat"})


def test_a_database_that_an_ordinary_user_cannot_read_is_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Host, "privileged", False)
    here = host(tmp_path, ("-q", Result(1, "", "error: sqlite failure: attempt to write a readonly database\n")))
    assert "cannot read its database" in rpm.query(here, {"wechat"})[1]
    with pytest.raises(Unseen):
        TestTheGuard.GUARD.wrong(here, True)


BREAKS = Result(1, "", "error: Failed dependencies:\n\twechat is needed by (installed) moments-1.0-1.noarch\n")
DNF4 = "Removing:\n wechat  noarch  4.0-1  @made  42 k\n\nTransaction Summary\n=====\n{}\n\nFreed space: 126 k\n"
DNF5 = "Package  Arch\nRemoving:\n wechat noarch\n\nTransaction Summary:\n{}\n"
ZYPPER = '<stream><install-summary packages-to-change="2">{}</install-summary></stream>'
SOLVABLE = (
    '<solvable type="package" name="{}" edition="4.0-1" arch="noarch"><description>name="x"</description></solvable>'
)


@pytest.mark.parametrize(
    ("out", "objection"),
    [
        (DNF4.format("Remove  1 Package"), ""),
        (DNF5.format(" Removing:           1 package"), ""),
        (DNF4.format("Remove  3 Packages"), "would also change others: remove 3"),
        (DNF4.format("Install  1 Package\nRemove   1 Package"), "would also change others: install 1, remove 1"),
        (
            DNF5.format(" Removing:  2 packages\n Replacing: 1 package"),
            "would also change others: removing 2, replacing 1",
        ),
        ("Error: protected packages: wechat", "Error: protected packages: wechat"),
    ],
)
def test_what_dnf_would_do_decides_whether_it_may(out: str, objection: str) -> None:
    assert rpm_removal.dnf_objection(Result(1, out, ""), [package("wechat")]) == objection


@pytest.mark.parametrize(
    ("rc", "inner", "objection"),
    [
        (0, f"<to-remove>{SOLVABLE.format('wechat')}</to-remove>", ""),
        (
            0,
            f"<to-remove>{SOLVABLE.format('wechat')}{SOLVABLE.format('moments')}</to-remove>"
            f"<to-install>{SOLVABLE.format('tim')}</to-install>",
            "would also install tim, remove moments",
        ),
        (4, '<message type="error">it is locked</message>', "it is locked"),
    ],
)
def test_what_zypper_would_do_decides_whether_it_may(rc: int, inner: str, objection: str) -> None:
    assert rpm_removal.zypper_objection(Result(rc, ZYPPER.format(inner), ""), [package("wechat")]) == objection


@pytest.mark.parametrize(("locked", "front"), [("wechat", ""), ("other", "zypper")])
def test_what_zypper_has_locked_goes_by_rpm(tmp_path: Path, locked: str, front: str) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/zypper").touch(mode=0o755)
    (tmp_path / rpm_block.ZYPPER_LOCKS.lstrip("/")).parent.mkdir(parents=True)
    (tmp_path / rpm_block.ZYPPER_LOCKS.lstrip("/")).write_text(rpm_block.locked([locked], POLICY, ""))
    assert rpm_removal.front_end(Host(str(tmp_path)), [package("wechat")]) == front


def test_where_nothing_can_go_nothing_is_done(tmp_path: Path) -> None:
    here = host(tmp_path, ("--test", BREAKS))
    one = package("wechat")
    assert rpm_removal.removal(here, [one]) == ([], [(one, "would break moments-1.0-1.noarch")])


def test_a_host_that_has_changed_since_it_was_observed_loses_nothing(tmp_path: Path) -> None:
    here = host(tmp_path, ("--test", Result(0, "", "")))
    (action,) = rpm_removal.removal(here, [package("wechat")])[0]
    here._run = tools = Tools(("--test", BREAKS))
    with pytest.raises(ControlError, match="not removed: would break moments"):
        action.apply()
    assert all("--test" in call for call in tools.calls)


LINES = st.lists(
    st.sampled_from(
        [
            "[main]",
            "[other]",
            "# a comment",
            "; another",
            "",
            "gpgcheck=1",
            "excludepkgs=a,",
            "exclude = b c",
            "  d",
            "x\udcff",
        ]
    )
)


@given(LINES, st.sampled_from(["", "\n"]), st.lists(NAMES, min_size=1, unique=True))
def test_dnfs_configuration_is_given_back_byte_for_byte(lines: list[str], end: str, names: list[str]) -> None:
    before = "\n".join(lines) + end
    after = rpm_block.excluded(names, POLICY, before)
    assert after != before
    assert rpm_block.excluded(names, POLICY, after) == after
    assert rpm_block.without_excludes(after) == before
    assert rpm_block.excluded([], POLICY, after) == before


def stanza(name: str, comment: str = "") -> str:
    comment_line = f"comment: {comment}\n" if comment else ""
    return f"\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {name}\n{comment_line}\n"


@given(st.lists(st.tuples(NAMES, st.sampled_from(["", "why", "Written by hand"]))), st.sets(NAMES), st.booleans())
def test_zyppers_locks_are_given_back_byte_for_byte(
    theirs: list[tuple[str, str]], names: set[str], ended: bool
) -> None:
    before = "".join(stanza(*one) for one in theirs)
    before = before if ended else before.rstrip("\n")
    assume(names - {name for name, comment in theirs if not comment})
    after = rpm_block.locked(sorted(names), POLICY, before)
    assert rpm_block.locked(sorted(names), POLICY, after) == after
    assert rpm_block.without_locks(after) == before
    assert rpm_block.locks(after) == names - {name for name, comment in theirs if not comment}


def test_a_name_that_rpm_would_take_for_more_than_one_is_in_no_gate() -> None:
    parts = rpm_block.parts(Block({"wechat", "we*", "a,b", "-e", "x y", "[abc]"}, "it@example.org"))
    assert parts[0].desired(Host("/nonexistent")).count("=wechat\n") == 1
    assert [part.conflicts for part in parts if isinstance(part, rpm_block.Guard)] == [(Conflict("wechat"),)]


class TestTheGuard:
    GUARD = rpm_block.Guard((Conflict("viber"), Conflict("wechat")), POLICY)

    def host(self, root: Path, release: str, *provided: str) -> Host:
        found = Result(0, f"proscribe-guard\t{release}", "") if release else Result(1, "package proscribe-guard is", "")
        return host(root, ("--whatprovides", Result(0, "\n".join(provided), "")), ("proscribe-guard", found))

    @pytest.mark.parametrize(
        ("written_beside", "installed", "called_for", "problem"),
        [
            (None, (), True, MISSING),
            (None, (), False, ""),
            ((), (), True, ""),
            ((), (), False, LEFT_OVER),
            (("wechat",), ("wechat",), True, ""),  # it has to stand beside what cannot be removed
            (("wechat",), (), True, DIFFERS),  # and to conflict with it as soon as it is gone
            ((), ("wechat", "other"), True, ""),  # what was forced past it does not make it wrong
            (("viber",), ("wechat",), True, DIFFERS),
        ],
    )
    def test_what_is_wrong_with_it(
        self, tmp_path: Path, written_beside: Any, installed: Any, called_for: bool, problem: str
    ) -> None:
        release = "" if written_beside is None else self.GUARD.release(set(written_beside))
        assert self.GUARD.wrong(self.host(tmp_path, release, *installed), called_for) == problem

    def test_it_is_planned_for_what_will_be_there(self, tmp_path: Path) -> None:
        here = self.host(tmp_path, self.GUARD.release({"wechat"}), "wechat")
        assert self.GUARD.wrong(here, True) == ""
        assert self.GUARD.without({"wechat"}).wrong(here, True) == DIFFERS
        assert "Conflicts: wechat\n" in self.GUARD.without({"wechat"}).desired(here)

    def test_its_file_is_the_same_for_the_same_content_and_is_gone_when_it_is_installed(self, tmp_path: Path) -> None:
        here = self.host(tmp_path, "")
        (tmp_path / "var/lib").mkdir(parents=True, exist_ok=True)
        written: list[bytes] = []
        answer = here._run

        def run(argv: Sequence[str], **options: Any) -> Result:
            if argv[1] != "-U":
                return answer(argv, **options)
            written.append((tmp_path / rpm_conflicts.PLACE[1:]).read_bytes())
            return Result(0, "", "")

        here._run = run
        self.GUARD.enforce(here)
        assert written == [rpm_guard.package(self.GUARD.conflicts, self.GUARD.release(set()), POLICY)]
        assert not (tmp_path / rpm_conflicts.PLACE[1:]).exists()

    def test_a_file_that_a_killed_run_left_is_taken_away_with_it(self, tmp_path: Path) -> None:
        here = self.host(tmp_path, "")
        (tmp_path / "var/lib/proscribe").mkdir()
        (tmp_path / rpm_conflicts.PLACE[1:]).touch()
        assert self.GUARD.in_place(here)
        self.GUARD.lift(here)
        assert not self.GUARD.in_place(here)


class TestAFileOfOthers:
    PART = SharedFile("/etc/made.conf", lambda text: text + "ours\n", lambda text: text.replace("ours\n", ""))
