"""The bounds of what an entry may say: how long, how late, how wide; the last value that is good and the first that is
not.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from proscribe.controller.compile.catalogue import dates
from proscribe.controller.compile.reading import grammar, windows_signing

TODAY = datetime.datetime.now(datetime.timezone.utc).date()
LABEL = "a" * 63
HOST = f"{'a' * 62}." * 3 + f"{'a' * 61}."  # of 251
GUID = "{" + "0" * 8 + "-0000" * 3 + "-" + "0" * 12 + "}"


@pytest.mark.parametrize(
    ("check", "good", "wrong"),
    [
        (grammar.label, ["a", "x" * 120, "微信"], ["", "x" * 121, "a\n", *(f"a{sign}" for sign in "\"'`\\$<>{}")]),
        (grammar.prose, ["a", "x" * 1000, 'it\'s "so" <b>'], ["", "x" * 1001, "a\tb"]),
        (grammar.own_name, ["微信", "微" * 40], ["微", "微" * 41, "a", "微信 "]),
        (grammar.service_id, ["a", "a_1", "a" * 64], ["", "A", "1a", "_a", "a-b", "a" * 65, "a\n"]),
        (grammar.domain, [f"{LABEL}.example", "a.xn--p1ai", "a.bc", f"{HOST}ab"], [f"a{LABEL}.example", "a.b", "a.1x"]),
        (grammar.domain, ["a-b.example"], ["a-.example", f"{HOST}abc", "a..example", "a.-b"]),
        (grammar.url, ["a.example", "a.example/b", "a.example/b-c_d.e~f/"], ["a.example/", "a.example/b c", "example"]),
        (grammar.url, [], ["a.example/*", "a.example//b?c", "a.example/b#c"]),
        (grammar.program, ["a", "x" * 100, "7z.x_+-"], ["", "x" * 101, ".a", "-a", "a/b", "a b"]),
        (grammar.windows_program, ["a.exe", "A b._+-.exe"], [".exe", "a.EXE", "a/b.exe", "a.exe\n"]),
        (grammar.mac_app, ["A.app", f"{'x' * 61}.app"], [".app", f"{'x' * 62}.app", "-a.app"]),
        (grammar.uninstall_key, ["abc", "x" * 120, GUID], ["ab", "x" * 121, "a\\bc", "a/bc", "abc "]),
        (grammar.registered_name, ["A by Bc"], ["A by B", " A by Bc", "A\\B by Cd"]),
        (
            grammar.desktop_file,
            ["a.desktop", f"{'x' * 121}.desktop"],
            [f"{'x' * 122}.desktop", ".desktop", "a/b.desktop"],
        ),
        (grammar.chrome_extension, ["a" * 32, "p" * 32], ["a" * 31, "a" * 33, "q" * 32]),
        (
            grammar.firefox_extension,
            [GUID, "@b", "a.b_c-d@e"],
            [GUID[1:], "a@", f"{'a' * 61}@b", GUID.replace("0", "A")],
        ),
        (grammar.bundle_id, ["com.example", "a-b.c_d"], ["com", "com.", "a_b.c"]),
        (grammar.header_name, ["X-A", "x" * 80], ["", "x" * 81, "X A", "X:"]),
        (grammar.header_value, ["a.b,c:/_-1", "x" * 200], ["", "x" * 201, "a b"]),
        (grammar.policy_path, ["/a/b.json", "/<id>/<arch>/<branch>", "/a.<id>/b"], ["a", "/", "/.a", "/<user>", "/a/"]),
        (grammar.windows_path, ["%ProgramFiles(x86)%\\A b\\c.exe"], ["C:\\a", "%A%", "%A%\\", "%A%\\*"]),
        (grammar.go_package, ["a.example", "a.example/b~c"], ["a", "a.example/", "A.example"]),
        (
            grammar.path,
            ["~/a", "/opt/a", "/opt/A b/c", "/usr/lib/a/b"],
            ["/opt", "/opt/ a", "/opt/./a", "~/.local/share"],
        ),
        (grammar.network, ["8.0.0.0/12", "2a00::/24", "8.8.8.8/32"], ["8.0.0.0/11", "2a00::/23", "8.8.8.8"]),
        (
            grammar.day,
            [str(TODAY), str(TODAY + datetime.timedelta(days=1))],
            [str(TODAY + datetime.timedelta(days=3)), ""],
        ),
        (
            windows_signing.publisher,
            ["O=AB", f"O={'A' * 100}", "O=A B, L=C, S=D, C=EF", "O=AB\\C\\D.EXE"],
            ["O=A", "AB"],
        ),
        (windows_signing.publisher, ["O=GOOGLE LLC\\DRIVE"], [f"O={'A' * 101}", "O=AB, C=DEF\\", "O=AB\\C\\D\\E"]),
        (windows_signing.publisher, ["O=GOOGLER"], ["O=GOOGLE LLC", "O=GOOGLE LLC\\*", "O=CISCO SYSTEMS, C=US"]),
        (windows_signing.appx_publisher, ["CN=ab", "OU=ab", "E=a@b"], ["CN=a", "XN=ab", "CN=a*b", f"CN={'a' * 401}"]),
        (
            windows_signing.installer,
            ["Parrot*.exe", "Parrot-1.2.msi", "Parr*t.exe"],
            ["Par.exe", "Parrot", "Setup-*.exe"],
        ),
        (grammar.one_of("a", "b"), ["a", "b"], ["", "c", "ab"]),
    ],
)
def test_what_is_well_formed(check: Callable[[str], str], good: list[str], wrong: list[str]) -> None:
    assert [text for text in good if check(text)] == []
    assert [text for text in wrong if not check(text)] == []


@pytest.mark.parametrize(
    ("name", "fits"),
    [("staff", True), ("x" * 100, True), ("x" * 101, False), ("", False), ("10", False), ("1a", True)]
    + [(name, False) for name in ("-a", "a b", "a:b", 'a"', "a'", "a/b", "a,b", "a\n")],
)
def test_a_group_of_users(name: str, fits: bool) -> None:
    assert bool(grammar.POSIX_GROUP.fullmatch(name)) is fits


@pytest.mark.parametrize(
    ("until", "wrong"),
    [("2026-11-01", False), ("2026-10-31", True), ("2027-11-02", False), ("2027-11-03", True), ("soon", False)],
)
def test_an_age_is_accepted_for_a_year_at_most(until: str, wrong: bool) -> None:
    accepted = {"day": "2026-11-01", "until": until, "why": "x"}
    expected = [(("checked_accepted", "until"), until, "a day from 2026-11-01 to 2027-11-02: a year at most")]
    assert list(dates.check({"checked_accepted": accepted})) == (expected if wrong else [])
    assert list(dates.check({"checked_accepted": {**accepted, "day": 7}})) == []


def test_each_publisher_is_recorded_once() -> None:
    compared = [{"with": "a"}, {"with": "b"}, "x", {"with": "a"}]
    assert list(dates.check({"compared": compared})) == [(("compared", 3, "with"), "a", "each publisher once")]
    assert list(dates.check({"compared": "a", "checked_accepted": "b"})) == []
