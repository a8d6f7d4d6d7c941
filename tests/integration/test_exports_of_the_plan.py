"""One decision, many points: real name servers, a real proxy, a JavaScript engine, packet filters."""

import datetime
import json
import subprocess
from pathlib import Path

import network_appliances
import pytest
from conftest import layers, require_root, require_tool
from made_plans import make_plan, make_section
from name_server import NameServer, ask
from network_appliances import PLACES, Appliance, Origin, pac_answers, rendered, visit
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.host.controls.browser.site_rules import NameVerdicts, SiteName
from proscribe.host.controls.dns.names_to_block import collect_section_names, find_covering_name
from proscribe.model.plan import add_digest
from traffic_world import BLOCKED, BLOCKED_6, BLOCKED_HOST, FREE, FREE_6, world_in

NO_SUCH_NAME, FOUND = (3, 0), (0, 1)
PROJECT = Path(__file__).resolve().parents[2]
TENANT = "2fd6bb84-ad40-4ec5-9369-a215b25c9952"


def entry(domains, allow, **more):
    return {"name": "Made", "mode": "enforce", "domains": domains, "allow": allow, "urls": [], **more}


# Six levels within one another, names between them that nobody lists, and a name that only looks like one below.
NESTED = [
    ("l0.made", True),
    ("l1.x.l0.made", False),
    ("l2.l1.x.l0.made", True),
    ("l3.y.z.l2.l1.x.l0.made", False),
    ("l4.l3.y.z.l2.l1.x.l0.made", True),
    ("l5.l4.l3.y.z.l2.l1.x.l0.made", False),
]
CLOSED = ("x.l0.made", "other.x.l0.made", "y.z.l2.l1.x.l0.made", "other.z.l2.l1.x.l0.made", "canary.made")
BETWEEN = {**dict.fromkeys(CLOSED, True), **dict.fromkeys(("nl0.made", "l0.made.example", "made"), False)}


def nested_plan():
    services = {f"s{place}": entry([NESTED[place][0]], [NESTED[place + 1][0]]) for place in (0, 2, 4)}
    # Above an open name that somebody blocks again, the upper one has to leave all of it to the lower ones.
    services["canary"] = entry([], [], canaries=["canary.made"])
    services["web"] = entry([], [], urls=["path.made/drive", "l1.x.l0.made/drive"])
    browser = {id_: {key: value for key, value in item.items() if key != "canaries"} for id_, item in services.items()}
    dns = {id_: {key: value for key, value in item.items() if key != "urls"} for id_, item in services.items()}
    settings = {"browsers": {}, "extensions_allowed": [], "tenants": {}}
    controls = {"browser": make_section("browser", browser, **settings), "dns": make_section("dns", dns)}
    return make_plan(contact="IT", controls=controls)


@pytest.fixture(scope="session")
def own_plan(own_catalogue):
    return compile_plan(own_catalogue, read_restrictions({}, str), [], datetime.date(2026, 11, 27))


@pytest.fixture(scope="module")
def upstream():
    require_root()
    server = NameServer(network_appliances.UPSTREAM)
    yield server
    server.close()


@pytest.fixture(scope="module")
def appliance(tmp_path_factory):
    scratch, empty = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("empty")
    started = Appliance(scratch, layers(network_appliances.ROOT), empty, empty)
    yield started
    started.stop()


def names_of(plan):
    """All names of a plan's sections, a name below each, and the names above them."""
    listed_names = set()
    for control in ("dns", "browser"):
        for item in plan["controls"][control]["services"].values():
            listed_names |= {*item["domains"], *item["allow"], *item.get("canaries", ())}
    below = {f"a.{name}" for name in listed_names} | {f"a.b.{name}" for name in listed_names}
    above = {name.partition(".")[2] for name in listed_names if name.count(".") > 1}
    return sorted({*listed_names, *below, *above, "www.example.org", "example", "gov.hk", *BETWEEN})


def in_dns(plan, names):
    desired = collect_section_names(plan["controls"]["dns"], {}, canaries=True)
    blocked, both = desired.blocked_names, desired.blocked_names | desired.open_names
    return {name: find_covering_name(name, both) in blocked for name in names}


SQUID_PARSES = """
printf 'visible_hostname proxy.made\\ninclude /export/proscribe.conf\\n' >/parsed
squid -k parse -f /parsed >/parsed.log 2>&1 && ! grep -E 'WARNING: .*(acl|domain|http_access)|ERROR|FATAL' /parsed.log
"""


@pytest.mark.parametrize("kind", ("bind", "unbound", "dnsmasq"))
@pytest.mark.parametrize("which", ["nested", "own"])
def test_resolvers_answer_as_the_plan_says(appliance, upstream, own_plan, kind, which):
    plan = nested_plan() if which == "nested" else own_plan
    appliance.put_export(rendered(plan, EXPORT_FORMATS[network_appliances.FORMAT_OF[kind]].name))
    expected = in_dns(plan, names_of(plan))
    if which == "nested":
        assert {name: expected[name] for name in BETWEEN} == BETWEEN
        assert {name: expected[f"a.{name}"] for name, _ in NESTED} == dict(NESTED)
    assert set(expected.values()) == {True, False}
    with appliance.serving(kind) as (address, port):
        upstream.queries.clear()
        answers = {name: ask(address, name, port=port) for name in expected}
        assert {name: answers[name] == NO_SUCH_NAME for name in expected} == expected
        assert all(answers[name] == FOUND for name, blocked in expected.items() if not blocked)
        queried = set(upstream.queries)
        assert queried >= {name for name, blocked in expected.items() if not blocked and "." in name}
        assert not queried & {name for name, blocked in expected.items() if blocked}  # what is blocked goes nowhere
        blocked = next(name for name, is_blocked in expected.items() if is_blocked)
        assert ask(address, blocked.upper(), 65, port) == NO_SUCH_NAME  # HTTPS records too
        assert ask(address, "export.proscribe.internal", 16, port) == FOUND


@pytest.mark.parametrize(
    ("format_", "command"),
    [
        ("rpz", ["named-checkzone", "-k", "fail", "proscribe.rpz", "/export/proscribe.rpz"]),
        ("unbound", ["unbound-checkconf", "/export/proscribe.conf"]),
        ("opnsense", ["unbound-checkconf", "/export/unbound.opnsense.d/proscribe.conf"]),
        ("dnsmasq", ["dnsmasq", "--test", "--conf-file=/export/proscribe.conf"]),
        ("squid", ["sh", "-c", SQUID_PARSES]),
        ("squid_opening", ["sh", "-c", SQUID_PARSES]),
    ],
)
@pytest.mark.parametrize("which", ["nested", "own", "nothing"])
def test_the_tools_accept_the_files(appliance, own_plan, format_, command, which):
    nothing = make_section("dns")
    empty = add_digest({**nested_plan(), "controls": {"dns": nothing, "browser": nothing}})
    appliance.put_export(rendered({"nested": nested_plan(), "own": own_plan, "nothing": empty}[which], format_))
    appliance.run(*command)


def test_a_proxy_that_opens_connections_says_whose_accounts_to_let_in(appliance, upstream):
    """Over plain HTTP, which is what such a proxy has once it has opened HTTPS. What a client says is replaced."""
    plan = nested_plan()
    plan["controls"]["browser"]["settings"]["tenants"] = {"google": ["example.org", "b.example"], "microsoft": [TENANT]}
    appliance.put_export(rendered(add_digest(plan), "squid_opening"))
    own = {"X-GoogApps-Allowed-Domains": "gmail.com", "Restrict-Access-Context": "mine"}
    with Origin(PLACES["origin"]) as origin, appliance.serving("squid_opening") as proxy:
        sites = ["mail.google.com", "login.microsoftonline.com", "device.login.microsoftonline.com", "login.live.com"]
        for host in (*sites, "www.example.org"):
            visit(proxy, f"http://{host}/", own)
    assert origin.headers == {
        "mail.google.com": {"X-GoogApps-Allowed-Domains": "example.org,b.example"},
        "login.microsoftonline.com": {"Restrict-Access-To-Tenants": TENANT, "Restrict-Access-Context": TENANT},
        "device.login.microsoftonline.com": {},  # wants a client's certificate and no proxy
        "login.live.com": {"sec-Restrict-Tenant-Access-Policy": "restrict-msa"},
        "www.example.org": {},
    }


def test_a_proxy_configuration_answers_as_the_plan_says(own_plan, tmp_path):
    require_tool("node")
    odd = ["", "localhost", "__proto__", "constructor", "l0.made.", "A.L0.MADE..", "192.0.2.1", "[2001:db8::1]"]
    for plan in (nested_plan(), own_plan):
        hosts = [*names_of(plan), *odd]
        script = rendered(plan, "pac").files["proscribe.pac"]
        answers = pac_answers(script, [(f"https://{host}/", host) for host in hosts], tmp_path)
        verdicts = NameVerdicts(plan["controls"]["browser"]["services"])
        names = [host for host in hosts if "." in host.strip(".") and "[" not in host]
        blocked = {host for host in names if verdicts.is_blocked(SiteName(host.lower().rstrip(".")))}
        assert answers == ["PROXY 127.0.0.1:9" if host in blocked else "DIRECT" for host in hosts]


def test_an_engine_of_the_language_as_it_was_in_2009_takes_it(appliance, own_plan):
    blocked = own_plan["controls"]["browser"]["services"]["whatsapp"]["domains"][0]
    ask_for = f'print(FindProxyForURL("", "www.{blocked}"), FindProxyForURL("", "www.example.org"));'
    appliance.put("/pac.js", rendered(own_plan, "pac").files["proscribe.pac"] + ask_for.encode())
    assert appliance.run("duk", "/pac.js").stdout == "PROXY 127.0.0.1:9 DIRECT\n"


def test_a_router_refuses_what_the_plan_says(tmp_path, own_plan):
    services = {
        "chat": ["203.0.113.0/24", "2001:db8::/48"],
        "resolver": {"networks": [BLOCKED_HOST], "ports": [53, 443, 853]},
        "x" * 64: {"mode": "audit", "networks": ["100.64.7.0/24"]},
    }
    section = make_section("firewall", services, dns_over_tls="blocked", log=True)
    nothing = make_section("firewall")
    plans = [add_digest({**own_plan, "controls": {"firewall": controls}}) for controls in (section, nothing)]
    full, empty = (rendered(plan, "nft").files["proscribe.nft"].decode() for plan in plans)
    with world_in(tmp_path) as world:

        def nft(*words, stdin=""):
            done = world.run(["nft", *words], stdin=stdin)
            assert done.rc == 0, done.err
            return str(done.out)

        def reached(*addresses, ports=(8080, 443)):
            return {world.send_command("inner", "connect", address, port) for address in addresses for port in ports}

        every = (BLOCKED, BLOCKED_6, BLOCKED_HOST, FREE, FREE_6)
        assert reached(*every) == {"ok"}
        nft("add", "table", "inet", "other")
        for _ in range(2):  # and again, over itself
            nft("-f", "-", stdin=full)
            assert reached(BLOCKED, BLOCKED_6) == reached(BLOCKED_HOST, ports=(53, 443, 853)) == {"ECONNREFUSED"}
            assert reached(BLOCKED_HOST, ports=(8080,)) == reached(FREE, FREE_6, ports=(8080, 443, 53)) == {"ok"}
            assert reached(FREE, FREE_6, ports=(853,)) == {"ECONNREFUSED"}  # DNS over TLS, wherever to
        assert "packets" in nft("list", "counter", "inet", "proscribe_forward", "refused_chat")
        nft("-f", "-", stdin=empty)
        assert nft("list", "tables").split() == ["table", "inet", "other"]
        assert reached(*every) == {"ok"}


ENGINE = "@adguard/tsurlfilter@2.2.23"
MATCH = """
import { readFileSync } from "node:fs";
import { DnsEngine, RuleStorage, StringRuleList } from "@adguard/tsurlfilter";
const engine = new DnsEngine(new RuleStorage([new StringRuleList(1, readFileSync("proscribe.txt", "utf8"), false)]));
const blocked = (host) => { const rule = engine.match(host).basicRule; return !!rule && !rule.isAllowlist(); };
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(blocked)));
"""


@pytest.mark.nightly
@pytest.mark.parametrize("format_", ["adguard", "pihole"])
def test_adguards_own_engine_answers_as_the_plan_says(own_plan, tmp_path, format_):
    """Pi-hole's two lists in one: there too, what is allowed comes before what is blocked."""
    install = [require_tool("npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", ENGINE]
    (tmp_path / "package.json").write_text("{}")
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run(install, **options)
    assert done.returncode == 0, done.stderr
    (tmp_path / "match.mjs").write_text(MATCH)
    shallow = nested_plan()
    for number in {"adguard": ("s4",), "pihole": ("s2", "s4")}[format_]:  # so deep cannot be said, and stays blocked
        del shallow["controls"]["dns"]["services"][number]
    for plan in (add_digest(shallow), own_plan):
        export = rendered(plan, format_)
        assert not [item for item in export.left_out if "open below" in item.subject]
        (tmp_path / "proscribe.txt").write_bytes(b"".join(export.files.values()))
        canaries = {name for item in plan["controls"]["dns"]["services"].values() for name in item.get("canaries", ())}
        # Pi-hole does not answer NXDOMAIN.
        endings = tuple(f".{name}" for name in canaries) if format_ == "pihole" else ()
        names = [name for name in names_of(plan) if "." in name and not f".{name}".endswith(endings)]
        node = [require_tool("node"), "match.mjs"]
        done = subprocess.run(node, input=json.dumps(names), **options)
        assert done.returncode == 0, done.stderr
        assert dict(zip(names, json.loads(done.stdout))) == in_dns(plan, names)
