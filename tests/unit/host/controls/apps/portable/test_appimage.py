"""Which program the name of a downloaded file speaks of: versions, systems and processors say nothing of that."""

from __future__ import annotations

import pytest
from proscribe.host.controls.apps.portable.appimage import is_image, stem

NAMES = [
    ("Chat.AppImage", "chat"),
    ("Chat-1.2.3.AppImage", "chat"),
    ("Chat-1.2.3-ia32.AppImage", "chat"),
    ("chat_1.2.3_amd64", "chat"),
    ("chat v1.2", "chat"),
    ("chat-v10.2-beta-linux-x64", "chat"),
    ("ChatLinux-x86_64.AppImage", "chat"),
    ("chat-linux-gnu-musl-glibc", "chat"),
    ("chat-x86-x32-i386-i686-arm-armhf-armv7l-arm64-aarch64", "chat"),
    ("chat-64bit-32bit-bin-git-portable-setup-desktop-electron", "chat"),
    ("chat-latest-stable-alpha-release-nightly-canary-ptb-continuous-universal", "chat"),
    ("megaglest", "megaglest"),
    ("chatter-1.0", "chatter"),
    ("chat2", "chat2"),
    ("linux-x64.AppImage", "linux-x64"),
    ("chat-ia64.AppImage", "chat-ia64"),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_a_name(name: str, expected: str) -> None:
    assert stem(name) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x7fELF\x02\x01\x01\0AI\x02", True),
        (b"\x7fELF\x02\x01\x01\0AI\x01", True),
        (b"\x7fELF\x02\x01\x01\0FI\x01", True),
        (b"\x7fELF\x02\x01\x01\0RI\x02", True),
        (b"\x7fELF\x02\x01\x01\0AI\x03", False),
        (b"\x7fELF\x02\x01\x01\0\0\0\0", False),
        (b"MZ\0\0\0\0\0\0AI\x02", False),
        (b"\x7fELF", False),
    ],
)
def test_the_first_bytes(head: bytes, expected: bool) -> None:
    assert is_image(head) is expected
