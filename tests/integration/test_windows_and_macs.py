"""Two Windows hosts and a Mac in one report with two Debian hosts: each kind is asked in its own way, in one run."""

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import foreign_hosts as foreign
import pytest
from machines import booted, read_records, run_ansible
from patience import LONGEST
from proscribe.controller.windows.command_line import APP_PACKAGES_KEY, BROWSERS_KEY

pytestmark = pytest.mark.whole_hosts

CONTROLS = {"apps": "enforce", "browser": "enforce", "firewall": "audit", "dns": "enforce"}
NAMES = ("win-managed", "win-other", "mac", "deb-1", "deb-2")
CHROME, EDGE, FIREFOX = foreign.PLACES
WHATSAPP = "5319275A.WhatsAppDesktop_2.2.0.0_x64__cv1g1gvanyjgm"
OPERA = r'"C:\users\root\AppData\Local\Programs\Opera\launcher.exe"'
WECHAT = r"C:\Program Files (x86)\Tencent\WeChat"


class Fleet:
    def __init__(self, hosts, directory):
        self.directory, self.hosts = directory, dict(zip(NAMES, hosts, strict=True))
        own = dict.fromkeys(NAMES[:2], foreign.OVER_SSH)
        own["mac"] = {"ansible_python_interpreter": foreign.PYTHON}
        inventory = {name: {**host.connection, **own.get(name, {})} for name, host in self.hosts.items()}
        common = {"proscribe_controls": CONTROLS, "proscribe_history": "off", "proscribe_effective_from": "2024-10-31"}
        (directory / "fleet.json").write_text(json.dumps({"all": {"hosts": inventory, "vars": common}}))

    def run(self, playbook, *options):
        done = run_ansible(playbook, self.directory / "fleet.json", self.directory / "reports", LONGEST, *options)
        return done.stdout + done.stderr

    def records(self):
        return read_records(self.directory / "reports")

    def plan(self):
        [digest] = {record["plan"] for record in self.records().values()}
        return dict(json.loads((self.directory / f"reports/plans/{digest.rpartition(':')[2]}.json").read_text()))


@pytest.fixture(scope="module")
def fleet():
    with tempfile.TemporaryDirectory() as place, booted("foreign", 5, "trixie-wine") as hosts:
        made = Fleet(hosts, Path(place))
        managed, other, mac = hosts[:3]
        foreign.into_mac(mac)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(foreign.into_windows, (managed, other)))
        made.run("audit", "--limit", "deb-1")
        plan = made.plan()
        for host in (managed, other):
            foreign.import_registry(host, foreign.browsers(CHROME, EDGE, FIREFOX))
        foreign.import_registry(managed, foreign.policies(plan))
        for values in (
            foreign.installed("WeChat", DisplayName="微信", InstallLocation=WECHAT),
            foreign.installed("{1}", DisplayName="Telegram Desktop 5.1", Publisher="Telegram FZ-LLC"),
            foreign.installed("{2}", DisplayName="Signal 8.24.1", Publisher="Signal Messenger, LLC"),
            foreign.of_user(rf"{APP_PACKAGES_KEY}\{WHATSAPP}", "PackageID", WHATSAPP),
            foreign.of_user(rf"{BROWSERS_KEY}\OperaStable\shell\open\command", "", OPERA),
        ):
            foreign.import_registry(other, values)
        foreign.start(other, "WeChat.exe")
        foreign.bundle(mac, "/Applications/WeChat.app", "com.tencent.xinWeChat", CFBundleShortVersionString="4.0.1")
        foreign.bundle(mac, "/Applications/Google Chrome.app", "com.google.Chrome")
        foreign.bundle(mac, "/Applications/Firefox.app", "org.mozilla.firefox")
        foreign.bundle(mac, "/Users/alice/Downloads/Chat.app", "ru.keepcoder.Telegram")
        foreign.bundle(mac, "/Applications/Work/2026/x.app", "org.torproject.torbrowser")
        mac.run("mkdir", "-p", "/opt/homebrew/Caskroom/signal/7.1")
        foreign.preferences(mac, plan)
        yield made


def states(record, control):
    listed = {rule["rule"]: rule["state"] for rule in record["rules"] if rule["state"] != "not_applicable"}
    return {name.partition("/")[2]: state for name, state in listed.items() if name.startswith(f"{control}/")}


@pytest.fixture(scope="module")
def audited(fleet):
    fleet.run("audit")
    return fleet.records()


def test_every_host_stands_in_one_report_with_the_state_that_it_has(audited):
    assert {name: (record["state"], record["platform"]["os"]) for name, record in audited.items()} == {
        "win-managed": ("compliant", "windows"),
        "win-other": ("noncompliant", "windows"),
        "mac": ("noncompliant", "macos"),
        "deb-1": ("noncompliant", "debian"),
        "deb-2": ("noncompliant", "debian"),
    }
    assert all(record["errors"] == [] for record in audited.values())


def test_policies_in_the_registry_are_judged_as_files_are(audited):
    assert states(audited["win-managed"], "browser") == {}
    assert audited["win-managed"]["browsers"] == ["firefox", "google_chrome", "microsoft_edge"]
    debian, windows = (states(audited[name], "browser") for name in ("deb-1", "win-other"))
    shared = set(debian) & set(windows) - {"running", "packaged"}
    assert len(shared) > 150
    assert {debian[rule] for rule in shared} == {windows[rule] for rule in shared} == {"noncompliant"}


def test_installed_and_running_apps_are_found_on_each(audited):
    on_mac = "/Applications/WeChat.app"
    for name, services, places in (
        ("win-managed", set(), []),
        ("win-other", {"wechat", "telegram", "signal", "whatsapp"}, [("package", WECHAT), ("process", "WeChat.exe")]),
        ("mac", {"wechat", "telegram", "signal", "tor"}, [("package", on_mac), ("process", on_mac)]),
    ):
        own = states(audited[name], "apps")
        assert {rule for rule, state in own.items() if state == "noncompliant"} == services, name
        wechat = [rule["findings"] for rule in audited[name]["rules"] if rule["rule"] == "apps/wechat"]
        findings = [finding for own_findings in wechat for finding in own_findings]
        assert [(finding["kind"], finding["path"] or finding["id"]) for finding in findings] == places


def test_controls_that_nobody_can_observe_are_listed_and_do_not_count(audited):
    for name in NAMES[:3]:
        reasons = {rule["rule"]: rule["reason"] for rule in audited[name]["rules"] if rule["state"] == "not_applicable"}
        for control in ("firewall", "dns"):
            assert states(audited[name], control) == {}, (name, control)
            of_control = [why for rule, why in reasons.items() if rule.startswith(f"{control}/")]
            assert of_control and all(why.startswith("not observable here: ") for why in of_control), (name, control)
    assert states(audited["mac"], "browser") == {}
    assert reasons["browser/policy-file"] == "not observable here: what Safari opens is not observed"


def registry(host):
    return foreign.wine(host, "reg", "query", r"HKLM\Software", "/s")


def test_a_run_that_enforces_observes_them_and_says_so(fleet, audited):
    windows, mac = fleet.hosts["win-other"], fleet.hosts["mac"]
    files = "find / -xdev -newer /run/began -type f -not -path '/proc/*' -not -path '/run/*' -not -path '/tmp/*'"
    mac.run("touch", "/run/began")
    before = registry(windows)
    said = fleet.run("enforce")
    assert "Windows hosts are only observed" in " ".join(said.split()), said
    records = fleet.records()
    for name in NAMES[:3]:
        assert states(records[name], "apps") == states(audited[name], "apps"), name
        assert states(records[name], "browser") == states(audited[name], "browser"), name
    for name in NAMES[3:]:
        for control in ("browser", "dns"):
            assert "noncompliant" not in states(records[name], control).values()
    assert registry(windows) == before
    changed = [path for path in mac.run("sh", "-c", files).splitlines() if "/var/log/" not in path]
    assert [path for path in changed if "proscribe" in path] == [] and not mac.there("/var/lib/proscribe")


def test_a_lift_leaves_windows_hosts_and_macs_alone(fleet):
    before = registry(fleet.hosts["win-managed"])
    said = fleet.run("lift", "--limit", "win-managed,win-other,mac,deb-1")
    words = " ".join(said.split())
    assert "not served, and left alone: win-managed, a Windows host (ansible_shell_type: cmd)" in words, said
    assert "Could not lift" not in words, said
    assert registry(fleet.hosts["win-managed"]) == before and not fleet.hosts["mac"].there("/var/lib/proscribe")
