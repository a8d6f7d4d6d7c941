"""What each control answers, for a made catalogue; and that it is what the control itself would do."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_policy import made_catalogue, plan, restrictions
from proscribe.cli import Refused
from proscribe.cli.answers import answers, decided
from proscribe.cli.answers.reason import Policy
from proscribe.cli.asked import read
from proscribe.cli.relations import remarks, subject
from proscribe.compile.catalogue import Catalogue, load
from proscribe.controls.browser.rendering import Verdicts, name
from proscribe.controls.dns import wish
from proscribe.plan import CONTROLS


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return made_catalogue(tmp_path_factory.mktemp("catalog"))


def waiver(
    id_: str = "w1", services: tuple[str, ...] = ("parrot",), controls: tuple[str, ...] = CONTROLS, **partial: Any
):
    return SimpleNamespace(id=id_, services=services, controls=controls, partial=partial)


def said(catalogue: Catalogue, text: str, waivers: list[Any] | None = None, **values: Any) -> dict[str, Any]:
    values.setdefault("dns_backend", "auto")
    about = subject(read(text), catalogue)
    policy = Policy(plan(catalogue, waivers or [], **values), restrictions(**values), {"w1": " of head, until then"})
    found = answers(about, policy)
    return {"all": decided(about, found), **found}


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {control: found[control].status for control in CONTROLS if found[control].reasons}


def texts(found: dict[str, Any], control: str) -> str:
    return "; ".join(reason.text for reason in found[control].reasons)


OWN_RULES = [
    {"direction": "in", "protocol": "any", "verdict": "drop"},
    {"direction": "out", "protocol": "any", "addresses": ["192.0.2.64/26"], "verdict": "accept"},
    {"direction": "out", "protocol": "tcp", "ports": [25], "verdict": "reject", "comment": "mail goes by the relay"},
    {"direction": "forward", "protocol": "any", "addresses": ["192.0.2.7"], "ports": [27], "verdict": "drop"},
]


@pytest.mark.parametrize(
    ("asked", "values", "expected"),
    [
        # names
        ("parrot.example", {}, {"apps": "blocked", "browser": "blocked", "firewall": "depends", "dns": "blocked"}),
        ("x.y.parrot.example", {}, {"apps": "blocked", "browser": "blocked", "firewall": "depends", "dns": "depends"}),
        ("x.y.parrot.example", {"dns_backend": "unbound"}, {"dns": "blocked"}),
        ("x.y.parrot.example", {"dns_backend": "hosts"}, {"dns": "open"}),
        ("web.parrot.example", {"dns_backend": "hosts"}, {"dns": "blocked"}),  # named itself
        ("notparrot.example", {}, {}),
        ("work.parrot.example", {}, {"browser": "open", "dns": "open", "firewall": "depends"}),
        ("deep.work.parrot.example", {"dns_backend": "dnsmasq"}, {"browser": "open", "dns": "open"}),
        ("office.parrot.example", {}, {"browser": "open", "dns": "open"}),  # of a service that is permitted here
        ("office.parrot.example", {"services_include": ["parrot_work"]}, {"browser": "blocked", "dns": "blocked"}),
        ("pages.example/parrot/1", {}, {"browser": "blocked"}),
        ("pages.example/other", {}, {"browser": "open"}),
        ("imap.owl.example", {"dns_backend": "hosts"}, {"browser": "blocked", "dns": "blocked"}),
        ("parrot.example", {"controls": {"browser": "audit", "dns": "off"}}, {"browser": "audited", "dns": "off"}),
        ("parrot.example", {"effective_from": "2027-01-01"}, {"browser": "upcoming", "dns": "upcoming"}),
        ("parrot.example", {"categories": ["webmail"]}, {"browser": "open", "dns": "open"}),
        ("gull.example", {}, {"browser": "blocked", "dns": "blocked"}),
        ("gull.example", {"tenants": {"google": ["example.org"]}}, {"browser": "tenants", "dns": "tenants"}),
        ("accounts.google.com", {}, {}),
        ("parrots.example", {}, {}),
        ("google.com/parrot", {}, {"browser": "blocked", "dns": None}),  # a page of a name that is shared
        ("google.com/search", {}, {"browser": "open"}),
        ("example.com:853", {}, {"firewall": "blocked"}),
        # addresses
        ("198.51.100.77", {}, {"browser": "open", "firewall": "blocked", "dns": "open"}),
        ("198.51.100.0/24", {}, {"firewall": "blocked"}),
        ("198.51.0.0/16", {}, {"firewall": "blocked"}),
        ("198.51.101.1", {}, {"browser": "open", "dns": "open"}),
        ("[2001:db8::77]:443", {}, {"firewall": "blocked"}),
        ("198.51.100.77", {"controls": {"firewall": "audit"}}, {"firewall": "audited"}),
        ("198.51.100.77", {"controls": {"firewall": "off"}}, {"firewall": "off"}),
        ("203.0.113.9", {}, {"firewall": "blocked"}),
        ("203.0.113.9:53", {}, {"firewall": "blocked"}),
        ("203.0.113.9:80", {}, {"firewall": "open"}),
        ("192.0.2.7:25", {"firewall_rules": OWN_RULES}, {"firewall": "blocked"}),
        ("192.0.2.77:25", {"firewall_rules": OWN_RULES}, {"firewall": "open"}),  # an earlier rule accepts it
        ("192.0.2.7:26", {"firewall_rules": OWN_RULES}, {}),
        ("192.0.2.7:27", {"firewall_rules": OWN_RULES}, {"firewall": "open"}),  # closed to guests, and not to the host
        ("192.0.2.1:53", {"dns_force": True, "dns_backend": "unbound"}, {"firewall": "blocked"}),
        ("192.0.2.1:53", {"dns_force": True}, {"firewall": "depends"}),
        ("192.0.2.1:53", {"dns_force": True, "dns_backend": "hosts"}, {}),  # there is nobody else to ask
        ("198.51.100.77:25", {"firewall_rules": OWN_RULES}, {"firewall": "blocked"}),  # the ban comes first
        ("example.com:443", {"firewall_quic": "blocked"}, {"firewall": "open"}),
        ("192.0.2.1:853", {}, {"firewall": "blocked"}),
        # services and programs
        ("parrot", {}, {"apps": "blocked", "browser": "blocked", "firewall": "blocked", "dns": "blocked"}),
        ("Parrot", {}, {"apps": "blocked"}),
        ("dodo", {}, {"apps": "reported", "browser": "open"}),
        ("dodo", {"services_include": ["dodo"]}, {"apps": "blocked"}),
        ("parrot-work", {}, {"browser": "open", "dns": "open"}),
        ("example.parrot.Parrot", {}, {"apps": "blocked"}),
        ("parrot-desktop", {"controls": {"apps": "audit"}}, {"apps": "audited"}),
        ("/opt/Parrot/parrot-desktop", {}, {"apps": "blocked"}),
        ("Example.Parrot", {}, {"apps": "open"}),  # a name for Windows
        ("abcdefghijklmnopabcdefghijklmnop", {}, {"browser": "blocked"}),
    ],
)
def test_a_control_answers(catalogue: Catalogue, asked: str, values: dict[str, Any], expected: dict[str, str]) -> None:
    found = statuses(said(catalogue, asked, **values))
    assert {control: found.get(control) for control in expected} == expected
    if not expected:
        assert set(found.values()) <= {"open"}


@pytest.mark.parametrize(
    ("asked", "waivers", "expected"),
    [
        ("parrot.example", [waiver()], {"apps": "waived", "browser": "waived", "firewall": "waived", "dns": "waived"}),
        ("parrot.example", [waiver(controls=("browser",))], {"browser": "waived", "dns": "blocked"}),
        ("198.51.100.77", [waiver()], {"firewall": "waived"}),
        ("x.parrot.example", [waiver()], {"browser": "waived", "dns": "waived"}),
        ("parrot-desktop", [waiver()], {"apps": "waived"}),
        # a part is let through, and the rest is not
        ("parrot-desktop", [waiver(controls=("apps",), users=["alice"])], {"apps": "blocked"}),
        ("198.51.100.77", [waiver(controls=("firewall",), users=["alice"])], {"firewall": "blocked"}),
    ],
)
def test_a_waiver_opens_what_it_says(
    catalogue: Catalogue, asked: str, waivers: list[Any], expected: dict[str, str]
) -> None:
    found = said(catalogue, asked, waivers)
    assert {control: found[control].status for control in expected} == expected
    assert "w1 of head, until then" in "".join(texts(found, control) for control in expected)
    if waivers[0].partial:
        assert "but open for users alice" in texts(found, next(iter(expected)))


@pytest.mark.parametrize(
    ("asked", "control", "values", "reason"),
    [
        ("x.parrot.example", "browser", {}, "below parrot.example, of Parrot"),
        ("parrot.example", "dns", {}, "parrot.example itself, of Parrot"),
        ("work.parrot.example", "browser", {}, "work.parrot.example stays open, though parrot.example is blocked"),
        ("owl.example", "firewall", {}, "Owl has no known addresses of its own"),
        ("parrot.example", "browser", {"services_exclude": ["parrot"]}, "proscribe_services_exclude names it"),
        ("parrot.example", "dns", {"audiences": ["both"]}, "its audience, consumer, is not among proscribe_audiences"),
        ("gull.example", "browser", {"tenants": {"google": ["a.example"]}}, "let in accounts of a.example only"),
        ("198.51.100.77", "firewall", {}, "in 198.51.100.0/2"),
        ("192.0.2.7:25", "firewall", {"firewall_rules": OWN_RULES}, "number 3: reject tcp to port 25 (mail goes by"),
        ("192.0.2.7:27", "firewall", {"firewall_rules": OWN_RULES}, "from guests behind it, proscribe_firewall_rules"),
        ("example.com:443", "firewall", {"firewall_quic": "blocked"}, "QUIC (UDP) is refused everywhere"),
        ("198.51.0.0/16", "firewall", {}, "in part"),
        ("203.0.113.9", "firewall", {}, "on ports 53, 443, 853"),
        ("198.51.100.77", "firewall", {"management": ["198.51.100.64/26"]}, "198.51.100.64/26 of proscribe_management"),
        ("parrot.example", "browser", {"controls": {"browser": "off"}}, "proscribe_controls leaves browser off"),
        ("parrot.example", "dns", {"effective_from": "2027-01-01"}, "in force from 2027-01-01"),
    ],
)
def test_a_control_says_why(
    catalogue: Catalogue, asked: str, control: str, values: dict[str, Any], reason: str
) -> None:
    assert reason in texts(said(catalogue, asked, **values), control)


@pytest.mark.parametrize(
    ("asked", "values", "expected"),
    [
        ("x.y.parrot.example", {}, "blocked"),
        ("work.parrot.example", {}, "depends"),  # its name is open, its addresses may lie among the refused
        ("example.org", {}, "open"),
        ("owl.example", {"controls": dict.fromkeys(CONTROLS, "off")}, "off"),
        ("parrot-desktop", {}, "blocked"),
        ("198.51.100.77", {"controls": {"firewall": "audit"}}, "audited"),
    ],
)
def test_a_host_answers_with_the_most_closed_of_its_controls(
    catalogue: Catalogue, asked: str, values: dict[str, Any], expected: str
) -> None:
    assert said(catalogue, asked, **values)["all"] == expected


@pytest.mark.parametrize(
    ("asked", "remark"),
    [
        ("office365.com", "It stands for Microsoft 365"),
        ("accounts.google.com", "Parrot uses it, and so do others (the sign-in of other sites)"),
        ("parrots.example", "nobody has verified"),
        ("198.51.100.77", "keeps it"),
    ],
)
def test_what_holds_on_every_host_is_said_once(catalogue: Catalogue, asked: str, remark: str) -> None:
    assert any(remark in text for text in remarks(subject(read(asked), catalogue)))


def test_an_unknown_word_is_refused_with_the_close_ones(catalogue: Catalogue) -> None:
    with pytest.raises(Refused, match="did you mean 'parrot'"):
        subject(read("parot"), catalogue)


def test_the_real_catalogue_knows_its_own_names(project: Path) -> None:
    catalogue = load([project / "catalog"])
    for text, kind, id_ in (
        ("mail.google.com", "name", "gmail"),
        ("org.telegram.desktop", "program", "telegram"),
        ("149.154.167.99", "address", "telegram"),
        ("Google Drive", "service", "google_drive"),
    ):
        about = subject(read(text), catalogue)
        assert (
            about.kind,
            id_ in [service.id for service in about.services("is", "blocks", "program", "address")],
        ) == (
            kind,
            True,
        )


INNOCENT = [
    *("accounts.google.com", "www.google.com", "maps.google.com", "fonts.gstatic.com"),
    *("login.microsoftonline.com", "login.live.com", "outlook.office365.com", "www.office.com"),
    *("graph.microsoft.com", "contoso.sharepoint.com", "www.apple.com", "gateway.icloud.com"),
    *("deb.debian.org", "archive.ubuntu.com", "mirrors.fedoraproject.org", "github.com"),
    *("pypi.org", "registry.npmjs.org", "www.gov.hk", "www.qq.com"),
    *("www.baidu.com", "www.wikipedia.org", "notwhatsapp.com", "mywechat.com"),
    *("telegram.org.example.com", "s3.amazonaws.com", "www.cloudflare.com", "api.telegram.org"),
    *("work.weixin.qq.com", "www.example.com"),
]
RESTRICTED_NAMES = [
    *("mail.google.com", "drive.google.com", "web.whatsapp.com", "wa.me"),
    *("web.telegram.org", "t.me", "wx.qq.com", "mail.qq.com"),
    *("outlook.live.com", "mail.yahoo.com", "mail.proton.me", "proton.me/drive"),
    *("www.dropbox.com", "mega.nz", "www.mediafire.com", "discord.com"),
    *("signal.org", "www.icloud.com/mail", "web.wechat.com", "line.me"),
    *("www.messenger.com", "pan.baidu.com", "mail.163.com", "mail.aol.com"),
    *("gmx.net", "wetransfer.com", "pastebin.com", "www.box.com"),
    *("web.skype.com", "mail.zoho.com"),
]


@pytest.fixture(scope="module")
def real(project: Path) -> tuple[Catalogue, Policy]:
    catalogue = load([project / "catalog"])
    return catalogue, Policy(plan(catalogue, []), restrictions(), {})


@pytest.mark.parametrize("asked", INNOCENT)
def test_the_real_catalogue_leaves_innocent_names_open(real: tuple[Catalogue, Policy], asked: str) -> None:
    found = answers(subject(read(asked), real[0]), real[1])
    assert {control: found[control].status for control in ("browser", "dns")} == {"browser": "open", "dns": "open"}


@pytest.mark.parametrize("asked", RESTRICTED_NAMES)
def test_the_real_catalogue_blocks_what_it_is_for(real: tuple[Catalogue, Policy], asked: str) -> None:
    assert answers(subject(read(asked), real[0]), real[1])["browser"].status == "blocked"


# -- it says what the controls do --------------------------------------------------------------------------------------

LABELS = st.sampled_from(["parrot", "work", "office", "web", "owl", "gull", "a", "imap", "pages"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))
WAIVED = st.sets(st.sampled_from(["parrot", "parrot_work", "owl", "gull"]), max_size=2)
VALUES = st.fixed_dictionaries(
    {
        "services_include": st.sampled_from([[], ["parrot_work"]]),
        "tenants": st.sampled_from([{}, {"google": ["example.org"]}]),
        "dns_backend": st.sampled_from(["unbound", "hosts"]),
    }
)


@given(HOSTS, st.sampled_from(["", "/parrot", "/other"]), WAIVED, VALUES)
def test_browser_and_dns_block_what_the_answer_says(
    catalogue: Catalogue, host: str, path: str, waived: set[str], values: dict[str, Any]
) -> None:
    waivers = [waiver(services=tuple(waived))] if waived else []
    found = said(catalogue, host + path, waivers, **values)
    sections = plan(catalogue, waivers, **values)["controls"]
    blocked = Verdicts(sections["browser"]["services"]).blocked(name(host + path))
    assert (found["browser"].status == "blocked") is blocked
    wanted = wish.of_plan(sections["dns"], {}, canaries=values["dns_backend"] == "unbound")
    resolves = wanted.names | wanted.through if values["dns_backend"] == "unbound" else set()
    filtered = wish.covering(host, resolves) in wanted.names if resolves else host in wanted.names
    assert (found["dns"].status == "blocked") is filtered


@given(st.integers(0, 2**11 - 1), st.sampled_from([None, 53, 80, 443]), WAIVED)
def test_the_firewall_refuses_what_the_answer_says(
    catalogue: Catalogue, offset: int, port: int | None, waived: set[str]
) -> None:
    address = ipaddress.ip_address(int(ipaddress.ip_address("198.51.96.0")) + offset)
    waivers = [waiver(services=tuple(waived))] if waived else []
    found = said(catalogue, f"{address}:{port}" if port else str(address), waivers)
    services = plan(catalogue, waivers)["controls"]["firewall"]["services"].values()
    refused = any(
        entry["mode"] == "enforce" and any(address in ipaddress.ip_network(n) for n in entry["networks"])
        for entry in services
    )
    assert (found["firewall"].status == "blocked") is refused
