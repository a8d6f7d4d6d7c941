"""`./proscribe diff`: what differs between plans, on which hosts, and how the command prints it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_policy import NOW, made_catalogue, plan, question
from proscribe.controller.cli import Refused, diff
from proscribe.controller.cli.diff.earlier_plans import Earlier, earlier
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.difference import Change, difference
from proscribe.controller.compile.plans.hosts import compile_hosts


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return made_catalogue(tmp_path / "catalog")


def section(mode: str = "enforce", services: Any = None, **settings: Any) -> dict[str, Any]:
    return {"mode": mode, "services": services or {}, "settings": settings}


def made(contact: str = "desk", browsers: Any = (), **controls: Any) -> dict[str, Any]:
    return {"contact": contact, "browsers": list(browsers), "controls": controls}


def entry(mode: str = "enforce", **more: Any) -> dict[str, Any]:
    return {"name": "Parrot", "mode": mode, **more}


def dns(**services: Any) -> dict[str, Any]:
    return made(dns=section(services=services))


FOR_PRESS = entry(exceptions=[{"waiver": "w2", "users": [], "posix_groups": ["press"]}])
AT_HOURS = entry("waived", waiver="w1", hours=[[0, 540, 1080], [6, 0, 1440]], otherwise="audit", opens={"b": ["c"]})
W1, W2 = "audit, but for w1 (hours mon 09:00-18:00, sun 00:00-24:00)", "enforce, but for w2 (posix_groups press)"
LATER, LATER_ANOTHER = ({"at": "2026-12-01T00:00:00Z", "plan": f"sha256:{one}"} for one in "ab")


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (None, entry(domains=["a", "b"], allow=[]), {"after": "enforce", "counts": (("domains", 2),)}),
        (entry(), entry("waived", waiver="w1"), {"before": "enforce", "after": "waived (w1)"}),
        (FOR_PRESS, AT_HOURS, {"before": W2, "after": W1}),
        (
            entry("upcoming", effective_from="2027-01-01"),
            entry(),
            {"before": "upcoming (2027-01-01)", "after": "enforce"},
        ),
    ],
)
def test_what_changes_for_a_service_is_reported(old: Any, new: Any, change: dict[str, Any]) -> None:
    plans = (dns(**({"parrot": one} if one else {})) for one in (old, new))
    assert list(difference(*plans)) == [Change("dns", "service", "parrot", **change)]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (
            dns(parrot=entry(domains=["a.example", "b.example"])),
            dns(parrot=entry(domains=["b.example", "c.example"])),
            [Change("dns", "identifier", "parrot", "domains", added=("c.example",), removed=("a.example",))],
        ),
        # what no control owns; which plan follows says nothing but when it does
        ({**made(), "later": LATER}, {**made(), "later": LATER_ANOTHER}, []),
        (
            {**made(), "watch": {"every": 300, "max_age": 86400}, "request_url": "https://a.example/"},
            {
                **made(),
                "watch": {"every": 60, "max_age": 86400},
                "waivers": {"w1": {"expires": "2026-12-01T00:00:00Z"}},
                "later": LATER,
            },
            [
                Change("", "plan", subject="request_url", before="https://a.example/"),
                Change(
                    "",
                    "plan",
                    subject="watch",
                    before='{"every":300,"max_age":86400}',
                    after='{"every":60,"max_age":86400}',
                ),
                Change("", "plan", subject="waivers", added=("w1 (until 2026-12-01T00:00:00Z)",)),
                Change("", "plan", subject="later", after="2026-12-01T00:00:00Z"),
            ],
        ),
        (  # a service that is packaged for one more system
            made(apps=section(services={"parrot": entry(packages={"apt": ["parrot"]})})),
            made(apps=section(services={"parrot": entry(packages={"apt": ["parrot"], "rpm": ["parrot"]})})),
            [Change("apps", "identifier", "parrot", "packages.rpm", added=("parrot",))],
        ),
        (  # the services of a control follow its mode; a word for each would hide it
            made(dns=section("enforce", {"parrot": entry("enforce"), "owl": entry("waived", waiver="w1")})),
            made(dns=section("audit", {"parrot": entry("audit"), "owl": entry("audit")})),
            [
                Change("dns", "control", before="enforce", after="audit"),
                Change("dns", "service", "owl", before="waived (w1)", after="audit"),
            ],
        ),
        (dns(parrot=entry()), made(), [Change("dns", "control", before="enforce", after="off")]),
        (
            made(firewall=section(log=True, management=["10.0.0.0/8"], rules=[{"port": 22}], tenants={"google": []})),
            made(firewall=section(log=False, management=["10.1.0.0/16"], rules=[], tenants={"google": ["a"]}, zone="")),
            [
                Change("firewall", "setting", "", "log", before="true", after="false"),
                Change("firewall", "setting", "", "management", added=("10.1.0.0/16",), removed=("10.0.0.0/8",)),
                Change("firewall", "setting", "", "rules", removed=('{"port":22}',)),
                Change("firewall", "setting", "", "tenants.google", added=("a",)),
                Change("firewall", "setting", "", "zone", after='""'),
            ],
        ),
        (
            made(dns=section(upstreams=["10.0.0.1", "10.0.0.2"])),
            made(dns=section(upstreams=["10.0.0.2", "10.0.0.1"])),
            [
                Change(
                    *("dns", "setting", "", "upstreams"),
                    before='["10.0.0.1","10.0.0.2"]',
                    after='["10.0.0.2","10.0.0.1"]',
                )
            ],
        ),
    ],
)
def test_a_difference_is_reported_in_the_terms_of_the_policy(old: Any, new: Any, changes: list[Change]) -> None:
    assert list(difference(old, new)) == changes


NAMES = st.lists(st.sampled_from(["a.example", "b.example", "c.example"]), unique=True)
ENTRIES = st.builds(entry, st.sampled_from(["enforce", "report"]), domains=NAMES, allow=NAMES)
PLANS = st.builds(dns, **dict.fromkeys(("parrot", "owl"), ENTRIES))


def test_names_that_do_not_fit_into_the_lists_of_browsers_are_explained() -> None:
    def of(count: int, **more: Any) -> dict[str, Any]:
        names = [f"host{number}.example" for number in range(count)]
        return made(browser=section(services={"a": entry(domains=names, **more)}))

    earlier_version = of(1073, unlisted=["host9.example"], open=[])
    assert difference(earlier_version, of(1073, front_doors=["host1.example"])) == ()
    changes = {change.subject: change for change in difference(of(1000), of(1073))}
    assert set(changes) == {"domains", "lists of browsers"}
    lists = changes["lists of browsers"]
    assert (lists.control, lists.kind, lists.before) == ("browser", "setting", "all names fit")
    assert lists.after.startswith("73 of 1,073 names do not fit, since browsers take 1,000")


@given(PLANS, PLANS)
def test_a_difference_is_empty_only_between_plans_that_ask_the_same_and_has_two_ends(old: Any, new: Any) -> None:
    def compared_part(one: Any) -> Any:
        services = one["controls"]["dns"]["services"]
        return {
            id_: {key: sorted(v) if isinstance(v, list) else v for key, v in e.items()} for id_, e in services.items()
        }

    there, back = difference(old, new), difference(new, old)
    assert (there == ()) == (compared_part(old) == compared_part(new))
    assert [(c.added, c.removed, c.before, c.after) for c in there] == [
        (c.removed, c.added, c.after, c.before) for c in back
    ]


# -- hosts -------------------------------------------------------------------------------------------------------------


def compared(tmp_path: Path, old: dict[str, Any], new: dict[str, Any], whole: bool = True) -> diff.Compared:
    """What differs between two inventories, each host's variables by its name."""
    before = compile_hosts(question(tmp_path / "old", old), NOW)
    now = compile_hosts(question(tmp_path / "new", new), NOW)
    return diff.compare(Earlier("before", before.hosts, before.plans), now, whole)


def test_hosts_with_the_same_changes_are_one_group_though_their_plans_differ(tmp_path: Path) -> None:
    old = {"a": {"contact": "x"}, "b": {"contact": "y"}, "c": {}, "gone": {}}
    without = {"services_exclude": ["owl"]}
    new = {"a": {"contact": "x", **without}, "b": {"contact": "y", **without}, "c": {}, "fresh": {}}
    found = compared(tmp_path, old, new)
    assert [group.hosts for group in found.groups] == [("a", "b")]
    assert {change.service for change in found.groups[0].changes} == {"owl"}
    assert (found.fresh, found.gone, found.compared, found.different) == (("fresh",), ("gone",), 3, True)


# -- where the earlier plans come from ---------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path, catalogue: Catalogue) -> Path:
    """A complete report of one host that answered and one that did not, and the plan of the first."""
    made_plan = plan(catalogue, [])
    (tmp_path / "reports" / "r1").mkdir(parents=True)
    (tmp_path / "reports" / "latest").symlink_to("r1")
    (tmp_path / "reports" / "plans").mkdir()
    path = tmp_path / "reports" / "plans" / f"{made_plan['digest'].removeprefix('sha256:')}.json"
    path.write_text(json.dumps(made_plan))
    (tmp_path / "reports" / "r1" / "report.json").write_text('{"run": {"catalog_version": "1f"}}')
    records = [{"host": "a", "plan": made_plan["digest"], "rules": []}, {"host": "b", "plan": None, "rules": []}]
    (tmp_path / "reports" / "r1" / "hosts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    return path


def arguments(old_inventory: Any = ()) -> argparse.Namespace:
    return argparse.Namespace(old_inventory=list(old_inventory), as_now=[], inventory=[], limit="")


@pytest.mark.parametrize("name", ["latest", "r1"])
def test_the_plans_of_a_run_are_those_that_its_hosts_answered_for(stored: Path, name: str) -> None:
    found = earlier(name, arguments(), NOW, stored.parents[1])
    assert (found.name, list(found.hosts)) == ("run r1, catalogue 1f", ["a"])
    assert found.plans[found.hosts["a"]] == json.loads(stored.read_text())


def test_a_plan_that_is_not_stored_any_more_is_refused(stored: Path) -> None:
    stored.unlink()
    with pytest.raises(Refused, match="not kept any more"):
        earlier("latest", arguments(), NOW, stored.parents[1])


def test_latest_without_any_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is none yet"):
        earlier("latest", arguments(), NOW, tmp_path / "nothing")
