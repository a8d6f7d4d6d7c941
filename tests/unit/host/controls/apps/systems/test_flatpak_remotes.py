"""Where flatpak keeps what it installed for the host, its remotes, and the filters that each of them gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_users import put
from proscribe.host.controls.apps.blocks.parts import DIFFERS, Trial
from proscribe.host.controls.apps.systems import flatpak as system
from proscribe.host.controls.apps.systems import flatpak_remotes as flatpak
from proscribe.host.controls.apps.systems.flatpak_filters import RemoteFilters
from proscribe.host.controls.apps.systems.flatpak_remotes import Remote
from proscribe.host.controls.apps.systems.package import Block, Package
from proscribe.host.system import WRITTEN_BY, Host, Result

OURS = "/etc/proscribe/flatpak"
INSTALLATIONS = """\
[Installation "usb"]
Path=/media/usb/
DisplayName=a
[Installation "relative"]
Path=media
[Installation "none"]
"""
CONFIG = """\
url=before any group
[core]
url=of another group
xa.applied-remotes=known; ;second
[remote "flathub"]
 url = https://example.org/a=b
#url=
xa.filter=/etc/first
xa.filter=/etc/theirs
[other "x"]
url=https://example.org
[remote "bundle"]
url=
[remote "plain"]
url=https://example.org
[remote "flathub"]
more=1
[remote unquoted]
url=x
"""


@pytest.fixture
def host(root: Path) -> Host:
    put(root, "/etc/flatpak/installations.d/a.conf", INSTALLATIONS)
    put(root, "/etc/flatpak/installations.d/b.conf.old", '[Installation "old"]\nPath=/old\n')
    put(root, "/etc/flatpak/installations.d/c.conf", '[Installation "late"]\nPath=/late\n')
    put(root, "/var/lib/flatpak/repo/config", CONFIG)
    put(root, "/media/usb/repo/config", f'[remote "own"]\nurl=u\nxa.filter={OURS}/usb/own.filter\n')
    put(root, f"{OURS}/usb/own.filter", "# x\n# Instead of: /etc/before\n# Instead of: /etc/other\n")
    put(root, "/etc/theirs", "deny x\nallow app/org.owl/x86_64/stable\n")
    return Host(str(root))


def test_the_installations_of_a_host(host: Host) -> None:
    assert flatpak.installations(host) == {"default": "/var/lib/flatpak", "usb": "/media/usb", "late": "/late"}


REMOTES = [
    Remote("default", "flathub", "/etc/theirs"),
    Remote("default", "plain", ""),
    Remote("usb", "own", f"{OURS}/usb/own.filter"),
]


def test_the_remotes_of_a_host(host: Host) -> None:
    assert flatpak.remotes(host) == REMOTES
    assert [flatpak.former(host, one) for one in REMOTES] == ["/etc/theirs", "", "/etc/before"]
    assert [flatpak.ours(one.filter) for one in REMOTES] == [False, False, True]
    assert not flatpak.ours(f"{OURS}-of-others/own.filter")
    assert flatpak.former(host, Remote("usb", "gone", f"{OURS}/usb/gone.filter")) == ""
    assert flatpak.own_file(REMOTES[0]) == f"{OURS}/default/flathub.filter"


def test_the_groups_of_a_key_file() -> None:
    assert flatpak.groups(CONFIG, "remote") == [
        ("flathub", {"url": "https://example.org/a=b", "xa.filter": "/etc/theirs", "more": "1"}),
        ("bundle", {"url": ""}),
        ("plain", {"url": "https://example.org"}),
    ]
    assert flatpak.groups(CONFIG, "other") == [("x", {"url": "https://example.org"})]


def test_the_remotes_that_flatpak_is_going_to_add(host: Host, root: Path) -> None:
    for folder in ("/etc/flatpak/remotes.d", "/usr/share/flatpak/remotes.d"):
        for name in ("known", "second", "flathub", "new", "bundle"):
            put(root, f"{folder}/{name}.flatpakrepo")
        put(root, f"{folder}/other.repo")
    assert flatpak.announced(host) == [
        "/etc/flatpak/remotes.d/new.flatpakrepo",
        "/usr/share/flatpak/remotes.d/new.flatpakrepo",
    ]


@pytest.mark.parametrize(
    ("installation", "name", "odd"),
    [
        ("default", "flathub", False),
        ("a_b.c-D9", "9x", False),
        ("default", ".x", True),
        ("-x", "flathub", True),
        ("default", "a/b", True),
        ("default", "a b", True),
        ("ä", "x", True),
        ("", "x", True),
    ],
)
def test_names_that_no_file_can_have(installation: str, name: str, odd: bool) -> None:
    assert flatpak.odd(Remote(installation, name, "/a b")) is odd


class TestFilters:
    FILTERS = RemoteFilters(("org.owl", "org.elk"))
    DENIED = "deny app/org.owl/*\ndeny app/org.elk/*\n"

    def test_the_filter_of_each_remote(self, host: Host) -> None:
        head = f"# {WRITTEN_BY}\n"
        theirs = "# Instead of: /etc/theirs\ndeny x\nallow app/org.owl/x86_64/stable\n"
        contents = [head + theirs + self.DENIED, head + self.DENIED]
        contents.append(f"{head}# Instead of: /etc/before\ndeny *\n{self.DENIED}")
        assert [self.FILTERS.content(host, one) for one in REMOTES] == contents
        named = "default flathub: {0}/default/flathub.filter\ndefault plain: {0}/default/plain.filter\n"
        shown = (named + "usb own: {0}/usb/own.filter\n").format(OURS)
        assert self.FILTERS.desired(host) == shown + "".join(contents)

    def test_what_is_shown_of_them(self, host: Host) -> None:
        first = "default flathub: /etc/theirs\ndefault plain: no filter\nusb own: "
        own = "# x\n# Instead of: /etc/before\n# Instead of: /etc/other\n"
        assert self.FILTERS.text(host) == f"{first}{OURS}/usb/own.filter\n{own}"
        assert self.FILTERS.left(host) == f"{first}/etc/before\n"

    def test_what_is_wrong_with_each(self, host: Host, root: Path) -> None:
        assert self.FILTERS.wrong(host, True).split("; ") == [
            "flathub: missing",
            "plain: missing",
            f"own: {DIFFERS}",
        ]
        assert self.FILTERS.in_place(host) and self.FILTERS.wrong(host, False).startswith("left over")
        put(root, f"{OURS}/usb/own.filter", self.FILTERS.content(host, REMOTES[2]))
        assert self.FILTERS.wrong(Host(str(root)), True) == "flathub: missing; plain: missing"
        (root / "media/usb/repo/config").unlink()
        assert self.FILTERS.wrong(Host(str(root)), True) == "missing"
        assert self.FILTERS.in_place(Host(str(root))), "its file is there still"
        (root / f"{OURS}/usb/own.filter"[1:]).unlink()
        (root / f"{OURS}/usb"[1:]).rmdir()
        assert (self.FILTERS.in_place(Host(str(root))), self.FILTERS.wrong(Host(str(root)), False)) == (False, "")

    def test_a_line_of_theirs_that_lets_in_what_is_denied(self, host: Host) -> None:
        undone = [self.FILTERS.undone(host, one) for one in REMOTES]
        assert undone == ["allow app/org.owl/x86_64/stable", "", ""]
        assert RemoteFilters(("org.elk",)).undone(host, REMOTES[0]) == ""


# -- the whole block, and what is removed ------------------------------------------------------------------------------


def test_all_parts_of_the_block(host: Host, root: Path) -> None:
    filters, rule, trial = system.block_parts(Block({"org.owl", "org.elk"}, "it", {"org.elk": ["1"]}))
    assert filters == RemoteFilters(("org.owl",))
    assert rule.path == "/etc/polkit-1/rules.d/00-proscribe-flatpak.rules" and '["org.owl"]' in rule.desired(host)
    assert isinstance(trial, Trial) and trial.trial(host) == ""
    folders = ["/etc/flatpak/remotes.d", "/usr/share/flatpak/remotes.d"]
    assert list(trial.depends(host)) == [*folders, "/var/lib/flatpak/repo/config"]
    added = [f"{folder}/new.flatpakrepo" for folder in folders]
    for path in added:
        put(root, path)
    why = [f"flatpak adds the remote of {path} by itself, without a filter" for path in added]
    assert trial.trial(host) == "; ".join(why)
    assert not system.gated(host)
    put(root, "/usr/bin/flatpak", mode=0o755)
    assert system.gated(host)


def test_branches_of_an_app_in_one_installation_go_together(host: Host, root: Path) -> None:
    put(root, "/usr/bin/flatpak", mode=0o755)
    ran: list[Any] = []
    host._run = lambda argv, **options: ran.append(([*argv], options)) or Result(0, "", "")
    branches = [("usb", "a"), ("usb", "b"), ("default", "a"), ("gone", "a")]
    places = {"usb": "/media/usb", "default": "/var/lib/flatpak", "gone": "/gone"}
    packages = [
        Package(
            "flatpak", "org.owl", branch, (f"app/org.owl/x/{branch}",), path=f"{places[name]}/app/org.owl/x/{branch}"
        )
        for name, branch in branches
    ]
    actions, refused = system.removal(host, packages)
    assert refused == []
    assert [(str(action), action.before) for action in actions] == [
        ("remove org.owl (system, installation usb)", "app/org.owl/x/a a\napp/org.owl/x/b b\n"),
        ("remove org.owl (system)", "app/org.owl/x/a a\napp/org.owl/x/a a\n"),
    ]
    assert [[one.place for one in action.takes] for action in actions] == [["usb", "usb"], ["default", "default"]]
    for action in actions:
        action.apply()
    words = ["flatpak", "uninstall", "--installation={}", "--assumeyes", "--noninteractive"]
    assert [argv for argv, _ in ran] == [
        [*(word.format(name) for word in words), *(f"app/org.owl/x/{branch}" for branch in names)]
        for name, names in (("usb", "ab"), ("default", "aa"))
    ]
    assert {str(options) for _, options in ran} == {str({"user": None, "timeout": 300})}
