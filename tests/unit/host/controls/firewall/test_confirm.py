"""New rules are tried out, and kept only where they are confirmed: on a made tree, with recorded tools."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from patience import LONGEST, until
from proscribe.host.controls.base import Action, Changes
from proscribe.host.controls.firewall import boot, confirm, listing, loading, pending, program
from proscribe.host.system import ControlError, Host, Result

TEXT = "table inet proscribe {\n}\n"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()
LIVE = "table inet proscribe {\n\tcounter refused_telegram {\n\t\tpackets 5 bytes 300\n\t}\n}\n"
HOUR = 3600


class TrialHost(Host):
    """A made tree that systemd runs, whose tools do nothing and succeed, but for `fails` (the first word that does)."""

    def __init__(self, root: Path, *, systemd: bool = True, fails: str = "", live: str = LIVE) -> None:
        super().__init__(str(root), self.answer)
        self.fails, self.live = fails, live
        self.ran: list[list[str]] = []
        self.sent = ["192.0.2.1 9", "192.0.2.53 53"]
        self.lay("/proc/uptime", "1000.5 900.0\n")
        self.lay("/usr/sbin/nft", "").chmod(0o755)
        self.lay(program.PATH, boot.program_text()).chmod(program.MODE)
        if systemd:
            self.lay("/usr/sbin/systemctl", "").chmod(0o755)
            self.path("/run/systemd/system").mkdir(parents=True)

    @property
    def privileged(self) -> bool:
        return True

    def path(self, path: str) -> Path:
        return Path(self.root, path.lstrip("/"))

    def lay(self, path: str, text: str) -> Path:
        real = self.path(path)
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(text)
        return real

    def answer(self, argv: list[str], **options: Any) -> Result:
        self.ran.append(list(argv))
        if self.fails and self.fails in argv:
            return Result(1, "", "no")
        if argv[1:2] == ["list"]:
            return Result(0 if self.live else 1, self.live, "" if self.live else "No such file or directory")
        if argv[:2] == [program.PATH, "take-back"]:
            self.path(f"{program.RUN}/pending-{argv[2]}").unlink()
        return Result(0, "\n".join(self.sent) if "-c" in argv and argv[1] == "-I" else "", "")

    def commands(self, tool: str) -> list[list[str]]:
        return [argv for argv in self.ran if argv[0].endswith(tool)]

    def names(self) -> list[str]:
        return self.list(program.RUN)


@pytest.fixture(autouse=True)
def routes(monkeypatch: pytest.MonkeyPatch) -> None:
    resolvers = ["192.0.2.53", "a.name.that.is.no.address"]
    monkeypatch.setattr(confirm.management_exemptions, "gateways", lambda host: ["192.0.2.1"])
    monkeypatch.setattr(confirm.management_exemptions, "resolvers", lambda host: resolvers)


def load(host: Host, confirmed: bool = False) -> loading.Load:
    return loading.Load(host, "/usr/sbin/nft", listing.Observed({}, {}), TEXT, confirmed)


def trying(host: Host, changes: Changes, **settings: int) -> Any:
    return confirm.trying(host, {"controls": {"firewall": {"settings": settings}}})(changes)


def changes_with(apply: Any, did: list[str]) -> Changes:
    def noted(name: str) -> Action:
        return Action("write", name, lambda: did.append(name))

    return Changes([noted("before"), Action("load", listing.WHERE, apply), noted("after")])


@pytest.mark.parametrize(("settings", "within"), [({}, 60), ({"confirm_within": 90}, 90)])
def test_new_rules_are_armed_and_neither_loaded_nor_kept(tmp_path: Path, settings: dict[str, int], within: int) -> None:
    host, did = TrialHost(tmp_path), list[str]()
    answer = trying(host, changes_with(load(host), did), **settings)
    token = answer["pending"]["token"]
    assert answer == {"pending": {"token": token, "within": within}}
    assert did == ["before"]
    assert [argv[1:] for argv in host.commands("nft") if "-f" in argv] == [["-c", "-f", "-"]] * 2
    timer, trial = host.commands("systemd-run")
    assert [f"--unit=proscribe-rollback-{token}", f"--on-active={within}"] == timer[4:6]
    assert timer[-3:] == [program.PATH, "take-back", token]
    assert trial[-4:] == [program.PATH, "try", token, str(os.getpid())]
    assert host.text(f"{program.RUN}/pending-{token}") == f"{DIGEST} {1000 + within}"
    assert host.text(program.PREVIOUS) == f"table inet proscribe\ndelete table inet proscribe\n{LIVE}"
    assert (host.text(program.DESIRED_TABLE), host.text(boot.FILE)) == (TEXT, None)


def test_it_is_for_those_who_ask_them_that_resolvers_have_to_stay_reachable(tmp_path: Path) -> None:
    host = TrialHost(tmp_path)
    candidate = load(host)
    candidate.askers = [953, 101]
    host.sent = ["192.0.2.1 9", "192.0.2.53 53 953"]
    confirm.begin(host, candidate, 60)
    assert [argv[-2:] for argv in host.commands(sys.executable)] == [host.sent]
    assert host.text(pending.METHODS) == "192.0.2.1 9\n192.0.2.53 53 953\n"


def test_without_a_table_the_way_back_leads_to_none(tmp_path: Path) -> None:
    host = TrialHost(tmp_path, live="")
    confirm.begin(host, load(host), 60)
    assert host.text(program.PREVIOUS) == "table inet proscribe\ndelete table inet proscribe\n"


def test_a_listing_that_nft_does_not_take_back_is_replaced_by_what_was_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = TrialHost(tmp_path)
    host.lay(boot.FILE, "confirmed")
    real = host.answer
    monkeypatch.setattr(
        host, "_run", lambda argv, **o: Result(1, "", "") if LIVE in (o.get("stdin") or "") else real(argv, **o)
    )
    confirm.begin(host, load(host), 60)
    assert host.text(program.PREVIOUS) == "confirmed"


def test_without_systemd_the_program_detaches_itself(tmp_path: Path) -> None:
    host = TrialHost(tmp_path, systemd=False)
    token = confirm.begin(host, load(host), 60)
    assert host.commands(program.PATH) == [
        [program.PATH, "later", "60", "take-back", token],
        [program.PATH, "later", "0", "try", token, str(os.getpid())],
    ]


@pytest.mark.parametrize("confirmed", [True, False])
def test_other_changes_are_carried_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, confirmed: bool
) -> None:
    host, did = TrialHost(tmp_path), list[str]()
    monkeypatch.setattr(loading.Load, "__call__", lambda load: did.append("load"))
    apply = load(host, confirmed=True) if confirmed else lambda: did.append("load")
    assert trying(host, changes_with(apply, did)) == {
        "left": [],
        "done": ["write before", "load inet proscribe", "write after"],
    }
    assert did == ["before", "load", "after"]


@pytest.mark.parametrize("fails", ["-c", "take-back", "try"])
def test_what_cannot_be_armed_is_not_tried(tmp_path: Path, fails: str) -> None:
    host = TrialHost(tmp_path, fails=fails)
    with pytest.raises(ControlError):
        confirm.begin(host, load(host), 60)
    assert host.names() == []


def test_one_change_at_a_time(tmp_path: Path) -> None:
    host = TrialHost(tmp_path)
    confirm.begin(host, load(host), 60)
    with pytest.raises(ControlError, match="another run's change"):
        confirm.begin(host, load(host), 60)


def test_confirmed_rules_are_kept_for_the_boot(tmp_path: Path) -> None:
    host = TrialHost(tmp_path)
    host.lay(program.TRACE, "2026-01-01T00:00:00Z unreached 0 0\n")
    token = confirm.begin(host, load(host), 60)
    host.lay(f"{program.RUN}/loaded-{token}", "")
    answer = confirm.keep(host, token)
    assert answer["actions"][:2] == ["confirm inet proscribe", f"write {boot.FILE}"]
    assert host.text(boot.FILE) == TEXT
    assert ["systemctl", "stop", f"proscribe-rollback-{token}.timer"] in host.ran
    assert (host.names(), host.stat(program.TRACE)) == ([], None)
    with pytest.raises(ControlError):
        confirm.keep(host, token)


def test_what_is_not_loaded_yet_cannot_be_confirmed(tmp_path: Path) -> None:
    """Or a question asked before the connection was cut would keep what cut it."""
    host = TrialHost(tmp_path)
    token = confirm.begin(host, load(host), 60)
    with pytest.raises(ControlError, match="not loaded yet"):
        confirm.keep(host, token)
    assert boot.pending(host) == [token]


def test_what_the_kernel_refused_is_said_and_forgotten(tmp_path: Path) -> None:
    host = TrialHost(tmp_path)
    token = confirm.begin(host, load(host), 60)
    host.lay(f"{program.RUN}/failed-{token}", "Error: conflicting\n  intervals")
    with pytest.raises(ControlError, match="not loaded: Error: conflicting intervals"):
        confirm.keep(host, token)
    assert (host.names(), host.text(boot.FILE)) == ([], None)


def test_what_was_taken_back_is_said_with_its_time(tmp_path: Path) -> None:
    host = TrialHost(tmp_path)
    host.lay(program.TRACE, f"2026-11-25T08:00:00Z unreached {DIGEST} 1060\n")
    with pytest.raises(ControlError, match="taken back at 2026-11-25T08:00:00Z, because no controller reached"):
        confirm.keep(host, "0123456789ab")


def test_rules_that_cut_the_host_off_from_its_gateway_are_taken_back_at_once(tmp_path: Path) -> None:
    host = TrialHost(tmp_path)
    token = confirm.begin(host, load(host), 60)
    host.lay(f"{program.RUN}/loaded-{token}", "")
    host.sent = ["192.0.2.53 53"]
    with pytest.raises(ControlError, match="cut this host off from 192.0.2.1 port 9"):
        confirm.keep(host, token)
    assert host.commands(program.PATH)[-1] == [program.PATH, "take-back", token, "cut"]
    assert host.text(boot.FILE) is None


@pytest.mark.parametrize(("state", "taken_back"), [(f"{DIGEST} 985", True), ("", True), (f"{DIGEST} 995", False)])
def test_a_change_that_lost_its_timer_is_taken_back_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, taken_back: bool
) -> None:
    host = TrialHost(tmp_path)
    name = host.lay(f"{program.RUN}/pending-0123456789ab", state)
    monkeypatch.setattr(time, "sleep", lambda seconds: name.unlink())  # meanwhile its controller confirmed it
    confirm.settle(host)
    assert (host.commands(program.PATH) != []) is taken_back


def moment(ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        ([], ""),
        ([(HOUR, DIGEST)], "tried again"),
        ([(3 * HOUR, DIGEST), (2 * HOUR, DIGEST), (HOUR, "0" * 64)], "tried again"),
        ([(60 * HOUR, DIGEST), (50 * HOUR, DIGEST), (25 * HOUR, DIGEST)], "tried again"),
        ([(3 * HOUR, DIGEST), (2 * HOUR, DIGEST), (HOUR, DIGEST)], None),
        ([(9 * HOUR, "0" * 64), (3 * HOUR, DIGEST), (2 * HOUR, DIGEST), (HOUR, DIGEST)], None),
    ],
)
def test_what_was_taken_back_is_tried_again_but_not_for_ever(
    tmp_path: Path, trace: list[tuple[float, str]], said: str | None
) -> None:
    host = TrialHost(tmp_path)
    host.lay(program.TRACE, "".join(f"{moment(ago)} unreached {digest} 1060\n" for ago, digest in trace))
    if said is None:
        with pytest.raises(ControlError, match="taken back 3 times in a row"):
            pending.tried_before(host, TEXT)
    else:
        reason = pending.tried_before(host, TEXT)
        assert reason.endswith(said)
        assert bool(reason) == bool(trace)


def test_lifting_forgets_what_was_pending(tmp_path: Path) -> None:
    host = TrialHost(tmp_path)
    token = confirm.begin(host, load(host), 60)
    changes = loading.lift(host)
    assert str(changes.actions[0]) == "forget unconfirmed changes"
    changes.actions[0].apply()
    assert (host.names(), boot.pending(host)) == ([], [])
    assert ["systemctl", "stop", f"proscribe-rollback-{token}.timer"] in host.ran


# -- the program that stays on the host, run by the real sh with an nft that only notes how it is called ---------------


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    """The program, in a tree of its own."""
    for directory in ("bin", "run", "state"):
        (tmp_path / directory).mkdir()
    nft = tmp_path / "bin/nft"
    nft.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/called\n! grep -qs broken "$2"\n')
    nft.chmod(0o755)
    text = boot.program_text().replace("PATH=", f"PATH={tmp_path}/bin:")
    text = text.replace(program.RUN, f"{tmp_path}/run").replace(program.TRACE, f"{tmp_path}/state/trace")
    path = tmp_path / "program"
    path.write_text(text)
    path.chmod(0o700)
    return path


def call(placed: Path, *words: str) -> list[str]:
    subprocess.run([str(placed), *words], check=True, timeout=LONGEST)
    called = placed.parent / "called"
    return called.read_text().splitlines() if called.exists() else []


def test_a_change_is_taken_back_once_and_leaves_a_trace(placed: Path) -> None:
    run = placed.parent / "run"
    for name in ("pending-t0", "candidate.nft", "previous.nft", "loaded-t0"):
        (run / name).write_text(f"{DIGEST} 1060")
    assert call(placed, "take-back", "t0") == [f"-f {run}/previous.nft"]
    assert list(run.iterdir()) == []
    words = (placed.parent / "state/trace").read_text().split()
    assert words[1:] == ["unreached", DIGEST, "1060"]
    assert len(call(placed, "take-back", "t0")) == 1


def test_a_confirmed_change_is_not_taken_back(placed: Path) -> None:
    (placed.parent / "run/previous.nft").touch()
    assert call(placed, "take-back", "t0") == []
    assert not (placed.parent / "state/trace").exists()


def test_where_the_previous_table_does_not_load_any_more_the_host_is_opened(placed: Path) -> None:
    run = placed.parent / "run"
    (run / "pending-t0").touch()
    (run / "previous.nft").write_text("broken")
    assert call(placed, "take-back", "t0") == [f"-f {run}/previous.nft", "delete table inet proscribe"]


@pytest.mark.slow
@pytest.mark.parametrize(("candidate", "outcome"), [("good", "loaded-t0"), ("broken", "failed-t0")])
def test_a_candidate_is_loaded_once_the_module_has_ended(placed: Path, candidate: str, outcome: str) -> None:
    run = placed.parent / "run"
    (run / "pending-t0").touch()
    (run / "candidate.nft").write_text(candidate)
    module = subprocess.Popen(["sleep", "1"])
    started = time.monotonic()
    trial = subprocess.Popen([str(placed), "try", "t0", str(module.pid)])
    module.wait()
    assert trial.wait(LONGEST) == 0
    assert time.monotonic() - started > 1
    assert (run / outcome).exists()


def test_the_program_detaches_itself(placed: Path) -> None:
    run = placed.parent / "run"
    (run / "pending-t0").touch()
    sleep = placed.parent / "bin/sleep"
    sleep.write_text(f"#!/bin/sh\nuntil test -e {run}/time-is-up; do /bin/sleep 0.05; done\n")
    sleep.chmod(0o755)
    call(placed, "later", "1", "take-back", "t0")
    assert (run / "pending-t0").exists()
    (run / "time-is-up").touch()
    until(lambda: not (run / "pending-t0").exists())
