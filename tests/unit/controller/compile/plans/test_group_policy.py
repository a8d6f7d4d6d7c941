"""Group Policy in a domain controller's plan: what the variable may say, and the one policy of a group's hosts."""

import dataclasses
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mistakes import get_mistake
from proscribe.controller.compile.inventory.host_variables import HostVariables
from proscribe.controller.compile.plans.host_plans import CompiledPlans, compile_hosts
from proscribe.controller.compile.restrictions.group_policy_values import read_group_policy
from proscribe.controller.policy_errors import PolicyErrors, UnexpectedValue
from proscribe.model.plan import check_plan
from waiver_organisation import at

NOW = at("2026-11-25T08:00:00+00:00")
OU = "OU=Desktops,DC=example,DC=com"
UNITS = [f"OU=U{number},DC=example,DC=com" for number in range(100)]
ONE: dict[str, Any] = {"name": "Ours", "group": "press", "ous": [OU]}
WRONG_POLICIES = [
    ({}, "", "a list of {name, group, ous, enforced}"),
    ([{**ONE, "group_": 1}], "[0].group_", "a known key, did you mean 'group'?"),
    ([{"name": "x"}], "[0].group", "a group of the inventory"),
    *(([{**ONE, "name": name}], "[0].name", "a name of letters") for name in ("*)(cn=*", "x" * 65)),
    ([ONE, {**ONE, "name": "OURS."}], "[1].name", "a name that differs from 'Ours' in a letter or a digit"),
    *(([{**ONE, "ous": units}], "[0].ous", "a list of 1 to 100") for units in ([], "OU=x", UNITS + [OU])),
    ([{**ONE, "ous": [f"{OU}\nchangetype: delete"]}], "[0].ous[0]", "a unit as the directory"),
    ([{**ONE, "ous": [f"OU={'x' * 600},DC=a"]}], "[0].ous[0]", "a unit as the directory"),
    ([{**ONE, "enforced": "maybe"}], "[0].enforced", "true or false"),
    ([ONE] * 51, "", "at most 50 objects"),
    ([{**ONE, "ous": [OU, 7]}], "[0].ous[1]", "a unit as the directory names it"),
    ([{**ONE, "group": ""}], "[0].group", "a group of the inventory"),
]


@pytest.mark.parametrize(("value", "key", "expected"), WRONG_POLICIES)
def test_wrong_group_policy_is_refused_at_its_key(value, key, expected):
    mistake = get_mistake(read_group_policy, value)
    assert mistake.key == key and mistake.expected.startswith(expected)


@given(st.text(), st.text())
def test_accepted_names_are_one_line_of_a_record(name, unit):
    try:
        (item,) = read_group_policy([{"name": name, "group": "g", "ous": [f"OU={unit},DC=x"]}])
    except UnexpectedValue:
        return
    assert item.name.isprintable() and all(ou.isprintable() for ou in item.ous)


def compile_question(organisation, value, *hosts, others=lambda name: {}, **more):
    """Compile a run over hosts, of which lab01 is the domain controller; `others` has values of its audience."""
    question = organisation.question(*(hosts or ("lab01", "press01", "fin01")))
    of_host = {"lab01": {f"proscribe_{name}": item for name, item in {"group_policy": value, **more}.items()}}
    made = [dataclasses.replace(h, values={**h.values, **of_host.get(h.name, {})}) for h in question.hosts]

    def variables_of(name: str) -> HostVariables:
        (host,) = organisation.question(name).hosts
        return dataclasses.replace(host, values={**host.values, **others(name)})

    return compile_hosts(dataclasses.replace(question, hosts=made, variables_of=variables_of), NOW)


def read_object(found: CompiledPlans) -> dict[str, Any]:
    plan = found.plans[found.hosts["lab01"]]
    check_plan(plan)
    return plan["group_policy"]["objects"][0]  # type: ignore[no-any-return]


def test_a_controller_alone_has_the_policy_of_the_group(organisation):
    organisation.variables["request_url"] = "https://ask.example.org/"
    compiled = compile_question(organisation, [{**ONE, "enforced": True}])
    audience = compiled.plans[compiled.hosts["press01"]]
    item = {**ONE, "enforced": True, "browser": audience["controls"]["browser"]}
    assert read_object(compiled) == {**item, "request_url": "https://ask.example.org/"}
    assert "group_policy" not in audience and "group_policy" not in compiled.plans[compiled.hosts["fin01"]]
    item = read_object(compile_question(organisation, [{**ONE, "group": "lab"}]))
    assert (item["browser"]["mode"], item["enforced"]) == ("enforce", False), "one may be in its own audience"


def get_first_mistake(organisation, item, *hosts, **options):
    """Return the mistake of an object before another one with a mistake, which has to be reported as well."""
    with pytest.raises(PolicyErrors) as raised:
        compile_question(organisation, [item, {**ONE, "name": "Theirs", "group": "nosuch"}], *hosts, **options)
    first, second = raised.value.errors
    places = [(error.location, error.key) for error in (first, second)]
    assert places == [("host lab01", f"proscribe_group_policy[{number}].group") for number in (0, 1)]
    assert second.found_value == "nosuch"
    return first


@pytest.mark.parametrize(
    ("group", "variables", "expected"),
    [
        ("pres", {}, "a group of the inventory, did you mean 'press'?"),
        ("empty", {}, "a group with a host"),
        ("lab", {"controls": {"browser": "off"}}, "a group whose proscribe_controls has browser: enforce or audit"),
    ],
)
def test_a_group_without_one_policy_is_refused(organisation, group, variables, expected):
    error = get_first_mistake(organisation, {**ONE, "group": group}, **variables)
    assert error.found_value == group and error.expected.startswith(expected)


@pytest.mark.parametrize(
    ("tenant", "service", "refused"),
    [
        ("dept.example", "onedrive_personal", True),
        ({"id": "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "domains": ["dept.example"]}, "onedrive_personal", False),
        ("dept.example", "teams_personal", False),  # it has no value for a machine
    ],
)
def test_onedrive_needs_a_tenants_id(organisation, tenant, service, refused):
    (file,) = (organisation.root / "catalog").glob("*/whatsapp.yml")
    entry = yaml.safe_load(file.read_text().replace("whatsapp", service.replace("_", "-")))
    shared = ("category", "vendor", "audience", "enforce", "domains", "sources")
    entry = {"id": service, "name": service, **{key: entry[key] for key in shared}}
    file.with_name(f"{service}.yml").write_text(yaml.safe_dump(entry))
    own = {"proscribe_tenants": {"microsoft": [tenant]}}
    options = {"others": lambda name: own}
    if not refused:
        assert compile_question(organisation, [ONE], "lab01", **options)
        return
    error = get_first_mistake(organisation, ONE, "lab01", **options)
    assert error.found_value == "press" and "proscribe_tenants.microsoft has 'dept.example' without" in error.expected


def test_a_group_with_two_policies_is_refused(organisation):
    own = {"press02": {"proscribe_services_exclude": ["slack"]}}
    error = get_first_mistake(organisation, ONE, "lab01", others=lambda name: own.get(name, {}))
    assert "the hosts press01 and press02 have different policies" in error.expected


PUBLISHER = "CN=24803D75-212C-471A-BC57-9EF86AB91435"
WINDOWS = {"processes": {"windows": ["WhatsApp.exe"], "linux": ["whatsapp"]}, "installers": ["WhatsAppSetup*.exe"]}
WINDOWS |= {"publishers": {"programs": ["O=PARROT LTD, L=PERTH, C=AU"], "appx": [PUBLISHER]}}
WINDOWS |= {"packages": {"apt": ["whatsapp"], "appx": ["Chat_cv1g1gvanyjgm", "Other"]}}
NAMED = {"windows_processes": ["WhatsApp.exe"], "windows_installers": ["WhatsAppSetup*.exe"]}
NAMED |= {"windows_publishers": {"programs": ["O=PARROT LTD, L=PERTH, C=AU"], "appx": [f"{PUBLISHER}\\Chat"]}}
FOR_APPLOCKER = {"mode": "enforce", "settings": {"applocker": "audit"}}
FOR_APPLOCKER |= {"services": {"whatsapp": {"mode": "enforce", "name": "whatsapp", **NAMED}}}


def write_programs(organisation):
    """Give WhatsApp programs on Windows."""
    (file,) = (organisation.root / "catalog").glob("*/whatsapp.yml")
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **WINDOWS}))


@pytest.mark.parametrize(
    ("variables", "apps"),
    [
        ({}, FOR_APPLOCKER),
        *((values, None) for values in ({"applocker": "off"}, {"controls": {"apps": "off"}})),
        ({"services_exclude": ["whatsapp"]}, None),
    ],
)
def test_object_has_what_applocker_needs_of_programs(variables, apps, organisation):
    write_programs(organisation)
    organisation.variables |= variables
    assert read_object(compile_question(organisation, [ONE])).get("apps") == apps
    organisation.waiver(controls=["apps"], hosts=["press01", "press02", "shared01"], approved_by="head.of.both")
    assert "apps" not in read_object(compile_question(organisation, [ONE])), "all of the group have a waiver"


def test_a_waiver_for_users_is_refused_where_rules_are_enforced(organisation):
    """AppLocker's rule denies to all, and no rule for some of them goes before it."""
    write_programs(organisation)
    organisation.waiver(controls=["apps"], users=["alice"])

    audited = compile_question(organisation, [ONE], "lab01", others=lambda name: {"proscribe_applocker": "audit"})
    assert "whatsapp" in read_object(audited)["apps"]["services"]
    error = get_first_mistake(organisation, ONE, "lab01", others=lambda name: {"proscribe_applocker": "enforce"})
    assert "w1 is for users of whatsapp, and AppLocker denies to all" in error.expected
