"""The parts of the fleet's bench that decide whether a figure is a result."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench" / "fleet"))

from beside import expected_state, goss, oval
from drift import one_per_cent, wrong

CONTROLS = ("apps", "browser", "firewall", "dns")


@pytest.mark.parametrize(("hosts", "count"), [(1, 1), (10, 1), (100, 1), (250, 2), (1000, 10)])
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
