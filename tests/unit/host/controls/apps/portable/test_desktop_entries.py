"""Desktop entries and units as people, programs and adversaries write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.base.folding import folded
from proscribe.host.controls.apps.portable import appimage, desktop_entries
from proscribe.host.controls.apps.portable.desktop_entries import (
    Launcher,
    WebHosts,
    app_id,
    arguments,
    parse,
    split,
    started,
)

NOTHING = Launcher([], [], [], False)


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


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("https://A.Example.COM./x?y#z", ("a.example.com", "/x")),
        ("http://user:pw@a.example:8080/x", ("a.example", "/x")),
        ("https://good.example@bad.example", ("bad.example", "")),
        ("https://bad.example\\@good.example/", ("bad.example", "/@good.example/")),  # as browsers read it
        ("https://a.example?x/y", ("a.example", "")),
        ("https://a.example/x\\y#z?", ("a.example", "/x/y")),
        ("https://", ("", "")),
        ("a.example/x", ("", "")),
    ],
)
def test_host_and_path_of_an_address(address, parts):
    assert split(address) == parts


def test_an_entry_has_addresses_in_its_actions_too_and_not_elsewhere():
    text = (
        "Exec=before https://a.example\n[Desktop Entry]\n# Exec=c https://b.example\nExec = x --app=https://c.example\n"
        "[Desktop Action New]\nExec=x https://d.example\n[Other]\nExec=x https://e.example\n"
    )
    assert parse(text).addresses == ["https://c.example", "https://d.example"]


LONGEST = "夜" * 80


def test_an_entry_in_full():
    text = f"""
Name=前
[Desktop Entry]
Type=Application
;Exec=commented https://z.example
 Name = 猫头鹰
Name[en]=Owl
Name[ja]={LONGEST}
Name[ko]={LONGEST}夜
Name[zh=鳥
XName]=鳥
GenericName=夜の鳥
Comment=https://comment.example
Icon=crx_{"p" * 32}
Exec="owl one" --app=HTTPS://C.example %U
Exec=x --app-id={"a" * 32}
Exec=x --profile=crx_{"b" * 32} https://C2.example
Exec=
URL=https://f.example/\\sx
X-WebApp-URL=https://e.example
Hidden
[Desktop Action New]
Name=新
URL=https://action.example
Exec=owl --new
[Other]
Hidden=true
"""
    commands = [["owl one", "--app=HTTPS://C.example"], ["x", f"--app-id={'a' * 32}"]]
    commands += [["x", f"--profile=crx_{'b' * 32}", "https://C2.example"], ["owl", "--new"]]
    addresses = ["HTTPS://C.example", "https://C2.example", "https://f.example/", "https://e.example"]
    assert parse(text) == Launcher(commands, addresses, ["a" * 32, "b" * 32], False, ("猫头鹰", LONGEST))


@pytest.mark.parametrize(
    ("line", "hidden"),
    [("Hidden=true", True), ("Hidden=TRUE", True), ("Hidden=false", False), ("NoDisplay=true", False)],
)
def test_an_entry_that_its_user_has_switched_off(line, hidden):
    assert parse(f"[Desktop Entry]\nType=Application\n{line}\n").hidden is hidden


# Ids that Chromium gave to these web apps, as they stand in the names of the desktop entries that it makes.
@pytest.mark.parametrize(
    ("address", "id_"),
    [
        ("https://web.whatsapp.com/", "hnpfjngllnobngcgfapefoaidbinmjnm"),
        ("https://mail.google.com/mail/?usp=installed_webapp", "fmgjjmmmlfnkbppncabfkddbjimcfncm"),
        ("https://www.youtube.com/?feature=ytca", "agimnkijcaahngcdmfeangaknmldooml"),
    ],
)
def test_the_id_of_a_web_app_is_chromium_s(address, id_):
    assert app_id(address) == id_


def test_a_host_below_another_service_s_exception_is_nobody_s():
    web = WebHosts({"a": {"web_hosts": ["a.example", "b.example/x/"], "web_allow": ["ok.a.example"]}})
    for url in ("a.example", "w.a.example/y", "b.example/x/y"):
        assert web.services(f"https://{url}"), url
    for url in ("ok.a.example", "z.ok.a.example", "ba.example", "b.example/xy"):
        assert not web.services(f"https://{url}"), url


def test_each_service_of_an_address_or_of_an_app_is_named_once():
    web = WebHosts({"a": {"web_hosts": ["a.example", "x.a.example", "b.example/x/", "b.example/x"]}, "b": {}})
    assert web.services("https://x.a.example") == ["a"] == web.services("https://b.example/x")
    for address in ("https://a.example", "https://a.example/", "https://b.example/x", "https://b.example/x/"):
        assert web.services_of_app(app_id(address)) == ["a"], address
    assert web.services_of_app(app_id("https://b.example/")) == []


@pytest.mark.parametrize(("length", "services"), [(253, ["a"]), (254, [])])
def test_a_host_is_no_longer_than_a_name_may_be(length, services):
    host = "x" * (length - len(".a.example")) + ".a.example"
    assert WebHosts({"a": {"web_hosts": ["a.example"]}}).services(f"https://{host}/") == services


def test_an_address_that_is_no_text_has_an_id():
    assert app_id("https://\ud800/") == app_id("https://?/")


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


def test_nothing_is_a_launcher_of_nothing():
    assert parse("") == parse("[Desktop Entry]\n") == NOTHING
    assert desktop_entries.unescaped(r"a\sb\\s\n\t\r\x") == "a b\\s\n\t\r\\x"
