"""What enforcing and lifting do around packages and gates: users told, copies moved and given back, what never goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import made_apps
import pytest
from made_host import MadeHost, carry_out, plan, states
from made_quarantine import restored
from proscribe.host.controls import apps
from proscribe.host.controls.apps import user_notice
from proscribe.host.system import Host, Process
from test_apps import GATE

TELEGRAM = {"processes": ["Telegram"], "paths": ["~/Telegram"]}


def copy(host: Host, place: str = "home/alice/Telegram") -> Path:
    tree = Path(host.root) / place
    made_apps.put(tree, dict.fromkeys(("Telegram", "Updater"), made_apps.elf()))
    return tree


def ban(mode: str = "enforce", **settings: Any) -> dict[str, Any]:
    made = plan(mode, wechat={"packages": {"apt": ["wechat"]}, "paths": ["/opt/wechat"]}, telegram=TELEGRAM)
    made["controls"]["apps"]["settings"] = settings
    return made


def test_in_this_order(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    notified: list[str] = []
    monkeypatch.setattr(user_notice, "notify", lambda host, text: notified.append(text))
    host.packages = {"wechat": "ii"}
    host.program(7, "/home/alice/Telegram/Telegram")
    tree = copy(host)
    made = apps.enforce(host, ban(user_notice="Ask IT."))
    assert [str(action) for action in made.actions] == [
        "tell logged-in users",
        "end Telegram of alice (pid 7)",
        "remove wechat",
        "quarantine /home/alice/Telegram",
        *(f"write {path}" for path in GATE),
    ]
    assert made.refused == []
    carry_out(made.actions)
    assert notified == ["Ask IT."] and not tree.exists()
    assert set(states(host, ban()).values()) == {"compliant"}
    lifted = apps.lift(host, ban())
    assert [str(action) for action in lifted.actions][-2:] == [
        "restore /home/alice/Telegram",
        "delete /var/lib/proscribe/quarantine/README",
    ]
    carry_out(lifted.actions)
    assert (tree / "Telegram").read_bytes() == made_apps.elf()
    assert states(host, ban())["apps/telegram"] == "noncompliant"


def test_one_thing_given_back_and_the_ban_stays(host: MadeHost) -> None:
    tree = copy(host)
    carry_out(apps.enforce(host, ban()).actions)
    (id_,) = (name for name in host.list("/var/lib/proscribe/quarantine") if name != "README")
    assert restored(host, id_) == {id_: ""}
    assert tree.exists() and all(host.stat(path) for path in GATE)


def test_an_unfinished_move_is_drift_and_is_completed_first(host: MadeHost) -> None:
    carry_out(apps.enforce(host, ban()).actions)
    (Path(host.root) / "var/lib/proscribe/quarantine/made-1.unfinished").mkdir(parents=True)
    assert states(host, ban())["apps/quarantine"] == "noncompliant"
    carry_out(apps.enforce(host, ban()).actions)
    assert "apps/quarantine" not in states(host, ban())


def test_an_exception_for_the_path_keeps_the_copy(host: MadeHost) -> None:
    tree = copy(host)
    excepted = ban()
    entry = excepted["controls"]["apps"]["services"]["telegram"]
    entry["exceptions"] = [{"waiver": "w1", "paths": ["/home/alice/Telegram"]}]
    made = apps.enforce(host, excepted)
    carry_out(made.actions)
    assert tree.exists() and made.refused == []


@pytest.mark.parametrize("grace", [0, 17])
def test_the_time_to_end(host: MadeHost, monkeypatch: pytest.MonkeyPatch, grace: int) -> None:
    host.program(7, "/opt/wechat/wechat")
    given: list[float] = []

    def end(process: Process, still: Any, grace: float = 5) -> None:
        given.append(grace)

    monkeypatch.setattr(host, "end", end)
    apps.enforce(host, ban(grace=grace)).actions[0].apply()
    assert given == [grace]


def test_a_plan_from_elsewhere_cannot_take_what_the_host_needs(host: MadeHost) -> None:
    """The compile step refuses such a service; so does the host."""
    host.packages = {"openssh-server": "ii", "wechat": "ii"}
    copy(host, "home/alice/.ssh/Telegram")
    made = plan(
        odd={"packages": {"apt": ["openssh-server", "wechat"]}, "processes": ["Telegram"], "paths": ["~/.ssh/Telegram"]}
    )
    changes = apps.enforce(host, made)
    assert [str(action) for action in changes.actions if action.verb in ("remove", "quarantine")] == ["remove wechat"]
    assert {(refusal.subject, refusal.reason) for refusal in changes.refused} >= {
        ("openssh-server", "never removed: reaches the host")
    }
    assert any(refusal.reason.startswith("never taken: ") for refusal in changes.refused)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
@pytest.mark.parametrize("manager", ["npm", "pip"])
@pytest.mark.parametrize("users", [True, False])
def test_root_removes_nothing_where_users_may_write(host: MadeHost, manager: str, users: bool) -> None:
    """They could have root run their own, or remove what they put a link to."""
    place = {"npm": "lib/node_modules/wechaty", "pip": "lib/python3.11/site-packages/wechaty-1.0.dist-info"}[manager]
    made_apps.put(Path(host.root) / "usr/local" / place, {"package.json": b"{}", "METADATA": b"Name: wechaty\n"})
    os.chown(Path(host.root) / "usr/local/lib", 12345 * users, 0)
    made = plan(wechaty={"packages": {manager: ["wechaty"]}})
    assert states(host, made)["apps/wechaty"] == "noncompliant"
    changes = apps.enforce(host, made)
    reason = "users may write to /usr/local/lib, and root runs nothing there"
    assert (reason in {one.reason for one in changes.refused}) is users
    assert not host.calls if users else True
