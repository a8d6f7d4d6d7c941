"""AppLocker on a Windows host: arrival, mode and service of a policy."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.windows import applocker, observing
from proscribe.controller.windows.applocker import RULE
from proscribe.controller.windows.command import APPLIER_KEY, APPLOCKER
from proscribe.host.controls.group_policy.applocker import entries
from proscribe.host.controls.group_policy.registry_pol import number, said_by, text
from proscribe.model.finding import NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding
from proscribe.model.plan import sealed
from proscribe.wire.replies import results
from windows_answers import NOTHING, WECHAT, answered, plan

KEY = APPLOCKER.partition("\\")[2]
IDS = [f"00000000-0000-4000-8000-00000000000{digit}" for digit in range(4)]
RUNS = {"applier": [("svchost.exe", 1234)]}
NO_START = {"AppIDSvc": "it does not start with Windows"}
_TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=80)


def rule(id_, path, name="Proscribe: wechat"):
    head = f'<FilePathRule Id="{id_}" Name="{name}" Description="" UserOrGroupSid="S-1-1-0" Action="Deny">'
    return f'{head}<Conditions><FilePathCondition Path="{path}"/></Conditions></FilePathRule>'


def policy(mode=1):
    return [
        number(f"{KEY}\\Exe", "EnforcementMode", mode),
        text(f"{KEY}\\Exe\\{IDS[0]}", "Value", rule(IDS[0], "*")),
        text(f"{KEY}\\Exe\\{IDS[1]}", "Value", rule(IDS[1], "*\\WeChat.exe")),
        number(f"{KEY}\\Appx", "EnforcementMode", mode),
        text(f"{KEY}\\Appx\\{IDS[2]}", "Value", rule(IDS[2], "*")),
    ]


def arrived(entries, start="0x2"):
    """What a policy leaves in the registry, and how the service starts."""
    found = {APPLIER_KEY: [("Start", "REG_DWORD", start)]}
    for entry in entries:
        said = said_by(entry)
        type_, data = ("REG_DWORD", hex(said)) if isinstance(said, int) else ("REG_SZ", str(said))
        found.setdefault(f"HKLM\\{entry.key}", []).append((entry.value, type_, data))
    return found


def verdicts(values=NOTHING, desired_mode="enforce", desired=(), **named):
    return applocker.compare(desired_mode, list(desired), "enforce", answered(values, **{**RUNS, **named}))


def changed(*without, mode=1, path=""):
    """The policy without some of its entries, or with another mode of programs, or another path."""
    entries = [one for index, one in enumerate(policy()) if index not in without]
    if mode is None:
        return entries[1:]
    entries[0] = number(f"{KEY}\\Exe", "EnforcementMode", mode)
    return [*entries, text(f"{KEY}\\Exe\\{IDS[1]}", "Value", rule(IDS[1], path))] if path else entries


@pytest.mark.parametrize(
    ("values", "named", "expected"),
    [
        (NOTHING, {}, {"AppLocker Exe": "no rule has arrived", "AppLocker Appx": "no rule has arrived"}),
        (arrived(changed(3, 4)), {}, {"AppLocker Appx": "no rule has arrived"}),
        (arrived(changed(mode=0)), {}, {"AppLocker Exe": "it only logs (AuditOnly), 2 rules"}),
        (
            arrived(policy()) | {f"{APPLOCKER}\\Exe": [("EnforcementMode", "REG_SZ", "often")]},
            {},
            {"AppLocker Exe": "its mode is none that is documented, 2 rules"},
        ),
        (arrived(changed(2)), {}, {"AppLocker Exe": "it denies (Enabled), 1 rule; 1 of the plan's 2 are not there"}),
        (
            arrived(changed(2, path="*\\Other.exe")),
            {},
            {"AppLocker Exe": "it denies (Enabled), 2 rules; 1 of the plan's say something else"},
        ),
        (arrived(policy(), "0x3"), {}, {"AppIDSvc": "it does not start with Windows"}),
        (arrived(policy()), {"applier": []}, {"AppIDSvc": "it does not run, so no rule is in effect"}),
    ],
)
def test_difference_of_a_policy_is_named(values, named, expected):
    [verdict] = verdicts(values, desired=policy(), **named)
    found = {finding.id: finding.detail for finding in verdict.findings}
    assert verdict.state == NONCOMPLIANT and {key: found[key] for key in expected} == expected
    assert found.keys() - expected.keys() <= {"AppIDSvc"}


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"refused": [APPLOCKER]}, [f"{APPLOCKER} cannot be read there"]),
        ({"refused": [APPLOCKER, APPLIER_KEY]}, [f"{name} cannot be read there" for name in (APPLOCKER, APPLIER_KEY)]),
        ({"applier": [("System", 4), ("svchost.exe", 5)]}, [applocker.NOT_KNOWN]),
    ],
)
def test_policy_that_cannot_be_read_is_unknown(named, why):
    [verdict] = verdicts(arrived(policy()), desired=policy(), **named)
    assert (verdict.state, verdict.reason) == (UNKNOWN, "; ".join(why))


def test_a_finding_says_where_in_the_registry_it_is():
    [verdict] = verdicts(arrived(changed(3, 4), "0x3"), desired=policy())
    appx = Finding("rules", "AppLocker Appx", "windows", path=f"{APPLOCKER}\\Appx", detail="no rule has arrived")
    service = Finding("service", "AppIDSvc", "windows", path=APPLIER_KEY, detail=NO_START["AppIDSvc"])
    assert verdict.findings == (appx, service)
    [verdict] = verdicts(arrived([text(f"{KEY}\\{'x' * 41}\\{IDS[0]}", "Value", "")]), "off")
    assert [one.id for one in verdict.findings] == [f"AppLocker {'x' * 40}"]


def test_policy_that_nobody_asks_for_is_not_reported():
    assert verdicts(NOTHING, "off") == verdicts(NOTHING, "") == []
    [verdict] = verdicts(arrived(policy()), "off", refused=[APPLOCKER])
    reason = f"report only: the plan does not ask AppLocker to deny; {APPLOCKER} cannot be read there"
    assert (verdict.state, verdict.reason) == (NOT_APPLICABLE, reason)


def made_plan(mode, **entry):
    services = {"wechat": {**WECHAT, **entry}}
    compiled = plan(services)
    section = compiled["controls"]["apps"]
    section["settings"] = {**section["settings"], "applocker": mode}
    return sealed({key: value for key, value in compiled.items() if key != "digest"})


def recorded(compiled, values):
    """The rule in a host's record, once it has passed the reader of answers; {} where the record does not list it."""
    said = answered(values, code_page=["65001"], **RUNS)
    made = observing.observe(compiled, said, ["apps"], time.monotonic())
    record = results.observation(observing.answered(made, "never"))["record"]
    assert record["controls"]["apps"]["evaluated"] == 2
    return next((dict(one) for one in record["rules"] if one["rule"] == RULE), {})


def test_the_record_says_whether_the_plans_own_policy_has_arrived():
    compiled = made_plan("enforce")
    there = arrived(entries(compiled["controls"]["apps"]))
    assert recorded(compiled, there) == {}  # compliant, and only counted
    missing = recorded(compiled, arrived([]))
    assert missing["state"] == NONCOMPLIANT
    assert [finding["id"] for finding in missing["findings"]] == ["AppLocker Exe", "AppLocker Appx"]
    logged = recorded(made_plan("audit"), there)
    assert (logged["state"], logged["findings"][0]["detail"]) == (NOT_APPLICABLE, "it denies (Enabled), 2 rules")
    assert recorded(made_plan("enforce", windows_processes=["a%b.exe"]), there)["state"] == UNKNOWN


@given(_TEXT, _TEXT, st.sampled_from(["0x0", "0x1", "no number", ""]))
def test_no_rule_of_a_host_does_anything_but_be_compared(name, said, mode):
    clean = name.replace("\\", "").strip() or "x"
    values = {
        f"{APPLOCKER}\\{clean}": [("EnforcementMode", "REG_DWORD", mode)],
        f"{APPLOCKER}\\{clean}\\{IDS[0]}": [("Value", "REG_SZ", said)],
    }
    for verdict in verdicts({**arrived(policy()), **values}, "off"):
        assert all(text.isprintable() for finding in verdict.findings for text in finding)
