"""`explain`: questions, groups of hosts, expectations, facts of hosts, and the printed answer."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_policy import NOW, WAIVER, made_catalogue, question
from proscribe.controller.cli import CommandError, explain, inventory
from proscribe.controller.cli.explain import answer_texts, output
from proscribe.controller.cli.explain.collected_facts import MAX_RUNS, HostFacts, read_facts
from proscribe.controller.cli.explain.question import Question, convert_to_ascii_name, parse_question
from proscribe.controller.cli.explain.relations import find_subject, list_remarks
from proscribe.controller.compile.catalogue.feeds import Feed
from proscribe.controller.compile.plans.host_plans import compile_hosts
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.report.evaluation.lifts import Lift
from proscribe.controller.report.storage import fleet_state_file
from recording import compare, join_files, outline

LAB = {"controls": {"browser": "audit", "dns": "off", "firewall": "off"}}
HOSTS = {"press01": {}, "press02": {}, "fin01": {"tenants": {"google": ["example.org"]}}, "lab01": LAB}
GROUPS = {"press": ["press01", "press02"], "finance": ["fin01"], "lab": ["lab01"]}
THREE_HOSTS = {"press01": {}, "fin01": {}, "lab01": LAB}
THREE_GROUPS = {"press": ["press01"], "lab": ["lab01"], "empty": []}
DEBIAN = {"os": "debian", "version": "13"}
PRINTED_QUESTIONS = ["parrot", "https://pages.example/parrot/x", "198.51.100.0/23", "example.parrot.Parrot"]
PRINTED_QUESTIONS += ["abcdefghijklmnopabcdefghijklmnop"]
FED = [{"format": name, "directory": f"/srv/{name}"} for name in ("rpz", "nft")]
AT = "2026-11-24T05:00:00Z"


@pytest.mark.parametrize(("text", "code"), [("parrot.example", 1), ("example.org", 0), ("example.parrot.Parrot", 1)])
def test_the_exit_code_says_whether_it_is_open_everywhere(tmp_path, monkeypatch, text, code):
    made = question(tmp_path, HOSTS, **GROUPS)
    monkeypatch.setattr(inventory, "read_compile_input", lambda arguments: made)
    arguments = argparse.Namespace(name=text, at=NOW, json=False)
    assert explain.run(arguments) == code


def test_moment_needs_its_zone_and_is_read_in_utc():
    for text in ("2027-01-01", "2027-01-01T00:00:00", "soon"):
        with pytest.raises(argparse.ArgumentTypeError, match="with its zone"):
            explain.parse_time_option(text)
    assert explain.parse_time_option("2027-01-01T00:00:00+08:00").isoformat() == "2026-12-31T16:00:00+00:00"


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("press01", ". It is a host of the inventory: name what is to be explained there, with --host press01"),
        ("press", ". It is a group of the inventory: name what is to be explained there, with --host press"),
        ("webmail", ". It is a category of services: explain one of dodo, gull, owl"),
        ("dns", ". It is a control: each explanation names what every control does"),
        ("w1", ". It is a waiver, and this lists it:\n  /srv/proscribe waiver list -i x"),
        ("nothing", ""),
    ],
)
def test_word_of_another_kind_gets_a_hint(tmp_path, monkeypatch, word, hint):
    hosts = question(tmp_path, {"press01": {}}, press=["press01"])
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers/w1.yml").write_text(yaml.safe_dump(WAIVER))
    monkeypatch.setattr(inventory, "read_compile_input", lambda _: hosts)
    monkeypatch.setenv("PROSCRIBE_CALLED", "/srv/proscribe")
    lists = dict.fromkeys(("extra_vars", "vault_ids", "vault_password_files"), ())
    with pytest.raises(CommandError) as refused:
        explain.run(argparse.Namespace(name=word, at=NOW, inventory=["x"], ask_vault_pass=False, **lists))
    unknown = f"'{word}' is neither a service nor a program of the catalogue, nor a host name with a dot in it"
    assert str(refused.value) == f"{unknown}{hint}"


def compared(folder, text, only=tuple(THREE_HOSTS)):
    question_ = question(folder, {host: THREE_HOSTS[host] for host in only}, **THREE_GROUPS)
    file = folder / "expectations.yml"
    file.write_text(text)
    return answer_texts.compare_expectations(file, question_.groups, compile_hosts(question_, NOW))


@pytest.mark.parametrize(
    ("row", "difference"),
    [
        ("all: {blocked: [parrot.example]}", ("audited", ("lab01",), "parrot.example itself, of Parrot")),
        ("press: {blocked: [example.org]}", ("open", ("press01",), "")),
        ("empty: {open: [example.org]}", ("no answer", (), "no host of empty is in question")),
    ],
)
def test_difference_from_a_table_says_where_and_why(tmp_path, row, difference):
    ((_, found),) = compared(tmp_path, row)
    assert found == (difference,)


def test_address_is_open_as_expected_where_the_firewall_is_off(tmp_path):
    ((_, found),) = compared(tmp_path, "lab01: {open: [192.0.2.1]}")
    assert found == ()


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("{}", ":1", "at least one name"),
        ("pres: {open: [a.example]}", ":1: pres", "a group or a host, did you mean 'press'"),
        ("all: [a.example]", ":1: all", "a mapping; each key is an answer, one of blocked, depends"),
        ("all:\n  closed: [a.example]", ":2: all.closed", "one of blocked, depends"),
        ("all: {open: a.example}", ":1: all.open", "a list of names"),
        ("all:\n  open:\n    - example.org\n    - no-such-program", ":4: all.open[1]", "a host, a URL, an address"),
        ("all:\n  open: [no-such-program,\n  no-other]", ":3: all.open[1]", "a host, a URL, an address"),
        ("[a]", ":1", "a mapping; each key is all, a group or a host"),
        ("all: {open: [!x a]}", ":1", "a value without a tag"),
        ("all: &a {open: [a.example]}\nlab: *a", ":1", "the value itself"),
    ],
)
def test_a_mistake_names_its_line_and_what_was_expected(tmp_path, text, place, expected):
    with pytest.raises(PolicyErrors) as wrong:
        compared(tmp_path, text)
    *_, error = wrong.value.errors
    assert len(wrong.value.errors) == 1 + text.count("no-other")
    assert f"expectations.yml{place}" in str(error) and expected in str(error)


def test_the_table_and_the_exit_code(tmp_path, monkeypatch, capsys):
    question_ = question(tmp_path, THREE_HOSTS, **THREE_GROUPS)
    monkeypatch.setattr(inventory, "read_compile_input", lambda arguments: question_)
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    file = tmp_path / "expectations.yml"

    def ended(text, *options):
        file.write_text(text)
        parser = argparse.ArgumentParser()
        explain.add_arguments(parser)
        return explain.run(parser.parse_args(["--expect", str(file), "--at", NOW.isoformat(), *options]))

    assert ended("press:\n  blocked: [owl.example]\n  open: [example.org]") == 0
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert first == f"{file}: 2 of 2 names as expected"
    assert [row.split() for row in rows] == [["press", "blocked", "owl.example"], ["press", "open", "example.org"]]
    assert ended("press: {open: [owl.example]}") == 1
    lines = ["press  open  owl.example: not as expected", "  blocked on press01: owl.example itself, of Owl"]
    assert capsys.readouterr().out.splitlines() == [f"{file}: 0 of 1 name as expected", "", *lines]
    assert ended("press: {open: [owl.example, example.org]}", "--json") == 1
    different = [{"answer": "blocked", "hosts": ["press01"], "why": "owl.example itself, of Owl"}]
    row = {"hosts": "press", "expected": "open", "name": "owl.example", "differences": different}
    found = {"schema": "proscribe/expectations/1", "file": str(file), "met": False}
    found["results"] = [row, {**row, "name": "example.org", "differences": []}]
    assert json.loads(capsys.readouterr().out) == found


def report(reports, id_, *records):
    (reports / id_).mkdir(parents=True)
    (reports / id_ / "report.json").write_text('{"run": {}}')
    lines = [json.dumps({"rules": [], "checked_at": "2026-11-25T08:00:00Z", **record}) for record in records]
    (reports / id_ / "hosts.jsonl").write_text("".join(f"{line}\n" for line in lines))


def test_fact_comes_from_the_newest_record_that_has_it(tmp_path):
    old = {"checked_at": "2026-11-01T08:00:00Z", "browsers": ["firefox"], "package_systems": ["dpkg", "snap"]}
    report(tmp_path, "20261101", {"host": "a", "platform": DEBIAN, **old})
    report(tmp_path, "20261125", {"host": "a", "platform": DEBIAN, "package_systems": ["dpkg"]}, {"host": "b"})
    found = read_facts(tmp_path, ["a", "b", "c"])
    last = {"state": "unknown", "observed_at": "2026-11-25T08:00:00Z"}
    assert found == {
        "a": HostFacts("debian", frozenset({"dpkg"}), None, frozenset({"firefox"}), "2026-11-01T08:00:00Z", **last),
        "b": HostFacts(**last),
    }


ALL_LIFTED = dict.fromkeys(("apps", "browser", "firewall", "dns"), Lift("2026-11-26T08:00:00Z", "run2"))
LIFT = {"state": "lifted", "observed_at": "2026-11-26T08:00:00Z"}


@pytest.mark.parametrize(
    ("state", "controls", "expected"),
    [
        ("compliant", ("dns",), LIFT),
        *((state, ("dns",), {"state": state, "observed_at": AT}) for state in ("noncompliant", "error")),
        ("noncompliant", ("apps", "browser", "firewall", "dns"), LIFT),
        ("", ("dns",), LIFT),  # of a host that no report knows
    ],
)
def test_lift_counts_after_an_observation_unless_other_controls_are_wrong(
    tmp_path, monkeypatch, state, controls, expected
):
    report(tmp_path, "20261101", *([{"host": "a", "state": state, "checked_at": AT}] if state else []))
    lifts = {control: ALL_LIFTED[control] for control in controls}
    monkeypatch.setattr(fleet_state_file, "read_lifts", lambda reports: {"a": lifts, "other": ALL_LIFTED})
    words = "lifted 2026-11-26 08:00 UTC by run2" + (" (dns)" if len(controls) == 1 else "")
    assert read_facts(tmp_path, ["a"]) == {"a": HostFacts(**expected, lifted_controls=controls, lifts_text=words)}


def test_a_broken_report_says_nothing_and_few_are_read(tmp_path):
    report(tmp_path, "00000000", {"host": "a", "package_systems": ["dpkg"]})
    report(tmp_path, "00000001", {"host": "b", "package_systems": ["dpkg"]})
    for number in range(2, MAX_RUNS + 1):
        report(tmp_path, f"{number:08}", {"host": "x"})
    (tmp_path / "00000002" / "hosts.jsonl").write_text("{")
    assert set(read_facts(tmp_path, ["a", "b"])) == {"b"} and read_facts(tmp_path / "nowhere", ["a"]) == {}


def test_a_package_system_is_there_only_where_a_record_says_so():
    debian = HostFacts("debian", frozenset({"dpkg"}), frozenset({"nix"}), frozenset())
    keys = ("apt", "rpm", "flatpak", "nix", "brew", "android", "pip", "npm")  # the last two leave no trace
    assert [debian.has_package_system(key) for key in keys] == [True, False, False, True, False, False, True, True]
    unseen = debian._replace(user_package_managers=None)
    assert [unseen.has_package_system(key) for key in ("rpm", "nix", "brew")] == [False, None, None]
    assert [HostFacts().has_package_system(key) for key in ("apt", "nix", "pip")] == [None, None, True]


RECORDED = Path(__file__).parents[2] / "recorded/cli"
PRINTED_HOSTS = {**HOSTS, "mac01": {"watch": "5m"}}
PRINTED_HOSTS["fin01"] = {**HOSTS["fin01"], "exports_fed": FED, "services_exclude": ["owl"]}
KNOWN = {
    "press01": HostFacts("debian", {"dpkg"}, {"nix"}, {"firefox"}, AT, "compliant", AT),
    "fin01": HostFacts("debian", {"dpkg", "flatpak"}, None, {"chrome"}, "2026-11-23T05:00:00Z", "not_applicable", AT),
    "mac01": HostFacts("macos"),
    "press02": HostFacts(lifted_controls=("dns",), lifts_text="lifted by run2 on \x1bpress02"),
    "lab01": HostFacts(lifted_controls=("dns",), lifts_text="lifted by run2 on \x1blab01"),
}


def test_answers_are_printed_as_recorded(tmp_path):
    folder = tmp_path / "inventory"
    made = question(folder, PRINTED_HOSTS, **GROUPS)
    (folder / "waivers").mkdir()
    (folder / "approvers.yml").write_text("press: {head: b}\n")
    for change in ({}, {"id": "w2", "hosts": ["press02"], "expires": "2026-11-02T00:00:00Z"}):
        waiver = {**WAIVER, **change}
        (folder / "waivers" / f"{waiver['id']}.yml").write_text(yaml.safe_dump(waiver))
    compiled = compile_hosts(made, NOW)
    answers = {word: answer_texts.explain_question(parse_question(word), compiled, KNOWN) for word in PRINTED_QUESTIONS}
    shown = {word: output.format_explanation(*answer, 110, False) for word, answer in answers.items()}
    about, groups = answers["parrot"]
    for name, group in (("seen", groups[0]), ("never seen", groups[1]._replace(known_count=1, oldest_time=""))):
        shown[f"one host, {name}"] = output.format_explanation(about, [group], 110, False)
    shown["narrow, in colours"] = output.format_explanation(*answers["example.parrot.Parrot"], 50, True)
    shown["JSON"] = outline(output.make_explanation_document(*answers["https://pages.example/parrot/x"]))
    compare(RECORDED / "explain.printed.txt", join_files(shown))


@pytest.mark.parametrize("text", ["", "  ", "a\x1b[31mb.example", "a\nb.example", "http://[::1", "x.example:99999"])
def test_text_that_is_no_question_is_refused(text):
    with pytest.raises(CommandError, match="^name what is to be explained|is no URL: expected something like"):
        parse_question(text)


@given(st.text(max_size=80))
def test_any_text_is_understood_or_refused(text):
    try:
        question = parse_question(text)
    except CommandError:
        return
    assert isinstance(question, Question)
    assert not (question.host and question.network)
    assert question.host.isascii() and question.host == question.host.lower()


@given(st.lists(st.text("abcäßжλ日A1-", min_size=1, max_size=9), min_size=2, max_size=4).map(".".join))
def test_a_name_that_was_read_once_is_read_as_itself(name):
    assert convert_to_ascii_name(convert_to_ascii_name(name)) == convert_to_ascii_name(name)


QUESTIONS = (
    *("parrot", "Parrot Work", "Papagei", "dns-nine", "PARROT"),
    *("parrot.example", "a.parrot.example", "work.parrot.example", "x.work.parrot.example", "canary.example"),
    *("office.parrot.example", "imap.owl.example", "pages.example", "pages.example/parrot", "pages.example/parrots"),
    *("google.com", "x.google.com", "google.com/parrot/x", "com", "parot", "drive.google.com", "cdn.shared.example"),
    *("said.example", "no.example", "x.no.example", "parrots.example", "fed.example", "x.fed.example", "fed.other"),
    *("198.51.100.7", "198.51.101.7", "198.51.100.0/23", "2001:db8::/32", "203.0.113.9:53", "192.0.2.9"),
    *("9.9.9.9:853", "https://9.9.9.9/dns-query", "[2620:fe::fe]:853", "91.108.4.7/22", "::ffff:9.9.9.9"),
    *("fe80::1%eth0", "192.0.2.0/30", "parrot-desktop", "example.parrot.Parrot", "parrotd"),
    *("/opt/Parrot/parrot-desktop", "/opt/Parrot/parrot-desktop/x"),
    *("parrot.desktop", "Parrot.AppImage", "unknown.exe", "abcdefghijklmnopabcdefghijklmnop", "p" * 32, "a@b.example"),
    *("www.example.org", "dodo-mail", "Example.Parrot", " Mail.Google.COM.\n", "mail.google.com:8443", "x.example/"),
    *("HTTPS://Mail.Google.com/mail/u/0?tab=1#inbox", "http://user:word@mail.example.com", "imap://imap.gmail.com:993"),
    *("bücher.example", "STRASSE.example", "straße.example", "ｍａｉｌ．ｇｏｏｇｌｅ．ｃｏｍ"),
    *("例え。テスト", "_dns.x.arpa", "http://a.example"),
    *("Outlook.com / Hotmail / Live", "2620:FE::fe", "https://[2620:fe::fe]/", "2001:67c:4e8::/48"),
)


def test_subjects_of_questions_are_as_recorded(tmp_path):
    made = made_catalogue(tmp_path)
    parrot = dataclasses.replace(
        made.services["parrot"],
        names=("Papagei",),
        markers={"programs": ["parrotd"]},
        desktop_files=("parrot.desktop",),
        nxdomain_canaries=("canary.example",),
        shared_domains=("google.com", "cdn.shared.example", "said.example"),
        decided=(
            {"as": "shared", "names": ["said.example"], "why": "others use it"},
            {"as": "refused", "names": ["no.example"], "why": "it is of all"},
        ),
        origins={"parrot.example": "own/amends/parrot.yml", "198.51.100.0/25": "own/amends/more.yml"},
    )
    owl = dataclasses.replace(made.services["owl"], shared_domains=("google.com",))
    feeds = {"birds": Feed("birds", "owl", "domains", "", ("fed.example", "deep.fed.other"), "")}
    feeds["nets"] = Feed("nets", "owl", "networks", "", ("192.0.2.0/31", "192.0.2.8/29"), "")
    rich = dataclasses.replace(made, services={**made.services, "parrot": parrot, "owl": owl}, feeds=feeds)
    lines = []
    for word in QUESTIONS:
        try:
            about = find_subject(parse_question(word), rich)
        except CommandError as refused:
            lines.append(str(refused))
            continue
        found = [f"  {one.service.id} {one.kind} {one.identifier}" for one in about.relations]
        read_as = " ".join(str(value) for value in about.question[1:] if value)
        lines += [f"{word}: {about.kind}: {read_as}", *found, *(f"  - {said}" for said in list_remarks(about))]
    compare(RECORDED / "explain.subjects.txt", "\n".join([*lines, ""]))


def test_hostile_names_of_hosts_reach_no_terminal(tmp_path):
    hosts = question(tmp_path, {"evil\x1b[2Jhost": {}, "rtl\u202ehost": {}})
    answer = answer_texts.explain_question(parse_question("parrot.example"), compile_hosts(hosts, NOW))
    assert all(line.isprintable() for line in output.format_explanation(*answer, 80, colours=False).splitlines())
