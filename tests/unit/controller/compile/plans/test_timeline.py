"""What a host's plan becomes on its own: whoever follows `later` has what a run at that moment would compile."""

import datetime
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.compile.plans import host_plans
from proscribe.model.plan import check_plan, format_canonical
from proscribe.wire.plan_store import PlanStore
from waiver_organisation import OURS, Keys, Organisation, at

NOW = at("2026-11-25T08:00:00+00:00")
CLOSED = ("2026-12-31T10:00:00Z", "enforce")  # at the end of the made waiver


@pytest.fixture(autouse=True)
def watch(organisation):
    organisation.variables["watch"] = "5m"


def compile_plans(organisation: Organisation, now: datetime.datetime, *hosts: str) -> host_plans.CompiledPlans:
    return host_plans.compile_hosts(organisation.question(*hosts), now)


def follow_plan(plans: host_plans.CompiledPlans, host: str, moment: datetime.datetime) -> dict[str, Any]:
    """Return the plan that a host reaches at a moment."""
    plan = plans.plans[plans.hosts[host]]
    while "later" in plan and at(plan["later"]["at"].replace("Z", "+00:00")) <= moment:
        plan = plans.later[plan["later"]["plan"]]
    return plan


def list_changes(plans: host_plans.CompiledPlans, host: str = "press01") -> list[tuple[str, str]]:
    """Return when a host's plan changes, and the mode of whatsapp in `apps` from then on."""
    plan, moment, seen = plans.plans[plans.hosts[host]], "now", []
    while True:
        check_plan(plan)
        seen.append((moment, plan["controls"]["apps"]["services"]["whatsapp"]["mode"]))
        if "later" not in plan:
            return seen
        moment, plan = plan["later"]["at"], plans.later[plan["later"]["plan"]]


def sign(organisation: Organisation, file: Path, *options: str) -> None:
    keys = Keys(organisation.root, organisation.inventory)
    keys.allow("head.of.press", keys.make("head"), *(options or (OURS,)))
    keys.sign(file, keys.make("head"))


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_day_that_no_clock_shows_is_no_moment(organisation, day):
    organisation.variables["effective_from"] = day
    (plans,) = {plan["digest"] for plan in compile_plans(organisation, NOW).plans.values()}
    assert plans


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("", [("now", "waived"), CLOSED]),
        # ssh-keygen takes a key in the second that is named, and not after it
        ('valid-before="20261210080000Z"', [("now", "waived"), ("2026-12-10T08:00:01Z", "enforce")]),
        ('valid-after="202612010800Z"', [("now", "enforce"), ("2026-12-01T08:00:00Z", "waived"), CLOSED]),
        ('valid-before="20270101Z"', [("now", "waived"), CLOSED]),
    ],
)
def test_times_of_keys_are_moments(organisation, option, expected):
    sign(organisation, organisation.waiver(), *filter(None, [OURS, option]))
    assert list_changes(compile_plans(organisation, NOW)) == expected


def test_local_day_of_a_key_that_a_pattern_names_is_a_moment(organisation, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Hong_Kong")
    time.tzset()
    try:
        keys = Keys(organisation.root, organisation.inventory)
        keys.allow("nobody,*.of.press", keys.make("head"), OURS, 'valid-before="20261210"')
        keys.sign(organisation.waiver(), keys.make("head"))
        changes = [("now", "waived"), ("2026-12-09T16:00:01Z", "enforce")]
        assert list_changes(compile_plans(organisation, NOW)) == changes
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_plan_says_what_people_have_to_know_of_its_waivers(organisation):
    sign(organisation, organisation.waiver(request="00c0ffee00c0ffee"))
    organisation.waiver("w2.yml", id="w2", services=["signal", "slack"], users=["alice"], controls=["apps"])
    organisation.waiver("w3.yml", id="w3", posix_groups=["press"], controls=["apps"], expires="2026-12-01T00:00:00Z")
    plans = compile_plans(organisation, NOW)
    plan = plans.plans[plans.hosts["press01"]]
    assert plan["watch"] == {"every": 300, "max_age": 14 * 86400}
    services = {id_: waiver["services"] for id_, waiver in plan["waivers"].items()}
    assert services == {"w1": ["whatsapp"], "w2": ["signal", "slack"]}, "w3 opens nothing that w1 leaves closed"
    assert "waivers" not in plans.plans[plans.hosts["fin01"]]


MOMENTS = st.integers(-48, 48).map(lambda hours: NOW + hours * datetime.timedelta(hours=1))


@st.composite
def waivers(draw: st.DrawFn) -> dict[str, Any]:
    begin, end = sorted(draw(st.lists(MOMENTS, min_size=2, max_size=2, unique=True)))
    made: dict[str, Any] = {
        "valid_from": begin.isoformat(),
        "expires": end.isoformat(),
        "services": draw(st.lists(st.sampled_from(["whatsapp", "slack", "signal"]), min_size=1, unique=True)),
        "hosts": draw(st.lists(st.sampled_from(["press01", "press02"]), min_size=1, unique=True)),
        "approved_by": draw(st.sampled_from(["head.of.press", "head.of.press", "deputy.of.press", "nobody"])),
    }
    if draw(st.booleans()):
        made["revoked"] = {"on": draw(MOMENTS).isoformat(), "by": "x", "why": "y"}
    narrowed = draw(st.sampled_from(["", "users", "posix_groups", "hours"]))
    if narrowed == "hours":
        made |= {"hours": "mon-fri 09:00-18:00", "controls": ["browser", "firewall", "dns"]}
    elif narrowed:
        made |= {narrowed: ["alice"], "controls": ["apps"]}
    return made


@pytest.mark.slow
@examples(40, HealthCheck.function_scoped_fixture)
@given(
    st.lists(waivers(), max_size=4),
    st.lists(MOMENTS, min_size=2, max_size=4),
    st.sampled_from(["2024-10-31", "2026-11-25", "2026-11-26", "2026-11-27"]),
)
def test_followed_plan_is_the_plan_of_a_run_at_that_moment(organisation, made, moments, effective):
    for file in organisation.waivers.iterdir():
        file.unlink()
    for number, waiver in enumerate(made):
        organisation.waiver(f"w{number}.yml", id=f"w{number}", **waiver)
    organisation.variables["effective_from"] = effective
    moments = sorted(moments)
    first = compile_plans(organisation, moments[0])
    for moment in moments:
        then = compile_plans(organisation, moment)
        for host, digest in then.hosts.items():
            assert format_canonical(follow_plan(first, host, moment)) == format_canonical(then.plans[digest])


def read_chain(store, digest):
    """Yield the plans that follow a stored plan, by digest, the plan itself first."""
    while digest:
        plan = store.read_stored_plan(digest)
        yield digest, plan
        digest = plan.get("later", {}).get("plan")


def test_a_run_stores_what_follows_and_the_chain_is_read_back(organisation, tmp_path):
    organisation.waiver(valid_from="2026-12-01T00:00:00Z")
    made = organisation.run()
    store = PlanStore(Path(made["plans"]))
    plans = dict(read_chain(store, made["hosts"]["press01"]))
    services = [plan["controls"]["dns"]["services"] for plan in plans.values()]
    assert [entries["whatsapp"]["mode"] for entries in services] == ["enforce", "waived", "enforce"]
    assert [*dict(read_chain(store, made["hosts"]["fin01"]))] == [made["hosts"]["fin01"]]
    digests = list(plans)
    assert digests[1] not in made["policies"]  # no host has it yet
    (store.directory / f"{digests[1][7:]}.json").unlink()
    with pytest.raises(FileNotFoundError, match="is gone from"):
        dict(read_chain(store, digests[0]))
