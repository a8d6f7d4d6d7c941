"""Rules for fapolicyd in Debian's real fagenrules and fapolicyd-cli. The daemon itself could hang a whole machine."""

import json
import subprocess
from pathlib import Path

import pytest
import test_apps_real_dpkg as real
from machine import outside

debs, machine = real.debs, real.machine  # the fixtures
RUN = """
import json, sys
sys.path.insert(0, "/source")
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.execution import fapolicyd, fapolicyd_changes
from proscribe.host.system import Host
host, section = Host(), json.load(sys.stdin)
wanted = DesiredApps(section)
actions = fapolicyd_changes.lift(host) if sys.argv[1] == "lift" else fapolicyd_changes.enforce(host, section, wanted)
for action in actions:
    action.apply()
seen = fapolicyd.observe(host, {"controls": {"apps": section}}, wanted)
print(json.dumps([[str(action) for action in actions], [f.detail for verdict in seen for f in verdict.findings]]))
"""
RULES = "/etc/fapolicyd/rules.d"


@pytest.fixture
def fapolicyd(tmp_path_factory, machine):
    folder = tmp_path_factory.mktemp("fapolicyd")
    download = outside(["apt-get", "download", "-q", "fapolicyd", "liblmdb0", "libmagic1t64", "libudev1"])
    subprocess.run(download, cwd=folder, check=True, capture_output=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "tree"], check=True)
    (folder / "tree/usr/sbin/fapolicyd").unlink()
    archive = subprocess.run(["tar", "-C", folder / "tree", "-c", "."], check=True, capture_output=True).stdout
    subprocess.run([*machine.enter, "tar", "-C", "/", "-x", "--keep-directory-symlink"], input=archive, check=True)
    machine.sh(f"mkdir -p {RULES} && echo fapolicyd:x:199: >>/etc/group && ldconfig")
    return machine


def answer(machine, verb, section):
    return json.loads(machine.run("python3", "-I", "-S", "-c", RUN, verb, input=json.dumps(section)).stdout)


def test_rules_are_compiled_in_order_and_taken_away(fapolicyd):
    machine = fapolicyd
    assert not Path(machine.root, "usr/sbin/fapolicyd").exists()
    machine.sh(f"cp /usr/share/fapolicyd/sample-rules/21-updaters.rules {RULES} && fagenrules --load")
    before = machine.sh("cat /etc/fapolicyd/compiled.rules").stdout
    section = real.plan(wechat=["wechat"])["controls"]["apps"] | {"settings": {"exec_control": "fapolicyd"}}
    actions, refused = answer(machine, "enforce", section)
    assert actions == ["load fapolicyd rules"]
    assert refused == ["fapolicyd does not run, so that nothing is denied"]  # true, and not ours to correct
    listed = machine.run("fapolicyd-cli", "--list").stdout.splitlines()
    assert listed[0].endswith("1. deny_syslog perm=execute all : path=/opt/wechat")
    assert listed[1].endswith("2. deny_syslog perm=execute all : dir=/opt/wechat/")
    assert len(listed) == 2 + before.count("perm=") and answer(machine, "enforce", section)[0] == []
    assert answer(machine, "lift", section)[0] == [f"delete {RULES}/15-proscribe.rules"]
    assert machine.sh("cat /etc/fapolicyd/compiled.rules").stdout == before
    assert machine.sh(f"ls {RULES}").stdout == "21-updaters.rules\n"
