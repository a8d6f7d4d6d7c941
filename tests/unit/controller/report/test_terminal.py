"""The report on a terminal: the screen, changes, lifts and exceptions."""

import stat
from collections.abc import Iterator

import pytest
from fleets import answer, judge_rule, run
from hypothesis import given
from hypothesis import strategies as st
from printed import too_wide
from properties import examples
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.reconciliation import make_run_report
from proscribe.controller.report.storage import difference_files
from proscribe.controller.report.terminal import differences, lift_summary, summary
from proscribe.model.finding import Finding, RuleVerdict

SIGNS = st.sampled_from("\x1b\r\n\x07\x9b\u202e\u2066\x00")
HOSTILE = st.text(st.characters(codec="utf-8") | SIGNS, min_size=1, max_size=30)
TEXT = st.lists(st.sampled_from(["a", "b", "set x", "    c", "{", '{"a": [', "]}", "0.0.0.0 a.b", "\x1b"]), max_size=30)
CUT = "... cut here: it is larger than is kept\n"


def render_collected(collector, directory="", **screen):
    fleet = collector.reconcile_hosts()
    report = make_run_report(collector.run, fleet, "2026-11-25T00:31:00Z")
    return summary.render_summary(report, fleet.records, summary.TerminalScreen(**screen), directory)


@pytest.mark.parametrize(("mode", "count", "missing", "line"), [
    ("enforce", 1, [], "programs on web01 reach names below blocked names: no resolver that filters there"),
    ("enforce", 2, [], "programs on 2 hosts (web01, web02) reach names below blocked names: no resolver that filters"),
    ("audit", 2, [], ""),
    ("enforce", 2, [Finding("hosts_line", "block", detail="missing")], ""),  # nothing is blocked
])  # fmt: skip
def test_hosts_without_a_resolver_are_named_once(mode, count, missing, line):
    hosts = ["web01", "web02"][:count]
    collector = Collector(run(hosts))
    reason = "the hosts file cannot cover them"
    below = RuleVerdict("dns/sub-domains", "not_applicable", (Finding("coverage", "sub-domains"),), reason=reason)
    for host in hosts:
        collector.answered(host, answer(below, judge_rule("dns/hosts-file", {"mode": "enforce"}, missing)))
    fleet = collector.reconcile_hosts()
    for record in fleet.records:
        next(rule for rule in record["rules"] if rule["rule"] == "dns/sub-domains")["mode"] = mode
    report = make_run_report(collector.run, fleet, "2026-11-25T00:31:00Z")
    text = " ".join(summary.render_summary(report, fleet.records, summary.TerminalScreen(width=200)).split())
    assert (line in text, text.count("below blocked names")) == (True, 1 if line else 0)


@examples(150)
@given(data=st.data(), width=st.integers(20, 140))
def test_nothing_from_a_host_steers_the_terminal(data, width):
    def text():
        return data.draw(HOSTILE)

    collector = Collector(run([host := text(), other := "web" + text()], "enforce"))
    finding = Finding("package", text(), text(), text(), f"user:{text()}", text(), text())
    record = answer(
        judge_rule(f"apps/{text()}", {"mode": "enforce"}, [finding]),
        judge_rule(f"browser/{text()}", {"mode": "enforce"}, [finding]),
        judge_rule(f"dns/{text()}", {"mode": "enforce"}, [], text()),
        errors=[{"control": text(), "message": text()}],
    )
    collector.answered(host, record)
    collector.unreachable(other, text())
    lines = render_collected(collector, "reports/r1", width=width).split("\n")
    assert all(line.isprintable() for line in lines)
    # A command has its line whole, and so has a word: every terminal goes on in its next row.
    assert too_wide("\n".join(lines), max(width, 40)) == []


def test_a_host_that_was_lost_while_it_was_lifted_is_not_lifted():
    collector = Collector(run(["web01"], "lift"))
    collector.changed("web01", "apps", {"changed": True, "actions": ["delete gate", "delete hook"]})
    collector.unreachable("web01", "timed out")
    more = {"is_check": False, "width": 120, "restore_command": "./proscribe enforce"}
    text = lift_summary.render_lifting(collector.expected, collector.host_states, **more)
    assert text == "\nlifted on 0 of 1 host (0 actions)\nnot lifted on web01: unreachable: timed out"


def change(before: str, after: str, header: str = "write /etc/x") -> dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def test_a_thousand_changes_of_a_hostile_host_stay_a_screenful():
    moved = (f"quarantine /home/a/{number}\x1b[2J\n" for number in range(1000))
    result = differences.summarise_differences([change("", f"{n}\n" * 20, header) for n, header in enumerate(moved)])
    lines = differences.format_changes(result)
    assert len(lines) <= 3 * differences.MAX_CHANGE_KINDS and not result[-1].is_complete
    assert lines[-1] == "... and 960 more changes"
    assert all(line.isprintable() for line in lines)


@given(TEXT, TEXT)
def test_any_two_unequal_texts_are_reported_and_the_whole_leads_from_one_to_the_other(before, after):
    item = change("".join(f"{line}\n" for line in before), "".join(f"{line}\n" for line in after))
    lines = differences.format_changes(differences.summarise_differences([item]))
    assert all(line.isprintable() for line in lines)
    assert bool(lines) == (before != after)
    body = [line[:-1] for line in differences.format_full_differences([item])][2:]
    signs = [line[:1] for line in body if not line.startswith("@@")]
    assert signs.count("-") - signs.count("+") == len(before) - len(after)


def test_texts_too_large_for_the_shortest_difference_are_compared_from_both_ends():
    same = [f"line {number}" for number in range(3000)]
    before, after = [*same, "old", *same], [*same, "new", "newer", *same]
    text = list(differences.format_full_differences([change("\n".join(before) + "\n", "\n".join(after) + "\n")]))
    assert text[2:] == ["@@ -3001,1 +3001,2 @@\n", "-old\n", "+new\n", "+newer\n"]


@pytest.mark.parametrize("files", [
    [(["+aa\n"], "+aa\n"), (["+aaaa\n", "+bb\n"], "+aaaa\n+bb\n"), (["\n"], "\n"), ([], None)],
    [(["+aaaa\n"] * 9, f"+aaaa\n{CUT}"), (["+aaa\n"], "+aaa\n"), (["+a\n"], None)],
    [(["+aaaa\n"] * 9, f"+aaaa\n{CUT}"), (["+aaaa\n", "+a\n"], CUT), (["+a\n"], None)],
])  # fmt: skip
def test_files_are_bounded_each_and_all_together(tmp_path, monkeypatch, files):
    monkeypatch.setattr(difference_files, "MAX_FILE_CHARACTERS", 10)
    monkeypatch.setattr(difference_files, "MAX_RUN_CHARACTERS", 15)
    of_run = difference_files.DifferenceFiles(tmp_path, "r1")
    for number, (pieces, text) in enumerate(files):
        if text is not None:
            assert of_run.write_difference(f"web{number}", "dns_filter", f"digest{number}", pieces).read_text() == text
        else:
            with pytest.raises(OSError, match="this run has written 0 MiB of them"):
                of_run.write_difference(f"web{number}", "dns_filter", f"digest{number}", pieces)


def test_difference_is_for_the_account_alone_and_no_name_of_a_host_leads_elsewhere(tmp_path):
    files = difference_files.DifferenceFiles(tmp_path, "r1")
    path = files.write_difference("../../etc/web01\n", "dns_filter", "digest1", ["+a\n"])
    assert path == tmp_path / "diffs" / "r1" / ".._.._etc_web01_.dns_filter.diff"
    assert [stat.S_IMODE(item.stat().st_mode) for item in (path, path.parent, path.parent.parent)] == [
        0o600, 0o700, 0o700
    ]  # fmt: skip
    second = files.write_difference("../../etc/web01\n", "dns_filter", "digest2", ["+b\n"])
    assert second == path.with_name(".._.._etc_web01_.dns_filter.2.diff") and path.read_text() == "+a\n"
    assert files.write_difference("../../etc/web01\n", "browser_policy", "digest2", ["+b\n"]) != second
    assert files.write_difference("web02", "dns_filter", "digest2", ["+b\n"]) == second  # equal hosts share one
    text = ["+" + "a" * 4096 + "\n"]
    path = difference_files.DifferenceFiles(tmp_path, "r1").write_difference("w" * 200, "dns_filter", "digest", text)
    assert (path.name, path.read_text()) == (f"{'w' * 120}.dns_filter.diff", text[0])


def test_difference_that_cannot_be_written_leaves_no_half_file(tmp_path):
    def pieces() -> Iterator[str]:
        yield "+a\n"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        difference_files.DifferenceFiles(tmp_path, "r1").write_difference("web01", "dns_filter", "digest3", pieces())
    assert list((tmp_path / "diffs" / "r1").iterdir()) == []
