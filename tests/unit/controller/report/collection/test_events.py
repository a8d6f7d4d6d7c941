"""report.html: whole, self-contained, true without scripts, and deaf to what hostile hosts put into it."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from fleets import ENFORCED, SERVICES, WAIVERS, WECHAT, answer, judge, no_policy, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.page.breakdown import break_down, natural
from proscribe.controller.report.page.data import script_data
from proscribe.controller.report.page.document import page
from proscribe.controller.report.page.findings import ago
from proscribe.controller.report.text.wording import clean, host_label
from proscribe.model.finding import Finding
from proscribe.wire.replies import shapes

VOID = {"meta", "input", "rect", "path", "circle", "use", "wbr"}
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)></script><!--<script>\x1b[2J\u202e'
FINISHED = "2026-11-25T00:31:00Z"


class Reader(HTMLParser):
    """Reads a page; fails on tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.words, self.data = [], [], [], [], ""
        self.elements = []  # (tag, attributes) of each

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.elements.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.data = self.data or data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)


def read(collector, departments=None, **more):
    fleet = collector.fleet()
    report = {**fleet_report(collector.run, fleet, FINISHED), "departments": departments or {}}
    text = "".join(page(report, iter(fleet.records), **more))
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return text, reader


def words(reader):
    # A slash may be the end of a line, and is no end of a word.
    return " ".join("".join(word + " " * (not word.endswith("/")) for word in reader.words).split())


def runs(*bad):
    """A trend of runs with so many noncompliant hosts of ten."""
    share = {"numerator": 9, "denominator": 10, "percent": 90.0}
    return [
        {
            "run": f"run{day}",
            "finished": f"2026-11-{day + 1:02}T00:31:00Z",
            "mode": "audit",
            "hosts": {"noncompliant": count, "compliant": 10 - count},
            **dict.fromkeys(("coverage", "compliance_strict", "compliance_with_waivers"), share),
        }
        for day, count in enumerate(bad)
    ]


# -- what it says without scripts --------------------------------------------------------------------------------------


def test_what_was_found_is_apart_from_what_is_not_blocked_yet():
    """Before the first enforcing run each service lacks its blocks, which says nothing of what somebody has."""
    boot = judge("firewall/boot", ENFORCED, [Finding("unit", "boot", detail="missing")])
    signal = judge("apps/signal", ENFORCED, [Finding("package", "signal-desktop", manager="dpkg")])
    collector = Collector(run(["web01", "web02", "db01"], services=["wechat", "signal", *SERVICES]))
    collector.answered("web01", answer(wechat(WECHAT), boot, *no_policy()))
    collector.answered("web02", answer(wechat(WECHAT), signal, boot, *no_policy()))
    collector.answered("db01", answer(boot, *no_policy()))
    page_, reader = read(collector)
    found = "Hosts on which something of the service was found. Services found "
    missing = "browser 118 services hosts: 3 noncompliant Which service000 service001 "
    assert f"{found}Service Hosts wechat 2 noncompliant signal 1 noncompliant" in words(reader)
    assert f"Controls What is missing {missing}" in words(reader).partition("Services not blocked yet")[2]
    assert "firewall 1 setting hosts: 3 noncompliant Which firewall/boot" in words(reader)
    assert "<svg" not in page_.partition("Services not blocked yet")[2].partition("</section>")[0]


def missing(control, *services, entry=ENFORCED):
    """Verdicts on services that a control does not block."""
    return [judge(f"{control}/{one}", entry, [Finding("policy", one, detail="missing")]) for one in services]


def unseen(control, service):
    return judge(f"{control}/{service}", ENFORCED, [], unseen="no answer")


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("", ""),
        ("2026-11-25T00:31:00Z", "new"),
        ("2026-11-25T00:59:00Z", "new"),
        ("2026-11-24T23:31:00Z", "1 hour"),
        ("2026-11-24T00:31:00Z", "1 day"),
        ("2025-11-25T00:31:00Z", "365 days"),
        ("yesterday", "yesterday"),
        ("2026-11-20T08:00:00", "2026-11-20T08:00:00"),
    ],
)
def test_an_age_is_shown_in_hours_and_then_in_days(since, expected):
    reader = Reader()
    reader.feed(f"<p>{ago(since, FINISHED)}</p>")
    assert (reader.words or [""])[0] == expected


# -- the data for the script -------------------------------------------------------------------------------------------


@given(st.lists(st.text(), unique=True))
def test_any_names_have_one_order(names):
    keys = {natural(name) for name in names}
    assert len(sorted(keys)) == len(names)


@given(text=st.text(min_size=1))
def test_any_text_comes_through_the_data_as_it_is_cleaned_and_ends_no_script(text):
    finding = Finding("package", text, manager=text, version=text, scope=f"user:{text}", path=text, detail=text)
    collector = Collector(run([text]))
    collector.answered(text, answer(judge(f"apps/{text}", {"mode": "enforce"}, [finding])))
    written = "".join(script_data(break_down(collector.fleet().records, {text: [text]}, {}, FINISHED), FINISHED))
    assert not set("<>&") & set(written)
    data = json.loads(written)
    assert data["hosts"][0][0] == host_label(text)
    assert [data["texts"][place] for place in data["findings"][0]][1] == shapes.name(text, "a name", 500)
    assert data["departments"] == [clean(text)]


# -- hostile hosts -----------------------------------------------------------------------------------------------------


def hostile(evil=EVIL):
    """A run in which every text that can come from outside tries to become markup."""
    finding = Finding("package", evil, manager=evil, version=evil, scope=f"user:{evil}", path=evil, detail=evil)
    waiver = {
        **WAIVERS[0],
        **dict.fromkeys(("id", "status", "reason", "approved_by", "why", evil), evil),
        **dict.fromkeys(("hosts", "services", "controls"), [evil]),
        "revoked": {evil: evil},
    }
    upcoming = [{"service": evil, "control": "apps", "effective_from": evil}]
    collector = Collector(
        run([evil, "db01", "web03"], waivers=[waiver], upcoming=upcoming, warnings=[evil], limit=evil, id=evil)
    )
    record = answer(
        judge(f"apps/{evil}", {"mode": "enforce"}, [finding]),
        judge(f"browser/{evil}", {"mode": "waived", "waiver": evil}, [finding]),
        judge(f"dns/{evil}", {"mode": "enforce"}, [], unseen=evil),
        errors=[{"control": evil, "message": evil}],
    )
    collector.answered(evil, {**record, "platform": {"os": evil, evil: evil}, "checked_at": evil})
    collector.unreachable("db01", evil)
    return collector


# What would take the place of a part of the page, or lead elsewhere, if it became an id, a class, a style or a link.
PLACES = ["data", "words", "panel", "list", "record", "noncompliant", "hidden", "__proto__", "attributes", "body"]
PLACES += [
    "javascript:alert(1)",
    "//example.org/x",
    "data:text/html,x",
    "../../etc/passwd",
    "#record",
    "-l all",
    "%2e%2e",
]
PLACES += [
    "x;background:url(//example.org)",
    "}body{display:none",
    "x' autofocus onfocus='x",
    "x\tstyle=x",
    "\u2028id=data",
]
OF_TEXT = {"aria-label", "title", "value", "datetime"} | {
    f"data-{name}" for name in ("waiver", "department", "control", "service", "words")
}


def structure(evil):
    """The elements of a page, each with those of its attributes that show no text; sorted, since names are."""
    trend = [{**one, "mode": evil, "finished": evil} for one in runs(1, 2)]
    text, reader = read(hostile(evil), {evil: [evil]}, trend=trend, since={(evil, f"apps/{evil}"): evil})
    assert text.count("Content-Security-Policy") == 1
    return sorted(
        (tag, *(f"{name}={value}" for name, value in attributes if name not in OF_TEXT))
        for tag, attributes in reader.elements
        if tag != "wbr"
    )


@pytest.mark.parametrize("evil", [EVIL, *PLACES])
def test_no_name_is_an_id_a_class_a_style_or_a_link(evil):
    """The page is the same whatever hosts, users, services, departments and waivers are called, but for its words."""
    found = structure(evil)
    assert found == structure("harmless")
    ids = [attribute for _, *attributes in found for attribute in attributes if attribute.startswith("id=")]
    assert len(ids) == len(set(ids)) > 10
