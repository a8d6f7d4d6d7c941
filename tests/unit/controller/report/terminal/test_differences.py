"""What a change comes to, as people read it; and the whole text in a file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.storage import difference_files
from proscribe.controller.report.storage.difference_files import DifferenceFiles
from proscribe.controller.report.storage.pruning import prune
from proscribe.controller.report.terminal.differences import MOST, Change, changes, listed, text_of
from proscribe.controller.report.terminal.dry_run import DryRun


def changed(before: str, after: str, header: str = "write /etc/x") -> dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def said(before: str, after: str) -> list[str]:
    """What is said of one change, without its heading."""
    lines = listed(changes([changed(before, after)]))
    assert lines[0] == "write /etc/x"
    return [line.strip() for line in lines[1:]]


def policy(blocked, **settings):
    return json.dumps({"policies": {"WebsiteFilter": {"Block": blocked}, **settings}}, indent=1)


def test_of_each_list_of_a_policy_file_is_said_how_much_and_the_first_few() -> None:
    names = [f"site{number}.example" for number in range(659)]
    before = policy(names[:-5], Proxy="none", Old=True)
    after = policy([*names[2:], *names[:0]], Proxy="system", New=1)
    assert said(before, after) == [
        "WebsiteFilter.Block: 5 added: site654.example, site655.example, site656.example and 2 more",
        "WebsiteFilter.Block: 2 removed: site0.example, site1.example",
        "1 setting added: New",
        "1 setting removed: Old",
        '1 setting changed: Proxy: "none" -> "system"',
    ]


def test_empty_lines_are_no_example_of_what_a_script_gains() -> None:
    script = "#!/bin/sh\n\nset -u\n\n# a comment\numask 077\n\nexec true\n" + "".join(f"x{n}\n" for n in range(9))
    assert said("", script) == ["17 lines added: set -u, umask 077, exec true and 14 more"]


def test_names_with_two_lines_each_are_counted_once() -> None:
    lines = "".join(f"0.0.0.0 s{number}.example\n:: s{number}.example\n" for number in range(500))
    before = "127.0.0.1 localhost\n"
    assert said(before, f"# BEGIN\n{lines}# END\n{before}") == [
        "1,002 lines added",
        "500 names added: s0.example, s1.example, s10.example and 497 more",
    ]


def test_of_each_set_of_the_firewall_is_said_how_much_without_its_type() -> None:
    before = "set nets4_line\n    type ipv4_addr\n    flags interval\n    10.0.0.0/8\n    10.1.0.0/16\n"
    more = "".join(f"    10.9.{number}.0/24\n" for number in range(9))
    after = f"chain output\n    jump restricted\nset nets4_line\n    type ipv4_addr\n    flags interval\n{more}"
    assert said(before, after) == [
        "set nets4_line: 9 added: 10.9.0.0/24, 10.9.1.0/24, 10.9.2.0/24 and 6 more",
        "set nets4_line: 2 removed: 10.0.0.0/8, 10.1.0.0/16",
        "1 other part added: chain output",
    ]


def test_what_is_short_is_shown_as_it_is_and_needs_no_file() -> None:
    found = changes([changed("a\nb\n", "a\nc\n")])
    assert (listed(found), found[0].whole) == (["write /etc/x", "  -b", "  +c"], True)
    assert changes([changed("same", "same")]) == []


def test_the_same_change_of_several_files_is_listed_once() -> None:
    after = policy([f"s{number}.example" for number in range(99)])
    found = changes([changed("", after, f"write /etc/{name}") for name in ("brave", "chromium")])
    assert listed(found)[:2] == ["write /etc/brave", "write /etc/chromium"]
    assert len(listed(found)) == 3 and not any(one.whole for one in found)


def test_a_thousand_changes_of_a_hostile_host_stay_a_screenful() -> None:
    found = changes(
        [changed("", f"{number}\n" * 20, f"quarantine /home/a/{number}\x1b[2J\n") for number in range(1000)]
    )
    lines = listed(found)
    assert len(lines) <= 3 * MOST and not found[-1].whole
    assert lines[-1] == "... and 960 more changes"
    assert all(line.isprintable() for line in lines)


TEXT = st.lists(st.sampled_from(["a", "b", "set x", "    c", "{", '{"a": [', "]}", "0.0.0.0 a.b", "\x1b"]), max_size=30)


@given(TEXT, TEXT)
def test_any_two_unequal_texts_are_reported_and_the_whole_leads_from_one_to_the_other(before, after) -> None:
    one = changed("".join(f"{line}\n" for line in before), "".join(f"{line}\n" for line in after))
    lines = listed(changes([one]))
    assert all(line.isprintable() for line in lines)
    assert bool(lines) == (before != after)
    body = [line[:-1] for line in text_of([one])][2:]
    signs = [line[:1] for line in body if not line.startswith("@@")]
    assert signs.count("-") - signs.count("+") == len(before) - len(after)


def test_texts_too_large_for_the_shortest_difference_are_compared_from_both_ends() -> None:
    same = [f"line {number}" for number in range(3000)]
    before, after = [*same, "old", *same], [*same, "new", "newer", *same]
    text = list(text_of([changed("\n".join(before) + "\n", "\n".join(after) + "\n")]))
    assert text[2:] == ["@@ -3001,1 +3001,2 @@\n", "-old\n", "+new\n", "+newer\n"]


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_whole_is_for_the_account_alone_and_no_name_of_a_host_leads_elsewhere(tmp_path: Path) -> None:
    os.umask(0o022)
    files = DifferenceFiles(tmp_path, "r1")
    path = files.write("../../etc/web01\n", "dns_filter", "digest1", ["+a\n"])
    assert path == tmp_path / "diffs" / "r1" / ".._.._etc_web01_.dns_filter.diff"
    assert path.read_text() == "+a\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
    second = files.write("../../etc/web01\n", "dns_filter", "digest2", ["+b\n"])
    assert second == path.with_name(".._.._etc_web01_.dns_filter.2.diff") and path.read_text() == "+a\n"
    assert files.write("../../etc/web01\n", "browser_policy", "digest2", ["+b\n"]) != second
    assert files.write("web02", "dns_filter", "digest2", ["+b\n"]) == second  # equal hosts share one


def test_a_write_that_fails_leaves_no_half_file(tmp_path: Path) -> None:
    def pieces():
        yield "+a\n"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        DifferenceFiles(tmp_path, "r1").write("web01", "dns_filter", "digest3", pieces())
    assert os.listdir(tmp_path / "diffs" / "r1") == []


CUT = "... cut here: it is larger than is kept\n"


@pytest.mark.parametrize(
    "files",
    [
        [(["+aa\n"], "+aa\n"), (["+aaaa\n", "+bb\n"], "+aaaa\n+bb\n"), (["\n"], "\n"), ([], None)],
        [(["+aaaa\n"] * 9, f"+aaaa\n{CUT}"), (["+aaa\n"], "+aaa\n"), (["+a\n"], None)],
        [(["+aaaa\n"] * 9, f"+aaaa\n{CUT}"), (["+aaaa\n", "+a\n"], CUT), (["+a\n"], None)],
    ],
)
def test_files_are_bounded_each_and_all_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[tuple[list[str], str | None]]
) -> None:
    monkeypatch.setattr(difference_files, "OF_ONE", 10)
    monkeypatch.setattr(difference_files, "OF_ALL", 15)
    of_run = DifferenceFiles(tmp_path, "r1")
    for number, (pieces, text) in enumerate(files):
        if text is not None:
            assert of_run.write(f"web{number}", "dns_filter", f"digest{number}", pieces).read_text() == text
        else:
            with pytest.raises(OSError, match="this run has written 0 MiB of them"):
                of_run.write(f"web{number}", "dns_filter", f"digest{number}", pieces)


def test_a_text_of_some_size_is_written_whole_whatever_the_name_of_the_host(tmp_path: Path) -> None:
    text = ["+" + "a" * 4096 + "\n"]
    path = DifferenceFiles(tmp_path, "r1").write("w" * 200, "dns_filter", "digest", text)
    assert (path.name, path.read_text()) == (f"{'w' * 120}.dns_filter.diff", text[0])


def test_they_are_taken_away_with_old_reports(tmp_path: Path) -> None:
    old, new = "20250101T000000Z-check-1a2b", "20261125T000000Z-check-1a2b"
    for run in (old, new):
        DifferenceFiles(tmp_path, run).write("web01", "dns_filter", "digest7", ["+a\n"])
    assert prune(tmp_path, "2026-11-26T00:00:00Z", 86400 * 30) == []
    assert os.listdir(tmp_path / "diffs") == [new]


# -- a dry run of many hosts -------------------------------------------------------------------------------------------


def dry(*answers: tuple[str, list[dict[str, str]], list[str], str]) -> list[list[str]]:
    """The blocks of a dry run; of each host its differences, its actions without one, and the file of all of it."""
    found = DryRun()
    for host, differences, actions, file in answers:
        headings = [one["after_header"] for one in differences]
        found.add(host, "browser_policy", changes(differences, [*headings, *actions]), ["why"] if file else [], file)
    return list(found.taken())


SMALL, LARGE = changed("", "+x\n", "write /etc/a"), changed("", "x\n" * 9, "write /etc/b")
GONE = changed("wechat 4.0\n", "", "remove wechat")


@pytest.mark.parametrize(
    ("answers", "blocks"),
    [
        ([], []),
        (
            [(host, [SMALL, LARGE], ["load units"], "/r/web01.diff") for host in ("web01", "web02", "web03")],
            [
                [
                    "would change on 3 hosts: web01, web02, web03",
                    "  write /etc/a",
                    "    ++x",
                    "  write /etc/b",
                    "    9 lines added: x, x, x and 6 more",
                    "  load units",
                    "  note: why",
                    "  all of it: /r/web01.diff",
                ]
            ],
        ),
        (  # what has no difference to be shown keeps its place
            [("web01", [changed("", "", "start a"), SMALL, changed("", "", "start b")], [], "")],
            [["would change on web01", "  start a", "  write /etc/a", "    ++x", "  start b"]],
        ),
        (  # what they share is printed once; what one of them has beyond it, apart
            [("web02", [SMALL], [], ""), ("web01", [GONE, SMALL], [], "")],
            [
                ["would change on 2 hosts: web01, web02", "  write /etc/a", "    ++x"],
                ["would change on web01", "  remove wechat", "    -wechat 4.0"],
            ],
        ),
        (  # alike as they are shown, and not in full
            [("web01", [LARGE], [], "/r/web01.diff"), ("web02", [LARGE], [], "/r/web02.diff")],
            [
                [
                    "would change on 2 hosts: web01, web02",
                    "  write /etc/b",
                    "    9 lines added: x, x, x and 6 more",
                    "  note: why",
                    "  all of it: /r/web01.diff and 1 more file beside it",
                ]
            ],
        ),
    ],
)
def test_hosts_with_the_same_changes_are_one_block_and_each_change_is_listed_once(answers, blocks) -> None:
    assert dry(*answers) == blocks


def test_each_block_is_reported_once_and_a_file_that_could_not_be_written_is_not_named() -> None:
    found = DryRun()
    for host, file in (("web01", "/reports/web01.diff"), ("web02", "")):
        found.add(host, "apps", [Change("write /etc/x", ("+ a",), whole=False)], file=file)
    assert [block[-1] for block in found.taken()] == ["  all of it: /reports/web01.diff"]
    assert list(found.taken()) == []
    found.add("web01", "dns", [Change("write /etc/y", ("+ b",), whole=False)])
    assert [block[-1].strip() for block in found.taken()] == ["+ b"], "nor is the file of an earlier block"


def test_ten_thousand_equal_hosts_are_one_block() -> None:
    (block,) = dry(*((f"host{number:05}", [SMALL, LARGE], ["load units"], "/r/host.diff") for number in range(10_000)))
    assert block[0].startswith("would change on 10,000 hosts: host00000, ") and block[0].endswith(" and 9,992 more")
    assert len(block) == 8
