"""Small modules that both sides share: lengths of time, moments, folded names, patterns, tuples, hashes."""

import calendar
import datetime
import hashlib
import json
import pickle
import re
import runpy
import sys
import time
import typing
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.base import hashing, patterns
from proscribe.base.duration import LONGEST, moment_of, seconds_of, shown, spelled
from proscribe.base.folding import folded
from proscribe.base.mappings import TypedDict
from proscribe.base.moments import is_stamp, seconds, stamp
from proscribe.base.tuples import NamedTuple
from unchanged_audit import printed

FORM = "%Y-%m-%dT%H:%M:%SZ"
LAST_SECOND = 253_402_300_799  # of the year 9999


# -- lengths of time


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("5m", 300),
        ("12h", 43_200),
        ("2w", 1_209_600),
        ("007d", 604_800),
        ("36600d", 3_162_240_000),
        ("000000001h", 3_600),
    ],
)
def test_length_is_read_in_seconds(text, length):
    assert seconds_of(text) == length


@pytest.mark.parametrize(
    "text", ["", "30", "d", "0d", "-3d", "3 d", "3D", "1.5d", "3d12h", "36601d", "0000000001h", "३d", "3d\n"]
)
def test_text_that_is_no_length_is_refused_with_the_grammar(text):
    with pytest.raises(ValueError, match="30d"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [(59.9, "less than a minute"), (60, "1 minute"), (3_599, "59 minutes"), (3_600, "1 hour"), (86_399, "23 hours")]
    + [(86_400, "1 day"), (172_799, "1 day"), (106_617_600, "1,234 days")],
)
def test_length_is_shown_rounded_down(length, text):
    assert shown(length) == text


@given(seconds=st.integers(0, 250_000_000_000), zone=st.timezones())
def test_times_are_spelled_in_utc_and_sort_as_texts(seconds, zone):
    text = spelled(datetime.datetime.fromtimestamp(seconds, zone))
    assert moment_of(text).timestamp() == seconds
    assert (text < "2026-11-25T08:00:00Z") == (seconds < moment_of("2026-11-25T08:00:00Z").timestamp())


def test_longest_length_before_today_is_a_date():
    assert datetime.datetime(2026, 11, 25, tzinfo=datetime.timezone.utc) - datetime.timedelta(seconds=LONGEST)


# -- moments


@given(st.integers(0, LAST_SECOND))
def test_moment_is_read_from_its_own_text(moment):
    text = stamp(moment)
    assert seconds(text) == moment == calendar.timegm(time.strptime(text, FORM))


@pytest.mark.parametrize(
    ("moment", "text"),
    [(-5, "1970-01-01T00:00:00Z"), (1.9, "1970-01-01T00:00:01Z"), (LAST_SECOND + 1, "9999-12-31T23:59:59Z")],
)
def test_moment_outside_the_written_years_is_the_first_or_the_last(moment, text):
    assert stamp(moment) == text and is_stamp(text)


@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", fullmatch=True))
def test_stamp_is_accepted_where_python_reads_it_back(text):
    try:
        moment = calendar.timegm(time.strptime(text, FORM))
    except ValueError:
        moment = -1
    assert is_stamp(text) == (moment >= 0 and stamp(moment) == text)  # strptime has 61 seconds


@pytest.mark.parametrize(
    "value",
    [None, 5, "", "2026-11-27", "2026-02-29T00:00:00Z", "2026-11-27T24:00:00Z", "2026-00-01T00:00:00Z"]
    + ["2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-11-27T03:60:00Z", "2026-11-27T03:00:60Z"]
    + [b"2026-11-27T03:00:00Z", "2026-11-27T03:00:00z", "2026-11-27T03:00:00ZZ", "2026-11-27T03:00:0٣Z"]
    + ["2026-11-27 03:00:00Z", "1969-12-31T23:59:59Z"],
)
def test_value_that_is_no_stamp_is_refused(value):
    assert not is_stamp(value)


# -- names and patterns


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("WeChat 4.0", "wechat 4.0"),
        ("ＷｅＣｈａｔ", "wechat"),  # of full width
        ("Straße", "strasse"),
        ("E\u0301lan", "\u00e9lan"),  # of two characters, and of one
        ("\u03d3", "\u03cd"),  # a capital only once it is composed
        ("ﬁle™", "filetm"),
    ],
)
def test_names_that_look_alike_are_folded_to_one(name, same):
    assert folded(name) == same == folded(same)


def test_lazy_pattern_matches_as_re_does():
    flags = (patterns.IGNORECASE, patterns.MULTILINE, patterns.DOTALL, patterns.ASCII)
    assert flags == (re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII)
    lines = patterns.pattern(r"^a(.)$", patterns.MULTILINE | patterns.IGNORECASE)
    assert lines.findall("ab\nAc\nd") == ["b", "c"]
    assert lines.sub(r"\1", "ab") == "b" and lines.fullmatch("x") is None
    assert patterns.pattern("a").flags == re.compile("a").flags
    assert lines.findall is lines.findall, "it is looked up once"
    assert patterns.pattern(rb"\d").search(b"a1")[0] == b"1"  # type: ignore[index]


def test_module_re_is_loaded_with_the_first_use_of_a_pattern():
    code = (
        "sys.modules['typing'] = type(sys)('typing'); sys.modules['typing'].__getattr__ = lambda name: None\n"
        "from proscribe.base.patterns import pattern\n"
        "made = pattern('a'); before = 're' in sys.modules; made.match('a'); print(before, 're' in sys.modules)\n"
    )
    assert printed(code) == ["False True"]


# -- tuples, mappings and hashes, as the standard library has them


class Ours(NamedTuple):
    name: str
    size: int = 7
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


class Theirs(typing.NamedTuple):
    name: str
    size: int = 7
    parts: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (("a",), {}),
        (("a", 2, ("x",)), {}),
        (("a",), {"parts": ("x",)}),
        ((), {"parts": ("x",), "name": "a", "size": 0}),
    ],
)
def test_tuple_is_as_typing_makes_it(values, named):
    ours, theirs = Ours(*values, **named), Theirs(*values, **named)
    assert tuple(ours) == tuple(theirs) and ours == theirs and hash(ours) == hash(theirs)
    assert (ours.name, ours.size, ours.parts) == (theirs.name, theirs.size, theirs.parts)
    assert ours._asdict() == theirs._asdict() and ours._fields == theirs._fields
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours") and json.dumps(ours) == json.dumps(theirs)
    assert tuple(ours._replace(size=3)) == tuple(theirs._replace(size=3))


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((), {"size": 1}), (("a", 1, (), 4), {}), (("a",), {"name": "b"}), (("a",), {"other": 1})],
)
def test_values_that_do_not_fit_a_tuple_are_refused_as_by_typing(values, named):
    for kind in (Ours, Theirs):
        with pytest.raises(TypeError):
            kind(*values, **named)


def test_tuple_comes_out_of_a_pickle_in_its_own_class():
    again = pickle.loads(pickle.dumps(Ours("a", 2)))
    assert again == Ours("a", 2) and type(again) is Ours


def test_mapping_is_no_class_of_typings():
    class Whole(TypedDict):
        name: str

    class Part(TypedDict, total=False):
        name: str

    assert (Whole.__total__, Part.__total__) == (True, False)
    assert TypedDict in Whole.__mro__ and NamedTuple in Ours.__mro__, "which compile each annotation"


@pytest.mark.parametrize("content", [b"", b"wechat", bytes(1000)])
def test_hash_is_sha_256(content):
    assert hashing.sha256(content).hexdigest() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("modules", "chosen"),
    [
        (["_sha2", "_sha256", "hashlib"], "_sha2"),  # since Python 3.12
        (["_sha256", "hashlib"], "_sha256"),
        (["hashlib"], "hashlib"),
        ([], ""),
    ],
)
def test_hash_is_taken_from_the_quickest_module_that_exists(monkeypatch, modules, chosen):
    for name in ("_sha2", "_sha256", "hashlib"):
        module = ModuleType(name)
        module.sha256 = name  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module if name in modules else None)  # type: ignore[arg-type]
    if chosen:
        assert runpy.run_path(hashing.__file__)["sha256"] == chosen
    else:
        with pytest.raises(ImportError, match="_sha2"):
            runpy.run_path(hashing.__file__)
