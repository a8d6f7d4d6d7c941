"""Programs that serve permitted accounts, too: they are reported, and never removed, ended or denied."""

import datetime
import json
from pathlib import Path

import pytest
import yaml
from made import catalogue, service
from proscribe.controller.compile.catalogue.schema import PROGRAM_KEYS
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.enforcement_points.decision import make_decision
from proscribe.controller.enforcement_points.formats import ddm, intune, mobileconfig, santa
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model.finding import Finding, judge_rule
from proscribe.model.plan import RESTRICTED_MODES

TODAY = datetime.date(2026, 11, 29)
NOW = datetime.datetime(2026, 11, 29, 8, tzinfo=datetime.timezone.utc)
TENANTS = {"google": ["example.org"], "microsoft": ["2fd6bb84-ad40-4ec5-9369-a215b25c9952"]}
EVERY = ["instant_messaging", "webmail", "cloud_storage", "circumvention", "remote_control", "ai_assistants"]
EVERY += ["social_media", "code_hosting"]
DRIVE = {"apt": ("drive",)}
MADE = catalogue(
    service("drive", category="cloud_storage", domains=("private.example",), packages=DRIVE, programs="both"),
    service("chat", domains=("chat.example",), packages={"apt": ("chat",)}),
)


def compiled(made, **restrictions):
    read = read_restrictions({f"proscribe_{name}": value for name, value in restrictions.items()}, str)
    return compile_plan(made, read, [], TODAY)


def modes(made, control, **restrictions):
    services = compiled(made, **restrictions)["controls"][control]["services"]
    return {id_: entry["mode"] for id_, entry in services.items()}


@pytest.mark.parametrize(
    ("restrictions", "drive"),
    [
        ({}, "report"),
        ({"services_include": ["drive"]}, "report"),
        ({"controls": {"apps": "audit"}}, "report"),
        ({"programs_for_both": "remove"}, "enforce"),
        ({"programs_for_both": "remove", "controls": {"apps": "audit"}}, "audit"),
    ],
)
def test_the_programs_stay_and_the_names_of_the_private_edition_are_blocked(restrictions, drive):
    assert modes(MADE, "apps", **restrictions)["drive"] == drive
    assert modes(MADE, "browser", **restrictions) == modes(MADE, "dns", **restrictions)
    assert modes(MADE, "dns", **restrictions)["drive"] == "enforce"


def test_what_is_found_is_reported_and_does_not_count():
    entry = compiled(MADE)["controls"]["apps"]["services"]["drive"]
    found = Finding("package", "drive", manager="apt", version="1")
    verdict = judge_rule("apps/drive", entry, [found])
    assert (verdict.state, verdict.findings, verdict.drifted) == ("not_applicable", (found,), False)
    assert "serves both" in verdict.reason


def test_groups_of_users_cannot_be_denied_the_program_either():
    with pytest.raises(PolicyErrors, match=r"groups_restricted\[0\].services\[0\]: found 'drive'"):
        compiled(MADE, groups_restricted=[{"services": ["drive"], "groups": ["staff"], "controls": ["apps"]}])


# -- the project's own catalogue


@pytest.mark.parametrize(
    "restrictions",
    [{}, {"tenants": TENANTS}, {"categories": EVERY}, {"categories": EVERY, "tenants": TENANTS}],
    ids=["default", "tenants", "every category", "every category and tenants"],
)
def test_no_policy_denies_what_offices_depend_on(project, own_catalogue, restrictions):
    office = yaml.safe_load((project / "tests/catalog/office_programs.yml").read_text())
    plan = compiled(own_catalogue, **restrictions)
    for id_, entry in plan["controls"]["apps"]["services"].items():
        if entry["mode"] in RESTRICTED_MODES:
            named = {**entry["packages"], **entry.get("windows_packages", {}), **entry}
            for key, programs in office.items():
                assert not folded(programs) & folded(named.get(key, ())), (id_, key)
    decided = make_decision({"host": plan}, NOW, "", ("apps", "browser"))
    exports = [export.render_export(decided) for export in (ddm, intune, mobileconfig, santa)]
    files = [file for export in exports for file in export.files.values()]
    exported = json.dumps([file.decode(errors="replace") for file in files]).replace("\\", "")
    assert not [id_ for id_ in (*office["bundle_ids"], *office["signing_ids"]) if f'"{id_}"' in exported]


def folded(names):
    return {name.casefold() for name in names}


def test_each_entry_with_programs_says_whom_they_serve(own_catalogue):
    """Written down, and not the default: somebody has judged it."""
    for entry in own_catalogue.services.values():
        data = yaml.safe_load(Path(entry.file).read_text())
        assert ("programs" in data) == bool(set(data) & set(PROGRAM_KEYS)), entry.id
