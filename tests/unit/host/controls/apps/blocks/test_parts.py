"""The parts of an install block, and the block of all package systems as one rule."""

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from fake_tools import package_system
from made_host import MadeHost, plan
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
from proscribe.host.system import ControlError, Unseen

PLACE = "/etc/made.conf"
FILE = BlockFile(PLACE, "ours\n", 0o640)


def at(host: MadeHost, path: str = PLACE) -> Path:
    return Path(host.root + path)


def test_own_file_is_written_and_deleted(host):
    assert (FILE.wrong(host, True), FILE.wrong(host, False), FILE.in_place(host)) == (MISSING, "", False)
    FILE.enforce(host)
    assert (FILE.wrong(host, True), FILE.wrong(host, False), FILE.in_place(host)) == ("", LEFT_OVER, True)
    assert (FILE.text(host), FILE.desired(host), FILE.left(host)) == ("ours\n", "ours\n", "")
    assert at(host).stat().st_mode & 0o777 == 0o640
    FILE.lift(host)
    assert not at(host).exists()


def test_own_file_with_another_mode_content_or_kind_is_wrong(host):
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
def test_own_file_of_a_user_is_wrong(host):
    FILE.enforce(host)
    os.chown(at(host), 1234, -1)
    assert FILE.wrong(host, True) == "belongs to uid 1234, so it can be changed by others than root"


def test_file_is_written_where_its_trial_succeeds(host, monkeypatch):
    trial = mock.Mock()
    monkeypatch.setattr(host, "must", trial)
    FILE._replace(trial=("check", "it"), environment=(("A", "b"),)).enforce(host)
    assert at(host).exists() and trial.call_args_list == [
        mock.call(("check", "it"), environment={"A": "b"}, timeout=30)
    ]
    FILE.lift(host)
    trial.side_effect = ControlError("no")
    FILE.enforce(host)
    FILE.lift(host)
    with pytest.raises(ControlError):
        FILE._replace(trial=("check",)).enforce(host)
    assert not at(host).exists()


@pytest.mark.parametrize(("needs", "concerns"), [((), True), (("/a", PLACE), True), (("/a", "/b"), False)])
def test_part_concerns_hosts_with_a_need(host, needs, concerns):
    FILE.enforce(host)
    assert FILE._replace(needs=needs).concerns(host) is concerns
    assert SharedFile(PLACE, str, str, needs).concerns(host) is concerns


PART = SharedFile(PLACE, lambda text: text.replace("ours\n", "") + "ours\n", lambda text: text.replace("ours\n", ""))


@pytest.mark.parametrize(
    ("text", "wrong", "left_over", "desired", "remaining"),
    [
        (None, MISSING, "", "ours\n", ""),
        (b"a\xff\n", MISSING, "", "a\ufffd\nours\n", "a\ufffd\n"),
        (b"a\nours\n", "", LEFT_OVER, "a\nours\n", "a\n"),
        (b"ours\na\n", DIFFERS, LEFT_OVER, "a\nours\n", "a\n"),
    ],
)
def test_shared_file(host, text, wrong, left_over, desired, remaining):
    if text is not None:
        at(host).write_bytes(text)
    assert (PART.wrong(host, True), PART.wrong(host, False)) == (wrong, left_over)
    assert (PART.desired(host), PART.left(host), PART.in_place(host)) == (desired, remaining, bool(left_over))
    assert PART.text(host) == (text or b"").decode("utf-8", "replace")


def test_text_of_others_stays_behind_a_link(host):
    at(host, "/etc/real").write_bytes(b"a\xff\n")
    at(host, "/etc/real").chmod(0o600)
    at(host).symlink_to("real")
    PART.enforce(host)
    assert at(host, "/etc/real").read_bytes() == b"a\xff\nours\n" and at(host).is_symlink()
    assert PART.wrong(host, True) == ""
    PART.lift(host)
    assert at(host, "/etc/real").read_bytes() == b"a\xff\n" and at(host).is_symlink()
    assert at(host, "/etc/real").stat().st_mode & 0o777 == 0o600


def test_directory_in_place_of_a_file_stays(host):
    at(host).mkdir()
    assert PART.wrong(host, True) == "not a regular file"
    with pytest.raises(ControlError, match=f"^{PLACE} is left alone: not a regular file$"):
        PART.enforce(host)


def test_new_shared_file_is_readable_by_everybody(host):
    PART.enforce(host)
    assert at(host).stat().st_mode & 0o777 == 0o644
    PART.lift(host)
    assert not at(host).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a directory away")
def test_own_directory_of_a_user_becomes_roots(host):
    part = OwnDirectory("/etc/own")
    assert (part.wrong(host, True), part.concerns(host)) == ("", True)
    at(host, "/etc/own").mkdir()
    os.chown(at(host, "/etc/own"), 1234, -1)
    assert part.wrong(host, True).startswith("it can be changed by others (") and part.wrong(host, False) == ""
    part.enforce(host)
    assert part.wrong(host, True) == ""


@pytest.mark.parametrize("part", [OwnDirectory("/etc/own"), Trial("x", lambda _: (), lambda _: "open")])
def test_part_without_text_is_never_deleted(host, part):
    assert (part.in_place(host), part.text(host), part.desired(host), part.left(host)) == (False, "", "", "")
    at(host, "/etc/own").mkdir()
    part.lift(host)
    assert at(host, "/etc/own").exists() and part.concerns(host)
    assert isinstance(part, OwnDirectory) or part.wrong(host, True) == ""


TRIAL = Trial(PLACE, lambda _: ["/etc"], lambda _: "")


class Ruled:
    """A host with one package system whose block has these parts."""

    def __init__(self, host: MadeHost, patch: pytest.MonkeyPatch, *own: Any, gated: bool = True) -> None:
        self.host, self.patch = host, patch
        system = package_system(
            MANAGER="dpkg", CATALOGUE_KEY="apt", gated=lambda _: gated, block_parts=lambda block: own
        )
        other = package_system(gated=lambda _: True, block_parts=lambda _: ())
        patch.setattr(install_block, "SYSTEMS", [system, other])

    def observed(self, mode: str = "enforce") -> list[Any]:
        of = plan(mode, owl={"packages": {"apt": ["owl"]}, "paths": ["/opt/owl"]})
        verdicts = install_block.observe(self.host, of, Desired(of["controls"]["apps"]))
        assert {item.rule for item in verdicts} <= {"apps/reinstall-gate"}
        return [
            (item.state, item.drifted, item.reason, [(f.id, f.path, f.detail) for f in item.findings])
            for item in verdicts
        ]


def test_block_that_is_missing_whole_is_one_finding(host, monkeypatch):
    other, foreign = BlockFile("/etc/other.conf", "more\n"), BlockFile("/etc/third.conf", "", needs=("/none",))
    here = Ruled(host, monkeypatch, FILE, other, foreign, OwnDirectory("/etc/own"), TRIAL)
    assert here.observed() == [("noncompliant", True, "", [("gate", "", MISSING)])]
    other.enforce(host)
    assert here.observed() == [("noncompliant", True, "", [("made.conf", PLACE, MISSING)])]
    FILE.enforce(host)
    assert here.observed() == [("compliant", False, "", [])] and here.observed("audit") == []
    at(host).write_text("x")
    assert here.observed() == [("noncompliant", True, "", [("made.conf", PLACE, DIFFERS)])]


def test_unseen_part_is_unknown_where_no_block_is_due(host, monkeypatch):
    monkeypatch.setattr(BlockFile, "wrong", mock.Mock(side_effect=Unseen("a dead mount")))
    here = Ruled(host, monkeypatch, FILE, FILE, gated=False)
    assert here.observed() == [("unknown", False, "a dead mount", [])]


def test_trials_on_the_host_itself_give_the_verdict(host, monkeypatch):
    names: list[str] = []
    answers: dict[str, Any] = {}
    saved: list[bool] = []

    class Tries:
        def __init__(self, of: Any, fresh: bool) -> None:
            assert of is host and fresh

        def answer(self, name: str, depends: Any, trial: Any) -> str:
            names.append(name)
            if isinstance(answers.get(name), Exception):
                raise answers[name]
            return str(answers.get(name, ""))

        def keep(self) -> None:
            saved.append(True)

    rule = BlockFile(f"{polkit.DIRECTORY}/00-proscribe-x.rules", "")
    monkeypatch.setattr(install_block, "Tries", Tries)
    monkeypatch.setattr(BlockFile, "wrong", lambda *_: "")
    monkeypatch.setattr(BlockFile, "concerns", lambda *_: True)
    monkeypatch.setattr(host, "root", "/")  # trials are made on no other root
    assert Ruled(host, monkeypatch, FILE, rule, TRIAL, gated=False).observed() == [] == names, "none is called for"
    here = Ruled(host, monkeypatch, FILE, rule, TRIAL)
    assert here.observed() == [("compliant", False, "", [])]
    assert names == [f"dpkg {rule.path}", f"dpkg {PLACE}"]
    for keep in host.state_savers:
        keep(True)
    assert saved
    answers[names[1]] = "all is open"
    assert here.observed() == [("noncompliant", False, "", [("effect", PLACE, "all is open")])]
    why = "whether the block of dpkg is in effect could not be tried: "
    for error in (Unseen("no apt"), ControlError("no apt")):
        answers[names[1]] = error
        assert here.observed() == [("unknown", False, f"{why}no apt", [])]
    answers[names[0]] = Unseen("no node")
    assert here.observed() == [("unknown", False, f"{why}no node; {why}no apt", [])]
