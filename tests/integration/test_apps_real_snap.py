"""The control `apps` on a real snapd, in a throw-away root without systemd and without network.

There snapd runs, answers, saves and removes as anywhere, but nothing can be mounted and the Snap Store is not reached:
so the snap that is removed is one that snapd's own state and folders were made to hold, and installing is not tested.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_apps_real_dpkg import SOURCE
from throwaway import People, made_root, plan, seen

pytestmark = pytest.mark.integration

STATE = {
    "data": {
        "patch-level": 6,
        "patch-sublevel": 3,
        "patch-sublevel-last-version": "2.68.3",
        "snaps": {
            name: {
                "type": "app",
                "sequence": [{"name": name, "snap-id": "", "revision": "x1"}],
                "active": True,
                "current": "x1",
            }
            for name in ("telegram-desktop", "innocent")
        },
    },
    "changes": {},
    "tasks": {},
    "last-change-id": 0,
    "last-task-id": 0,
    "last-lane-id": 0,
}
MAKE = """
mount -t tmpfs tmpfs /run && mkdir -p /run/snapd /var/lib/snapd/snaps /etc/polkit-1/rules.d
mount -t sysfs -o ro sysfs /sys && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -o remount,bind,ro /sys/fs/cgroup
for name in telegram-desktop innocent; do
    mkdir -p /snap/$name/x1/meta /var/snap/$name/x1 /home/alice/snap/$name/x1
    printf "name: $name\\nversion: 5.8.3\\nsummary: s\\ndescription: d\\n" >/snap/$name/x1/meta/snap.yaml
    ln -s x1 /snap/$name/current
    ln -s x1 /home/alice/snap/$name/current
    echo letters >/home/alice/snap/$name/x1/letters
    : >/var/lib/snapd/snaps/${name}_x1.snap
done
chown -R 71001:71001 /home/alice/snap
cat >/var/lib/snapd/state.json
"""
PLAN = plan("snap", telegram=["telegram-desktop"])


@pytest.fixture
def machine(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    require_tool: Callable[[str], str],
    require_root: Callable[[], None],
) -> Iterator[People]:
    require_root()
    for tool in ("mmdebstrap", "unshare", "nsenter"):
        require_tool(tool)
    root = made_root("snapd", ("python3", "snapd"))
    made = People(tmp_path, root, SOURCE, tmp_path_factory.mktemp("nothing"))
    made.run("sh", "-c", MAKE, input=json.dumps(STATE))
    yield made
    made.stop()


def serve(machine: People) -> subprocess.Popen[bytes]:
    """snapd, which needs a moment for its keys before it answers."""
    daemon = subprocess.Popen(
        [*machine.enter, "unshare", "--net", "/usr/lib/snapd/snapd"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while "telegram-desktop" not in machine.run("snap", "list", check=False).stdout:
        assert daemon.poll() is None and time.monotonic() < end, "snapd does not answer"
        time.sleep(0.2)
    return daemon


def test_a_snap_is_seen_with_and_without_snapd_and_removed_with_its_data_kept(machine: People) -> None:
    path = "/var/lib/snapd/snaps/telegram-desktop_x1.snap"
    told = machine.verb("observe", PLAN)["apps/telegram"]
    assert seen(told) == [("snap", "telegram-desktop", "revision x1", "system", path)]
    assert "snap" in machine.verb("enforce", PLAN)["error"]  # nobody who could remove it is there

    daemon = serve(machine)
    told = machine.verb("observe", PLAN)["apps/telegram"]
    assert seen(told) == [("snap", "telegram-desktop", "5.8.3", "system", path)]
    done = machine.verb("enforce", PLAN)
    assert done["error"] is None, done
    assert machine.verb("observe", PLAN)["apps/telegram"]["state"] == "compliant"
    assert machine.verb("enforce", PLAN)["actions"] == []
    assert "innocent" in machine.run("snap", "list").stdout
    [saved] = machine.sh("ls /var/lib/snapd/snapshots/*_telegram-desktop_*.zip | head -1").stdout.splitlines()
    assert "letters" in machine.sh(f"cd /tmp && python3 -m zipfile -e {saved} out && tar tzf out/user/alice.tgz").stdout

    assert machine.verb("observe", PLAN)["apps/reinstall-gate"]["state"] == "compliant"
    assert machine.verb("lift", PLAN)["error"] is None
    assert machine.sh("ls /etc/polkit-1/rules.d/00-proscribe* /etc/proscribe", check=False).stdout == ""
    daemon.kill()
    daemon.wait()
