"""Rules for fapolicyd: their text, wrong states, and their way back where they do harm."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from file_hosts import make_directories, write_files
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_section
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.execution import fapolicyd, fapolicyd_changes
from proscribe.host.controls.apps.execution.fapolicyd import (
    COMPILED_RULES_PATH,
    FALLBACK_RULES_PATH,
    OLD_RULES_PATH,
    RULES_DIRECTORY,
    RULES_PATH,
)
from proscribe.host.system import WRITTEN_BY, ControlError, Host, ObservationError, Process, ToolResult

WECHAT = {"paths": ["/opt/wechat", "~/WeChat"]}
PATHS = ("path=/opt/wechat", "dir=/opt/wechat/")
DENIED = [f"deny_syslog perm=execute all : {path}" for path in PATHS]
TRIED = ["sshd -V", "sudo -V", "python3 -I -c ", "sh -c :", "systemctl --version", "dpkg --version", "rpm --version"]


def section(exec_control: str = "fapolicyd", mode: str = "enforce", **services: dict[str, Any]) -> dict[str, Any]:
    return {**make_section("apps", services, exec_control=exec_control), "mode": mode}


class Fapolicyd(Host):
    """A host with fapolicyd, which does what fagenrules does, and may deny a program afterwards."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), self.answer)
        self.calls: list[str] = []
        self.compiled: list[bool] = []  # whether there are compiled rules at each call
        self.active, self.loaded, self.is_destination_refused = True, False, False
        self.denies = self.cli = ""  # a program, and what fapolicyd-cli says that it can do
        passwd = "alice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n"
        tools = ("fagenrules", "fapolicyd-cli", *(line.split()[0] for line in TRIED))
        make_directories(root, "etc/fapolicyd/rules.d")
        write_files(root, {"etc/passwd": passwd}, [f"usr/sbin/{tool}" for tool in tools])

    def answer(self, argv: Sequence[str], **options: Any) -> ToolResult:
        self.calls.append(" ".join(argv))
        self.compiled.append((Path(self.root) / "etc/fapolicyd/compiled.rules").exists())
        if argv == ["fagenrules", "--load"]:
            folder = Path(self.root) / "etc/fapolicyd/rules.d"
            texts = [path.read_text().splitlines() for path in sorted(folder.glob("*.rules"))]
            lines = [line for text in texts for line in text if line and not line.startswith("#")]
            if texts:  # as fagenrules does it, which otherwise says "No rules" and ends well
                (folder.parent / "compiled.rules").write_text("".join(f"{line}\n" for line in lines))
            if self.denies == "fapolicyd":
                self.active = False
            self.loaded = (folder / "15-proscribe.rules").exists()
        if argv == ["fapolicyd-cli", "--help"]:
            return ToolResult(0, "", self.cli)
        if argv[:2] == ["fapolicyd-cli", "--check-rules"]:
            assert not self.loaded and "deny_syslog" in Path(self.root + argv[2]).read_text()
            return ToolResult(5, "", "bad rule") if self.is_destination_refused else ToolResult(0, "", "")
        if argv[0] == self.denies and self.loaded:
            if argv[0] == "sshd":
                raise ControlError(f"{argv[0]} cannot be run: Operation not permitted")
            return ToolResult(126 if argv[0] == "sudo" else 127, "", "")
        return ToolResult(1 if argv[0] == "systemctl" else 0, "", "")  # what it answers is its own matter

    def list_processes(self) -> tuple[list[Process], int]:
        return [Process(7, "/usr/sbin/fapolicyd")] if self.active else [], 0


@pytest.fixture
def host(tmp_path):
    return Fapolicyd(tmp_path)


def observe(host: Host, part: dict[str, Any]) -> list[Any]:
    return fapolicyd.observe(host, {"controls": {"apps": part}}, DesiredApps(part))


def enforce(host: Host, part: dict[str, Any]) -> list[str]:
    actions = fapolicyd_changes.enforce(host, part, DesiredApps(part))
    for action in actions:
        action.apply()
    return list(map(str, actions))


@pytest.mark.parametrize(
    ("service", "rules"),
    [
        ({"exceptions": [{"waiver": "w1", "paths": ["/opt/wechat/4.0"]}]},
         ["allow perm=execute all : path=/opt/wechat/4.0", *DENIED]),
        ({"exceptions": [{"waiver": "w1", "users": ["bob"], "paths": ["/opt/wechat/4.0"]}]},
         ["allow perm=execute uid=1001 : path=/opt/wechat/4.0", *DENIED]),
        ({"exceptions": [{"waiver": "w1", "users": ["nobody-here"]}]}, DENIED),
        ({"exceptions": [{"waiver": "w1", "versions": ["4.0"]}]},
         ["# not denied, since waiver w1 permits a version: /opt/wechat"]),
        ({"only": {"users": ["bob", "gone", "alice"]}},
         [f"deny_syslog perm=execute uid={uid} : {path}" for uid in (1000, 1001) for path in PATHS]),
        ({"paths": ["/opt/we chat", "/opt/x"], "mode": "waived", "waiver": "w1"}, []),
    ],
)  # fmt: skip
def test_waiver_or_group_changes_the_rules(host, service, rules):
    desired = DesiredApps(section(wechat={"paths": ["/opt/wechat"], **service}))  # type: ignore[arg-type]
    lines = [line for line in fapolicyd.make_rules(host, desired) if not line.startswith("allow") or "path=" in line]
    assert lines == rules


@given(st.lists(st.text(min_size=1).map(lambda text: "/opt/" + text)))
def test_no_path_makes_a_rule_of_its_own(paths):
    for line in fapolicyd.make_rules(mock.Mock(list_users=list), DesiredApps(section(made={"paths": paths}))):
        assert "\n" not in line and line.isascii()
        words = line.split()
        assert line[0] == "#" or (words[:4] == ["deny_syslog", "perm=execute", "all", ":"] and len(words) == 5)


def test_a_fapolicyd_that_can_check_rules_is_asked_before_they_count(host):
    host.cli, host.is_destination_refused = "--check-rules path", True
    with pytest.raises(ControlError, match="bad rule"):
        enforce(host, section(wechat=WECHAT))
    assert host.list_directory(RULES_DIRECTORY) == [] and "fagenrules --load" not in host.calls
    host.is_destination_refused = False
    enforce(host, section(wechat=WECHAT))
    checked = host.calls.index(f"fapolicyd-cli --check-rules {fapolicyd_changes.STAGED_RULES_PATH}")
    assert checked < host.calls.index("fagenrules --load")
    assert not host.find_entry(fapolicyd_changes.STAGED_RULES_PATH) and host.find_entry(RULES_PATH)


@pytest.mark.parametrize("line", ["allow perm=any all :", "deny_syslog perm=execute all : path=/", "%x=/bin/sh"])
def test_foreign_rule_is_not_written(host, line):
    with pytest.raises(ControlError, match="no rule of ours"):
        fapolicyd_changes._load_rules(host, [(RULES_PATH, f"# x\n{line}\n"), (FALLBACK_RULES_PATH, "")])
    assert host.list_directory("/etc/fapolicyd/rules.d") == []


@pytest.mark.parametrize("program", ["sshd", "sudo", "sh", "fapolicyd"])
def test_program_that_no_longer_starts_reverts_the_rules(host, tmp_path, program):
    (tmp_path / "etc/fapolicyd/rules.d/50-own.rules").write_text("allow perm=any uid=0 : all\n")
    host.run_command(["fagenrules", "--load"])
    before = host.read_text(COMPILED_RULES_PATH)
    host.denies = program
    with pytest.raises(ControlError, match=f"the rules were taken back: {program} "):
        enforce(host, section(wechat=WECHAT))
    assert host.list_directory(RULES_DIRECTORY) == ["50-own.rules"] and host.read_text(COMPILED_RULES_PATH) == before


def test_rules_that_were_not_compiled_are_loaded_again(host, tmp_path):
    part = section(wechat=WECHAT)
    (action,) = fapolicyd_changes.enforce(host, part, DesiredApps(part))
    action.apply()
    paths = ["/opt/wechat", "/home/alice/WeChat", "/home/bob/WeChat"]
    lines = [f"deny_syslog perm=execute all : {form}" for path in paths for form in (f"path={path}", f"dir={path}/")]
    texts = ["\n".join([HEAD.strip(), *lines, ""]), HEAD + ALL]
    assert [host.read_text(path) for path in (RULES_PATH, FALLBACK_RULES_PATH)] == texts
    assert (action.before, action.after) == ("", "".join(texts))
    assert host.calls == [*TRIED, "fapolicyd-cli --help", "fagenrules --check", "fagenrules --load", *TRIED]
    assert enforce(host, part) == []
    (tmp_path / "etc/fapolicyd/compiled.rules").write_text("")
    assert observe(host, part)[0].drifted
    host.compiled.clear()
    assert enforce(host, part) == ["load fapolicyd rules"]
    assert all(host.compiled), "they stay in force until others take their place"
    assert [v.state for v in observe(host, part)] == ["compliant"]


def test_audit_or_off_calls_no_tool(host):
    for part in (section("off", wechat=WECHAT), section("fapolicyd", "audit", wechat=WECHAT)):
        assert observe(host, part) == []
    assert enforce(host, section("off", wechat=WECHAT)) == host.calls == []


ON, OFF = section(wechat={"paths": ["/opt/wechat"]}), section("off", wechat={"paths": ["/opt/wechat"]})
HEAD = f"# {WRITTEN_BY}\n"
OURS = "".join(f"deny_syslog perm=execute all : {case}\n" for case in ("path=/opt/wechat", "dir=/opt/wechat/"))
ALL = "allow perm=any all : all\n"
CONF = "/etc/fapolicyd/fapolicyd.conf"


DIFFERS = "does not say what this plan calls for"
NOT_RUNNING = (RULES_PATH, "fapolicyd does not run, so that nothing is denied")
NOT_INSTALLED = [(RULES_DIRECTORY, "fapolicyd is not installed on this host")]


def write(path: str, text: str = "") -> Callable[[Fapolicyd], object]:
    return lambda host: Path(host.root + path).write_text(text)


def delete(path: str) -> Callable[[Fapolicyd], object]:
    return lambda host: Path(host.root + path).unlink()


def stop(host: Fapolicyd) -> None:
    host.active = False


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        ([], []),
        ([stop], [NOT_RUNNING]),
        ([write(CONF, "# x\n  permissive = 1\n")], [(CONF, "fapolicyd only watches (permissive = 1)")]),
        ([write(OLD_RULES_PATH)], [(OLD_RULES_PATH, "an old rules file is beside rules.d, so fagenrules does "
            "nothing")]),
        ([delete("/usr/sbin/fagenrules")], NOT_INSTALLED),
        ([lambda host: shutil.rmtree(host.root + RULES_DIRECTORY)], NOT_INSTALLED),
        ([write(COMPILED_RULES_PATH, OURS.splitlines(True)[0])], [(COMPILED_RULES_PATH, "was compiled without these "
            "rules")]),
        ([write(RULES_PATH, ALL)], [(RULES_PATH, DIFFERS)]),
        ([delete(FALLBACK_RULES_PATH), stop], [(FALLBACK_RULES_PATH, "missing"), NOT_RUNNING]),
        ([write(COMPILED_RULES_PATH, f"{HEAD}\n%x=a\ndeny perm=any all : all\n{ALL}{OURS}")],
         [(COMPILED_RULES_PATH, f"an earlier rule lets everything start: {ALL.strip()}")]),
        ([write(COMPILED_RULES_PATH, f"{HEAD}allow perm=any all : dir=/opt/ all\n{OURS}{ALL}")], []),
    ],
)  # fmt: skip
def test_wrong_state_is_found_at_its_path(host, spoil, expected):
    enforce(host, ON)
    for change in spoil:
        change(host)
    (verdict,) = observe(host, ON)
    assert verdict.rule == "apps/execution-control"
    assert [(finding.path, finding.detail) for finding in verdict.findings] == expected


def test_unseen_processes_make_the_state_unknown(host, monkeypatch):
    enforce(host, ON)
    monkeypatch.setattr(host, "list_processes", mock.Mock(side_effect=ObservationError("a dead mount")))
    (verdict,) = observe(host, ON)
    assert (verdict.rule, verdict.state, verdict.reason) == ("apps/execution-control", "unknown", "a dead mount")


@pytest.mark.parametrize("rest", [RULES_PATH, FALLBACK_RULES_PATH])
def test_lift_deletes_a_file_that_remained(host, rest):
    Path(host.root + rest).write_text("x\n")
    (delete,) = fapolicyd_changes.lift(host)
    assert delete.before == "x\n"
    delete.apply()
    assert host.list_directory(RULES_DIRECTORY) == [] and fapolicyd_changes.lift(host) == []


def test_without_its_tool_rules_go_and_none_come(host):
    enforce(host, ON)
    Path(host.root + "/usr/sbin/fagenrules").unlink()
    host.calls.clear()
    assert enforce(host, section(qq={"paths": ["/opt/qq"]})) == []
    assert enforce(host, OFF) == ["load fapolicyd rules"]
    assert host.list_directory(RULES_DIRECTORY) == [] and host.calls == [*TRIED, *TRIED]
