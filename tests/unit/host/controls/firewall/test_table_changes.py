"""Enforcing and lifting the firewall, step by step."""

from pathlib import Path
from typing import Any

import pytest
from file_hosts import apply
from firewall_hosts import BOOT_FILE, NFT, PROGRAM, TRACE, WHERE, FirewallHost, make_section
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import boot_units, loaded_state
from proscribe.host.controls.firewall.rule_syntax import FirewallExemptions
from proscribe.host.controls.firewall.ruleset import render_ruleset
from proscribe.host.system import Host, ToolResult
from recording import compare

LOAD, WATCH = boot_units.make_units(NFT)
BESIDE = f"/etc/systemd/system/{WATCH.name}.d/own.conf"


@pytest.fixture
def host(tmp_path):
    return FirewallHost(tmp_path, "nft", "systemctl")


def section(**service: Any) -> dict[str, Any]:
    return make_section({"telegram": {"networks": ["203.0.113.0/24"], **service}})


TEXT = render_ruleset(section(), FirewallExemptions())
RECORDED = Path(__file__).parents[3] / "recorded/controls/firewall"


def enforced(host: Host, **service: Any) -> Any:
    return firewall.enforce(host, {"controls": {"firewall": section(**service)}})


def names(changes: Any) -> list[str]:
    return [str(action) for action in changes.actions]


def carried_out(host: FirewallHost, changes: Any, whole: bool = False) -> str:
    """Carry changes out. Return each as a diff (of texts that are long, the number of lines), and the commands."""
    assert changes.refusals == []
    host.ran.clear()
    lines = []
    for action in changes.actions:
        lines.append(f"{action}:")
        for sign, text in (("-", action.before), ("+", action.after)):
            said = text.splitlines() if PROGRAM not in str(action) else ["the program"] * bool(text)
            few = said if len(said) < 5 or (whole and BOOT_FILE not in str(action)) else [f"{len(said)} lines"]
            lines += [f"  {sign} {line}".rstrip() for line in few]
    apply(changes)
    return "".join(f"{line}\n" for line in [*lines, *(" ".join(["$", *argv]) for argv in host.ran)])


def test_host_without_files_gets_all_of_them(host):
    compare(RECORDED / "steps_made.txt", carried_out(host, enforced(host), whole=True))
    modes = {path: host.path(path).stat().st_mode & 0o777 for path in (PROGRAM, BOOT_FILE, LOAD.path, WATCH.path)}
    assert modes == {PROGRAM: 0o700, BOOT_FILE: 0o600, LOAD.path: 0o644, WATCH.path: 0o644}


def test_host_with_all_files_is_left_alone(host):
    host.lay_whole(TEXT)
    assert enforced(host) == ([], [], False, (), None, None, ())
    host.answers["is-active"] = ToolResult(3, "", "")
    assert names(enforced(host)) == [f"start {LOAD.name}", f"start {WATCH.name}"]
    host.path("/run/systemd/system").rmdir()
    assert enforced(host).actions == []


def test_changed_files_are_restored_and_the_watcher_restarted(host):
    host.lay_whole(TEXT)
    host.lay(PROGRAM, "old", 0o700)
    host.lay(BESIDE, "[Service]\n")
    host.lay(LOAD.path, "other")
    compare(RECORDED / "steps_corrected.txt", carried_out(host, enforced(host)))
    assert (host.find_entry(BESIDE), enforced(host).actions) == (None, [])
    host.delete_file(WATCH.enabled_link)
    assert names(enforced(host)) == [f"enable {WATCH.name}"]


def test_addresses_that_stay_reachable_are_refused_with_reasons(host):
    host.answers["getent"] = ToolResult(0, "203.0.113.80 STREAM x\n203.0.113.80 DGRAM\n\n192.0.2.80 STREAM\n", "")
    host.lay("/etc/resolv.conf", "nameserver 203.0.113.53\n")
    host.lay("/etc/apt/sources.list", "deb http://deb.example.org/ x main\n")
    host.lay("/proc/self/environ", "SSH_CONNECTION=203.0.113.5 50000 192.0.2.2 2222\0")
    host.lay(TRACE, "2026-11-25T08:00:00Z unreached 0 0\n")
    refused = enforced(host, exceptions=[{"waiver": "w1", "users": ["nobody-here"]}]).refusals
    assert [(refusal.rule, refusal.subject) for refusal in refused] == [
        *(("firewall/telegram", subject) for subject in ("203.0.113.80", "203.0.113.53", "203.0.113.5")),
        *(("firewall/telegram", "user:nobody-here"), ("firewall/boot", WHERE)),
    ]
    words = ["package source deb.example.org", "resolver", "to port 2222 stays up", "no such user", "T08:00:00Z"]
    assert [word in refusal.reason for word, refusal in zip(words, refused)] == [True] * 5
    assert refused[-1].reason.endswith("tried again")
    assert [argv for argv in host.ran if argv[0] == "getent"] == [["getent", "ahosts", "deb.example.org"]]


def test_lifting_takes_all_of_it_away(host):
    host.lay_whole(TEXT)
    host.lay(BESIDE, "[Service]\n")
    host.lay(loaded_state.STATE_PATH, "x")
    host.lay(TRACE, "x")
    compare(RECORDED / "steps_lifted.txt", carried_out(host, firewall.lift(host, {"controls": {}})))
    ours = (BOOT_FILE, PROGRAM, TRACE, loaded_state.STATE_PATH, BESIDE, LOAD.path, LOAD.enabled_link, WATCH.path)
    assert [path for path in ours if host.find_entry(path)] == []


def test_empty_program_folder_is_deleted(host):
    host.make_directories(PROGRAM.rpartition("/")[0])
    changes = firewall.lift(host, {"controls": {}})
    assert names(changes) == [f"delete {PROGRAM}"]
    apply(changes)
    assert firewall.lift(host, {"controls": {}}).actions == []
