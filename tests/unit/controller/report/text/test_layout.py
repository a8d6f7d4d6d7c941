"""Text that fits: widths, wrapping, and the words for evidence and causes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.collection.progress import Line, Progress
from proscribe.controller.report.evaluation.advice import host_lists, shorter
from proscribe.controller.report.text.layout import cells, clip, flow, row, screen_width, table, wrap
from proscribe.controller.report.text.wording import (
    Cause,
    cause,
    causes,
    clean,
    counted,
    evidence,
    evidences,
    message,
    moment,
    some,
)
from proscribe.model.finding import Finding

# As str.isprintable has them. A filter would drop so many that Hypothesis now and then gives up.
CHARACTERS = st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ")
PRINTABLE = st.text(CHARACTERS, max_size=80)
NOT_BLANK = st.text(CHARACTERS, min_size=1, max_size=80).filter(str.split)


@given(text=PRINTABLE, width=st.integers(10, 60), most=st.integers(0, 5))
def test_lines_fit_or_are_one_word_and_nothing_is_lost(text, width, most):
    lines = wrap(text, width, most)
    assert all(cells(line) <= width or len(line.split()) == 1 for line in lines)
    if most:  # what it takes of the screen
        assert 1 <= sum(max(1, -(-cells(line) // width)) for line in lines) <= most
    if not most or not lines[-1].endswith("..."):
        assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("微信微信微信", 4, ["微信", "微信", "微信"]),  # Chinese has no blanks
        ("为 /home/李/下载/微信 的", 8, ["为", "/home/李/下载/微信", "的"]),
        ("e\u0301" * 4 + " x", 6, ["e\u0301" * 4 + " x"]),
        ("a /srv/very/long/path b", 10, ["a", "/srv/very/long/path", "b"]),
        ("x" * 12, 4, ["x" * 12]),
        ("", 4, [""]),
    ],
)
def test_a_line_ends_between_words_and_a_path_is_whole(text, width, lines):
    assert wrap(text, width) == lines


@given(text=PRINTABLE, first=NOT_BLANK, width=st.integers(40, 90))
def test_a_row_fits_and_has_all_of_its_text(text, first, width):
    lines = row(first, "unknown", text, (20, 12), width)
    assert all(cells(line) <= width or len(line.split()) == 1 for line in lines)
    assert sorted("".join("".join(lines).split())) == sorted("".join(f"{first}unknown{text}".split()))


@given(st.lists(st.tuples(*[NOT_BLANK] * 3), min_size=2, max_size=4), st.integers(40, 90))
def test_a_table_fits_in_columns_or_row_by_row(rows, width):
    lines = list(table(rows, width))
    assert all(cells(line) <= width or len(line.split()) <= 2 for line in lines)
    printed, shown = "".join("".join(lines).split()), [cell for row_ in rows[1:] for cell in row_ if cell != "-"]
    assert all("".join(cell.split()) in printed for cell in shown)


@pytest.mark.parametrize(("columns", "width"), [("", 80), ("120", 120), ("40", 40), ("7", 40), ("0", 80), ("wide", 80)])
def test_the_width_is_that_of_columns_or_80_where_there_is_no_terminal(columns, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert screen_width() == width


@given(text=PRINTABLE, width=st.integers(4, 60))
def test_a_clipped_text_fits_and_shows_the_cut(text, width):
    short = clip(text, width)
    assert cells(short) <= width
    assert short == text or short.endswith("...")


def test_wide_characters_take_two_columns():
    assert cells("微信 4.0") == 8
    assert (cells("e\u0301"), cells("\u2600\ufe0f")) == (1, 1)  # marks stand on what is before them


def test_parts_stand_side_by_side_while_they_fit():
    assert flow(["one", "two", "three"], 12) == ["one   two", "three"]


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding("package", "wechat", "dpkg", "4.0", "system"), "dpkg wechat 4.0"),
        (
            Finding("package", "com.tencent.WeChat", "flatpak", "4.1", "user:alice"),
            "flatpak com.tencent.WeChat 4.1 (alice)",
        ),
        (Finding("process", "wechat", scope="pid:7 user:bob", path="/opt/w/wechat"), "process /opt/w/wechat (bob)"),
        (Finding("file", "", path="/home/bob/WeChat.AppImage"), "file /home/bob/WeChat.AppImage"),
        (Finding("package", "x\x1b[2J", "dpkg", detail="on hold"), "dpkg x\ufffd[2J: on hold"),
    ],
)
def test_evidence(finding, text):
    assert evidence(finding.as_dict()) == text


ALONE = "known by its name alone, so it is not moved"
PLACES = [f"/srv/{n}/dropbox" for n in range(10)]


def dropbox(path: str) -> Finding:
    return Finding("file", "dropbox", "program", "", "user:alice", path, ALONE)


@pytest.mark.parametrize(
    ("findings", "texts"),
    [
        ([], []),
        ([dropbox("/srv/a/dropbox")], [f"program dropbox (alice): {ALONE}"]),
        (
            [dropbox("/srv/a/dropbox"), Finding("package", "dropbox", "dpkg"), dropbox("/srv/b/dropbox")],
            [f"program dropbox (alice): {ALONE} (2 places: /srv/a/dropbox, /srv/b/dropbox)", "dpkg dropbox"],
        ),
        (
            [dropbox(path) for path in PLACES],
            [f"program dropbox (alice): {ALONE} (10 places: {', '.join(PLACES[:3])} and 7 more)"],
        ),
        (
            [Finding("process", "wechat", scope=f"pid:{pid} user:bob", path="/opt/w/wechat") for pid in (7, 9)],
            ["process /opt/w/wechat (bob) (2 times)"],
        ),
    ],
)
def test_what_is_alike_is_said_once(findings, texts):
    assert evidences([finding.as_dict() for finding in findings]) == texts


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (
            Finding("policy", "mail.google.com", "chromium", path="/etc/a.json", detail="and 17 more: not there"),
            Cause("not there", "chromium", "/etc/a.json"),
        ),
        (
            Finding("hosts_line", "dropbox.com", "hosts", detail="no line for dropbox.com"),
            Cause("no line for (name)", "hosts"),
        ),
        (
            Finding(
                "hosts_line", "a.example", "hosts", path="/etc/hosts", detail="not blocked, and 10 more of 11 names"
            ),
            Cause("not blocked", "hosts", "/etc/hosts"),
        ),
        (Finding("set", "telegram", "nftables", detail="and 3 more"), Cause("not as required", "nftables")),
    ],
)
def test_a_cause_is_free_of_the_one_name(finding, expected):
    assert cause(finding.as_dict()) == expected


@pytest.mark.parametrize(
    ("shared", "text"),
    [
        (
            [Cause("not there", "chromium", "/etc/a"), Cause("not there", "firefox", "/etc/b")],
            "not there (chromium, firefox)",
        ),
        ([Cause("not valid", "chromium", "/etc/a")], "not valid in /etc/a (chromium)"),
        (
            [Cause("/etc/a is a link", "", "/etc/a"), Cause("no table", "nftables")],
            "/etc/a is a link; no table (nftables)",
        ),
    ],
)
def test_causes_say_each_text_once(shared, text):
    assert causes(shared) == text


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Task failed: Module failed: apt is\r\nlocked", "apt is locked"),
        ("Task failed: Failed to connect to the host via ssh: ssh: no route", "ssh: no route"),
        ("", "no message"),
    ],
)
def test_message(said, text):
    assert message(said) == text


def test_small_words():
    assert (counted(1, "host"), counted(2000, "host")) == ("1 host", "2,000 hosts")
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert clean("a\tb\u202ec\ud800") == "a b\ufffdc\ufffd"
    assert moment("2026-11-25T08:00:00Z") == "2026-11-25 08:00 UTC"
    assert moment("yesterday\n") == "yesterday "
    assert shorter("/srv/ban/reports/r1", "/srv/ban") == "reports/r1"
    assert shorter("/srv/bantam", "/srv/ban") == "/srv/bantam"
    assert shorter("/srv/ban/reports/r1", "/") == "/srv/ban/reports/r1", "a service runs in /, and its reader does not"


def test_hosts_that_are_too_many_for_a_command_are_listed():
    records = [{"host": f"h{n}", "state": "noncompliant", "rules_evaluated": 1} for n in range(5)]
    records += [{"host": f"u{n}", "state": "unknown", "rules_evaluated": 0} for n in range(4)]
    assert host_lists({}, records) == {"noncompliant.txt": ["h0", "h1", "h2", "h3", "h4"]}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_progress_is_a_line_for_every_tenth_of_the_hosts():
    progress = Progress("audit", 200, False, Clock())
    said = [progress.update(heard, heard // 40) for heard in range(1, 201)]
    assert [line for line in said if line][:3] == [
        "audit  20 of 200 hosts\n",
        "audit  40 of 200 hosts  1 noncompliant\n",
        "audit  60 of 200 hosts  1 noncompliant\n",
    ]
    assert len([line for line in said if line]) == 9
    assert said[-1] == ""


def test_progress_of_slow_hosts_is_a_line_every_15_seconds():
    clock = Clock()
    progress = Progress("audit", 5, False, clock)
    assert progress.update(1, 0) == ""
    clock.now = 15
    assert progress.update(2, 0) == "audit  2 of 5 hosts\n"
    assert progress.update(3, 0) == ""


def test_progress_on_a_terminal_is_one_line_rewritten():
    clock = Clock()
    progress = Progress("audit", 3, True, clock)
    clock.now = 1
    text = progress.update(1, 1)
    assert text == "\r\x1b[Kaudit  1 of 3 hosts  1 noncompliant\r"
    Line.put(text)
    assert (Line.away(), Line.away()) == ("\r\x1b[K", "")


def test_a_single_host_has_no_progress():
    assert Progress("audit", 1, True, Clock()).update(1, 0) == ""
