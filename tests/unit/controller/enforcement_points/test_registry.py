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
from proscribe.controller.enforcement_points.declaration import LeftOut, NotExportable
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


def of_tenants(*google, microsoft=()):
    made = plan()
    made["controls"]["browser"]["settings"]["tenants"] = {"google": [*google], "microsoft": [*microsoft]}
    return made


@pytest.mark.parametrize("tenant", ['a"b', "a b", "a\nb", "", "x" * 5000])
def test_a_tenant_that_cannot_stand_in_a_header_is_an_error(tenant):
    with pytest.raises(NotExportable, match="is no value of a header of tenants"):
        export("squid_opening", of_tenants(tenant))


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


def test_the_documents_have_an_example_for_each_format(project: Path) -> None:
    _, _, section = (project / "docs/enforcement_points.md").read_text().partition("## One example for each device\n")
    shown = set(re.findall(r"`([a-z_]+)`", section.partition("\n## ")[0]))
    assert sorted(FORMATS.keys() - shown) == []
