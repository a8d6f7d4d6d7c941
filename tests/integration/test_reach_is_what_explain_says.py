"""What a client can reach is what `explain` says, name by name and address by address: real nft, a real resolver.

The firewall knows no names, so the test probes the addresses of a name, like a program that knows them without DNS.
"""

import pytest
import reach_cases
import reach_world
from agreeing_policy import NOW, waiver, write_inventory
from conftest import require_root, require_tool
from explained import Explained, closed
from proscribe.controller.cli.explain.reasons.reason import BLOCKED, DEPENDS, OPEN, REPORTED
from reach_cases import ADDRESSES, CLOSED_TO_HOST, CLOSED_TO_NESTED, NAMES, RESOLVER, V4, V6
from reach_world import BACKENDS, HOST, NESTED, TLS_PORT, World, at, connections, lookups, lost, split

FORCED = "forced"  # a host with an unbound, on which nobody else may ask name servers, and QUIC is refused
BEFORE, ENFORCED, LIFTED = "before", "enforced", "lifted"
OF_NAMES = [connections(address, TLS_PORT, name) for name, pair in NAMES.items() for address in pair]
OF_ADDRESSES = [connections(*split(text)) for text in ADDRESSES]
CONNECTIONS = list(dict.fromkeys(probe for probes in (*OF_NAMES, *OF_ADDRESSES) for probe in probes))
NAME_SERVERS = [probe for address in (RESOLVER, V4, V6) for probe in connections(address, 53)]


class Policy(Explained):
    """The policy of a host for each way of filtering names; each host has the name of its way."""

    def __init__(self, folder):
        hosts = {name: {"proscribe_dns_backend": name} for name in (*BACKENDS, "auto")}
        hosts[FORCED] = {"proscribe_dns_backend": "unbound", "proscribe_dns_force": True}
        hosts[FORCED]["proscribe_firewall_quic"] = "blocked"
        variables = {**reach_cases.VARIABLES, "proscribe_requests": False}
        waived = waiver("w1", reach_cases.WAIVED, groups=["press"])
        written = write_inventory(folder, "press", hosts, variables, waived)
        super().__init__(written, NOW, "press")


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return Policy(tmp_path_factory.mktemp("inventory"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    require_root()
    for tool in reach_world.TOOLS:
        require_tool(tool)
    made = World(tmp_path_factory.mktemp("reach"))
    try:
        made.build()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def seen(world, policy):
    """All that was reached: by each backend of name resolution, and, beside the first one, by the firewall."""
    everything = {}
    for backend in BACKENDS:
        plan = policy.plan(backend)
        controls = ["dns", "firewall"] if backend == BACKENDS[0] else ["dns"]
        world.resolve_by(backend)
        for phase in (BEFORE, ENFORCED, LIFTED):
            for control in controls if phase != BEFORE else []:
                verb = "enforce" if phase == ENFORCED else "lift"
                assert isinstance(actions := world.host(verb, plan, control), list), actions
            if phase == ENFORCED:
                everything[backend, phase, "record"] = world.host("observe", plan)
            for role in (HOST, NESTED):
                probes = [probe for name in NAMES for probe in lookups(backend, role, name)]
                probes += CONNECTIONS if "firewall" in controls else []
                everything[backend, phase, role] = world.probe(role, probes)
    return everything


@pytest.mark.parametrize("phase", [BEFORE, LIFTED])
@pytest.mark.parametrize("role", [HOST, NESTED])
@pytest.mark.parametrize("backend", BACKENDS)
def test_without_proscribe_everything_is_reached(seen, backend, role, phase):
    reached = seen[backend, phase, role]
    expected = {probe: reach_world.reached_by(probe, name) for name in NAMES for probe in lookups(backend, role, name)}
    expected |= dict.fromkeys(CONNECTIONS if backend == BACKENDS[0] else [], "ok")
    assert reached == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_name_resolves_unless_explain_says_that_it_is_blocked(seen, policy, backend, name):
    blocked = closed(policy.says(backend, name)["dns"])
    for role in (HOST, NESTED):
        reached = seen[backend, ENFORCED, role]
        for probe in lookups(backend, role, name):
            expected = lost(probe) if blocked else reach_world.reached_by(probe, name)
            assert (probe, reached[probe]) == (probe, expected), role


@pytest.mark.parametrize("case", [*ADDRESSES, *NAMES])
def test_an_address_is_reached_unless_explain_says_that_it_is_blocked(seen, policy, case):
    places = [(address, TLS_PORT, case) for address in NAMES[case]] if case in NAMES else [split(case)]
    some_blocked = False
    for place in places:
        address, port = place[:2]
        blocked = closed(policy.says(BACKENDS[0], at(address, port))["firewall"])
        some_blocked |= blocked
        for role in (HOST, NESTED):
            reached = seen[BACKENDS[0], ENFORCED, role]
            other = role == NESTED and address in (CLOSED_TO_HOST, CLOSED_TO_NESTED)  # the answer is the host's
            for probe in connections(*place):
                assert (probe, reached[probe] == "ok") == (probe, blocked if other else not blocked), role
    if case in NAMES and some_blocked:  # of a name, explain cannot know where it leads
        assert policy.says(BACKENDS[0], case)["firewall"] == DEPENDS


def test_reasons_name_own_rules_for_guests_only(policy):
    for address, refused in ((CLOSED_TO_HOST, "from this host"), (CLOSED_TO_NESTED, "from guests behind it")):
        (reason,) = policy.reasons(BACKENDS[0], address)["firewall"]
        assert reason.startswith(refused) and "reject" in reason


def test_the_host_itself_reports_the_ban_as_kept(seen):
    for backend in BACKENDS:
        record = seen[backend, ENFORCED, "record"]
        wrong = {rule["rule"] for rule in record["rules"] if rule["state"] in ("error", "noncompliant", "unknown")}
        firewall_is_lifted = backend != BACKENDS[0]
        assert {rule for rule in wrong if not (firewall_is_lifted and rule.startswith("firewall/"))} == set()


def test_where_it_depends_on_the_host_a_filter_blocks_and_the_hosts_file_does_not(policy):
    for name in NAMES:
        by_filter, by_file = (closed(policy.says(backend, name)["dns"]) for backend in ("unbound", "hosts"))
        answer = policy.says("auto", name)["dns"]
        assert (answer == DEPENDS) == (by_filter and not by_file), name
        assert (answer == BLOCKED) == (by_filter and by_file), name


def test_cases_are_closed_or_open_as_they_are_called(policy):
    for control, cases in (("dns", reach_cases.CLOSED_NAMES), ("firewall", reach_cases.CLOSED_ADDRESSES)):
        assert [case for case in cases if not closed(policy.says("dnsmasq", case)[control])] == []
    for word in (*reach_cases.INNOCENT_NAMES, *reach_cases.INNOCENT_ADDRESSES):
        answers = {policy.says("dnsmasq", word)[control] for control in ("dns", "firewall")}
        assert answers <= {OPEN, REPORTED}, word  # facebook.com is a social network, which is only reported


def test_where_only_the_filter_may_ask_nobody_else_reaches_a_name_server_and_web_pages_come_over_tcp(
    seen, world, policy
):
    """`seen` is over by then: it has left the host as it was."""
    assert "QUIC (UDP) is refused everywhere" in policy.reasons(FORCED, at(V4, TLS_PORT))["firewall"][0]
    assert not closed(policy.says(FORCED, at(V4, TLS_PORT))["firewall"])
    assert all(closed(policy.says(FORCED, at(address, 53))["firewall"]) for address in (RESOLVER, V4, V6))
    plan = policy.plan(FORCED)
    world.resolve_by("unbound")
    for control in ("dns", "firewall"):
        world.host("enforce", plan, control)
    states = {rule["rule"]: rule["state"] for rule in world.host("observe", plan)["rules"]}
    assert {"noncompliant", "error", "unknown"}.isdisjoint(states.values()), states
    for role in (HOST, NESTED):
        assert [probe for probe, answer in world.probe(role, NAME_SERVERS).items() if answer == "ok"] == []
        over_tcp, over_udp = world.probe(role, connections(V4, TLS_PORT)).values()
        assert over_tcp == "ok" != over_udp
        for name in ("signal.org", "example.github.io"):
            blocked = closed(policy.says(FORCED, name)["dns"])
            for probe, answer in world.probe(role, lookups("unbound", role, name)).items():
                assert (probe, answer) == (probe, lost(probe) if blocked else reach_world.reached_by(probe, name)), role
    world.host("stop")  # is no way out either
    states = {rule["rule"]: rule["state"] for rule in world.host("observe", plan)["rules"]}
    assert [rule for rule in states if rule.startswith("firewall/") and states[rule] == "noncompliant"] == []
    assert states["dns/resolver"] == "noncompliant"
    for control in ("dns", "firewall"):
        world.host("lift", plan, control)
    for role in (HOST, NESTED):
        assert world.probe(role, NAME_SERVERS) == dict.fromkeys(NAME_SERVERS, "ok")
