"""report.html: whole, self-contained, and deaf to what hostile hosts put into it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from fleets import PROCESS, WAIVERS, WECHAT, answer, clean_answer, judge, no_policy, run, wechat
from proscribe.finding import Finding
from proscribe.report.collect import Collector
from proscribe.report.html import page
from proscribe.report.reconcile import fleet_report

VOID = {"meta", "input", "rect"}
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\u202e'


class Reader(HTMLParser):
    """Reads a page; fails on tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def read(collector):
    fleet = collector.fleet()
    text = "".join(page(fleet_report(collector.run, fleet, "2026-11-25T00:31:00Z"), fleet.records))
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return text, reader


def mixed():
    collector = Collector(run(["web01", "web02", "db01"], waivers=WAIVERS))
    collector.answered("web01", answer(wechat(WECHAT, PROCESS), *no_policy()))
    collector.answered("web02", clean_answer())
    collector.unreachable("db01", "Connection refused")
    return collector


@pytest.mark.parametrize("collector", [mixed(), Collector(run([])), Collector(run(["web01"]))])
def test_the_page_is_whole_and_needs_nothing_else(collector):
    text, reader = read(collector)
    assert text.startswith("<!doctype html>")
    assert not {name for name, _ in reader.attributes} & {"src", "href", "style", "srcset", "action"}
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_policy_allows_the_one_style_and_the_one_script():
    text, reader = read(mixed())
    policy = next(value for name, value in reader.attributes if name == "content" and "default-src" in value)
    for tag in ("style", "script"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        hashed = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{hashed}'" in policy
        assert reader.tags.count(tag) == 1
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_the_page_says_what_there_is_to_say():
    words = " ".join(read(mixed())[1].words)
    for expected in (
        "The ban does not hold on 1 of 3 hosts, and is unknown for 1",
        "66.6 %",
        "2 of 3 hosts evaluated",
        "web01: dpkg wechat 4.0, process /opt/wechat/wechat (alice)",
        "118 rules on web01: the file is not there (chromium, firefox)",
        "unreachable: Connection refused",
        "until 2026-01-31 10:00 UTC",
        "hand-over of files",
        "2026-11-25 00:31 UTC",
    ):
        assert expected in words


def test_nothing_from_outside_becomes_markup():
    finding = Finding("package", EVIL, manager=EVIL, version=EVIL, scope=f"user:{EVIL}", path=EVIL, detail=EVIL)
    waiver = {**WAIVERS[0], "id": EVIL, "reason": EVIL, "approved_by": EVIL, "hosts": [EVIL], "services": [EVIL]}
    upcoming = [{"service": EVIL, "control": "apps", "effective_from": EVIL}]
    warnings = [EVIL]
    collector = Collector(
        run([EVIL, "db01", "web03"], waivers=[waiver], upcoming=upcoming, warnings=warnings, limit=EVIL)
    )
    record = answer(
        judge(f"apps/{EVIL}", {"mode": "enforce"}, [finding]),
        judge(f"browser/{EVIL}", {"mode": "waived", "waiver": EVIL}, [finding]),
        errors=[{"control": EVIL, "message": EVIL}],
    )
    collector.answered(EVIL, {**record, "platform": {"os": EVIL}, "checked_at": EVIL})
    collector.unreachable("db01", EVIL)
    text, reader = read(collector)
    plain_tags = read(mixed())[1].tags
    assert set(reader.tags) <= set(plain_tags) | {"details", "summary", "ul", "li"}
    assert reader.tags.count("script") == 1
    assert "onerror" not in {name for name, _ in reader.attributes}
    assert not {"\x1b", "\u202e"} & set(text)


def test_compliant_hosts_are_folded_away():
    collector = Collector(run([f"host{number:04}" for number in range(5000)]))
    for number, host in enumerate(collector.expected):
        collector.answered(host, answer(wechat(WECHAT)) if number < 5 else clean_answer())
    text, reader = read(collector)
    assert "4,995 hosts compliant" in " ".join(reader.words)
    assert reader.tags.count("tr") < 20
    assert len(text) < 300_000
