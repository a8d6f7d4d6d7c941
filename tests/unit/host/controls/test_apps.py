"""The three verbs of the control `apps` on a made tree: verdicts, the order of actions, the gate, refusals, failure."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from made_host import TOR, WECHAT, MadeHost, carry_out, evidence, plan, states
from proscribe.host.controls import apps
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.observed import observe_apps
from proscribe.host.controls.apps.systems import dpkg, installed
from proscribe.host.controls.apps.systems.package import Block
from proscribe.host.system import ControlError, Unseen

GATE = [file.path for file in dpkg.block_parts(Block())[:5]]


class TestRemembering:
    """dpkg is queried again only where its database has changed, or where everything is observed anew."""

    QUERY = "dpkg-query -W"

    @pytest.fixture
    def host(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeHost:
        host = MadeHost(tmp_path)
        host.packages["wechat"] = "ii"
        (tmp_path / "var/lib/dpkg/updates").mkdir()
        monkeypatch.setattr(installed, "SETTLED", -(10**10))
        return host

    @staticmethod
    def audit(host: MadeHost, of: dict[str, Any], saves: bool = True) -> tuple[bool, str]:
        """Whether dpkg was asked, and what is said of wechat."""
        host.calls.clear()
        host.state_savers.clear()
        state = states(host, of)["apps/wechat"]
        for keep in host.state_savers if saves else ():
            keep(True)
        return any(call.startswith(TestRemembering.QUERY) for call in host.calls), state

    def test_an_unchanged_database_is_not_asked_again(self, host: MadeHost) -> None:
        (Path(host.root) / "var/lib/dpkg/info/wechat.list").write_text("/opt/wechat/wechat\n")
        first = evidence(host, plan(wechat=WECHAT, tor=TOR), "apps/wechat")
        assert self.audit(host, plan(wechat=WECHAT, tor=TOR)) == (True, "noncompliant")
        assert self.audit(host, plan(wechat=WECHAT, tor=TOR)) == (False, "noncompliant")
        assert evidence(host, plan(wechat=WECHAT, tor=TOR), "apps/wechat") == first

    @pytest.mark.parametrize(
        "change",
        [
            lambda dpkg: os.replace(dpkg / "new", dpkg / "status"),
            lambda dpkg: (dpkg / "status").write_text("more"),
            lambda dpkg: (dpkg / "updates/0000").touch(),
            lambda dpkg: os.utime(dpkg / "status", ns=(1, 1)),
        ],
    )
    def test_a_changed_one_is(self, host: MadeHost, change: Callable[[Path], Any]) -> None:
        dpkg = Path(host.root) / "var/lib/dpkg"
        (dpkg / "new").write_text("")
        self.audit(host, plan(wechat=WECHAT, tor=TOR))
        host.packages["wechat"] = "rc"
        change(dpkg)
        assert self.audit(host, plan(wechat=WECHAT, tor=TOR)) == (True, "compliant")

    def test_so_is_one_for_other_names_and_one_that_changed_just_now(
        self, host: MadeHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.audit(host, plan(wechat=WECHAT, tor=TOR))
        more = {"packages": {"apt": ["signal-desktop"]}}
        assert self.audit(host, plan(wechat=WECHAT, tor=TOR, signal=more))[0]
        monkeypatch.setattr(installed, "SETTLED", 10**12)
        assert [self.audit(host, plan(wechat=WECHAT, tor=TOR))[0] for _ in range(2)] == [True, True]

    def test_what_an_audit_saw_is_not_remembered_and_a_full_look_asks(self, host: MadeHost) -> None:
        of = plan(wechat=WECHAT, tor=TOR)
        assert [self.audit(host, of, saves=False)[0] for _ in range(2)] == [True, True]
        of["controls"]["apps"]["settings"]["full_scan_every"] = 2
        assert [self.audit(host, of)[0] for _ in range(5)] == [True, False, True, False, True]


def tree(root: str) -> dict[str, tuple[int, str]]:
    paths = [path for path in sorted(Path(root).rglob("*")) if "proc" not in path.parts]
    return {str(p): (p.lstat().st_mode, p.read_text() if p.is_file() and not p.is_symlink() else "") for p in paths}


class TestTheWholeWay:
    def test_audit_enforce_audit_enforce_lift(self, host: MadeHost) -> None:
        host.packages = {"wechat": "ii", "weechat": "ii"}
        host.program(7, "/opt/wechat/wechat")
        before = tree(host.root)
        assert states(host, plan(wechat=WECHAT)) == {
            "apps/wechat": "noncompliant",
            "apps/reinstall-gate": "noncompliant",
        }
        assert tree(host.root) == before

        made = apps.enforce(host, plan(wechat=WECHAT))
        assert [str(a) for a in made.actions] == [
            "end wechat of alice (pid 7)",
            "remove wechat",
            *(f"write {path}" for path in GATE),
        ]
        assert tree(host.root) == before  # nothing is done before the actions are carried out
        carry_out(made.actions)
        assert host.packages == {"wechat": "rc", "weechat": "ii"}
        assert states(host, plan(wechat=WECHAT)) == {"apps/wechat": "compliant", "apps/reinstall-gate": "compliant"}
        assert not any(apps.enforce(host, plan(wechat=WECHAT))[:2])

        lifted = apps.lift(host, plan(wechat=WECHAT))
        assert [str(a) for a in lifted.actions] == [f"delete {path}" for path in reversed(GATE)]
        carry_out(lifted.actions)
        assert tree(host.root) == before
        assert apps.lift(host, plan(wechat=WECHAT)).actions == []

    def test_lifting_leaves_files_of_others_alone(self, host: MadeHost) -> None:
        theirs = [Path(host.root + path) for path in ("/etc/dpkg/dpkg.cfg.d/theirs", "/etc/proscribe/note")]
        carry_out(apps.enforce(host, plan(wechat=WECHAT)).actions)
        for path in theirs:
            path.write_text("theirs")
        carry_out(apps.lift(host, plan(wechat=WECHAT)).actions)
        assert [path.read_text() for path in theirs] == ["theirs", "theirs"]

    def test_lifting_a_host_that_was_never_enforced_is_nothing_to_do(self, host: MadeHost) -> None:
        host.packages = {"wechat": "ii"}
        assert not any(apps.lift(host, plan(wechat=WECHAT))[:2])

    def test_a_control_that_only_audits_wants_no_gate(self, host: MadeHost) -> None:
        host.packages = {"wechat": "ii"}
        assert states(host, plan("audit", wechat=WECHAT)) == {"apps/wechat": "noncompliant"}
        assert not any(verdict.drifted for verdict in apps.observe(host, plan("audit", wechat=WECHAT)))

    def test_a_host_without_dpkg_wants_no_gate(self, host: MadeHost) -> None:
        os.unlink(host.root + "/var/lib/dpkg/status")
        assert states(host, plan(wechat=WECHAT)) == {"apps/wechat": "compliant"}
        assert apps.enforce(host, plan(wechat=WECHAT)).actions == []


class TestModes:
    @pytest.mark.parametrize(
        ("entry", "state"),
        [
            ({"mode": "waived", "waiver": "w1"}, "waived"),
            ({"mode": "upcoming", "effective_from": "2030-01-01"}, "not_applicable"),
            ({"mode": "report"}, "not_applicable"),
        ],
    )
    def test_what_is_not_enforced_is_seen_and_neither_removed_nor_gated(
        self, host: MadeHost, entry: dict[str, str], state: str
    ) -> None:
        host.packages = {"wechat": "ii"}
        host.program(7, "/opt/wechat/wechat")
        of = plan(wechat={**WECHAT, **entry})
        assert states(host, of) == {"apps/wechat": state}
        assert [kind for kind, *_ in evidence(host, of, "apps/wechat")] == ["package", "process"]
        assert not any(apps.enforce(host, of)[:2])

    def test_a_waiver_granted_later_takes_the_name_off_the_gate(self, host: MadeHost) -> None:
        both = {"wechat": WECHAT, "qq": {"packages": {"apt": ["linuxqq"]}}}
        carry_out(apps.enforce(host, plan(**both)).actions)
        both["wechat"] = {**WECHAT, "mode": "waived", "waiver": "w1"}
        assert states(host, plan(**both))["apps/reinstall-gate"] == "noncompliant"
        carry_out(apps.enforce(host, plan(**both)).actions)
        assert (host.text(dpkg.LIST) or "").splitlines()[1:] == ["linuxqq"]

    def test_a_gate_with_nothing_left_to_refuse_goes(self, host: MadeHost) -> None:
        before = tree(host.root)
        carry_out(apps.enforce(host, plan(wechat=WECHAT)).actions)
        waived = plan(wechat={**WECHAT, "mode": "waived", "waiver": "w1"})
        assert states(host, waived) == {"apps/wechat": "compliant", "apps/reinstall-gate": "noncompliant"}
        carry_out(apps.enforce(host, waived).actions)
        assert states(host, waived) == {"apps/wechat": "compliant"}
        assert tree(host.root) == before

    def test_what_a_waived_service_shares_with_a_restricted_one_may_stay(self, host: MadeHost) -> None:
        host.packages = {"pidgin": "ii"}
        shared = {"packages": {"apt": ["pidgin"]}}
        of = plan(irc={**shared, "mode": "waived", "waiver": "w1"}, xmpp=shared)
        assert states(host, of) == {"apps/irc": "waived", "apps/xmpp": "compliant"}
        assert apps.enforce(host, of).actions == []


class TestPrograms:
    @pytest.mark.parametrize(
        ("exe", "found"),
        [
            ("/opt/wechat/wechat", "wechat"),
            ("/opt/wechat/lib/WeChatAppEx", "wechat"),
            ("/opt/wechat/wechat (deleted)", "wechat"),
            ("/opt/wechat2/wechat", ""),
            ("/home/alice/.local/share/torbrowser/Browser/firefox", "tor"),
            ("/home/bob/.local/share/torbrowser/Browser/firefox", ""),  # no home of anybody
            ("/home/alice/torbrowser/firefox", ""),
            ("/usr/bin/tor", "tor"),
            ("/usr/bin/torify", ""),
            ("/usr/bin/Tor", ""),
        ],
    )
    def test_an_executable_is_known_by_a_path_or_a_directory_above_it(
        self, host: MadeHost, exe: str, found: str
    ) -> None:
        host.program(7, exe)
        wrong = [rule for rule, state in states(host, plan(wechat=WECHAT, tor=TOR)).items() if state == "noncompliant"]
        assert wrong == ([f"apps/{found}"] if found else []) + ["apps/reinstall-gate"]

    def test_the_processes_of_one_program_are_one_finding(self, host: MadeHost) -> None:
        for pid in (30, 7, 12):
            host.program(pid, "/opt/wechat/wechat")
        assert evidence(host, plan(wechat=WECHAT), "apps/wechat") == [
            ("process", "wechat", "user:alice", "/opt/wechat/wechat", "pid 7 and 2 more, started 2023-11-14T22:13:27Z")
        ]

    @pytest.mark.parametrize("exe", ["/home/alice/tor", "/tmp/.mount_TorAbCdEf/usr/bin/tor"])
    def test_a_process_known_by_a_bare_name_is_reported_and_never_ended(self, host: MadeHost, exe: str) -> None:
        """Also where it runs out of an AppImage, whose archive no file scan enters (host/system/file_scan.py)."""
        host.program(7, exe)
        of = plan(tor=TOR)
        [verdict] = apps.observe(host, of)
        assert (verdict.state, verdict.drifted) == ("noncompliant", False)  # enforcing would not change it
        assert verdict.findings[0].detail.endswith("known by its name alone, so it is not ended")
        made = apps.enforce(host, of)
        assert made.actions == []
        assert made.refused == [("apps/tor", "tor of alice (pid 7)", "known by its name alone, so it is not ended")]

    def test_a_bare_name_beside_a_known_program_hinders_nothing(self, host: MadeHost) -> None:
        host.program(7, "/home/alice/tor")
        host.program(8, "/usr/bin/tor")
        assert apps.observe(host, plan(tor=TOR))[0].drifted
        assert [str(a) for a in apps.enforce(host, plan(tor=TOR)).actions] == ["end tor of alice (pid 8)"]

    def test_a_path_in_a_container_is_reported_and_never_ended(self, host: MadeHost) -> None:
        host.program(7, "/usr/bin/tor", contained=True)
        assert "in a container" in evidence(host, plan(tor=TOR), "apps/tor")[0][4]
        assert apps.enforce(host, plan(tor=TOR)).actions == []

    def test_a_program_of_a_restricted_package_is_known_by_the_packages_files(self, host: MadeHost) -> None:
        host.packages = {"wechat": "ii"}
        Path(host.root + "/var/lib/dpkg/info/wechat.list").write_text("/.\n/usr/share/wechat/run\n")
        host.program(7, "/usr/share/wechat/run")
        of = plan(wechat={"packages": {"apt": ["wechat"]}})
        assert ("process", "run", "user:alice") in [row[:3] for row in evidence(host, of, "apps/wechat")]
        assert str(apps.enforce(host, of).actions[0]) == "end run of alice (pid 7)"

    @pytest.mark.parametrize("certain", [True, False])
    def test_what_runs_from_a_copy_is_ended_only_if_the_copy_is_certain(self, host: MadeHost, certain: bool) -> None:
        """A folder that only has an app's name may be anything, and so may the program that a user runs from it."""
        app = Path(host.root + "/home/alice/wechat")
        made.put(app, {"wechat": made.elf(), **({"libcef.so": made.elf()} if certain else {})})
        host.program(7, "/home/alice/wechat/helper" if certain else "/home/alice/wechat/wechat")
        of = plan(wechat={"processes": ["wechat"]})
        (copy,) = observe_apps(host, of["controls"]["apps"]).portable_apps
        assert bool(copy.doubt) is not certain
        ends = [str(action) for action in apps.enforce(host, of).actions if str(action).startswith("end ")]
        assert ends == (["end helper of alice (pid 7)"] if certain else [])

    def test_this_run_does_not_end_what_it_depends_on(self, host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
        host.program(7, "/usr/bin/tor")
        monkeypatch.setattr(host, "lineage", lambda: {1, 7})
        made = apps.enforce(host, plan(tor=TOR))
        assert (made.actions, made.refused[0].reason) == ([], "this run depends on it")

    def test_a_process_that_became_another_program_is_left_alone(self, host: MadeHost) -> None:
        host.program(7, "/usr/bin/tor")
        made = apps.enforce(host, plan(tor=TOR))
        exe = Path(host.root + "/proc/7/exe")
        exe.unlink()
        exe.symlink_to("/usr/bin/bash")
        carry_out(made.actions)
        assert exe.is_symlink()


class TestUnseen:
    def test_an_ordinary_user_learns_what_was_not_seen_and_how_to_see_it(self, host: MadeHost) -> None:
        host.root_user = False
        [verdict, _] = apps.observe(host, plan(wechat=WECHAT))
        assert verdict.state == "unknown"
        assert verdict.reason == (
            "the programs of other users cannot be seen; to see it all, run it as root (-b, and -K if sudo asks)"
        )

    def test_what_was_seen_counts_although_not_all_was(self, host: MadeHost) -> None:
        host.root_user = False
        host.packages = {"wechat": "ii"}
        assert states(host, plan(wechat=WECHAT))["apps/wechat"] == "noncompliant"

    def test_a_closed_home_matters_only_to_what_could_be_in_it(
        self, host: MadeHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = host.list

        def closed(path: str) -> list[str]:
            if path.startswith("/home/alice/"):
                raise Unseen(f"{path} can only be read by root")
            return real(path)

        monkeypatch.setattr(host, "list", closed)
        mail = {"web_hosts": []}
        seen = states(host, plan(wechat=WECHAT, mail=mail))
        assert (seen["apps/wechat"], seen["apps/mail"]) == ("unknown", "not_applicable")


class TestTheGate:
    @pytest.mark.parametrize("path", GATE)
    @pytest.mark.parametrize("harm", ["delete", "change", "mode", "directory"])
    def test_any_harm_to_any_file_is_seen_and_mended(self, host: MadeHost, path: str, harm: str) -> None:
        of = plan(wechat=WECHAT)
        carry_out(apps.enforce(host, of).actions)
        good = tree(host.root)
        file = Path(host.root + path)
        if harm == "delete":
            file.unlink()
        elif harm == "change":
            file.write_text(file.read_text() + "x\n")
        elif harm == "mode":
            file.chmod(0o666)
        else:
            file.rename(file.with_suffix(".bak"))
            file.symlink_to(file.with_suffix(".bak"))
        [(kind, id_, _, where, detail)] = evidence(host, of, "apps/reinstall-gate")
        assert (kind, id_, where) == ("gate", file.name, path) and detail
        assert next(v for v in apps.observe(host, of) if v.rule == "apps/reinstall-gate").drifted
        made = apps.enforce(host, of)
        assert [str(a) for a in made.actions] == [f"write {path}"]
        carry_out(made.actions)
        file.with_suffix(".bak").unlink(missing_ok=True)
        assert tree(host.root) == good

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file away")
    def test_a_script_that_a_user_owns_is_wrong(self, host: MadeHost) -> None:
        carry_out(apps.enforce(host, plan(wechat=WECHAT)).actions)
        os.chown(host.root + dpkg.SCRIPT, 1000, 1000)
        assert "belongs to uid 1000" in evidence(host, plan(wechat=WECHAT), "apps/reinstall-gate")[0][4]

    def test_a_script_that_fails_its_trial_is_never_put_into_dpkgs_configuration(self, host: MadeHost) -> None:
        made = apps.enforce(host, plan(wechat=WECHAT))
        for action in made.actions[:-1]:
            action.apply()
        Path(host.root + dpkg.SCRIPT).write_text("#!/bin/sh\nfi\n")
        with pytest.raises(ControlError, match="dpkg-gate"):
            made.actions[-1].apply()
        assert host.stat(dpkg.CONFIGURATION) is None

    def test_a_diff_shows_both_sides(self, host: MadeHost) -> None:
        carry_out(apps.enforce(host, plan(wechat=WECHAT)).actions)
        [action] = apps.enforce(host, plan(wechat=WECHAT, qq={"packages": {"apt": ["linuxqq"]}})).actions
        assert (action.before.splitlines()[1:], action.after.splitlines()[1:]) == (["wechat"], ["linuxqq", "wechat"])

    def test_the_script_may_be_run_and_the_rest_only_read(self, host: MadeHost) -> None:
        carry_out(apps.enforce(host, plan(wechat=WECHAT)).actions)
        modes = [stat.S_IMODE(os.stat(host.root + path).st_mode) for path in GATE]
        assert modes == [0o644, 0o644, 0o644, 0o755, 0o644]


class TestRefusalsAndFailures:
    def test_a_removal_that_would_take_others_along_is_refused_by_rule(self, host: MadeHost) -> None:
        host.packages = {"wechat": "ii", "linuxqq": "ii"}
        host.dependents = {"wechat": "moments"}
        made = apps.enforce(host, plan(wechat=WECHAT, qq={"packages": {"apt": ["linuxqq"]}}))
        assert made.refused == [("apps/wechat", "wechat", "would also remove moments")]
        assert str(made.actions[0]) == "remove linuxqq"

    def test_one_failure_keeps_nothing_else_from_being_done(self, host: MadeHost) -> None:
        host.packages = {"wechat": "ii"}
        assert apps.enforce(host, plan(wechat=WECHAT)).independent


def test_names_are_compared_whole() -> None:
    desired = Desired(plan(wechat=WECHAT)["controls"]["apps"])
    assert desired.restricted("dpkg") == {"wechat"}
    assert desired.restricted("flatpak") == {"com.tencent.WeChat"}
