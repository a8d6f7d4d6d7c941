"""Arch's packages on test trees and recorded answers: queries, removals, the lock of pacman, and the hook."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import put
from patience import until
from proscribe.host.controls.apps.systems import pacman, pacman_removal
from proscribe.host.controls.apps.systems.package import InstallBlock, Package
from proscribe.host.system import ControlError, Host, Process, ToolResult
from proscribe.model import removal_record as model

# What pacman 7.0.0 says where others need what is to go, recorded.
BREAKS = """\
checking dependencies...
error: failed to prepare transaction (could not satisfy dependencies)
:: removing linuxqq breaks dependency 'linuxqq>=1' required by qq-or-tim
:: removing linuxqq breaks dependency 'linuxqq' required by another
"""
QQ = Package("pacman", "linuxqq", "3.2-1")
WECHAT = Package("pacman", "wechat-bin", "4.0-1", path="/var/lib/pacman/local/wechat")
HOOK = "/usr/share/libalpm/hooks/00-proscribe.hook"
GATE = "/usr/libexec/proscribe/pacman-gate"


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    name, version = pacman.parse_entry(text)
    assert (name, version) == ("", "") or f"{name}-{version}" == text
    assert isinstance(pacman_removal.parse_breakages(text), dict)


def test_installed_package_identifies_its_programs(root):
    for name in ("wechat-bin-4.0-1", "weechat-4.6-1", "broken-off-1-1"):
        put(root, f"{pacman.DATABASE}/{name}/files", "%FILES%\nopt/\nopt/wechat/\nopt/wechat/wechat\n")
        if name != "broken-off-1-1":
            put(root, f"{pacman.DATABASE}/{name}/desc")
    host, ids = Host(str(root)), {"wechat-bin", "broken-off"}
    result, unseen = pacman.find_packages(host, ids)
    path = f"{pacman.DATABASE}/wechat-bin-4.0-1"
    assert ([(p.id, p.version, p.path) for p in result], unseen) == ([("wechat-bin", "4.0-1", path)], "")
    (root / "proc/7").mkdir()
    (root / "proc/7/root").symlink_to(root)
    program = pacman.make_program_matcher(host, ids, result)
    starts = [(7, "/opt/wechat/wechat"), (7, "/opt/weechat/weechat"), (8, "/opt/wechat/wechat")]
    assert [program(Process(*start)) for start in starts] == ["wechat-bin", "", ""]  # 8 is gone, or in its own root
    assert pacman.find_packages(host, set()) == ([], "")


def pacman_host(root: Path, answers: dict[str, ToolResult]) -> tuple[Host, list[Sequence[str]]]:
    calls: list[Sequence[str]] = []

    def run(argv: Sequence[str], **options: Any) -> ToolResult:
        calls.append(argv)
        if argv[0] == "pacman-conf":
            return answers.get("pacman-conf", ToolResult(0, "", ""))
        names = argv[argv.index("--") + 1 :]
        return answers.get(" ".join(names), ToolResult(0, "\n".join(names), ""))

    put(root, "usr/bin/pacman", mode=0o755)
    return Host(str(root), run), calls


def test_a_host_that_changed_meanwhile_is_not_touched(root):
    answers: dict[str, ToolResult] = {}
    host, calls = pacman_host(root, answers)
    [action], _ = pacman_removal.plan_removal(host, [QQ])
    answers["linuxqq"] = ToolResult(1, BREAKS, "")
    with pytest.raises(ControlError, match="would break another, qq-or-tim"):
        action.apply()
    assert not [argv for argv in calls if "--noconfirm" in argv]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({}, ""),
        ({"linuxqq wechat-bin": ToolResult(1, BREAKS, "")}, "would break another, qq-or-tim"),
        (
            {"pacman-conf": ToolResult(0, "pacman\nlinuxqq\n", "")},
            "it is on hold: HoldPkg in pacman.conf names linuxqq",
        ),
    ],
)
def test_package_that_others_need_or_on_hold_stays(root, answers, reason):
    host, _ = pacman_host(root, answers)
    actions, refused = pacman_removal.plan_removal(host, [QQ, WECHAT])
    assert [str(action) for action in actions] == ["remove wechat-bin" if reason else "remove linuxqq, wechat-bin"]
    assert refused == ([(QQ, reason)] if reason else [])
    (root / "usr/bin/pacman").unlink()
    assert pacman_removal.plan_removal(host, [QQ])[0] == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(ToolResult(0, "linuxqq\nbash\n", ""), "would also remove bash"), (ToolResult(1, "", "error: no\n"), "error: no")],
)
def test_removal_that_takes_others_along_or_fails_is_refused(root, answer, reason):
    host, _ = pacman_host(root, {"linuxqq": answer})
    assert pacman_removal.plan_removal(host, [QQ]) == ([], [(QQ, reason)])


class Removed:
    def __init__(self, root: Path) -> None:
        self.host, self.calls = pacman_host(root, {})
        paths = (pacman_removal.LOCK_PATH, pacman_removal.REMOVAL_MARK_PATH)
        self.lock, self.mark = (root / path.lstrip("/") for path in paths)
        for directory in (self.lock.parent, self.mark.parent, root / "proc"):
            directory.mkdir(parents=True, exist_ok=True)
        [self.action], _ = pacman_removal.plan_removal(self.host, [QQ, WECHAT])
        self.calls.clear()
        self.result, self.dies, self.marked = ToolResult(0, "", ""), False, ("", 0)
        run = self.host._run

        def remove(argv: Sequence[str], **options: Any) -> ToolResult:
            if "--noconfirm" not in argv:
                return run(argv, **options)
            assert options == {"timeout": 1800}
            self.calls.append(argv)
            self.marked = self.mark.read_text(), self.mark.stat().st_mode & 0o777
            self.lock.touch() if self.dies else self.lock.unlink(missing_ok=True)
            return self.result

        self.host._run = remove

    def has(self) -> tuple[bool, bool]:
        return self.lock.exists(), self.mark.exists()


def test_packages_go_in_one_transaction_whose_lock_is_marked(root):
    put(root, f"{WECHAT.path}/desc", "%NAME%\nwechat-bin\n\n%REASON%\n1\n")
    removed = Removed(root)
    assert removed.action.before == "linuxqq 3.2-1\nwechat-bin 4.0-1\n"
    assert removed.action.removed_packages == [
        model.RemovedPackage("pacman", "linuxqq", "3.2-1", "system", "linuxqq", mark="manual"),
        model.RemovedPackage("pacman", "wechat-bin", "4.0-1", "system", "wechat-bin", mark="auto"),
    ]
    removed.action.apply()
    words = ["--remove --print --print-format %n --", "--remove --noconfirm --"]
    assert [" ".join(argv) for argv in removed.calls] == [f"pacman {word} linuxqq wechat-bin" for word in words]
    assert removed.marked == ("linuxqq\nwechat-bin\n", 0o600) and removed.has() == (False, False)


@pytest.mark.parametrize("lacking", ["", "usr/bin/pacman", "var/lib/pacman/local"])
def test_block_is_for_a_host_with_pacman_and_its_database(root, lacking):
    for path in {"usr/bin/pacman", "var/lib/pacman/local"} - {lacking}:
        put(root, path, mode=0o755)
    assert pacman.is_block_applicable(Host(str(root))) is not bool(lacking)


def test_error_of_pacman_is_the_reason_and_its_lock_after_a_kill_goes_at_the_next_run(root):
    item = Removed(root)
    item.result = ToolResult(1, "", "error:\n  no room\n")
    with pytest.raises(ControlError, match="pacman could not: error: no room"):
        item.action.apply()
    assert item.has() == (False, False)
    item.dies, item.result = True, ToolResult(137, "", "killed")
    with pytest.raises(ControlError):
        item.action.apply()
    assert item.has() == (True, True)
    item.dies, item.result = False, ToolResult(0, "", "")
    item.action.apply()
    assert item.has() == (False, False)


@pytest.mark.parametrize("whose", ["another's", "one that runs", "one of long after", "one of before"])
def test_any_other_lock_stays_and_is_waited_for(root, whose, monkeypatch):
    item = Removed(root)
    item.lock.touch()
    if whose != "another's":
        item.mark.touch()
    if whose == "one that runs":
        (root / "proc/9").mkdir()
        (root / "proc/9/exe").symlink_to("/usr/bin/pacman")
    if whose == "one of long after":
        monkeypatch.setattr(pacman_removal, "LOCK_DELAY_SECONDS", -1)
    if whose == "one of before":
        until(lambda: (item.mark.write_text(""), item.mark.stat().st_ctime > item.lock.stat().st_ctime)[1])
    with monkeypatch.context() as impatient, pytest.raises(ControlError, match="another pacman has been at work"):
        impatient.setattr(pacman_removal, "LOCK_TIMEOUT_SECONDS", 0.0)
        item.action.apply()
    assert item.lock.exists() and not [argv for argv in item.calls if "--noconfirm" in argv]
    monkeypatch.setattr(pacman_removal.time, "sleep", lambda _: item.lock.unlink())
    item.action.apply()
    assert item.calls[-1][1:3] == ["--remove", "--noconfirm"]


def test_script_of_the_hook_runs_nothing_from_contact_or_messages(tmp_path):
    messages = ("it's %s {} \\c $(id)", "本電腦不得安裝此軟件。")
    block = InstallBlock({"wechat-bin"}, "$(touch x) `id` '\"; exit 0 #", messages=messages)
    script, hook, *_ = pacman.make_block_parts(block)
    place = put(tmp_path, "gate", script.content, 0o755)
    done = subprocess.run([place], input="wechat-bin\n", capture_output=True, text=True, cwd=tmp_path, check=False)
    refusal, *rest = done.stdout.splitlines()[-3:]
    assert done.returncode == 1 and refusal.endswith("ask $(touch x) `id` '\"; exit 0 #")
    assert rest == [f"proscribe: {message}" for message in messages] and os.listdir(tmp_path) == ["gate"]
    assert "Target = wechat-bin\n" in hook.content
    _, hook, *_ = pacman.make_block_parts(InstallBlock({"wechat-bin"}, "", {"wechat-bin": ["4.0-1"]}))
    assert [line for line in hook.content.splitlines() if line.startswith("Target")] == ["Target = /"]


@pytest.mark.parametrize(
    ("rc", "hidden", "reason"),
    [
        (1, False, ""),
        (1, True, f"/opt/00-proscribe.hook takes the place of {HOOK}"),
        (0, False, f"{GATE} does not refuse a package"),
    ],
)
def test_hook_that_does_not_refuse_is_open(tmp_path, rc, hidden, reason):
    def run(argv: Sequence[str], **options: Any) -> ToolResult:
        if argv == ["pacman-conf", "HookDir"]:
            return ToolResult(0, "/opt/\n/usr/share/libalpm/hooks/\n", "")
        assert (argv, options) == ([GATE], {"stdin": "proscribe-trial\n", "timeout": 30})
        return ToolResult(rc, "does not allow proscribe-trial on this host", "")

    if hidden:
        put(tmp_path, "opt/00-proscribe.hook")
    trial: Any = pacman.make_block_parts(InstallBlock({"owl"}))[-1]
    host = Host(str(tmp_path), run)
    assert trial.run_trial(host) == reason
    depends = {"/etc/pacman.conf", "/etc/pacman.d", GATE, HOOK, "/opt/00-proscribe.hook", "/usr/bin/pacman-conf"}
    assert depends <= {*trial.list_dependencies(host)}


def test_hook_of_the_same_name_is_deleted(tmp_path):
    host, part = Host(str(tmp_path)), pacman.make_block_parts(InstallBlock({"owl"}))[2]
    assert part.is_applicable(host) and part.find_problem(host, True) == ""
    put(tmp_path, part.path)
    assert (part.find_problem(host, True), part.find_problem(host, False)) == (f"takes the place of {HOOK}", "")
    part.enforce(host)
    assert host.find_entry(part.path) is None
