"""Enforcing and lifting the firewall, step by step."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firewall_paths import BOOT_FILE, PROGRAM, TRACE
from proscribe.host.controls import firewall
from proscribe.host.controls.base import Refusal
from proscribe.host.controls.firewall import boot, loaded_state, loading
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import Host, Result

NFT, WHERE = "/usr/sbin/nft", "inet proscribe"
LOAD, WATCH = boot.units(NFT)
GONE = Result(1, "", "Error: No such file or directory")
BESIDE = f"/etc/systemd/system/{WATCH.name}.d/own.conf"


class Machine(Host):
    """A made tree; the table that is loaded, and whether units are active, is as a test says."""

    privileged = True

    def __init__(self, root: Path, *tools: str) -> None:
        super().__init__(str(root), self.answer)
        self.table, self.active, self.ran = "", False, list[str]()
        for path in ("run/systemd/system", "usr/sbin", "etc", "var/lib"):
            (root / path).mkdir(parents=True)
        for tool in tools:
            (root / "usr/sbin" / tool).touch(0o755)

    def answer(self, argv: Sequence[str], **options: Any) -> Result:
        if argv[1:2] == ["list"]:
            return Result(0, self.table, "") if self.table else GONE
        if argv[:2] == ["systemctl", "is-active"]:
            return Result(0 if self.active else 3, "", "")
        self.ran.append(" ".join(argv))
        if argv[0] == "getent":
            return Result(0, "203.0.113.80 STREAM x\n203.0.113.80 DGRAM\n\n192.0.2.80 STREAM\n", "")
        return Result(0, "", "")

    def lay(self, path: str, text: str, mode: int = 0o644) -> None:
        self.write(path, text, mode)

    def whole(self, text: str) -> None:
        """All is as enforcing leaves it."""
        self.table, self.active = text, True
        for path, content, mode in ((BOOT_FILE, text, 0o600), (PROGRAM, boot.program_text(), 0o700)):
            self.lay(path, content, mode)
        for unit in (LOAD, WATCH):
            self.lay(unit.path, unit.text)
            self.lay(unit.enabled, "")

    def mode(self, path: str) -> int:
        return Path(self.root, path[1:]).stat().st_mode & 0o777


def section(**service: Any) -> dict[str, Any]:
    entry = {"name": "Telegram", "mode": "enforce", "networks": ["203.0.113.0/24"], "ports": [], **service}
    return {"mode": "enforce", "services": {"telegram": entry}, "settings": {"management": []}}


TEXT = render(section(), Exemptions())
SHOWN = loading.listing.shown(loading.listing.take_apart(TEXT))


def enforced(host: Host, **service: Any) -> Any:
    return firewall.enforce(host, {"controls": {"firewall": section(**service)}})


def steps(changes: Any) -> list[tuple[str, str, str]]:
    return [(str(action), action.before, action.after) for action in changes.actions]


def test_a_host_that_has_nothing_gets_all_of_it(tmp_path):
    host = Machine(tmp_path, "nft", "systemctl")
    changes = enforced(host)
    assert changes.refused == []
    assert steps(changes) == [
        (f"write {PROGRAM}", "", boot.program_text()),
        (f"load {WHERE}", "", SHOWN),
        (f"write {BOOT_FILE}", "", TEXT),
        (f"write {LOAD.path}", "", LOAD.text),
        (f"enable {LOAD.name}", "", ""),
        (f"start {LOAD.name}", "", ""),
        (f"write {WATCH.path}", "", WATCH.text),
        (f"enable {WATCH.name}", "", ""),
        (f"start {WATCH.name}", "", ""),
    ]
    for action in changes.actions:
        action.apply()
    calls = [
        [f"systemctl daemon-reload\nsystemctl {verb} {u.name}" for verb in ("enable", "start")] for u in (LOAD, WATCH)
    ]
    assert "\n".join(host.ran) == "\n".join([f"{NFT} -f -", *calls[0], *calls[1]])
    modes = {path: host.mode(path) for path in (PROGRAM, BOOT_FILE, LOAD.path, WATCH.path)}
    assert modes == {PROGRAM: 0o700, BOOT_FILE: 0o600, LOAD.path: 0o644, WATCH.path: 0o644}


def test_a_host_that_has_all_of_it_is_left_alone(tmp_path):
    host = Machine(tmp_path, "nft", "systemctl")
    host.whole(TEXT)
    assert enforced(host) == ([], [], False, (), None, None, ())
    host.active = False
    assert [str(action) for action in enforced(host).actions] == [f"start {LOAD.name}", f"start {WATCH.name}"]
    (tmp_path / "run/systemd/system").rmdir()
    assert enforced(host).actions == []


def test_changed_files_are_restored_and_the_watcher_restarted(tmp_path):
    host = Machine(tmp_path, "nft", "systemctl")
    host.whole(TEXT)
    host.lay(PROGRAM, "old", 0o700)
    host.lay(BESIDE, "[Service]\n")
    host.lay(LOAD.path, "other")
    changes = enforced(host)
    assert steps(changes) == [
        (f"write {PROGRAM}", "old", boot.program_text()),
        (f"restart {WATCH.name}", "", ""),
        (f"write {LOAD.path}", "other", LOAD.text),
        (f"enable {LOAD.name}", "", ""),
        (f"delete {BESIDE}", "", ""),
        (f"enable {WATCH.name}", "", ""),
        (f"restart {WATCH.name}", "", ""),
    ]
    for action in changes.actions:
        action.apply()
    assert (host.stat(BESIDE), enforced(host).actions) == (None, [])
    host.delete(WATCH.enabled)
    assert [str(action) for action in enforced(host).actions] == [f"enable {WATCH.name}"]


def test_addresses_that_stay_reachable_are_refused_with_reasons(tmp_path):
    host = Machine(tmp_path, "nft", "systemctl")
    host.lay("/etc/resolv.conf", "nameserver 203.0.113.53\n")
    host.lay("/etc/apt/sources.list", "deb http://deb.example.org/ x main\n")
    host.lay("/proc/self/environ", "SSH_CONNECTION=203.0.113.5 50000 192.0.2.2 2222\0")
    host.lay(TRACE, "2026-11-25T08:00:00Z unreached 0 0\n")
    assert enforced(host, exceptions=[{"waiver": "w1", "users": ["nobody-here"]}]).refused == [
        Refusal("firewall/telegram", "203.0.113.80", "package source deb.example.org: stays reachable"),
        Refusal("firewall/telegram", "203.0.113.53", "resolver: stays reachable for name resolution"),
        Refusal(
            *("firewall/telegram", "203.0.113.5"),
            "this run is controlled from there: what comes in to port 2222 stays up, nothing goes out",
        ),
        Refusal(
            *("firewall/telegram", "user:nobody-here"), "no such user on this host: the waiver lets nobody through here"
        ),
        Refusal(
            *("firewall/boot", WHERE),
            "the last change was taken back at 2026-11-25T08:00:00Z, because no controller reached this host over a new"
            " connection in time; tried again",
        ),
    ]
    assert host.ran == ["getent ahosts deb.example.org"]


def test_lifting_takes_all_of_it_away(tmp_path):
    host = Machine(tmp_path, "nft", "systemctl")
    host.whole(TEXT)
    host.lay(BESIDE, "[Service]\n")
    host.lay(loaded_state.STATE, "x")
    host.lay(TRACE, "x")
    changes = firewall.lift(host, {"controls": {}})
    assert changes.refused == []
    assert steps(changes) == [
        ("forget unconfirmed changes", "", ""),
        (f"disable {WATCH.name}", WATCH.text, ""),
        (f"disable {LOAD.name}", LOAD.text, ""),
        (f"delete {WHERE}", SHOWN, ""),
        (f"delete {BOOT_FILE}", TEXT, ""),
        (f"delete {PROGRAM}", boot.program_text(), ""),
        (f"delete {loaded_state.STATE}", "", ""),
    ]
    for action in changes.actions:
        action.apply()
    assert f"{NFT} delete table {WHERE}" in host.ran
    ours = (BOOT_FILE, PROGRAM, TRACE, loaded_state.STATE, BESIDE, LOAD.path, LOAD.enabled, WATCH.path)
    assert [path for path in ours if host.stat(path)] == []


def test_empty_program_folder_is_deleted(tmp_path):
    host = Machine(tmp_path, "nft", "systemctl")
    host.make_directories(PROGRAM.rpartition("/")[0])
    changes = firewall.lift(host, {"controls": {}})
    assert steps(changes) == [(f"delete {PROGRAM}", "", "")]
    changes.actions[0].apply()
    assert firewall.lift(host, {"controls": {}}).actions == []
