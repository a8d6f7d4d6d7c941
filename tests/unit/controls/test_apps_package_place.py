"""Where a package's program lies, by its list of files."""

from __future__ import annotations

import pytest
from proscribe.controls.apps.systems.package import place


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["/usr/share/doc/x", "/opt/wechat/files/wechat", "/opt/other/x"], "/opt/wechat"),
        (["/usr/bin/wechat", "/opt/wechat/wechat"], "/opt/wechat"),  # a program in /usr/bin may only start it
        (["/usr/bin/wechat-bin", "/usr/bin/wechat"], "/usr/bin/wechat"),
        (["/usr/sbin/tor"], "/usr/sbin/tor"),
        (["/usr/games/x"], "/usr/games/x"),
        (["/usr/share/x", "/usr/lib/opt/x", "/optional/x"], ""),
        ([], ""),
    ],
)
def test_a_package_has_a_place(files: list[str], found: str) -> None:
    assert place(files) == found
