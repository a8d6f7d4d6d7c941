"""Rules for fapolicyd: what is rendered, what is found wrong, and that harm done by them is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.execution import fapolicyd, fapolicyd_changes
from proscribe.host.controls.apps.execution.fapolicyd import REST, RULES
from proscribe.host.system import ControlError, Host, Process, Result

WECHAT = {"paths": ["/opt/wechat", "~/WeChat"]}


def section(exec_control: str = "fapolicyd", mode: str = "enforce", **services: dict[str, Any]) -> dict[str, Any]:
    empty = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}
    entries = {id_: {"name": id_, **empty, **given} for id_, given in services.items()}
    return {"mode": mode, "services": entries, "settings": {"exec_control": exec_control}}


class Fapolicyd(Host):
    """A host with fapolicyd, which does what fagenrules does, and may deny a program afterwards."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), self.answer)
        self.calls: list[str] = []
        self.compiled: list[bool] = []  # whether there are compiled rules at each call
        self.active = True
        self.denies = ""
        self.loaded = False
        self.cli = ""  # what fapolicyd-cli says that it can do
        self.refuses = False
        (root / "etc/fapolicyd/rules.d").mkdir(parents=True)
        (root / "usr/sbin").mkdir(parents=True)
        (root / "etc/passwd").write_text("alice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n")
        for tool in ("fagenrules", "fapolicyd-cli", "sshd", "sudo", "systemctl"):
            (root / "usr/sbin" / tool).touch(0o755)

    def answer(self, argv: Sequence[str], **options: Any) -> Result:
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
            return Result(0, "", self.cli)
        if argv[:2] == ["fapolicyd-cli", "--check-rules"]:
            assert not self.loaded and "deny_syslog" in Path(self.root + argv[2]).read_text()
            return Result(5 if self.refuses else 0, "", "bad rule" if self.refuses else "")
        if argv[0] == self.denies and self.loaded:
            raise ControlError(f"{argv[0]} cannot be run: Operation not permitted")
        return Result(0, "", "")

    def processes(self) -> tuple[list[Process], int]:
        return [Process(7, "/usr/sbin/fapolicyd")] if self.active else [], 0


@pytest.fixture
def host(tmp_path: Path) -> Fapolicyd:
    return Fapolicyd(tmp_path)


def observe(host: Host, part: dict[str, Any]) -> list[Any]:
    return fapolicyd.observe(host, {"controls": {"apps": part}}, Desired(part))


def enforce(host: Host, part: dict[str, Any]) -> list[str]:
    actions = fapolicyd_changes.enforce(host, part, Desired(part))
    for action in actions:
        action.apply()
    return list(map(str, actions))


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        ({"paths": ["/opt/wechat/4.0"]}, ["allow perm=execute all : path=/opt/wechat/4.0"]),
        ({"users": ["bob"], "paths": ["/opt/wechat/4.0"]}, ["allow perm=execute uid=1001 : path=/opt/wechat/4.0"]),
        ({"users": ["nobody-here"]}, []),
        ({"paths": ["/opt/we chat"]}, []),
    ],
)
def test_what_a_waiver_lets_through(host: Fapolicyd, exception: dict[str, Any], expected: list[str]) -> None:
    part = section(wechat={"paths": ["/opt/wechat"], "exceptions": [{"waiver": "w1", **exception}]})
    rules = list(fapolicyd.rules(host, Desired(part)))
    assert [rule for rule in rules if rule.startswith("allow") and "path=" in rule] == expected
    assert rules[-2:] == [f"deny_syslog perm=execute all : {what}" for what in ("path=/opt/wechat", "dir=/opt/wechat/")]


def test_a_waiver_for_a_version_leaves_the_path_open(host: Fapolicyd) -> None:
    part = section(wechat={"paths": ["/opt/wechat"], "exceptions": [{"waiver": "w1", "versions": ["4.0"]}]})
    assert list(fapolicyd.rules(host, Desired(part))) == [
        "# not denied, since waiver w1 permits a version: /opt/wechat"
    ]


@given(st.lists(st.text(min_size=1).map(lambda text: "/opt/" + text)))
def test_no_path_makes_a_rule_of_its_own(paths: list[str]) -> None:
    part = section(made={"paths": paths})

    class Nobody(Host):
        def users(self) -> list[Any]:
            return []

    for line in fapolicyd.rules(Nobody("/nonexistent"), Desired(part)):
        assert "\n" not in line and line.isascii()
        assert line.startswith("#") or line.split()[:4] == ["deny_syslog", "perm=execute", "all", ":"]
        assert line.startswith("#") or len(line.split()) == 5


def test_a_fapolicyd_that_can_check_rules_is_asked_before_they_count(host: Fapolicyd) -> None:
    host.cli, host.refuses = "--check-rules path", True
    with pytest.raises(ControlError, match="bad rule"):
        enforce(host, section(wechat=WECHAT))
    assert host.list("/etc/fapolicyd/rules.d") == [] and "fagenrules --load" not in host.calls
    host.refuses = False
    enforce(host, section(wechat=WECHAT))
    assert host.calls.index(f"fapolicyd-cli --check-rules {fapolicyd_changes.STAGED}") < host.calls.index(
        "fagenrules --load"
    )
    assert not host.stat(fapolicyd_changes.STAGED) and host.stat(RULES)


@pytest.mark.parametrize(
    "line", ["allow perm=any all :", "deny_syslog perm=execute all : path=/", "%x=/bin/sh", "deny"]
)
def test_what_is_no_rule_of_ours_is_not_written(host: Fapolicyd, line: str) -> None:
    with pytest.raises(ControlError, match="no rule of ours"):
        fapolicyd_changes._load(host, [(RULES, f"# x\n{line}\n"), (REST, "")])
    assert host.list("/etc/fapolicyd/rules.d") == []


def test_a_fapolicyd_that_ends_over_them_takes_the_rules_back(host: Fapolicyd) -> None:
    host.denies = "fapolicyd"
    with pytest.raises(ControlError, match="the rules were taken back: fapolicyd itself ended over them"):
        enforce(host, section(wechat=WECHAT))
    assert host.list("/etc/fapolicyd/rules.d") == []


@pytest.mark.parametrize("program", ["sshd", "sudo"])
def test_what_stops_starting_takes_the_rules_back(host: Fapolicyd, tmp_path: Path, program: str) -> None:
    (tmp_path / "etc/fapolicyd/rules.d/50-own.rules").write_text("allow perm=any uid=0 : all\n")
    host.run(["fagenrules", "--load"])
    before = host.text("/etc/fapolicyd/compiled.rules")
    host.denies = program
    with pytest.raises(ControlError, match=f"the rules were taken back: {program} did not start any more"):
        enforce(host, section(wechat=WECHAT))
    assert host.list("/etc/fapolicyd/rules.d") == ["50-own.rules"]
    assert host.text("/etc/fapolicyd/compiled.rules") == before


def test_compiled_without_them(host: Fapolicyd, tmp_path: Path) -> None:
    part = section(wechat=WECHAT)
    enforce(host, part)
    (tmp_path / "etc/fapolicyd/compiled.rules").write_text("")
    assert observe(host, part)[0].drifted
    host.compiled.clear()
    assert enforce(host, part) == ["load fapolicyd rules"]
    assert all(host.compiled), "they stay in force until others take their place"
    assert [v.state for v in observe(host, part)] == ["compliant"]


def test_nothing_is_asked_for(host: Fapolicyd) -> None:
    assert observe(host, section("off", wechat=WECHAT)) == []
    assert observe(host, section("fapolicyd", "audit", wechat=WECHAT)) == []
    assert enforce(host, section("off", wechat=WECHAT)) == []
    assert host.calls == []
