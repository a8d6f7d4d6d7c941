"""What a format says of one address, for `explain`: the same as its files, for a port and a path too. And the networks
of the management, which no point cuts off.
"""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import SETTINGS, decision, plan
from proscribe.controller.enforcement_points.declaration import HTTP, HTTPS, NO_PATHS, LeftOut
from proscribe.controller.enforcement_points.registry import FORMATS
from proscribe.model.plan import sealed


def managed(*networks, firewall=None):
    """The made plan with networks of the management; `firewall`: other networks of its service chat."""
    made = plan({"firewall": {"chat": {"networks": firewall}}} if firewall is not None else {})
    chosen = {**SETTINGS["firewall"], "dns_over_tls": "blocked", "management": list(networks)}
    section = {**made["controls"]["firewall"], "settings": chosen}
    return sealed({**made, "controls": {**made["controls"], "firewall": section}})


def whole(made):
    """The networks that a list has as a whole."""
    lines = FORMATS["cidr"].render(decision(made)).files["networks.txt"].decode().splitlines()
    return [ipaddress.ip_network(line) for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("format_", ["cidr", "ipset"])
def test_a_service_that_is_all_within_them_is_said(format_):
    made = FORMATS[format_].render(decision(managed("192.0.2.0/23", firewall=["192.0.2.0/24"])))
    assert LeftOut("firewall/chat", "the service", "All of its networks are in proscribe_management.") in made.left_out
    assert list(made.included) == ["firewall/resolver"]


NETWORKS = st.lists(
    st.builds(
        lambda number, length: str(ipaddress.ip_network((number, length), strict=False)),
        st.integers(0xC6120000, 0xC612001F),
        st.integers(26, 32),
    ),
    max_size=4,
)


@given(NETWORKS, NETWORKS, st.integers(0xC6120000, 0xC612003F).map(ipaddress.ip_address))
def test_an_address_is_in_a_list_unless_it_is_the_managements(networks, exempt, address):
    def within(texts):
        return any(address in ipaddress.ip_network(text) for text in texts)

    made = managed(*exempt, firewall=networks)
    expected = within(networks) and not within(exempt)
    assert any(address in one for one in whole(made)) == expected
    assert FORMATS["ipset"].blocks(made, str(address), 80) == expected


@pytest.mark.parametrize(
    ("format_", "host", "port", "expected"),
    [
        ("nft", "203.0.113.9", 53, True),
        ("nft", "203.0.113.9", None, True),  # on some port
        ("nft", "64:ff9b::c000:207", 8443, True),  # 192.0.2.7, by a translator
        ("ipset", "2002:c000:207::1", 8443, True),
        ("cidr", "64:ff9b::c000:241", 8443, False),  # 192.0.2.65, of the management
        ("nft", "100.64.0.1", 853, True),  # DNS over TLS, wherever to
        ("ipset", "100.64.0.1", 853, False),  # a list of networks has no such rule
        ("nft", "192.0.2.65", 853, False),  # of the management
        ("nft", "chat.example", 443, None),
        ("squid", "www.corp.example", 80, False),
        ("squid", "www.corp.example/drive/a", 80, True),
        ("squid", "chat.example/about", 80, True),
        ("gpo", "www.corp.example/drive/a", 443, True),
        ("pac", "www.corp.example", 80, False),
        ("rpz", "a.chat.example", 443, True),
        ("rpz", "help.chat.example", 443, False),
        ("hosts", "a.chat.example", 443, False),
        ("hosts", "canary.example", 443, False),  # has to be answered with NXDOMAIN
    ],
)
def test_an_answer_for_one_address(format_, host, port, expected):
    assert FORMATS[format_].blocks(managed("192.0.2.64/26"), host, port) is expected


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("host", ["chat.example", "192.0.2.7"])
def test_a_plan_without_the_control_blocks_nothing(format_, host):
    answers = FORMATS[format_].blocks
    assert not (answers and answers(sealed({**plan(), "controls": {}}), host, 443))


def test_which_points_see_paths():
    seen = {name: one.paths for name, one in FORMATS.items() if one.paths != NO_PATHS}
    browsers = ("chrome_enterprise", "gpo", "intune", "mobileconfig")
    assert seen == {"squid": HTTP, "squid_opening": HTTPS, **dict.fromkeys(browsers, HTTPS)}
