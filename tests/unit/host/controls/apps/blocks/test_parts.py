"""The parts of an install block, and the block of all package systems as one rule."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_host import MadeHost, plan
from made_tools import package_system
from proscribe.host.controls.apps import install_block
from proscribe.host.controls.apps.blocks import polkit
from proscribe.host.controls.apps.blocks.parts import (
    DIFFERS,
    LEFT_OVER,
    MISSING,
    BlockFile,
    OwnDirectory,
    SharedFile,
    Trial,
)
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.systems.package import Block
from proscribe.host.system import ControlError, Unseen

PLACE = "/etc/made.conf"
FILE = BlockFile(PLACE, "ours\n", 0o640)


def at(host: MadeHost, path: str = PLACE) -> Path:
    return Path(host.root + path)


class TestOwnFile:
    def test_there_and_back(self, host: MadeHost) -> None:
        assert (FILE.wrong(host, True), FILE.wrong(host, False), FILE.in_place(host)) == (MISSING, "", False)
        FILE.enforce(host)
        assert (FILE.wrong(host, True), FILE.wrong(host, False), FILE.in_place(host)) == ("", LEFT_OVER, True)
        assert (FILE.text(host), FILE.desired(host), FILE.left(host)) == ("ours\n", "ours\n", "")
        assert at(host).stat().st_mode & 0o777 == 0o640
        FILE.lift(host)
        assert not at(host).exists()

    def test_what_is_wrong_with_it(self, host: MadeHost) -> None:
        FILE.enforce(host)
        at(host).chmod(0o604)
        assert FILE.wrong(host, True) == "has mode 0604 instead of 0640"
        at(host).chmod(0o640)
        at(host).write_bytes(b"\xff")
        assert (FILE.wrong(host, True), FILE.text(host)) == (DIFFERS, "\ufffd")
        at(host).unlink()
        at(host).symlink_to("other")
        assert FILE.wrong(host, True) == "not a regular file"

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file away")
    def test_one_that_is_not_roots(self, host: MadeHost) -> None:
        FILE.enforce(host)
        os.chown(at(host), 1234, -1)
        assert FILE.wrong(host, True) == "belongs to uid 1234, so it can be changed by others than root"

    def test_it_is_written_where_its_trial_succeeds(self, host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[Any] = []
        monkeypatch.setattr(host, "must", lambda argv, **options: tried.append((argv, options)))
        FILE._replace(trial=("check", "it"), environment=(("A", "b"),)).enforce(host)
        assert tried == [(("check", "it"), {"environment": {"A": "b"}, "timeout": 30})] and at(host).exists()

        def refused(*_: Any, **__: Any) -> None:
            raise ControlError("no")

        monkeypatch.setattr(host, "must", refused)
        FILE.lift(host)
        FILE.enforce(host)
        FILE.lift(host)
        with pytest.raises(ControlError):
            FILE._replace(trial=("check",)).enforce(host)
        assert not at(host).exists()

    @pytest.mark.parametrize(("needs", "concerns"), [((), True), (("/a", PLACE), True), (("/a", "/b"), False)])
    def test_whom_it_concerns(self, host: MadeHost, needs: tuple[str, ...], concerns: bool) -> None:
        FILE.enforce(host)
        assert FILE._replace(needs=needs).concerns(host) is concerns
        assert SharedFile(PLACE, str, str, needs).concerns(host) is concerns


class TestSharedFile:
    PART = SharedFile(
        PLACE, lambda text: text.replace("ours\n", "") + "ours\n", lambda text: text.replace("ours\n", "")
    )

    @pytest.mark.parametrize(
        ("text", "wrong", "left_over", "desired", "left"),
        [
            (None, MISSING, "", "ours\n", ""),
            (b"a\xff\n", MISSING, "", "a\ufffd\nours\n", "a\ufffd\n"),
            (b"a\nours\n", "", LEFT_OVER, "a\nours\n", "a\n"),
            (b"ours\na\n", DIFFERS, LEFT_OVER, "a\nours\n", "a\n"),
        ],
    )
    def test_what_it_is_and_would_be(
        self, host: MadeHost, text: bytes | None, wrong: str, left_over: str, desired: str, left: str
    ) -> None:
        if text is not None:
            at(host).write_bytes(text)
        part = self.PART
        assert (part.wrong(host, True), part.wrong(host, False)) == (wrong, left_over)
        assert (part.desired(host), part.left(host), part.in_place(host)) == (desired, left, bool(left_over))
        assert part.text(host) == (text or b"").decode("utf-8", "replace")

    def test_what_others_have_in_it_stays_as_it_is_behind_a_link_too(self, host: MadeHost) -> None:
        at(host, "/etc/real").write_bytes(b"a\xff\n")
        at(host, "/etc/real").chmod(0o600)
        at(host).symlink_to("real")
        self.PART.enforce(host)
        assert at(host, "/etc/real").read_bytes() == b"a\xff\nours\n" and at(host).is_symlink()
        assert self.PART.wrong(host, True) == ""
        self.PART.lift(host)
        assert at(host, "/etc/real").read_bytes() == b"a\xff\n" and at(host).is_symlink()
        assert at(host, "/etc/real").stat().st_mode & 0o777 == 0o600

    def test_what_is_no_file_is_left_alone(self, host: MadeHost) -> None:
        at(host).mkdir()
        assert self.PART.wrong(host, True) == "not a regular file"
        with pytest.raises(ControlError, match=f"^{PLACE} is left alone: not a regular file$"):
            self.PART.enforce(host)

    def test_a_new_one_is_for_everybody_to_read(self, host: MadeHost) -> None:
        self.PART.enforce(host)
        assert at(host).stat().st_mode & 0o777 == 0o644
        self.PART.lift(host)
        assert not at(host).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a directory away")
def test_a_directory_of_ours_is_taken_over(host: MadeHost) -> None:
    part = OwnDirectory("/etc/own")
    assert (part.wrong(host, True), part.concerns(host)) == ("", True)
    at(host, "/etc/own").mkdir()
    os.chown(at(host, "/etc/own"), 1234, -1)
    assert part.wrong(host, True).startswith("it can be changed by others (") and part.wrong(host, False) == ""
    part.enforce(host)
    assert part.wrong(host, True) == ""


@pytest.mark.parametrize("part", [OwnDirectory("/etc/own"), Trial("x", lambda _: (), lambda _: "open")])
def test_what_has_no_text_is_never_taken_away(host: MadeHost, part: Any) -> None:
    assert (part.in_place(host), part.text(host), part.desired(host), part.left(host)) == (False, "", "", "")
    at(host, "/etc/own").mkdir()
    part.lift(host)
    assert at(host, "/etc/own").exists() and part.concerns(host)
    assert isinstance(part, OwnDirectory) or part.wrong(host, True) == ""


# -- the rule over all of them -----------------------------------------------------------------------------------------

TRIAL = Trial("/etc/made.conf", lambda _: ["/etc"], lambda _: "")


class Ruled:
    """A host with one package system whose block has these parts."""

    def __init__(self, host: MadeHost, patch: pytest.MonkeyPatch, *own: Any, gated: bool = True) -> None:
        self.host, self.blocks, self.patch = host, [], patch  # type: ignore[var-annotated]

        def block_parts(block: Block) -> Sequence[Any]:
            self.blocks.append(block)
            return own

        system = package_system(MANAGER="dpkg", CATALOGUE_KEY="apt", gated=lambda _: gated, block_parts=block_parts)
        patch.setattr(
            install_block, "SYSTEMS", [system, package_system(gated=lambda _: True, block_parts=lambda _: ())]
        )

    def plan(self, mode: str = "enforce", **settings: Any) -> Any:
        made = plan(mode, owl={"packages": {"apt": ["owl"]}, "paths": ["/opt/owl"]})
        made["controls"]["apps"]["settings"] = settings
        return made

    def observed(self, of: Any = None) -> list[Any]:
        of = of or self.plan()
        verdicts = install_block.observe(self.host, of, Desired(of["controls"]["apps"]))
        assert {one.rule for one in verdicts} <= {"apps/reinstall-gate"}
        return [
            (one.state, one.drifted, one.reason, [(f.kind, f.id, f.manager, f.path, f.detail) for f in one.findings])
            for one in verdicts
        ]


def test_what_cannot_be_seen_is_unknown_though_nothing_is_called_for(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseen(*_: Any) -> str:
        raise Unseen("a dead mount")

    here = Ruled(host, monkeypatch, FILE, FILE, gated=False)
    monkeypatch.setattr(BlockFile, "wrong", unseen)
    assert here.observed() == [("unknown", False, "a dead mount", [])]


class TestTrials:
    """They are made on the host itself alone; here its root is said to be that, and the answers are made."""

    @pytest.fixture
    def tried(self, host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> Any:
        seen = SimpleNamespace(names=[], answers={}, rounds=0)

        class Tries:
            def __init__(self, of: Any, fresh: bool) -> None:
                assert of is host and fresh

            def answer(self, name: str, depends: Any, trial: Any) -> str:
                seen.names.append(name)
                found = seen.answers.get(name, "")
                if isinstance(found, Exception):
                    raise found
                return str(found)

            def keep(self) -> None:
                seen.rounds += 1

        monkeypatch.setattr(install_block, "Tries", Tries)
        return seen

    def observed(self, here: Ruled) -> list[Any]:
        root, here.host.root = here.host.root, "/"
        here.patch.setattr(BlockFile, "wrong", lambda *_: "")
        here.patch.setattr(BlockFile, "concerns", lambda *_: True)
        try:
            return here.observed()
        finally:
            here.host.root = root

    def test_what_is_tried_and_what_it_comes_to(
        self, host: MadeHost, monkeypatch: pytest.MonkeyPatch, tried: Any
    ) -> None:
        rule = BlockFile(f"{polkit.DIRECTORY}/00-proscribe-x.rules", "")
        here = Ruled(host, monkeypatch, FILE, rule, TRIAL)
        assert self.observed(here) == [("compliant", False, "", [])]
        assert tried.names == [f"dpkg {rule.path}", f"dpkg {PLACE}"]
        assert self.observed(Ruled(host, monkeypatch, FILE, rule, TRIAL, gated=False)) == [], "none is called for"
        assert len(tried.names) == 2
        for keep in host.state_savers:
            keep(True)
        assert tried.rounds == 2
        tried.answers = {f"dpkg {PLACE}": "all is open"}
        here = Ruled(host, monkeypatch, FILE, rule, TRIAL)
        assert self.observed(here) == [("noncompliant", False, "", [("gate", "effect", "dpkg", PLACE, "all is open")])]
        for error in (Unseen("no apt"), ControlError("no apt")):
            tried.answers = {f"dpkg {PLACE}": error}
            here = Ruled(host, monkeypatch, FILE, rule, TRIAL)
            why = "whether the block of dpkg is in effect could not be tried: no apt"
            assert self.observed(here) == [("unknown", False, why, [])]
        tried.answers[f"dpkg {rule.path}"] = Unseen("no node")
        assert self.observed(here) == [("unknown", False, f"{why.removesuffix('apt')}node; {why}", [])]
