"""The parts of an install block, rules of polkit, and trials, which are remembered until something changes."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from fake_tools import package_system
from file_hosts import make_directories, write_files
from made_host import MadeHost, plan
from proscribe.host.controls.apps import install_block
from proscribe.host.controls.apps.blocks import polkit, trial_cache
from proscribe.host.controls.apps.blocks.parts import BlockFile, BlockTrial, OwnDirectory, SharedFile
from proscribe.host.controls.apps.blocks.trial_cache import (
    TRIED_PATH,
    TrialCache,
    follow_path_links,
    list_directory_entries,
    list_program_paths,
)
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.systems import snap
from proscribe.host.controls.apps.systems.package import InstallBlock
from proscribe.host.system import ControlError, Host, ObservationError

MISSING, DIFFERS = "missing", "does not say what this plan calls for"
LEFT_OVER = "left over: there is nothing to refuse any more"
PLACE = "/etc/made.conf"
FILE = BlockFile(PLACE, "ours\n", 0o640)
PART = SharedFile(PLACE, lambda text: text.replace("ours\n", "") + "ours\n", lambda text: text.replace("ours\n", ""))
TRIAL = BlockTrial(PLACE, lambda _: ["/etc"], lambda _: "")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: nobody else has anything remembered")
ON = ["/etc/gate.conf", "/usr/bin/gate", "/etc/missing"]


def at(host: MadeHost, path: str = PLACE) -> Path:
    return Path(host.root + path)


def find_state(part: Any, host: MadeHost) -> tuple[str, str, bool]:
    return part.find_problem(host, True), part.find_problem(host, False), part.is_in_place(host)


def test_own_file_is_written_and_deleted(host):
    assert find_state(FILE, host) == (MISSING, "", False)
    FILE.enforce(host)
    assert find_state(FILE, host) == ("", LEFT_OVER, True)
    texts = (FILE.read_current_text(host), FILE.make_desired_text(host), FILE.make_lifted_text(host))
    assert texts == ("ours\n", "ours\n", "")
    assert at(host).stat().st_mode & 0o777 == 0o640
    FILE.lift(host)
    assert not at(host).exists()


def test_own_file_with_another_mode_content_owner_or_kind_is_wrong(host):
    FILE.enforce(host)
    at(host).chmod(0o604)
    assert FILE.find_problem(host, True) == "has mode 0604 instead of 0640"
    at(host).chmod(0o640)
    if os.geteuid() == 0:
        os.chown(at(host), 1234, -1)
        assert FILE.find_problem(host, True) == "belongs to uid 1234, so it can be changed by others than root"
        os.chown(at(host), 0, -1)
    at(host).write_bytes(b"\xff")
    assert (FILE.find_problem(host, True), FILE.read_current_text(host)) == (DIFFERS, "\ufffd")
    at(host).unlink()
    at(host).symlink_to("other")
    assert FILE.find_problem(host, True) == "not a regular file"


def test_trial_of_a_file_runs_before_it_is_written(host, monkeypatch):
    trial = mock.Mock(side_effect=lambda *_, **__: at(host).exists() and pytest.fail("it is written already"))
    monkeypatch.setattr(host, "read_command_output", trial)
    FILE._replace(trial_command=("check", "it"), trial_environment=(("A", "b"),)).enforce(host)
    trial.assert_called_once_with(("check", "it"), environment={"A": "b"}, timeout=30)
    assert at(host).exists()


@pytest.mark.parametrize(("needs", "concerns"), [((), True), (("/a", PLACE), True), (("/a", "/b"), False)])
def test_part_concerns_hosts_with_a_need(host, needs, concerns):
    FILE.enforce(host)
    assert FILE._replace(needed_paths=needs).is_applicable(host) is concerns
    assert SharedFile(PLACE, str, str, needs).is_applicable(host) is concerns


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
    assert find_state(PART, host) == (wrong, left_over, bool(left_over))
    assert (PART.make_desired_text(host), PART.make_lifted_text(host)) == (desired, remaining)
    assert PART.read_current_text(host) == (text or b"").decode("utf-8", "replace")


def test_text_of_others_stays_behind_a_link(host):
    real = at(host, "/etc/real")
    real.write_bytes(b"a\xff\n")
    real.chmod(0o600)
    at(host).symlink_to("real")
    PART.enforce(host)
    assert real.read_bytes() == b"a\xff\nours\n" and at(host).is_symlink() and PART.find_problem(host, True) == ""
    PART.lift(host)
    assert real.read_bytes() == b"a\xff\n" and at(host).is_symlink() and real.stat().st_mode & 0o777 == 0o600


def test_directory_stays_in_place_of_a_shared_file_that_everybody_reads(host):
    PART.enforce(host)
    assert at(host).stat().st_mode & 0o777 == 0o644
    PART.lift(host)
    at(host).mkdir()
    assert PART.find_problem(host, True) == "not a regular file"
    with pytest.raises(ControlError, match=f"^{PLACE} is left alone: not a regular file$"):
        PART.enforce(host)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a directory away")
def test_own_directory_of_a_user_becomes_roots(host):
    part = OwnDirectory("/etc/own")
    assert (part.find_problem(host, True), part.is_applicable(host)) == ("", True)
    at(host, "/etc/own").mkdir()
    os.chown(at(host, "/etc/own"), 1234, -1)
    assert part.find_problem(host, True).startswith("it can be changed by others (")
    assert part.find_problem(host, False) == ""
    part.enforce(host)
    assert part.find_problem(host, True) == ""


@pytest.mark.parametrize("part", [OwnDirectory("/etc/own"), BlockTrial("x", lambda _: (), lambda _: "open")])
def test_part_without_text_is_never_deleted(host, part):
    texts = (part.read_current_text(host), part.make_desired_text(host), part.make_lifted_text(host))
    assert (part.is_in_place(host), *texts) == (False, "", "", "")
    at(host, "/etc/own").mkdir()
    part.lift(host)
    assert at(host, "/etc/own").exists() and part.is_applicable(host)
    assert isinstance(part, OwnDirectory) or part.find_problem(host, True) == ""


class Ruled:
    def __init__(self, host: MadeHost, patch: pytest.MonkeyPatch, *own: Any, is_applicable: bool = True) -> None:
        self.host, self.patch = host, patch
        names = {"MANAGER": "dpkg", "CATALOGUE_KEY": "apt"}
        system = package_system(**names, is_block_applicable=lambda _: is_applicable, make_block_parts=lambda _: own)
        other = package_system(is_block_applicable=lambda _: True, make_block_parts=lambda _: ())
        patch.setattr(install_block, "SYSTEMS", [system, other])

    def observed(self, mode: str = "enforce") -> list[Any]:
        of = plan(mode, owl={"packages": {"apt": ["owl"]}, "paths": ["/opt/owl"]})
        verdicts = install_block.observe(self.host, of, DesiredApps(of["controls"]["apps"]))
        assert {item.rule for item in verdicts} <= {"apps/reinstall-gate"}
        rows = [[(finding.id, finding.path, finding.detail) for finding in item.findings] for item in verdicts]
        return [(item.state, item.drifted, item.reason, row) for item, row in zip(verdicts, rows)]


def test_block_that_is_missing_whole_is_one_finding(host, monkeypatch):
    other, foreign = BlockFile("/etc/other.conf", "more\n"), BlockFile("/etc/third.conf", "", needed_paths=("/none",))
    here = Ruled(host, monkeypatch, FILE, other, foreign, OwnDirectory("/etc/own"), TRIAL)
    assert here.observed() == [("noncompliant", True, "", [("gate", "", MISSING)])]
    other.enforce(host)
    assert here.observed() == [("noncompliant", True, "", [("made.conf", PLACE, MISSING)])]
    FILE.enforce(host)
    assert here.observed() == [("compliant", False, "", [])] and here.observed("audit") == []
    at(host).write_text("x")
    assert here.observed() == [("noncompliant", True, "", [("made.conf", PLACE, DIFFERS)])]


def test_unseen_part_is_unknown_where_no_block_is_due(host, monkeypatch):
    monkeypatch.setattr(BlockFile, "find_problem", mock.Mock(side_effect=ObservationError("a dead mount")))
    here = Ruled(host, monkeypatch, FILE, FILE, is_applicable=False)
    assert here.observed() == [("unknown", False, "a dead mount", [])]


def test_trials_on_the_host_itself_give_the_verdict(host, monkeypatch):
    names: list[str] = []
    answers: dict[str, Any] = {}

    def run_cached_trial(name: str, depends: Any, trial: Any) -> str:
        names.append(name)
        if isinstance(answers.get(name), Exception):
            raise answers[name]
        return str(answers.get(name, ""))

    tries = mock.Mock(**{"return_value.run_cached_trial": run_cached_trial})
    rule = BlockFile(f"{polkit.RULES_DIRECTORY}/00-proscribe-x.rules", "")
    monkeypatch.setattr(install_block, "TrialCache", tries)
    monkeypatch.setattr(BlockFile, "find_problem", lambda *_: "")
    monkeypatch.setattr(BlockFile, "is_applicable", lambda *_: True)
    monkeypatch.setattr(host, "root", "/")  # trials are made on no other root
    undue = Ruled(host, monkeypatch, FILE, rule, TRIAL, is_applicable=False)
    assert undue.observed() == [] == names, "none is called for"
    here = Ruled(host, monkeypatch, FILE, rule, TRIAL)
    assert here.observed() == [("compliant", False, "", [])]
    assert names == [f"dpkg {rule.path}", f"dpkg {PLACE}"]
    for save in host.state_savers:
        save(True)
    assert tries.return_value.save_trials.called and {call.args for call in tries.call_args_list} == {(host, True)}
    answers[names[1]] = "all is open"
    assert here.observed() == [("noncompliant", False, "", [("effect", PLACE, "all is open")])]
    why = "whether the block of dpkg is in effect could not be tried: "
    for error in (ObservationError("no apt"), ControlError("no apt")):
        answers[names[1]] = error
        assert here.observed() == [("unknown", False, f"{why}no apt", [])]
    answers[names[0]] = ObservationError("no node")
    assert here.observed() == [("unknown", False, f"{why}no node; {why}no apt", [])]


class TriedBlock:
    def __init__(self, root: Path) -> None:
        self.root, self.opens, self.tried = root, "", 0
        make_directories(root, "var/lib")
        write_files(root, {"etc/gate.conf": "on"}, ["usr/bin/gate"])

    def trial(self, _: Host) -> str:
        self.tried += 1
        return self.opens

    def observed(self, fresh: bool = False, name: str = "dpkg", keep: bool = True) -> int:
        host, before = Host(str(self.root)), self.tried
        item = TrialCache(host, fresh)
        assert item.run_cached_trial(name, lambda _: ON, self.trial) == (self.opens if self.tried > before else "")
        if keep:
            item.save_trials()
        return self.tried - before


@pytest.fixture
def block(tmp_path, monkeypatch):
    item = TriedBlock(tmp_path)
    monkeypatch.setattr(trial_cache, "SETTLED_NANOSECONDS", -(10**12))  # what was made a moment ago is old
    return item


@ROOT
def test_block_in_effect_is_tried_once(block):
    assert [block.observed() for _ in range(3)] == [1, 0, 0] and block.observed(name="rpm") == 1
    assert (block.root / TRIED_PATH.lstrip("/")).stat().st_mode & 0o777 == 0o600


@ROOT
@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "etc/gate.conf").write_text("off"),
        lambda root: (root / "etc/gate.conf").write_text("no"),
        lambda root: os.chown(root / "etc/gate.conf", 65534, -1),
        lambda root: (root / "usr/bin/gate").chmod(0o700),
        lambda root: (root / "usr/bin/gate").unlink(),
        lambda root: (root / "etc/missing").write_text(""),
        lambda root: os.replace(root / "etc/other", root / "etc/gate.conf"),
    ],
)
def test_block_is_tried_again_after_a_change(block, change):
    (block.root / "etc/other").write_text("on")
    block.observed()
    change(block.root)
    assert [block.observed(), block.observed()] == [1, 0]


@ROOT
def test_change_during_a_try_is_tried_again(block):
    item = TrialCache(Host(str(block.root)), False)
    item.run_cached_trial("dpkg", lambda _: ON, lambda _: str((block.root / "etc/gate.conf").write_text("off"))[:0])
    item.save_trials()
    assert block.observed() == 1


@ROOT
def test_other_mount_options_change_the_programs_of_a_file_system(block, monkeypatch):
    flags = SimpleNamespace(f_flag=1)
    monkeypatch.setattr(os, "statvfs", lambda path: flags)
    assert [block.observed(), block.observed()] == [1, 0]
    flags.f_flag = 9
    assert block.observed() == 1


@ROOT
@pytest.mark.parametrize(("later", "tried"), [(10**8, [1, 1]), (10**8 + 1, [1, 0])])
def test_file_that_changed_a_tenth_of_a_second_ago_is_tried_again(block, monkeypatch, later, tried):
    monkeypatch.undo()
    last = max((block.root / path[1:]).stat().st_ctime_ns for path in ON[:2])
    monkeypatch.setattr(trial_cache.time, "time_ns", lambda: last + later)
    assert [block.observed(), block.observed()] == tried


@ROOT
@pytest.mark.parametrize("damage", ["version", "content", "others"])
def test_damaged_answer_is_not_used(block, damage):
    block.observed()
    place, stored = block.root / TRIED_PATH.lstrip("/"), trial_cache.read_memory(Host(str(block.root)), TRIED_PATH)
    later = {**stored, "version": stored["version"] + 1}
    place.write_text("nonsense!" if damage == "content" else trial_cache.format_memory(later))
    if damage == "others":
        place.write_text(trial_cache.format_memory(stored))
        place.chmod(0o666)
    assert block.observed() == 1


@pytest.mark.parametrize("opens", [pytest.param("all is open", marks=ROOT), ""])
def test_open_block_or_block_of_a_user_is_tried_each_time_and_not_saved(block, monkeypatch, opens):
    if opens:
        block.observed()
        (block.root / "etc/gate.conf").write_text("off")
    block.opens = opens
    monkeypatch.setattr(Host, "privileged", bool(opens))
    assert [block.observed(), block.observed()] == [1, 1] and not (block.root / TRIED_PATH.lstrip("/")).exists()


def test_try_depends_on_first_place_and_link_targets_of_a_tool(tmp_path):
    make_directories(tmp_path, "usr/sbin", "etc/alternatives")
    write_files(tmp_path, {"usr/bin/mawk": "", "etc/d/c": ""})
    links = {"usr/bin/awk": "/etc/alternatives/awk", "etc/alternatives/awk": "/usr/bin/mawk", "etc/d/a": "../b"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    host = Host(str(tmp_path))
    result = list(list_program_paths(host, ["awk", "none"]))
    assert result[:2] == ["/etc/ld.so.preload", "/etc/ld.so.cache"]
    awk = ["/usr/sbin/awk", "/usr/bin/awk", "/etc/alternatives/awk", "/usr/bin/mawk"]
    assert result[2:] == [*awk, *(f"{folder}/none" for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))]
    entries = ["/etc/b", "/etc/d", "/etc/d/a", "/etc/d/c", "/etc/none"]
    assert sorted(list_directory_entries(host, ["/etc/d", "/etc/none"])) == entries
    assert list(follow_path_links(host, ["/etc/d/a"])) == ["/etc/d/a", "/etc/b"]


NEEDS_NODE = pytest.mark.skipif(shutil.which("node") is None, reason="needs node: reads the rules as polkit does")
CONTACTS = ["it@example.org", "*/ }); throw 1; // \u2028 throw 2"]
ASK = """
let verdicts = [];
const polkit = {addRule: f => verdicts.push(f), log: () => {}, Result: {NO: "no"}};
const [rule, questions] = JSON.parse(require("fs").readFileSync(0, "utf8"));
eval(rule);
const ask = ([id, details, user]) => verdicts[0]({id: id, lookup: key => details[key]}, {user: user}) || "-";
console.log(JSON.stringify(questions.map(ask)));
"""
PACKAGEKIT = "org.freedesktop.packagekit."
WECHAT = {"package_ids": "wechat;4.0;amd64;made"}


def answers(rule: str, *questions: tuple[str, dict[str, str], str]) -> list[Any]:
    """What a rule says to an action with these details that a user wants."""
    words = json.dumps([rule, questions])
    done = subprocess.run(["node", "-e", ASK], input=words, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


@pytest.mark.slow
@NEEDS_NODE
@pytest.mark.parametrize("contact", CONTACTS)
def test_packagekit_installs_no_restricted_package(contact):
    rule = polkit.make_packagekit_rule("dpkg", {"wechat", 'odd"]) || true || ["'}, contact)
    assert rule.path == "/etc/polkit-1/rules.d/00-proscribe-packagekit-dpkg.rules"
    install, untrusted = PACKAGEKIT + "package-install", PACKAGEKIT + "package-install-untrusted"
    both = {"package_ids": "weechat;4.6;amd64;made&wechat;4.0;amd64;made"}
    like = {"package_ids": "weechat;4.6;amd64;made&wechat-theme;4.0;amd64;wechat"}
    refused = [(install, WECHAT, "alice"), (install, both, "alice"), (untrusted, WECHAT, "alice")]
    others = [PACKAGEKIT + "package-remove", PACKAGEKIT + "system-update", "org.example.package-install"]
    passed = [(install, like, "alice"), (install, {}, "alice"), (install, WECHAT, "root")]
    passed += [(action, WECHAT, "alice") for action in others]
    assert answers(rule.content, *refused, *passed) == [*["no"] * 3, *["-"] * 6]


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("etc/polkit-1/rules.d/00-first.rules", True),
        ("usr/local/share/polkit-1/rules.d/00-first", False),
        ("etc/polkit-1/rules.d/00-proscribe-flatpak.rules", False),
        ("usr/local/share/polkit-1/rules.d/00-proscribe-flatpak.rules", True),
        ("usr/share/polkit-1/rules.d/00-proscribe-snap.rules", False),  # the one of its name that polkit reads first
    ],
)
def test_rule_that_polkit_asks_earlier_makes_the_block_unknown(tmp_path, path, before):
    write_files(tmp_path, {path: "polkit.addRule(function(action, subject) { return polkit.Result.YES; });"})
    (rule,) = snap.make_block_parts(InstallBlock({"telegram-desktop"}))
    effect = polkit.make_order_trial(rule.path)
    folders = [f"{above}/polkit-1/rules.d" for above in ("/etc", "/run", "/usr/local/share", "/usr/share")]
    assert list(effect.list_dependencies(Host(str(tmp_path)))) == [*folders, rule.path]
    if not before:
        assert effect.run_trial(Host(str(tmp_path))) == ""
        return
    with pytest.raises(ObservationError, match="polkit asks /.* before 00-proscribe-snap.rules"):
        effect.run_trial(Host(str(tmp_path)))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
@pytest.mark.parametrize("folder", polkit.ALL_RULES_DIRECTORIES)
@pytest.mark.parametrize("users", [True, False])
def test_a_rule_that_users_can_change_is_unknown_whatever_its_name(tmp_path, folder, users):
    """All rules are one program: one that is asked last may change what the first one does."""
    place = tmp_path / folder[1:]
    place.mkdir(parents=True)
    (place / "99-last.rules").write_text("String.prototype.indexOf = function() { return -1; };")
    os.chown(place, 12345 * users, 0)
    effect = polkit.make_order_trial(f"{polkit.RULES_DIRECTORY}/00-proscribe-snap.rules")
    if not users or folder == polkit.RULES_DIRECTORY:  # of that one the distribution says whose it is
        assert effect.run_trial(Host(str(tmp_path))) == ""
        return
    with pytest.raises(ObservationError, match=f"^users can change {folder}, .*{folder}/99-last.rules$"):
        effect.run_trial(Host(str(tmp_path)))


@NEEDS_NODE
@pytest.mark.parametrize("contact", CONTACTS)
def test_snapd_is_managed_by_root_alone(contact):
    (rule,) = snap.make_block_parts(InstallBlock({"telegram-desktop"}, contact))
    manage = "io.snapcraft.snapd.manage"
    login, connect = "io.snapcraft.snapd.login", "io.snapcraft.snapd.manage-interfaces"
    questions = ((manage, {}, "alice"), (manage, {}, "root"), (login, {}, "alice"), (connect, {}, "alice"))
    assert answers(rule.content, *questions) == ["no", "-", "no", "-"]
