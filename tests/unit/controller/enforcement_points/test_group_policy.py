"""Group policies as files that the registry editor imports: names, comments and texts stay on their line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.enforcement_points.group_policy import registry_file
from proscribe.host.controls.group_policy.registry_pol import BINARY, EMPTY_KEY, SZ, Entry, emptied, text

SAID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
WHOLE_LINE = re.compile(
    r'|Windows Registry Editor Version 5\.00|; [ -~]*|\[-?HKEY_LOCAL_MACHINE\\K(\\L)?\]|"[A-Z0-9]+"=("([^"\\]|\\.)*"|'
    r"dword:[0-9a-f]{8}|hex\([0-9a-f]\):[0-9a-f,]*|-)"
)


def lines(content):
    assert content[:2] == b"\xff\xfe"
    said = content[2:].decode("utf-16-le")
    assert said.endswith("\r\n")
    return said.split("\r\n")


@pytest.mark.parametrize(
    "entry",
    [
        text("A]\r\n[-HKEY_LOCAL_MACHINE\\Software", "V", "x"),
        text("A", 'V"=-', "x"),
        text("A\\\\B", "V", "x"),
        text("", "V", "x"),
        text("A", "V\u2028", "x"),
    ],
)
def test_a_name_that_is_more_than_a_name_is_refused(entry):
    for make in (registry_file.setting, registry_file.removing):
        with pytest.raises(ValueError, match="no name for a file of the registry"):
            make([entry], [])


def test_a_comment_is_one_line():
    with pytest.raises(ValueError, match="no comment"):
        registry_file.setting([], ["a\r\n[-HKEY_LOCAL_MACHINE]"])


@pytest.mark.slow
@examples(10_000)
@given(SAID, SAID, st.binary(max_size=20))
def test_no_text_becomes_a_line_of_its_own(one, other, data):
    chosen = [text("K", "V", one), Entry("K", "B", BINARY, data), emptied("K\\L"), text("K\\L", "1", other)]
    for content in (registry_file.setting(chosen, ["c"]), registry_file.removing(chosen, ["c"])):
        assert all(WHOLE_LINE.fullmatch(line) for line in lines(content))
    set_ = lines(registry_file.setting(chosen, []))
    assert len(set_) == 12
    assert sum(line.startswith('"') for line in set_) == len([one for one in chosen if one.value != EMPTY_KEY])
    assert chosen[0].type == SZ
