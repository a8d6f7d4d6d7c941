"""What an ordinary user can do to name resolution through systemd-resolved and NetworkManager."""

import pytest
from patience import until
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE
from test_dns_services import UPSTREAM, booted_desk, plan

pytestmark = pytest.mark.whole_hosts
AT_THE_SEAT = """cat >/etc/polkit-1/rules.d/50-seat.rules <<'END'
polkit.addRule(function(action, subject) {
    var own = ["settings.modify.own", "network-control", "wifi.share.open", "wifi.share.protected"];
    for (var i in own)
        if (subject.user == "alice" && action.id == "org.freedesktop.NetworkManager." + own[i])
            return polkit.Result.YES;
});
END
"""
BUS = "org.freedesktop.resolve1 /org/freedesktop/resolve1 org.freedesktop.resolve1.Manager"
# Each is refused to alice.
REFUSED = (
    f"resolvectl dns link0 {UPSTREAM}",
    "resolvectl domain link0 ~.",
    "resolvectl default-route link0 yes",
    "resolvectl dnsovertls link0 no",
    "resolvectl llmnr link0 yes",
    "resolvectl revert link0",
    f"busctl call {BUS} SetLinkDomains ia(sb) 2 1 wechat.com true",
    "nmcli connection modify link0 ipv4.dns-search ~.",
    "nmcli connection add type ethernet ifname link0 con-name own connection.permissions user:alice",
    "nmcli general reload",
    "busctl set-property org.freedesktop.NetworkManager /org/freedesktop/NetworkManager org.freedesktop.NetworkManager"
    f" GlobalDnsConfiguration a{{sv}} 1 servers as 1 {UPSTREAM}",
    "tee /etc/NetworkManager/dispatcher.d/99-own",
    "tee /etc/systemd/resolved.conf.d/own.conf",
)
ADDRESSES = "ipv4.method manual ipv4.addresses 198.51.100.2/24 ipv4.gateway 198.51.100.1 ipv6.method disabled"
ADDRESSES += f" ipv4.dns {UPSTREAM}"
ETHERNET, PAIR = "ethernet ifname link0", "veth ifname v0 veth.peer v1"


@pytest.fixture
def host(tmp_path):
    with booted_desk("trixie-seats", tmp_path) as container:
        yield container


AS_ALICE = ("setpriv", "--reuid=alice", "--regid=alice", "--clear-groups")


def as_alice(host, command, check=False):
    """What a command of hers prints; "" where it fails, which `check` makes an error."""
    return host.run("sh", "-c", 'out=$("$@") && printf "%s\\n" "$out"', "sh", *AS_ALICE, *command.split(), check=check)


def may(host, command):
    """Whether a command of hers succeeds."""
    script = '"$@" </dev/null >/dev/null && echo done'
    return host.run("sh", "-c", script, "sh", *AS_ALICE, *command.split(), check=False) == "done\n"


def connect(host, kind, settings):
    as_alice(host, "nmcli connection delete own")
    words = f"nmcli connection add type {kind} con-name own connection.permissions user:alice {settings}"
    as_alice(host, words, check=True)
    as_alice(host, "nmcli connection up own", check=True)


def opened(host, name):
    """Whether alice gets an address that is not the hosts file's."""
    return "192.0.2.1" in as_alice(host, f"getent ahostsv4 {name}.")


def test_without_rights_a_user_changes_nothing_of_it(host):
    assert opened(host, "wechat.com")
    host.call("enforce")
    assert not opened(host, "wechat.com")
    for command in REFUSED:
        assert not may(host, command), command
        assert not opened(host, "wechat.com"), command
    assert not may(host, "resolvectl query --synthesize=no wechat.com")
    assert not may(host, "resolvectl query --protocol=llmnr wechat.com")
    assert host.call("observe")["states"] == [COMPLIANT]
    # Who may do it does open the names, and is named.
    host.sh(f"resolvectl dns link0 {UPSTREAM}; resolvectl domain link0 '~wechat.com'")
    assert opened(host, "wechat.com")
    assert ["link0", "its own name servers are asked for wechat.com"] in host.call("observe")["told"]


def test_questions_to_systemd_resolved_itself_are_answered_as_documented(host):
    """docs/coverage.md: a program can name the link whose servers are asked, and can leave the hosts file out."""
    host.call("enforce")
    assert "192.0.2.1" in as_alice(host, "resolvectl query --interface=link0 wechat.com")
    host.call("lift")
    host.call("enforce", plan("hosts"))
    assert host.call("observe", plan("hosts"))["states"] == [COMPLIANT, NOT_APPLICABLE]
    until(lambda: not opened(host, "wechat.com"))  # systemd-resolved reads a changed file again after two seconds
    assert "192.0.2.1" not in as_alice(host, "resolvectl query wechat.com")
    assert "192.0.2.1" in as_alice(host, "resolvectl query --synthesize=no wechat.com")


def test_a_users_connection_past_systemd_resolveds_filter_is_named(host):
    host.sh(AT_THE_SEAT)
    host.call("enforce")
    pair = f"ipv4.method manual ipv4.addresses 10.8.0.2/24 ipv4.dns {UPSTREAM} ipv4.dns-search ~."
    for kind, settings, link, names in (
        (ETHERNET, f"{ADDRESSES} ipv4.dns-search ~.", "link0", "every name too"),
        (ETHERNET, f"{ADDRESSES} ipv4.dns-priority -100", "link0", "every name too"),
        (ETHERNET, f"{ADDRESSES} ipv4.dns-search ~wechat.com", "link0", "wechat.com"),
        (PAIR, pair, "v0", "every name too"),
    ):
        connect(host, kind, settings)
        host.until(f"resolvectl domain {link} | grep -F '~'")
        seen = host.call("observe")
        finding = [link, f"its own name servers are asked for {names}"]
        assert finding in seen["told"] and NONCOMPLIANT in seen["states"], (settings, seen)
        assert host.call("enforce")["actions"] == []
    as_alice(host, "nmcli connection delete own")
    host.sh("nmcli connection up link0")
    for settings in (f"{ADDRESSES} ipv4.ignore-auto-dns yes", f"{ADDRESSES} connection.llmnr yes connection.mdns yes"):
        connect(host, ETHERNET, settings)
        assert not opened(host, "wechat.com"), settings
        assert host.call("observe")["states"] == [COMPLIANT]
    connect(host, PAIR, "ipv4.method shared ipv4.addresses 10.42.0.1/24")  # as a hotspot: a dnsmasq for who comes in
    host.until("ss -lun | grep -F 10.42.0.1:53")
    ask = "import sys; sys.path.insert(0, '/tests'); from name_server import ask; print(ask('10.42.0.1', 'wechat.com'))"
    assert host.run("python3", "-c", ask) == "(3, 0)\n" and host.call("observe")["states"] == [COMPLIANT]


def test_a_users_connection_that_opens_a_name_in_networkmanagers_dnsmasq_is_named(host):
    host.sh(AT_THE_SEAT)
    host.without_resolved()
    host.call("enforce")
    for search, name in (("~wechat.com", "wechat.com"), ("~login.wechat.com", "login.wechat.com")):
        assert not opened(host, name)
        connect(host, ETHERNET, f"{ADDRESSES} ipv4.dns-search {search}")
        assert opened(host, name)
        seen = host.call("observe")
        assert ["link0", f"its own name servers are asked for {name}"] in seen["told"], seen
        assert NONCOMPLIANT in seen["states"]
        as_alice(host, "nmcli connection delete own")
        host.sh("nmcli connection up link0")
        host.until(f"! getent ahostsv4 {name}.")
    for more in ("ipv4.dns-search ~work.wechat.com", "ipv4.dns-priority -10", "ipv4.dns-search ~com"):
        connect(host, ETHERNET, f"{ADDRESSES} {more}")
        assert not opened(host, "wechat.com"), more
        assert host.call("observe")["states"] == [COMPLIANT], more
    dnsmasq = "org.freedesktop.NetworkManager.dnsmasq"
    setting = f"busctl call {dnsmasq} /uk/org/thekelleys/dnsmasq {dnsmasq} SetDomainServers as 1 /wechat.com/{UPSTREAM}"
    assert not may(host, setting) and not opened(host, "wechat.com")
