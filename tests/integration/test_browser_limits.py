"""How many entries real browsers take of a list, and what becomes of the rest: the numbers that rendering.py has."""

import datetime

import pytest
from browser_setup import enforce, put, real_plan, unmet, visits
from conftest import require_tool
from proscribe.controller.compile.catalogue.schema import AUDIENCES, CATEGORIES
from proscribe.model.plan_hours import resolve_hours

REFUSED = {"chromium": "net::ERR_BLOCKED_BY_ADMINISTRATOR", "firefox": "e=blockedByPolicy"}
LAST, TWICE = "last.test", "twice.test"


def hosts(count, prefix="n"):
    return [f"{prefix}{number}.test" for number in range(count)]


def blocked(tree, browser, names):
    seen = visits(tree, browser, [f"https://{name}/" for name in (*names, "open.test")])
    refused = {url.split("/")[2] for url, (_, error) in seen.items() if REFUSED[browser] in error}
    assert "open.test" not in refused
    return refused


CASES = {
    # what the files have in URLBlocklist, what has to be blocked, and what is cut off
    "one file": ({"a": hosts(1501)}, ["n0.test", "n1499.test"], ["n1500.test"]),
    "the same in two files": ({"a": hosts(1000), "z": [*hosts(1000), LAST]}, ["n0.test", "n999.test", LAST], []),
    "doubles of one of two files": ({"a": [TWICE] * 2000, "z": [LAST]}, [TWICE, LAST], []),
    "doubles of the only file": ({"a": [*[TWICE] * 1500, LAST]}, [TWICE], [LAST]),
    "the last file comes first": ({"a": hosts(1200), "z": hosts(1200, "z")}, ["z1199.test", "n0.test"], ["n300.test"]),
}


@pytest.mark.parametrize("case", CASES)
def test_chromium_takes_1500_entries_of_a_list_after_files_are_joined(case, tree):
    require_tool("chromium")
    files, blocking, cut = CASES[case]
    last = max(files)
    content = {name: {"URLBlocklist": listed, "NetworkPredictionOptions": 2} for name, listed in files.items()}
    if len(files) > 1:
        content[last] |= {"PolicyListMultipleSourceMergeList": ["URLBlocklist"]}
    put(tree, {f"/etc/chromium/policies/managed/{name}.json": policies for name, policies in content.items()})
    assert blocked(tree, "chromium", [*blocking, *cut]) == set(blocking)


def test_chromium_takes_1500_exceptions(tree):
    require_tool("chromium")
    allowed = hosts(1501)
    banned = [*allowed[-2:], "shut.test"]
    policy = {"URLBlocklist": banned, "URLAllowlist": allowed, "NetworkPredictionOptions": 2}
    put(tree, {"/etc/chromium/policies/managed/a.json": policy})
    assert blocked(tree, "chromium", banned) == {allowed[-1], "shut.test"}


@pytest.mark.parametrize("listed", [hosts(1000), [TWICE] * 1000], ids=["distinct", "doubles"])
def test_firefox_takes_1000_entries_and_1000_exceptions_and_counts_doubles(listed, tree):
    require_tool("firefox-esr")
    file = "/etc/firefox/policies/policies.json"
    put(tree, {file: {"policies": {"WebsiteFilter": {"Block": [f"*://*.{name}/*" for name in (*listed, LAST)]}}}})
    assert blocked(tree, "firefox", [listed[0], listed[-1], LAST]) == {listed[0], listed[-1]}
    patterns = [f"*://*.{name}/*" for name in dict.fromkeys([*listed, LAST, "shut.test"])][-1000:]
    filtered = {"Block": patterns, "Exceptions": [f"*://{name}/*" for name in (*listed, LAST)]}
    put(tree, {file: {"policies": {"WebsiteFilter": filtered}}})
    assert blocked(tree, "firefox", [listed[-1], LAST, "shut.test"]) == {LAST, "shut.test"}


@pytest.mark.parametrize(("hour", "is_open"), [(10, True), (20, False)])
def test_every_category_closes_sites_outside_of_hours_and_reports_what_stays_open(hour, is_open, tree):
    require_tool("chromium")
    plan = real_plan(categories=list(CATEGORIES), audiences=list(AUDIENCES), dns_backend="hosts")
    services = plan["controls"]["browser"]["services"]
    hours = {"mode": "waived", "waiver": "w1", "hours": [[0, 540, 1080]], "otherwise": "enforce"}
    services["whatsapp"] |= hours
    monday = datetime.datetime(2026, 11, 30, hour)  # noqa: DTZ001 - a clock without a zone
    now = resolve_hours(plan, monday.timetuple())
    enforce(tree, now)
    verdicts = unmet(tree, now)
    left_open = [finding.id for v in verdicts if v.state == "noncompliant" for finding in v.findings]
    assert 100 < len(left_open) < 300 and not any(verdict.drifted for verdict in verdicts)
    sites = ["web.whatsapp.com", "web.telegram.org", "drive.google.com"]
    below = [f"x.{name}" for name in ("filebin.net", *left_open[:3], "anonfiles.com")]
    closed = blocked(tree, "chromium", [*sites, *below])
    assert closed.intersection(sites) == {*sites} - ({"web.whatsapp.com"} if is_open else set())
    assert [name for name in below if (name not in closed) != (name.removeprefix("x.") in left_open)] == []
