"""The lists of browsers against an emulation of each browser, and their limit."""

from typing import Any

import pytest
from browser_hosts import Tree, section
from browser_places import CHROMIUM
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.browser import chromium, firefox, judge_policies, site_rules
from proscribe.host.controls.browser.closing_degrees import NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW, NAME_OPEN
from proscribe.host.controls.browser.desired_policies import DesiredPolicies
from proscribe.host.controls.browser.host_controls import HostControls
from proscribe.host.controls.browser.site_rules import SiteName
from proscribe.host.system import ControlError

from unit.host.controls.browser.test_list_matching import chromium_says, firefox_says

Address = tuple[str, str]  # host, path
CHROMIUM_PATH, FIREFOX_PATH = "etc/chromium/policies/managed/proscribe.json", "etc/firefox/policies/policies.json"
MANY = [f"host{number:04}.example" for number in range(999)]
BELOW = "open below this name in browsers: their lists take 1000 names, and /etc/hosts closes it alone"


def lists(services: dict[str, dict[str, Any]]) -> tuple[list[str], list[str]]:
    said = chromium.make_policies(site_rules.make_rules(section(services)), CHROMIUM)
    return said.get("URLBlocklist", []), said.get("URLAllowlist", [])


@pytest.mark.parametrize("text", ["", "example", "*.example.com", "exa mple.com", "a.com:80", "a.com/x?q"])
def test_a_name_that_no_browser_understands_is_refused(text):
    with pytest.raises(ControlError, match="is not a host"):
        site_rules.parse_site_name(text)


def test_firefox_does_not_open_what_the_organisation_blocks():
    desired = site_rules.make_rules(section({"a": {"domains": ["x.example"], "allow": ["open.x.example"]}}))
    assert firefox.make_filter_lists(desired, [SiteName("*")]).exception_patterns == []
    assert firefox.make_filter_lists(desired, [SiteName("x.example")]).exception_patterns == []
    expected = ["*://open.x.example/*"]
    assert firefox.make_filter_lists(desired, [SiteName("bad.open.x.example")]).exception_patterns == expected
    expected = ["*://*.open.x.example/*"]
    assert firefox.make_filter_lists(desired, [SiteName("other.example")]).exception_patterns == expected


HOSTS = st.lists(st.sampled_from("ab"), min_size=0, max_size=3).map(lambda labels: ".".join([*labels, "x", "test"]))
NAMES = st.builds(lambda host, path: host + path, HOSTS, st.sampled_from(["", "", "", "/p", "/p/q"]))
ENTRIES = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["enforce", "enforce", "audit", "waived", "upcoming", "report"]),
        "domains": st.lists(HOSTS, max_size=3),
        "urls": st.lists(NAMES, max_size=2),
        "allow": st.lists(HOSTS, max_size=2),
    }
)
SERVICES = st.dictionaries(st.sampled_from(["s1", "s2", "s3", "s4"]), ENTRIES)


def split(name: str) -> Address:
    host, slash, path = name.partition("/")
    return host, slash + path


def fits(name: Address, address: Address) -> bool:
    host, path = address
    return (host == name[0] or host.endswith("." + name[0])) and path.startswith(name[1])


def rank(name: Address) -> tuple[int, int]:
    return len(name[0]), len(name[1])


def has_to_be_blocked(services: dict[str, dict[str, Any]], address: Address) -> bool:
    """The definition: some restricted service has a name that fits, and no exception for it that fits more closely."""
    waived = [split(n) for e in services.values() if e["mode"] == "waived" for n in (*e["domains"], *e["urls"])]
    for entry in services.values():
        if entry["mode"] not in ("enforce", "audit"):
            continue
        own = [rank(n) for n in map(split, (*entry["domains"], *entry["urls"])) if fits(n, address)]
        out = [rank(n) for n in (*map(split, entry["allow"]), *waived) if fits(n, address)]
        if own and max(own) >= max(out, default=(0, 0)):
            return True
    return False


def addresses(services: dict[str, dict[str, Any]]) -> list[Address]:
    """An address at, below and beside every name of a plan."""
    names = [split(n) for e in services.values() for n in (*e["domains"], *e["urls"], *e["allow"])]
    hosts = {host for name, _ in names for host in (name, "z." + name, "z" + name, name.partition(".")[2])}
    return [(host, path) for host in sorted(hosts) for path in ("/", "/p", "/p/q", "/p/q/r", "/other")]


@given(SERVICES)
def test_chromium_blocks_what_has_to_be_blocked_and_nothing_else(services):
    block, allow = lists(services)
    for address in addresses(services):
        assert chromium_says(block, allow, SiteName(*address)) == has_to_be_blocked(services, address), address


@given(SERVICES)
def test_no_entry_could_be_left_out(services):
    block, allow = lists(services)
    whole = [chromium_says(block, allow, SiteName(*address)) for address in addresses(services)]
    for entry in (*block, *allow):
        less = [[e for e in names if e != entry] for names in (block, allow)]
        assert [chromium_says(*less, SiteName(*address)) for address in addresses(services)] != whole, entry


@given(SERVICES, st.randoms())
def test_the_order_in_the_plan_does_not_matter(services, random):
    shuffled = list(services.items())
    random.shuffle(shuffled)
    for _, entry in shuffled:
        random.shuffle(entry["domains"])
    assert site_rules.make_rules(section(dict(shuffled))) == site_rules.make_rules(section(services))


@given(SERVICES)
def test_firefox_blocks_what_has_to_be_blocked_and_more_only_where_it_says_so(services):
    desired = site_rules.make_rules(section(services))
    listed = firefox.make_filter_lists(desired)
    closed = [name for name, _ in listed.closed_names]
    exceptions = listed.exception_patterns
    alone = [name for name in desired.allowed_names if f"*://{name.host}{name.path or '/'}*" in exceptions]
    for address in addresses(services):
        blocked = firefox_says(listed.blocked_patterns, listed.exception_patterns, SiteName(*address))
        if has_to_be_blocked(services, address):
            assert blocked, address
        elif blocked:
            assert any(fits(name, address) for name in (*closed, *alone)), address
    for name in alone:
        assert not firefox_says(listed.blocked_patterns, listed.exception_patterns, name), name


@given(SERVICES)
def test_no_entry_of_firefox_lies_below_another(services):
    listed = firefox.make_filter_lists(site_rules.make_rules(section(services))).blocked_patterns
    block = [split(pattern[len("*://*.") :].rstrip("*").rstrip("/")) for pattern in listed]
    assert not [item for item in block for upper in block if item != upper and fits(upper, item)]


@pytest.mark.parametrize(
    ("services", "tenants", "blocked", "allowed"),
    [
        ({"a": {"domains": MANY}, "b": {"domains": ["www.host0001.example"]}}, {}, 999, 0),  # covered, so no entry
        ({"a": {"domains": [*MANY, "b.example"]}}, {}, 1000, 0),
        ({"a": {"domains": [*MANY, "b.example"]}}, {"microsoft": ["t"]}, 999, 0),  # Firefox refuses private accounts
        ({"a": {"mode": "waived", "domains": [*MANY, "b.example", "c.example"]}}, {}, 0, 0),
        ({"a": {"domains": MANY, "allow": [f"{x}.{name}" for name in MANY for x in "ab"]}}, {}, 500, 1000),
    ],
)
def test_no_list_is_longer_than_browsers_take(services, tenants, blocked, allowed):
    of = site_rules.make_rules(section(services, tenants=tenants))
    assert (len(of.blocked_names), len(of.allowed_names)) == (blocked, allowed)


SHORT = "open in browsers: their lists take 1000 names"
BIN = {"bin": {"domains": ["filebin.example", "filebin2.example"]}}
LETS = {"bin": {"domains": ["example"], "allow": ["filebin.example"]}}
CLOSED = {"dns_over_https": "blocked"}
LAST = [("host0998.example", SHORT)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of_dns", "mode", "browsers", "degree", "left_open"),
    [
        (BIN, "enforce", CLOSED, NAME_CLOSED_WITH_ALL_BELOW, []),
        (BIN, "enforce", CLOSED, NAME_ALONE_CLOSED, [("filebin.example", BELOW)]),  # a hosts file closes exact names
        (BIN, "enforce", CLOSED, NAME_OPEN, LAST),  # no backend that the host can have
        (None, "enforce", CLOSED, NAME_CLOSED_WITH_ALL_BELOW, LAST),
        (BIN, "audit", CLOSED, NAME_CLOSED_WITH_ALL_BELOW, LAST),
        ({"bin": {**BIN["bin"], "mode": "waived"}}, "enforce", CLOSED, NAME_CLOSED_WITH_ALL_BELOW, LAST),
        (LETS, "enforce", CLOSED, NAME_CLOSED_WITH_ALL_BELOW, []),  # what dns lets through stays in the list
        (BIN, "enforce", {}, NAME_CLOSED_WITH_ALL_BELOW, LAST),  # browsers may ask others
    ],
)
def test_name_that_gives_way_is_closed_otherwise_or_reported(of_dns, mode, browsers, degree, left_open):
    services = {"many": {"domains": MANY}, "bin": {"domains": ["filebin.example", "x1.filebin2.example"]}}
    controls = {"browser": section(services, browsers=browsers)}
    if of_dns:
        entries = {id_: {"mode": mode, "allow": [], **entry} for id_, entry in of_dns.items()}
        controls["dns"] = {**section(entries), "mode": mode}
    plan = {"controls": controls}
    desired = DesiredPolicies(plan, HostControls(plan, lambda: degree))
    assert len(desired.rules.blocked_names) == 1000
    verdicts = [verdict for verdict in judge_policies(controls["browser"], desired, []) if verdict.findings]
    assert [(one.id, one.detail) for verdict in verdicts for one in verdict.findings] == left_open
    assert {(verdict.state, verdict.drifted) for verdict in verdicts} <= {("noncompliant", False)}


def test_typed_names_are_listed_before_pages_and_short_names_of_each_service():
    typed, page = "a.very.long.name.example", "zoo.example/drive"
    cdn = [f"{number}.cdn.example" for number in range(2000)]
    zoo = {"domains": [typed, *cdn, "zoo-cdn.example"], "urls": [page], "front_doors": [typed]}
    made = section({"zoo": zoo, "few": {"domains": [f"few{number}.example" for number in range(12)]}})
    left_out = [str(name) for name in site_rules.fit_names(made).omitted_names["zoo"]]
    assert (len(left_out), len(site_rules.make_rules(made).blocked_names)) == (1015, 1000)
    assert not {typed, page, "zoo-cdn.example"}.intersection(left_out)


def test_host_without_a_resolver_gets_the_best_list_and_reports_the_rest(tmp_path):
    services = {"many": {"domains": MANY}, "bin": {"domains": ["filebin.example", "x1.filebin2.example"]}}
    tree = Tree(tmp_path, section(services, browsers={"dns_over_https": "blocked"}))
    tree.plan["controls"]["dns"] = section({"bin": {**BIN["bin"], "allow": []}}, backend="hosts")
    tree.enforce()
    blocked = tree.read(CHROMIUM_PATH)["URLBlocklist"]
    assert (len(blocked), "filebin.example" in blocked) == (1000, False)
    assert len(tree.read(FIREFOX_PATH)["policies"]["WebsiteFilter"]["Block"]) == 1000
    verdicts = tree.verdicts()
    assert [(finding.id, finding.detail) for finding in verdicts["bin"].findings] == [("filebin.example", BELOW)]
    assert (verdicts["bin"].state, verdicts["many"].state) == ("noncompliant", "compliant")
    assert tree.enforce().actions == []
    (tree.root / CHROMIUM_PATH).unlink()
    assert {rule for rule, verdict in tree.verdicts().items() if verdict.drifted} >= {"bin", "many", "policy-file"}
