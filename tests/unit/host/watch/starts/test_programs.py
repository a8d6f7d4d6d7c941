"""What is remembered of programs that were started."""

import pytest
from proscribe.host.watch.starts import programs
from proscribe.host.watch.starts.prefilter import Prefilter
from proscribe.host.watch.starts.programs import Programs


def test_only_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr(programs, "MOST_INNOCENT", 2)
    monkeypatch.setattr(programs, "MOST_PATHS", 2)
    one, prefilter = Programs(), Prefilter({"parts": ["owl"]})
    for number, left in ((1, {1}), (2, {1, 2}), (3, {3})):
        one.note_innocent([(number,)], 0.0)
        assert one.innocent.keys() == {(number,) for number in left}
        assert one.matters(f"/opt/{number}/owl", prefilter)
        assert one.matter == {f"/opt/{number}/owl": True for number in left}


def test_what_matters_is_what_the_prefilter_says_once():
    one, prefilter = Programs(), Prefilter({"parts": ["owl"]})
    assert [one.matters(path, prefilter) for path in ("/opt/owl/x", "/opt/elf/x")] == [True, False]
    assert [one.matters(path, None) for path in ("/opt/owl/x", "/opt/elf/x", "/srv/owl")] == [True, False, False]


@pytest.mark.parametrize(
    ("shown", "at_its_start", "in_a_scan"),
    [
        pytest.param("/memfd:x (deleted)", 0.0, 600.0, id="in memory"),
        pytest.param("/home/u/x (deleted)", 0.0, 600.0, id="deleted"),
        pytest.param("/usr/lib/ld-linux-x86-64.so.2", 0.0, 600.0, id="a loader"),
        pytest.param("/opt/owl/x", 5.0, 5.0, id="a path that says something"),
        pytest.param("/usr/bin/owl (deleted)", 5.0, 5.0, id="an updated package"),
    ],
)
def test_a_start_whose_path_says_nothing_makes_no_other_one_innocent(shown, at_its_start, in_a_scan):
    one, prefilter = Programs(), Prefilter({"parts": ["owl"]})
    matters = one.matters(shown, prefilter)
    for running, seconds in ((False, at_its_start), (True, in_a_scan)):
        key = (*programs.key_of(shown, 7, matters, running), 1000)
        one.note_innocent([key], 10.0)
        assert [one.is_innocent(key, 10.0 + at) for at in (seconds - 0.1, seconds)] == [seconds > 0, False]
