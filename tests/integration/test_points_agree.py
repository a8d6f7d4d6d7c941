"""They agree: what hosts enforce and what the exports make of the same policy at every point that runs here."""

from typing import NamedTuple

import network_appliances
import pytest
import reach_world
from agreeing_cases import MEANT, NUMBER, cases
from agreeing_policy import OF_OTHER_NAME, OTHER, STRICT, WITH_HOURS_NAME, Answer, Exported, host_of, is_address, stated
from browser_setup import PROJECT, enforce, lift, made_tree, put, visits
from conftest import layers, require_root, require_tool
from patience import LONGEST
from proscribe.controller.cli.explain.reasons.reason import BLOCKED, OPEN
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.catalogue.known_good import read_known_good_lists
from published_lists import blocked_on_purpose
from reach_cases import RESOLVER
from reach_world import HOST, NESTED, World, connections, split
from test_group_policy_samba import of_samba, unpacked

TOOLS = (*reach_world.TOOLS, "apt-get", "chromium", "dpkg-deb", "firefox-esr", "node")

# Where the answer is another one than that of `explain`, which the manifest says, or `explain` itself of Firefox.
DIFFERENT = ("the C library", "squid", "a JavaScript engine", "firefox", "nftables", "iptables")


class Point(NamedTuple):
    control: str  # whose answer of `explain` it has to give
    format: str = ""  # the export that it reads; "" for one that has the policy of the host itself


POINTS = {"bind": Point("dns", "rpz"), "unbound": Point("dns", "unbound"), "dnsmasq": Point("dns", "dnsmasq")}
POINTS |= {"the C library": Point("dns", "hosts"), "squid": Point("browser", "squid")}
POINTS |= {"a JavaScript engine": Point("browser", "pac"), "chromium in a domain": Point("browser", "gpo")}
POINTS |= {"chromium": Point("browser"), "firefox": Point("browser")}
POINTS |= {"nftables": Point("firewall", "nft"), "iptables": Point("firewall", "ipset")}


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    fed = {point.format for point in POINTS.values() if point.format}
    return Exported(tmp_path_factory.mktemp("inventory") / "inventory", fed)


@pytest.fixture(scope="module")
def chosen(policy):
    catalog = PROJECT / "catalog"
    meant = blocked_on_purpose(read_catalogue([catalog]))
    return cases(policy.plan(STRICT), [name for name in read_known_good_lists([catalog])[0].names if name not in meant])


def url_of(word):
    return word if "://" in word else f"https://{word}/"


@pytest.fixture(scope="module")
def world(tmp_path_factory, chosen):
    require_root()
    for tool in TOOLS:
        require_tool(tool)
    made = World(tmp_path_factory.mktemp("points"))
    try:
        made.connect([split(case.word)[0] for case in chosen if is_address(case.word)], {})
        made.start_apart(NESTED, "reaching.py", "etc")
        made.start(HOST, "network_points.py")
        (made.root / "appliance").mkdir()
        root = ":".join(map(str, layers(network_appliances.ROOT)))
        assert made.host("appliance", root, str(made.root / "appliance")) == "ok"
        yield made
    finally:
        made.close()


def by_engine(script, urls, scratch):
    """Return which addresses a PAC file sends nowhere. Of one with https, browsers show it the host alone."""
    shown = [(url if url.startswith("http:") else f"https://{host_of(url)}/", host_of(url)) for url in urls]
    answers = network_appliances.pac_answers(script.encode(), shown, scratch)
    assert set(answers) <= {"DIRECT", "PROXY 127.0.0.1:9"}
    return [answer != "DIRECT" for answer in answers]


def through(world, words):
    """Which addresses cannot be reached by a guest behind the packet filter, over TCP and over UDP alike."""
    reached = world.probe(NESTED, [probe for word in words for probe in connections(*split(word))])
    seen = {word: {reached[probe] == "ok" for probe in connections(*split(word))} for word in words}
    assert {word: both for word, both in seen.items() if len(both) > 1} == {}
    return {word: both == {False} for word, both in seen.items()}


def by_browser(tree, browser, words):
    """Which addresses a browser makes no connection for, in one session."""
    came = visits(tree, browser, [url_of(word) for word in words], seconds=LONGEST)
    return {word: came[url_of(word)][0] == 0 for word in words}


@pytest.fixture(scope="module")
def refused(world, policy, chosen, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    addresses = [case.word for case in chosen if is_address(case.word)]
    words = [case.word for case in chosen if not is_address(case.word)]
    hosts, urls = [host_of(word) for word in words], [url_of(word) for word in words]
    found = {}
    for kind in ("bind", "unbound", "dnsmasq"):
        answers = world.host("resolver", kind, policy.files(POINTS[kind].format), hosts)
        found[kind] = dict(zip(words, answers, strict=True))
    (world.root / NESTED / "etc/resolv.conf").write_text(f"nameserver {RESOLVER}\nsearch .\n")
    (world.root / NESTED / "etc/hosts").write_text(policy.files("hosts")["hosts"])
    reached = world.probe(NESTED, [("name", host) for host in hosts])
    found["the C library"] = {word: reached["name", host] == [] for word, host in zip(words, hosts, strict=True)}
    found["squid"] = dict(zip(words, world.host("proxy", policy.files("squid"), urls), strict=True))
    script = policy.files("pac")["proscribe.pac"]
    found["a JavaScript engine"] = dict(zip(words, by_engine(script, urls, scratch), strict=True))
    assert not any(through(world, addresses).values())
    for point, verb in (("nftables", "nft"), ("iptables", "ipset")):
        assert world.host(verb, policy.files(POINTS[point].format)) == "ok"
        found[point] = through(world, addresses)
    (registry,) = policy.export("gpo").glob("sysvol/*/Machine/Registry.pol")
    computed = of_samba(unpacked(tmp_path_factory.mktemp("samba")), registry.read_bytes(), scratch)["chromium"]
    for tree in made_tree(tmp_path_factory.mktemp("browsers")):
        enforce(tree, policy.plan(STRICT))
        found["chromium"] = by_browser(tree, "chromium", words)
        found["firefox"] = by_browser(tree, "firefox", words)
        lift(tree, policy.plan(STRICT))
        put(tree, {"/etc/chromium/policies/managed/gpo.json": computed})
        found["chromium in a domain"] = by_browser(tree, "chromium", words)
    return found


@pytest.mark.parametrize(
    ("point", "host"),
    [(name, host) for host in (STRICT, OTHER) for name, point in POINTS.items() if point.format or host == STRICT],
)
def test_a_point_answers_as_explain_does_and_its_manifest_says(refused, policy, point, host):
    control, format_ = POINTS[point]
    left_out = policy.left_out(format_) if format_ else []
    listed = {name for one in policy.plan(STRICT)["controls"]["dns"]["services"].values() for name in one["domains"]}
    expected = {}
    for word in refused[point]:
        said = policy.controls(host, word)[control]
        expected[word] = stated(point, word, Answer(said["answer"], said["reasons"]), left_out, listed)
    assert {word: closed for word, closed in refused[point].items() if closed != expected[word]} == {}
    assert set(expected.values()) == {True, False}


@pytest.mark.parametrize("point", POINTS)
def test_differences_named_by_manifests_occur(refused, policy, point):
    control, format_ = POINTS[point]
    answers = {word: policy.says(STRICT, word)[control] == BLOCKED for word in refused[point]}
    other = {word for word, closed in refused[point].items() if closed != answers[word]}
    assert bool(other) == (point in DIFFERENT), other
    if format_ and control != "firewall":
        for word in (OF_OTHER_NAME, WITH_HOURS_NAME):  # closed for both, since one of them may not have it
            assert refused[point][word] and policy.says(OTHER, word)[control] != BLOCKED


FED = {point.format: name for name, point in POINTS.items() if point.format}


@pytest.mark.parametrize("format_", FED)
def test_a_point_answers_as_explain_says_of_what_is_fed(refused, policy, format_):
    found = refused[FED[format_]]
    expected = {word: BLOCKED if closed else OPEN for word, closed in found.items()}
    assert {word: policy.fed(STRICT, word)[format_] for word in found} == expected


def test_300_cases_are_closed_or_open_as_they_are_called(policy, chosen):
    assert len({case.word for case in chosen}) == len(chosen) == NUMBER
    for case in chosen:
        says = policy.says(STRICT, case.word)
        controls = ("firewall",) if is_address(case.word) else ("dns", "browser")
        assert MEANT[case.kind] in (None, any(says[control] == BLOCKED for control in controls)), (case, says)
