"""Services that are restricted for a group only, on a real host over SSH: its members lose them, the others do not."""

import json

import pytest
from machines import booted, read_records

pytestmark = pytest.mark.whole_hosts

FRIDA, DIETER, GRETA = 2001, 2002, 2003
TELEGRAM = "149.154.167.99"
# frida is listed in the group; greta has it as her own, and no list names her; dieter is in neither way.
SETUP = f"""\
set -eu
groupadd --gid 3001 contractors
useradd --create-home --shell /bin/bash --uid {FRIDA} --groups contractors frida
useradd --create-home --shell /bin/bash --uid {DIETER} dieter
useradd --create-home --shell /bin/bash --uid {GRETA} --gid contractors greta
mkdir -p /opt/viber /home/frida/viber /home/dieter/viber
for place in /opt/viber /home/frida/viber /home/dieter/viber; do
    cp /usr/bin/sleep $place/Viber
    printf '\\220\\0\\332\\047\\024\\0\\0\\0\\0\\0\\002\\0CmnD\\n' >$place/icudtl.dat
done
chown -R frida:frida /home/frida
chown -R dieter:dieter /home/dieter
ip route add 149.154.160.0/20 dev eth0
"""
STAYING = """\
import subprocess, sys
for uid in map(int, sys.argv[1:]):
    print(subprocess.Popen(["/opt/viber/Viber", "6000"], user=uid, group=uid, extra_groups=[], cwd="/").pid)
"""
CONNECT = """\
import errno, os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
one = socket.socket()
one.settimeout(1)
try:
    one.connect((sys.argv[2], 443))
except OSError as error:
    print(errno.errorcode.get(error.errno, "nothing"))
"""
POLICY = {
    "proscribe_groups_restricted": [
        {"services": ["telegram"], "groups": ["contractors"]},
        {"services": ["viber"], "groups": ["contractors"], "controls": ["apps"]},  # the catalogue has no networks of it
    ],
    "proscribe_controls": {"browser": "audit", "dns": "audit"},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with booted("members", root="trixie-host") as (machine,):
        machine.run("sh", "-c", SETUP)
        yield machine


def run(host, playbook, reports):
    """The states of the rules of these services, as far as they are more than compliant; and the whole report."""
    done = host.playbook(playbook, POLICY, reports)
    assert (reports / "latest").exists(), (done.stdout, done.stderr)
    report = json.loads((reports / "latest/report.json").read_text())
    rules = read_records(reports)[host.name]["rules"]
    return {rule["rule"]: rule["state"] for rule in rules if rule["rule"].endswith(("/viber", "/telegram"))}, report


def test_members_lose_it_and_nobody_else_does(host, tmp_path):
    users = (FRIDA, DIETER, GRETA, 0)
    pids = host.run("python3", "-IS", "-c", STAYING, *map(str, users)).split()
    states, report = run(host, "enforce", tmp_path)
    assert states == {"apps/viber": "repaired", "firewall/telegram": "repaired"}
    assert any("browser and dns cannot tell users apart" in text for text in report["warnings"])
    alive = {uid for uid, pid in zip(users, pids) if host.run("readlink", f"/proc/{pid}/exe", check=False)}
    assert alive == {DIETER, 0}
    assert [user for user in ("frida", "dieter") if host.there(f"/home/{user}/viber/Viber")] == ["dieter"]
    assert host.there("/opt/viber/Viber")
    for uid in (FRIDA, GRETA):
        assert host.run("python3", "-IS", "-c", CONNECT, str(uid), TELEGRAM).strip() == "ECONNREFUSED"
    for uid in (DIETER, 0):  # it goes out, where nobody is
        assert host.run("python3", "-IS", "-c", CONNECT, str(uid), TELEGRAM).strip() in ("EHOSTUNREACH", "nothing")
    assert run(host, "audit", tmp_path)[0] == {}


def test_a_new_member_is_drift_and_a_group_that_is_gone_is_unknown(host, tmp_path):
    host.run("usermod", "--append", "--groups", "contractors", "dieter")
    assert run(host, "audit", tmp_path)[0] == {"apps/viber": "noncompliant", "firewall/telegram": "noncompliant"}
    host.run("gpasswd", "--delete", "dieter", "contractors")
    assert run(host, "audit", tmp_path)[0] == {}
    host.run("groupmod", "--new-name", "externals", "contractors")
    unknown = {"apps/viber": "unknown", "apps/telegram": "unknown", "firewall/telegram": "unknown"}
    assert run(host, "audit", tmp_path)[0] == unknown and run(host, "enforce", tmp_path)[0] == unknown
    assert host.there("/home/dieter/viber/Viber")
    assert host.run("python3", "-IS", "-c", CONNECT, str(FRIDA), TELEGRAM).strip() == "ECONNREFUSED"
