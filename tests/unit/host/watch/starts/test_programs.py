"""The programs that were started and are remembered."""

import pytest
from proscribe.host.watch.starts import programs
from proscribe.host.watch.starts.prefilter import Prefilter
from proscribe.host.watch.starts.programs import Programs


def test_remembered_programs_are_limited(monkeypatch):
    monkeypatch.setattr(programs, "MOST_INNOCENT", 2)
    monkeypatch.setattr(programs, "MOST_PATHS", 2)
    remembered, prefilter = Programs(), Prefilter({"parts": ["owl"]})
    for number, left in ((1, {1}), (2, {1, 2}), (3, {3})):
        remembered.note_innocent([(number,)], 0.0)
        assert remembered.innocent.keys() == {(number,) for number in left}
        assert remembered.matters(f"/opt/{number}/owl", prefilter)
        assert remembered.matter == {f"/opt/{number}/owl": True for number in left}


def test_answer_of_the_prefilter_is_remembered():
    remembered, prefilter = Programs(), Prefilter({"parts": ["owl"]})
    assert [remembered.matters(path, prefilter) for path in ("/opt/owl/x", "/opt/elf/x")] == [True, False]
    assert [remembered.matters(path, None) for path in ("/opt/owl/x", "/opt/elf/x", "/srv/owl")] == [True, False, False]


@pytest.mark.parametrize(
    ("shown", "at_its_start", "in_a_scan"),
    [
        *((f"{path} (deleted)", 0.0, 600.0) for path in ("/memfd:x", "/home/u/x")),
        ("/usr/lib/ld-linux-x86-64.so.2", 0.0, 600.0),
        ("/opt/owl/x", 5.0, 5.0),
        ("/usr/bin/owl (deleted)", 5.0, 5.0),  # an updated package
    ],
)
def test_start_with_an_ambiguous_path_is_innocent_only_in_a_scan(shown, at_its_start, in_a_scan):
    remembered, prefilter = Programs(), Prefilter({"parts": ["owl"]})
    matters = remembered.matters(shown, prefilter)
    for running, seconds in ((False, at_its_start), (True, in_a_scan)):
        key = (*programs.key_of(shown, 7, matters, running), 1000)
        remembered.note_innocent([key], 10.0)
        assert [remembered.is_innocent(key, 10.0 + at) for at in (seconds - 0.1, seconds)] == [seconds > 0, False]


@pytest.mark.parametrize(("key", "end"), [((8, 1, 5, 1000), 40.0), (("/opt/x", 1000), 15.0)])
def test_verified_start_is_innocent_for_a_while_and_longer_by_its_file(key, end):
    programs = Programs()
    assert not programs.is_innocent(key, 10.0)
    programs.note_innocent([list(key)], 10.0)
    assert [programs.is_innocent(key, at) for at in (10.0, end - 0.1, end)] == [True, True, False]
    assert not programs.is_innocent(key[:-1], 10.0)
