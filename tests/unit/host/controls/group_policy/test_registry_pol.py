"""Registry.pol: entries, limits and damaged files."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.host.controls.group_policy import registry_pol
from proscribe.host.controls.group_policy.registry_pol import (
    BINARY,
    DWORD,
    HEADER,
    MULTI_SZ,
    SZ,
    Entry,
    number,
    parse,
    render,
    said_by,
    text,
)


def written(key: bytes, value: bytes, kind: int, data: bytes, size: int | None = None) -> bytes:
    """An entry byte by byte, as [MS-GPREG] has it."""
    length = len(data) if size is None else size
    return b"[\0" + b";\0".join([key, value, struct.pack("<I", kind), struct.pack("<I", length), data]) + b"]\0"


def utf16(said: str) -> bytes:
    return (said + "\0").encode("utf-16-le")


GOOD = written(utf16("K"), utf16("V"), 1, utf16("x"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "byte 0: no Registry.pol", id="empty"),
        pytest.param(b"PReg\2\0\0\0", "byte 0: no Registry.pol of version 1", id="another version"),
        pytest.param(HEADER + b"x", "byte 8: expected '['", id="no entry"),
        pytest.param(HEADER + GOOD[:-2], "byte 38: expected ']'", id="cut at the end"),
        pytest.param(HEADER + GOOD + b"]", "byte 40: expected '['", id="something after it"),
        pytest.param(HEADER + b"[\0" + utf16("k" * 4097), "byte 10: a name without its end within 4096", id="long key"),
        (HEADER + b"[\0" + utf16("K") + b";\0" + utf16("v" * 260), "a name without its end within 259"),  # long value
        (HEADER + written(utf16("K"), utf16("V"), 1, b"x", 0xFFFFFFFF), "4294967295 bytes of data"),  # a size past it
        (  # long data
            HEADER + written(utf16("K"), utf16("V"), 1, b"x" * 65536),
            "byte 8: 65536 bytes of data, at most 65535 are allowed",
        ),
        pytest.param(HEADER + written(utf16(""), utf16("V"), 1, b""), "0 characters in the name of a key", id="no key"),
        pytest.param(HEADER + written(b"\0\xd8\0\0", utf16("V"), 1, b""), "no text in UTF-16LE", id="half a character"),
        pytest.param(HEADER + written(utf16("K\n"), utf16("V"), 1, b""), "a control character", id="a line end"),
        pytest.param(HEADER + b"[\0K\0\0\0;\0V\0\0\0;\0\1\0\0\0", "byte 26: expected ';'", id="cut after a number"),
        *(
            pytest.param(HEADER + written(utf16("K"), utf16("V"), kind, b""), f"no type {kind}", id=f"type {kind}")
            for kind in (8, 12)
        ),
    ],
)
def test_damaged_registry_pol_is_refused_with_its_byte(content, why):
    with pytest.raises(ValueError, match="byte") as refused:
        parse(content)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (Entry("", "V", SZ, b""), "0 characters in the name of a key, expected 1 to 4096"),
        (Entry("k" * 4097, "V", SZ, b""), "4097 characters in the name of a key, expected 1 to 4096"),
        (Entry("K\x1f", "V", SZ, b""), "a control character in the name of a key"),
        (Entry("K", "V\r\n", SZ, b""), "a control character in the name of a value"),
        (Entry("K", "V", 6000, b""), "there is no type 6000"),
        (Entry("K\ud800", "V", SZ, b""), "half of a character in a text"),
    ],
)
def test_unreadable_entry_is_not_written(entry, why):
    with pytest.raises(ValueError, match="^entry 2 ") as refused:
        render([number("K", "V", 1), entry])
    assert str(refused.value) == f"entry 2 ({ascii(entry.key)}): {why}"


@pytest.mark.parametrize("said", [-1, 2**32])
def test_a_number_has_32_bits(said):
    with pytest.raises(ValueError, match=rf"^K\\V: {said} is no number of 32 bits$"):
        number("K", "V", said)


@pytest.mark.parametrize("said", ["a\0b", "\ud800"])
def test_a_text_that_cannot_be_written_is_refused_by_its_name(said):
    with pytest.raises(ValueError, match=r"^K\\V: "):
        text("K", "V", said)


def test_files_are_limited(monkeypatch):
    three = [number("K", "V", 1)] * 3
    content = render(three)
    monkeypatch.setattr(registry_pol, "MOST_ENTRIES", 3)
    monkeypatch.setattr(registry_pol, "MOST_BYTES", len(content))
    assert render(three) == content and parse(content) == three
    monkeypatch.setattr(registry_pol, "MOST_BYTES", len(content) - 1)
    with pytest.raises(ValueError, match=f"at most {len(content) - 1} are allowed"):
        render(three)
    with pytest.raises(ValueError, match=f"at most {len(content) - 1} are allowed"):
        parse(content)
    monkeypatch.undo()
    monkeypatch.setattr(registry_pol, "MOST_ENTRIES", 2)
    with pytest.raises(ValueError, match="at most 2 entries"):
        render(three)
    with pytest.raises(ValueError, match="more than 2 entries"):
        parse(content)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry("K", "V", SZ, b"a\0\0\0"), "a"),
        (Entry("K", "V", SZ, b"\0\0"), ""),
        (Entry("K", "V", DWORD, b"\1\2\0\0"), 0x201),
        (Entry("K", "V", BINARY, b"\1\2"), b"\1\2"),
        (Entry("K", "V", MULTI_SZ, b"a\0\0\0\0\0"), b"a\0\0\0\0\0"),
    ],
)
def test_an_entry_says_a_text_a_number_or_its_bytes(entry, said):
    assert said_by(entry) == said


@pytest.mark.parametrize(
    "entry",
    [
        Entry("K", "V", DWORD, b"\1"),
        Entry("K", "V", SZ, b"a\0"),
        Entry("K", "V", SZ, b"a\0\0\0b\0\0\0"),
        Entry("K", "V", SZ, b""),
        Entry("K", "V", SZ, b"\0\xd8\0\0"),
    ],
)
def test_data_that_are_not_of_their_type_say_nothing(entry):
    with pytest.raises(ValueError, match=r"K\\V"):
        said_by(entry)


CHARACTERS = st.characters(exclude_categories=["Cs"], min_codepoint=32).filter(lambda one: one != "\x7f")
NAMES = st.text(CHARACTERS, max_size=20)
ENTRIES = st.builds(Entry, NAMES.filter(bool), NAMES, st.sampled_from(registry_pol.TYPES), st.binary(max_size=40))
SAID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
PARTS = st.sampled_from([GOOD[place : place + 2] for place in range(0, len(GOOD), 2)])


@pytest.mark.slow
@examples(10_000)
@given(st.lists(ENTRIES, max_size=2), SAID, st.integers(0, 0xFFFFFFFF))
def test_written_entries_are_read_again(entries, said, count):
    written_ = [*entries, text("K", "V", said), number("K", "W", count)]
    content = render(written_)
    assert parse(content) == written_
    assert render(parse(content)) == content
    assert [said_by(item) for item in written_[-2:]] == [said, count]


@pytest.mark.slow
@examples(10_000)
@given(st.binary(max_size=60) | st.lists(PARTS, max_size=20).map(b"".join), st.integers(0, len(GOOD)))
def test_accepted_content_is_written_back_unchanged(content, place):
    damaged = HEADER + GOOD + GOOD[:place] + content + GOOD[place:]
    try:
        entries = parse(damaged)
    except ValueError:
        return
    assert render(entries) == damaged


@pytest.mark.parametrize("content", [b"[\0" + b"\1\0\0\1" * (1 << 20), (b"[\0" + b"K\0" * 4096 + b"\0\0") * 1000])
def test_hostile_content_is_refused_in_linear_time(content):
    with pytest.raises(ValueError, match="byte"):
        parse(HEADER + content)
