"""Fourteen well-known programs in Wine's registry."""

import datetime
import time

import foreign_hosts as foreign
import pytest
from conftest import layers
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.windows import applocker, command_line, exported_keys, host_record, installed_programs
from proscribe.controller.windows.answer_reader import parse_answer
from proscribe.controller.windows.command_line import (
    APP_PACKAGES_KEY,
    APP_PATHS_KEY,
    DEVICE_PACKAGES_KEY,
    STARTED_KEY,
    STARTED_LATELY_KEY,
)
from proscribe.host.controls.group_policy.registry_pol import make_number_entry, make_text_entry
from proscribe.model.finding import NONCOMPLIANT, UNKNOWN
from proscribe.model.plan import add_digest
from test_apps_real_dpkg import SOURCE, Machine
from well_known import SHARED_IMAGES, WELL_KNOWN

pytestmark = pytest.mark.nightly

ENVIRONMENT = ("HOME=/root", "WINEDEBUG=-all", "XDG_RUNTIME_DIR=/tmp")
ALICE = "S-1-5-21-0-0-0-1000"  # as Wine calls its user
USER, HOST = f"HKEY_USERS\\{ALICE}", "HKEY_LOCAL_MACHINE"
LATELY = bytes.fromhex("153eae3657ded401" + "00" * 16)


class Windows:
    """What Wine makes of a throw-away Debian."""

    def __init__(self, machine, files):
        self._machine, self._files = machine, files
        self.wine("wineboot", "-i")

    def wine(self, *words, **environment):
        named = [f"{name}={value}" for name, value in environment.items()]
        return str(self._machine.run("env", *ENVIRONMENT, *named, "wine", *words, check=False).stdout)

    def imports(self, values, without=()):
        """Set values, and then remove keys."""
        text = foreign.registry_file(values) + "".join(f"\n[-{key}]\n" for key in without)
        (self._files / "x.reg").write_text(text, encoding="utf-16")
        self.wine("reg", "import", "Z:\\debs\\x.reg")

    def exports(self, key):
        """Return the file that `reg export` writes of a key."""
        self.wine("reg", "export", key, "Z:\\debs\\y.reg", "/y")
        return (self._files / "y.reg").read_bytes()

    def answers(self):
        mark = command_line.make_token()
        return parse_answer(self.wine("cmd", "/c", "%LINE%", LINE=command_line.make_command_line(mark)).encode(), mark)


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    machine = Machine(tmp_path_factory.mktemp("wine"), layers("trixie-wine"), SOURCE, files)
    try:
        made = Windows(machine, files)
        # What every Windows has, and Wine has not.
        made.imports([(f"{USER}\\{key}", "", "") for key in (APP_PACKAGES_KEY, STARTED_KEY)])
        made.imports([(f"{whole(DEVICE_PACKAGES_KEY)}\\Microsoft.Paint_11.0.0.0_x64__8wekyb3d8bbwe", "Path", "C:\\x")])
        yield made
    finally:
        machine.stop()


@pytest.fixture(scope="module")
def plan(own_catalogue):
    chosen = {"proscribe_categories": [], "proscribe_services_include": [one.service for one in WELL_KNOWN]}
    compiled = compile_plan(own_catalogue, read_restrictions(chosen, str), [], datetime.date(2026, 11, 30))
    return add_digest({**compiled, "controls": {"apps": compiled["controls"]["apps"]}})


def rules(plan, answer):
    """The rules of the fourteen that are not plainly compliant."""
    made = host_record.observe_windows_host(plan, answer, ["apps"], time.monotonic())
    found = {rule["rule"].partition("/")[2]: dict(rule) for rule in made["rules"]}
    return {one.service: found[one.service] for one in WELL_KNOWN if one.service in found}


def whole(key):
    return key.replace("HKLM", HOST, 1)


LISTS = (f"{USER}\\{APP_PACKAGES_KEY}", whole(DEVICE_PACKAGES_KEY))


def with_keys(one):
    key = f"{HOST}\\{command_line.UNINSTALL_KEY}\\{one.key}"
    values = {"DisplayName": one.name, "Publisher": one.publisher, "InstallLocation": one.folder}
    return [(key, name, text) for name, text in values.items()]


def as_apps(one):
    return [(f"{key}\\{one.package}", "PackageID", one.package) for key in LISTS]


def as_notes(one):
    path = f"C:\\Users\\alice\\Downloads\\{one.image}"
    return [
        (f"{USER}\\{STARTED_KEY}", f"{path}.FriendlyAppName", one.name),
        (f"{whole(STARTED_LATELY_KEY)}\\{ALICE}", path.replace("C:", "\\Device\\HarddiskVolume3"), LATELY),
    ]


def as_paths(one):
    return [(f"{HOST}\\{APP_PATHS_KEY}\\{one.image}", "", f"D:\\Portable\\{one.image}")]


def test_without_any_of_them_all_are_compliant(windows, plan):
    assert rules(plan, windows.answers()) == {}


def test_names_that_wine_prints_as_question_marks_are_read_from_a_real_export(windows, plan):
    """Wine's `type` does not print a file in UTF-16, so the file that its `reg export` writes is read here."""
    windows.imports([(f"{HOST}\\{command_line.UNINSTALL_KEY}\\x", "DisplayName", "\u817e\u8bafQQ")])
    answer, mark = windows.answers(), command_line.make_token()
    [key] = lossy_keys = installed_programs.find_lossy_keys(answer)
    assert rules(plan, answer)["qq"]["state"] == UNKNOWN
    head, end = (f"{mark} {word}\n".encode() for word in (f"export {key}", "done"))
    exported_keys.read_exported_keys(answer.registry, lossy_keys, head + windows.exports(key) + end, mark)
    windows.imports([], without=[f"{HOST}\\{command_line.UNINSTALL_KEY}\\x"])
    assert [rule["state"] for rule in rules(plan, answer).values()] == [NONCOMPLIANT]


@pytest.mark.parametrize(
    ("made", "keys", "state"),
    [
        (with_keys, [f"{HOST}\\{command_line.UNINSTALL_KEY}\\{one.key}" for one in WELL_KNOWN], NONCOMPLIANT),
        (as_apps, [f"{top}\\{one.package}" for top in LISTS for one in WELL_KNOWN], NONCOMPLIANT),
        (as_paths, [f"{HOST}\\{APP_PATHS_KEY}\\{one.image}" for one in WELL_KNOWN], NONCOMPLIANT),
        (as_notes, [f"{USER}\\{STARTED_KEY}", whole(STARTED_LATELY_KEY)], UNKNOWN),
    ],
)
def test_well_known_program_is_named(windows, plan, made, keys, state):
    windows.imports(value for one in WELL_KNOWN for value in made(one))
    found = rules(plan, windows.answers())
    windows.imports([], without=keys)
    for one in WELL_KNOWN:
        known = plan["controls"]["apps"]["services"][one.service].get("windows_packages", {}).get("appx")
        is_doubtful = (made is as_apps and not known) or (made is as_paths and one.image in SHARED_IMAGES)
        assert found[one.service]["state"] == (UNKNOWN if is_doubtful else state), one.service
        assert found[one.service]["findings"] and (found[one.service]["reason"] or state == NONCOMPLIANT)


def test_a_policy_of_applocker_is_read(windows):
    """Wine's tasklist knows no services, so whether the one that applies the rules runs is not known there."""
    key = command_line.APPLOCKER_HOST_KEY.partition("\\")[2] + "\\Exe"
    condition = '<FilePathCondition Path="*\\x.exe"/>'
    xml = f'<FilePathRule Id="1" Name="a &quot;b&quot;" Action="Deny">{condition}</FilePathRule>'
    entries = [make_number_entry(key, "EnforcementMode", 1), make_text_entry(f"{key}\\1", "Value", xml)]
    [before] = applocker.compare_applocker("enforce", entries, "enforce", windows.answers())
    values = [(f"{HOST}\\{key}", "EnforcementMode", 1), (f"{HOST}\\{key}\\1", "Value", xml)]
    windows.imports([(whole(command_line.APPLIER_KEY), "Start", 2), *values])
    [after] = applocker.compare_applocker("enforce", entries, "enforce", windows.answers())
    assert (before.state, before.findings[0].detail) == (NONCOMPLIANT, applocker.NO_RULE_DETAIL)
    assert (after.state, after.reason) == (UNKNOWN, applocker.UNKNOWN_SERVICE_REASON)
