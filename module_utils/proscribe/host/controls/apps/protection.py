"""Packages, programs and paths that Proscribe never removes, moves or denies.

Without them, a host might not boot, could not be reached, or could not be repaired. The compile step refuses a service
that names any of them. The host refuses again, because a plan may come from elsewhere. Each function returns the reason
for the protection, or "" for an unprotected name.
"""

from __future__ import annotations

import re
from typing import Iterable, List


def _split_names(text: str) -> List[str]:
    return text.split()


# Key: the reason for the protection. Value: package names of Debian, Fedora, SUSE and Arch, exact or with `*` for any
# ending.
PROTECTED_PACKAGES = {
    "starts the host": _split_names(
        """
        systemd systemd-* init sysvinit-core openrc runit dinit udev eudev dbus dbus-* dracut* mkinitcpio
        initramfs-tools* grub* shim shim-* shim-signed kmod linux linux-lts linux-zen linux-hardened
        linux-image-* linux-firmware linux-modules-* kernel kernel-core kernel-default kernel-modules*
        kernel-longterm
        """
    ),
    "every program needs it": _split_names(
        """
        libc6 libc6:* libc-bin glibc glibc-* musl base-files filesystem libgcc-s1 libgcc gcc-libs libstdc++6
        libstdc++ libssl3* openssl openssl-libs zlib zlib1g libcrypt1 libxcrypt ca-certificates*
        """
    ),
    "a shell and its tools": _split_names(
        """
        dash bash bash-* zsh busybox coreutils util-linux util-linux-* findutils grep sed gawk mawk tar gzip
        xz-utils xz bzip2 procps procps-ng login passwd shadow shadow-utils libpam* pam pam-* base mount
        """
    ),
    "reaches the host": _split_names(
        """
        openssh-server openssh openssh-client openssh-clients openssh-sftp-server sudo sudo-rs doas polkit
        polkitd policykit-1 network-manager NetworkManager systemd-networkd ifupdown iproute2 iproute netplan.io
        isc-dhcp-client dhcpcd* netbase nftables iptables
        """
    ),
    "runs Ansible": _split_names(
        """
        python3 python3-minimal python3.* python3-libs libpython3* python python-minimal platform-python ansible
        ansible-core
        """
    ),
    "mends the host's packages": _split_names(
        """
        dpkg apt apt-utils libapt-pkg* debconf debian-archive-keyring ubuntu-keyring gpgv rpm rpm-libs dnf dnf5
        dnf-data python3-dnf libdnf* yum microdnf zypper libzypp pacman archlinux-keyring flatpak snapd
        PackageKit packagekit
        """
    ),
}
# Programs by base name, in any program directory of the system.
PROTECTED_PROGRAMS = frozenset(
    _split_names(
        """
        init systemd systemd-logind systemd-journald systemd-udevd dbus-daemon dbus-broker agetty login su sh
        bash dash zsh fish ksh busybox env ls cp mv rm cat ln chmod chown mount umount ps kill sshd sshd-session
        sftp-server ssh scp sudo doas pkexec polkitd python perl ip nft iptables dhclient dhcpcd NetworkManager
        dpkg dpkg-deb dpkg-query apt apt-get rpm rpmdb dnf dnf5 yum zypper pacman flatpak snap snapd gpg gpgv
        tar gzip xz ldconfig modprobe grub-install ansible-playbook fapolicyd rsync bwrap
        """
    )
)
_NUMBERED_PROGRAM_PATTERN = re.compile(r"(python|perl)[0-9.]+$")

# Directories from which nothing is removed: they hold the system, the kernel or the database of installed software.
PROTECTED_DIRECTORIES = _split_names(
    """
    /boot /dev /proc /sys /run /etc /lost+found /usr/lib/systemd /usr/lib/modules /usr/lib/firmware
    /usr/lib/ld-linux /usr/lib/apt /usr/lib/dpkg /usr/lib/rpm /usr/lib/openssh /usr/lib/sudo /usr/lib/polkit-1
    /usr/lib/sysimage /usr/libexec/proscribe /usr/libexec/openssh /var/lib/dpkg /var/lib/apt /var/lib/rpm
    /var/lib/pacman /var/lib/systemd /var/lib/proscribe /var/log /root/.ssh ~/.ssh ~/.gnupg ~/.ansible ~/.pki
    """
)
# Directories that are never removed as a whole: they hold other programs or the work of a user.
SHARED_DIRECTORIES = frozenset(
    _split_names(
        """
        / /bin /sbin /lib /lib64 /usr /usr/bin /usr/sbin /usr/lib /usr/lib64 /usr/libexec /usr/share
        /usr/share/applications /usr/local /usr/local/bin /usr/local/sbin /usr/local/lib /usr/local/share /opt
        /opt/apps /srv /home /root /mnt /media /tmp /var /var/lib /var/lib/flatpak /var/lib/flatpak/app
        /var/lib/snapd /var/tmp /snap ~ ~/bin ~/.local ~/.local/bin ~/.local/opt ~/.local/lib ~/.local/share
        ~/.local/share/applications ~/.local/state ~/.local/share/flatpak ~/.local/share/flatpak/app ~/.config
        ~/.config/autostart ~/.config/systemd ~/.config/systemd/user ~/.cache ~/.var ~/.var/app ~/.mozilla
        ~/.thunderbird ~/.wine ~/.wine/drive_c ~/Applications ~/Desktop ~/Documents ~/Downloads ~/Music
        ~/Pictures ~/Public ~/Templates ~/Videos
        """
    )
)
# These directories are links into /usr on most hosts, so /bin/sh counts as /usr/bin/sh.
_MERGED_USR_PATTERN = re.compile(r"^/(bin|sbin|lib|lib64|lib32)(?=/|$)")
_SYSTEM_PROGRAM_PATTERN = re.compile(r"^/usr/(s?bin|lib|lib64|libexec|local/s?bin)/")
# Files that start a program at login may be removed, although they are in /etc: the system does not need them.
_SYSTEM_LAUNCHER_PATTERN = re.compile(r"^/etc/(xdg/autostart|systemd/user)/[^/]+\.(desktop|service)$")
# dynamic loader and basic libraries of the C library
_C_LIBRARY_PATTERN = re.compile(
    r"^/usr/lib(64|32)?/([^/]+-linux-[^/]+/)?(ld-|lib(c|m|dl|pthread|pam|crypt|selinux)[.-])"
)

_REASON_BY_PACKAGE = {
    name: reason for reason, names in PROTECTED_PACKAGES.items() for name in names if not name.endswith("*")
}
_REASON_BY_PREFIX = {
    name[:-1]: reason for reason, names in PROTECTED_PACKAGES.items() for name in names if name.endswith("*")
}


def explain_package_protection(name: str) -> str:
    """Explain why a package of the distribution's package manager is never removed, or return "".

    Flatpak ids have another meaning and do not belong here.
    """
    for beginning, reason in _REASON_BY_PREFIX.items():
        if name.startswith(beginning):
            return reason
    return _REASON_BY_PACKAGE.get(name, "")


def explain_program_protection(name: str) -> str:
    """Explain why the programs with this base name are never removed or denied, or return ""."""
    return "the system needs it" if name in PROTECTED_PROGRAMS or _NUMBERED_PROGRAM_PATTERN.match(name) else ""


def explain_path_protection(place: str, homes: Iterable[str] = ()) -> str:
    """Explain why the file or directory at a path is never removed or moved, or return "".

    A path below one of `homes` counts as `~/...`: what is protected in one home is protected in each.
    """
    place = place.rstrip("/") or "/"
    if {".", ".."} & set(place.split("/")):
        return "it is not a plain path"
    place = _MERGED_USR_PATTERN.sub(r"/usr/\1", place)
    for home in homes:
        if f"{home}/".startswith(f"{place}/"):
            return "a home lies in it"
        if place.startswith(f"{home}/"):
            return explain_path_protection("~" + place[len(home) :])
    if place in SHARED_DIRECTORIES or re.fullmatch(r"/(home|media|mnt|srv)/[^/]+", place):
        return "more than one program lives there"
    if _SYSTEM_LAUNCHER_PATTERN.match(place):
        return ""
    # the place is below a protected directory, or contains a protected directory
    if any(
        f"{place}/".startswith(f"{directory}/") or f"{directory}/".startswith(f"{place}/")
        for directory in PROTECTED_DIRECTORIES
    ):
        return "the system is installed there"
    if _C_LIBRARY_PATTERN.match(place):
        return "every program needs it"
    return explain_program_protection(place.rpartition("/")[2]) if _SYSTEM_PROGRAM_PATTERN.match(place) else ""
