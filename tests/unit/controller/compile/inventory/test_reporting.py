"""What a run's report has to know of the restrictions, on which all hosts have to agree."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.inventory import reporting as module
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.inventory.reporting import reporting
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors


def ask(reports, hosts):
    """The run-level values for hosts: name -> its proscribe_* values."""
    made = [HostVariables(name, {f"proscribe_{k}": v for k, v in own.items()}, {}, ".") for name, own in hosts.items()]
    return reporting(made, {host.name: read_restrictions(host.values, host.where) for host in made}, reports)


def complete(reports, name):
    """A complete report of that name."""
    (reports / name).mkdir(parents=True)
    (reports / name / "report.json").write_text('{"run": {}}')
    (reports / name / "hosts.jsonl").touch()
    return str((reports / name).resolve())


@pytest.mark.parametrize("named", ["latest", "run1", "{reports}/run1", "{reports}/run1/hosts.jsonl"])
def test_a_baseline_is_named_in_several_ways(tmp_path, named):
    directory = complete(tmp_path, "run1")
    (tmp_path / "latest").symlink_to("run1")
    assert ask(tmp_path, {"web01": {"gate_baseline": named.format(reports=tmp_path)}})["baseline"] == directory


def test_a_server_needs_its_driver_before_any_host_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DRIVER", "no_such_driver")
    with pytest.raises(PolicyErrors, match="proscribe_history: found 'postgresql://db/x', expected SQLAlchemy"):
        ask(tmp_path, {"web01": {"history": "postgresql://db/x"}})
    assert [ask(tmp_path, {"web01": {"history": word}})["history"] for word in ("sqlite", "off")] == ["sqlite", "off"]
