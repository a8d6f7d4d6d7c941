"""Group policies as files that the registry editor imports: names, comments and texts stay on their line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.enforcement_points.group_policy import registry_file
from proscribe.host.controls.group_policy import registry_pol

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
        *(registry_pol.make_text_entry(key, "V", "x") for key in ("A]\r\n[-HKEY_LOCAL_MACHINE\\S", "A\\\\B", "")),
        *(registry_pol.make_text_entry("A", name, "x") for name in ('V"=-', "V\u2028")),
    ],
)
def test_a_name_that_is_more_than_a_name_is_refused(entry):
    for make in (registry_file.render_setting_file, registry_file.render_removing_file):
        with pytest.raises(ValueError, match="no name for a file of the registry"):
            make([entry], [])


def test_a_comment_is_one_line():
    with pytest.raises(ValueError, match="no comment"):
        registry_file.render_setting_file([], ["a\r\n[-HKEY_LOCAL_MACHINE]"])


@pytest.mark.slow
@examples(10_000)
@given(SAID, SAID, st.binary(max_size=20))
def test_no_text_becomes_a_line_of_its_own(one, other, data):
    chosen = [
        registry_pol.make_text_entry("K", "V", one),
        registry_pol.RegistryEntry("K", "B", registry_pol.BINARY_TYPE, data),
        registry_pol.make_emptying_entry("K\\L"),
        registry_pol.make_text_entry("K\\L", "1", other),
    ]
    for render in (registry_file.render_setting_file, registry_file.render_removing_file):
        assert all(WHOLE_LINE.fullmatch(line) for line in lines(render(chosen, ["c"])))
    set_ = lines(registry_file.render_setting_file(chosen, []))
    assert len(set_) == 12
    assert sum(line.startswith('"') for line in set_) == len(
        [one for one in chosen if one.value_name != registry_pol.EMPTY_KEY_NAME]
    )
    assert chosen[0].type == registry_pol.SZ_TYPE
