"""Exports: decision, manifest, signature, left-out parts, networks, directory and access log."""

import ipaddress
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_export import AT, HOURS, SETTINGS, decision, plan
from proscribe.base.duration import format_moment
from proscribe.controller.enforcement_points import (
    access_log,
    browser_formats,
    export_directory,
    export_formats,
    manifest,
    signature,
)
from proscribe.controller.enforcement_points.access_log import (
    MAX_LINE_BYTES,
    MAX_LOG_BYTES,
    UnreadableLogError,
    summarise_fetches,
)
from proscribe.controller.enforcement_points.decision import join_plans, make_decision
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.controller.enforcement_points.format_declaration import ExportError, ExportOmission
from proscribe.controller.enforcement_points.signature import ExportSigning
from proscribe.controller.ssh_signatures import SignatureCheck
from proscribe.host.controls.group_policy import policies
from proscribe.model.plan import RESTRICTED_MODES, add_digest, check_plan
from proscribe.model.vocabulary import EXPORT_SCHEMA

WAIVED = {"mode": "waived", "waiver": "W-1"}
AT_NOON = {**WAIVED, "hours": HOURS, "otherwise": "enforce"}
FOR_ALICE = {"exceptions": [{"waiver": "W-2", "users": ["alice"]}]}
EMPTY = {"schema": EXPORT_SCHEMA, "files": []}
NOTHING = manifest.EarlierExport("", "", None, "", None, {})
TOOL = "#!/bin/sh\n[ $2 = sign ] && echo made\n"
NOWHERE = "it cannot be checked: there is no /nowhere/a, which says who has which key"
BOTH = {
    "onedrive_personal": ("microsoft", "OneDrive: accounts of other organisations"),
    "teams_personal": ("microsoft", "Teams: private accounts, and those of other organisations"),
    "google_drive": ("google", "Google Drive for desktop: all accounts"),
}


def test_service_restricted_for_a_group_is_open_at_a_point():
    made = plan({"firewall": {"chat": {"networks": ["203.0.113.0/24"], "only": {"posix_groups": ["contractors"]}}}})
    found = decision(made)
    assert found.plan["controls"]["firewall"]["services"]["chat"]["mode"] == "report"
    [left_out] = found.left_out
    assert (left_out.rule, left_out.subject) == ("firewall/chat", "the service")
    assert "members of contractors only" in left_out.reason


def test_a_service_that_is_not_restricted_yet_is_said():
    made = plan(
        {"dns": {"later": {"mode": "upcoming", "effective_from": "2027-01-01", "domains": ["later.example"]}}}
        | {"firewall": {"seen": {"mode": "report", "networks": ["192.0.2.1"], "ports": []}}}
    )
    assert decision(made).left_out == (
        ExportOmission("firewall/seen", "the service", "It is reported where it is found, and not restricted."),
        ExportOmission("dns/later", "the service", "It is restricted from 2027-01-01 on."),
    )
    assert decision(made).digest == made["digest"]


def test_programs_of_permitted_accounts_are_only_reported():
    made = plan({"apps": {"chat": {"mode": "report", "serves_both": True}}})
    [left_out] = decision(made).left_out
    assert (left_out.rule, left_out.subject) == ("apps/chat", "the programs") and "only reported" in left_out.reason


def test_hosts_may_differ_in_what_a_format_does_not_take():
    other = plan({"browser": {"chat": {"domains": ["other.example"]}}})
    joined, _ = join_plans({"a": plan(), "b": other}, ("dns",))
    check_plan(joined)
    assert sorted(joined["controls"]) == ["apps", "dns", "firewall"]
    with pytest.raises(ExportError, match=r"a and b .*controls\.browser\.services\.chat\.domains"):
        join_plans({"a": plan(), "b": other}, ("dns", "browser"))
    more = plan({"dns": {"more": {"mode": "enforce", "domains": [], "allow": []}}})
    with pytest.raises(ExportError, match=r"controls\.dns\.services\.more differs"):
        join_plans({"a": plan(), "b": more})


def test_a_control_that_is_off_is_said_or_refused():
    made = plan()
    del made["controls"]["dns"]
    found = make_decision({"a": made}, AT, needed_controls=("dns", "browser"))
    assert found.left_out == (ExportOmission("", "the control dns", "It is off in proscribe_controls."),)
    with pytest.raises(ExportError, match="dns is off in proscribe_controls of host a"):
        make_decision({"a": made}, AT, needed_controls=("dns",))
    with pytest.raises(ExportError, match="no host"):
        join_plans({})


@given(st.lists(st.sampled_from([{}, WAIVED, AT_NOON, FOR_ALICE, {**AT_NOON, **FOR_ALICE}]), min_size=1, max_size=5))
def test_a_decision_is_never_wider_than_a_host(entries):
    plans = {f"host{number}": plan({"dns": {"chat": entry}}) for number, entry in enumerate(entries)}
    joined, said = join_plans(plans, ("dns",))
    open_there = joined["controls"]["dns"]["services"]["chat"]["mode"] not in RESTRICTED_MODES
    assert open_there == all(entry == WAIVED for entry in entries)
    assert bool(said) == any(entry not in ({}, WAIVED) for entry in entries) or WAIVED in entries
    assert join_plans(dict(reversed(plans.items())), ("dns",)) == (joined, said)


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (EMPTY, NOTHING),
        ({**EMPTY, "format": None, "group": None, "plan": None, "at": None, "valid_until": None}, NOTHING),
        ({**EMPTY, "files": [{"path": "a.txt"}]}, NOTHING._replace(files={"a.txt": ""})),
        ({**EMPTY, "valid_until": "2026-11-27T08:00:00Z"}, NOTHING._replace(valid_until=AT)),
        ({**EMPTY, "schema": "proscribe/plan/1"}, None),
        ({"schema": EXPORT_SCHEMA}, None),
        ({**EMPTY, "files": ["a.txt"]}, None),
        ({**EMPTY, "files": [{"path": "../a"}]}, None),
        ({**EMPTY, "at": "yesterday"}, None),
        ([], None),
    ],
)
def test_foreign_manifest_is_not_read(document, read):
    assert manifest.parse_manifest(json.dumps(document).encode()) == read


@pytest.fixture
def fake_ssh_keygen(tmp_path, monkeypatch):
    """An ssh-keygen that signs, and to which no signature fits."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh-keygen").write_text(TOOL)
    (tmp_path / "bin/ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")


@pytest.mark.usefixtures("fake_ssh_keygen")
@pytest.mark.parametrize(
    ("there", "signing", "problem"),
    [
        (None, ExportSigning(), ""),
        (None, ExportSigning("key"), "there is no manifest.json.sig"),
        ("a link", ExportSigning(), "manifest.json.sig is no signature"),
        (65_537, ExportSigning(), "manifest.json.sig is no signature"),
        (65_536, ExportSigning(), "it cannot be checked: no inventory says where allowed_signers is"),
        (1, ExportSigning(signer_paths=("/nowhere/a", "/nowhere/b")), NOWHERE),
    ],
)
def test_a_signature_is_there_and_can_be_checked_or_that_is_said(tmp_path, there, signing, problem):
    if isinstance(there, int):
        (tmp_path / "manifest.json.sig").write_bytes(b"x" * there)
    elif there:
        (tmp_path / "manifest.json.sig").symlink_to("nowhere")
    assert signature.check_signature(tmp_path, b"{}", signing, AT) == SignatureCheck(problem)


@pytest.mark.usefixtures("fake_ssh_keygen")
@pytest.mark.parametrize("public", [True, False])
def test_a_signature_that_would_not_count_is_not_written(tmp_path, public):
    key, signers = tmp_path / "key", tmp_path / "allowed_signers"
    assert signature.sign_manifest(b"{}", ExportSigning(), AT) == {}
    with pytest.raises(ExportError, match="^there is no key .*/key; name the right one with --key$"):
        signature.sign_manifest(b"{}", ExportSigning(str(key)), AT)
    key.touch()
    signers.touch()
    if public:
        key.with_name("key.pub").write_text("ssh-ed25519 AAAA me\n")
    with pytest.raises(ExportError) as refused:
        signature.sign_manifest(b"{}", ExportSigning(str(key), (str(signers),)), AT)
    why = "it does not fit the file, which was changed after it was signed, or it is no such signature"
    line = f'\n{signers} needs this line:\n  proscribe-export namespaces="proscribe-export" ssh-ed25519 AAAA'
    said = f"that signature would not count, so nothing was written: {why}"
    assert str(refused.value) == said + line * public


def test_a_format_is_called_as_its_module_is(monkeypatch):
    declared = SimpleNamespace(FORMAT=export_formats.EXPORT_FORMATS["rpz"])
    monkeypatch.setitem(sys.modules, "proscribe.controller.enforcement_points.formats.owl", declared)
    monkeypatch.setattr(export_formats, "list_format_names", lambda: ("rpz", "owl"))
    with pytest.raises(ValueError, match="^formats/owl.py declares 'rpz': a format is called as its module is$"):
        export_formats._load_formats()


def of_browsers(services, **settings):
    made = plan({"browser": {id_: {"domains": [], "urls": [], "allow": [], **one} for id_, one in services.items()}})
    made["controls"]["browser"]["settings"] |= settings
    return decision(made)


@pytest.mark.parametrize("mode", ["enforce", "audit", "report"])
@pytest.mark.parametrize("named", [(), ("google",), ("google", "microsoft")])
@pytest.mark.parametrize("id_", [*BOTH, "owl"])
def test_programs_that_serve_both_kinds_of_account_are_closed_by_tenant(id_, named, mode):
    found = browser_formats.list_left_out_accounts(
        of_browsers({id_: {"mode": mode}}, tenants=dict.fromkeys(named, ["x"]))
    )
    provider, what = BOTH.get(id_, ("", ""))
    said = [what] * (bool(what) and mode != "report" and provider not in named)
    said += ["Teams: chats with people who have private accounts"] * (id_ == "teams_personal" and mode != "report")
    assert [(one.rule, one.subject) for one in found] == [(f"browser/{id_}", one) for one in said]


def test_names_that_browsers_do_not_get_are_left_out_by_service():
    a_decision = of_browsers(
        {
            "wren": {"mode": "enforce"},
            "tern": {"mode": "report"},
            "owl": {"mode": "enforce", "extensions": {"firefox": ["o@o.example"]}},
            "heron": {"mode": "audit", "domains": [f"heron{number}.example" for number in range(998)]},
            "egret": {"mode": "report", "domains": [f"egret{number}.example" for number in range(1002)]},
        }
    )
    full = "The lists of browsers take 1000 names. Exports for name servers and proxies have all of them."
    chrome = [one for one in policies.POLICY_PROGRAMS if one.id == "google_chrome"]
    found = browser_formats.list_left_out(a_decision, "Mars", chrome)
    assert found[0] == ExportOmission(
        "browser/wren", "the service", "The catalogue has no site and no extension of it."
    )
    assert found[1] == ExportOmission("browser/heron", "2 names", full)
    unknown = "Nobody has verified where they read policies on Mars. This export is for Google Chrome."
    assert found[2:] == [ExportOmission("", "other browsers", unknown)]
    assert browser_formats.list_left_out(a_decision, "", chrome)[-1].reason == "This export is for Google Chrome."
    birds = ("browser/wren", "browser/tern", "browser/owl", "browser/heron")
    assert [rule for rule in browser_formats.list_included_rules(a_decision) if rule in birds] == [
        "browser/heron",
        "browser/owl",
    ]


def managed(*networks, firewall=None):
    """The made plan with networks of the management; `firewall`: other networks of its service chat."""
    made = plan({"firewall": {"chat": {"networks": firewall}}} if firewall is not None else {})
    chosen = {**SETTINGS["firewall"], "dns_over_tls": "blocked", "management": list(networks)}
    section = {**made["controls"]["firewall"], "settings": chosen}
    return add_digest({**made, "controls": {**made["controls"], "firewall": section}})


def whole(made):
    lines = EXPORT_FORMATS["cidr"].render_export(decision(made)).files["networks.txt"].decode().splitlines()
    return [ipaddress.ip_network(line) for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("format_", ["cidr", "ipset"])
def test_a_service_that_is_all_within_them_is_said(format_):
    made = EXPORT_FORMATS[format_].render_export(decision(managed("192.0.2.0/23", firewall=["192.0.2.0/24"])))
    assert (
        ExportOmission("firewall/chat", "the service", "All of its networks are in proscribe_management.")
        in made.left_out
    )
    assert list(made.included_rules) == ["firewall/resolver"]


PAIRS = st.tuples(st.integers(0xC6120000, 0xC612001F), st.integers(26, 32))
NETWORKS = st.lists(PAIRS.map(lambda pair: str(ipaddress.ip_network(pair, strict=False))), max_size=4)


@given(NETWORKS, NETWORKS, st.integers(0xC6120000, 0xC612003F).map(ipaddress.ip_address))
def test_an_address_is_in_a_list_unless_it_is_the_managements(networks, exempt, address):
    def within(texts):
        return any(address in ipaddress.ip_network(text) for text in texts)

    made = managed(*exempt, firewall=networks)
    expected = within(networks) and not within(exempt)
    assert any(address in one for one in whole(made)) == expected
    assert EXPORT_FORMATS["ipset"].is_blocked(made, str(address), 80) == expected


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
    assert EXPORT_FORMATS[format_].is_blocked(managed("192.0.2.64/26"), host, port) is expected


@pytest.mark.parametrize("format_", EXPORT_FORMATS)
@pytest.mark.parametrize("host", ["chat.example", "192.0.2.7"])
def test_a_plan_without_the_control_blocks_nothing(format_, host):
    answers = EXPORT_FORMATS[format_].is_blocked
    assert not (answers and answers(add_digest({**plan(), "controls": {}}), host, 443))


def files(format_="domains", **more):
    one = EXPORT_FORMATS[format_]
    rendered = one.render_export(decision())
    text = manifest.encode_manifest(manifest.make_manifest(one, decision(), rendered))
    return {**rendered.files, **more, manifest.MANIFEST_NAME: text}


def within(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("before", ["absent", "empty", "an earlier export"])
def test_export_is_written_whole(tmp_path, before):
    directory = tmp_path / "there" / "export"
    if before != "absent":
        directory.mkdir(parents=True)
    if before == "an earlier export":
        export_directory.write_export(directory, files())
    made = files()
    export_directory.write_export(directory, made)
    assert within(directory) == made and os.listdir(tmp_path / "there") == ["export"]
    assert oct(directory.stat().st_mode)[-3:] == "755"
    assert {oct(path.stat().st_mode)[-3:] for path in directory.iterdir()} == {"644"}


def test_links_are_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    export_directory.write_export(elsewhere, files())
    (tmp_path / "export").symlink_to(elsewhere)
    with pytest.raises(ExportError, match="links are not followed"):
        export_directory.write_export(tmp_path / "export", files())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / manifest.MANIFEST_NAME).symlink_to(elsewhere / manifest.MANIFEST_NAME)
    with pytest.raises(ExportError, match="no earlier export"):
        export_directory.write_export(tmp_path / "other", files())
    (elsewhere / "link").symlink_to(tmp_path)
    with pytest.raises(ExportError, match="'link'"):
        export_directory.write_export(elsewhere, files())


def test_a_pipe_in_place_of_a_manifest_is_no_export_and_holds_nobody(tmp_path):
    os.mkfifo(tmp_path / manifest.MANIFEST_NAME)
    with pytest.raises(ExportError, match="no earlier export"):  # waits for ever for a writer, if it is opened
        export_directory.write_export(tmp_path, files())


def test_file_that_somebody_adds_at_the_last_moment_is_not_deleted(tmp_path, monkeypatch):
    directory = tmp_path / "export"
    export_directory.write_export(directory, files())
    exchange = export_directory.place_directory

    def add_late(new, old):
        (old / "late.txt").write_bytes(b"mine")
        exchange(new, old)

    monkeypatch.setattr(export_directory, "place_directory", add_late)
    export_directory.write_export(directory, files())
    assert within(directory) == files()
    assert [path.read_bytes() for path in tmp_path.rglob("late.txt")] == [b"mine"]


# nginx 1.26.3 of Debian wrote it, with its format `combined`. curl and a bare socket sent the requests: escape
# sequences, quotation marks and whole lines of a log as agent, user and referrer, a request without a version, bytes of
# TLS, a path with a percent sign, HEAD, 206, 304 and 404.
REAL = Path(__file__).parents[1] / "recorded/enforcement_points/nginx_1.26_access.log"
FILES = {"proscribe.rpz"}
TIME = "30/Nov/2026:12:00:00 +0000"


def line(address="192.0.2.1", at=TIME, path="/guests/proscribe.rpz", status=200):
    return f'{address} - - [{at}] "GET {path} HTTP/1.1" {status} 7 "-" "curl/8.14.1"\n'.encode("latin-1")


def seen(log, url="/guests"):
    return {one.address: format_moment(one.fetched_at) for one in summarise_fetches(log, url, FILES).last_fetches}


@pytest.fixture
def log(tmp_path):
    return tmp_path / "access.log"


def test_fetches_in_a_log_of_a_real_server():
    """127.0.0.2 to .8 tried what is no fetch of the file, but .3 (with a query) and .8 (with %70) fetched it."""
    assert seen(REAL) == {
        "127.0.0.1": "2026-11-30T12:33:20Z",
        "127.0.0.3": "2026-11-30T12:33:21Z",
        "127.0.0.8": "2026-11-30T12:33:21Z",
        "::1": "2026-11-30T12:33:21Z",
        "127.0.0.9": "2026-11-30T12:33:22Z",
        "127.0.0.10": "2026-11-30T12:33:22Z",
    }
    found = summarise_fetches(REAL, "/guests/", FILES)
    assert (found.address_count, format_moment(found.log_start)) == (6, "2026-11-30T12:33:20Z")
    assert seen(REAL, "/other") == {} and summarise_fetches(REAL, "/guests", set()).last_fetches == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("an escape sequence as address", line("\x1b[31m")),
        ("an address with a zone that is a text", line("fe80::1%\x1b[31m")),
        ("a name as address", line("evil.example")),
        ("no time", line(at="now")),
        ("no day", line(at="32/Nov/2026:12:00:00 +0000")),
        ("no month", line(at="30/Foo/2026:12:00:00 +0000")),
        ("a year before all", line(at="01/Jan/0001:00:00:00 +2359")),
        ("the time of another server", line(at="30/Nov/2026 12:00:00")),
        ("a status that failed", line(status=403)),
        ("another file", line(path="/guests/proscribe.rpz.bak")),
        ("a path that leads there", line(path="/guests/../guests/proscribe.rpz")),
        ("a user that is a request, as Apache escapes it", b'192.0.2.1 - x [' + TIME.encode()
         + b'] \\"GET /guests/proscribe.rpz HTTP/1.1\\" 200 1 [' + TIME.encode() + b'] "GET /x HTTP/1.1" 200 7\n'),
        ("a line that is too long", line(path="/guests/proscribe.rpz?" + "x" * MAX_LINE_BYTES)),
        ("nothing", b""),
        ("zero bytes", b"\0" * 100 + b"\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_line_that_is_no_fetch_is_skipped(log, what, text):
    log.write_bytes(text)
    assert seen(log) == {}, what
    log.write_bytes(text + b"\n" + line("198.51.100.7"))
    assert list(seen(log)) == ["198.51.100.7"], "the next line counts"


def test_a_gigabyte_on_one_line_costs_its_end_alone(log):
    with open(log, "wb") as stream:
        stream.write(line("192.0.2.9"))
        stream.truncate(1 << 30)
    begin = time.process_time()
    assert seen(log) == {} and time.process_time() - begin < 5
    with open(log, "ab") as stream:
        stream.write(b"\n" + line("192.0.2.1"))
    assert list(seen(log)) == ["192.0.2.1"]


@pytest.mark.slow
@pytest.mark.parametrize("text", [b"\n", b'"', b'" "GET /' * 3 + b"\n", line(path="/" + "%41" * 600)])
def test_the_time_is_linear(log, text):
    log.write_bytes(text * (MAX_LOG_BYTES // len(text)))
    begin = time.process_time()
    assert seen(log) == {} and time.process_time() - begin < 30


@pytest.mark.parametrize("kind", ["a link", "a directory", "a pipe", "a device", "absent", "below a file"])
def test_path_that_is_no_log_is_unreadable(tmp_path, log, kind):
    (tmp_path / "secret").write_bytes(line())
    if kind == "a link":
        log.symlink_to(tmp_path / "secret")
    elif kind == "a directory":
        log.mkdir()
    elif kind == "a pipe":
        os.mkfifo(log)
    place = {"a device": Path("/dev/zero"), "below a file": tmp_path / "secret/x"}.get(kind, log)
    with pytest.raises(UnreadableLogError, match=r"cannot be read: |is no file"):
        summarise_fetches(place, "/guests", FILES)


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_no_line_makes_up_an_address_or_ends_the_reading(tmp_path_factory, text, user):
    log = tmp_path_factory.mktemp("log") / "access.log"
    escaped = user.replace(b'"', b"\\x22").replace(b"\n", b"\\n")  # as servers do
    head = b"192.0.2.7 - " + escaped + b" [" + TIME.encode() + b"] "
    log.write_bytes(text + b"\n" + head + b'"GET /guests/proscribe.rpz HTTP/1.1" 200 1\n')
    found = summarise_fetches(log, "/guests", FILES)
    assert "192.0.2.7" in [one.address for one in found.last_fetches]
    assert all(
        one.file_name in FILES and one.address.isascii() and one.address.isprintable() for one in found.last_fetches
    )
    assert len(found.last_fetches) <= access_log.MAX_NAMED_FETCHES
