"""A real sshd whose places are filled by the idle connections of one account."""

import json
import os
import subprocess
from pathlib import Path

import proscribe
import pytest
from conftest import require_root, require_tool
from namespaced import made_plan
from proscribe.controller.report.text.wording import SSHD_HINT, describe_unreachable
from proscribe.host.controls.firewall.rule_syntax import FirewallExemptions
from proscribe.host.controls.firewall.ruleset import render_ruleset

PORT = 2222
# Opens connections and never logs in, each from another address of the loopback network where `spread`.
ATTACK = """
import socket, sys, time
held = []
for number in range(150):
    connection = socket.socket()
    connection.settimeout(5)
    if sys.argv[2] == "spread":
        connection.bind((f"127.0.0.{number + 2}", 0))
    try:
        connection.connect(("127.0.0.1", int(sys.argv[1])))
        held.append(connection)
    except OSError:
        pass
print(len(held), flush=True)
time.sleep(60)
"""
# What a host notices, and what `ssh` says: in the namespace, and ended with it.
STORY = """
import json, subprocess, sys
sys.path[:0] = [sys.argv[1]]
directory, port, spread, table = sys.argv[2:6]
run = subprocess.run
run(["ip", "link", "set", "lo", "up"], check=True)
run(["nft", "-f", "-"], input=table, text=True, check=True) if table else None
daemon = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", f"{directory}/sshd_config", "-E", f"{directory}/log"])
ssh = ["ssh", "-F", "none", "-p", port, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
       "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10", "nobody@127.0.0.1", "true"]
def tries(number):
    return [run(ssh, capture_output=True, text=True).stderr for _ in range(number)]
for _ in range(50):
    if "refused" not in tries(1)[0].lower():
        break
as_nobody = ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", open(f"{directory}/attack").read()]
attack = subprocess.Popen([*as_nobody, port, spread], stdout=subprocess.PIPE, text=True)
held = int(attack.stdout.readline())
from proscribe.host.system import Host
from proscribe.host.controls import management_exemptions
from proscribe.host.watch.ssh_startups import find_full_sshd
management_exemptions.read_ssh_ports = lambda host: [int(port)]
message, users = find_full_sshd(Host())
said = tries(8)
attack.kill(), attack.wait()
print(json.dumps({"held": held, "message": message, "users": users, "said": said}))
daemon.kill(), daemon.wait()
"""


@pytest.fixture
def story(tmp_path):
    require_root()
    for tool in ("ip", "nft", "ssh", "ssh-keygen", "unshare", "setpriv"):
        require_tool(tool)
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    lines = [f"Port {PORT}", "ListenAddress 127.0.0.1", f"HostKey {tmp_path}/key", f"PidFile {tmp_path}/pid"]
    (tmp_path / "sshd_config").write_text("\n".join([*lines, ""]))
    (tmp_path / "attack").write_text(ATTACK)

    def play(spread, table=""):
        argv = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "/usr/bin/python3", "-c", STORY]
        argv += [str(Path(proscribe.__file__).parents[1]), str(tmp_path), str(PORT), spread, table]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return play


def limited(limit):
    section = made_plan({}, dns_over_tls="unmanaged", local_ssh=limit)["controls"]["firewall"]
    return render_ruleset(section, FirewallExemptions(ssh_ports=(PORT,)))


@pytest.mark.parametrize("spread", ["one address", "spread"])
def test_full_places_of_sshd_are_named_where_they_can_be_seen(story, spread):
    seen = story(spread)
    refusals = [text for text in seen["said"] if "Permission denied" not in text]
    assert len(refusals) >= 2, seen  # sshd refuses by chance from ten on, and more of them the more there are
    assert all(describe_unreachable(text).endswith(SSHD_HINT) for text in refusals), refusals
    assert seen["users"] == ["nobody"]
    assert "connections have not logged in (MaxStartups 10-100); " in str(seen["message"])
    assert str(seen["message"]).endswith(" from this host by nobody")


@pytest.mark.parametrize("spread", ["one address", "spread"])
def test_with_a_limit_of_the_firewall_everybody_else_gets_in(story, spread):
    seen = story(spread, limited(8))
    assert seen["held"] == 8
    assert all("Permission denied" in text for text in seen["said"]), seen
    assert (seen["message"], seen["users"]) == ("", [])
