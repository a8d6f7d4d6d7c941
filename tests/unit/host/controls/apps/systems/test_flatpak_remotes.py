"""Where flatpak keeps what it installed for the host, its remotes, and the filters that each of them gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_users import put
from proscribe.host.controls.apps.blocks.parts import DIFFERS, Trial
from proscribe.host.controls.apps.systems import flatpak as system
from proscribe.host.controls.apps.systems.flatpak_filters import RemoteFilters
from proscribe.host.controls.apps.systems.flatpak_remotes import Remote
from proscribe.host.controls.apps.systems.package import Block
from proscribe.host.system import Host

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


REMOTES = [
    Remote("default", "flathub", "/etc/theirs"),
    Remote("default", "plain", ""),
    Remote("usb", "own", f"{OURS}/usb/own.filter"),
]


class TestFilters:
    FILTERS = RemoteFilters(("org.owl", "org.elk"))
    DENIED = "deny app/org.owl/*\ndeny app/org.elk/*\n"

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
