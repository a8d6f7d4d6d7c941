"""What many hosts share is worked out once, and comes to the same as if each were compiled alone."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from made_catalogue import OWN
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.plans import compiling, identifiers
from proscribe.controller.compile.plans import hosts as plans_of_hosts
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.model.plan import CONTROLS, RESTRICTED
from proscribe.model.plan_hours import at

NOW = datetime.datetime(2026, 11, 2, 12, tzinfo=datetime.timezone.utc)


# -- names below a restricted domain


class Entry(NamedTuple):
    """A made service: what it restricts, and whether it is restricted at all."""

    domains: tuple[str, ...]
    restricted: bool


LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)
ENTRIES = st.builds(Entry, st.lists(LABELS, max_size=4).map(tuple), st.booleans())


class Services(NamedTuple):
    """As much of a catalogue as the names are taken from."""

    services: dict[str, Entry]


@given(st.dictionaries(st.sampled_from("pqrst"), ENTRIES))
def test_a_permitted_name_below_a_restricted_one_is_let_through(made: dict[str, Entry]) -> None:
    services: dict[str, Any] = {
        id_: {"mode": RESTRICTED[0] if one.restricted else "report", "domains": list(one.domains)}
        for id_, one in made.items()
    }
    compiling._allow_permitted(services, Services(made), "dns")  # type: ignore[arg-type]
    permitted = [name for one in made.values() if not one.restricted for name in one.domains]
    for id_, one in made.items():
        below = {name for name in permitted if identifiers.is_below(name, one.domains) and name not in one.domains}
        assert services[id_].get("allow", []) == (sorted(below) if one.restricted else [])


HOURS = [[day, 0, 1440] for day in range(7)]


@given(st.dictionaries(st.sampled_from("pqrst"), ENTRIES), st.sets(st.sampled_from("pqrst")), st.data())
def test_hours_come_to_what_is_compiled_without_them(made: dict[str, Entry], timed: set[str], data: st.DataObject):
    """Whichever services are open at a moment: others block and allow as if these were waived, and the rest not."""
    open_ = data.draw(st.sets(st.sampled_from(sorted(timed)))) if timed else set()

    def compiled(how: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        services = {
            id_: {"domains": list(one.domains), **(how(id_) if one.restricted else {"mode": "report"})}
            for id_, one in made.items()
        }
        compiling._allow_permitted(services, Services(made), "dns")  # type: ignore[arg-type]
        return services

    def waived(id_: str) -> dict[str, Any]:
        return {"mode": "waived", "waiver": "w"} if id_ in open_ else {"mode": "enforce"}

    def with_hours(id_: str) -> dict[str, Any]:
        hours = HOURS if id_ in open_ else [[0, 0, 1]]
        return (
            {"mode": "waived", "waiver": "w", "hours": hours, "otherwise": "enforce"} if id_ in timed else waived(id_)
        )

    tuesday = time.struct_time((2026, 11, 24, 12, 0, 0, 1, 328, 0))
    now = at({"controls": {"dns": {"services": compiled(with_hours)}}}, tuesday)["controls"]["dns"]["services"]
    for id_, entry in compiled(waived).items():
        if entry["mode"] == "waived":  # nobody reads what a waived service allows
            entry["allow"] = now[id_]["allow"] = []
        assert now[id_] == entry


# -- plans of one catalogue


# -- hosts


class Gathered:
    """Ansible's variables of some hosts; it counts how often those of a host are gathered."""

    def __init__(self, hosts: dict[str, dict[str, Any]]) -> None:
        self.hosts, self.times = hosts, 0

    def raw_get(self, name: str) -> dict[str, Any]:
        self.times += 1
        return dict(self.hosts[name])

    def __getitem__(self, name: str) -> Templated:
        return Templated(self.raw_get(name))


class Templated(dict[str, Any]):
    """The variables of a host as Ansible gives them one by one."""

    def __init__(self, variables: dict[str, Any]) -> None:
        super().__init__({key: str(value).replace("{{ site }}", "north") for key, value in variables.items()})
        self._vars = variables


def question(tmp_path: Path, hosts: list[HostVariables]) -> Question:
    (tmp_path / "inventory").mkdir(exist_ok=True)
    (tmp_path / "catalog").exists() or (tmp_path / "catalog").symlink_to(OWN)
    groups = {"all": frozenset(host.name for host in hosts)}
    return Question(tmp_path, "audit", "audit", [str(tmp_path / "inventory")], "", list(CONTROLS), hosts, groups)


def test_hosts_that_differ_by_zone_or_name_share_plan_and_restrictions(tmp_path, monkeypatch) -> None:
    fleet = {
        f"h{number}": {
            "inventory_dir": str(tmp_path),
            "proscribe_zone": f"zone{number % 3}",
            "ansible_host": f"10.0.0.{number}",
        }
        for number in range(12)
    }
    fleet["h0"]["proscribe_contact"] = "{{ site }}@example.org"
    gathered, shared = Gathered(fleet), {}
    hosts = [HostVariables.of(name, gathered, shared=shared) for name in fleet]
    assert gathered.times == len(fleet)
    assert len({id(host.values) for host in hosts}) == 4  # three zones, and the first host
    compiled_plans = []
    compile_body = compiling.compile_body
    monkeypatch.setattr(
        plans_of_hosts, "compile_body", lambda *given: compiled_plans.append(compile_body(*given)) or compiled_plans[-1]
    )
    compiled = compile_hosts(question(tmp_path, hosts), NOW)
    assert len(compiled_plans) == len(compiled.plans) == 2
    assert {compiled.restrictions[name].zone for name in fleet} == {"zone0", "zone1", "zone2"}
    assert compiled.restrictions["h1"] is compiled.restrictions["h4"] is not compiled.restrictions["h2"]
    assert compiled.plans[compiled.hosts["h0"]]["contact"] == "north@example.org"
    assert len({compiled.hosts[name] for name in fleet if name != "h0"}) == 1
