"""From refused to granted to closed, on two real hosts and their controller."""

import datetime
import json
import time

import pytest
from patience import BUSY, until
from proscribe.base.duration import format_moment
from proscribe.host.watch import watch_units
from proscribe.host.watch.state import journal, watch_files
from scheduled_fleet import REPORTS, scheduled_fleet
from scheduled_machine import CHECKOUT, RESTRICTIONS

pytestmark = pytest.mark.whole_hosts

A, B = "press01", "fin01"
NOTIFICATION = "This is not permitted here; ask the IT service desk."
# The hosts' own timer is far away, so every observation here is one that the story makes.
POLICY = f"{RESTRICTIONS}proscribe_watch: 6h\nproscribe_user_notice: {NOTIFICATION}\n"
APPROVERS = "press: {head: head.of.press}\nfinance: {head: head.of.finance}\n"
TELEGRAM = "149.154.167.51"  # an address of Telegram's; here the controller has it
RULE = "firewall/telegram"

# A portable Telegram in a home, as one unpacks it.
UNPACK = """\
for user in alice bob; do
    mkdir -p /home/$user/Telegram && cd /home/$user/Telegram
    cp /usr/bin/sleep Telegram; cp /bin/true Updater; cp /bin/true libqt.so.6
    chown -R $user: /home/$user/Telegram
done
"""
USERS = f"""\
useradd --create-home --shell /bin/bash bob
echo 'alice ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/alice
install -d -o alice -g alice -m 700 /home/alice/.ssh
install -o alice -g alice -m 600 /root/.ssh/authorized_keys /home/alice/.ssh/authorized_keys
mkdir -p /srv/made/DEBIAN /srv/made/opt/telegram
printf '%s\\n' 'Package: telegram-desktop' 'Version: 5.1' 'Architecture: all' 'Maintainer: T <t@example.org>' \\
    'Description: made' >/srv/made/DEBIAN/control
dpkg-deb --root-owner-group --build /srv/made /srv/telegram-desktop.deb
echo "127.0.1.1 $(hostname)" >>/etc/hosts
ip route replace {TELEGRAM}/32 dev eth0
{UNPACK}"""
SERVICE = f"""\
ip addr add {TELEGRAM}/32 dev eth0
mkdir -p /srv/www
systemd-run --quiet --unit telegram-of-the-test python3 -m http.server 443 --bind {TELEGRAM} --directory /srv/www
"""
# What a user gets: whether Telegram answers, and what became of the program within some seconds.
CONNECT = f"""\
import errno, socket
try:
    socket.create_connection(("{TELEGRAM}", 443), 20)
    print("open")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
START = """\
import os, subprocess, sys
started = subprocess.Popen([os.path.expanduser("~/Telegram/Telegram"), "600"], cwd="/")
try:
    print(started.wait(float(sys.argv[1])))
except subprocess.TimeoutExpired:
    started.kill()
    print("runs")
"""
# What the host's DNS filter answers for telegram.org: 3 is that there is no such name, 5 that it has nobody to ask.
ASK = r"""
import socket
asking = socket.socket(type=socket.SOCK_DGRAM)
asking.settimeout(60)
asking.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0\10telegram\3org\0\0\1\0\1", ("127.0.0.1", 53))
print(asking.recv(512)[3] & 15)
"""
OUTPUTS = {"requests": "requests --json", "exceptions": "report --exceptions --json"}
OUTPUTS["metrics"] = "report --format prometheus"


@pytest.fixture(scope="module")
def fleet():
    with scheduled_fleet("story", (A, B), POLICY) as booted:
        groups = {"press": {"hosts": {A: {}}}, "finance": {"hosts": {B: {}}}}
        inventory = {"all": {"hosts": booted.variables, "children": groups}}
        booted.controller.write(f"{CHECKOUT}/fleet/hosts.yml", json.dumps(inventory))
        booted.controller.write(f"{CHECKOUT}/fleet/approvers.yml", APPROVERS)
        booted.controller.script(SERVICE)
        for host in booted.hosts.values():
            host.script(USERS)
        yield booted


class Terminal:
    """A session of alice's on a host, over SSH, and what stands on its terminal."""

    def __init__(self, fleet, host):
        self.controller, self.file, self.read_to = fleet.controller, f"/srv/terminal-{host}", 0
        ssh = f"ssh -tt alice@{fleet.addresses[host]} 'echo ready; exec sleep infinity'"
        self.controller.run("systemd-run", "--quiet", "sh", "-c", f"sleep infinity | {ssh} >{self.file} 2>&1")
        until(lambda: "ready" in self.shown())

    def shown(self):
        """What came since the last time."""
        text = self.controller.run("sh", "-c", f"cat {self.file} 2>/dev/null || true")
        new, self.read_to = text[self.read_to :], len(text)
        return " ".join(new.split())

    def shows(self, text):
        """Wait until a text has come; it has not come twice."""
        seen = []
        until(lambda: seen.append(self.shown()) or text in " ".join(seen), on_timeout=lambda: f"{text!r} in {seen}")
        assert " ".join(seen).count(text) == 1, seen


class Story:
    """The people of the story, and what they can see."""

    def __init__(self, fleet):
        self.fleet, self.controller = fleet, fleet.controller

    def as_user(self, user, host, *argv, check=True, stdin=None):
        become = ("runuser", "-u", user, "--")  # no session of its own
        return self.fleet.hosts[host].run(*become, *argv, check=check, stdin=stdin)

    def reaches(self, user, host):
        """Whether the firewall lets a user through. A refusal is one at once."""
        said = self.as_user(user, host, "python3", "-", stdin=CONNECT).strip()
        assert said in ("open", "ECONNREFUSED"), said
        return said == "open"

    def starts(self, user, host, seconds):
        """Whether the user's own copy of the program goes on running for so long."""
        said = self.as_user(user, host, "python3", "-", str(seconds), stdin=START).strip()
        assert said in ("runs", "-15", "-9"), said
        return said == "runs"

    def observes(self, host):
        self.delay_timers()
        assert self.fleet.hosts[host].start(watch_units.SERVICE_UNIT)

    def delay_timers(self):
        """The first own observation of a timer is a minute after its start, so it is started anew."""
        for host in self.fleet.hosts.values():
            for verb in ("reset-failed", "try-restart"):  # more than five times in ten seconds, too
                host.run("systemctl", verb, watch_units.TIMER_UNIT, check=False)

    def opened_for(self):
        """The users and hosts to whom the service is open; what is for whole hosts is closed everywhere."""
        for host in self.fleet.hosts.values():
            host.script(UNPACK)
            assert host.run("python3", "-", stdin=ASK) == "3\n"
            assert "telegram.org" in host.read("/etc/chromium/policies/managed/proscribe.json")
        everybody = [(user, host) for host in (A, B) for user in ("alice", "bob")]
        open_to = {place for place in everybody if self.reaches(*place)}
        # A program that has to end is waited for: what ends it has its turn when the processor is free.
        assert open_to == {place for place in everybody if self.starts(*place, seconds=3 if place in open_to else BUSY)}
        return open_to

    def proscribe(self, *words):
        self.delay_timers()
        return self.controller.run("sh", "-c", f"cd {CHECKOUT} && ./proscribe {' '.join(words)} -i fleet 2>/dev/null")

    def outputs(self):
        """Everything that the controller says of the last run."""
        each = [f"./proscribe {words} -i fleet >/srv/said-{name} 2>/dev/null &" for name, words in OUTPUTS.items()]
        self.controller.script(f"cd {CHECKOUT}; {' '.join(each)} wait")
        said = {name: self.controller.read(f"/srv/said-{name}") for name in OUTPUTS}
        return {**said, "page": self.controller.read(f"{REPORTS}/latest/report.html")}

    def agree(self, request, state, waits, waiver="", status=""):
        """Return the exception's chain ({} for none). All outputs have to agree on a request and its waiver."""
        said = self.outputs()
        record = self.fleet.records()[A]
        report = self.controller.json(f"{REPORTS}/latest/report.json")
        waived = status == "active"

        # The request: in the record and in the list.
        (own,) = [entry for entry in record["requests"] if entry["id"] == request]
        assert own.get("answer") == {"open": None, "waived": "granted"}.get(state, state)
        listed = {entry["id"]: entry for entry in json.loads(said["requests"])["requests"]}
        assert (listed[request]["state"], listed[request]["waiver"] or "") == (state, waiver)
        # How many wait: in the report, on the page, in the metrics.
        assert (report["requests"] or {"waiting": 0})["waiting"] == waits
        assert ('id="requests"' in said["page"]) == bool(waits)
        assert (f"\nproscribe_requests_waiting {waits}\n" in said["metrics"]) == bool(waits)

        # The rule is waived, or it is not.
        rules = {rule["rule"]: rule["state"] for rule in record["rules"]}
        assert (rules.get(RULE) == "waived") == waived, rules
        assert (record["state"] == "waived") == waived, record["state"]

        # The waiver, with the same status.
        exceptions = json.loads(said["exceptions"])
        for key, entries in (("id", report["waivers"]), ("waiver", exceptions["exceptions"])):
            assert [(entry[key], entry["status"]) for entry in entries] == [(waiver, status)] * bool(status)
        assert (waiver in said["page"]) == bool(status) or not waiver
        assert (f'proscribe_waiver_hosts{{waiver="{waiver}",status="{status}"}} 1' in said["metrics"]) == bool(status)
        return dict(next(iter(exceptions["exceptions"]), {}))

    def events(self, event):
        lines = self.fleet.hosts[A].run("sh", "-c", f"cat {journal.JOURNAL} 2>/dev/null || true").splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def move_clock(self, to):
        """A's own time goes on: the mark of the latest time that it has seen counts."""
        self.fleet.hosts[A].write(watch_files.CLOCK_PATH, f"{format_moment(to)}\n", "0600")


def utc():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def test_from_refused_to_granted_to_closed_again(fleet):
    story, host = Story(fleet), fleet.hosts[A]
    terminal = Terminal(fleet, A)
    story.proscribe("enforce")
    assert story.opened_for() == set()

    # Alice is refused: a package, and a program, each with the command that she can use. Others do not see hers.
    refused = story.as_user("alice", A, "sudo", "dpkg", "--install", "/srv/telegram-desktop.deb", check=False)
    assert "does not allow telegram-desktop" in refused and "proscribe-request" in refused
    assert 'To request an exception: proscribe-request telegram "reason"' in terminal.shown()
    assert "Root cannot request" in host.run("proscribe-request", "telegram", "x", check=False)
    said = story.as_user("alice", A, "proscribe-request", "telegram", "Readers write there")
    id_ = said.partition("is written down: ")[2][:16]

    # The hosts observe themselves, and a run collects that.
    for name in (A, B):
        story.observes(name)
    story.proscribe("collect")
    assert story.agree(id_, "open", 1) == {}
    (ended,) = [one for one in fleet.records()[A]["watch"]["ended"] if one["user"] == "alice"]
    assert (ended["rule"], ended["program"]) == ("apps/telegram", "Telegram")

    # The draft waives nothing; the head's signature does, from the next run on.
    story.proscribe("waiver", "new", "--request", id_, "--expires", "9d")
    waiver = f"{A}-alice-telegram-{id_[:4]}"
    file = f"{CHECKOUT}/fleet/waivers/{waiver}.yml"
    draft = fleet.controller.read(file)
    assert "users: [alice]" in draft and "approved_by: head.of.press" in draft
    fleet.controller.script(
        "ssh-keygen -q -t ed25519 -N '' -f /root/head;"
        f' echo "head.of.press namespaces=\\"proscribe-waiver\\" $(cut -d\' \' -f1,2 /root/head.pub)"'
        f" >{CHECKOUT}/fleet/allowed_signers"
    )
    story.proscribe("waiver", "sign", waiver, "--key", "/root/head")
    began = time.monotonic()
    story.proscribe("drift")
    took = time.monotonic() - began
    chain = story.agree(id_, "waived", 0, waiver, "active")
    assert (chain["requested"]["user"], chain["approved"]["by"]) == ("alice", "head.of.press")

    # It is open for her, there.
    assert story.opened_for() == {("alice", A)}
    terminal.shown()
    story.observes(A)
    limits = "open: programs, network addresses; closed to everybody on this host: pages in browsers, names (DNS)"
    terminal.shows(f"UTC: {limits}.")
    said = story.as_user("alice", A, "proscribe-request", "--list")
    assert "telegram: granted until" in said and f"UTC ({limits})" in said

    # Before the end she reads of it, each time once.
    end = moment(chain["expires"])
    for before in (datetime.timedelta(days=6), datetime.timedelta(hours=12)):
        story.move_clock(end - before)
        story.observes(A)
        terminal.shows("The exception for Telegram on this host ends on")
        story.observes(A)
        assert "ends on" not in terminal.shown()
    notified = [line["about"] for line in story.events("notified")]
    assert notified == ["opened: Telegram", "7 days: Telegram", "1 day: Telegram"]

    # The head makes it shorter. The run brings the true time, too. It has to come before the end: once more, and later,
    # where it came too late.
    ahead = datetime.timedelta(seconds=round(2 * took) + 8)
    while True:
        end = utc() + ahead
        fleet.controller.script(f"sed -i 's/^expires: .*/expires: {format_moment(end)}/' {file}")
        story.proscribe("waiver", "sign", waiver, "--key", "/root/head")
        story.proscribe("drift")
        reaches = story.reaches("alice", A)
        if utc() < end:
            break
        ahead *= 2
    assert reaches and abs((moment(host.read(watch_files.CLOCK_PATH).strip()) - utc()).total_seconds()) < 120

    # It ends, with nobody's doing: the host closes it by itself, and that is no drift.
    until(lambda: utc() > end)
    drifted = len(story.events("drift"))
    terminal.shown()
    story.observes(A)
    assert not story.reaches("alice", A)
    terminal.shows("The exception for Telegram on this host has ended.")
    assert story.events("plan") and RULE not in str(story.events("drift")[drifted:])
    assert "telegram: granted, and ended on" in story.as_user("alice", A, "proscribe-request", "--list")
    said = story.as_user("alice", A, "proscribe-request", "telegram", "Readers write there still")
    again = said.partition("is written down: ")[2][:16]

    # What the host did is what the controller would have had it do: no answer for another plan.
    story.observes(A)
    story.proscribe("collect")
    assert fleet.records()[A]["state"] in ("compliant", "repaired"), fleet.records()[A]["reason"]
    chain = story.agree(id_, "ended", 1, waiver, "expired")
    assert (chain["ended"]["how"], chain["ended"]["on"]) == ("expired", format_moment(end))
    assert chain["used"]["hosts"] == [A] and chain["requested"]["reason"] == "Readers write there"
    assert [one["id"] for one in json.loads(story.outputs()["exceptions"])["requests"]] == [again]
    assert RULE not in str(fleet.records()[A]["watch"]["incidents"]) and story.opened_for() == set()


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
