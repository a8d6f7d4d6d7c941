"""Where reports and state are: the environment's place, the inventory's, the usual one; and what is no place."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.inventory.reports_place import VARIABLE, place_of_reports, reports_of, require_reports
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.wire import installation
from waiver_organisation import Organisation, at

USUAL = installation.ROOT / "reports"
NOW = "2026-11-25T08:00:00+00:00"


def build_hosts(folder: Path, *values: object) -> list[HostVariables]:
    """Hosts that have these values; None for one that has none."""
    return [
        HostVariables(f"web{number}", {} if value is None else {VARIABLE: value}, {}, str(folder))
        for number, value in enumerate(values, 1)
    ]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    (tmp_path / "inventory" / "prod").mkdir(parents=True)
    (tmp_path / "inventory" / "prod" / "hosts.yml").touch()
    return tmp_path / "inventory" / "prod"


# what is named, what the environment has, and where that is, from the directory of the inventory
PLACES = [
    (None, "", None, "the usual place"),
    ("state", "", "state", "proscribe_reports of the inventory"),
    ("../../state", "", "../../state", "proscribe_reports of the inventory"),
    ("./a//b/../c", "", "a/c", "proscribe_reports of the inventory"),
    ("/srv/state", "", "/srv/state", "proscribe_reports of the inventory"),
    ("/srv/state", "/mnt/job", "/mnt/job", "PROSCRIBE_REPORTS"),
    (None, "/mnt/job", "/mnt/job", "PROSCRIBE_REPORTS"),
]


@pytest.mark.parametrize(("value", "environment", "expected", "named_by"), PLACES)
@pytest.mark.parametrize("cwd", ["inventory", "elsewhere"])
def test_the_place_does_not_depend_on_where_one_starts(
    inventory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: str | None,
    environment: str,
    expected: str | None,
    named_by: str,
    cwd: str,
) -> None:
    (tmp_path / "elsewhere" / "state").mkdir(parents=True)  # what is there has no say
    monkeypatch.chdir(tmp_path / cwd)
    variables = {"PROSCRIBE_REPORTS": environment} if environment else {}
    where = USUAL if expected is None else Path(os.path.normpath(inventory / expected))
    sources = [str(inventory / "hosts.yml")]
    assert reports_of(build_hosts(inventory, value, value), sources, variables) == where
    assert place_of_reports(build_hosts(inventory, value), sources, environment=variables) == (where, named_by)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("a", "b"), "web2: proscribe_reports: found 'b', expected the same .*; web1 has 'a', web2 'b'"),
        (("a", None), "web2: proscribe_reports: found nothing, expected the same .*; web1 has 'a', web2 ''"),
        (("",), "web1: proscribe_reports: found nothing, expected a directory's path"),
        ((" ",), "found ' ', expected a directory's path of at most 1000 printable characters"),
        ((7,), "found 7, expected a directory's path"),
        (("a\x1b[2J",), r"found 'a\\x1b\[2J', expected a directory's path"),
        (("a/" * 501,), "expected a directory's path of at most 1000"),
        (("é" * 128,), "each name in it of at most 255 bytes"),
    ],
)
def test_wrong_place_of_reports_is_refused(inventory: Path, values: tuple[object, ...], message: str) -> None:
    with pytest.raises(PolicyErrors, match=message):
        reports_of(build_hosts(inventory, *values), [str(inventory)], {})


def test_a_run_needs_a_place_in_which_it_can_write(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(inventory / "hosts.yml")
    (inventory / "file").touch()
    for named in ("file", "file/below/it"):
        with pytest.raises(
            PolicyErrors, match=f"proscribe_reports: found '{named}', .*{inventory}/file is no directory"
        ):
            require_reports(build_hosts(inventory, named), [source], {})
        assert require_reports(build_hosts(inventory, named), [source], {"PROSCRIBE_REPORTS": "/mnt/job"}) == Path(
            "/mnt/job"
        )
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path) != str(inventory))
    with pytest.raises(PolicyErrors, match=f"found 'new/one', .*can write; {inventory} is not writable"):
        require_reports(build_hosts(inventory, "new/one"), [source], {})
    assert not (inventory / "new").exists(), "nothing was made"


def test_a_run_refuses_a_place_that_ansible_would_read_as_hosts(inventory: Path) -> None:
    with pytest.raises(PolicyErrors, match=f"found 'reports', .*not read as hosts, and {inventory}/reports is inside"):
        require_reports(build_hosts(inventory, "reports"), [str(inventory)], {})
    assert require_reports(build_hosts(inventory, "../reports"), [str(inventory)], {}) == inventory.parent / "reports"
    assert (
        require_reports(build_hosts(inventory, "reports"), [str(inventory / "hosts.yml")], {}) == inventory / "reports"
    )


def test_a_run_has_its_plans_and_its_report_there_and_stops_for_hosts_that_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROSCRIBE_REPORTS", raising=False)
    organisation = Organisation(tmp_path)
    organisation.variables["reports"] = "../state"
    run = compile_run(organisation.question(), at(NOW))
    assert Path(run["directory"]).parent == Path(run["plans"]).parent == tmp_path / "state"
    assert list((tmp_path / "state" / "plans").glob("*.json"))
    question = organisation.question()
    last = question.hosts[-1]
    question.hosts[-1] = dataclasses.replace(last, values={**last.values, VARIABLE: "../other"})
    with pytest.raises(PolicyErrors, match=f"{last.name}.*proscribe_reports: found '../other', expected the same"):
        compile_run(question, at(NOW))
    assert not (tmp_path / "other").exists()
