"""The three verbs of the control `apps` on a made tree: verdicts, the order of actions, the gate, refusals, failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_host import TOR, WECHAT, MadeHost, carry_out, plan, states
from proscribe.host.controls import apps
from proscribe.host.controls.apps.systems import installed


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


def tree(root: str) -> dict[str, tuple[int, str]]:
    paths = [path for path in sorted(Path(root).rglob("*")) if "proc" not in path.parts]
    return {str(p): (p.lstat().st_mode, p.read_text() if p.is_file() and not p.is_symlink() else "") for p in paths}


class TestTheWholeWay:
    def test_lifting_leaves_files_of_others_alone(self, host: MadeHost) -> None:
        theirs = [Path(host.root + path) for path in ("/etc/dpkg/dpkg.cfg.d/theirs", "/etc/proscribe/note")]
        carry_out(apps.enforce(host, plan(wechat=WECHAT)).actions)
        for path in theirs:
            path.write_text("theirs")
        carry_out(apps.lift(host, plan(wechat=WECHAT)).actions)
        assert [path.read_text() for path in theirs] == ["theirs", "theirs"]

    def test_a_control_that_only_audits_wants_no_gate(self, host: MadeHost) -> None:
        host.packages = {"wechat": "ii"}
        assert states(host, plan("audit", wechat=WECHAT)) == {"apps/wechat": "noncompliant"}
        assert not any(verdict.drifted for verdict in apps.observe(host, plan("audit", wechat=WECHAT)))


class TestPrograms:
    def test_this_run_does_not_end_what_it_depends_on(self, host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
        host.program(7, "/usr/bin/tor")
        monkeypatch.setattr(host, "lineage", lambda: {1, 7})
        made = apps.enforce(host, plan(tor=TOR))
        assert (made.actions, made.refused[0].reason) == ([], "this run depends on it")


class TestUnseen:
    def test_what_was_seen_counts_although_not_all_was(self, host: MadeHost) -> None:
        host.root_user = False
        host.packages = {"wechat": "ii"}
        assert states(host, plan(wechat=WECHAT))["apps/wechat"] == "noncompliant"
