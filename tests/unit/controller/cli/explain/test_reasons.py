"""Answers of `explain` for each control, compared with what the control itself does."""

import ipaddress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_section
from made_policy import HEAD, made_catalogue, plan, restrictions
from proscribe.controller.cli import CommandError
from proscribe.controller.cli.explain.collected_facts import HostFacts
from proscribe.controller.cli.explain.question import Question, parse_question
from proscribe.controller.cli.explain.reasons import browser, decide_answer, find_control_answers
from proscribe.controller.cli.explain.reasons.reason import (
    ControlAnswer,
    EffectivePolicy,
    Reason,
    explain_entry,
    explain_missing_entry,
)
from proscribe.controller.cli.explain.relations import Subject, find_subject, list_remarks
from proscribe.controller.compile.catalogue import catalogue_loader, name_conflicts, schema
from proscribe.controller.compile.restrictions.group_restrictions import GroupRestriction
from proscribe.controller.compile.waivers.hours import merge_windows
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.portable import app_names, scan
from proscribe.host.controls.browser.site_rules import NameVerdicts, parse_site_name
from proscribe.host.controls.dns import names_to_block
from proscribe.host.system import Host, User
from proscribe.model.finding import NO_IDENTIFIERS_REASON
from proscribe.model.plan import CONTROLS
from recording import compare, fold, join_files, list_changes

MANAGERS_OF_ALL = frozenset({"dpkg", "rpm", "pacman", "flatpak", "snap"})
EVERYTHING = HostFacts("debian", MANAGERS_OF_ALL, frozenset(), frozenset({"chromium", "firefox"}))
LABELS = st.sampled_from(["parrot", "work", "office", "web", "owl", "gull", "a", "imap", "pages"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))
WAIVED = st.sets(st.sampled_from(["parrot", "parrot_work", "owl", "gull"]), max_size=2)
MANAGERS = {"apt": "dpkg", "flatpak": "flatpak"}
STEMS = st.sampled_from(["parrot", "Parrot", "parrot-desktop", "dodo-mail", "krita", "parrots", "owl"])
BESIDE = st.lists(st.sampled_from(["4.1", "x86_64", "linux", "amd64", "beta", "nest"]), max_size=3)
PLACES = st.sampled_from(["/home/a", "/home/a/Downloads", "/home/a/deep/down", "/opt", "/tmp", "/usr/share/x"])
AT = "at mon 09:00-18:00 (the host's time)"
USERS = {"users": ["a", "b"], "posix_groups": ["g"], "waiver": "w1"}
AT_HOURS = {"mode": "waived", "waiver": "w1", "hours": [[0, 540, 1080]], "otherwise": "enforce"}
NESTED = {"mode": "waived", "otherwise": "audit", "waiver": "w2", "exceptions": [{"users": ["a"], "waiver": "w1"}]}
OF_WREN = GroupRestriction(("wren",), ("x",), ("firewall",))
OF_GROUPS = {"groups_restricted": [GroupRestriction(("owl",), ("h", "g"), ("apps",)), OF_WREN]}
TENANTS = {"tenants": {"google": list("abcd")}}
BROWSERS = [{"id": family, "family": family} for family in ("chromium", "firefox")]
RECORDED = Path(__file__).parents[3] / "recorded/cli"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return made_catalogue(tmp_path_factory.mktemp("catalog"))


def waiver(id_="w1", services=("parrot",), controls=CONTROLS, hours=(), **partial):
    scope: dict[str, Any] = {"services": services, "controls": controls, "narrowing": partial}
    return SimpleNamespace(id=id_, **scope, hours=hours, weekly_windows=merge_windows(hours))


def said(catalogue, text, waivers=None, facts=EVERYTHING, **values):
    values.setdefault("dns_backend", "auto")
    about = find_subject(parse_question(text), catalogue)
    compiled = {**plan(catalogue, waivers or [], **values), "browsers": BROWSERS}
    policy = EffectivePolicy(compiled, restrictions(**values), {"w1": " of head, until then"}, facts)
    found = find_control_answers(about, policy)
    return {"all": decide_answer(about, found), **found}


def texts(found, control):
    return "; ".join(reason.text for reason in found[control].reasons)


OWN_RULES = [
    {"direction": "in", "protocol": "any", "verdict": "drop"},
    {"direction": "out", "protocol": "any", "addresses": ["192.0.2.64/26"], "verdict": "accept"},
    {"direction": "out", "protocol": "tcp", "ports": [25], "verdict": "reject", "comment": "mail goes by the relay"},
    {"direction": "forward", "protocol": "any", "addresses": ["192.0.2.7"], "ports": [27], "verdict": "drop"},
]


OTHER_ID, PARROT_ID = "p" * 32, "abcdefghijklmnopabcdefghijklmnop"
# What is asked about, by what the policy says. The recorded file has the answers.
ANSWERED = [
    ("parrot.example x.y.parrot.example notparrot.example work.parrot.example office.parrot.example", {}),
    ("pages.example/parrot/1 pages.example/other google.com/parrot parrots.example example.com:853", {}),
    ("198.51.100.77 198.51.0.0/16 198.51.101.1 [2001:db8::77]:443 203.0.113.9 203.0.113.9:80", {}),
    ("64:ff9b::c633:644d", {}),  # carries 198.51.100.77 to a translator
    (f"parrot dodo example.parrot.Parrot /opt/Parrot/parrot-desktop Example.Parrot {PARROT_ID} {OTHER_ID}", {}),
    ("x.y.parrot.example", {"dns_backend": "unbound"}),
    ("x.y.parrot.example web.parrot.example imap.owl.example", {"dns_backend": "hosts"}),
    ("office.parrot.example", {"services_include": ["parrot_work"]}),
    (f"parrot.example {OTHER_ID}", {"controls": {"browser": "audit", "dns": "off"}}),
    ("parrot.example", {"effective_from": "2027-01-01"}),
    ("parrot.example", {"categories": ["webmail"]}),
    ("gull.example", {"tenants": {"google": ["example.org"]}}),
    ("2001:db8:6:4:c6:3364:4d00:0", {"firewall_nat64": ["2001:db8:6:4::/64"]}),
    ("198.51.100.77 parrot-desktop", {"controls": {"firewall": "audit", "apps": "audit"}}),
    ("198.51.100.77", {"management": ["198.51.100.64/26"]}),
    # The second rule accepts before the third one rejects; the fourth is for guests.
    ("192.0.2.7:25 192.0.2.77:25 192.0.2.7:27", {"firewall_rules": OWN_RULES}),
    ("192.0.2.1:53", {"dns_force": True, "dns_backend": "unbound"}),
    ("192.0.2.1:53", {"dns_force": True}),
    ("192.0.2.1:53", {"dns_force": True, "dns_backend": "hosts"}),  # there is nobody else to ask
    ("example.com:443", {"firewall_quic": "blocked"}),
    (OTHER_ID, {"browser_settings": {"extensions": "allow_list"}}),
    (OTHER_ID, {"browser_extensions_allowed": [OTHER_ID]}),
    (OTHER_ID, {"browser_settings": {"proxy_extensions": "unmanaged"}}),
]


WAXWING = """\
audience: consumer
domains: [waxwing.example]
packages: {snap: [waxwing], pip: [waxwing-cli], brew: [waxwing], winget: [Ex.Waxwing], android: [ex.waxwing]}
processes: {linux: [waxwing-gui], macos: [Waxwing.app]}
paths: {windows: ['%ProgramFiles%\\Waxwing\\Waxwing.exe']}
desktop_files: [waxwing.desktop]
markers: {go: [example.org/waxwing], programs: [waxwingd]}
browser_extensions: {firefox: [waxwing@example.org]}
nxdomain_canaries: [canary.example]
"""
SYSTEMS = {name: HostFacts(name) for name in ("", "windows", "macos")}
SYSTEMS["no browser"] = HostFacts("debian", frozenset({"dpkg"}), frozenset(), frozenset())
SYSTEMS["firefox"] = SYSTEMS["no browser"]._replace(browsers=frozenset({"firefox"}))
OF_SYSTEMS = [
    *("waxwing", "web.parrot.example", "198.51.100.7", "canary.example", "waxwing-cli", "waxwing-gui", "waxwingd"),
    "ex.waxwing",
    *("waxwing.desktop", "Waxwing.AppImage", "Waxwing.exe", "/usr/bin/waxwing.exe", "unknown.exe", "/tmp/waxwing-2.1"),
    *("waxwing@example.org", "example.parrot.Parrot", PARROT_ID, "Ex.Waxwing", "dodo"),
]


def list_reasons(answered):
    reasons = [(control, reason) for control in CONTROLS for reason in answered[control].reasons]
    return fold("\n".join(f"  {control} {' | '.join(filter(None, reason))}" for control, reason in reasons))


def test_answers_and_reasons_are_as_recorded(catalogue):
    reasons = {}
    for words, values in ANSWERED:
        for text in words.split():
            found = said(catalogue, text, **values)
            reasons[f"{found['all']}: {text} {values or ''}"[:150].strip()] = list_reasons(found)
    compare(RECORDED / "explain.reasons.txt", join_files(reasons))


def test_reasons_on_hosts_of_each_system_are_as_recorded(tmp_path):
    made_catalogue(tmp_path)
    head = HEAD.format(id="waxwing", name="Waxwing", category="instant_messaging", enforce="true")
    (tmp_path / "instant_messaging/waxwing.yml").write_text(head + WAXWING)
    catalogue = catalogue_loader.read_catalogue([tmp_path])
    shown = {}
    for text in OF_SYSTEMS:
        systems = {}
        for system, facts in SYSTEMS.items():
            found = said(catalogue, text, facts=facts)
            systems.setdefault((found["all"], list_reasons(found)), []).append(system or "nobody knows")
        (_, first), *_ = systems
        for (status, reasons), names in systems.items():
            changes = reasons if reasons == first else list_changes(first, reasons)
            shown[f"{status}: {text} ({', '.join(names)})"] = changes
    compare(RECORDED / "explain.systems.txt", join_files(shown))


RESTRICTED_NAMES = [
    *("mail.google.com", "drive.google.com", "web.whatsapp.com", "wa.me", "web.telegram.org", "t.me", "wx.qq.com"),
    *("mail.qq.com", "outlook.live.com", "mail.yahoo.com", "mail.proton.me", "proton.me/drive", "www.dropbox.com"),
    *("mega.nz", "www.mediafire.com", "discord.com", "signal.org", "www.icloud.com/mail", "web.wechat.com", "line.me"),
    *("www.messenger.com", "pan.baidu.com", "mail.163.com", "mail.aol.com", "gmx.net", "wetransfer.com"),
    *("pastebin.com", "www.box.com", "web.skype.com", "mail.zoho.com"),
]


@pytest.mark.parametrize(
    ("text", "values", "status"),
    [
        ("filebin.net", {"dns_backend": "dnsmasq"}, "open"),  # dns closes it, with all below it
        ("filebin.net", {"controls": {"dns": "off"}}, "open"),
        ("web.whatsapp.com", {"dns_backend": "hosts"}, "blocked"),  # what people type comes first
    ],
)
def test_a_name_without_room_in_the_lists_of_browsers_is_open_there(own_catalogue, text, values, status):
    every = {"categories": list(schema.CATEGORIES), "audiences": list(schema.AUDIENCES)}
    found = said(own_catalogue, text, **{**every, **values})
    assert found["browser"].status == status
    assert ("browsers' lists take 1000 names" in texts(found, "browser")) == (status == "open")


@pytest.mark.parametrize(
    ("host", "backend", "status", "where"),
    [
        ("first.example", "dnsmasq", "blocked", ""),
        ("first.example", "hosts", "open", ""),
        ("first.example", "auto", "depends", " on a host without a resolver that filters"),
        ("x.second.example", "auto", "depends", " on a host with a resolver that filters"),
    ],
)
def test_which_names_have_room_may_depend_on_the_dns_backend(host, backend, status, where):
    names = [*(f"a{number:03}.example" for number in range(999)), "first.example", "x.second.example"]
    of_dns = make_section("dns", {"one": ["first.example", "second.example"]})
    controls = {
        "browser": make_section("browser", {"one": names}, browsers={"dns_over_https": "blocked"}),
        "dns": of_dns,
    }
    made, chosen = {"controls": controls, "browsers": []}, SimpleNamespace(dns_backend=backend)
    policy = SimpleNamespace(plan=made, restrictions=chosen, find_section=controls.get, facts=HostFacts(), waivers={})
    question = SimpleNamespace(host=host, path="")
    about = SimpleNamespace(kind="name", relations=(), list_services=lambda _: (), question=question)
    (reason,) = browser.find_reasons(about, policy)
    assert (reason.status, reason.text.endswith(where)) == (status, True)


@pytest.fixture(scope="module")
def real(own_catalogue):
    return own_catalogue, EffectivePolicy(plan(own_catalogue, []), restrictions(), {})


@pytest.mark.parametrize("text", RESTRICTED_NAMES)
def test_the_real_catalogue_blocks_what_it_is_for(real, text):
    assert find_control_answers(find_subject(parse_question(text), real[0]), real[1])["browser"].status == "blocked"


CHOICES = {"services_include": [[], ["parrot_work"]], "tenants": [{}, {"google": ["example.org"]}]}
CHOICES |= {"dns_backend": ["unbound", "hosts"]}
VALUES = st.fixed_dictionaries({key: st.sampled_from(values) for key, values in CHOICES.items()})


@given(HOSTS, st.sampled_from(["", "/parrot", "/other"]), WAIVED, VALUES)
def test_browser_and_dns_block_what_the_answer_says(catalogue, host, path, waived, values):
    waivers = [waiver(services=tuple(waived))] if waived else []
    found = said(catalogue, host + path, waivers, **values)
    sections = plan(catalogue, waivers, **values)["controls"]
    blocked = NameVerdicts(sections["browser"]["services"]).is_blocked(parse_site_name(host + path))
    assert (found["browser"].status == "blocked") is blocked
    resolver = values["dns_backend"] == "unbound"
    desired = names_to_block.collect_section_names(sections["dns"], {}, canaries=resolver)
    resolves = desired.blocked_names | desired.open_names if resolver else set()
    covering = names_to_block.find_covering_name(host, resolves) if resolves else host
    assert (found["dns"].status == "blocked") is (covering in desired.blocked_names)


@given(st.integers(0, 2**11 - 1), st.sampled_from([None, 53, 80, 443]), WAIVED)
def test_the_firewall_refuses_what_the_answer_says(catalogue, offset, port, waived):
    address = ipaddress.ip_address(int(ipaddress.ip_address("198.51.96.0")) + offset)
    waivers = [waiver(services=tuple(waived))] if waived else []
    found = said(catalogue, f"{address}:{port}" if port else str(address), waivers)
    services = plan(catalogue, waivers)["controls"]["firewall"]["services"].values()
    networks = [network for one in services if one["mode"] == "enforce" for network in one["networks"]]
    refused = any(address in ipaddress.ip_network(network) for network in networks)
    assert (found["firewall"].status == "blocked") is refused


FACTS = st.builds(
    HostFacts,
    st.sampled_from(["", "debian", "fedora"]),
    st.none() | st.frozensets(st.sampled_from(["dpkg", "rpm", "flatpak"])),
    st.none() | st.frozensets(st.sampled_from(["nix", "conda"])),
    st.none() | st.frozensets(st.sampled_from(["chromium", "firefox"])),
)


@given(FACTS, st.sampled_from([("apt", "dodo-mail"), ("flatpak", "example.parrot.Parrot")]), st.sampled_from(CONTROLS))
def test_a_package_is_only_blocked_where_the_host_has_its_system_and_the_plan_restricts_it(
    catalogue, facts, package, off
):
    key, name_ = package
    values = {"services_include": ["dodo"], "controls": {off: "off"}}
    section = plan(catalogue, [], **values)["controls"].get("apps")
    restricted = section is not None and name_ in DesiredApps(section).find_restricted_packages(MANAGERS[key])
    answer = said(catalogue, name_, facts=facts, **values)["apps"].status
    if facts.package_managers is None:
        assert answer == ("depends" if restricted else "off")
    else:
        assert (answer == "blocked") is (restricted and MANAGERS[key] in facts.package_managers)


def test_service_whose_package_system_is_not_there_is_open(catalogue):
    nothing = said(catalogue, "dodo", facts=HostFacts("fedora", frozenset({"rpm"})), services_include=["dodo"])
    assert nothing["apps"].status == "open"
    assert "nothing of it is known that could be here: this host has no apt" in texts(nothing, "apps")


@given(STEMS, BESIDE, st.sampled_from(["", ".AppImage", ".appimage"]), PLACES)
def test_a_file_is_open_exactly_where_the_file_scan_finds_nothing(
    catalogue, tmp_path_factory, stem, words, suffix, place
):
    root = tmp_path_factory.mktemp("root")
    file = "-".join([stem, *words]) + suffix
    path = root / place[1:] / file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x7fELF" + bytes(4) + b"AI\x02" + bytes(200_000))
    path.chmod(0o755)
    section = plan(catalogue, [], services_include=["dodo"])["controls"]["apps"]
    user = User("a", 1000, 1000, "/home/a")
    names = app_names.AppNames(section["services"], {"/home/a": user})
    region = scan.ScanRegion({"/home/a": user}, ["/home/a", "/opt", "/tmp"], user=user)
    seen = scan.scan_portable_apps(Host(str(root)), section["services"], names, region, (), {}).portable_apps
    try:
        answer = said(catalogue, f"{place}/{file}", services_include=["dodo"])["apps"].status
    except CommandError:
        answer = "open"
    if seen or suffix or place in names.program_folders:
        assert (answer != "open") is bool(seen)


BELOW_SHARED = [f"x.{name}" for name in name_conflicts.SHARED_NAMES]


@given(st.sampled_from([*name_conflicts.SHARED_NAMES, *BELOW_SHARED, "com", "net", "example.org", "core.windows.net"]))
def test_no_service_may_block_it_is_only_said_where_the_compiler_refuses_it(host):
    claimant = name_conflicts.Claimant("parrot", 0, [host], [], [], [], [], [])
    refused = bool(name_conflicts.check_claims({"parrot": claimant}, {"parrot"}))
    remark = " ".join(list_remarks(Subject("name", Question(host, host), ())))
    assert ("no service may block the whole of" in remark) is refused


def test_a_service_with_no_package_for_the_host_is_not_said_to_be_blocked_by_its_names(real):
    debian = HostFacts("debian", frozenset({"dpkg"}), frozenset(), frozenset())
    policy = real[1]._replace(facts=debian)
    by_name = 0
    for id_, entry in policy.plan["controls"]["apps"]["services"].items():
        answer = find_control_answers(find_subject(parse_question(id_), real[0]), policy)["apps"]
        if entry["mode"] != "enforce" or entry["paths"] or any(map(debian.has_package_system, entry["packages"])):
            continue
        assert answer.status != "blocked" or "web addresses" in answer.reasons[0].text
        by_name += "none in a package system of this host" in answer.reasons[0].text
    assert by_name


def test_a_system_that_is_not_served_has_one_answer():
    policy = SimpleNamespace(facts=HostFacts("darwin"))
    answer = ControlAnswer("open", (Reason("open", "no control is observed on darwin"),))
    assert find_control_answers(SimpleNamespace(kind="name"), policy) == dict.fromkeys(CONTROLS, answer)


@pytest.mark.parametrize(
    ("entry", "reasons"),
    [
        ({"mode": "waived", "waiver": "w1"}, [("waived", "waiver w1 of head", "w1")]),
        (AT_HOURS, [("depends", f"open {AT}: waiver w1 of head; enforce at other times", "w1")]),
        (
            {"mode": "enforce", "only": {"posix_groups": ["g", "h"]}},
            [("depends", "it, for the members of g, h only, and open to everybody else", "")],
        ),
        (
            {"mode": "enforce", "exceptions": [USERS, {"versions": ["1"], "paths": ["/x"], "waiver": "w2"}]},
            [
                ("blocked", "it", ""),
                ("blocked", "but open for users a, b or members of g: waiver w1 of head", "w1"),
                ("blocked", "but open for versions 1 and for paths /x: waiver w2", "w2"),
            ],
        ),
        (NESTED, [("waived", "waiver w2", "w2"), ("audited", "but open for users a: waiver w1 of head", "w1")]),
    ],
)
def test_an_entry_of_the_plan_gives_its_reasons(entry, reasons):
    policy = SimpleNamespace(waivers={"w1": " of head"})
    expected = [(status, text, "owl", waiver) for status, text, waiver in reasons]
    assert [tuple(reason) for reason in explain_entry(policy, "owl", entry, "it")] == expected


@pytest.mark.parametrize(
    ("control", "restrictions", "status", "text"),
    [
        ("apps", {}, "open", f"no domain; {NO_IDENTIFIERS_REASON}, so it is not applicable"),
        ("apps", OF_GROUPS, "open", f"no domain; {NO_IDENTIFIERS_REASON}, so it is not applicable"),
        ("firewall", OF_GROUPS, "open", "restricted by apps alone, for the members of g, h: open to everybody here"),
        ("dns", OF_GROUPS, "open", "the DNS filter applies to a whole host"),
        ("dns", TENANTS, "tenants", "left to the browsers, which let in a, b, c and 1 more only"),
    ],
)
def test_why_a_service_has_no_entry(control, restrictions, status, text):
    usual = {"services_include": (), "services_exclude": (), "categories": ["webmail"], "categories_reported": ()}
    usual |= {"audiences": ["consumer"], "tenants": {"google": []}, "groups_restricted": ()}
    sections = {"apps": {"nothing_known": ["owl"]}, "browser": {}, "firewall": {"nothing_known": ["wren"]}}
    policy = SimpleNamespace(restrictions=SimpleNamespace(**{**usual, **restrictions}), find_section=sections.get)
    owl = {"id": "owl", "name": "Owl", "category": "webmail", "audience": "consumer", "tenants": "google"}
    reason = explain_missing_entry(policy, control, SimpleNamespace(**owl), "no domain")
    assert (reason.status, reason.service, text in reason.text) == (status, "owl", True)
