"""What a run's report has to know of the restrictions, on which all hosts have to agree."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.inventory import reporting as module
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.inventory.reporting import reporting
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors

DAY = 86400


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


def test_nothing_set_is_a_history_in_a_file_kept_for_400_days_and_no_baseline(tmp_path):
    values = ask(tmp_path, {"web01": {}, "web02": {}})
    assert (values["history"], values["history_keep"], values["baseline"]) == ("sqlite", 400 * DAY, "")
    assert values["stale_after"] == {"usual": 3 * DAY, "hosts": {}}
    assert ask(tmp_path, {})["history"] == "sqlite"


def test_hosts_may_grow_stale_at_different_times(tmp_path):
    values = ask(tmp_path, {"a": {"stale_after": "1w"}, "b": {"stale_after": "1w"}, "laptop": {"stale_after": "30d"}})
    assert values["stale_after"] == {"usual": 7 * DAY, "hosts": {"laptop": 30 * DAY}}


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [
        ("history", "sqlite", "off"),
        ("history_keep", "1d", "forever"),
        ("reports_keep", "forever", "90d"),
        ("gate_baseline", "", "x"),
    ],
)
def test_a_run_has_one_history_and_one_baseline(tmp_path, name, one, two):
    with pytest.raises(
        PolicyErrors, match=f"host web02: proscribe_{name}: .*the same for all hosts of a run; web01 has"
    ):
        ask(tmp_path, {"web01": {name: one}, "web02": {name: two}})


@pytest.mark.parametrize("named", ["latest", "run1", "{reports}/run1", "{reports}/run1/hosts.jsonl"])
def test_a_baseline_is_named_in_several_ways(tmp_path, named):
    directory = complete(tmp_path, "run1")
    (tmp_path / "latest").symlink_to("run1")
    assert ask(tmp_path, {"web01": {"gate_baseline": named.format(reports=tmp_path)}})["baseline"] == directory


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("latest", "no complete report latest in .*; there is none yet"),
        ("run2", "no complete report run2"),
        ("run3.partial", "no complete report run3.partial"),
        ("{reports}/nosuch", "is no complete report"),
    ],
)
def test_a_baseline_that_is_not_there_stops_the_run(tmp_path, named, message):
    complete(tmp_path, "run3.partial")
    with pytest.raises(PolicyErrors, match=f"proscribe_gate_baseline.*an earlier run to compare with: .*{message}"):
        ask(tmp_path, {"web01": {"gate_baseline": named.format(reports=tmp_path)}})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("history", "sqlight", "a URL such as postgresql://"),
        ("history", "mysql://db/x", "a URL such as postgresql://"),
        ("history", "postgresql://db", "a URL such as postgresql://"),
        ("history", "postgresql://[db/x", "a URL such as postgresql://"),
        ("history", "postgresql://me:hunter2@db/x", "no password in the URL"),
        ("history", "postgresql://db/x?password=hunter2", "no password in the URL"),
        ("history_keep", 400, "a length of time such as 12h, 30d or 2w"),
        ("reports_keep", "a year", "a length of time such as 12h, 30d or 2w"),
        ("stale_after", "3", "a length of time such as 12h, 30d or 2w"),
        ("stale_after", "forever", "a length of time such as 12h, 30d or 2w"),
        ("gate_baseline", ["latest"], "one line"),
    ],
)
def test_a_wrong_value_is_reported_and_a_password_is_not_repeated(tmp_path, name, value, message):
    with pytest.raises(PolicyErrors, match=message) as raised:
        ask(tmp_path, {"web01": {name: value}})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("value", [False, "off"])
def test_an_unquoted_off_is_off(tmp_path, value):
    assert ask(tmp_path, {"web01": {"history": value}})["history"] == "off"


def test_a_server_needs_its_driver_before_any_host_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DRIVER", "no_such_driver")
    with pytest.raises(PolicyErrors, match="proscribe_history: found 'postgresql://db/x', expected SQLAlchemy"):
        ask(tmp_path, {"web01": {"history": "postgresql://db/x"}})
    assert [ask(tmp_path, {"web01": {"history": word}})["history"] for word in ("sqlite", "off")] == ["sqlite", "off"]
