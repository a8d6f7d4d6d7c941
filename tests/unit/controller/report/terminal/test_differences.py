"""What a change comes to, as people read it; and the whole text in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.storage import difference_files
from proscribe.controller.report.storage.difference_files import DifferenceFiles
from proscribe.controller.report.terminal.differences import MOST, changes, listed, text_of


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
