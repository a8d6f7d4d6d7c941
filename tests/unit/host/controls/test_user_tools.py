"""Real tools of users, run without the host's lock and within a budget."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from file_hosts import make_directories, write_files
from made_plans import make_plan
from patience import until
from proscribe.host import host_operations
from proscribe.host.controls import user_tools
from proscribe.host.system import Host, ToolResult, User, run_tool
from proscribe.host.watch import correction

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: runs tools as somebody else")]
MALLORY = User("mallory", 61235, 61235, "/home/mallory")
BOB = User("bob", 61236, 61236, "/home/bob")
IDS = [f"banned{number:02}" for number in range(20)]
PLAN = make_plan("apps", {"banned": {"packages": {"pip": IDS}}})
NOON = 1_800_000_000
# Notes that it runs and whether the host's lock is held meanwhile.
NOTES = """#!/bin/sh
[ -e {root}/run/proscribe.lock ] && echo held >> {root}{home}/notes
echo "$@" >> {root}{home}/notes
"""
SLEEPS = NOTES + "exec sleep 600\n"
WORKS = NOTES + 'rm -r "$UV_TOOL_DIR/$3"\n'


class UvHost(Host):
    """A host whose users have packages of uv, and each a uv of his own."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), self.run_inside)
        self.clock = lambda: NOON
        self.changed_by = "test"
        make_directories(root, "run", "var/lib", "home")
        lines = [f"{user.name}:x:{user.uid}:{user.gid}::{user.home}:/bin/sh\n" for user in (MALLORY, BOB)]
        write_files(root, {"proc/stat": "btime 1700000000\n", "etc/passwd": "".join(lines)})

    def run_inside(self, argv: Sequence[str], **options: Any) -> ToolResult:
        if not options.get("user"):
            return ToolResult(1, "", "no tool of root's is here")
        environment = {
            name: self.root + value if value.startswith("/") else value
            for name, value in options.pop("environment", {}).items()
        }
        return run_tool([self.root + argv[0], *argv[1:]], environment=environment, **options)

    def installs(self, user: User, uv: str, ids: Sequence[str]) -> None:
        home = Path(self.root + user.home)
        for id_ in ids:
            about = home / f".local/share/uv/tools/{id_}/lib/python3.13/site-packages/{id_}-1.0.dist-info"
            about.mkdir(parents=True)
            (about / "METADATA").write_text(f"Name: {id_}\nVersion: 1.0\n")
        tool = home / ".local/bin/uv"
        tool.parent.mkdir(parents=True)
        tool.write_text(uv.format(root=self.root, home=user.home))
        tool.chmod(0o755)
        for place, directories, files in os.walk(home):
            for path in (place, *(f"{place}/{name}" for name in (*directories, *files))):
                os.chown(path, user.uid, user.gid)

    def notes(self, user: User) -> list[str]:
        path = Path(self.root + user.home) / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def has(self, user: User) -> list[str]:
        return sorted(os.listdir(self.root + user.home + "/.local/share/uv/tools"))


@pytest.fixture
def host(monkeypatch):
    monkeypatch.setattr(user_tools, "USER_SECONDS", 3.0)
    monkeypatch.setattr(user_tools, "ALL_USERS_SECONDS", 5.0)
    place = Path(tempfile.mkdtemp())  # pytest's own directories are closed to others
    place.chmod(0o755)
    yield UvHost(place)
    shutil.rmtree(place)


def refused_of(answer: Any, user: User) -> list[str]:
    subjects = [(row["subject"], row["reason"]) for row in answer["refused"]]
    return [reason for subject, reason in subjects if f"(user:{user.name})" in subject]


@pytest.mark.parametrize("make_doing", [lambda: host_operations.apply_changes, correction.LimitedChanges])
def test_a_user_whose_tool_sleeps_keeps_neither_the_lock_nor_another_user(host, make_doing):
    doing = make_doing()
    host.installs(MALLORY, SLEEPS, IDS)
    host.installs(BOB, WORKS, IDS[:3])
    began, answer = time.monotonic(), host_operations.change(host, PLAN, "apps", doing=doing)
    assert time.monotonic() - began < 60 and host.notes(MALLORY) == [f"tool uninstall {IDS[0]}"]
    assert host.notes(BOB) == [f"tool uninstall {id_}" for id_ in IDS[:3]]
    assert (host.has(BOB), host.has(MALLORY)) == ([], IDS)
    assert len(answer["actions"]) == 3 and answer["changed"]
    reasons = refused_of(answer, MALLORY)
    again = "over budget: tools of mallory took 3 s; they run again from 2027-01-16T08:00:00Z on"
    assert len(reasons) == len(IDS) and all(again in reason for reason in reasons), reasons
    assert refused_of(answer, BOB) == []
    if isinstance(doing, correction.LimitedChanges):
        assert [row["user"] for row in correction.list_uncorrected_by_user("apps", doing.unchanged)] == ["mallory"]


def test_user_with_a_spent_budget_waits_a_day(host):
    host.installs(MALLORY, SLEEPS, IDS[:2])
    host.installs(BOB, WORKS, IDS[:1])
    host_operations.change(host, PLAN, "apps")
    assert len(host.notes(MALLORY)) == 1
    for later, count in ((1, 1), (86_399, 1), (86_401, 2)):
        after = Host(host.root, host.run_inside)
        after.clock = lambda later=later: NOON + later  # type: ignore[misc]
        answer = host_operations.change(after, PLAN, "apps")
        assert len(host.notes(MALLORY)) == count, later
        assert all("over budget: tools of mallory took 3 s" in reason for reason in refused_of(answer, MALLORY))


def test_a_run_that_is_killed_has_charged_the_user(host):
    host.installs(MALLORY, SLEEPS, IDS[:1])
    pid = os.fork()
    if not pid:
        host_operations.change(host, PLAN, "apps")
        os._exit(0)
    until(lambda: host.notes(MALLORY))
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    answer = host_operations.change(host, PLAN, "apps")
    assert len(host.notes(MALLORY)) == 1 and "over budget" in refused_of(answer, MALLORY)[0]


def test_users_together_have_a_budget_too_and_the_next_observation_begins_with_who_had_nothing(host, monkeypatch):
    monkeypatch.setattr(user_tools, "USER_SECONDS", 6.0)
    monkeypatch.setattr(user_tools, "ALL_USERS_SECONDS", 3.0)
    host.installs(BOB, SLEEPS, IDS[:1])
    host.installs(MALLORY, WORKS, IDS[:1])
    answer = host_operations.change(host, PLAN, "apps")
    assert (len(host.notes(BOB)), host.notes(MALLORY)) == (1, [])
    spent = "over budget: tools of users took 3 s in this observation; the next one goes on"
    assert refused_of(answer, MALLORY)[0].endswith(spent)
    host_operations.change(host, PLAN, "apps")
    assert (len(host.notes(BOB)), len(host.notes(MALLORY)), host.has(MALLORY)) == (2, 1, [])


def test_no_users_tool_runs_where_what_it_takes_cannot_be_remembered(host, monkeypatch):
    host.installs(BOB, WORKS, IDS[:1])
    Path(host.root + user_tools.SPENDING_PATH).mkdir(parents=True)
    answer = host_operations.change(host, PLAN, "apps")
    assert host.notes(BOB) == [] and len(refused_of(answer, BOB)) == 1


def test_tool_that_fails_at_once_is_charged_for_its_time_alone(host, monkeypatch):
    monkeypatch.setattr(user_tools, "USER_SECONDS", 60.0)
    monkeypatch.setattr(user_tools, "ALL_USERS_SECONDS", 120.0)
    host.installs(BOB, NOTES + "echo broken >&2; exit 3\n", IDS[:2])
    answer = host_operations.change(host, PLAN, "apps")
    assert len(host.notes(BOB)) == 2
    commands = [f"/home/bob/.local/bin/uv tool uninstall {id_} ended with 3: broken" for id_ in IDS[:2]]
    assert [reason.partition(": ")[2] for reason in refused_of(answer, BOB)] == commands
    charged = json.loads(Path(host.root + user_tools.SPENDING_PATH).read_text())
    assert 0 <= charged["users"]["bob"].pop("seconds") < 60
    assert charged == {"schema": "proscribe/users_tools/1", "users": {"bob": {"since": NOON}}}


def test_lift_forgets_the_budgets_of_users(host):
    host.installs(BOB, WORKS, IDS[:1])
    host_operations.change(host, PLAN, "apps")
    host_operations.change(host, PLAN, "apps", lift=True)
    assert not Path(host.root + user_tools.SPENDING_PATH).exists()
