"""Formats: answers of each as its point reads it, hostile names, and recorded exports."""

import datetime
import json
import plistlib
import re
from pathlib import Path
from xml.etree import ElementTree

import device_readers
import pytest
import readers
from hypothesis import given
from hypothesis import strategies as st
from made_export import AT, decision, plan
from properties import examples
from proscribe.controller.enforcement_points import manifest
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.controller.enforcement_points.format_declaration import ExportError, ExportOmission
from proscribe.controller.enforcement_points.formats import ddm, intune, mobileconfig
from proscribe.host.controls.browser.browser_settings import SETTINGS
from proscribe.host.controls.browser.site_rules import NameVerdicts, SiteName
from proscribe.host.controls.dns.names_to_block import collect_section_names, find_covering_name
from proscribe.host.system import ControlError
from proscribe.model.plan import add_digest
from recording import compare, fold, join_files, outline

# A reader for each format of names. A property can be tested only where the test reads the format as its point does,
# so a format without a reader here has to have its own test.
DNS = {name: getattr(readers, name) for name in ("hosts", "rpz", "unbound", "dnsmasq", "adguard")}
LABELS = ["a", "b", "c"]
NAMES = st.lists(st.sampled_from(LABELS), min_size=1, max_size=5).map(lambda labels: ".".join([*labels, "example"]))
PATHS = st.sampled_from(["", "/d", "/d/e", "/d/e/f", "/x"])
NESTED = ["d.example", "c.d.example", "b.c.d.example", "a.b.c.d.example", "z.a.b.c.d.example"]
SOME = st.lists(NAMES, max_size=2, unique=True)
URLS = st.lists(st.tuples(NAMES, PATHS).map("".join), max_size=3, unique=True)
HOSTILE = st.text(
    st.sampled_from("aZ09.-_/*:;#!|^$@%&{}()[]<>\"'`\\ \n\r\t\0é\u2028,=+~") | st.characters(), min_size=1, max_size=30
)
PLACES = ["domains", "allow", "urls", "canaries", "networks", "ports", "id", "catalogue", "waiver"]
NET = r"[0-9a-f.:]+(/[0-9]+)?"
DEVICES = device_readers.DEVICES  # these have a test of their own
FILES = {name: one.main_files.split(", ") for name, one in EXPORT_FORMATS.items() if name not in DEVICES}
JSON = [name for name, files in FILES.items() if all(file.endswith(".json") for file in files)]
WHY_NESTED = "What is blocked below it could not be blocked again, so all of it stays blocked."
OWN, PARTNER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "72f988bf-86f1-41af-91ab-2d7cd011db47"
# Registry.pol is binary, scripts have their own test, each other one is as a file of another browser, or in reverse.
LEFT_OUT = (".pol", ".ps1", "remove.reg", "brave.json", "chromium.json", "windows_edge.json")
# Of exports of the same control, one is recorded whole.
BASES = {"dns": "domains", "browser": "pac", "apps": "applocker", "firewall": "cidr", "squid_opening": "squid"}
STATEMENTS = (  # in each export, and shown in those that are recorded whole
    "The next export replaces this file, so changes to it are lost.",
    "For 2 host(s) of group web, as of 2026-11-27T08:00:00Z, valid until 2026-11-28T08:00:00Z",
    "Accounts of the organisation's tenants have the same hosts (proscribe_tenants), so it is open to all accounts.",
    "Open to all accounts, for the organisation's tenants: gmail",
)
CLAIMS = ("included", "left_out", "waived")  # the others are the same in each format
WAIVED = {"mode": "waived", "waiver": "W-1"}


def export(name, made=None):
    return EXPORT_FORMATS[name].render_export(decision(made))


def filter_list_of(*places):
    """The export for services that block the name in each of these places, and have the next one open."""
    sites = {f"s{at}": {"mode": "enforce", "domains": [NESTED[at]], "allow": NESTED[at + 1 : at + 2]} for at in places}
    made = export("adguard", plan({"dns": sites}))
    blocks = readers.adguard(made.files["proscribe.txt"])
    return made, [blocks(one) for one in NESTED]


def test_name_that_a_filter_list_cannot_open_stays_blocked():
    made, blocked = filter_list_of(0, 2, 4)
    assert ExportOmission("", "name a.b.c.d.example, open below b.c.d.example", WHY_NESTED) in made.left_out
    assert blocked == [True, False, True, True, True]


def test_a_filter_list_opens_a_name_below_one_that_is_blocked_again():
    made, blocked = filter_list_of(0, 2)
    lines = readers.lines(made.files["proscribe.txt"], "!")
    opens = [line for line in lines if "d.example" in line and line.startswith("@@")]
    assert opens == ["@@||a.b.c.d.example^$important", "@@||c.d.example^"]
    assert blocked == [True, False, True, False, False] and made.left_out == []


@pytest.mark.parametrize("tenant", ['a"b', "a b", "a\nb", "", "x" * 5000])
def test_a_tenant_that_cannot_stand_in_a_header_is_an_error(tenant):
    for made in (plan_of_tenants(tenant), plan_of_tenants(microsoft=(OWN, tenant))):
        with pytest.raises(
            ExportError, match="proscribe_tenants.(google|microsoft): found .*, expected a domain such as"
        ):
            export("squid_opening", made)


@st.composite
def plans(draw, control, **keys):
    services = {}
    for number in range(draw(st.integers(1, 6))):
        mode = draw(st.sampled_from(["enforce", "enforce", "audit", "waived", "report"]))
        waiver = {"waiver": "W-1"} if mode == "waived" else {}
        services[f"s{number}"] = {"mode": mode, **{key: draw(values) for key, values in keys.items()}, **waiver}
    made = plan()
    made["controls"][control]["services"] = services
    return made


DNS_PLANS = plans("dns", domains=st.lists(NAMES, min_size=1, max_size=3, unique=True), allow=SOME)
HOSTS = st.lists(NAMES, min_size=1, max_size=30)


@given(DNS_PLANS, HOSTS)
def test_every_dns_format_answers_as_a_host_does(made, hosts):
    desired = collect_section_names(made["controls"]["dns"], {}, canaries=True)
    both = desired.blocked_names | desired.open_names
    for name, reader in DNS.items():
        rendered = export(name, made)
        (text,) = rendered.files.values()
        blocks = reader(text)
        for host in hosts:
            blocked = find_covering_name(host, both) in desired.blocked_names
            if name == "hosts":
                blocked = host in desired.blocked_names
            if name == "adguard" and any("open below" in one.subject for one in rendered.left_out):
                assert blocks(host) or not blocked, (name, host)
            else:
                assert blocks(host) == blocked, (name, host)


@pytest.mark.slow
@given(
    plans("browser", domains=SOME, urls=URLS, allow=SOME), st.lists(st.tuples(NAMES, PATHS), min_size=1, max_size=30)
)
def test_squid_answers_as_browsers_do_where_it_sees_the_path(made, addresses):
    rendered = export("squid", made)
    refuses = readers.squid(rendered.files["proscribe.conf"])
    verdicts = NameVerdicts(made["controls"]["browser"]["services"])
    said = {one.subject for one in rendered.left_out}
    for host, path in addresses:
        blocked = verdicts.is_blocked(SiteName(host, path))
        if not path or not any("open on a blocked host" in what for what in said):
            assert refuses(host, path) == blocked, (host, path)
        else:
            assert refuses(host, path) or not blocked, (host, path)  # never wider


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


# What each line of a format without a reader can be.
LINES = {
    "domains": [r"#.*", r"", r"[a-z0-9_.-]+"],
    "pac": [
        *(r"//.*", r"", r"var proscribeNames =", r"\{", r"\{\};", r"\};", r'"[a-z0-9_.-]+": [01],?'),
        *map(re.escape, EXPORT_FORMATS["pac"].render_export.__globals__["TEMPLATE"].split("\n")),
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


@pytest.mark.parametrize("name", [*DNS, *LINES, "squid", "squid_opening", *sorted(DEVICES)])
@examples(1_000)
@given(text=HOSTILE, where=st.sampled_from(PLACES))
def test_no_text_injects_into_an_export(name, text, where):
    try:
        files = EXPORT_FORMATS[name].render_export(decision(hostile_plan(text, where))).files
    except (ControlError, ExportError):
        return
    if name in DEVICES:
        DEVICES[name](files)
        return
    for path, content in files.items():
        assert re.fullmatch(r"[a-z0-9_/.]+", path), path
        if name in LINES:
            for line in content.decode("ascii").split("\n"):
                assert any(re.fullmatch(pattern, line) for pattern in LINES[name]), line
        else:
            (DNS.get(name) or readers.squid)(content)


@pytest.mark.parametrize("name", JSON)
@examples(300)
@given(text=HOSTILE, where=st.sampled_from([*PLACES, "name", "bundle_ids"]))
def test_no_text_changes_the_form_of_json(name, text, where):
    try:
        files = EXPORT_FORMATS[name].render_export(decision(for_macs(text, where))).files
    except (ControlError, ExportError):
        return
    harmless = EXPORT_FORMATS[name].render_export(decision(for_macs("harmless.example", where))).files
    assert files.keys() == harmless.keys()
    for path, content in files.items():
        if path.endswith(".ps1"):  # test_remediation_scripts.py reads them
            continue
        document = json.loads(content)
        assert form(document) == form(json.loads(harmless[path])), path
        for site in sites(document):  # a host, with a dot before it where it is meant alone, or *
            assert re.fullmatch(r"\*|\.?[a-z0-9_.-]+(/[A-Za-z0-9._~/-]*)?|[a-z-]+:(//)?\*", site), site


def for_macs(text, where):
    made = hostile_plan(text, where)
    chat = {"mode": "enforce", "name": "Chat", "bundle_ids": ["com.example.chat"]}
    chat |= {"name": {"name": text}, "bundle_ids": {"bundle_ids": [text]}}.get(where, {})
    made["controls"]["apps"]["services"] = {"chat": chat}
    return made


def form(value):
    if isinstance(value, dict):
        return {key: form(item) for key, item in value.items()}
    return list(map(form, value)) if isinstance(value, list) else type(value)


def sites(value):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from item if key in ("URLBlocklist", "URLAllowlist", "urlBlocklist", "urlAllowlist") else sites(item)


def test_the_documents_have_an_example_for_each_format(project):
    _, _, section = (project / "docs/enforcement_points.md").read_text().partition("## One example for each device\n")
    shown = set(re.findall(r"`([a-z_]+)`", section.partition("\n## ")[0]))
    assert sorted(EXPORT_FORMATS.keys() - shown) == []


def test_every_device_has_a_reader_and_says_where_its_facts_are_from():
    assert {name for name, one in EXPORT_FORMATS.items() if one.device and one.controls == ("dns",)} == set(DEVICES)
    devices = [one.device for one in EXPORT_FORMATS.values() if one.device]
    assert all(device.wildcard_form and device.exception_form and device.fetch_method for device in devices)


@pytest.mark.slow
@given(DNS_PLANS, HOSTS)
def test_every_device_answers_as_a_host_does_or_stricter_and_says_so(made, hosts):
    desired = collect_section_names(made["controls"]["dns"], {}, canaries=False)
    either = desired.blocked_names | desired.open_names
    for name, read in DEVICES.items():
        rendered, answer = export(name, made), EXPORT_FORMATS[name].is_blocked
        blocks = read(rendered.files)
        nested = any(one.reason == WHY_NESTED for one in rendered.left_out)
        for host in hosts:
            blocked = find_covering_name(host, either) in desired.blocked_names
            assert answer is not None and answer(made, host) in (blocks(host), None), (name, host)
            if name == "defender_indicators":
                assert blocks(host) == (host in desired.blocked_names)
            elif nested:
                assert blocks(host) or not blocked, (name, host)
            else:
                assert blocks(host) == blocked, (name, host)


@pytest.mark.parametrize(
    ("name", "lines"), [("cloudflare_gateway", [1_000, 1_000, 501]), ("defender_indicators", [500] * 5 + [1])]
)
def test_names_beyond_the_limit_of_a_file_go_into_the_next(name, lines):
    made = plan({"dns": {"chat": {"domains": [f"n{n}.test" for n in range(2_500)], "allow": [], "canaries": []}}})
    made["controls"]["dns"]["services"]["mail"]["domains"] = ["mail.example"]
    files = export(name, made).files
    assert sorted(content.count(b"\n") - 1 for content in files.values())[-len(lines) + 1 :] == sorted(lines)[1:]
    assert all(DEVICES[name](files)(host) for host in ("n0.test", "n999.test", "n2499.test", "mail.example"))


def plan_of_tenants(*google, microsoft=()):
    made = plan()
    made["controls"]["browser"]["settings"]["tenants"] = {"google": [*google], "microsoft": [*microsoft]}
    return made


@pytest.mark.parametrize(
    ("tenants", "said"),
    [
        ((), "nothing to export: proscribe_tenants names no tenant of Microsoft's"),
        (('a"b',), "proscribe_tenants.microsoft: found 'a\"b', expected a domain such as example.org"),
        ((OWN, "a\r\nX: b"), "proscribe_tenants.microsoft: found 'a\\r\\nX: b', expected a domain such as example.org"),
        ([f"{n:08x}{OWN[8:]}" for n in range(110)], "4,069 characters of a header, but the device takes at most 4,000"),
    ],
)
def test_tenants_that_no_header_takes_are_refused(tenants, said):
    with pytest.raises(ExportError, match=re.escape(said)) as refused:
        export("entra_tenant_restrictions", plan_of_tenants(microsoft=tenants))
    assert refused.value.is_nothing_to_export == (not tenants)


def plan_for_macs(**apps):
    made = plan()
    entries = {id_: {"name": id_, "mode": "enforce", "mac_apps": names} for id_, names in apps.items()}
    made["controls"]["apps"]["services"] = entries
    return made


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_name_and_no_contact_changes_a_record(name, contact):
    made = {**plan_for_macs(chat=[f"{name}.app"]), "contact": contact}
    try:
        files = export("jamf_restricted_software", made).files
    except ExportError:
        return
    assert device_readers.jamf(files) == {f"{name}.app"}


@pytest.mark.parametrize("hostile", ["com.example\n", "a b", "<key>x</key>", "com/../x", '"', "\u202e", "x" * 256, ""])
def test_an_identifier_that_is_more_than_one_is_refused(hostile):
    one = plan({"apps": {"chat": {"mode": "enforce", "bundle_ids": [hostile]}}})
    for format_ in (mobileconfig, ddm, intune):
        with pytest.raises(ExportError, match="no identifier of a program on macOS"):
            format_.render_export(decision(one))


RENDERED = mobileconfig.render_export(decision(plan(request_url="https://a.example/"))).files["browsers.mobileconfig"]
PLAIN = [one.tag for one in ElementTree.fromstring(RENDERED).iter()]


@pytest.mark.slow
@examples(10_000)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_text_gets_out_of_its_place_in_a_profile(hostile):
    chosen = decision(plan(request_url="https://a.example/" + hostile))._replace(group=hostile, catalogue=hostile)
    try:
        content = mobileconfig.render_export(chosen).files["browsers.mobileconfig"]
    except ExportError:
        assert any(one < " " or one in "\ufffe\uffff" for one in hostile)
        return
    payloads = {payload["PayloadType"]: payload for payload in plistlib.loads(content)["PayloadContent"]}
    one_end = ("https://a.example/" + hostile).replace("\r\n", "\n").replace("\r", "\n")  # as XML has it
    assert payloads["org.mozilla.firefox"]["SupportMenu"]["URL"] == one_end
    assert [one.tag for one in ElementTree.fromstring(content).iter()] == PLAIN


CHAT = {"name": "Chat & Talk", "mode": "enforce", "mac_apps": ["Talk.app", "Chat.app"], "team_ids": ["EXAMPLE123"]}
CHAT |= {"bundle_ids": ["com.example.talk", "com.example.chat"], "signing_ids": ["EXAMPLE123:com.example.chat"]}
CHAT |= {"windows_publishers": {"appx": ["CN=Example, O=Example\\Example.Chat"]}, "windows_processes": ["chat.exe"]}
CHAT["windows_packages"] = {"winget": ["Example.Chat"], "appx": ["Example.Chat_1a2b", "Example.Talk_1a2b"]}
# heron is waived, owl only reported, wren restricted with nothing that a point could take.
SERVICES = {
    "apps": {
        "chat": CHAT,
        "mail": {"mode": "audit", "packages": {"brew_cask": ["mail"]}},
        "heron": {**WAIVED, "bundle_ids": ["com.example.heron"], "mac_apps": ["Heron.app"]},
        "owl": {"mode": "report"},
        "wren": {"mode": "enforce"},
    },
    "browser": {
        "chat": {
            "urls": ["www.corp.example/chat", "chat.example/open/bad"],
            "allow": ["help.chat.example", "chat.example/open", "www.corp.example/chat/open", "a.www.corp.example"],
            "extensions": {"chrome": ["a" * 32], "firefox": ["chat@example"]},
        },
        "heron": {**WAIVED, "domains": ["heron.example"], "urls": [], "allow": []},
        "owl": {"mode": "report", "domains": ["owl.example"], "urls": [], "allow": []},
        "wren": {"mode": "enforce", "domains": ["heron.example"], "urls": [], "allow": []},
    },
    "dns": {
        "chat": {"allow": ["help.chat.example", "e_.chat.example"], "canaries": ["canary.example", "chat.example"]},
        "mail": {"domains": ["mail.example", "bad.help.chat.example", "a.b.mail.example", "x.e_x", "z" * 63]},
        "heron": {**WAIVED, "domains": ["heron.example"], "allow": ["mail.example/x"], "canaries": ["c.heron.example"]},
        "owl": {"mode": "report", "domains": ["owl.example"], "allow": []},
        "wren": {"mode": "enforce", "domains": ["heron.example"], "allow": []},
    },
    "firewall": {
        "chat": {"networks": ["192.0.2.0/24", "198.51.100.7", "198.51.100.8/31", "2001:db8::/32"]},
        "a_service_with_a_long_name_of_its_own": {"mode": "audit", "networks": ["2001:db8:1::1"], "ports": [443]},
        "heron": {**WAIVED, "networks": ["233.252.0.1"], "ports": []},
        "owl": {"mode": "report", "networks": ["233.252.0.2"], "ports": []},
        "wren": {"mode": "enforce", "networks": ["203.0.113.200"], "ports": []},
    },
}


def rich_plan(*microsoft, closed=()):
    found = plan(SERVICES, contact="IT & <help>", request_url="https://help.example/ask")
    controls = found["controls"]
    controls["apps"]["settings"] |= {"refusal_notice": "Ask us.\nFragen Sie uns.", "applocker": "enforce"}
    tenants = {"google": ["b.example"], "microsoft": [*microsoft] or [OWN, PARTNER, "b.example"]}
    controls["browser"]["settings"] |= {"tenants": tenants, "browsers": dict.fromkeys(closed, "blocked")}
    management = ["192.0.2.64/26", "2001:db8:c000::/34", "203.0.113.200"]
    settings = {"dns_over_tls": "blocked", "quic": "blocked", "rules": [{"direction": "in"}], "force_dns": True}
    controls["firewall"]["settings"] |= {**settings, "management": management}
    for control in ("dns", "browser"):
        controls[control]["by_tenant"] = ["gmail"]
    return add_digest(found)


def recorded(name):
    """Render an export as one text: each file, and what the manifest says."""
    format_ = EXPORT_FORMATS[name]
    # Entra takes a tenant by its id only.
    ids = (OWN, {"id": PARTNER, "domains": ["b.example"]}) if name == "entra_tenant_restrictions" else ()
    closed = SETTINGS if name == "chrome_enterprise" else ()  # every bypass of a block list
    about = decision(rich_plan(*ids, closed=closed), format_.controls, "web")
    about = about._replace(valid_until=AT + datetime.timedelta(days=1))
    found = format_.render_export(about)
    parts = {path: shown(content) for path, content in sorted(found.files.items()) if not path.endswith(LEFT_OUT)}
    claims = manifest.make_manifest(format_, about, found)
    device, answers = format_.device, "answers" if format_.is_blocked else "answers nothing"
    facts = {claim: claims[claim] for claim in CLAIMS} | {"waived": dict(sorted(claims["waived"].items()))}
    facts["declared"] = [format_.controls, format_.main_files.split(", "), format_.visible_paths, answers]
    facts |= {"vendor": [device.read_on, device.vendor_pages, device.limit]} if device else {}
    parts[manifest.MANIFEST_NAME] = "\n".join(f"{name}={outline(fact)}" for name, fact in facts.items())
    text = re.sub(r"\b([0-9a-f]{8})[0-9a-f]{56}\b", r"\1", join_files(parts))
    for statement in STATEMENTS if name not in BASES.values() else ():
        text = text.replace(statement, "(...)")
    return fold(text.replace("} {", "}\n {").replace("[{", "[\n {"))


def shown(content):
    """Decode a file; show JSON and property lists as outlines, and no encoded payload."""
    text = content.decode("utf-16" if content[:2] == b"\xff\xfe" else "utf-8").replace("\r\n", "\\r\n")
    if text.startswith(("{", "[\n")):
        return re.sub(r'payload="[^"]{999,}"|payload=\S{999,}', "payload=...", outline(json.loads(text)))
    if "<plist" in text:
        return outline(plistlib.loads(content))
    text = text.replace("HKEY_LOCAL_MACHINE\\Software\\Policies", "POLICIES").replace("\\r\n\\r\n", "\\r\n")
    text = re.sub(r'\\r\n("(?!1")\d)', r"\\r \1", text)
    return text.replace("><", ">\n<") if text.count("\n") < 3 else text


@pytest.mark.parametrize("name", sorted(EXPORT_FORMATS))
def test_export_is_as_recorded(name):
    base = BASES.get(name, BASES[EXPORT_FORMATS[name].controls[0]])
    path = Path(__file__).parents[2] / f"recorded/enforcement_points/{name}.txt"
    compare(path, recorded(name), "" if name == base else recorded(base))
