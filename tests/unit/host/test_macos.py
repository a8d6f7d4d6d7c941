"""A Mac below a directory: its applications, Homebrew, managed preferences, names, processes and record."""

import contextlib
import datetime
import os
import plistlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_mac import BARE, RUNNING, SITES, WECHAT, Mac, plan
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.macos import (
    app_rules,
    applications,
    hosts_file_rules,
    managed_preferences,
    property_list,
)
from proscribe.host.macos.mac_record import make_mac_record
from proscribe.host.system import ControlError, Host, ObservationError
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict
from proscribe.model.plan import add_digest
from proscribe.wire.answers import record as replies
from well_known import WELL_KNOWN

SERVICES = {program.service for program in WELL_KNOWN}
DNS_OVER_HTTPS = {"DnsOverHttpsMode": "automatic", "BuiltInDnsClientEnabled": True}
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    b"<plist><dict><key>a</key><string>&b;</string></dict></plist>"
)
DEEP = b"<plist><dict><key>a</key>" + b"<array>" * 20_000 + b"</array>" * 20_000 + b"</dict></plist>"


@pytest.fixture
def mac(tmp_path):
    return Mac(tmp_path)


class ClosedHost(Host):
    closed: tuple[str, ...] = ()

    def list_directory(self, path: str) -> list[str]:
        if path in self.closed:
            raise ObservationError(f"{path} cannot be read")
        return super().list_directory(path)


def read_rules(host: Host, compiled: dict[str, Any], *controls: str) -> dict[str, dict[str, Any]]:
    """Return the rules that a Mac's record lists, after the reader of answers has taken it."""
    rules = replies.read_unnamed_record(make_mac_record(host, compiled, controls))["rules"]
    return {rule["rule"]: rule for rule in rules}


def test_more_programs_than_the_limit_are_an_error(mac, monkeypatch):
    monkeypatch.setattr(app_rules, "MAX_PROGRAMS", 4)
    assert len(app_rules.list_programs(mac.host)) == 4
    monkeypatch.setattr(app_rules, "MAX_PROGRAMS", 3)
    with pytest.raises(ControlError, match="more than 3 programs run"):
        app_rules.list_programs(mac.host)


@pytest.mark.parametrize(
    ("line", "state"),
    [
        *((f"{address} a.example B.Example", COMPLIANT) for address in ("0.0.0.0", "::", "127.0.0.1", "::1")),
        ("0.0.0.0 a.example # b.example", NOT_APPLICABLE),
        ("192.0.2.1 a.example b.example", NOT_APPLICABLE),
        ("0.0.0.0 a.example b.example\n\n::2 B.example", NOT_APPLICABLE),
    ],
)
def test_names_are_compliant_where_all_of_them_lead_nowhere(mac, line, state):
    mac.file("/private/etc/hosts", line.encode())
    domains = {**SITES, "domains": ["a.example", "b.example"]}
    services = {"a": domains, "none": {**SITES, "domains": []}, "open": {**SITES, "mode": "allow"}}
    blocked, empty, open_ = hosts_file_rules.judge_dns(mac.host, {"services": services})
    reason = "not observable here: not all of its names are in /etc/hosts, and other filters are not observed on macOS"
    assert blocked == RuleVerdict("dns/a", state, reason="" if state == COMPLIANT else reason)
    assert (empty.rule, empty.state) == ("dns/none", NOT_APPLICABLE)
    assert open_.rule == "dns/open" and open_.state not in (UNKNOWN, NOT_APPLICABLE)


def test_names_without_a_readable_hosts_file_are_unknown(mac):
    place = mac.root / "private/etc/hosts"
    place.unlink()
    (verdict,) = hosts_file_rules.judge_dns(mac.host, {"services": {"a": SITES}})
    assert (verdict.state, "not all of its names" in verdict.reason) == (NOT_APPLICABLE, True)
    place.mkdir()
    for verdict in hosts_file_rules.judge_dns(mac.host, {"services": {"a": SITES, "none": {**SITES, "domains": []}}}):
        assert (verdict.state, "/private/etc/hosts" in verdict.reason) == (UNKNOWN, True)


def test_installed_and_running_programs_are_findings(mac):
    def by_name(path, detail):
        return Finding("process", "wechat", "macos", "", "user:alice", path, f"{detail}, {app_rules.NAME_ONLY_DOUBT}")

    def running(user, path, detail):
        return Finding("process", "chat", "macos", "", f"user:{user}", path, detail)

    for path in ("Cellar/chat", "Cellar/other", "Caskroom/wechat"):
        (mac.root / "usr/local" / path).mkdir(parents=True)
    mac.bundle("/Applications/We\nChat.app", "com.tencent.xinWeChat", CFBundleShortVersionString="4.0")
    mac.bundle("/Users/alice/Applications/Chat.app", "example.Chat", CFBundleShortVersionString="1")
    mac.bundle("/Applications/Number.app", 5)
    mac.bundle("/Applications/Empty.app", "")
    bundle, brew = "/Users/alice/Applications/Chat.app", "/opt/homebrew/Cellar"
    paths = ["501 /Applications/We\tChat.app/Contents/MacOS/WeChat", f"0 {brew}/chat/1/bin/chat"]
    paths += [f"501 {brew}/other/1/bin/wechat", f"501 {bundle}/Contents/MacOS/chat", f"0 {bundle}/Contents/MacOS/chat"]
    paths += [f"501 {bundle}/Contents/MacOS/helper", *["501 /opt/wechat"] * 2, "501 /usr/local/Caskroomy/wechat/x"]
    mac.running = [*RUNNING, *(f"{700 + number} {path}" for number, path in enumerate(paths))]
    chat = {**BARE, "name": "Chat", "mode": "enforce", "packages": {"brew": ["chat"]}, "processes": ["chatter"]}
    services = {"wechat": WECHAT, "chat": {**chat, "bundle_ids": ["EXAMPLE.chat"]}}
    found = applications.find_applications(mac.host)
    verdicts = app_rules.judge_apps(mac.host, {"services": services}, found)
    version = "4.0" if os.geteuid() == 0 else found.applications[0].version
    assert {verdict.rule: list(verdict.findings) for verdict in verdicts} == {
        "apps/wechat": [
            Finding("package", "com.tencent.xinWeChat", "macos", version, "system", "/Applications/We\\x0aChat.app"),
            Finding("package", "wechat", "brew_cask", "", "system", "/usr/local/Caskroom/wechat"),
            by_name(f"{brew}/other/1/bin/wechat", "pid 702"),
            by_name("/opt/wechat", "pid 706 and 1 more"),
        ],
        "apps/chat": [
            Finding("package", "example.Chat", "macos", "", "user:alice", bundle),
            Finding("package", "chat", "brew", "", "system", "/usr/local/Cellar/chat"),
            running("root", bundle, "pid 704"),
            running("root", f"{brew}/chat/1/bin/chat", "pid 701"),
            running("alice", bundle, "pid 703 and 1 more"),
        ],
    }
    assert not any(verdict.drifted for verdict in verdicts)


def test_strings_of_an_application_are_bounded(mac):
    mac.bundle("/Applications/x.app", "i" * 300, CFBundleShortVersionString="1" * 300)
    mac.bundle("/Applications/y.app", "y", CFBundleShortVersionString=5)
    long, short = sorted(applications.find_applications(mac.host).applications)
    assert len(long.bundle_id) == 200 and len(long.version) in (0, 100)
    assert os.geteuid() or len(long.version) == 100
    assert short == ("y", "/Applications/y.app", "", "")


def test_mac_without_homes_is_reported(mac):
    (mac.root / "Users").rename(mac.root / "Homes")
    (mac.root / "Users").mkdir()
    assert applications.find_applications(mac.host) == ([], ["/Users has no homes"])
    (mac.root / "Users").rmdir()
    (mac.root / "Users").write_text("")
    found = applications.find_applications(mac.host)
    assert found.applications == [] and len(found.unseen_reasons) == 1


@pytest.mark.parametrize(
    ("content", "version"),
    [(plistlib.dumps({"ProductVersion": "1" * 60}), "1" * 40), (plistlib.dumps({}), ""), (b"x", ""), (None, "")],
)
def test_record_has_the_release_of_macos(mac, content, version):
    place = mac.root / "System/Library/CoreServices/SystemVersion.plist"
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    platform = make_mac_record(mac.host, plan(), ["dns"])["platform"]
    assert (platform["os"], platform["version"]) == ("macos", version)


@pytest.mark.parametrize(
    ("content", "policies"),
    [
        (None, None),
        ({"EnterprisePoliciesEnabled": False, "A": 1}, None),
        ({"EnterprisePoliciesEnabled": "yes", "A": 1}, None),
        ({"EnterprisePoliciesEnabled": 1, "A__B__C": 1, "A__D": 2, "E_F": 3}, {"A": {"B": {"C": 1}, "D": 2}, "E_F": 3}),
        ({"EnterprisePoliciesEnabled": True, "A": 1, "A__B": 2}, {"A": 1}),
        ({"EnterprisePoliciesEnabled": True, "A": {"B": 1}, "A__C": 2}, {"A": {"B": 1, "C": 2}}),
    ],
)
def test_firefox_joins_nested_names_of_its_preferences(content, policies):
    browsers = {program.id: program for program in managed_preferences.POLICY_PROGRAMS}
    assert managed_preferences._convert_to_policies(browsers["firefox"], content) == policies
    assert managed_preferences._convert_to_policies(browsers["google_chrome"], content) is content


@pytest.mark.parametrize("folder", ["/Applications", "/Users/alice/Applications"])
@pytest.mark.parametrize(
    ("below", "limits", "reason"),
    [
        ("a/b/c/d/e/f/g/x.app", {}, "is too deep to be read"),
        ("a/x.app", {"MAX_DIRECTORIES": 1}, "has more than 1 directories"),
        ("x.app", {"MAX_APPLICATIONS": 0}, "has more than 0 applications"),
    ],
)
def test_application_beyond_a_limit_is_unknown_and_not_absent(mac, monkeypatch, folder, below, limits, reason):
    for name, value in limits.items():
        monkeypatch.setattr(applications, name, value)
    mac.bundle(f"{folder}/{below}", "com.tencent.xinWeChat")
    rule = read_rules(mac.host, plan())["apps/wechat"]
    assert (rule["state"], reason in rule["reason"]) == (UNKNOWN, True)
    mac.bundle(f"{folder}/there.app", "com.tencent.xinWeChat")
    assert limits or read_rules(mac.host, plan())["apps/wechat"]["state"] == NONCOMPLIANT


def test_links_of_a_user_are_not_followed(mac, tmp_path):
    """A user's link would show root what it can read: a bundle behind a link is found when it runs."""
    mac.bundle("/Users/Shared/real.app", "com.tencent.xinWeChat")
    os.symlink(tmp_path / "Users/Shared/real.app", tmp_path / "Users/alice/Applications/x.app")
    os.symlink(tmp_path / "Users/Shared", tmp_path / "Users/bob")
    assert "apps/wechat" not in read_rules(mac.host, plan())
    os.rename(tmp_path / "Users/alice/Applications", tmp_path / "Users/alice/kept")
    os.symlink("/", tmp_path / "Users/alice/Applications")
    rule = read_rules(mac.host, plan())["apps/wechat"]
    assert (rule["state"], "is no directory" in rule["reason"]) == (UNKNOWN, True)


def test_service_without_anything_on_macos_is_not_applicable(mac):
    linux = {**BARE, "name": "x", "mode": "enforce", "packages": {"apt": ["x"]}}
    rule = read_rules(mac.host, plan({"x": linux}))["apps/x"]
    assert (rule["state"], rule["reason"].startswith("nothing known")) == (NOT_APPLICABLE, True)


def test_browser_preferences_are_read_where_others_cannot_write_them(mac):
    mac.bundle("/Applications/Google Chrome.app", "com.google.Chrome")
    mac.bundle("/Applications/Microsoft Edge.app", "com.microsoft.edgemac")
    mac.bundle("/Users/alice/Applications/Firefox.app", "org.mozilla.firefox")
    mac.preferences(plan())
    folder = mac.root / "Library/Managed Preferences"
    content = plistlib.loads((folder / "org.mozilla.firefox.plist").read_bytes())
    joined = {f"WebsiteFilter__{key}": value for key, value in content.pop("WebsiteFilter").items()}
    mac.prefer("org.mozilla.firefox", {**content, **joined})
    assert "browser/wechat" not in read_rules(mac.host, plan(), "browser")
    (folder / "com.google.Chrome.plist").chmod(0o666)
    rule = read_rules(mac.host, plan(), "browser")["browser/wechat"]
    assert (rule["state"], "can be changed by others" in rule["reason"]) == (UNKNOWN, True)


@given(st.binary(max_size=300), st.integers(0, 10_000))
def test_property_list_of_any_bytes_is_read_or_a_control_error(tmp_path_factory, noise, place):
    whole = plistlib.dumps({"CFBundleIdentifier": "com.example", "a": [1, {"b": 2.5}]}, fmt=plistlib.FMT_BINARY)
    root = tmp_path_factory.mktemp("plist")
    for content in (noise, b"bplist00" + noise, whole[: place % len(whole)] + noise + whole[place % len(whole) :]):
        (root / "x").write_bytes(content)
        try:
            keys = property_list.read_property_list(Host(str(root)), "/x")
        except ControlError:
            continue
        assert keys is None or all(isinstance(key, str) for key in keys)


@pytest.fixture(scope="module")
def well_known_plan(own_catalogue):
    """A plan for fourteen well-known programs by the project's own catalogue."""
    chosen = {"proscribe_categories": [], "proscribe_services_include": sorted(SERVICES)}
    compiled = compile_plan(own_catalogue, read_restrictions(chosen, str), [], datetime.date(2026, 11, 30))
    return add_digest({**compiled, "controls": {"apps": compiled["controls"]["apps"]}})


@pytest.mark.parametrize(
    "place",
    [
        "/Applications/{}.app",
        "/Applications/Work/2026/{}.app",
        "/Users/alice/Applications/{}.app",
        "/Users/alice/Downloads/{}.app",  # found because it runs
    ],
)
@pytest.mark.parametrize("program", WELL_KNOWN, ids=lambda program: program.service)
def test_well_known_program_is_named_wherever_it_lies(mac, well_known_plan, program, place):
    path = place.format("another name")
    mac.bundle(path, program.bundle)
    if "Downloads" in place:
        mac.running = (*RUNNING, f"  700   501 {path}/Contents/MacOS/x")
    rules = read_rules(mac.host, well_known_plan, "apps")
    rule = rules.pop(f"apps/{program.service}")
    assert (rule["state"], [finding["path"] for finding in rule["findings"]]) == (NONCOMPLIANT, [path])
    assert not SERVICES & {name.partition("/")[2] for name in rules}


@pytest.mark.parametrize("closed", ["/Applications", "/Users", "/Users/alice/Applications", "ps", "nothing"])
def test_mac_is_compliant_only_where_all_can_be_seen(mac, well_known_plan, closed):
    mac.running = () if closed == "ps" else RUNNING
    host = ClosedHost(str(mac.root), mac.host._run)
    host.closed = (closed,)
    rules = read_rules(host, well_known_plan, "apps")
    seen = {name: (rule["state"], bool(rule["reason"])) for name, rule in rules.items() if name[5:] in SERVICES}
    assert seen == ({} if closed == "nothing" else {f"apps/{service}": (UNKNOWN, True) for service in SERVICES})


@pytest.mark.parametrize(
    ("domain", "policies", "rule"),
    [
        *(("com.google.Chrome", {name: value}, "dns-over-https") for name, value in DNS_OVER_HTTPS.items()),
        ("com.google.Chrome", {"URLBlocklist": []}, "wechat"),
        ("com.google.Chrome", {"URLAllowlist": ["work.wechat.example", "wechat.example"]}, "wechat"),
        ("com.microsoft.Edge", {"URLBlocklist": [b"data"]}, "wechat"),
        ("org.mozilla.firefox", {"EnterprisePoliciesEnabled": False}, "wechat"),
        ("org.mozilla.firefox", {"DNSOverHTTPS": {"Enabled": True}}, "dns-over-https"),
        ("com.google.Chrome", None, "wechat"),
        ("org.mozilla.firefox", None, "dns-over-https"),
    ],
)
@pytest.mark.parametrize("user", ["", "/alice"])
def test_preference_that_somebody_changed_is_noncompliant(mac, domain, policies, rule, user):
    """A preference of one user comes before the one of all users."""
    mac.bundle("/Applications/Google Chrome.app", "com.google.Chrome")
    mac.bundle("/Applications/Microsoft Edge.app", "com.microsoft.edgemac")
    mac.bundle("/Users/alice/Applications/Firefox.app", "org.mozilla.firefox")
    mac.preferences(plan())
    place = mac.root / f"Library/Managed Preferences/{domain}.plist"
    if policies is None:
        place.unlink()
    else:
        before = {} if user else plistlib.loads(place.read_bytes())
        mac.file(f"/Library/Managed Preferences{user}/{domain}.plist", plistlib.dumps({**before, **policies}))
    assert read_rules(mac.host, plan(), "browser")[f"browser/{rule}"]["state"] == NONCOMPLIANT


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/Applications/Chat/Another name.app", "system"),
        ("/Users/alice/Applications/Chrome Apps/x.app", "user:alice"),
        ("/Applications/a/b/c/d/e/f/x.app", "system"),
        ("/Users/alice/Applications/no bundle.app/a/x.app", "user:alice"),
    ],
)
def test_application_is_known_by_its_identifier_alone(mac, path, scope):
    mac.bundle("/Applications/WeChat.app", "example.other")
    mac.bundle("/Users/Shared/Applications/WeChat.app", "com.tencent.xinWeChat")  # nobody's home
    mac.file("/Applications/file.app", b"")
    assert "apps/wechat" not in read_rules(mac.host, plan())
    mac.bundle(path, "COM.tencent.xinwechat")
    [finding] = read_rules(mac.host, plan())["apps/wechat"]["findings"]
    assert (finding["id"], finding["scope"], finding["path"]) == ("COM.tencent.xinwechat", scope, path)


def test_bundle_without_a_program_is_no_application(mac):
    mac.bundle("/Applications/WeChat.app", "com.tencent.xinWeChat")
    assert read_rules(mac.host, plan())["apps/wechat"]["state"] == NONCOMPLIANT
    (mac.root / "Applications/WeChat.app/Contents/MacOS/program").unlink()  # as a removal leaves it
    assert "apps/wechat" not in read_rules(mac.host, plan())


def test_homes_of_nobody_are_left_out_and_each_home_has_a_budget(mac, monkeypatch):
    def note_budget(host, folder, user):
        budgets.append((user, host.budget and host.budget.seconds))
        return applications.ApplicationScan([], [folder])

    for name in ("Guest", "Deleted Users", "Shared", ".localized", "bob"):
        mac.bundle(f"/Users/{name}/Applications/x.app", name)
    mac.file("/Users/file", b"")
    assert [application.bundle_id for application in applications.find_applications(mac.host).applications] == ["bob"]
    budgets, unseen, host = [], [], mac.host
    assert sorted(applications.list_homes(host, unseen)) == [("/Users/alice", "alice"), ("/Users/bob", "bob")]
    monkeypatch.setattr(applications, "_scan_folder", note_budget)
    assert len(applications.find_applications(host).unseen_reasons) == 3 and unseen == []
    assert sorted(budgets) == [("", None), ("alice", 10.0), ("bob", 10.0)] and host.budget is None


def test_unreadable_directories_hide_no_other_and_are_counted(mac):
    for name in ("a", "z"):
        (mac.root / "Applications" / name).mkdir()
    mac.bundle("/Applications/m/x.app", "example.chat")
    host = ClosedHost(str(mac.root), mac.host._run)
    host.closed = ("/Applications/a", "/Applications/z")
    services = {name: {**WECHAT, "bundle_ids": [f"example.{name}"]} for name in ("chat", "other")}
    rules = read_rules(host, plan(services), "apps")
    assert [finding["path"] for finding in rules["apps/chat"]["findings"]] == ["/Applications/m/x.app"]
    other = rules["apps/other"]
    assert (other["state"], "cannot be read, and 1 more directories" in other["reason"]) == (UNKNOWN, True)


@pytest.mark.parametrize("part", ["", "/Contents", "/Contents/Info.plist"])
def test_version_counts_only_where_root_alone_could_write_it(mac, tmp_path, part):
    waived = plan({"wechat": {**WECHAT, "exceptions": [{"waiver": "W-1", "versions": ["4.0.1"]}]}})
    own = Mac(tmp_path / "other")
    for machine, folder in ((mac, "/Applications"), (own, "/Users/alice/Applications")):
        machine.bundle(f"{folder}/WeChat.app", "com.tencent.xinWeChat", CFBundleShortVersionString="4.0.1")
    if os.geteuid() == 0:
        assert read_rules(mac.host, waived)["apps/wechat"]["state"] == "waived"
    place = mac.root / f"Applications/WeChat.app{part}"
    place.chmod(place.stat().st_mode | 0o002)
    for machine in (mac, own):
        assert read_rules(machine.host, waived)["apps/wechat"]["state"] == NONCOMPLIANT


def test_lines_of_ps_are_programs_with_a_path(mac):
    longest = "/" + "x" * 4095
    mac.running = ["  1 0 /sbin/launchd", "601    -2 /usr/libexec/nobodys helper  ", f"702 501 {longest}"]
    mac.running += [f"703 501 {longest}x", "  1234567890 0 /too many digits", "700 501 relative", "x 501 /x"]
    listed = [(1, 0, "/sbin/launchd"), (601, -2, "/usr/libexec/nobodys helper"), (702, 501, longest)]
    assert app_rules.list_programs(mac.host) == listed
    mac.running = []
    assert "ps lists no program" in read_rules(mac.host, plan())["apps/wechat"]["reason"]


@pytest.mark.parametrize(
    "content",
    [b"", b"bplist00" + bytes(40), BOMB, BOMB.decode().encode("utf-16"), b"<plist>", b"{}", b"<plist><array/></plist>"],
)
def test_file_that_is_no_property_list_is_an_error(mac, content):
    mac.file("/x.plist", content)
    with pytest.raises(ControlError):
        property_list.read_property_list(mac.host, "/x.plist")


def test_property_list_that_is_deep_or_large_costs_little(mac):
    mac.file("/x.plist", DEEP)
    began = time.process_time()
    with contextlib.suppress(ControlError):
        property_list.read_property_list(mac.host, "/x.plist")
    assert time.process_time() - began < 5
    content = b'\xef\xbb\xbf<?xml version="1.0"?><plist><dict><key>a</key><string>b</string></dict></plist>'
    mac.file("/x.plist", content.ljust(1_048_576))
    assert property_list.read_property_list(mac.host, "/x.plist") == {"a": "b"}
    mac.file("/x.plist", content.ljust(1_048_576 + 1))
    with pytest.raises((ControlError, ObservationError)):
        property_list.read_property_list(mac.host, "/x.plist")


@pytest.mark.parametrize("form", [plistlib.FMT_BINARY, plistlib.FMT_XML])
def test_property_list_has_the_types_of_json(mac, form):
    values = {"s": "x", "i": 5, "f": 2.5, "b": False, "d": {"k": {"v": True}}}
    others = {"date": datetime.datetime.fromisoformat("2026-01-01"), "data": b"x", "l": [1, b"x", ["y"]]}
    mac.file("/x.plist", plistlib.dumps({**values, **others}, fmt=form))
    expected = {**values, "date": None, "data": None, "l": [1, None, ["y"]]}
    assert property_list.read_property_list(mac.host, "/x.plist") == expected
