"""What a host cannot do without is in no service: package, program and path, refused when compiling and on the host."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.catalogue import guard_list
from proscribe.host.controls.apps import protected


@pytest.mark.parametrize("system", ["apt", "rpm", "pacman", "conda", "nix", "guix", "brew"])
def test_it_is_refused_whichever_package_system_it_is_named_for(system: str) -> None:
    (mistake,) = guard_list.check({"packages": {system: ["made", "bash"]}})
    assert mistake[:2] == (("packages", system, 1), "bash")


# At least one name out of each line of the lists, by what a host that has lost it cannot do any more: a line that is
# lost refuses nothing, and the next catalogue entry with such a name would take the package off every host.
@pytest.mark.parametrize(
    ("why", "names"),
    [
        ("starts the host", "systemd systemd-sysv init dbus-daemon grub-pc initramfs-tools kmod linux shim-signed"),
        (
            "starts the host",
            "linux-image-6.1.0-13-amd64 linux-firmware kernel-core kernel-modules-core kernel-longterm",
        ),
        ("every program needs it", "libc6 libc6:amd64 glibc glibc-common base-files filesystem libstdc++6 openssl"),
        ("every program needs it", "libssl3t64 libstdc++ zlib1g ca-certificates-utils"),
        ("a shell and its tools", "dash bash bash-completion coreutils util-linux-core grep tar gzip passwd mount"),
        ("a shell and its tools", "procps-ng libpam-runtime pam pam-config xz-utils shadow-utils"),
        ("reaches the host", "openssh-server openssh-clients sudo polkitd policykit-1 network-manager NetworkManager"),
        ("reaches the host", "iproute2 netplan.io isc-dhcp-client dhcpcd-base nftables netbase"),
        ("runs Ansible", "python3 python3.11 python3-libs libpython3-stdlib platform-python ansible ansible-core"),
        ("mends the host's packages", "dpkg apt libapt-pkg6.0 debconf gpgv rpm dnf dnf5 dnf-data python3-dnf"),
        ("mends the host's packages", "zypper pacman flatpak snapd PackageKit packagekit libdnf5"),
    ],
)
def test_guarded_packages(why: str, names: str) -> None:
    assert {name: protected.package(name) for name in names.split()} == dict.fromkeys(names.split(), why)


SYSTEM, MANY, ALL = "the system is installed there", "more than one program lives there", "every program needs it"


# And the same for places: each tree of the system's, and each directory of which only parts may go.
@pytest.mark.parametrize(
    ("reason", "places"),
    [
        (SYSTEM, "/boot /boot/vmlinuz /dev/null /proc/1 /sys/x /run /etc /etc/shadow /etc/xdg/autostart /lost+found/x"),
        (SYSTEM, "/usr/lib/systemd/systemd /lib/systemd /usr/lib/modules/6.1 /usr/lib/firmware/x /usr/lib/ld-linux/x"),
        (SYSTEM, "/usr/lib/apt/methods /usr/lib/dpkg /usr/lib/rpm/x /usr/lib/openssh/sftp-server /usr/lib/sudo/x"),
        (SYSTEM, "/usr/lib/polkit-1/polkitd /usr/lib/sysimage/rpm /usr/libexec/proscribe/x /usr/libexec/openssh/x"),
        (SYSTEM, "/var/lib/dpkg/status /var/lib/apt/lists /var/lib/rpm /var/lib/pacman/local /var/lib/systemd/x"),
        (SYSTEM, "/var/lib/proscribe/quarantine /var/log/x /root/.ssh/authorized_keys"),
        (SYSTEM, "~/.ssh/id_ed25519 ~/.gnupg/x ~/.ansible/tmp ~/.pki/nssdb"),
        (MANY, "/ /bin /sbin /lib /lib64 /usr /usr/bin /usr/sbin /usr/lib /usr/lib64 /usr/libexec /usr/share"),
        (MANY, "/usr/share/applications /usr/local /usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/share"),
        (MANY, "/opt /opt/ /opt/apps /srv /home /home/alice /root /mnt /mnt/disk /media /media/usb /tmp /var /var/lib"),
        (MANY, "/var/lib/flatpak /var/lib/flatpak/app /var/lib/snapd /var/tmp /snap ~ ~/ ~/bin ~/.local ~/.local/bin"),
        (MANY, "~/.local/opt ~/.local/lib ~/.local/share ~/.local/share/applications ~/.local/state ~/.config"),
        (MANY, "~/.local/share/flatpak ~/.local/share/flatpak/app ~/.config/autostart ~/.config/systemd"),
        (MANY, "~/.config/systemd/user ~/.cache ~/.var ~/.var/app ~/.mozilla ~/.thunderbird ~/.wine ~/.wine/drive_c"),
        (MANY, "~/Applications ~/Desktop ~/Documents ~/Downloads ~/Music ~/Pictures ~/Public ~/Templates ~/Videos"),
        (ALL, "/usr/lib/x86_64-linux-gnu/libc.so.6 /usr/lib64/ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2"),
        (
            ALL,
            "/usr/lib/libm.so.6 /lib/aarch64-linux-gnu/libpthread-2.31.so /usr/lib/libpam.so.0 /usr/lib32/libdl.so.2",
        ),
        (ALL, "/usr/lib64/libcrypt.so.2 /usr/lib64/libselinux.so.1"),
        ("the system needs it", "/bin/sh /usr/bin/bash /usr/local/bin/python3 /usr/sbin/sshd /usr/lib/ssh/sshd"),
        ("it is not a plain path", "/opt/../etc /opt/./wechat ~/.."),
    ],
)
def test_guarded_paths(reason: str, places: str) -> None:
    assert {place: protected.path(place) for place in places.split()} == dict.fromkeys(places.split(), reason)


MAY_GO = (
    "/opt/wechat /opt/apps/com.tencent.wechat /usr/bin/wechat /usr/bin/tor /usr/share/discord /usr/lib/slack/slack "
    "/home/alice/Telegram ~/.dropbox-dist ~/.local/share/torbrowser ~/Downloads/WeChat.AppImage "
    "/opt/wechat/bin/python3 /etc/xdg/autostart/wechat.desktop /var/lib/flatpak/app/com.tencent.WeChat "
    "/etc/systemd/user/wechat.service /usr/lib/x86_64-linux-gnu/libcef.so /usr/lib/libwechat.so /opt/wechat/libc.so.6 "
    "/home/alice/bin/python3"
)


@pytest.mark.parametrize("place", MAY_GO.split())
def test_paths_that_may_go(place: str) -> None:
    assert protected.path(place) == ""


def test_names_of_programs() -> None:
    service = {"processes": {"linux": ["wechat", "python3", "sshd", "tor"]}}
    assert [(path, value) for path, value, _ in guard_list.check(service)] == [
        (("processes", "linux", 1), "python3"),
        (("processes", "linux", 2), "sshd"),
    ]
