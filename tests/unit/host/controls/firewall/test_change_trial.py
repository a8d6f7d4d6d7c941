"""The trial of new rules, which stay only if they are confirmed."""

import contextlib
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from firewall_hosts import BOOT_FILE, CHANGE_FOLDER, NFT, PROGRAM, TRACE, WATCH_UNIT, FirewallHost
from proscribe.host.controls.base import Changes, ControlAction
from proscribe.host.controls.firewall import (
    boot_units,
    change_trial,
    loaded_state,
    pending_change,
    table_changes,
    table_listing,
)
from proscribe.host.programs import SEND
from proscribe.host.system import ControlError, Host, RulesetGeneration, ToolResult

TEXT = "table inet proscribe {\n}\n"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()
LIVE = "table inet proscribe {\n\tcounter refused_telegram {\n\t\tpackets 5 bytes 300\n\t}\n}\n"
HOUR, TOKEN = 3600, "0123456789ab"
BOTH = ["192.0.2.1 9", "192.0.2.53 53"]
STOP = ["systemctl", "stop", f"proscribe-rollback-{TOKEN}.timer"]
FAILED = ToolResult(1, "", "no")


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "urandom", lambda size: bytes.fromhex(TOKEN[: 2 * size]))
    host = FirewallHost(tmp_path, "nft", "systemctl", table=LIVE)
    # what the gateways and resolvers were sent
    host.answers |= {"is-active": ToolResult(0, "", ""), "-I": ToolResult(0, "\n".join(BOTH), "")}
    host.lay("/proc/uptime", "1000.5 900.0\n")
    host.lay(PROGRAM, boot_units.render_firewall_program(), 0o700)
    return host


@pytest.fixture(autouse=True)
def routes(monkeypatch):
    resolvers = ["192.0.2.53", "a.name.that.is.no.address"]
    monkeypatch.setattr(change_trial.management_exemptions, "read_gateways", lambda host: ["192.0.2.1"])
    monkeypatch.setattr(change_trial.management_exemptions, "read_resolvers", lambda host: resolvers)


def load(host: Host, confirmed: bool = False) -> table_changes.TableLoad:
    return table_changes.TableLoad(host, "/usr/sbin/nft", table_listing.FirewallObservation({}, {}), TEXT, confirmed)


def begin(host: FirewallHost, loaded: bool = True) -> None:
    change_trial.begin_trial(host, load(host), 60)
    if loaded:
        host.lay(f"{CHANGE_FOLDER}/loaded-{TOKEN}")


def commands(host: FirewallHost, tool: str) -> list[list[str]]:
    return [argv for argv in host.ran if argv[0].endswith(tool)]


def trying(host: Host, changes: Changes, **settings: int) -> Any:
    return change_trial.make_trial_application(host, {"controls": {"firewall": {"settings": settings}}})(changes)


def changes_with(apply: Any, did: list[str]) -> Changes:
    def noted(name: str) -> ControlAction:
        return ControlAction("write", name, lambda: did.append(name))

    return Changes([noted("before"), ControlAction("load", table_listing.TABLE_PATH, apply), noted("after")])


@pytest.mark.parametrize(("settings", "within"), [({}, 60), ({"confirm_within": 90}, 90)])
def test_new_rules_are_armed_and_neither_loaded_nor_kept(host, settings, within):
    did = list[str]()
    assert trying(host, changes_with(load(host), did), **settings) == {"pending": {"token": TOKEN, "within": within}}
    assert did == ["before"]
    assert [argv[1:] for argv in commands(host, "nft") if "-f" in argv] == [["-c", "-f", "-"]] * 2
    assert [NFT, "list", "table", "inet", "proscribe"] in host.ran
    run, end = ["systemd-run", "--quiet", "--collect", "--no-block"], [TOKEN, str(os.getpid())]
    timer = [f"--unit=proscribe-rollback-{TOKEN}", f"--on-active={within}", "--timer-property=AccuracySec=100ms"]
    assert commands(host, "systemd-run") == [
        [*run, *timer, PROGRAM, "take-back", TOKEN],
        [*run, f"--unit=proscribe-try-{TOKEN}", PROGRAM, "try", *end],
    ]
    assert host.read_text(f"{CHANGE_FOLDER}/pending-{TOKEN}") == f"{DIGEST} {1000 + within}"
    expected = f"table inet proscribe\ndelete table inet proscribe\n{LIVE}"
    assert host.read_text(f"{CHANGE_FOLDER}/previous.nft") == expected
    assert (host.read_text(f"{CHANGE_FOLDER}/wanted.nft"), host.read_text(BOOT_FILE)) == (TEXT, None)
    assert {path.stat().st_mode & 0o777 for path in host.path(CHANGE_FOLDER).iterdir()} == {0o600}


def test_without_a_table_the_way_back_leads_to_none(host):
    host.answers["list"] = ToolResult(1, "", "No such file or directory")
    begin(host)
    assert host.read_text(f"{CHANGE_FOLDER}/previous.nft") == "table inet proscribe\ndelete table inet proscribe\n"


def test_without_systemd_the_program_detaches_itself(host):
    host.path("/usr/sbin/systemctl").unlink()
    host.path("/run/systemd/system").rmdir()
    begin(host)
    assert commands(host, PROGRAM) == [
        [PROGRAM, "later", "60", "take-back", TOKEN],
        [PROGRAM, "later", "0", "try", TOKEN, str(os.getpid())],
    ]


@pytest.mark.parametrize("confirmed", [True, False])
def test_other_changes_are_carried_out_at_once(host, monkeypatch, confirmed):
    did = list[str]()
    monkeypatch.setattr(table_changes.TableLoad, "__call__", lambda load: did.append("load"))
    apply = load(host, confirmed=True) if confirmed else lambda: did.append("load")
    done = ["write before", "load inet proscribe", "write after"]
    assert trying(host, changes_with(apply, did)) == {"left": [], "done": done}
    assert did == ["before", "load", "after"]


def test_second_unconfirmed_change_is_refused(host):
    begin(host)
    with pytest.raises(ControlError, match="another run's change"):
        begin(host)


def cut_off(host: FirewallHost) -> None:
    host.lay(f"{CHANGE_FOLDER}/loaded-{TOKEN}")
    host.answers["-I"] = ToolResult(0, "192.0.2.53 53", "")


def fail(host: FirewallHost) -> None:
    host.lay(f"{CHANGE_FOLDER}/failed-{TOKEN}", "a" * 400 + " b\n c")


def take_back(host: FirewallHost) -> None:
    host.lay(f"{CHANGE_FOLDER}/loaded-{TOKEN}")
    host.rename_file = lambda path, name: False  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("event", "why", "command"),
    [
        # Or a question asked before the connection was cut would keep what cut it.
        (lambda host: None, "not loaded yet", []),
        (cut_off, "cut this host off from 192.0.2.1 port 9", [PROGRAM, "take-back", TOKEN, "cut"]),
        (fail, f"^the new rules were not loaded: {'a' * 296} b c$", STOP),
        (take_back, "the new rules were taken back meanwhile", []),
    ],
)
def test_change_that_is_not_in_effect_is_not_kept(host, event, why, command):
    begin(host, loaded=False)
    event(host)
    with pytest.raises(ControlError, match=why):
        change_trial.confirm_trial(host, TOKEN)
    assert host.read_text(BOOT_FILE) is None
    assert ([] if command else [TOKEN], command in [[], *host.ran]) == (boot_units.list_pending_tokens(host), True)


def moment(ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        ([], ""),
        ([(HOUR, DIGEST)], "tried again"),
        ([(3 * HOUR, DIGEST), (2 * HOUR, DIGEST), (HOUR, "0" * 64)], "tried again"),
        ([(3 * HOUR, DIGEST), (2 * HOUR, DIGEST), (HOUR, DIGEST)], None),
        ([(99 * HOUR, DIGEST), (98 * HOUR, DIGEST), (23 * HOUR, DIGEST)], None),
        ([(99 * HOUR, DIGEST), (98 * HOUR, DIGEST), (25 * HOUR, DIGEST)], "tried again"),  # a day has passed
    ],
)
def test_change_taken_back_is_tried_three_times(host, trace, said):
    host.lay(TRACE, "".join(f"{moment(ago)} unreached {digest} 1060\n" for ago, digest in trace))
    if said is None:
        with pytest.raises(ControlError, match="taken back 3 times in a row"):
            pending_change.check_earlier_reverts(host, TEXT)
    else:
        reason = pending_change.check_earlier_reverts(host, TEXT)
        assert reason.endswith(said) and bool(reason) == bool(trace)


def test_lifting_forgets_what_was_pending(host):
    begin(host, loaded=False)
    changes = table_changes.lift_firewall(host)
    assert str(changes.actions[0]) == "forget unconfirmed changes"
    changes.actions[0].apply()
    assert (host.list_directory(CHANGE_FOLDER), boot_units.list_pending_tokens(host), host.ran[-1]) == ([], [], STOP)


def test_without_a_gateway_nobody_is_asked(host, monkeypatch):
    for name in ("read_gateways", "read_resolvers"):
        monkeypatch.setattr(change_trial.management_exemptions, name, lambda host: [])
    begin(host)
    assert host.read_text(pending_change.ROUTES_PATH) == "" and commands(host, sys.executable) == []


@pytest.mark.parametrize("fails", ["take-back", "try"])
def test_change_without_a_timer_or_trial_is_given_up(host, fails):
    host.answers[fails] = FAILED
    with pytest.raises(ControlError):
        begin(host)
    assert (host.ran[-1], host.list_directory(CHANGE_FOLDER), boot_units.list_pending_tokens(host)) == (STOP, [], [])


@pytest.mark.parametrize("right", [True, False])
def test_confirmed_change_is_stored_for_the_boot(host, monkeypatch, right):
    host.generation = RulesetGeneration(4, "here")
    begin(host)
    host.lay(TRACE, "2026-01-01T00:00:00Z unreached 0 0\n")
    host.lay(loaded_state.STATE_PATH, "an earlier one")
    host.ran.clear()
    host.answers["list"] = ToolResult(0, TEXT if right else LIVE, "")
    units = [word for unit in boot_units.make_units(NFT) for word in (f"write {unit.path}", f"enable {unit.name}")]
    answer = change_trial.confirm_trial(host, TOKEN)
    actions = ["confirm inet proscribe", f"write {BOOT_FILE}", *units, f"restart {WATCH_UNIT}"]
    assert answer == {"changed": True, "actions": actions, "refused": [], "findings": [], "diff": []}
    assert host.ran[:2] == [[sys.executable, "-I", "-S", "-c", SEND, *BOTH], STOP]
    assert (host.read_text(BOOT_FILE), loaded_state.is_table_unchanged(host, TEXT)) == (TEXT, right)
    assert (host.list_directory(CHANGE_FOLDER), host.find_entry(TRACE)) == ([], None)
    assert host.read_text(loaded_state.STATE_PATH) != "an earlier one"
    with pytest.raises(ControlError):
        change_trial.confirm_trial(host, TOKEN)


@pytest.mark.parametrize(("state", "taken_back"), [(f"{DIGEST} 990", False), (f"{DIGEST} 989", True), ("x", True)])
def test_change_without_a_timer_is_taken_back(host, monkeypatch, state, taken_back):
    name = host.lay(f"{CHANGE_FOLDER}/pending-{TOKEN}", state)
    monkeypatch.setattr(change_trial.time, "sleep", lambda seconds: name.unlink())
    change_trial.wait_for_pending_change(host)
    assert host.ran == ([[PROGRAM, "take-back", TOKEN], STOP] if taken_back else [])


@pytest.mark.parametrize(("others", "done"), [(5, True), (6, False)])
def test_others_may_come_first_but_not_for_ever(host, others, done):
    outcomes = [*[change_trial.PendingChangeError("another run")] * others, {"changed": True}]

    def work() -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, change_trial.PendingChangeError):
            raise outcome
        return outcome

    with contextlib.nullcontext() if done else pytest.raises(change_trial.PendingChangeError):
        assert change_trial.run_without_pending_change(host, work) == {"changed": True}
    assert len(outcomes) == (0 if done else 1)


@pytest.fixture
def placed(tmp_path):
    """Put the program into a tree of its own, with an nft that does not load what has the word broken."""
    for directory in ("bin", "run", "state"):
        (tmp_path / directory).mkdir()
    nft = tmp_path / "bin/nft"
    nft.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/called\n! grep -qs broken "$2"\n')
    nft.chmod(0o755)
    text = boot_units.render_firewall_program().replace("PATH=", f"PATH={tmp_path}/bin:")
    path = tmp_path / "program"
    path.write_text(text.replace(CHANGE_FOLDER, f"{tmp_path}/run").replace(TRACE, f"{tmp_path}/state/trace"))
    path.chmod(0o700)
    return path


def call(placed: Path, *words: str) -> list[str]:
    subprocess.run([str(placed), *words], check=True, timeout=60)
    called = placed.parent / "called"
    return called.read_text().splitlines() if called.exists() else []


def test_change_is_taken_back_once_with_a_trace(placed):
    run = placed.parent / "run"
    (run / "previous.nft").touch()
    assert call(placed, "take-back", "t0") == []  # it was confirmed
    assert not (placed.parent / "state/trace").exists()
    for name in ("pending-t0", "wanted.nft", "previous.nft", "loaded-t0"):
        (run / name).write_text(f"{DIGEST} 1060")
    assert call(placed, "take-back", "t0") == [f"-f {run}/previous.nft"] and list(run.iterdir()) == []
    assert (placed.parent / "state/trace").read_text().split()[1:] == ["unreached", DIGEST, "1060"]
    assert len(call(placed, "take-back", "t0")) == 1


def test_host_is_opened_where_the_previous_table_does_not_load(placed):
    run = placed.parent / "run"
    (run / "pending-t0").touch()
    (run / "previous.nft").write_text("broken")
    assert call(placed, "take-back", "t0") == [f"-f {run}/previous.nft", "delete table inet proscribe"]
