"""AppLocker's policy agrees with `explain`."""

import applocker_evaluator as evaluator
import pytest
from agreeing_policy import FOR_USERS, OF_OTHER, OTHER, STRICT, Exported
from applocker_evaluator import File, denied
from proscribe.controller.cli.explain.reasons.reason import AUDITED, BLOCKED, DEPENDS, WAIVED
from proscribe.controller.enforcement_points.formats.applocker import NO_PROGRAM_REASON
from reach_cases import WAIVED as WAIVED_SERVICE

EVERY = 4  # of the services, one in so many is asked for: `explain` takes seconds for each
CLOSED = (BLOCKED, AUDITED, DEPENDS)  # a point has no audit; a name alone is denied where a host reports it


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return Exported(tmp_path_factory.mktemp("inventory") / "inventory", ["applocker"])


def programs(entry):
    for path in (*entry.get("windows_processes", ()), *entry.get("windows", ()), *entry.get("windows_installers", ())):
        yield File("C:\\Apps\\" + path.replace("/", "\\").replace("*", "-1.2.3-"))
    publishers = entry.get("windows_publishers", {})
    for row in publishers.get("programs", ()):
        publisher, product, binary = (*row.split("\\"), "ANY", "ANY.EXE")[:3]
        yield File("D:\\renamed.exe", publisher, product, binary)
        yield File("D:\\renamed.msi", publisher, product, binary)
    for row in publishers.get("appx", ()):
        publisher, _, product = row.rpartition("\\")
        yield File("", publisher, product, "APP", packaged=True)


@pytest.mark.parametrize("host", [STRICT, OTHER])
def test_applocker_denies_as_explain_and_its_manifest_say(policy, host):
    rules = evaluator.read((policy.export("applocker") / "applocker.xml").read_bytes())
    left_out = policy.left_out("applocker")
    without = {row["rule"] for row in left_out if row["why"] == NO_PROGRAM_REASON}
    not_waived = {row["rule"] for row in left_out if row["what"].startswith("waiver ")}
    all_services = policy.plan(host)["controls"]["apps"]["services"]
    with_programs = [id_ for id_, entry in all_services.items() if any(programs(entry))]
    others = [id_ for id_ in all_services if id_ not in with_programs]
    chosen = {OF_OTHER, WAIVED_SERVICE, FOR_USERS, "onedrive_personal", *with_programs[::EVERY], *others[:: 3 * EVERY]}
    services = {id_: all_services[id_] for id_ in sorted(chosen)}
    expected, denied_files, files = {}, {}, {}
    for id_, entry in services.items():
        answer = policy.controls(host, id_)["apps"]["answer"]
        files[id_] = list(programs(entry))
        expected[id_] = (answer in CLOSED or f"apps/{id_}" in not_waived) and f"apps/{id_}" not in without
        denied_files[id_] = {bool(denied(rules, file)) for file in files[id_]}
    assert {id_: denied_files[id_] for id_ in services if files[id_] and denied_files[id_] != {expected[id_]}} == {}
    # A service of which nothing is known is named, and the others are not.
    restricted = {id_ for id_ in services if policy.controls(host, id_)["apps"]["answer"] in CLOSED}
    unknown = {id_ for id_ in restricted if not files[id_]}
    assert unknown == {rule.partition("/")[2] for rule in without} & restricted and unknown
    assert sum(map(len, files.values())) > 30 and set(expected.values()) == {True, False}


def test_a_waiver_of_one_host_opens_nothing_at_the_point(policy):
    assert policy.says(OTHER, OF_OTHER)["apps"] == WAIVED and policy.says(STRICT, OF_OTHER)["apps"] in CLOSED
    rules = evaluator.read((policy.export("applocker") / "applocker.xml").read_bytes())
    assert denied(rules, File("C:\\x\\Discord.exe")) == f"Proscribe: {OF_OTHER}"
    assert any(row["rule"] == f"apps/{OF_OTHER}" and "w2" in row["what"] for row in policy.left_out("applocker"))
