"""Registry.pol: entries, limits and damaged files."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.host.controls.group_policy import registry_pol
from proscribe.host.controls.group_policy.registry_pol import (
    DWORD_TYPE,
    FILE_HEADER,
    SZ_TYPE,
    RegistryEntry,
    make_number_entry,
    make_text_entry,
    parse_entries,
    render_entries,
)

WRONG = [(DWORD_TYPE, b"\1"), *((SZ_TYPE, data) for data in (b"a\0", b"a\0\0\0b\0\0\0", b"", b"\0\xd8\0\0"))]


def utf16(name: str) -> bytes:
    return (name + "\0").encode("utf-16-le")


def entry(
    key: bytes = utf16("K"), value: bytes = utf16("V"), kind: int = 1, data: bytes = b"", size: int | None = None
) -> bytes:
    """Build an entry byte by byte, as [MS-GPREG] has it."""
    length = len(data) if size is None else size
    return b"[\0" + b";\0".join([key, value, struct.pack("<I", kind), struct.pack("<I", length), data]) + b"]\0"


GOOD = entry(data=utf16("x"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        *((content, "byte 0: no Registry.pol") for content in (b"", b"PReg\2\0\0\0")),  # another version
        (FILE_HEADER + b"x", "byte 8: expected '['"),  # no entry
        (FILE_HEADER + GOOD[:-2], "byte 38: expected ']'"),  # cut at the end
        (FILE_HEADER + GOOD + b"]", "byte 40: expected '['"),  # something after it
        (FILE_HEADER + b"[\0" + utf16("k" * 4097), "byte 10: a name without its end within 4096"),
        (FILE_HEADER + b"[\0" + utf16("K") + b";\0" + utf16("v" * 260), "a name without its end within 259"),
        (FILE_HEADER + entry(kind=1, data=b"x", size=0xFFFFFFFF), "4294967295 bytes of data"),  # a size past it
        (FILE_HEADER + entry(kind=1, data=b"x" * 65536), "byte 8: 65536 bytes of data, at most 65535 are allowed"),
        (FILE_HEADER + entry(key=utf16("")), "0 characters in the name of a key"),
        (FILE_HEADER + entry(key=b"\0\xd8\0\0"), "no text in UTF-16LE"),  # half a character
        (FILE_HEADER + entry(key=utf16("K\n")), "a control character"),
        (FILE_HEADER + b"[\0K\0\0\0;\0V\0\0\0;\0\1\0\0\0", "byte 26: expected ';'"),  # cut after a number
        *((FILE_HEADER + entry(kind=kind), f"no type {kind}") for kind in (8, 12)),
    ],
)
def test_damaged_registry_pol_is_refused_with_its_byte(content, why):
    with pytest.raises(ValueError, match="byte") as refused:
        parse_entries(content)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (RegistryEntry("", "V", SZ_TYPE, b""), "0 characters in the name of a key, expected 1 to 4096"),
        (RegistryEntry("k" * 4097, "V", SZ_TYPE, b""), "4097 characters in the name of a key, expected 1 to 4096"),
        (RegistryEntry("K\x1f", "V", SZ_TYPE, b""), "a control character in the name of a key"),
        (RegistryEntry("K", "V\r\n", SZ_TYPE, b""), "a control character in the name of a value"),
        (RegistryEntry("K", "V", 6000, b""), "there is no type 6000"),
        (RegistryEntry("K\ud800", "V", SZ_TYPE, b""), "half of a character in a text"),
    ],
)
def test_unreadable_entry_is_not_written(entry, why):
    with pytest.raises(ValueError, match="^entry 2 ") as refused:
        render_entries([make_number_entry("K", "V", 1), entry])
    assert str(refused.value) == f"entry 2 ({ascii(entry.key)}): {why}"


@pytest.mark.parametrize(
    ("make", "value"),
    [(make_number_entry, -1), (make_number_entry, 2**32), (make_text_entry, "a\0b"), (make_text_entry, "\ud800")],
)
def test_value_that_cannot_be_written_is_refused_by_its_name(make, value):
    why = ".* is no number of 32 bits$" if make is make_number_entry else ""
    with pytest.raises(ValueError, match=rf"^K\\V: {why}"):
        make("K", "V", value)


def test_files_are_limited(monkeypatch):
    three = [make_number_entry("K", "V", 1)] * 3
    content = render_entries(three)
    monkeypatch.setattr(registry_pol, "MAX_ENTRIES", 3)
    monkeypatch.setattr(registry_pol, "MAX_FILE_BYTES", len(content))
    assert render_entries(three) == content and parse_entries(content) == three
    monkeypatch.setattr(registry_pol, "MAX_FILE_BYTES", len(content) - 1)
    for work, argument in ((render_entries, three), (parse_entries, content)):
        with pytest.raises(ValueError, match=f"at most {len(content) - 1} are allowed"):
            work(argument)
    monkeypatch.undo()
    monkeypatch.setattr(registry_pol, "MAX_ENTRIES", 2)
    for work, argument, why in (
        (render_entries, three, "at most 2 entries"),
        (parse_entries, content, "more than 2 entries"),
    ):
        with pytest.raises(ValueError, match=why):
            work(argument)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (RegistryEntry("K", "V", SZ_TYPE, b"a\0\0\0"), "a"),
        (RegistryEntry("K", "V", SZ_TYPE, b"\0\0"), ""),
        (RegistryEntry("K", "V", DWORD_TYPE, b"\1\2\0\0"), 0x201),
        (RegistryEntry("K", "V", registry_pol.BINARY_TYPE, b"\1\2"), b"\1\2"),
        (RegistryEntry("K", "V", registry_pol.MULTI_SZ_TYPE, b"a\0\0\0\0\0"), b"a\0\0\0\0\0"),
    ],
)
def test_an_entry_says_a_text_a_number_or_its_bytes(entry, said):
    assert registry_pol.decode_entry(entry) == said


@pytest.mark.parametrize(("kind", "data"), WRONG)
def test_data_that_are_not_of_their_type_say_nothing(kind, data):
    with pytest.raises(ValueError, match=r"K\\V"):
        registry_pol.decode_entry(RegistryEntry("K", "V", kind, data))


CHARACTERS = st.characters(exclude_categories=["Cs"], min_codepoint=32).filter(lambda one: one != "\x7f")
NAMES = st.text(CHARACTERS, max_size=20)
ENTRIES = st.builds(
    RegistryEntry, NAMES.filter(bool), NAMES, st.sampled_from(registry_pol.REGISTRY_TYPES), st.binary(max_size=40)
)
SAID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
PARTS = st.sampled_from([GOOD[place : place + 2] for place in range(0, len(GOOD), 2)])


@pytest.mark.slow
@examples(10_000)
@given(st.lists(ENTRIES, max_size=2), SAID, st.integers(0, 0xFFFFFFFF))
def test_written_entries_are_read_again(entries, said, count):
    written_ = [*entries, make_text_entry("K", "V", said), make_number_entry("K", "W", count)]
    content = render_entries(written_)
    assert parse_entries(content) == written_ and render_entries(parse_entries(content)) == content
    assert [registry_pol.decode_entry(item) for item in written_[-2:]] == [said, count]


@pytest.mark.slow
@examples(10_000)
@given(st.binary(max_size=60) | st.lists(PARTS, max_size=20).map(b"".join), st.integers(0, len(GOOD)))
def test_accepted_content_is_written_back_unchanged(content, place):
    damaged = FILE_HEADER + GOOD + GOOD[:place] + content + GOOD[place:]
    try:
        entries = parse_entries(damaged)
    except ValueError:
        return
    assert render_entries(entries) == damaged


@pytest.mark.parametrize("content", [b"[\0" + b"\1\0\0\1" * (1 << 20), (b"[\0" + b"K\0" * 4096 + b"\0\0") * 1000])
def test_hostile_content_is_refused_in_linear_time(content):
    with pytest.raises(ValueError, match="byte"):
        parse_entries(FILE_HEADER + content)
