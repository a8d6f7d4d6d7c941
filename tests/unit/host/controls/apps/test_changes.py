"""What enforcing and lifting do around packages and gates: users told, copies moved and given back, what never goes."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_apps
import pytest
from made_host import carry_out, plan, states
from made_users import ALICE, BOB
from proscribe.host.controls import apps
from proscribe.host.controls.apps import changes, removed, user_notice
from proscribe.host.controls.apps.requests import command_text
from proscribe.host.controls.apps.requests.command import COMMAND, KNOWN
from proscribe.host.controls.base import Action, Refusal
from proscribe.host.system import Host, Unseen
from proscribe.host.system.forked import LIMITS, Limits

BLOCK = [
    *("/etc/proscribe/restricted-packages", "/etc/proscribe/restricted-paths", "/etc/proscribe/contact"),
    *("/usr/libexec/proscribe/dpkg-gate", "/etc/dpkg/dpkg.cfg.d/proscribe"),
]
BOB_COPY = "home/bob/Telegram"
TELEGRAM = {"processes": ["Telegram"], "paths": ["~/Telegram"]}


def copy(host: Host, place: str = "home/alice/Telegram") -> Path:
    tree = Path(host.root) / place
    made_apps.put(tree, dict.fromkeys(("Telegram", "Updater"), made_apps.elf()))
    return tree


def ban(mode: str = "enforce", **settings: Any) -> dict[str, Any]:
    result = plan(mode, wechat={"packages": {"apt": ["wechat"]}, "paths": ["/opt/wechat"]}, telegram=TELEGRAM)
    result["controls"]["apps"]["settings"] = settings
    return result


def test_lift_gives_back_what_an_enforcing_run_took(host, monkeypatch):
    notified: list[str] = []
    monkeypatch.setattr(user_notice, "notify", lambda host, text: notified.append(text))
    host.packages = {"wechat": "ii"}
    tree = copy(host)
    carry_out(apps.enforce(host, ban(user_notice="Ask IT.")).actions)
    assert notified == ["Ask IT."] and not tree.exists()
    assert set(states(host, ban()).values()) == {"compliant"}
    actions = apps.lift(host, ban()).actions
    places = ["/home/alice/Telegram", "/var/lib/proscribe/quarantine/README"]
    assert [str(action) for action in actions][-2:] == [f"restore {places[0]}", f"delete {places[1]}"]
    carry_out(actions)
    assert (tree / "Telegram").read_bytes() == made_apps.elf()
    assert states(host, ban())["apps/telegram"] == "noncompliant"


def in_full(action: Action) -> tuple[str, str, str, str, list[str], list[str]]:
    return str(action), action.before, action.after, action.user, [*action.rules], [item.id for item in action.takes]


def test_actions_have_subjects_users_and_rules(host, monkeypatch):
    monkeypatch.setattr(user_notice, "notify", lambda *_: None)
    host.packages = {"wechat": "ii"}
    for pid, exe in enumerate(("/opt/wechat/wechat", "/home/alice/Telegram/Telegram", "/tmp/Telegram"), 7):
        host.program(pid, exe)
    copy(host)
    banned = ban(user_notice="Ask IT.", quarantine_keep=86400, requests=command_text.digest())
    result = apps.enforce(host, banned)
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
    shown = (
        f'Ask IT. What is moved is kept until {until}.\nTo request an exception: proscribe-request SERVICE "reason"\n'
    )
    hers = "alice" if os.getuid() else ""
    ends = [("Telegram", "/home/alice/Telegram/Telegram", 8), ("wechat", "/opt/wechat/wechat", 7)]
    assert [in_full(action) for action in result.actions][:5] == [
        ("tell logged-in users", "", shown, "", [], []),
        *(
            (f"end {name} of alice (pid {pid})", f"{exe}\n", "", "alice", [f"apps/{name.lower()}"], [])
            for name, exe, pid in ends
        ),
        ("remove wechat", "wechat 1.0\n", "", "", [], ["wechat"]),
        ("quarantine /home/alice/Telegram", "/home/alice/Telegram\n", "", hers, ["apps/telegram"], []),
    ]
    written = [(f"write {path}", "", Path(path).name) for path in (*BLOCK, KNOWN, COMMAND)]
    assert [(str(item), item.before, Path(item.subject).name) for item in result.actions[5:]] == written
    doubt = "known by its name alone, so it is not ended"
    assert result.refused == [Refusal("apps/telegram", "Telegram of alice (pid 9)", doubt)]
    assert result.independent and result.beforehand and result.afterwards
    result.beforehand()
    assert [(item.id, item.at[:4] > "2025") for item in removed.remembered(host)] == [("wechat", True)]
    carry_out(result.actions)
    result.afterwards()
    assert host.list("/var/lib/proscribe/apps") == ["walk"]


def test_an_unfinished_move_is_drift_and_is_completed_first(host):
    carry_out(apps.enforce(host, ban()).actions)
    (Path(host.root) / "var/lib/proscribe/quarantine/made-1.unfinished").mkdir(parents=True)
    assert states(host, ban())["apps/quarantine"] == "noncompliant"
    carry_out(apps.enforce(host, ban()).actions)
    assert "apps/quarantine" not in states(host, ban())


def test_slow_copies_of_a_user_delay_nobody_else(host, monkeypatch):
    """The run has the host's lock meanwhile: 20 seconds for each of many copies kept other runs waiting."""
    host.has_accounts(ALICE, BOB)
    for number in range(30):
        copy(host, f"home/alice/{number}/Telegram")
    his = copy(host, BOB_COPY)
    for place, directories, files in os.walk(host.root + "/home"):
        for name in (*directories, *files):
            path = f"{place}/{name}"
            uid = BOB.uid if "/home/bob" in path else ALICE.uid
            os.chown(path, uid, uid)
    now = [0.0]
    real = changes.run_apart

    def slow_for_alice(work: Any, limits: Limits = LIMITS) -> Any:
        answer = real(work)
        if "alice" in str(work.__closure__[0].cell_contents):
            now[0] += limits.seconds
            raise Unseen(f"over budget: not done within {limits.seconds:g} s")
        return answer

    monkeypatch.setattr(changes, "run_apart", slow_for_alice)
    monkeypatch.setattr(changes, "time", SimpleNamespace(monotonic=lambda: now[0], time=time.time))
    result = apps.enforce(host, ban())
    assert now[0] == 60.0, "seconds"
    assert [str(action) for action in result.actions if action.verb == "quarantine"] == [f"quarantine /{BOB_COPY}"]
    assert his.exists() and len(result.refused) == 30


@pytest.mark.parametrize(
    ("exe", "ends"),
    [
        ("/opt/wechat/other", True),
        ("/opt/owl/owl", False),  # reported, not restricted
        ("/usr/bin/other", False),
        ("/tmp/Telegram", False),  # known by its name alone
    ],
)
def test_process_is_checked_again_before_its_end(host, exe, ends):
    host.program(7, "/opt/wechat/wechat")
    of = ban()
    of["controls"]["apps"]["services"] |= plan("audit", owl={"paths": ["/opt/owl"]})["controls"]["apps"]["services"]
    (end,) = [action for action in apps.enforce(host, of).actions if action.verb == "end"]
    link = Path(host.root) / "proc/7/exe"
    link.unlink()
    link.symlink_to(exe)
    end.apply()
    assert link.is_symlink() is not ends


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
@pytest.mark.parametrize("manager", ["npm", "pip"])
@pytest.mark.parametrize("users", [True, False])
def test_root_removes_nothing_where_users_may_write(host, manager, users):
    """They could have root run their own, or remove what they put a link to."""
    place = {"npm": "lib/node_modules/wechaty", "pip": "lib/python3.11/site-packages/wechaty-1.0.dist-info"}[manager]
    made_apps.put(Path(host.root) / "usr/local" / place, {"package.json": b"{}", "METADATA": b"Name: wechaty\n"})
    os.chown(Path(host.root) / "usr/local/lib", 12345 * users, 0)
    result = plan(wechaty={"packages": {manager: ["wechaty"]}})
    assert states(host, result)["apps/wechaty"] == "noncompliant"
    changes = apps.enforce(host, result)
    reason = "users may write to /usr/local/lib, and root runs nothing there"
    assert (reason in {item.reason for item in changes.refused}) is users
    assert not host.calls if users else True
