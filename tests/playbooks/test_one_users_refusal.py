"""One user whose uninstall always fails stops nobody's rollout."""

import json
import os
import sys

from checkout import AS_ROOT, read_records
from made_fleet import Fleet

pytestmark = AS_ROOT
ALICE = 61235  # a number that no account and no process of this machine has
# A host of its own also for what observes files and processes: nothing of this machine is seen, ended or moved.
INTERPRETER = """#!/bin/sh
exec unshare --mount --pid --fork --mount-proc sh -c '
    mount --bind {host}/etc /etc && mount --bind {host}/lib /var/lib && mount --bind {host}/home /home &&
    for place in /run /opt /srv /var/tmp /dev/shm /media /tmp; do
        [ ! -d $place ] || mount -t tmpfs tmpfs $place || exit
    done
    exec {python} "$@"' sh "$@"
"""
FAILS = '#!/bin/sh\necho "$@" >> /home/alice/asked\necho "npm is broken here" >&2\nexit 1\n'
WORKS = '#!/bin/sh\nrm -r "$HOME/.npm-global/lib/node_modules/wechaty"\n'


class Homes(Fleet):
    """Hosts with a home, in which alice has a restricted package of npm, and an npm of her own."""

    control = "apps"

    def interpreter(self, name, options=""):
        host = self.directory / name
        path = host / "py"
        path.write_text(INTERPRETER.format(host=host, python=sys.executable))
        path.chmod(0o755)
        accounts = f"root:x:0:0::/nonexistent:/bin/sh\nalice:x:{ALICE}:{ALICE}::/home/alice:/bin/sh\n"
        (host / "etc/passwd").write_text(accounts)
        (host / "home/alice").mkdir(parents=True)

    def installs(self, name, npm):
        home = self.directory / name / "home/alice"
        package = home / ".npm-global/lib/node_modules/wechaty"
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"name": "wechaty", "version": "1.20.2"}))
        tool = home / ".npm-global/bin/npm"
        tool.parent.mkdir()
        tool.write_text(npm)
        tool.chmod(0o755)
        for place, directories, files in os.walk(home):
            for path in (place, *(f"{place}/{name}" for name in (*directories, *files))):
                os.chown(path, ALICE, ALICE)
        return package


def test_a_users_own_uninstall_that_always_fails_stops_no_rollout(tmp_path):
    fleet = Homes(tmp_path, 2)
    stays = fleet.installs("h1", FAILS)
    goes = fleet.installs("h2", WORKS)
    ended = fleet.enforce(batches=[1, 1])
    assert fleet.rollout["batches"] == [1, 1], ended.said
    assert fleet.rollout["not_reached"] == 0, ended.said
    assert stays.exists() and "wechaty" in (tmp_path / "h1/home/alice/asked").read_text()
    assert not goes.exists(), ended.said
    assert fleet.states == {"h1": "noncompliant", "h2": "repaired"}
    assert "stopped" not in ended.said and "of a batch failed" not in ended.said
    records = read_records(tmp_path / "reports")
    assert records["h2"]["errors"] == []
    [error] = records["h1"]["errors"]
    assert error["message"].startswith("apps/wechat: wechaty (user:alice) from /home/alice/.npm-global ")
    assert "alice's, could not be changed: " in error["message"] and "npm is broken here" in error["message"]


def test_users_alone_stop_no_rollout_where_a_gate_makes_hosts_fail(tmp_path):
    fleet = Homes(tmp_path, 3)
    stay = [fleet.installs(name, FAILS) for name in ("h1", "h2")]
    goes = fleet.installs("h3", WORKS)
    ended = fleet.enforce(batches=[2, 1], compliance_gate="noncompliant")
    assert all(package.exists() for package in stay) and not goes.exists(), ended.said
    assert fleet.rollout["not_reached"] == 0 and "stopped" not in ended.said
    assert fleet.states == {"h1": "noncompliant", "h2": "noncompliant", "h3": "repaired"}
    assert ended.code == 10, ended.said
