"""The formats: what each makes of a plan, and that none is wider than it, for any names within one another."""

from __future__ import annotations

import json
import re
from pathlib import Path

import device_readers
import pytest
import readers
from hypothesis import given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import BY_TENANT, LeftOut, NotExportable
from proscribe.controller.enforcement_points.registry import FORMATS
from proscribe.host.controls.browser.rendering import Name, Verdicts
from proscribe.host.controls.dns.desired import covering, of_plan
from proscribe.host.system import ControlError

# A reader for each format of names. A property can be tested only where the test reads the format as its point does,
# so a format without a reader here has to have its own test.
DNS = {
    "hosts": readers.hosts,
    "rpz": readers.rpz,
    "unbound": readers.unbound,
    "dnsmasq": readers.dnsmasq,
    "adguard": readers.adguard,
}
LABELS = ["a", "b", "c"]
NAMES = st.lists(st.sampled_from(LABELS), min_size=1, max_size=5).map(lambda labels: ".".join([*labels, "example"]))
PATHS = st.sampled_from(["", "/d", "/d/e", "/d/e/f", "/x"])
MODES = st.sampled_from(["enforce", "enforce", "audit", "waived", "report"])


def export(name, made=None):
    return FORMATS[name].render(decision(made))


def only(text, sign="#"):
    return readers.lines(text, sign)


def test_two_lists():
    files = export("domains").files
    assert only(files["blocked.txt"]) == ["bad.help.chat.example", "canary.example", "chat.example", "mail.example"]
    assert only(files["allowed.txt"]) == ["help.chat.example"]


def test_a_hosts_file():
    made = export("hosts")
    names = ["bad.help.chat.example", "chat.example", "mail.example", "web.chat.example"]
    assert only(made.files["hosts"]) == [f"{sink} {name}" for name in names for sink in ("0.0.0.0", "::")]
    assert LeftOut("", "all names below the listed ones", "A hosts file has exact names only.") in made.left_out
    assert [one.what for one in made.left_out if one.rule == "dns/chat"] == ["name canary.example"]


def test_a_policy_zone():
    assert only(export("rpz").files["proscribe.rpz"], ";") == [
        "$TTL 300",
        "@ SOA localhost. root.localhost. 1795766400 3600 600 86400 300",
        "@ NS localhost.",
        f'export.proscribe.internal TXT "plan={plan()["digest"]} at=2026-11-27T08:00:00Z"',
        *("bad.help.chat.example CNAME .", "*.bad.help.chat.example CNAME ."),
        *("canary.example CNAME .", "*.canary.example CNAME ."),
        *("chat.example CNAME .", "*.chat.example CNAME ."),
        *("help.chat.example CNAME rpz-passthru.", "*.help.chat.example CNAME rpz-passthru."),
        *("mail.example CNAME .", "*.mail.example CNAME ."),
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dnsmasq", 'txt-record=export.proscribe.internal,"{}"'),
        ("unbound", "  local-data: 'export.proscribe.internal. 0 IN TXT \"{}\"'"),
    ],
)
def test_a_resolver_answers_which_plan_it_has(name, line):
    said = line.format(f"plan={plan()['digest']} at=2026-11-27T08:00:00Z")
    assert said in export(name).files["proscribe.conf"].decode().splitlines()


def test_a_service_without_a_name_of_its_own_is_left_out_if_it_had_any():
    own = {
        "chat": {"domains": ["chat.example"], "allow": ["chat.example"], "canaries": []},
        "owl": {"mode": "enforce", "domains": [], "allow": []},
    }
    why = "Each of its names is a waived or permitted service's too."
    assert LeftOut("dns/chat", "the service", why) in export("rpz", plan({"dns": own})).left_out
    assert [one for one in export("rpz", plan({"dns": own})).left_out if one.rule == "dns/owl"] == []


def test_a_filter_list():
    assert only(export("adguard").files["proscribe.txt"], "!") == [
        "||bad.help.chat.example^$important",
        "||canary.example^",
        "||chat.example^",
        "||mail.example^",
        "@@||help.chat.example^",
    ]


NESTED = ["d.example", "c.d.example", "b.c.d.example", "a.b.c.d.example", "z.a.b.c.d.example"]


def filter_list_of(*places):
    """The export for services that block the name in each of these places, and have the next one open."""
    services = {
        f"s{place}": {"mode": "enforce", "domains": [NESTED[place]], "allow": NESTED[place + 1 : place + 2]}
        for place in places
    }
    made = export("adguard", plan({"dns": services}))
    blocks = readers.adguard(made.files["proscribe.txt"])
    return made, [blocks(one) for one in NESTED]


def test_what_a_filter_list_cannot_open_stays_blocked():
    made, blocked = filter_list_of(0, 2, 4)
    why = "What is blocked below it could not be blocked again, so all of it stays blocked."
    assert LeftOut("", "name a.b.c.d.example, open below b.c.d.example", why) in made.left_out
    assert blocked == [True, False, True, True, True]


def test_a_filter_list_opens_a_name_below_one_that_is_blocked_again():
    made, blocked = filter_list_of(0, 2)
    opens = [line for line in only(made.files["proscribe.txt"], "!") if "d.example" in line and line.startswith("@@")]
    assert opens == ["@@||a.b.c.d.example^$important", "@@||c.d.example^"]
    assert blocked == [True, False, True, False, False] and made.left_out == []


def test_rules_for_squid():
    made = export("squid")
    assert only(made.files["proscribe.conf"]) == [
        "acl proscribe_blocked_0 dstdomain -n .chat.example",
        "acl proscribe_blocked_0 dstdomain -n .mail.example",
        "acl proscribe_open_1 dstdomain -n .help.chat.example",
        "acl proscribe_blocked_2 dstdomain -n .bad.help.chat.example",
        "http_access deny proscribe_blocked_0 !proscribe_open_1",
        "http_access deny proscribe_blocked_2",
        "acl proscribe_path_1_host dstdomain -n .www.corp.example",
        "acl proscribe_path_1_path urlpath_regex ^/drive",
        "http_access deny proscribe_path_1_host proscribe_path_1_path",
    ]
    why = "Over HTTPS it stays open, unless Squid opens the connections (ssl_bump)."
    assert made.left_out == [LeftOut("browser/drive", "path www.corp.example/drive", why)]


@pytest.mark.parametrize("name", ["squid", "pac"])
def test_a_blocked_path_of_a_host_that_is_refused_is_not_said_to_stay_open(name):
    paths = {"urls": ["chat.example/open/bad"], "allow": ["chat.example/open"]}
    left_out = export(name, plan({"browser": {"chat": paths}})).left_out
    said = [one.what for one in left_out if "chat.example" in one.what]
    assert said == ["path chat.example/open, open on a blocked host"]


def test_the_rules_for_squid_are_of_what_is_restricted_and_has_names():
    more = {"heron": {"mode": "report", "domains": ["heron.example"]}, "owl": {"mode": "enforce", "domains": []}}
    own = {id_: {"urls": [], "allow": [], **entry} for id_, entry in more.items()}
    assert list(export("squid", plan({"browser": own})).included) == ["browser/chat", "browser/drive", "browser/mail"]


OWN = "2fd6bb84-ad40-4ec5-9369-a215b25c9952"


def test_what_is_for_browsers_alone_is_said():
    extensions = {"extensions": {"chrome": ["a" * 32]}}
    made = plan({"browser": {"chat": extensions, "mail": {"mode": "waived", "waiver": "W-1", **extensions}}})
    tenants = {"google": ["a.example"], "microsoft": [OWN]}
    made["controls"]["browser"]["settings"] = {"browsers": {"proxies": "blocked"}, "tenants": tenants}
    for name in ("squid", "pac"):
        said = {one.rule for one in FORMATS[name].render(decision(made)).left_out}
        assert said >= {"browser/chat", "browser/proxies", "browser/google_tenants", "browser/microsoft_tenants"}
        assert "browser/mail" not in said
    opening = {one.rule for one in FORMATS["squid_opening"].render(decision(made)).left_out}  # it has the tenants
    assert opening >= {"browser/chat", "browser/proxies"} and not any("tenants" in rule for rule in opening)


def of_tenants(*google, microsoft=()):
    made = plan()
    made["controls"]["browser"]["settings"]["tenants"] = {"google": [*google], "microsoft": [*microsoft]}
    return made


def test_a_squid_that_opens_connections_says_whose_accounts_may_be_let_in():
    made = export("squid_opening", of_tenants("example.org", "b.example", microsoft=[OWN, "c.example"]))
    lines = only(made.files["proscribe.conf"])
    added = [line for line in lines if line.startswith("request_header_add ")]
    assert added == [
        'request_header_add X-GoogApps-Allowed-Domains "example.org,b.example" proscribe_tenants_1',
        f'request_header_add Restrict-Access-To-Tenants "{OWN},c.example" proscribe_tenants_2',
        f'request_header_add Restrict-Access-Context "{OWN}" proscribe_tenants_2',
        'request_header_add sec-Restrict-Tenant-Access-Policy "restrict-msa" proscribe_tenants_3',
    ]
    # what a client sends of it is lost, on every site
    assert {f"request_header_access {line.split()[1]} deny all" for line in added} <= set(lines)
    sites = [line.split() for line in lines if line.startswith("acl proscribe_tenants_")]
    assert {(acl, host) for _, acl, _, _, host in sites} == {
        ("proscribe_tenants_1", ".google.com"),
        ("proscribe_tenants_2", "login.microsoftonline.com"),
        ("proscribe_tenants_2", "login.microsoft.com"),
        ("proscribe_tenants_2", "login.windows.net"),
        ("proscribe_tenants_3", "login.live.com"),
    }
    assert "proscribe_tenants" not in export("squid_opening").files["proscribe.conf"].decode()


@pytest.mark.parametrize("tenant", ['a"b', "a b", "a\nb", "", "x" * 5000])
def test_a_tenant_that_cannot_stand_in_a_header_is_an_error(tenant):
    with pytest.raises(NotExportable, match="is no value of a header of tenants"):
        export("squid_opening", of_tenants(tenant))


TEXTS = ["adguard", "cidr", "dnsmasq", "domains", "hosts", "ipset", "nft", "pac", "rpz", "squid", "squid_opening"]


@pytest.mark.parametrize("name", [*TEXTS, "unbound"])
def test_each_text_says_which_export_wrote_it(name):
    assert [file for file, content in export(name).files.items() if f"export {name}".encode() not in content] == []


def test_of_what_has_no_networks_only_the_restricted_is_said():
    none = {"networks": [], "ports": []}
    own = {"owl": {"mode": "enforce", **none}, "heron": {"mode": "waived", "waiver": "W-1", **none}}
    said = [one.rule for one in export("cidr", plan({"firewall": own})).left_out if one.why == "It has no networks."]
    assert said == ["firewall/owl"]


def test_networks():
    files = export("cidr").files
    assert only(files["networks.txt"]) == [
        *("192.0.2.0/24", "198.51.100.7/32", "64:ff9b::c000:200/120", "64:ff9b::c633:6407/128"),
        *("2001:db8::/32", "2002:c000:200::/40", "2002:c633:6407::/48"),
    ]
    assert only(files["networks/chat.txt"]) == only(files["networks.txt"])
    assert only(files["ports/resolver.txt"]) == [
        *("203.0.113.9/32", "64:ff9b::cb00:7109/128", "2001:db9::9/128", "2002:cb00:7109::/48"),
    ]
    assert "# resolver: TCP and UDP ports 53, 443, 853 only" in files["ports/resolver.txt"].decode()
    sets = export("ipset").files["proscribe.ipset"].decode()
    assert "create p4_chat hash:net family inet maxelem 65536 -exist\n" in sets
    assert [line for line in sets.splitlines() if line.startswith("add p4_") and "::" in line] == []
    assert [line for line in sets.splitlines() if line.startswith("add p6_") and "." in line] == []
    assert "add p6_resolver_new 2001:db9::9,tcp:853\n" in sets
    assert "add proscribe_new p4_chat\n" in sets


def test_the_sets_of_services_with_long_ids_stay_apart():
    """The kernel takes 31 characters of a name."""
    made = plan()
    services = made["controls"]["firewall"]["services"]
    chat = services.pop("chat")
    ids = ["a_service_with_a_long_name_of_its_own", "a_service_with_a_long_name_of_another"]
    services.update(dict.fromkeys(ids, chat))
    sets = only(export("ipset", made).files["proscribe.ipset"])
    names = {line.split()[1] for line in sets if line.startswith("create p4_a")}
    assert len(names) == 4 and all(len(name) <= 31 for name in names)
    assert {name.removesuffix("_new") for name in names} == {name for name in names if not name.endswith("_new")}


def test_a_tables_own_rules_and_ports():
    made = plan()
    made["controls"]["firewall"]["settings"] |= {
        "dns_over_tls": "blocked",
        "rules": [{"direction": "in"}],
        "force_dns": True,
        "management": ["192.0.2.5"],
    }
    found = export("nft", made)
    text = found.files["proscribe.nft"].decode()
    assert "\t\tip daddr @management-hosts4 accept\n" in text
    assert "th dport 853 jump refuse-dns-over-tls\n" in text
    assert (
        "ip daddr @hosts4_resolver meta l4proto { tcp, udp } th dport { 53, 443, 853 } jump refuse_resolver\n" in text
    )
    assert found.included == ["firewall/chat", "firewall/resolver", "firewall/dns-over-tls"]
    assert [one.rule for one in found.left_out] == ["firewall/own-rules", "firewall/plain-dns"]
    assert "firewall/dns-over-tls" in [one.rule for one in export("cidr", made).left_out]


@pytest.mark.parametrize(
    ("services", "everywhere", "jumps"),
    [(True, "blocked", 8), (True, "unmanaged", 7), (False, "blocked", 1), (False, "unmanaged", 0)],
)
def test_a_table_has_rules_of_services_and_of_all_hosts_and_is_empty_without(services, everywhere, jumps):
    made = plan()
    made["controls"]["firewall"]["settings"]["dns_over_tls"] = everywhere
    if not services:
        made["controls"]["firewall"]["services"] = {}
    text = export("nft", made).files["proscribe.nft"].decode()
    assert (text.count(" jump refuse"), text.count("chain forward {")) == (jumps, min(jumps, 1))


@st.composite
def plans(draw, control, **keys):
    """Plans of a control with a few services that have these keys."""
    services = {}
    for number in range(draw(st.integers(1, 6))):
        mode = draw(MODES)
        waiver = {"waiver": "W-1"} if mode == "waived" else {}
        services[f"s{number}"] = {"mode": mode, **{key: draw(values) for key, values in keys.items()}, **waiver}
    made = plan()
    made["controls"][control]["services"] = services
    return made


SOME = st.lists(NAMES, max_size=2, unique=True)
URLS = st.lists(st.tuples(NAMES, PATHS).map("".join), max_size=3, unique=True)


@given(
    plans("dns", domains=st.lists(NAMES, min_size=1, max_size=3, unique=True), allow=SOME),
    st.lists(NAMES, min_size=1, max_size=30),
)
def test_every_dns_format_answers_as_a_host_does(made, hosts):
    desired = of_plan(made["controls"]["dns"], {}, canaries=True)
    both = desired.names | desired.through
    for name, reader in DNS.items():
        rendered = export(name, made)
        (text,) = rendered.files.values()
        blocks = reader(text)
        for host in hosts:
            blocked = covering(host, both) in desired.names
            if name == "hosts":
                blocked = host in desired.names
            if name == "adguard" and any("open below" in one.what for one in rendered.left_out):
                assert blocks(host) or not blocked, (name, host)
            else:
                assert blocks(host) == blocked, (name, host)


@given(
    plans("browser", domains=SOME, urls=URLS, allow=SOME), st.lists(st.tuples(NAMES, PATHS), min_size=1, max_size=30)
)
def test_squid_answers_as_browsers_do_where_it_sees_the_path(made, addresses):
    rendered = export("squid", made)
    refuses = readers.squid(rendered.files["proscribe.conf"])
    verdicts = Verdicts(made["controls"]["browser"]["services"])
    said = {one.what for one in rendered.left_out}
    for host, path in addresses:
        blocked = verdicts.blocked(Name(host, path))
        if not path or not any("open on a blocked host" in what for what in said):
            assert refuses(host, path) == blocked, (host, path)
        else:
            assert refuses(host, path) or not blocked, (host, path)  # never wider


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        (("corp.example", "/drive/a"), True),
        (("www.corp.example", "/drive/a"), True),
        (("corp.example", "/other"), False),
        (("corp.example", ""), False),
        (("help.corp.example", "/drive/a"), False),  # a host below it that stays open
        (("a.help.corp.example", "/drive/a"), False),
        (("bad.help.corp.example", "/drive/a"), True),
        (("corp.example", "/drive/open/a"), False),  # a part of it that stays open
        (("corp.example", "/drive/open/not/a"), True),
        (("deep.corp.example", "/drive/a"), False),  # open on a host below it, by a shorter path
    ],
)
def test_a_path_that_squid_refuses_has_parts_that_stay_open(address, refused):
    own = {
        "urls": ["corp.example/drive", "corp.example/drive/open/not"],
        "allow": ["help.corp.example", "corp.example/drive/open", "deep.corp.example/dr", "corp.example/d"],
    }
    rendered = export("squid", plan({"browser": {"drive": own, "mail": {"domains": ["bad.help.corp.example"]}}}))
    assert readers.squid(rendered.files["proscribe.conf"])(*address) is refused


HOSTILE = st.text(
    st.sampled_from("aZ09.-_/*:;#!|^$@%&{}()[]<>\"'`\\ \n\r\t\0é\u2028,=+~") | st.characters(), min_size=1, max_size=30
)


def hostile_plan(text, where):
    made = plan()
    controls = made["controls"]
    if where == "id":
        for control in ("browser", "dns", "firewall"):
            services = controls[control]["services"]
            services[text] = services["chat"]
    elif where == "catalogue":
        made["catalog"] = text
    elif where == "digest":
        made["digest"] = text
    elif where == "waiver":
        for section in controls.values():
            for entry in section["services"].values():
                entry.update(mode="waived", waiver=text)
    else:
        for control, key in (("browser", where), ("dns", where), ("firewall", where)):
            if key in controls[control]["services"]["chat"]:
                controls[control]["services"]["chat"][key] = [text]
    return made


PLACES = ["domains", "allow", "urls", "canaries", "networks", "ports", "id", "catalogue", "waiver"]
SQUID = ("squid", "squid_opening")
NET = r"[0-9a-f.:]+(/[0-9]+)?"
# What each line of a format without a reader can be.
LINES = {
    "domains": [r"#.*", r"", r"[a-z0-9_.-]+"],
    "pac": [
        *(r"//.*", r"", r"var proscribeNames =", r"\{", r"\{\};", r"\};", r'"[a-z0-9_.-]+": [01],?'),
        *map(re.escape, FORMATS["pac"].render.__globals__["SCRIPT"].split("\n")),
    ],
    "nft": [
        *(r"#.*", r"", r"(table|delete table) inet proscribe_forward( \{)?", r"\}", r"\t\}"),
        r'\tcomment "Written by Proscribe, export nft\."',
        r"\t(set|chain|counter) [a-z0-9_-]+ \{",
        r"\t\t(type ipv[46]_addr|flags interval|meta l4proto tcp reject with tcp reset)",
        r"\t\treject with icmpx type admin-prohibited",
        r"\t\ttype filter hook forward priority filter - 10; policy accept;",
        rf"\t\t(elements = \{{ |\t+ +)?{NET}(,| \}})",
        r'\t\tcounter name "refused_[a-z0-9_]+"',
        r'\t\tlimit rate 6/minute burst 20 packets log prefix "proscribe [a-z0-9_]+ " flags skuid',
        r"\t\tip6? daddr @[a-z0-9_]+ (meta l4proto \{ tcp, udp \} th dport [0-9{}, ]+ )?jump refuse_[a-z0-9_]+",
    ],
    "ipset": [
        *(r"#.*", r"", r"create [a-z0-9_]+ [a-z0-9:, ]+ -exist", r"(flush|destroy) [a-z0-9_]+"),
        rf"add [a-z0-9_]+ ([a-z0-9_]+|{NET}(,(tcp|udp):[0-9]+)?)",
        r"swap [a-z0-9_]+ [a-z0-9_]+",
    ],
    "cidr": [r"# [A-Za-z0-9 ._:+@/?,()-]*", r"", NET],
}


@pytest.mark.parametrize("name", [*DNS, *LINES, *SQUID])  # 11,000 cases of all
@examples(1_000)
@given(text=HOSTILE, where=st.sampled_from(PLACES))
def test_nothing_injects(name, text, where):
    """Whatever a plan has for a name: the export is refused, or each of its lines is one that its reader expects."""
    try:
        files = FORMATS[name].render(decision(hostile_plan(text, where))).files
    except (ControlError, NotExportable):
        return
    for path, content in files.items():
        assert re.fullmatch(r"[a-z0-9_/.]+", path), path
        if name in LINES:
            for line in content.decode("ascii").split("\n"):
                assert any(re.fullmatch(pattern, line) for pattern in LINES[name]), line
        else:
            (DNS.get(name) or readers.squid)(content)


JSON = [name for name, one in FORMATS.items() if all(file.endswith(".json") for file in one.main.split(", "))]
JSON = [name for name in JSON if name not in device_readers.DEVICES]  # these have a test of their own
# The values of policies that browsers take for addresses: a host, with a dot before it where it is meant alone, or *.
SITES = ("URLBlocklist", "URLAllowlist", "urlBlocklist", "urlAllowlist")


@pytest.mark.parametrize("name", JSON)
@examples(300)
@given(text=HOSTILE, where=st.sampled_from([*PLACES, "name", "bundle_ids"]))
def test_nothing_changes_the_form_of_json(name, text, where):
    """The document has the form that it has with a harmless text, and a site is a site."""
    try:
        files = FORMATS[name].render(decision(for_macs(text, where))).files
    except (ControlError, NotExportable):
        return
    harmless = FORMATS[name].render(decision(for_macs("harmless.example", where))).files
    assert files.keys() == harmless.keys()
    for path, content in files.items():
        document = json.loads(content)
        assert form(document) == form(json.loads(harmless[path])), path
        for site in sites(document):
            assert re.fullmatch(r"\*|\.?[a-z0-9_.-]+(/[A-Za-z0-9._~/-]*)?|[a-z-]+:(//)?\*", site), site


def for_macs(text, where):
    made = hostile_plan(text, where)
    chat = {"mode": "enforce", "name": "Chat", "bundle_ids": ["com.example.chat"]}
    chat |= {"name": {"name": text}, "bundle_ids": {"bundle_ids": [text]}}.get(where, {})
    made["controls"]["apps"]["services"] = {"chat": chat}
    return made


def form(value):
    """What a document consists of, whatever its texts are."""
    if isinstance(value, dict):
        return {key: form(item) for key, item in value.items()}
    return list(map(form, value)) if isinstance(value, list) else type(value)


def sites(value):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from item if key in SITES else sites(item)


@pytest.mark.parametrize("name", ["rpz", "unbound", "domains", "hosts", "squid", "pac", "squid_opening"])
def test_what_is_open_for_tenants_is_named_in_the_manifest_and_in_the_head(name):
    made = plan()
    for control in ("dns", "browser"):
        made["controls"][control]["by_tenant"] = ["gmail", "google_drive"]
    about = decision(made, FORMATS[name].controls)
    found = FORMATS[name].render(about)
    left_out = {one.rule for one in (*about.left_out, *found.left_out) if one.why == BY_TENANT}
    head = "for the organisation's tenants: gmail google_drive" in b"".join(found.files.values()).decode()
    control = FORMATS[name].controls[0]
    expected = set() if name == "squid_opening" else {f"{control}/gmail", f"{control}/google_drive"}
    assert (left_out, head) == (expected, bool(expected))


def test_the_documents_have_an_example_for_each_format(project: Path) -> None:
    _, _, section = (project / "docs/enforcement_points.md").read_text().partition("## One example for each device\n")
    shown = set(re.findall(r"`([a-z_]+)`", section.partition("\n## ")[0]))
    assert sorted(FORMATS.keys() - shown) == []
