"""Accounts of OneDrive, Teams and Google Drive on a Windows host, compared with the plan."""

import time

import pytest
from proscribe.controller.windows import command_line as keys
from proscribe.controller.windows import host_record
from proscribe.host.controls.group_policy.account_restrictions import ACCOUNT_RULES
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN
from proscribe.model.plan import add_digest
from proscribe.wire.answers import results
from windows_answers import BROWSER_SETTINGS, answered, plan, policies_of

OWN, PARTNER = "2fd6bb84-ad40-4ec5-9369-a215b25c9952", "72f988bf-86f1-41af-91ab-2d7cd011db47"
LIST = f"{keys.POLICIES_KEY}\\Microsoft\\OneDrive\\AllowTenantList"
DRIVE = f"{keys.POLICIES_KEY}\\Google\\DriveFS"
PATTERN = r"^[^@]+@(corp\.example)$"
SITE = {"name": "x", "mode": "enforce", "domains": [], "urls": ["x.example"], "allow": []}
RESTRICTED = dict.fromkeys(("onedrive_personal", "teams_personal", "google_drive"), SITE)
RULES = [f"browser/{name}" for name in ACCOUNT_RULES.values()]
TENANTS, PRIVATE, TEAMS, ACCOUNTS = RULES
UNSEEN = "not observable here: "


def make_plan(*microsoft, google=("corp.example",), services=RESTRICTED):
    made = plan(sites=services)
    tenants = {"google": list(google), "microsoft": list(microsoft)}
    made["controls"]["browser"]["settings"] = {**BROWSER_SETTINGS, "tenants": tenants}
    return add_digest(made)


def observe(made, values, **named):
    record = host_record.observe_windows_host(made, answered(values, **named), ["browser"], time.monotonic())
    read = results.read_observation(host_record.make_module_result(record, "never"))["record"]
    return {rule["rule"]: rule for rule in read["rules"] if rule["rule"] in RULES}


def test_values_of_the_plan_are_compliant_and_those_of_users_are_not_observable():
    made = make_plan(OWN, PARTNER)
    values = policies_of(made)
    assert [(name, data) for name, _, data in values[LIST]] == [(OWN, OWN), (PARTNER, PARTNER)]
    assert [data for _, _, data in values[DRIVE]] == [PATTERN]
    seen = observe(made, values)
    assert {rule: entry["state"] for rule, entry in seen.items()} == {PRIVATE: NOT_APPLICABLE, TEAMS: NOT_APPLICABLE}
    assert all(entry["reason"].startswith(UNSEEN) and "of each user" in entry["reason"] for entry in seen.values())


TEXT = "REG_SZ"


@pytest.mark.parametrize(
    ("rule", "key", "values", "words"),
    [
        (TENANTS, LIST, None, [f"the tenant {OWN} is not in the list", f"the tenant {PARTNER} is not in the list"]),
        (TENANTS, LIST, [], [f"the tenant {OWN} is not in the list", f"the tenant {PARTNER} is not in the list"]),
        (TENANTS, LIST, [("1", TEXT, PARTNER.upper())], [f"the tenant {OWN} is not in the list"]),
        (TENANTS, LIST, [(OWN, "REG_DWORD", "0x1"), (PARTNER, TEXT, PARTNER)], [f"{OWN} is not in the list"]),
        (ACCOUNTS, DRIVE, None, ["no text is set"]),
        (ACCOUNTS, DRIVE, [("AllowedAccountsPattern", "REG_DWORD", "0x1")], ["no text is set"]),
        (ACCOUNTS, DRIVE, [("allowedaccountspattern", TEXT, ".*")], ["another text is set: .*"]),
    ],
)
def test_a_value_that_is_missing_or_different_is_noncompliant(rule, key, values, words):
    made = make_plan(OWN, PARTNER)
    registry = {name: entries for name, entries in policies_of(made).items() if name != key}
    found = observe(made, registry if values is None else {**registry, key: values})
    assert found[rule]["state"] == NONCOMPLIANT
    details = [(finding["path"], finding["detail"]) for finding in found[rule]["findings"]]
    assert len(details) == len(words)
    assert all(path == key and word in text for (path, text), word in zip(details, words, strict=True))
    assert found.keys() == {rule, PRIVATE, TEAMS}


@pytest.mark.parametrize(
    "more", [[("9", TEXT, "another")], [(PARTNER, TEXT, PARTNER.upper() + " "), ("x", "REG_DWORD", "0x0")]]
)
def test_tenants_that_another_object_adds_are_no_difference(more):
    made = make_plan(OWN)
    values = policies_of(made)
    assert TENANTS not in observe(made, {**values, LIST: [*values[LIST], *more]})


@pytest.mark.parametrize(
    ("refused", "rule", "key"),
    [
        (["HKLM\\Software\\Policies\\Microsoft\\OneDrive"], TENANTS, LIST),
        (["HKLM\\Software\\Policies\\Google"], ACCOUNTS, DRIVE),
    ],
)
def test_a_key_that_cannot_be_read_is_unknown(refused, rule, key):
    made = make_plan(OWN)
    found = observe(made, policies_of(made), refused=refused)
    assert (found[rule]["state"], found[rule]["reason"]) == (UNKNOWN, f"{key} cannot be read there")


def test_a_tenant_without_its_id_makes_the_list_unknown_and_nothing_else():
    made = make_plan("dept.example")
    found = observe(made, {DRIVE: [("AllowedAccountsPattern", TEXT, PATTERN)]})
    assert found[TENANTS]["state"] == UNKNOWN and "without the id of its tenant" in found[TENANTS]["reason"]
    assert found.keys() == {TENANTS, PRIVATE}
    teams = {"teams_personal": SITE}
    assert observe(make_plan("dept.example", google=(), services=teams), {}) == {}


@pytest.mark.parametrize(
    ("services", "google", "rules"),
    [
        ({}, [], set()),
        ({"onedrive_personal": {**SITE, "mode": "waived", "waiver": "W-1"}}, [], set()),
        ({"onedrive_personal": SITE}, [], {PRIVATE}),  # without a tenant only the user's value
        ({"google_drive": SITE}, [], set()),
        ({"google_drive": SITE}, ["corp.example"], {ACCOUNTS}),
    ],
)
def test_only_programs_that_the_plan_manages_have_a_rule(services, google, rules):
    assert observe(make_plan(google=google, services=services), {}).keys() == rules


def test_a_compliant_record_has_every_rule_counted():
    made = make_plan(OWN)
    record = host_record.observe_windows_host(made, answered(policies_of(made)), ["browser"], time.monotonic())
    assert record["state"] == COMPLIANT
    assert record["controls"]["browser"]["evaluated"] >= 2


def test_a_long_text_of_a_host_is_cut_and_escaped():
    made = make_plan(OWN)
    values = {**policies_of(made), DRIVE: [("AllowedAccountsPattern", TEXT, "\x1b[2J" + "x" * 5000)]}
    (finding,) = observe(made, values)[ACCOUNTS]["findings"]
    assert "\x1b" not in finding["detail"] and len(finding["detail"]) < 260
