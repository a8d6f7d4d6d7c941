"""The parts of the fleet's bench that decide whether a figure is a result."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[4] / "bench" / "fleet"))

from drift import wrong
from meter import Cost
from table import rows

CONTROLS = ("apps", "browser", "firewall", "dns")


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


PING, PYINFRA = Cost(controller=5.0, hosts=20.0, wall=16.0), Cost(controller=1.0, hosts=3.0, wall=3.0)


def cells(costs, name):
    (line,) = (line for line in rows(100, costs, dict.fromkeys(costs, "open")) if line.startswith(f"{name} "))
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
