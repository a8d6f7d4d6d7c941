"""Plans of hosts: services that are chosen, warnings, places of browsers, notes of plans, departments."""

import dataclasses
import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from made import catalogue, service
from made_policy import restrictions
from mistakes import get_mistake
from proscribe.controller.compile.catalogue.catalogue_loader import Browser
from proscribe.controller.compile.catalogue.schema import AUDIENCES, CATEGORIES
from proscribe.controller.compile.inventory.host_variables import CompileInput, HostVariables
from proscribe.controller.compile.inventory.workflow_job import read_workflow_job
from proscribe.controller.compile.plans import departments, host_plans, plan_compiler
from proscribe.controller.compile.plans import warnings as plan_warnings
from proscribe.controller.compile.plans.browser_policy_places import list_policy_places, note_front_doors
from proscribe.controller.compile.plans.host_policies import read_sound_policy
from proscribe.controller.compile.plans.plan_cache import PlanCache
from proscribe.controller.compile.plans.run_compiler import compile_run
from proscribe.controller.compile.plans.service_selection import select_services
from proscribe.controller.compile.plans.unmanaged_browsers import choose_mode, make_unmanaged_entry
from proscribe.controller.compile.plans.warnings import iterate_age_warnings, iterate_policy_warnings
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.enforcement_points import decision
from proscribe.controller.enforcement_points.formats import rpz
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.host.controls.browser import closing_degrees, desired_policies, host_controls, site_rules
from proscribe.model import plan as plans
from proscribe.wire.plan_store import PlanStore

BODY = {"schema": "x", "controls": {"dns": {"services": {"parrot": {"domains": ("a.example.org",)}}}}}
READ = {"schema": "x", "controls": {"dns": {"services": {"parrot": {"domains": ["a.example.org"]}}}}}


def read_repeatedly(store: PlanStore, state: bytes, times: int) -> tuple[list[dict[str, Any]], int]:
    plans, compiled = [], []
    for _ in range(times):
        cache = PlanCache(store)
        plans.append(cache.get_body(state, "policy", True, lambda: compiled.append(1) or BODY))
        cache.save_new_entries()
    return plans, len(compiled)


def test_policy_is_compiled_once_where_its_sources_have_a_hash(store):
    assert read_repeatedly(store, b"", 2) == ([BODY] * 2, 2)
    assert list(store.directory.iterdir()) == []
    assert read_repeatedly(store, b"state", 3) == ([READ] * 3, 1)


def test_note_of_a_policy_counts_for_its_state_restrictions_and_day(store):
    keys = [(b"s", "p", True), (b"t", "p", True), (b"s", "q", True), (b"s", "p", False)]
    compiled: list[object] = []
    for key in keys * 2:
        cache = PlanCache(store)
        assert cache.get_body(*key, lambda key=key: compiled.append(key) or BODY) == READ
        cache.save_new_entries()
    assert compiled == keys
    for note in store.directory.iterdir():
        note.write_bytes(note.read_bytes().replace(b"a.example.org", b"b.example.org"))
    assert PlanCache(store).get_body(*keys[0], lambda: BODY) == READ, "a damaged note"


# -- departments
GROUPS = {"all": {"web1", "web2", "db1", "lap1"}, "ungrouped": {"lap1"}}
GROUPS |= {"press": {"web1", "web2"}, "press_desktops": {"web1"}, "treasury": {"db1"}}
OUTERMOST = [
    (GROUPS, ["press", "treasury"]),
    ({"all": {"a"}, "ungrouped": {"a"}}, []),
    ({"a": {"1", "2"}, "b": {"2", "3"}, "c": {"2"}}, ["a", "b"]),
    ({"empty": set(), "press": {"1"}}, ["press"]),
    ({"site": {"1", "2"}, "departments": {"1", "2"}, "press": {"1"}, "treasury": {"2"}}, ["press", "treasury"]),
    # One that has hosts of its own as well is a department around a team.
    ({"press": {"1", "2"}, "photographers": {"1"}}, ["press"]),
]


@pytest.mark.parametrize(("groups", "expected"), OUTERMOST)
def test_the_outermost_groups_lie_within_no_other(groups, expected):
    assert departments.find_outermost_groups(groups) == expected


# -- chosen services
MADE = catalogue(
    service("owl"),
    service("dodo", enforce=False),
    service("crow", category="social_media"),
    service("work", audience="enterprise"),
    service("both", audience="both", programs="both", tenants="google"),
)
KNOWN = {"packages": {"apt": ("x",)}, "networks": ("192.0.2.0/24",)}  # of a service, to apps and to firewall
SHARED = catalogue(
    service("own", **KNOWN),
    service("shared", **KNOWN, programs="both", tenants="google"),
    service("page", urls=("a.example/x",), domains=("a.example",)),
)
TENANTS = {"tenants": {"google": ["example.org"]}}
CHOSEN = [
    ({}, "both crow- dodo- owl"),
    ({"services_include": ["dodo", "crow", "work"]}, "both crow dodo owl work"),
    ({"services_exclude": ["owl", "both"]}, "crow- dodo-"),
    ({"categories": ["social_media"]}, "crow"),
    ({"categories": [], "categories_reported": ["instant_messaging"]}, "both- dodo- owl-"),
    ({"audiences": ["enterprise"]}, "work"),
]


@pytest.mark.parametrize(("values", "chosen"), CHOSEN)
def test_variables_choose_enforced_and_reported_services(values, chosen):
    result = select_services(MADE, restrictions(**values))
    assert [f"{item.id}{'' if enforced else '-'}" for item, enforced in result] == chosen.split()


@pytest.mark.parametrize(
    ("values", "key", "value", "expected"),
    [
        ({"services_include": ["owel"]}, "services_include", "owel", "a service of the catalogue, did you mean 'owl'?"),
        ({"services_exclude": ["xxxx"]}, "services_exclude", "xxxx", "a service of the catalogue"),
        ({"services_include": ["webmail"]}, "services_include", "webmail", "a service of the catalogue; 'webmail'"),
        ({"feeds": ["birds"]}, "feeds[0]", "birds", "a feed of the catalogue"),
    ],
)
def test_unknown_service_or_feed_is_a_mistake(values, key, value, expected):
    error = get_mistake(select_services, MADE, restrictions(**values))
    assert (error.location, error.key, error.found_value) == ("", f"proscribe_{key}", value)
    assert error.expected.startswith(expected)


@pytest.mark.parametrize(
    ("id_", "control", "values", "found"),
    [
        ("own", "apps", TENANTS, True),
        ("own", "apps", {"controls": {"apps": "off"}}, False),
        ("own", "firewall", {"controls": {"firewall": "off"}}, False),
        ("shared", "apps", {}, False),  # its programs serve permitted accounts, too
        ("shared", "apps", {"programs_for_both": "remove"}, True),
        ("shared", "firewall", {}, True),
        ("shared", "firewall", TENANTS, False),  # business accounts use its networks, too
        ("page", "apps", {}, False),
    ],
)
def test_service_for_groups_needs_identifiers(id_, control, values, found):
    entry = {"services": [id_], "groups": ["guests"], "controls": [control]}
    own = restrictions(groups_restricted=[entry], **values)
    if found:
        assert (SHARED.services[id_], True) in select_services(SHARED, own)
        return
    error = get_mistake(select_services, SHARED, own)
    assert (error.key, error.found_value) == ("proscribe_groups_restricted[0].services[0]", id_)
    assert error.expected.startswith(f"a service of which {control} can find")


# -- warnings
NOW = datetime.datetime(2026, 11, 25, 8, tzinfo=datetime.timezone.utc)
OF_OWL = {"packages": {"apt": ("owl",)}, "networks": ("192.0.2.99/32",), "networks_checked": "2026-11-22"}
OWL = service("owl", checked="2026-11-20", **OF_OWL)
FRESH = catalogue(OWL)
OLD = catalogue(OWL, service("parrot", checked="2026-06-01", networks=("192.0.2.0/28",), networks_checked="2026-05-01"))
BY_GROUP = {"groups_restricted": [{"services": ["owl"], "groups": ["guests"]}]}


def compile_warnings(of, mode="enforce", windows=()):
    own = {name: restrictions(**values) for name, (_, values) in of.items()}
    hosts = [HostVariables(name, {}, {}, ".") for name in of]
    question = CompileInput(Path("/"), mode, mode, [], "", [], hosts, {}, windows_hosts=windows)
    catalogues = {name: made for name, (made, _) in of.items()}
    digests = {name: f"plan of {values}" for name, (_, values) in of.items()}  # the same for the same restrictions
    compiled = host_plans.CompiledPlans(catalogues, own, [], {}, digests, {}, [], [])
    return [*iterate_policy_warnings(question, compiled), *iterate_age_warnings(question, compiled, NOW, 180 * 86400)]


def test_a_reminder_is_printed_once_a_day(tmp_path):
    store = PlanStore(tmp_path / "reports/plans")
    store.require_directories()
    evening, night = NOW.replace(hour=23, minute=59), NOW + datetime.timedelta(days=1)
    calls = [(["old"], NOW), (["old"], NOW), (["old", "older"], evening), (["older", "old"], evening), (["old"], night)]
    printed = [plan_warnings.select_not_printed_today(store, texts, moment) for texts, moment in calls]
    assert printed == [["old"], [], ["older"], [], ["old"]]


def test_old_catalogue_is_named_to_the_run_that_prints_it(organisation):
    organisation.variables["catalog_max_age"] = "4d"
    first, second = organisation.run(), organisation.run()
    assert first["stale_catalog"] == {"max_days": 4, "directories": [f"{organisation.root}/catalog"]}
    assert first["warnings"] == first["warnings_to_print"] == second["warnings"] != second["warnings_to_print"] == []
    assert "stale_catalog" not in second
    organisation.variables["catalog_max_age"] = "5d"
    assert organisation.run("2026-11-25T23:59:59+00:00")["warnings"] == []


def test_unrestricted_service_may_be_old():
    assert compile_warnings({"a": (OLD, {"services_exclude": ["parrot"]})}) == []
    assert len(compile_warnings({"b": (OLD, {}), "a": (OLD, {"services_exclude": ["parrot"]})})) == 1
    assert len(compile_warnings({"b": (OLD, {}), "a": (FRESH, {})})) == 1


@pytest.mark.parametrize(
    ("mode", "windows", "lines"),
    [("enforce", (), []), ("audit", ("w1",), []), ("enforce", ("w1",), ["w1"])]
    + [("enforce", ("w1", "w2"), ["w1 (and 1 more)"])],
)
def test_windows_hosts_are_not_corrected(mode, windows, lines):
    assert [text.rpartition(": ")[2] for text in compile_warnings({"w1": (FRESH, {})}, mode, windows)] == lines


def test_controls_that_are_off_leave_services_open():
    off = {"controls": {"browser": "off"}}
    tenants = {**TENANTS, **off}
    of_hosts = {"c": tenants, "a": tenants, "b": BY_GROUP, "e": {**BY_GROUP, **off}, "d": BY_GROUP}
    apart, both, dns = compile_warnings({name: (FRESH, values) for name, values in of_hosts.items()})
    assert apart.startswith("proscribe_tenants") and "on a (and 1 more)" in apart
    assert "on b (and 1 more): browser and dns cannot" in both and "on e: dns cannot" in dns


def test_keys_that_nothing_reads_any_more_come_first_and_each_place_once():
    retired = dataclasses.replace(OLD, retired=("x.yml:1: engine", "x.yml:2: user_data"))
    first, second = compile_warnings({"a": (retired, {}), "b": (retired, {})})
    assert "engine" in first and "user_data" in first
    assert second.startswith("catalogue: 1 service")


# -- places of browsers
LATER = datetime.datetime(2026, 11, 29, tzinfo=datetime.timezone.utc)


def test_every_category_and_a_hundred_names_of_an_organisation_make_a_policy(own_catalogue):
    own = service("own", domains=tuple(f"host{number}.example" for number in range(100)))
    both = dataclasses.replace(own_catalogue, services={**own_catalogue.services, "own": own})
    chosen = {"proscribe_categories": list(CATEGORIES), "proscribe_audiences": list(AUDIENCES)}
    plan = plan_compiler.compile_plan(both, read_restrictions(chosen, str), [], datetime.date(2026, 11, 29))
    controls = host_controls.HostControls(plan, lambda: closing_degrees.NAME_CLOSED_WITH_ALL_BELOW)
    of = site_rules.fit_names(plan["controls"]["browser"], controls)
    assert (sum(of.listed_names.decisions.values()), len(of.omitted_names) > 20) == (1000, True)
    doors = {door for item in own_catalogue.services.values() for door in item.front_doors}
    assert not doors.intersection(str(item) for names in of.omitted_names.values() for item in names)
    assert desired_policies.DesiredPolicies(plan, controls).list_open_names() == {}  # the DNS filter has all
    zone_files = rpz.render_export(decision.make_decision({"host": plan}, LATER, "", ("dns",)))
    assert b"host99.example" in b"".join(zone_files.files.values())


# -- unmanaged browsers
def browser(id_: str, support: str, **keys: Any) -> Browser:
    blank: dict[str, Any] = {"packages": {}, "processes": (), "paths": ()}
    more: dict[str, Any] = {"policy_dir": {}, "policy_file": {}, "policy_fallbacks": (), "unverified": {}}
    return Browser(**{**blank, **more, "id": id_, "name": id_.title(), "policy_support": support, **keys})


READERS = yaml.safe_load("""
- {id_: finch, support: chromium, processes: [finch, both], paths: [/opt/finch, ~/finch],
   packages: {apt: [finch], flatpak: [org.Finch], snap: [finch, finch-beta]},
   policy_dir: {native: /etc/finch, snap: /etc/finch}}
- {id_: dove, support: chromium, processes: [dove, both], paths: [/opt/dove, /opt/finch],
   packages: {flatpak: [org.Dove], snap: [dove]}, policy_dir: {native: /etc/finch},
   unverified: {policy_dir: {flatpak: [/var/lib/flatpak/extension/x, /etc/dove]}}}
- {id_: fox, support: firefox, processes: [fox], packages: {flatpak: [org.Fox]},
   policy_file: {native: /etc/fox.json, flatpak: /var/lib/flatpak/extension/x/fox.json},
   policy_fallbacks: [/usr/fox.json, /usr/local/fox.json]}
- {id_: vixen, support: firefox, policy_file: {native: /etc/fox.json}, policy_fallbacks: [/usr/fox.json]}
- {id_: wren, support: chromium, paths: [~/wren], unverified: {policy_file: {native: [/etc/wren.json]}}}
- {id_: robin, support: chromium, paths: [~/r, /opt/robin], unverified: {policy_file: {native: [/etc/robin.json]}}}
- {id_: bird, support: thunderbird, packages: {snap: [bird]}, policy_file: {native: /etc/bird.json}}
- {id_: tor, support: none, processes: [tor]}
""")
PLACES = yaml.safe_load("""
- {id: finch, family: chromium, path: /etc/finch/proscribe.json, browsers: [finch, dove],
   programs: [finch, both, dove], paths: [/opt/finch, /opt/dove], snaps: [finch, finch-beta],
   elsewhere: [flatpak org.Finch, snap dove]}
- {id: fox, family: firefox, path: /etc/fox.json, browsers: [fox, vixen], programs: [fox],
   fallbacks: [/usr/fox.json, /usr/local/fox.json]}
- {id: fox, family: firefox, path: /var/lib/flatpak/extension/x/fox.json, browsers: [fox], programs: [fox],
   flatpaks: [org.Fox], present: [/var/lib/flatpak]}
- {id: bird, family: thunderbird, path: /etc/bird.json, browsers: [bird]}
- {id: dove, family: chromium, path: /var/lib/flatpak/extension/x/proscribe.json, browsers: [dove],
   programs: [dove, both], paths: [/opt/dove, /opt/finch], flatpaks: [org.Dove],
   present: [/var/lib/flatpak/app/org.Dove]}
- {id: dove, family: chromium, path: /etc/dove/proscribe.json, browsers: [dove], programs: [dove, both],
   paths: [/opt/dove, /opt/finch], flatpaks: [org.Dove], present: [/opt/dove, /opt/finch]}
- {id: robin, family: chromium, path: /etc/robin.json, browsers: [robin], paths: [/opt/robin], present: [/opt/robin]}
""")


def test_places_of_a_catalogue_name_their_readers_and_traces():
    made = catalogue()
    made.browsers.update({keys["id_"]: browser(**keys) for keys in READERS})  # type: ignore[attr-defined]
    assert list_policy_places(made) == PLACES


@pytest.mark.parametrize(
    ("standing", "doors"),
    [({"mode": "enforce"}, True), ({"mode": "waived", "otherwise": "enforce"}, True), ({"mode": "waived"}, False)],
)
def test_names_that_people_type_come_first_where_the_lists_are_too_short(standing, doors):
    entry = {**standing, "domains": [f"h{number}.example" for number in range(999)], "urls": ["h9.example/x", "a.b"]}
    services: Any = {"own": entry, "other": {"mode": "enforce", "domains": [], "urls": ["z.example"]}}
    typed = service("own", front_doors=("H7.example", "h8.example/y", "a.b"))
    section = {"mode": "enforce", "settings": {}, "services": services}
    note_front_doors(section, catalogue(typed, service("other")))
    assert services["own"].get("front_doors") == (["h7.example", "h8.example", "a.b"] if doors else None)
    assert "front_doors" not in services["other"]


def test_unmanaged_browsers_are_scanned_for_without_shared_names():
    proxy = {"packages": {"apt": ("finch-proxy",)}, "processes": ("relayed",), "paths": ("/opt/proxy/finch",)}
    made = catalogue(service("proxy", **proxy))
    finch = {"packages": {"apt": ("finch", "finch-proxy"), "rpm": ("finch",)}, "paths": ("/opt/finch", *proxy["paths"])}
    browsers = [
        browser("chrome", "chromium", packages={"apt": ("chrome",)}, processes=("chrome", "both"), paths=("/opt/c",)),
        browser("fox", "firefox", processes=("fox", "relayed")),
        browser("bird", "thunderbird", processes=("bird",)),
        browser("finch", "none", processes=("finch", "both", "relayed"), **finch),
        browser("dove", "none", packages={"apt": ("dove",)}, processes=("dove", "finch"), paths=("/opt/dove",)),
    ]
    made.browsers.update({item.id: item for item in browsers})  # type: ignore[attr-defined]
    reached = make_unmanaged_entry(made, "audit", made.services.values())
    assert (reached["name"], reached["mode"]) == ("Browsers that no policy reaches", "audit")
    assert reached["packages"] == {"apt": ["finch", "dove"], "rpm": ["finch"]}
    assert (reached["processes"], reached["paths"]) == (["dove", "finch"], ["/opt/dove", "/opt/finch"])
    assert reached["copies"] == ["both", "chrome", "fox"]
    without = make_unmanaged_entry(made, "report", [])
    assert (without["mode"], without["paths"]) == ("report", ["/opt/dove", "/opt/finch", "/opt/proxy/finch"])
    assert without["packages"] == {"apt": ["finch", "finch-proxy", "dove"], "rpm": ["finch"]}
    assert without["copies"] == ["both", "chrome", "fox", "relayed"]


# -- runs
@pytest.fixture
def ask_run(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))

    def compiled(hosts, mode="audit", job=""):
        own = [
            HostVariables(name, {f"proscribe_{key}": value for key, value in values.items()}, {}, str(tmp_path))
            for name, values in hosts.items()
        ]
        groups = {"all": frozenset(hosts)}
        sources, controls = [str(tmp_path)], list(plans.CONTROLS)
        return compile_run(CompileInput(project, mode, "audit", sources, "", controls, own, groups, round=job), NOW)

    return compiled


def test_hosts_with_the_same_restrictions_share_a_plan_which_a_second_run_does_not_store_again(ask_run):
    run = ask_run({"web01": {}, "web02": {}, "db01": {"categories": ["webmail"]}})
    assert run["hosts"]["web01"] == run["hosts"]["web02"] != run["hosts"]["db01"]
    stored = sorted(Path(run["plans"]).glob("*.json"))
    assert len(stored) == 2
    for path in stored:
        plan = json.loads(path.read_text(encoding="utf-8"))
        plans.check_plan(plan)
        assert plan["digest"] == f"sha256:{path.stem}"
    first = ask_run({"web01": {}})
    before = {path: path.stat().st_mtime_ns for path in Path(first["plans"]).iterdir()}
    second = ask_run({"web01": {}})
    assert {path: path.stat().st_mtime_ns for path in Path(second["plans"]).iterdir()} == before
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("value", "command"),
    [
        ("wechat-3fa4b2c1", "its subcommand restore, --id wechat-3fa4b2c1, and"),
        (["a-00000001", "b-00000002"], "its subcommand restore, --id a-00000001, --id b-00000002, and"),
        ("$(reboot)", "its subcommand restore, and"),
    ],
)
def test_the_old_way_to_restore_stops_every_run_and_names_the_new_one(ask_run, tmp_path, value, command):
    for mode in ("lift", "enforce", "audit"):
        error = get_mistake(ask_run, {"web01": {"restore": value}, "web02": {"restore": value}}, mode=mode)
        assert error.key == "proscribe_restore" and "nothing was lifted" in error.expected
        assert error.expected.endswith(f" {command} this run's other options")
    assert not (tmp_path / "reports").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("named", "variables", "round_"),
    [
        ({"round": 12}, {"awx_workflow_job_id": 7}, "12"),
        ({}, {"awx_workflow_job_id": 7, "tower_workflow_job_id": 7}, "7"),
        ({}, {"tower_workflow_job_id": "8"}, "8"),
        ({}, {"awx_workflow_job_id": None, "awx_job_id": 9}, ""),
    ],
)
def test_a_run_is_of_the_round_that_is_named_or_of_the_workflow_job(ask_run, named, variables, round_):
    assert ask_run({"web01": named}, job=read_workflow_job(variables))["round"] == round_


@pytest.mark.parametrize("value", ["a b", "-x", "x" * 65, ["7"]])
def test_a_round_is_a_short_plain_word(ask_run, value):
    with pytest.raises(PolicyErrors, match="proscribe_round.*an id of letters, digits"):
        ask_run({"web01": {"round": value}})
    with pytest.raises(PolicyErrors, match="awx_workflow_job_id.*an id of letters, digits"):
        read_workflow_job({"awx_workflow_job_id": value})


OWN_VALUES: dict[str, dict[str, Any]] = {
    "press01": {"probe": True, "compliance_gate": "noncompliant", "stale_after": "1d", "watch": "5m"},
    "press02": {"audit_with": "stored", "compliance_gate": "incomplete", "observe_timeout": "2m"},
    "fin01": {"effective_from": "2027-01-01"},
    "desk01": {"probe": True},
}
SHARED_VALUES: dict[str, Any] = {"batches": [2, "10%"], "max_change": {"hosts": 5}, "max_failures": "20%"}
SHARED_VALUES |= {"exports": ["csv"], "history": "off", "history_keep": "1d", "reports_keep": "2d"}
SHARED_VALUES |= {"catalog_max_age": "forever", "reports": "../reports"}
WHOLE_RUN = yaml.safe_load("""
{playbook: enforce, mode: enforce, started: "2026-11-25T08:00:00Z", limit: "web*", pattern: "all:!lab", round: "7",
 catalog: {version: 2026.11.1, released: "2026-11-02"}, not_served: {sw1: a network device}, windows: [desk01],
 controls: [apps, firewall], departments: {finance: [fin01], press: [press01, press02]}, left_out: [lab01],
 services: [signal, slack, whatsapp], probe: [press01], audit_stored: [press02],
 gate: {press01: noncompliant, press02: incomplete}, exports: [csv], exports_fed: [], events: {}, history: "off",
 rollout: {batches: [2, 10%], max_change: {hosts: 5, removals: auto}, max_failures: 20%}, baseline: "",
 history_keep: 86400, reports_keep: 172800, stale_after: {usual: 259200, hosts: {press01: 86400}},
 observe_timeout: {usual: 300, hosts: {press02: 120}},
 warnings: ["Windows hosts are only observed, and nothing is corrected on them: desk01"],
 warnings_to_print: ["Windows hosts are only observed, and nothing is corrected on them: desk01"]}
""")
WHOLE_RUN["rollout"]["batches"] = (2, "10%")
WHOLE_RUN["upcoming"] = [
    {"service": service, "control": control, "effective_from": "2027-01-01"}
    for control in ("apps", "browser", "dns", "firewall")
    for service in ("signal", "slack", "whatsapp")
]


@pytest.fixture
def ask_four(organisation):
    """Return the question of a run over four hosts, with variables that are not as usual."""

    def ask(**more: Any) -> CompileInput:
        question = organisation.question(*OWN_VALUES)
        values = {name: {**SHARED_VALUES, **more, **own} for name, own in OWN_VALUES.items()}
        own = {name: {f"proscribe_{key}": value for key, value in of.items()} for name, of in values.items()}
        groups = {**question.groups, "all": frozenset([*OWN_VALUES, "sw1", "lab01"])}
        hosts = [HostVariables(name, own[name], {}, str(organisation.inventory)) for name in own]
        question = dataclasses.replace(question, mode="enforce", playbook="enforce", limit="web*", groups=groups)
        question = dataclasses.replace(question, pattern="all:!lab", windows_hosts=("desk01",), hosts=hosts, round="7")
        not_served = {"sw1": "a network device"}
        return dataclasses.replace(question, not_served=not_served, controls=["apps", "firewall"])

    return ask


def test_a_run_has_all_that_its_report_needs(organisation, ask_four):
    organisation.waiver()
    release = "schema: proscribe/catalog/1\nversion: 2026.11.1\nreleased: 2026-11-02\n"
    (organisation.root / "catalog/release.yml").write_text(release)
    run = compile_run(ask_four(), NOW)
    press01, press02, finance = (run["hosts"][name] for name in ("press01", "press02", "fin01"))
    apart = ("id", "version", "catalog_version", "code", "packed", "waivers", "policies", "watch")
    assert {key: value for key, value in run.items() if key not in apart} == {
        **WHOLE_RUN,
        "inventory": [str(organisation.inventory)],
        "directory": f"{organisation.root}/reports/{run['id']}.partial",
        "plans": f"{organisation.root}/reports/plans",
        "hosts": {"press01": press01, "press02": press02, "fin01": finance, "desk01": press02},
        "rules": dict.fromkeys((press01, press02, finance), 6),
        "nothing_known": {press01: [], press02: [], finance: []},
    }
    assert re.fullmatch(r"20261125T080000Z-enforce-[0-9a-f]{4}", run["id"])
    assert re.fullmatch("[0-9a-f]{12}", run["catalog_version"]) and re.fullmatch("[0-9a-f]{64}", run["code"])
    assert set(run["packed"]) == set(run["policies"]) == {press01, press02, finance}
    assert list(run["watch"]) == ["release"]
    assert [(item["id"], item["status"]) for item in run["waivers"]] == [("w1", "active")]
    noted = {path.name.rpartition("-")[0] for path in Path(run["plans"]).iterdir()}
    assert {"catalogue", "plan"} <= noted, "for the next run"


@pytest.mark.parametrize(
    ("name", "value"),
    [("batches", [1]), ("max_change", 1), ("max_failures", "1%"), ("catalog_max_age", "1d"), ("reports", "other")],
)
def test_hosts_of_a_run_have_to_agree(name, value, organisation, ask_four, monkeypatch):
    monkeypatch.setitem(OWN_VALUES, "desk01", {name: value})
    assert get_mistake(compile_run, ask_four(), NOW).key == f"proscribe_{name}"
    assert not (organisation.root / "reports").exists()
    monkeypatch.setitem(OWN_VALUES, "desk01", {name: "x\n"})  # a mistake agrees with all
    error = get_mistake(compile_run, ask_four(), NOW)
    assert (error.location, error.key) == ("host desk01", f"proscribe_{name}")
    monkeypatch.setitem(OWN_VALUES, "fin01", {name: value})
    with pytest.raises(PolicyErrors) as raised:
        compile_run(ask_four(), NOW)
    assert [error.location for error in raised.value.errors] == ["host desk01", "host fin01"]


def test_fed_directories_are_due_with_their_plans(organisation):
    fed: list[Any] = [{"format": "rpz", "directory": f"/srv/{group}", "group": group} for group in ("press", "nosuch")]
    fed += ["nft", {"format": "pac", "directory": "/srv/all", "access_log": "/var/log/pac", "url": "/pac"}]
    organisation.variables |= {"exports_fed": fed, "exports_key": "/etc/key"}
    press, missing, everybody = organisation.run()["points"]
    signed = {"key": "/etc/key", "signers": [f"{organisation.inventory}/allowed_signers"]}
    blank = {**signed, "why": "", "access_log": "", "url": ""}
    assert press == {**blank, "format": "rpz", "directory": "/srv/press", "group": "press", "plan": press["plan"]}
    served = {"access_log": "/var/log/pac", "url": "/pac", "plan": everybody["plan"]}
    assert everybody == {**blank, "format": "pac", "directory": "/srv/all", "group": "", **served}
    digests = [point["plan"] for point in (press, everybody)]
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in digests)
    assert missing["plan"] == "" and "found 'nosuch', expected a group of the inventory" in missing["why"]


def test_a_run_that_lifts_needs_no_waiver_that_was_there(organisation, ask_four):
    file = organisation.waiver()
    compile_run(ask_four(), NOW)
    file.unlink()
    with pytest.raises(PolicyErrors, match="w1"):
        compile_run(ask_four(), NOW)
    assert compile_run(dataclasses.replace(ask_four(), mode="lift"), NOW)["mode"] == "lift"


def test_a_run_over_a_nested_inventory_is_refused(organisation):
    (organisation.inventory / "prod").mkdir()
    (organisation.inventory / "prod/approvers.yml").touch()
    assert get_mistake(organisation.run).location == f"{organisation.inventory}/prod"


def test_the_projects_own_catalogue_may_be_in_the_inventory(organisation):
    organisation.approvers(None)
    organisation.waivers.rmdir()
    question = dataclasses.replace(organisation.question("press01"), inventory=[str(organisation.root)])
    assert set(read_sound_policy(question).service_ids) == {"signal", "slack", "whatsapp"}
    (organisation.root / "more").mkdir()
    (host,) = question.hosts
    own = {**host.values, "proscribe_catalog_dirs": ["more"]}
    error = get_mistake(read_sound_policy, dataclasses.replace(question, hosts=[dataclasses.replace(host, values=own)]))
    assert (error.location, error.key) == ("host press01", "proscribe_catalog_dirs")
    assert error.found_value == str(organisation.root / "more")


def test_no_two_services_have_one_name_on_windows(own_catalogue):
    """One program would be evidence of both."""
    services: dict[tuple[str, str], set[str]] = {}
    for entry in own_catalogue.services.values():
        named = {"image": entry.windows_processes, "app": entry.packages.get("appx", ()), **entry.windows_registered}
        for kind, names in named.items():
            for name in names:
                services.setdefault((kind, name.casefold()), set()).add(entry.id)
    assert len(services) > 200 and not {name: ids for name, ids in services.items() if len(ids) > 1}


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ({}, "report"),
        *(({"controls": controls}, "audit") for controls in ({"dns": "audit"}, {"firewall": "off"})),
        ({"controls": {"browser": "off"}}, "report"),
        ({"controls": {"dns": "off"}, "unmanaged_browsers": "report"}, "report"),
    ],
)
def test_browsers_without_policies_count_where_the_network_is_open(values, mode):
    assert choose_mode(restrictions(**values)) == mode
