"""Small modules that both sides share: lengths of time, moments, folded names, patterns, tuples, hashes."""

import calendar
import datetime
import hashlib
import json
import pickle
import re
import runpy
import struct
import subprocess
import sys
import time
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import made_apps as made
import proscribe
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_apps import Read
from proscribe.base import duration, elf, hashing, json_text, lazy_patterns, name_folding
from proscribe.base.named_tuple import NamedTuple
from proscribe.base.timestamps import format_timestamp, is_timestamp, parse_timestamp
from proscribe.base.typed_dict import TypedDict
from unchanged_audit import printed

FORM = "%Y-%m-%dT%H:%M:%SZ"
LAST_SECOND = 253_402_300_799  # of the year 9999


# -- lengths of time
@pytest.mark.parametrize(
    ("text", "length"),
    [("5m", 300), ("12h", 43_200), ("2w", 1_209_600), ("007d", 604_800), ("36600d", 3_162_240_000)]
    + [("000000001h", 3_600)],
)
def test_length_is_read_in_seconds(text, length):
    assert duration.parse_duration(text) == length
    day = datetime.datetime(2026, 11, 25, tzinfo=datetime.timezone.utc)
    assert day - datetime.timedelta(seconds=duration.MAX_DURATION_SECONDS), "the longest length before a day is a date"


@pytest.mark.parametrize(
    "text", ["", "30", "d", "0d", "-3d", "3 d", "3D", "1.5d", "3d12h", "36601d", "0000000001h", "३d", "3d\n"]
)
def test_text_that_is_no_length_is_refused_with_the_grammar(text):
    with pytest.raises(ValueError, match="30d"):
        duration.parse_duration(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [(59.9, "less than a minute"), (60, "1 minute"), (3_599, "59 minutes"), (3_600, "1 hour"), (86_399, "23 hours")]
    + [(86_400, "1 day"), (172_799, "1 day"), (106_617_600, "1,234 days")],
)
def test_length_is_shown_rounded_down(length, text):
    assert duration.format_duration(length) == text


@given(seconds=st.integers(0, 250_000_000_000), zone=st.timezones())
def test_times_are_spelled_in_utc_and_sort_as_texts(seconds, zone):
    text = duration.format_moment(datetime.datetime.fromtimestamp(seconds, zone))
    assert duration.parse_moment(text).timestamp() == seconds
    assert (text < "2026-11-25T08:00:00Z") == (seconds < duration.parse_moment("2026-11-25T08:00:00Z").timestamp())


# -- moments
@given(st.integers(0, LAST_SECOND))
def test_moment_is_read_from_its_own_text(moment):
    text = format_timestamp(moment)
    assert parse_timestamp(text) == moment == calendar.timegm(time.strptime(text, FORM))


@pytest.mark.parametrize(
    ("moment", "text"),
    [(-5, "1970-01-01T00:00:00Z"), (1.9, "1970-01-01T00:00:01Z"), (LAST_SECOND + 1, "9999-12-31T23:59:59Z")],
)
def test_moment_outside_the_written_years_is_the_first_or_the_last(moment, text):
    assert format_timestamp(moment) == text and is_timestamp(text)


@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", fullmatch=True))
def test_stamp_is_accepted_where_python_reads_it_back(text):
    try:
        moment = calendar.timegm(time.strptime(text, FORM))
    except ValueError:
        moment = -1
    assert is_timestamp(text) == (moment >= 0 and format_timestamp(moment) == text)  # strptime has 61 seconds


@pytest.mark.parametrize(
    "value",
    [None, 5, "", "2026-11-27", "2026-02-29T00:00:00Z", "2026-11-27T24:00:00Z", "2026-00-01T00:00:00Z"]
    + ["2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-11-27T03:60:00Z", "2026-11-27T03:00:60Z"]
    + [b"2026-11-27T03:00:00Z", "2026-11-27T03:00:00z", "2026-11-27T03:00:00ZZ", "2026-11-27T03:00:0٣Z"]
    + ["2026-11-27 03:00:00Z", "1969-12-31T23:59:59Z"],
)
def test_value_that_is_no_stamp_is_refused(value):
    assert not is_timestamp(value)


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
    assert name_folding.fold_name(name) == same == name_folding.fold_name(same)


def test_lazy_pattern_matches_as_re_does():
    flags = (lazy_patterns.IGNORECASE, lazy_patterns.MULTILINE, lazy_patterns.DOTALL, lazy_patterns.ASCII)
    assert flags == (re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII)
    lines = lazy_patterns.compile_pattern(r"^a(.)$", lazy_patterns.MULTILINE | lazy_patterns.IGNORECASE)
    assert lines.findall("ab\nAc\nd") == ["b", "c"]
    assert lines.sub(r"\1", "ab") == "b" and lines.fullmatch("x") is None
    assert lazy_patterns.compile_pattern("a").flags == re.compile("a").flags
    assert lines.findall is lines.findall, "it is looked up once"
    assert lazy_patterns.compile_pattern(rb"\d").search(b"a1")[0] == b"1"  # type: ignore[index]


def test_module_re_is_loaded_with_the_first_use_of_a_pattern():
    code = (
        "sys.modules['typing'] = type(sys)('typing'); sys.modules['typing'].__getattr__ = lambda name: None\n"
        "from proscribe.base.lazy_patterns import compile_pattern\n"
        "made = compile_pattern('a'); before = 're' in sys.modules; made.match('a')\n"
        "print(before, 're' in sys.modules)\n"
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


def test_tuple_comes_out_of_a_pickle_in_its_own_class_and_a_mapping_is_none_of_typings():
    again = pickle.loads(pickle.dumps(Ours("a", 2)))
    assert again == Ours("a", 2) and type(again) is Ours

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


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text('ab/. "\\\n\x7fé\ud800', max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)
LOADED = """\
import sys
sys.path.insert(0, sys.argv[1])
from proscribe.base.json_text import format_json
format_json({value})
print("json" in sys.modules)
"""


@given(VALUES)
def test_value_is_written_as_json_writes_it(value):
    assert json_text.format_json(value) == json.dumps(value)


TEXTS = st.one_of(
    VALUES.map(json.dumps),
    VALUES.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1)),
    st.text(),
    st.text('[]{}",:0123456789eE+-. \\nrtu\t\n\ufeff\x00tfalsNIy', max_size=30),
)


def describe_outcome(read: Callable[[str | bytes], object], text: str | bytes) -> str:
    try:
        return repr(read(text))
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


@given(TEXTS)
@example("[NaN, Infinity, -Infinity]")
def test_text_is_read_as_json_reads_it(text):
    assert describe_outcome(json_text.parse_json, text) == describe_outcome(json.loads, text)


@given(
    st.binary(max_size=30)
    | st.builds(
        str.encode, TEXTS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le"]), st.just("surrogatepass")
    )
)
def test_bytes_are_read_as_json_reads_them(content):
    assert describe_outcome(json_text.parse_json, content) == describe_outcome(json.loads, content)


@given(VALUES)
def test_answer_is_one_line_that_no_name_in_it_can_end(value):
    assert len(json_text.format_json(value).splitlines()) == 1


ROWS = [
    ({"changed": False, "record": {"rules": [], "n": -5, "at": "2026-11-27T08:00:00Z", "last": None}}, False),
    (["a"] * 999, False),
    (["a"] * 1000, True),
    ("/home/josé", False),
    ({"size": 1.5}, True),
    ({"a": 1, 2: "b"}, True),
    ({str(number): "" for number in range(999)}, False),
    ({str(number): "" for number in range(1000)}, True),
    (("a",) * 1000, True),
]


@pytest.mark.parametrize(("value", "loads"), ROWS, ids=range(len(ROWS)))
def test_module_json_is_loaded_for_values_that_are_not_plain(value, loads):
    path = str(Path(proscribe.__file__).parents[1])
    code = LOADED.replace("{value}", repr(value))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loads}\n"


PACKAGE = "github.com/jpillora/chisel"


def go_package(content: bytes) -> str:
    read = Read(content)
    binary = elf.read_elf(read)
    return elf.read_go_package(read, binary) if binary else ""


def test_go_program_names_the_package_it_was_built_from():
    assert go_package(made.go(PACKAGE)) == PACKAGE
    stripped = made.go(PACKAGE).replace(b".go.buildinfo", b".something.el")

    assert go_package(stripped) in (PACKAGE, "")  # found only where it begins at a multiple of 16, as Go lays it


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("size", "package"), [(100, PACKAGE), (16 * 1024, PACKAGE), (16 * 1024 + 1, "")])
def test_go_before_1_18_points_to_its_texts(width, order, size, package):
    """Two strings, each an address and a length, as wide as the machine has them (debug/buildinfo)."""
    content = made.SENTINEL + f"path\t{PACKAGE}\n".encode().ljust(size - 32, b"\n") + made.SENTINEL
    binary = elf.read_elf(Read(made.elf({".go.buildinfo": bytes(32), ".strings": bytes(32), ".text": content})))
    assert binary
    address = {name: 0x1000 + place for name, (place, _) in binary.sections.items()}
    two = order + ("II" if width == 4 else "QQ")
    pointers = struct.pack(two, address[".strings"], address[".strings"] + 2 * width)
    head = b"\xff Go buildinf:" + bytes([width, order == ">"]) + pointers.ljust(16, b"\0")
    strings = (struct.pack(two, 0, 0) + struct.pack(two, address[".text"], len(content))).ljust(32, b"\0")
    assert go_package(made.elf({".go.buildinfo": head, ".strings": strings, ".text": content})) == package


@pytest.mark.parametrize(
    "info",
    [
        made.build_info(PACKAGE)[:20],  # shorter than it ever is
        made.build_info(PACKAGE)[:40],  # a version that is cut short
        made.build_info(PACKAGE)[:60],  # a text that is cut short
        made.build_info(PACKAGE)[:32] + b"\xff" * 9,  # a length without an end
        made.build_info(PACKAGE).replace(b"\x08go1", b"\x88\x80\x80\x80\x80\x00go1"),  # a length of too many bytes
        b"\xff Go buildinf:" + bytes([5, 0]) + bytes(16),  # addresses of five bytes
        b"\xff Go buildinf:" + bytes([8, 0]) + b"\xff" * 16,  # an address that points to nothing
    ],
    ids=range(7),
)
def test_program_with_malformed_build_info_has_no_package(info):
    assert go_package(made.elf({".go.buildinfo": info})) == ""


def lay_out(order: str, wide: bool, sizes: Mapping[int, int] = {}) -> bytes:
    """Build a program with a section `.x` and two segments; `sizes` replaces sizes and counts of its header."""
    word = "Q" if wide else "I"
    start, per_segment, per_section = (64, 56, 64) if wide else (52, 32, 40)
    names, at = b"\0.x\0.names\0", start + 2 * per_segment
    counts = [sizes.get(n, usual) for n, usual in enumerate((per_segment, 2, per_section, 3, 2))]
    head = b"\x7fELF" + bytes([2 if wide else 1, "<>".index(order) + 1, 1]) + bytes(9)
    head += struct.pack(f"{order}HHI{word * 3}I", 2, 62, 1, 0x1000, start, at + 5 + len(names), 0)
    head += struct.pack(f"{order}HHHHHH", start, *counts)
    for type_, flags, place, address in ((1, 6, at, 0x2000), (3, 4, 7, 7)):
        wide_or_not = (type_, flags, place, address, 0, 5, 5, 1), (type_, place, address, 0, 5, 5, flags, 1)
        head += struct.pack(order + ("IIQQQQQQ" if wide else "IIIIIIII"), *wide_or_not[not wide])
    end = b""
    for named, type_, place, size in ((0, 0, 10**6, 10**6), (1, 1, at, 5), (4, 3, at + 5, len(names))):
        end += struct.pack(f"{order}II{word * 4}II{word * 2}", named, type_, 0, 0, place, size, 0, 0, 0, 0)
    return head + b"12345" + names + end


ANY_MACHINE = pytest.mark.parametrize(("order", "wide"), [("<", True), ("<", False), (">", True), (">", False)])


@ANY_MACHINE
def test_program_is_read_as_its_machine_lays_it(order, wide):
    content = lay_out(order, wide)
    at = (64 + 2 * 56) if wide else (52 + 2 * 32)
    binary = elf.read_elf(Read(content))
    assert binary is not None
    assert (binary.byte_order, binary.is_64_bit, binary.end) == (order, wide, len(content)), (
        "an AppImage's archive follows"
    )
    assert binary.segments == [(at, 0x2000, 5, True), (0, 0, 0, False)]
    assert {name: place for name, place in binary.sections.items() if name} == {".x": (at, 5), ".names": (at + 5, 11)}
    assert (
        elf.read_section_text(Read(content), binary, ".x") == "12345"
        and elf.read_section_text(Read(content), binary, ".y") == ""
    )


@ANY_MACHINE
@pytest.mark.parametrize(
    ("sizes", "segments", "sections"),
    [
        ({0: 57}, 0, 2),  # segments of another size
        ({1: 0}, 0, 2),
        ({1: 513}, 0, 2),  # more segments than any program has
        ({2: 63}, 2, 0),  # sections of another size
        ({4: 3}, 2, 0),  # names in a section that there is not
    ],
)
def test_table_that_cannot_be_is_empty_and_the_other_is_read(order, wide, sizes, segments, sections):
    binary = elf.read_elf(Read(lay_out(order, wide, sizes) + bytes(10**5)))
    assert binary is not None
    assert (len(binary.segments), len([name for name in binary.sections if name])) == (segments, sections)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF", b"\x7fELF" + bytes(100), b"MZ" + bytes(100), made.elf()[:63], b"\x7fELF" + b"\xff" * 200],
)
def test_file_that_is_no_elf_is_read_as_none(content):
    assert elf.read_elf(Read(content)) is None
