"""Kinds of values, shared networks, signers, guarded names and ages of catalogue entries."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_catalogue import GOOD, Made
from proscribe.controller.compile.catalogue import freshness, guard_list, shared_networks
from proscribe.controller.compile.catalogue.freshness import ENTRY, FEED, NETWORKS, Stale, stale
from proscribe.controller.compile.catalogue.kinds import Group, Kind, Listed, Text, listed, texts
from proscribe.controller.compile.catalogue.loading import Catalogue, load
from proscribe.controller.compile.catalogue.schema import BOTH, check_service
from proscribe.controller.compile.catalogue.shared_networks import shared_by
from proscribe.controller.compile.catalogue.signers import SHARED, Signer, check
from proscribe.controller.compile.reading.grammar import one_of
from proscribe.host.controls.apps import protected

WORD = Text(one_of("owl", "crow"))
WORDS = Listed(WORD)
BIRD = Group({"name": WORD, "eats": WORDS}, required=("name",))
LIST = "a list with at least one item (leave the key out where there is none)"
ENUM = "one of owl, crow"
AGAIN = "every item once; this one is a duplicate"


@pytest.mark.parametrize(
    ("kind", "value", "mistakes"),
    [
        (WORD, "owl", []),
        (WORD, "owel", [((), "owel", "one of owl, crow, did you mean 'owl'?")]),
        (WORD, 7, [((), 7, "one text")]),
        (WORDS, ["owl", "crow"], []),
        (WORDS, ["owl", "crow", "owl"], [((2,), "owl", AGAIN)]),
        (WORDS, ["x", "x"], [((0,), "x", ENUM), ((1,), "x", ENUM), ((1,), "x", AGAIN)]),
        *((WORDS, value, [((), value, LIST)]) for value in ("owl", [], {}, None)),
        (BIRD, {"name": "owl", "eats": ["crow"]}, []),
        (BIRD, {"eats": ["crow"]}, [(("name",), None, "a value: this key is required")]),
        (BIRD, {}, [((), {}, "at least one key out of name, eats")]),
        *((BIRD, value, [((), value, "a mapping with keys out of name, eats")]) for value in ([], "owl", None)),
        (BIRD, {"name": "owl", "eat": "x"}, [(("eat",), "eat", "a known key, did you mean 'eats'?")]),
        (BIRD, {"name": "owl", "x": "x"}, [(("x",), "x", "a known key, one of name, eats")]),
        (BIRD, {"name": 7, "eats": ["owl", 7]}, [(("name",), 7, "one text"), (("eats", 1), 7, "one text")]),
        (Listed(BIRD), [{"name": "owl", "eats": ["crow"]}, {"name": "owl"}], []),
        (Listed(BIRD), [{"name": "owl"}, {"name": "owl"}], [((1,), {"name": "owl"}, AGAIN)]),
    ],
)
def test_kind_finds_the_mistakes_of_a_value(kind: Kind, value: object, mistakes: list[Any]) -> None:
    assert list(kind.check(value, ())) == mistakes
    assert list(kind.check(value, ("a", 3))) == [
        (("a", 3, *path), found, expected) for path, found, expected in mistakes
    ]


@pytest.mark.parametrize(
    ("value", "items", "words"),
    [
        (["a", 7], ["a", 7], ["a"]),
        (("a", "b"), ("a", "b"), ["a", "b"]),
        ("ab", (), []),
        ({"a": 1}, (), []),
        (None, (), []),
    ],
)
def test_a_list_of_an_entry_that_may_have_mistakes(value: object, items: object, words: list[str]) -> None:
    assert (listed({"key": value}, "key"), texts({"key": value}, "key")) == (items, words)
    assert (listed({}, "key"), texts({}, "key")) == ((), [])


# -- shared networks


CLOUDFLARE, FASTLY, GITHUB = "Cloudflare's content network", "Fastly's content network", "GitHub's pages"
MICROSOFT, GOOGLE = "Microsoft 365", "Google's front ends"


def test_every_network_of_the_table_is_found() -> None:
    counts = {whose: len(networks.split()) for whose, networks in shared_networks._SHARED.items()}
    assert counts == {CLOUDFLARE: 22, FASTLY: 21, GITHUB: 2, MICROSOFT: 11, GOOGLE: 3}
    for whose, networks in shared_networks._SHARED.items():
        assert {shared_by(text) for text in networks.split()} == {whose}


@pytest.mark.parametrize(
    ("network", "whose"),
    [
        pytest.param("104.0.0.0/8", CLOUDFLARE, id="a wider one takes it in"),
        pytest.param("104.16.8.0/30", CLOUDFLARE, id="a narrower one lies in it"),
        pytest.param("91.108.4.0/22", "", id="Telegram's own"),
        pytest.param("2606:4700:4700::1111/128", "", id="a public resolver, which is one service's own"),
        pytest.param("2606:4700:4700::/48", "", id="all of it"),
        pytest.param("2606:4700:100::a29f:c001/128", "", id="a VPN's way in"),
        pytest.param("2606:4700:102::/48", "", id="another one"),
        pytest.param("162.159.193.1/32", "", id="the same VPN's over IPv4"),
        pytest.param("162.159.192.0/23", "", id="two of its networks as one"),
        pytest.param("162.159.192.0/22", CLOUDFLARE, id="one that takes more in than these"),
        pytest.param("2606:4700:4701::/48", CLOUDFLARE, id="its neighbour is everybody's"),
        pytest.param("2606:4700:4000::/34", CLOUDFLARE, id="one that takes more in than the resolver"),
    ],
)
def test_shared_network_names_its_owner(network: str, whose: str) -> None:
    assert shared_by(str(ipaddress.ip_network(network))) == whose


# -- signers


TEAM = "EXAMPLE123"
CHAT, MAIL = f"{TEAM}:com.example.chat", f"{TEAM}:com.example.mail"


def test_later_signer_of_two_has_the_mistake() -> None:
    chat, mail = Signer("chat", 0, ["x:y", CHAT], []), Signer("mail", 0, [CHAT], [TEAM])
    whole = "one of them takes it as a whole"
    assert list(check([mail, chat])) == [
        ("mail", (("signing_ids", 0), CHAT, "a program of its own: chat has this one")),
        ("mail", (("team_ids", 0), TEAM, f"no team that chat has in signing_ids: {whole}")),
    ]
    assert list(check([Signer("a", 0, [], [TEAM]), Signer("b", 0, [], ["OTHER12345", TEAM])])) == [
        ("b", (("team_ids", 1), TEAM, f"no team that a has in team_ids: {whole}")),
        ("b", (("team_ids", 1), TEAM, f"no team that a has in team_ids: {whole}")),
    ]


@pytest.mark.parametrize("team", SHARED)
def test_a_team_that_signs_what_every_office_has_is_never_taken(team: str) -> None:
    [(id_, (path, value, expected))] = check([Signer("owl", 0, [], [TEAM, team])])
    assert (id_, path, value) == ("owl", ("team_ids", 1), team)
    assert SHARED[team] and SHARED[team] in expected


def test_a_service_whose_programs_serve_both_takes_no_team(own_catalogue: Catalogue) -> None:
    entry = yaml.safe_load(Path(own_catalogue.services["signal"].file).read_text())
    entry |= {"enforce": "true", "checked": "2026-11-29"}
    assert [path for path, _, _ in check_service(entry)] == []
    assert [path for path, _, _ in check_service(entry | {"programs": BOTH})] == [("team_ids",)]


# -- guarded names


@pytest.mark.parametrize("system", ["apt", "rpm", "pacman", "conda", "nix", "guix", "brew"])
def test_guarded_package_is_refused_in_every_package_system(system: str) -> None:
    (mistake,) = guard_list.check({"packages": {system: ["made", "bash"]}})
    assert mistake[:2] == (("packages", system, 1), "bash")


# At least one name out of each line of the lists, by what a host that has lost it cannot do any more: a line that is
# lost refuses nothing, and the next catalogue entry with such a name would take the package off every host.
@pytest.mark.parametrize(
    ("why", "names"),
    [
        ("starts the host", "systemd systemd-sysv init dbus-daemon grub-pc kmod linux shim-signed"),
        (
            "starts the host",
            "initramfs-tools kernel-longterm linux-image-6.1.0-13-amd64 linux-firmware kernel-core kernel-modules-core",
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
        (ALL, "/usr/lib/libm.so.6 /lib/aarch64-linux-gnu/libpthread-2.31.so /usr/lib/libpam.so.0"),
        (ALL, "/usr/lib64/libcrypt.so.2 /usr/lib64/libselinux.so.1 /usr/lib32/libdl.so.2"),
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


# -- freshness


TODAY = datetime.date(2026, 11, 26)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made(
        GOOD.replace("sources:", "networks: [8.8.4.0/24]\nnetworks_checked: 2024-10-21\nchecked: 2026-11-20\nsources:")
    )
    return made


def test_the_oldest_comes_first_and_what_was_never_checked_before_all(made: Made) -> None:
    made(GOOD.replace("parrot", "owl"), "instant_messaging/owl.yml")
    made("---\nid: f\nname: F\nservice: owl\nkind: domains\nchecked: 2025-01-01\nsources: [x]\n", "feeds/f.yml")
    made("finch.example\n", "feeds/f.txt")
    catalogue = load([made.root / "catalog"])
    assert stale(catalogue, {"parrot", "owl"}, TODAY, 180) == [
        Stale(ENTRY, "owl", "", None),
        Stale(NETWORKS, "parrot", "2024-10-21", 766),
        Stale(FEED, "f", "2025-01-01", 694),
    ]
    assert stale(catalogue, {"parrot"}, TODAY, 766) == []
    assert stale(catalogue, set(), TODAY, 0) == []


@pytest.mark.parametrize(("days", "found"), [(5, True), (6, False)])
def test_the_last_day_still_counts(made: Made, days: int, found: bool) -> None:
    entries = [one for one in stale(load([made.root / "catalog"]), {"parrot"}, TODAY, days) if one.what == ENTRY]
    assert bool(entries) is found


OLD = [Stale(NETWORKS, "owl", "2024-10-21", 766), Stale(ENTRY, "owl", "2025-01-01", 694), Stale(FEED, "f", "", None)]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([Stale(ENTRY, "owl", "", None)], "1 service restricted here was not checked within 180 days: owl (never)"),
        (OLD, "1 service and 1 feed restricted here were not checked within 180 days: the networks of owl (766 days"),
        ([Stale(ENTRY, f"s{number}", "", None) for number in range(13)], "13 services restricted here were not"),
    ],
)
def test_a_run_says_it_in_one_line(found: list[Stale], text: str) -> None:
    assert freshness.warning(found, 180).startswith(f"catalogue: {text}")


ACCEPTED = "checked_accepted: {day: 2026-11-01, until: 2027-05-01, why: nobody has a list}\n"


@pytest.mark.parametrize(
    ("file", "left"),
    [
        ("instant_messaging/owl.yml", ["parrot"]),  # with its feed
        ("feeds/f.yml", ["parrot", "owl"]),
        ("amends/owl.yml", ["parrot"]),
    ],
)
@pytest.mark.parametrize(
    ("today", "counts"),
    [
        (datetime.date(2026, 10, 31), False),
        (datetime.date(2026, 11, 1), True),
        (datetime.date(2027, 5, 1), True),
        (datetime.date(2027, 5, 2), False),
    ],
)
def test_an_age_can_be_accepted_for_a_time(
    made: Made, file: str, left: list[str], today: datetime.date, counts: bool
) -> None:
    owl = GOOD.replace("parrot", "owl").replace("sources:", "checked: 2025-01-01\nsources:")
    feed = "---\nid: f\nname: F\nservice: owl\nkind: domains\nchecked: 2025-01-01\nsources: [x]\n"
    made("finch.example\n", "feeds/f.txt")
    texts = {
        "instant_messaging/owl.yml": owl,
        "feeds/f.yml": feed,
        "amends/owl.yml": "---\namends: owl\nsources: [x]\n",
    }
    for name, text in texts.items():
        made(text + (ACCEPTED if name == file else ""), name)
    catalogue = load([made.root / "catalog"])
    found = [one.id for one in stale(catalogue, {"parrot", "owl"}, today, 180)]
    assert found == (left if counts else ["parrot", "f", "owl"])
    accepted = freshness.accepted(catalogue, {"parrot", "owl"}, today, 180)
    assert {word["why"] for _, word in accepted} == ({"nobody has a list"} if counts else set())
