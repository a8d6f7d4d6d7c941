"""Debian sid, which has today what other releases get later."""

import os
import subprocess
import sys

import pytest
from conftest import require_tool
from machine import outside
from machines import booted, podman, read_records
from patience import LONGEST
from scheduled_machine import CHECKOUT, REACH_ITSELF, RESTRICTIONS, Scheduled
from tampering import TEN, named
from test_apps_what_moves import appimage, of

pytestmark = pytest.mark.whole_hosts

# Those that are made for its Python; what it has itself is younger than what is supported.
RELEASED = ("2.20", "2.21") if os.environ.get("PROSCRIBE_TESTS_EVERY_CORE") == "1" else ("2.21",)
VARIABLES = {"proscribe_categories": ["instant_messaging"], "proscribe_schedule_spread": "0"}
APPIMAGE = "/home/alice/Signal-7.1.AppImage"
DEB = "/root/wechat.deb"
TREE = r"""
cd / && find etc usr/libexec var/lib/proscribe opt home srv -printf '%p %m %U %l\n' 2>/dev/null
cat etc/dpkg/dpkg.cfg etc/hosts
nft list tables
"""
# An address of Telegram's, which leads no further than this host's own network.
CONNECT = """\
import errno, os, socket
os.system("ip route replace 149.154.167.0/24 dev eth0")
try:
    socket.create_connection(("149.154.167.51", 443), 20)
except OSError as error:
    print(errno.errorcode[error.errno])
"""
# What the host's DNS filter answers for a name: 3 is that there is none, 5 that it has nobody to ask.
ASK = r"""
import socket, sys
name = b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[1].split(".")) + b"\0"
asking = socket.socket(type=socket.SOCK_DGRAM)
asking.settimeout(60)
asking.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1", ("127.0.0.1", 53))
print(asking.recv(512)[3] & 15)
"""
HOSTS = "some_department: {hosts: {web01: {ansible_host: 127.0.0.1, ansible_user: root}}}\n"
WAIVER = [
    *("new", "--service", "wechat", "--host", "web01", "--control", "dns", "--reason", "A test", "--id", "w1"),
    *("--requested-by", "alice", "--approved-by", "head.of.it", "--approved-on", "now", "--expires", "30d"),
]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    require_tool("mksquashfs")
    directory = tmp_path_factory.mktemp("sid")
    with booted("sid", root="sid-managed") as (machine,):
        Scheduled(machine.name).become_host()
        machine.run("dpkg", "-i", DEB)
        appimage(directory, "made", of("signal-desktop"), "zstd")
        podman("cp", str(directory / "made"), f"{machine.name}:{APPIMAGE}")
        machine.run("chown", "alice:alice", APPIMAGE)
        yield machine


def tree(host):
    return set(host.run("sh", "-c", TREE).splitlines())


def states(of):
    """The states of the rules that are not plainly compliant."""
    assert of["errors"] == [], of["errors"]
    return {rule["state"] for rule in of["rules"]} - {"not_applicable"}


def test_a_host_of_python_3_14_over_ssh(host, tmp_path):
    def play(name):
        done = host.playbook(name, VARIABLES, tmp_path)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return read_records(tmp_path)[host.name]

    before = tree(host)
    seen = play("audit")
    assert seen["platform"]["python"].startswith("3.14."), seen["platform"]
    assert states(seen) == {"noncompliant"}
    packed = [found for rule in seen["rules"] for found in rule["findings"] if found["path"] == APPIMAGE]
    assert packed and all("zstd" not in (found["detail"] or "") for found in packed), packed
    assert tree(host) == before

    assert states(play("enforce")) == {"repaired"} and states(play("enforce")) == set()
    assert not host.there("/opt/wechat/wechat") and not host.there(APPIMAGE)
    assert "policy" in host.run("sh", "-c", f"dpkg -i {DEB} 2>&1 || :").lower()
    assert not host.there("/opt/wechat/wechat") and host.run("python3", "-c", CONNECT) == "ECONNREFUSED\n"
    assert [host.run("python3", "-c", ASK, name) for name in ("web.whatsapp.com", "example.org")] == ["3\n", "5\n"]
    assert host.run("grep", "-c", "whatsapp.com", "/etc/chromium/policies/managed/proscribe.json") != "0\n"

    for tampering in TEN.values():
        host.run("sh", "-eu", stdin=tampering.done)
    corrected = play("drift")
    assert states(corrected) == {"repaired"}
    for name, tampering in TEN.items():
        assert named(corrected, tampering), name
        host.run("sh", "-eu", stdin=tampering.right)

    lifted = host.playbook("lift", VARIABLES, tmp_path)
    assert lifted.returncode == 0, lifted.stdout[-3000:]
    host.run("dpkg", "-i", DEB)
    # What the tampering brought is left: a program is given back, and a directory with a foreign file in it stays ours.
    assert host.run("cat", "/etc/firefox/policies/policies.json") == "{}\n"
    host.run("rm", "-r", "/opt/Discord", "/etc/firefox", "/var/lib/proscribe")
    assert tree(host) ^ before == set()


@pytest.fixture(scope="module")
def sid(host):
    """The same host as a controller that reaches itself."""
    controller = Scheduled(host.name)
    controller.script(REACH_ITSELF)
    controller.become_controller(HOSTS, RESTRICTIONS)
    controller.write(f"{CHECKOUT}/fleet/approvers.yml", "some_department: {head: head.of.it}\n")
    return controller


def test_host_code_runs_on_python_3_14(sid):
    sid.send_checkout(["tests/host_code.py"])
    assert "Python 3.14." in sid.run("python3", f"{CHECKOUT}/tests/host_code.py", "/usr/bin/python3")


@pytest.mark.parametrize("core", ["its own", *RELEASED])
def test_a_controller_of_python_3_14(sid, core, tmp_path):
    directory = "/usr" if core == "its own" else released(sid, core, tmp_path)
    sid.ansible = f"{directory}/bin/ansible-playbook"
    assert core == "its own" or f"[core {core}." in sid.run(sid.ansible, "--version")
    assert "python version = 3.14." in sid.run(sid.ansible, "--version")
    sid.proscribe("audit")
    assert sid.record()["state"] == "noncompliant" and sid.record()["errors"] == []
    sid.proscribe("enforce")
    assert sid.record()["state"] == "repaired" and sid.record()["errors"] == []
    assert sid.json(f"{CHECKOUT}/reports/latest/report.json")["summary"]["coverage"]["percent"] == 100
    assert "1 repaired" in sid.run(f"{CHECKOUT}/proscribe", "report", check=False)
    assert ": blocked on web01" in sid.proscribe("explain", "web.whatsapp.com", check=False)
    inventory = ["-i", f"{CHECKOUT}/fleet"]
    sid.run(f"{CHECKOUT}/proscribe", "waiver", *WAIVER, *inventory)
    assert "w1" in sid.run(f"{CHECKOUT}/proscribe", "waiver", "list", *inventory)
    assert "wechat" in sid.proscribe("diff", sid.run("readlink", f"{CHECKOUT}/reports/latest").strip(), check=False)
    sid.run("rm", "-r", f"{CHECKOUT}/fleet/waivers")
    assert "wechat" in sid.run(f"{CHECKOUT}/proscribe", "catalog", "list")
    sid.run(f"{CHECKOUT}/proscribe", "catalog", "check")
    sid.proscribe("lift")
    assert not sid.there("/etc/proscribe")


def released(sid, core, directory):
    """An environment in sid with that ansible-core, and sid's own libraries below it."""
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download", "--no-deps"]
    only = ["--only-binary=:all:", "--python-version=3.14", f"--dest={directory}", f"ansible-core=={core}.*"]
    subprocess.run(outside([*pip, *only]), check=True, timeout=LONGEST)
    (wheel,) = directory.glob("*.whl")
    podman("cp", str(wheel), f"{sid.name}:/srv/{wheel.name}")
    place = f"/srv/core{core}"
    sid.run("python3", "-m", "venv", "--system-site-packages", place)
    sid.run(f"{place}/bin/pip", "-q", "install", "--no-index", "--no-deps", "--ignore-installed", f"/srv/{wheel.name}")
    return place
