"""Rules for fapolicyd as a whole: each file, each finding, each action and each call that one run makes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.execution import fapolicyd, fapolicyd_changes
from proscribe.host.controls.apps.execution.fapolicyd import COMPILED, FOLDER, OLD, REST, RULES
from proscribe.host.system import WRITTEN_BY, Unseen

from unit.host.controls.apps.execution.test_fapolicyd import Fapolicyd, enforce, observe, section

ON, OFF = section(wechat={"paths": ["/opt/wechat"]}), section("off", wechat={"paths": ["/opt/wechat"]})
HEAD = f"# {WRITTEN_BY}\n"
OURS = "".join(f"deny_syslog perm=execute all : {what}\n" for what in ("path=/opt/wechat", "dir=/opt/wechat/"))
ALL = "allow perm=any all : all\n"
CONF = "/etc/fapolicyd/fapolicyd.conf"


@pytest.fixture
def host(tmp_path: Path) -> Fapolicyd:
    return Fapolicyd(tmp_path)


def found(host: Fapolicyd, part: dict[str, Any] = ON) -> list[tuple[str, ...]]:
    """What an observation finds, each time in this control's own words."""
    (verdict,) = observe(host, part)
    assert verdict.rule == "apps/execution-control"
    assert {(finding.kind, finding.id) for finding in verdict.findings} <= {("rules", "fapolicyd")}
    return [(finding.path, finding.detail) for finding in verdict.findings]


def test_a_path_of_a_waived_service_is_not_mentioned(host: Fapolicyd) -> None:
    part = section(odd={"paths": ["/opt/we chat", "/opt/x"], "mode": "waived", "waiver": "w1"})
    assert list(fapolicyd.rules(host, Desired(part))) == []  # type: ignore[arg-type]


def test_what_is_restricted_for_some_is_denied_to_these(host: Fapolicyd) -> None:
    part = section(wechat={"paths": ["/opt/wechat"], "only": {"users": ["bob", "gone", "alice"]}})
    assert list(fapolicyd.rules(host, Desired(part))) == [  # type: ignore[arg-type]
        f"deny_syslog perm=execute uid={uid} : {what}"
        for uid in (1000, 1001)
        for what in ("path=/opt/wechat", "dir=/opt/wechat/")
    ]


DIFFERS = "does not say what this plan calls for"
SPOILT: dict[str, tuple[Callable[[Fapolicyd, Path], object], list[tuple[str, str]]]] = {
    "nothing": (lambda host, root: None, []),
    "not running": (
        lambda host, root: setattr(host, "active", False),
        [(RULES, "fapolicyd does not run, so that nothing is denied")],
    ),
    "permissive": (
        lambda host, root: (root / CONF[1:]).write_text("# x\n  permissive = 1\n"),
        [(CONF, "fapolicyd only watches (permissive = 1)")],
    ),
    "not permissive": (lambda host, root: (root / CONF[1:]).write_text("permissive = 0\n# permissive = 1\n"), []),
    "old": (
        lambda host, root: (root / OLD[1:]).touch(),
        [(OLD, "an old rules file is beside rules.d, so fagenrules does nothing")],
    ),
    "no tool": (
        lambda host, root: (root / "usr/sbin/fagenrules").unlink(),
        [(FOLDER, "fapolicyd is not installed on this host")],
    ),
    "no folder": (
        lambda host, root: shutil.rmtree(root / FOLDER[1:]),
        [(FOLDER, "fapolicyd is not installed on this host")],
    ),
    "compiled in part": (
        lambda host, root: (root / COMPILED[1:]).write_text(OURS.splitlines(True)[0]),
        [(COMPILED, "was compiled without these rules")],
    ),
    "changed": (lambda host, root: (root / RULES[1:]).write_text(f"{ALL}"), [(RULES, DIFFERS)]),
    "lost, and another one is first": (
        lambda host, root: ((root / RULES[1:]).unlink(), (root / COMPILED[1:]).write_text(ALL)),
        [(RULES, "missing")],
    ),
    "lost, and not running": (
        lambda host, root: ((root / REST[1:]).unlink(), setattr(host, "active", False)),
        [(REST, "missing"), (RULES, "fapolicyd does not run, so that nothing is denied")],
    ),
    "another one is first": (
        lambda host, root: (root / COMPILED[1:]).write_text(f"{HEAD}\n%x=a\ndeny perm=any all : all\n{ALL}{OURS}"),
        [(COMPILED, f"an earlier rule lets everything start: {ALL.strip()}")],
    ),
    "others are first that let not all pass": (
        lambda host, root: (root / COMPILED[1:]).write_text(f"{HEAD}allow perm=any all : dir=/opt/ all\n{OURS}{ALL}"),
        [],
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_each_thing_that_is_wrong_is_found_at_its_path(host: Fapolicyd, tmp_path: Path, spoilt: str) -> None:
    enforce(host, ON)
    spoil, expected = SPOILT[spoilt]
    spoil(host, tmp_path)
    assert found(host) == expected


def test_what_is_no_file_differs_and_says_so(host: Fapolicyd) -> None:
    Path(host.root + RULES).mkdir()
    ((path, why), _) = found(host)
    assert path == RULES and RULES in why


def test_what_cannot_be_seen_is_unknown(host: Fapolicyd, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(*_: Any) -> None:
        raise Unseen("a dead mount")

    enforce(host, ON)
    monkeypatch.setattr(host, "processes", unseen)
    (verdict,) = observe(host, ON)
    assert (verdict.rule, verdict.state, verdict.reason) == ("apps/execution-control", "unknown", "a dead mount")


TRIED = ["sshd -V", "sudo -V", "systemctl --version"]


@pytest.mark.parametrize("rest", [RULES, REST])
def test_a_lift_takes_away_what_is_left(host: Fapolicyd, rest: str) -> None:
    Path(host.root + rest).write_text("x\n")
    (delete,) = fapolicyd_changes.lift(host)
    assert delete.before == "x\n"
    delete.apply()
    assert host.list(FOLDER) == [] and fapolicyd_changes.lift(host) == []


def test_without_its_tool_rules_go_and_none_come(host: Fapolicyd) -> None:
    enforce(host, ON)
    Path(host.root + "/usr/sbin/fagenrules").unlink()
    host.calls.clear()
    assert enforce(host, section(qq={"paths": ["/opt/qq"]})) == []
    assert enforce(host, OFF) == ["load fapolicyd rules"]
    assert host.list(FOLDER) == [] and host.calls == [*TRIED, *TRIED]
