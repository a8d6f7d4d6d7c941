"""What a host cannot do without is in no service: package, program and path, refused when compiling and on the host."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.compile import guard_list
from proscribe.compile.catalogue import load
from proscribe.compile.errors import PolicyErrors
from proscribe.controls.apps import guarded

ENTRY = """\
id: made
name: Made
category: webmail
vendor: Made
enforce: true
audience: consumer
domains: [made.example]
packages:
  apt: [made, openssh-server]
paths:
  linux: [/opt/made, /usr/bin/python3.11]
sources: [https://made.example]
"""


def test_a_service_that_names_one_is_refused_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "webmail"
    folder.mkdir()
    (folder / "made.yml").write_text(ENTRY)
    with pytest.raises(PolicyErrors) as refused:
        load([tmp_path])
    told = [str(error) for error in refused.value.errors]
    assert len(told) == 2
    assert told[0].startswith(f"{folder}/made.yml:9: packages.apt[1]: ")
    assert "openssh-server" in told[0] and "something that a host can do without (reaches the host)" in told[0]
    assert "paths.linux[1]" in told[1] and "/usr/bin/python3.11" in told[1]


@pytest.mark.parametrize(
    "name",
    [
        "systemd",
        "libc6",
        "glibc",
        "bash",
        "sudo",
        "openssh-server",
        "python3",
        "python3.11",
        "apt",
        "dpkg",
        "rpm",
        "dnf5",
        "zypper",
        "pacman",
        "flatpak",
        "linux-image-6.1.0-13-amd64",
        "kernel-core",
        "grub-pc",
    ],
)
def test_guarded_packages(name: str) -> None:
    assert guarded.package(name)


@pytest.mark.parametrize("name", ["wechat", "openvpn", "python3-telethon", "linuxqq", "tor", "bashtop", "dpkg-gate"])
def test_packages_that_may_go(name: str) -> None:
    assert guarded.package(name) == ""


@pytest.mark.parametrize(
    "place",
    [
        "/",
        "/opt",
        "/opt/",
        "/usr",
        "/usr/bin",
        "/bin/sh",
        "/usr/bin/bash",
        "/usr/local/bin/python3",
        "/usr/sbin/sshd",
        "/usr/lib/openssh/sftp-server",
        "/etc/shadow",
        "/etc/xdg/autostart",
        "/boot/vmlinuz",
        "/lib/systemd",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib64/ld-linux-x86-64.so.2",
        "/var/lib/dpkg/status",
        "/var/lib/proscribe/quarantine",
        "/home",
        "/home/alice",
        "/opt/../etc",
        "~",
        "~/",
        "~/Documents",
        "~/.local/share",
        "~/.ssh/id_ed25519",
    ],
)
def test_guarded_paths(place: str) -> None:
    assert guarded.path(place)


@pytest.mark.parametrize(
    "place",
    [
        "/opt/wechat",
        "/opt/apps/com.tencent.wechat",
        "/usr/bin/wechat",
        "/usr/bin/tor",
        "/usr/share/discord",
        "/usr/lib/slack/slack",
        "/home/alice/Telegram",
        "~/.dropbox-dist",
        "~/.local/share/torbrowser",
        "~/Downloads/WeChat.AppImage",
        "/opt/wechat/bin/python3",
        "/etc/xdg/autostart/wechat.desktop",
        "/var/lib/flatpak/app/com.tencent.WeChat",
    ],
)
def test_paths_that_may_go(place: str) -> None:
    assert guarded.path(place) == ""


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("/data/people/bob", "a home lies in it"),
        ("/data/people", "a home lies in it"),
        ("/data/people/bob/.ssh", "the system keeps itself there"),
        ("/data/people/bob/Telegram", ""),
        ("/data/people/bobby", ""),
    ],
)
def test_homes_wherever_they_are(place: str, reason: str) -> None:
    assert guarded.path(place, ["/data/people/bob"]) == reason


def test_names_of_programs() -> None:
    service = {"processes": {"linux": ["wechat", "python3", "sshd", "tor"]}}
    assert [(path, value) for path, value, _ in guard_list.check(service)] == [
        (("processes", "linux", 1), "python3"),
        (("processes", "linux", 2), "sshd"),
    ]


def test_the_own_catalogue_names_none(project: Path) -> None:
    assert load([project / "catalog"]).services
