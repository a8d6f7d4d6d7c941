"""Enforcing the apps on a real Debian, killed with SIGKILL after each action and in the middle of moving a copy: the
next run completes it, exactly what is restricted is gone, and lifting gives everything back.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import test_apps_real_dpkg as real

pytestmark = pytest.mark.integration
debs, machine = real.debs, real.machine  # the fixtures

# One run that dies: after so many actions, or at so many steps of the quarantine (0: it does not die there).
RUN = """
import json, os, signal, sys
sys.path.insert(0, "/source")
from proscribe.host.controls import apps
from proscribe.host.controls.apps.quarantine import manifest
from proscribe.host.system import Host
host, asked = Host(), json.load(sys.stdin)
plan, after, at = asked["plan"], asked["after"], asked["at"]
steps = 0
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def reached(name):
    global steps
    steps += 1
    if steps == at:
        die()
manifest.reached = reached
changes = apps.enforce(host, plan)
for number, action in enumerate(changes.actions):
    if number == after:
        die()
    action.apply()
print(json.dumps([str(action) for action in changes.actions]))
"""

SETUP = """
grep -q ^alice /etc/passwd || echo alice:x:1000:1000::/home/alice:/bin/sh >>/etc/passwd
mkdir -p /home/alice/viber && cp /usr/bin/sleep /home/alice/viber/Viber
printf '\\220\\0\\332\\047\\024\\0\\0\\0\\0\\0\\002\\0CmnD\\n' >/home/alice/viber/icudtl.dat
echo dear >/home/alice/letter
chown -R 1000:1000 /home/alice
touch -d 2020-01-01 /home/alice/viber/* /home/alice/viber
"""
ALICE = """
cd /home/alice && find . -mindepth 1 -printf '%p %m %U %G %T@\\n' | sort && cat letter && sha256sum viber/*.dat
"""
MOST = 60


def ban() -> dict[str, Any]:
    made = real.plan(wechat=["wechat"])
    viber = {"name": "viber", "mode": "enforce", "packages": {}, "processes": ["Viber"], "paths": ["~/viber"]}
    made["controls"]["apps"]["services"]["viber"] = viber
    return made


@pytest.mark.parametrize("kind", ["after", "at"], ids=["after each action", "at each step of a move"])
def test_the_next_run_completes_it(machine: real.Machine, kind: str) -> None:
    banned = ban()
    machine.install("weechat")
    machine.sh(SETUP)
    was, innocent = machine.sh(ALICE).stdout, machine.installed()
    deaths = 0
    for number in range(1, MOST):
        machine.install("wechat")
        request = {"plan": banned, "after": -1, "at": 0, kind: number}
        done = machine.run("python3", "-I", "-S", "-c", RUN, input=json.dumps(request), check=False)
        assert done.returncode in (0, -9, 137), done.stderr
        deaths += done.returncode != 0
        completed = machine.verb("enforce", banned)
        assert (completed["error"], completed["refused"]) == (None, []), number
        assert {verdict["state"] for verdict in machine.verb("observe", banned).values()} == {"compliant"}, number
        assert machine.installed() == innocent
        assert machine.sh("cd /home/alice && ls -A && cat letter").stdout == "letter\ndear\n"
        lifted = machine.verb("lift", banned)
        assert (lifted["error"], lifted["refused"]) == (None, []), number
        assert machine.sh(ALICE).stdout == was, number
        if done.returncode == 0:
            break
    assert deaths >= 5
