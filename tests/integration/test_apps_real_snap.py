"""The control `apps` on a real snapd and a real polkit, with snaps that are made here and not from the Snap Store."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from machines import Machine, booting, podman
from patience import LONGEST, until
from test_apps_real_dpkg import DRIVER, SOURCE
from throwaway import plan, seen

pytestmark = pytest.mark.whole_hosts
NAME = f"proscribe-snap-{os.getpid()}"
TELEGRAM = "/var/lib/snapd/snaps/telegram-desktop_x1.snap"
PRESENT = {"bare": "base", "snapd": "snapd"}
SNAPS = {
    name: {"type": kind, "sequence": [{"name": name, "snap-id": "", "revision": "x1"}], "active": True, "current": "x1"}
    for name, kind in PRESENT.items()
}
LEVEL = {"patch-level": 6, "patch-sublevel": 3, "patch-sublevel-last-version": "2.68.3"}
LAST_IDS = dict.fromkeys(("last-change-id", "last-task-id", "last-lane-id"), 0)
STATE = {"data": {**LEVEL, "snaps": SNAPS}, "changes": {}, "tasks": {}, **LAST_IDS}
# A base is what a snap has for its root: here the directories that snapd mounts over, and what `sleep` needs.
MAKE = r"""
set -e
head='version: 5.8.3\nsummary: made\ndescription: made\n'
for name in telegram-desktop innocent; do
    mkdir -p /root/$name/meta /root/$name/bin
    printf "name: $name\nbase: bare\napps: {$name: {command: bin/$name}}\n$head" >/root/$name/meta/snap.yaml
    cp /usr/bin/sleep /root/$name/bin/$name
    snap pack /root/$name /tmp --filename $name.snap >/dev/null
done
systemctl stop snapd.seeded.service snapd.socket snapd.service
base=/snap/bare/x1
for place in dev etc/alternatives etc/ssl home lib/modules lib/firmware media mnt opt proc root run snap sys tmp \
    usr/bin usr/lib/snapd usr/src var/lib/snapd var/log var/snap var/tmp; do
    mkdir -p $base/$place
done
for library in $(ldd /usr/bin/sleep | grep -o '/[^ ]*'); do
    mkdir -p "$base/${library%/*}" && cp "$library" "$base/$library"
done
mkdir -p /snap/snapd/x1/usr/lib/snapd
echo VERSION=2.68.3 >/snap/snapd/x1/usr/lib/snapd/info
for present in bare:base snapd:snapd; do
    name=${present%:*}
    mkdir -p /snap/$name/x1/meta
    printf "name: $name\ntype: ${present#*:}\n$head" >/snap/$name/x1/meta/snap.yaml
    ln -s x1 /snap/$name/current
    touch /var/lib/snapd/snaps/${name}_x1.snap
done
# An administrator who lets alice manage snaps.
cat >/etc/polkit-1/rules.d/50-alice.rules <<'END'
polkit.addRule(function(action, subject) {
    if (action.id == "io.snapcraft.snapd.manage" && subject.user == "alice") return polkit.Result.YES;
});
END
mkdir -p /etc/systemd/system/snapd.service.d
cat >/etc/systemd/system/snapd.service.d/made.conf <<'END'
[Service]
Environment=SNAP_REEXEC=0 SNAPPY_FORCE_API_URL=http://127.0.0.1:9
END
cat >/var/lib/snapd/state.json
systemctl daemon-reload
systemctl start snapd.socket snapd.service polkit.service
"""
INSTALL = "snap install --dangerous /tmp/telegram-desktop.snap"


class Host(Machine):
    def verb(self, verb, plan):
        return json.loads(self.run("python3", "-I", "-S", "-c", DRIVER, verb, stdin=json.dumps(plan)))

    def as_alice(self, script):
        return podman("exec", "--user", "alice", "--workdir", "/home/alice", self.name, "sh", "-c", script, check=False)

    def snaps(self):
        return {line.split()[0] for line in self.run("snap", "list").splitlines()[1:]} - PRESENT.keys()

    def runs(self):
        return " /snap/telegram-desktop/x1/bin/telegram-desktop" in self.run("sh", "-c", "ls -l /proc/*/exe 2>&1; :")


@pytest.fixture
def host(tmp_path):
    # snapd keeps a snap's mount namespace by binding it. Linux refuses that for one with a lower number than our own,
    # against loops, and on 6.18 these numbers rise only on each processor by itself.
    options = ("--cpuset-cpus", str(min(os.sched_getaffinity(0))), "--network", "none")
    source = ("--volume", f"{SOURCE}:/source:ro")
    with booting(NAME, "trixie-snap", tmp_path, *options, *source):
        host = Host(NAME, "", Path())
        # Without the Snap Store the boot as a whole waits half a minute for nothing.
        until(lambda: host.run("systemctl", "is-active", "snapd.socket", check=False) == "active\n")
        host.run("sh", "-c", MAKE, stdin=json.dumps(STATE))
        until(lambda: "bare" in host.run("snap", "list", check=False))
        yield host


PLAN = plan("snap", telegram=["telegram-desktop"])


def test_a_snap_on_its_whole_way(host):
    assert host.as_alice(INSTALL).returncode == 0  # with the administrator's leave
    host.run("snap", "install", "--dangerous", "/tmp/innocent.snap")
    start = ["podman", "--runtime", "runc", "exec", NAME, "snap", "run", "telegram-desktop", "600"]
    running = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(host.runs)
    host.as_alice("mkdir -p ~/snap/telegram-desktop/x1 && echo letters >~/snap/telegram-desktop/x1/letters")
    verdict = host.verb("observe", PLAN)["apps/telegram"]
    assert seen(verdict) == [("snap", "telegram-desktop", "5.8.3", "system", TELEGRAM)]
    process = verdict["findings"][1]
    assert (process["kind"], process["manager"], process["scope"]) == ("process", "snap", "user:root")
    host.run("systemctl", "stop", "snapd.socket", "snapd.service")
    verdict = host.verb("observe", PLAN)["apps/telegram"]
    assert seen(verdict) == [("snap", "telegram-desktop", "revision x1", "system", TELEGRAM)]
    host.run("systemctl", "start", "snapd.socket", "snapd.service")
    done = host.verb("enforce", PLAN)
    assert (done["error"], done["refused"]) == (None, []) and running.wait(timeout=LONGEST) != 0
    assert host.snaps() == {"innocent"}
    assert {verdict["state"] for verdict in host.verb("observe", PLAN).values()} == {"compliant"}
    assert host.verb("enforce", PLAN)["actions"] == []
    saved = host.run("sh", "-c", "ls /var/lib/snapd/snapshots/*_telegram-desktop_*.zip | head -n 1").strip()
    host.run("python3", "-m", "zipfile", "-e", saved, "/tmp/saved")
    assert "letters" in host.run("tar", "--list", "--file", "/tmp/saved/user/alice.tgz")
    host.as_alice("mkdir -p ~/mine/meta && cp /snap/innocent/x1/meta/snap.yaml ~/mine/meta")
    for road in (INSTALL, "snap try ~/mine", "snap install telegram-desktop", "snap remove innocent"):
        refused = host.as_alice(road)
        assert refused.returncode and "access denied" in refused.stderr, (road, refused)
    assert host.snaps() == {"innocent"}
    host.run(*INSTALL.split())  # root's own: nothing can refuse it by its name, so it is seen
    assert seen(host.verb("observe", PLAN)["apps/telegram"])[0][1] == "telegram-desktop"
    assert host.verb("enforce", PLAN)["error"] is None and host.snaps() == {"innocent"}
    assert host.verb("lift", PLAN)["error"] is None and host.verb("lift", PLAN)["actions"] == []
    assert host.run("find", "/etc", "/usr/libexec", "/var/lib", "-path", "*proscribe*") == ""
    assert host.as_alice(INSTALL).returncode == 0
