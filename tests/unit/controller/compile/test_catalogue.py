"""Shared networks, signers, guarded names and ages of catalogue entries."""

import datetime
import ipaddress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_catalogue import GOOD, OWN, Made, errors_of
from proscribe.controller.compile.catalogue import catalogue_loader, feeds, freshness, guard_list, schema
from proscribe.controller.compile.catalogue.freshness import ENTRY, FEED, NETWORKS, StaleEntry, find_stale_entries
from proscribe.controller.compile.catalogue.name_conflicts import list_name_and_parents
from proscribe.controller.compile.catalogue.shared_networks import find_network_owner
from proscribe.controller.compile.catalogue.signers import ProgramSigner, check_signers
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.host.controls.apps import protection

# -- shared networks
CLOUDFLARE = "Cloudflare's content network"
SERVICES_OF_NETWORKS = [
    *((network, "Fastly's content network") for network in ("151.101.1.1/32", "2a04:4e42::/64")),
    *((network, "GitHub's pages") for network in ("185.199.108.153/32", "2606:50c0:8000::/48")),
    *((network, "Microsoft 365") for network in ("52.96.0.0/24", "13.107.6.152/32", "131.253.33.215/32")),
    *((network, "Google's front ends") for network in ("142.250.0.0/24", "216.58.192.0/24")),
    *((network, CLOUDFLARE) for network in ("104.0.0.0/8", "104.16.8.0/30")),  # a wider and a narrower one
    ("91.108.4.0/22", ""),  # Telegram's own
    *((network, "") for network in ("2606:4700:4700::1111/128", "2606:4700:4700::/48")),  # one service's resolver
    # entry points of a VPN, over IPv6 and IPv4, and two of its networks as one
    *((network, "") for network in ("2606:4700:100::a29f:c001/128", "162.159.193.1/32", "162.159.192.0/23")),
    *((network, "") for network in ("2606:4700:102::1/128", "162.159.197.1/32")),
    ("162.159.192.0/22", CLOUDFLARE),  # more than these
    ("2606:4700:4701::/48", CLOUDFLARE),  # the neighbour of the resolver is everybody's
    ("2606:4700:4000::/34", CLOUDFLARE),
]


@pytest.mark.parametrize(("network", "whose"), SERVICES_OF_NETWORKS)
def test_shared_network_names_its_owner(network, whose):
    assert find_network_owner(str(ipaddress.ip_network(network))) == whose


# -- signers
TEAM = "EXAMPLE123"
CHAT = f"{TEAM}:com.example.chat"


def test_later_signer_of_two_has_the_mistake():
    chat, mail = ProgramSigner("chat", 0, ["x:y", CHAT], []), ProgramSigner("mail", 0, [CHAT], [TEAM])
    whole = "one of them takes it as a whole"
    assert list(check_signers([mail, chat])) == [
        ("mail", (("signing_ids", 0), CHAT, "a program of its own: chat has this one")),
        ("mail", (("team_ids", 0), TEAM, f"no team that chat has in signing_ids: {whole}")),
    ]
    signers = [ProgramSigner("a", 0, [], [TEAM]), ProgramSigner("b", 0, [], ["OTHER12345", TEAM])]
    taken = ("b", (("team_ids", 1), TEAM, f"no team that a has in team_ids: {whole}"))
    assert list(check_signers(signers)) == [taken, taken]


@pytest.mark.parametrize("team", ["UBF8T346G9", "EQHXZ8M8AV", "VEKTX9H2N7"])
def test_a_team_that_signs_what_every_office_has_is_never_taken(team):
    [(id_, (path, value, expected))] = check_signers([ProgramSigner("owl", 0, [], [TEAM, team])])
    assert (id_, path, value) == ("owl", ("team_ids", 1), team) and expected.startswith("a team that signs programs")


def test_a_service_whose_programs_serve_both_takes_no_team(own_catalogue):
    entry = yaml.safe_load(Path(own_catalogue.services["signal"].file).read_text())
    entry |= {"enforce": "true", "checked": "2026-11-29"}
    assert [path for path, _, _ in schema.check_service(entry)] == []
    assert [path for path, _, _ in schema.check_service(entry | {"programs": "both"})] == [("team_ids",)]


# -- guarded names
@pytest.mark.parametrize("system", ["apt", "rpm", "pacman", "conda", "nix", "guix", "brew"])
def test_guarded_package_is_refused_in_every_package_system(system):
    (mistake,) = guard_list.check_guarded_names({"packages": {system: ["made", "bash"]}})
    assert mistake[:2] == (("packages", system, 1), "bash")


# At least one name out of each line of the lists, by what a host that has lost it cannot do any more: a line that is
# lost refuses nothing, and the next catalogue entry with such a name would take the package off every host.
@pytest.mark.parametrize(
    ("why", "names"),
    [
        ("starts the host", "systemd systemd-sysv init dbus-daemon grub-pc kmod linux shim-signed"),
        ("starts the host", "initramfs-tools kernel-longterm linux-image-6.1.0-13-amd64 linux-firmware"),
        ("starts the host", "kernel-core kernel-modules-core"),
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
def test_guarded_packages(why, names):
    found = {name: protection.explain_package_protection(name) for name in names.split()}
    assert found == dict.fromkeys(found, why)


SYSTEM, MANY, ALL = "the system is installed there", "more than one program lives there", "every program needs it"
# And the same for places: each tree of the system's, and each directory of which only parts may go.
GUARDED_PATHS = [
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
]


@pytest.mark.parametrize(("reason", "places"), GUARDED_PATHS)
def test_guarded_paths(reason, places):
    found = {place: protection.explain_path_protection(place) for place in places.split()}
    assert found == dict.fromkeys(found, reason)


MAY_GO = (
    "/opt/wechat /opt/apps/com.tencent.wechat /usr/bin/wechat /usr/bin/tor /usr/share/discord /usr/lib/slack/slack "
    "/home/alice/Telegram ~/.dropbox-dist ~/.local/share/torbrowser ~/Downloads/WeChat.AppImage "
    "/opt/wechat/bin/python3 /etc/xdg/autostart/wechat.desktop /var/lib/flatpak/app/com.tencent.WeChat "
    "/etc/systemd/user/wechat.service /usr/lib/x86_64-linux-gnu/libcef.so /usr/lib/libwechat.so /opt/wechat/libc.so.6 "
    "/home/alice/bin/python3"
)


def test_paths_may_go_and_names_of_shared_programs_may_not():
    assert [place for place in MAY_GO.split() if protection.explain_path_protection(place)] == []
    service = {"processes": {"linux": ["wechat", "python3", "sshd", "tor"]}}
    assert [(path, value) for path, value, _ in guard_list.check_guarded_names(service)] == [
        (("processes", "linux", 1), "python3"),
        (("processes", "linux", 2), "sshd"),
    ]


# -- freshness
TODAY = datetime.date(2026, 11, 26)
OLD_FEED = "---\nid: f\nname: F\nservice: owl\nkind: domains\nchecked: 2025-01-01\nsources: [x]\n"


@pytest.fixture
def made(tmp_path):
    made, networks = Made(tmp_path), "networks: [8.8.4.0/24]\nnetworks_checked: 2024-10-21\n"
    made(GOOD.replace("sources:", f"{networks}checked: 2026-11-20\nsources:"))
    return made


def test_the_oldest_comes_first_and_what_was_never_checked_before_all(made):
    made(GOOD.replace("parrot", "owl"), "instant_messaging/owl.yml")
    made(OLD_FEED, "feeds/f.yml")
    made("finch.example\n", "feeds/f.txt")
    catalogue = catalogue_loader.read_catalogue([made.root / "catalog"])
    assert find_stale_entries(catalogue, {"parrot", "owl"}, TODAY, 180) == [
        StaleEntry(ENTRY, "owl", "", None),
        StaleEntry(NETWORKS, "parrot", "2024-10-21", 766),
        StaleEntry(FEED, "f", "2025-01-01", 694),
    ]
    assert [len(find_stale_entries(catalogue, {"parrot"}, TODAY, days)) for days in (766, 765)] == [0, 1]
    assert find_stale_entries(catalogue, set(), TODAY, 0) == []


def test_a_run_says_it_in_one_line():
    of_owl = [StaleEntry(NETWORKS, "owl", "2024-10-21", 766), StaleEntry(ENTRY, "owl", "2025-01-01", 694)]
    said = freshness.describe_stale_entries([*of_owl, StaleEntry(FEED, "f", "", None)], 180)
    start = "catalogue: 1 service and 1 feed restricted here were not checked within 180 days: the networks of owl (766"
    assert said.startswith(start)
    many = [StaleEntry(ENTRY, f"s{number}", "", None) for number in range(13)]
    assert freshness.describe_stale_entries(many, 180).startswith("catalogue: 13 services restricted here were not")


ACCEPTED = "checked_accepted: {day: 2026-11-01, until: 2027-05-01, why: nobody has a list}\n"


OLD_TEXTS = {
    "instant_messaging/owl.yml": GOOD.replace("parrot", "owl").replace("sources:", "checked: 2025-01-01\nsources:"),
    "feeds/f.yml": OLD_FEED,
    "amends/owl.yml": "---\namends: owl\nsources: [x]\n",
}


# The entry is accepted with its feed.
LEFT = [("instant_messaging/owl.yml", ["parrot"]), ("feeds/f.yml", ["parrot", "owl"]), ("amends/owl.yml", ["parrot"])]


@pytest.mark.parametrize(("file", "left"), LEFT)
@pytest.mark.parametrize(
    ("day", "counts"), [("2026-10-31", False), ("2026-11-01", True), ("2027-05-01", True), ("2027-05-02", False)]
)
def test_an_age_can_be_accepted_for_a_time(made, file, left, day, counts):
    made("finch.example\n", "feeds/f.txt")
    today = datetime.date.fromisoformat(day)
    for name, text in OLD_TEXTS.items():
        made(text + (ACCEPTED if name == file else ""), name)
    catalogue = catalogue_loader.read_catalogue([made.root / "catalog"])
    result = [item.id for item in find_stale_entries(catalogue, {"parrot", "owl"}, today, 180)]
    assert result == (left if counts else ["parrot", "f", "owl"])
    accepted = freshness.find_accepted_entries(catalogue, {"parrot", "owl"}, today, 180)
    assert {word["why"] for _, word in accepted} == ({"nobody has a list"} if counts else set())


# -- claims of names
IF_MEANT = "(name each other in overlaps_with if both are meant)"


def build_entry(id_: str, **keys: object) -> dict[str, object]:
    start = {"id": id_, "name": id_, "category": "webmail", "vendor": "Example", "audience": "both", "enforce": True}
    return {**start, **keys, "sources": ["a test"]}


def write_entries(directory: Path, *entries: dict[str, object]) -> Path:
    (directory / "webmail").mkdir(parents=True)
    for item in entries:
        (directory / "webmail" / f"{item['id']}.yml").write_text(yaml.safe_dump(item, sort_keys=False))
    return directory


def find_mistakes(*directories: Path) -> list[tuple[str, str, object, str]]:
    try:
        catalogue_loader.read_catalogue(directories)
    except PolicyErrors as wrong:
        return [(Path(e.location.rpartition(":")[0]).name, e.key, e.found_value, e.expected) for e in wrong.errors]
    return []


HAS = "a domain that no other service has: {} has {} " + IF_MEANT
WORK = {"domains": ["owl.example"], "shared_domains": ["work.owl.example"]}
SAYS = "shared_domains[0] says that work.owl.example is shared (or except that in allow_domains)"
DRIVE = {"domains": ["owl.example"], "shared_domains": ["drive.google.com"]}
BLOCKS = f"a name that no service blocks: google_drive blocks drive.google.com {IF_MEANT}"


ALONE = "a name of this service alone: "
CLAIMING = {"overlaps_with": ["gmail", "outlook_com"]}  # an entry that claims to know of the others
TELEGRAM, SIGNED = "6N38VWS5BX:ru.keepcoder.Telegram", {"domains": ["owl.example"], "programs": "private"}
OWN_ENTRIES = [
    # a name that permitted services stand on, itself or a name above it
    ({"domains": ["google.com"], **CLAIMING}, "domains[0]", "google.com", f"{ALONE}google.com carries search"),
    ({"domains": ["cloudfront.net"]}, "domains[0]", "cloudfront.net", f"{ALONE}cloudfront.net carries other"),
    ({"domains": ["core.windows.net"]}, "domains[0]", "core.windows.net", f"{ALONE}blob.core.windows.net carries"),
    ({"domains": ["s3.amazonaws.com"]}, "domains[0]", "s3.amazonaws.com", f"{ALONE}s3.amazonaws.com carries"),
    ({"urls": ["sharepoint.com"]}, "urls[0]", "sharepoint.com", f"{ALONE}sharepoint.com carries"),
    ({"mail_hosts": ["outlook.office365.com"]}, "mail_hosts[0]", "outlook.office365.com", f"{ALONE}outlook.office"),
    ({"domains": ["debian.org"]}, "domains[0]", "debian.org", f"{ALONE}debian.org carries the packages"),
    # a name that a service shares
    ({"domains": ["yahoo.com"]}, "domains[0]", "yahoo.com", f"{ALONE}yahoo_mail says that yahoo.com is shared"),
    ({"urls": ["outlook.com"]}, "urls[0]", "outlook.com", f"{ALONE}outlook_com says that outlook.com is shared"),
    ({"domains": ["office.net"]}, "domains[0]", "office.net", f"{ALONE}teams_personal says that teams.cdn.office."),
    # a shared name below an own domain has to be excepted
    (WORK, "domains[0]", "owl.example", ALONE + SAYS),
    ({**WORK, "allow_domains": ["work.owl.example"]}, "", "", ""),
    # the organisation cannot call shared what the project blocks, but where it says so
    (DRIVE, "shared_domains[0]", "drive.google.com", BLOCKS),
    ({**DRIVE, "overlaps_with": ["google_drive"]}, "", "", ""),
    # its entry gives way to the project's, also with a name above or below
    ({"domains": ["web.whatsapp.com"]}, "domains[0]", "web.whatsapp.com", HAS.format("whatsapp", "whatsapp.com")),
    ({"domains": ["switch.ch"]}, "domains[0]", "switch.ch", HAS.format("doh_other", "dns.switch.ch")),
    ({"domains": ["weiyun.com.example", "kakao.com.example"]}, "", "", ""),
    ({"networks": ["198.51.100.0/24", "172.67.1.0/24"]}, "networks[1]", "172.67.1.0/24", "a network of this "),
    ({"domains": ["a.example"], "overlaps_with": ["owl"]}, "overlaps_with[0]", "owl", "the id of another service"),
    # and so who signs its programs
    ({**SIGNED, "signing_ids": [TELEGRAM]}, "signing_ids[0]", TELEGRAM, "a program of its own: telegram has this one"),
    ({**SIGNED, "team_ids": [TELEGRAM[:10]]}, "team_ids[0]", TELEGRAM[:10], "no team that telegram has in signing_ids"),
]


@pytest.mark.parametrize(("keys", "key", "value", "expected"), OWN_ENTRIES)
def test_own_entry_gives_way(keys, key, value, expected, tmp_path):
    result = find_mistakes(OWN, write_entries(tmp_path / "own", build_entry("owl", **keys)))
    assert [mistake[:3] for mistake in result] == ([("owl.yml", key, value)] if key else [])
    assert all(mistake[3].startswith(expected) for mistake in result)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(".".join))
def test_above_gives_the_name_itself_and_every_name_it_lies_under(name):
    names = list_name_and_parents(name)
    assert names[0] == name
    assert len(names) == name.count(".") + 1
    assert all(("." + name).endswith("." + other) for other in names)


# -- feeds
BIRDS = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources: [a test]\n"


@pytest.fixture
def birds(tmp_path):
    birds = Made(tmp_path)
    birds(GOOD)
    birds(BIRDS, "feeds/birds.yml")
    birds("# names\nfinch.example\nowl.example  # at night\n\nfinch.example\n", "feeds/birds.txt")
    return birds


@pytest.mark.parametrize(
    ("values", "where", "expected"),
    [
        (b"", "birds.txt", "at least one value"),
        (b"owl.example\nnot a name\n", "birds.txt:2", "a host name"),
        ("öwl.example\n".encode(), "birds.txt", "text in ASCII"),
        (b"x" * (feeds.MAX_LIST_BYTES + 1), "birds.txt", "a smaller file"),
        (b"\x1b[31mowl.example\n", "birds.txt:1", "a host name"),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(birds, values, where, expected):
    (birds.root / "catalog/feeds/birds.txt").write_bytes(values)
    (error,) = errors_of(birds.root / "catalog")
    assert error.location.endswith(f"feeds/{where}") and expected in error.expected


LINES = "# birds\na.example # 2\n\n b.example\nc.example # 12\nd.example #3\ne.example # 100\nf.example # 0\ng # 1x\n"


def test_list_is_read_up_to_a_bound_and_placed_by_its_lines(tmp_path, monkeypatch, birds):
    lines = {"a.example": 2, "b.example": 4, "c.example": 5, "d.example": 6, "e.example": 7, "f.example": 8, "g": 9}
    assert dict(feeds.parse_value_lines(LINES)) == lines
    assert feeds.parse_publisher_counts(LINES) == {**dict.fromkeys(lines, 0), "a.example": 2, "c.example": 12}
    (tmp_path / "x.txt").write_text("a.example\nb.example\n")
    assert feeds.read_value_list(tmp_path / "x.txt", "domains") == (["a.example", "b.example"], [])
    monkeypatch.setattr(feeds, "MAX_LIST_VALUES", 1)
    (error,) = feeds.read_value_list(tmp_path / "x.txt", "domains")[1]
    assert (error.location, error.key, error.found_value) == (str(tmp_path / "x.txt"), "", "2 values")
    assert error.expected == "at most 1"
    monkeypatch.undo()
    feed = catalogue_loader.read_catalogue([birds.root / "catalog"]).feeds["birds"]
    file = birds.root / "catalog/feeds/birds.txt"
    result = [feeds.make_value_error(feed, value, "x") for value in ("owl.example", "gone.example")]
    assert [(item.location, item.key, item.found_value, item.expected) for item in result] == [
        (f"{file}:3", "", "owl.example", "x"),
        (f"{file}:0", "", "gone.example", "x"),
    ]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("domains", "owl.example", ""),
        ("domains", f"{'a' * 60}." * 4 + "example", ""),
        ("domains", "x" * 257, "at most 256 characters"),
        ("domains", "x" * 256, "a host name"),
        ("domains", "google.com", "a name of this service alone: it carries search"),
        ("hosts", "google.com", ""),  # which a list only speaks of
        ("networks", "198.51.100.0/24", ""),
        ("networks", "owl.example", "a network such as"),
        ("networks", "104.16.0.0/24", "a network of this service alone, none of Cloudflare's content network"),
        ("addresses", "104.16.0.0/24", ""),
        ("addresses", "owl.example", "a network such as"),
    ],
)
def test_value_of_a_list_fits_its_kind(kind, value, expected):
    result = feeds.check_feed_value(value, kind)
    assert result.startswith(expected) and bool(result) == bool(expected)


def test_an_agreement_is_one_of_names():
    check = feeds.check_feed_keys
    assert [*check({"agreement": "2", "kind": "domains"}), *check({"kind": "networks"})] == []
    mistake = (("agreement",), "2", "kind: domains beside it")
    assert list(check({"agreement": "2", "kind": "networks"})) == [mistake]
