"""Desktop entries and units as people, programs and adversaries write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.base.folding import folded
from proscribe.host.controls.apps.portable import appimage
from proscribe.host.controls.apps.portable.desktop_entries import (
    WebHosts,
    app_id,
    arguments,
    parse,
    started,
)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("a b %U c %%", ["a", "b", "c", "%%"]),
        ('"/opt/my app/x" --y="a b"', ["/opt/my app/x", "--y=a b"]),
        (r'"a\"b\\c"', [r'a"b\c']),
        ('a "unfinished b', ["a", "unfinished b"]),
        ('a "b\\', ["a", "b"]),
        ('x"y z"w', ["xy zw"]),
        (r"a\ b", ["a\\", "b"]),
        (r'a\"b c"', ["a\\b c"]),
        (r'"a b" c\ d e\f \"', ["a b", "c\\", "d", "e\\f", "\\"]),
        ("flatpak run x @@u %u @@", ["flatpak", "run", "x"]),
        ("%1 %é a% %Ux %", ["%1", "%é", "a%", "%Ux", "%"]),
        ('"@@" "@@u" "%u" "%1" "a%"', ["%1", "a%"]),
        ("", []),
        ('""', []),
    ],
)
def test_the_arguments_of_a_line(command, words):
    assert arguments(command) == words


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("/opt/x/y -z", ("/opt/x/y", "")),
        ("env A=b C=d y", ("y", "")),
        ("nice -n y", ("y", "")),
        ("-/usr/bin/y", ("/usr/bin/y", "")),
        ("/usr/bin/flatpak run --branch=stable --command=y org.x.Y --z", ("/usr/bin/flatpak", "org.x.Y")),
        ("flatpak run", ("flatpak", "")),
        ("flatpak update y", ("flatpak", "")),
        ("snap run y", ("y", "")),
        ("/usr/bin/snap run --shell y z", ("y", "")),
        ("snap run", ("", "")),
        ("snap refresh y", ("snap", "")),
        ("y run z", ("y", "")),
        *(
            (f"/usr/bin/{starter} -n A=b y", ("y", ""))
            for starter in ("env", "nice", "ionice", "nohup", "setsid", "exec")
        ),
        ("é=1 y", ("é=1", "")),
        ("a-b=1 y", ("a-b=1", "")),
        ("", ("", "")),
        ("env", ("", "")),
    ],
)
def test_what_a_line_starts(command, what):
    assert started(arguments(command)) == what


def test_each_service_of_an_address_or_of_an_app_is_named_once():
    web = WebHosts({"a": {"web_hosts": ["a.example", "x.a.example", "b.example/x/", "b.example/x"]}, "b": {}})
    assert web.services("https://x.a.example") == ["a"] == web.services("https://b.example/x")
    for address in ("https://a.example", "https://a.example/", "https://b.example/x", "https://b.example/x/"):
        assert web.services_of_app(app_id(address)) == ["a"], address
    assert web.services_of_app(app_id("https://b.example/")) == []


LINES = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            ["[Desktop Entry]", "Exec=", 'Exec="a', "Hidden=true", "URL=https://", "Exec=x --app-id=", "[", "="]
        ),
        st.builds("Exec={}".format, st.text(max_size=60)),
    ),
    max_size=12,
).map("\n".join)


@given(LINES)
def test_no_text_is_too_odd(text):
    launcher = parse(text)
    assert all(words and all(words) for words in launcher.commands)
    assert all(re.fullmatch("[a-p]{32}", id_) for id_ in launcher.app_ids)
    web = WebHosts({"a": {"web_hosts": ["a.example"]}})
    for address in launcher.addresses:
        web.services(address)
    for command in launcher.commands:
        started(command)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=6))
def test_quoted_arguments_come_back_as_they_were(words):
    quoted = " ".join('"' + re.sub(r'([\\"`$])', r"\\\1", word) + '"' for word in words)
    codes = re.compile(r"%[a-zA-Z]|@@u?")
    assert arguments(quoted) == [word for word in words if not codes.fullmatch(word)]


@given(st.text(max_size=40))
def test_a_stem_is_stable(name):
    stem = appimage.stem(name)
    assert stem in folded(name) and (stem or not name or folded(name) == appimage.SUFFIX)


@given(st.sampled_from(["telegram", "wechat", "qq"]), st.text(min_size=1, max_size=12))
def test_a_name_that_goes_on_in_letters_is_another_one(name, more):
    if more[0].isalpha() and not more.lower().startswith("linux") and appimage.stem(more) != "":
        assert appimage.stem(name + more) != name
