"""The exports that an organisation feeds to its points, and the key that signs them: what is read, what is refused."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.restrictions.points import Fed, read_fed, read_key
from proscribe.controller.policy_errors import Expected

FORM = "a format, or {format, directory, group, access_log, url}"
ELSEWHERE = "an absolute path: scheduled runs start elsewhere"
BOTH = "a directory with both access_log and url, or with neither"
URL = "the path of the web server below which the directory is, such as /guests"
SERVED = {"format": "pac", "directory": "/srv/pac", "access_log": "/var/log/access", "url": "/guests"}


@pytest.mark.parametrize(
    ("value", "fed"),
    [
        ([], ()),
        (["rpz"], (Fed("rpz"),)),
        (("rpz", {"format": "rpz"}, "nft"), (Fed("rpz"), Fed("nft"))),
        ([{"format": "rpz", "directory": "/srv/rpz"}], (Fed("rpz", "/srv/rpz"),)),
        ([{"format": "rpz", "directory": "/srv/rpz", "group": "lab"}], (Fed("rpz", "/srv/rpz", "lab"),)),
        ([SERVED], (Fed("pac", "/srv/pac", "", "/var/log/access", "/guests"),)),
        ([{**SERVED, "url": "/"}], (Fed("pac", "/srv/pac", "", "/var/log/access", "/"),)),
        ([{**SERVED, "url": "/a/b_c~1/"}], (Fed("pac", "/srv/pac", "", "/var/log/access", "/a/b_c~1/"),)),
        (
            [{"format": "rpz", "directory": "/srv/a"}, {"format": "rpz", "directory": "/srv/b"}],
            (Fed("rpz", "/srv/a"), Fed("rpz", "/srv/b")),
        ),
    ],
)
def test_what_is_fed(value: object, fed: tuple[Fed, ...]) -> None:
    assert read_fed(value) == fed


@pytest.mark.parametrize(
    ("value", "key", "found", "expected"),
    [
        ("rpz", "", "rpz", f"a list, each of it {FORM}"),
        ({"format": "rpz"}, "", {"format": "rpz"}, f"a list, each of it {FORM}"),
        ([7], "[0]", 7, FORM),
        (["rpz", {}], "[1]", {}, FORM),
        ([{"directory": "/srv"}], "[0]", {"directory": "/srv"}, FORM),
        ([{"format": "rpz", "host": "a"}], "[0]", {"format": "rpz", "host": "a"}, FORM),
        ([{"format": "rpz", "directory": "srv"}], "[0].directory", "srv", ELSEWHERE),
        ([{"format": "rpz", "directory": 7}], "[0].directory", 7, "a directory's path of at most 1000 printable"),
        ([{"format": "rpz", "directory": "/srv", "group": "a\n"}], "[0].group", "a\n", "one line of at most 200"),
        ([{"format": "rpz", "group": "lab"}], "[0]", {"format": "rpz", "group": "lab"}, "a directory, of which"),
        ([{**SERVED, "access_log": "log"}], "[0].access_log", "log", ELSEWHERE),
        *(
            ([{**SERVED, "url": url}], "[0].url", url, URL)
            for url in ("guests", "https://a.example/guests", "/a//b", "/a\n", 7)
        ),
        ([{**SERVED, "url": ""}], "[0]", {**SERVED, "url": ""}, BOTH),
        ([{**SERVED, "access_log": None}], "[0]", {**SERVED, "access_log": None}, BOTH),
        ([{**SERVED, "directory": None}], "[0]", {**SERVED, "directory": None}, BOTH),
        ([SERVED, {"format": "rpz", "directory": "/srv/pac"}], "", "/srv/pac", "a directory of its own for each"),
    ],
)
def test_what_cannot_be_fed(value: object, key: str, found: object, expected: str) -> None:
    with pytest.raises(Expected) as wrong:
        read_fed(value)
    assert (wrong.value.key, wrong.value.value) == (key, found)
    assert wrong.value.expected.startswith(expected)


@pytest.mark.parametrize("path", ["", "/etc/proscribe/export_key", "~/.ssh/export"])
def test_the_key_that_signs(path: str) -> None:
    assert read_key(path) == path


@pytest.mark.parametrize("path", ["export_key", "~root/key", "\n", 7])
def test_what_is_no_key(path: object) -> None:
    with pytest.raises(Expected) as wrong:
        read_key(path)
    assert (wrong.value.key, wrong.value.value) == ("", path)
