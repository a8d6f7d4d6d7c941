"""The parts of the fleet's bench that decide whether a figure is a result."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.append(str(Path(__file__).resolve().parents[4] / "bench" / "fleet"))

from beside import expected_state, goss, oval
from drift import one_per_cent, wrong
from meter import Cost
from table import AIMS, growth, rows

CONTROLS = ("apps", "browser", "firewall", "dns")


@pytest.mark.parametrize(("hosts", "count"), [(1, 1), (250, 2), (1000, 10)])
def test_one_host_in_a_hundred_drifts_and_at_least_one(hosts, count):
    seeded = one_per_cent(hosts, CONTROLS)
    assert (len(seeded), set(seeded) <= set(range(hosts))) == (count, True)
    assert len(set(seeded.values())) == min(count, len(CONTROLS))


def report(folder, *records):
    (folder / "latest").mkdir()
    text = "".join(json.dumps({"host": f"host{n}", **record}) + "\n" for n, record in enumerate(records))
    (folder / "latest" / "hosts.jsonl").write_text(text)
    return folder


def record(state, *rules):
    return {"state": state, "rules": [{"rule": name, "state": of} for name, of in rules]}


FINE = record("compliant", ("apps/mail", "not_applicable"))


@pytest.mark.parametrize(
    ("records", "right"),
    [
        ((FINE, record("repaired", ("dns/a", "repaired"), ("dns/b", "repaired"))), True),
        ((FINE, FINE), False),  # not found
        ((FINE, record("noncompliant", ("dns/a", "noncompliant"))), False),  # not corrected
        ((FINE, record("repaired", ("dns/a", "repaired"), ("apps/b", "repaired"))), False),  # more than was seeded
        ((record("unknown"), record("repaired", ("dns/a", "repaired"))), False),
        ((record("repaired", ("dns/a", "repaired")),), False),  # a host is missing
    ],
)
def test_a_run_is_a_result_only_if_its_report_is_what_was_seeded(tmp_path, records, right):
    assert (wrong(report(tmp_path, *records), 2, {1: "dns"}) == []) is right


def test_the_others_get_the_same_packages_and_paths():
    entry = {"packages": {"apt": ["a&b"]}, "paths": ["~/x", "/opt/<y>"]}
    services = {"one": entry, "none": {"packages": {}, "paths": ["/opt/z"]}}
    packages, paths = expected_state({"controls": {"apps": {"services": services}}})
    assert (packages, paths) == (["a&b"], ["/home/alice/x", "/opt/<y>"])
    assert list(json.loads(goss(packages, paths))["file"]) == paths
    tree = ElementTree.fromstring(oval(packages, paths))
    assert len(tree.findall(".//{*}criterion")) == 3
    assert [element.text for element in tree.iter() if element.tag.endswith(("}filepath", "linux}name"))] == [
        "a&b",
        *paths,
    ]


PING, PYINFRA = Cost(controller=5.0, hosts=20.0, wall=16.0), Cost(controller=1.0, hosts=3.0, wall=3.0)


def cells(costs, name):
    """The shares of a row, as they are printed."""
    (line,) = (line for line in rows(100, costs, dict.fromkeys(costs, "open"), AIMS) if line.startswith(f"{name} "))
    return line.removesuffix(" s").split()[5:-1]


@pytest.mark.parametrize(
    ("audit", "shares"),
    [
        (Cost(1.0, 6.0, 4.0), ["0.20", "0.30", "0.25", "1.00", "1.33"]),
        (Cost(1.5, 6.0, 4.0), ["0.30!", "0.30", "0.25", "1.50!", "1.33"]),  # the controller is too dear
        (Cost(1.0, 6.0, 8.0), ["0.20", "0.30", "0.50!", "1.00", "2.67"]),  # a sweep takes too long
    ],
)
def test_a_row_has_its_shares_of_a_ping_and_of_pyinfra_and_marks_those_that_miss_an_aim(audit, shares):
    assert cells({"ping": PING, "audit": audit, "pyinfra": PYINFRA}, "audit") == shares
    assert cells({"ping": PING, "audit": audit}, "audit") == shares[:3]  # without a peer, without its columns


@pytest.mark.parametrize(("factor", "mark"), [(10.9, False), (11.5, True)])
def test_a_host_costs_as_much_among_many_as_among_few(factor, mark):
    few = {"ping": PING, "audit": PYINFRA}
    many = {name: Cost(*(factor * seconds for seconds in cost)) for name, cost in few.items()}
    title, _, ping, audit = growth(100, 1000, few, many)
    assert title.startswith("t(1,000) / (10 t(100))")
    assert audit.split()[1:4] == [f"{factor / 10:.2f}"] * 3
    assert (audit.endswith("!"), ping.endswith("!")) == (mark, False)  # what a peer does is no aim of ours
