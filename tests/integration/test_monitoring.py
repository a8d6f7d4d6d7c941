"""The examples for Prometheus and Grafana, in Prometheus itself: each alert fires, and each query has an answer."""

import json
import re
import socket
import subprocess
import sys
import tomllib
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path

import fleets
import machine
import pytest
import watched_hosts
import yaml
from conftest import missing, require_tool
from export_fleet import ANSWERS, FINISHED, STATE, exported
from patience import until

PROJECT = Path(__file__).resolve().parents[2]
MONITORING = PROJECT / "examples" / "monitoring"
RULES = MONITORING / "proscribe.rules.yml"
DASHBOARD = MONITORING / "grafana-dashboard.json"
ALERTS = {rule["alert"]: rule for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
PANELS = json.loads(DASHBOARD.read_text())["panels"]
TIME = int(datetime.fromisoformat(FINISHED).timestamp()) + 60  # the metrics were read a minute after the run
HOSTS = {**ANSWERS, **watched_hosts.HOSTS}

RUN = 'whole_run_finished_timestamp_seconds{inventory="prod"}'
UNSIGNED = 'waiver_hosts{status="unsigned",waiver="press"}'
EXPIRY = 'waiver_expiry_timestamp_seconds{status="active",waiver="press"}'
FROZEN = 'watch_frozen_until_timestamp_seconds{host="web01"}'
OBSERVATION = 'watch_last_observation_timestamp_seconds{host="web01"}'
# Each alert, by the series that it is about (a value for each hour), the hour in which it first fires, and its summary.
FIRING = {
    "BanBroken": ('hosts{state="error"}', "0 2", 1, "2 hosts are error"),
    "HostsUnknown": ("expected_hosts", "7x99", 24, "Nothing is known of 7 hosts"),
    "Lifted": ('hosts{state="lifted"}', "2x99", 24, "The ban is lifted on 2 hosts"),
    "NoReport": (RUN, "0x99", 49, "No run has asked every host of prod for two days"),
    "NoMetrics": ("of_none", "1x9", 1, "Prometheus has no metrics of Proscribe"),
    "WaiverWorthless": (UNSIGNED, "_ 1", 1, "The waiver press waives nothing: unsigned"),
    "WaiverEnds": (EXPIRY, "2595600x9", 2, "The waiver press ends in 29d 23h 0m 0s"),  # thirty days and an hour
    "HostFrozen": (FROZEN, "_ 7200 7200", 1, "Root of web01 has frozen its watcher for 1h 0m 0s"),
    "WatchSilent": (OBSERVATION, "0x200", 169, "web01 has not observed itself for a week"),
    "RequestsWait": ("requests_waiting", "3x99", 72, "3 requests of users wait for an answer"),
}
QUERIES = {f"{panel['title']} {target['refId']}": (panel, target) for panel in PANELS for target in panel["targets"]}
READ = """\
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
register_default_plugins()
print(JSONEncoder().encode(Dashboard.from_json(json.load(sys.stdin))))
"""


@pytest.mark.parametrize("alert", FIRING)
def test_an_alert_fires_and_says_what_to_do(tmp_path, alert):
    """`promtool test rules`: not an hour earlier where it waits, and with the text that somebody gets."""
    series, values, hour, summary = FIRING[alert]
    series, alert = f"proscribe_{series}", f"Proscribe{alert}"
    labels = dict(re.findall(r'(\w+)="([^"]*)"', series))
    description = ALERTS[alert]["annotations"]["description"]
    for name, value in labels.items():
        description = description.replace(f"{{{{ $labels.{name} }}}}", value)
    texts = {"summary": summary, "description": description}
    fired = {"exp_labels": {**ALERTS[alert]["labels"], **labels}, "exp_annotations": texts}
    expected = {hour - 1: [], hour: [fired]}
    cases = [{"alertname": alert, "eval_time": f"{at}h", "exp_alerts": alerts} for at, alerts in expected.items()]
    every = {"proscribe_coverage_hosts": "0x99", series: values}
    inputs = [{"series": name, "values": text} for name, text in every.items()]
    test = {"interval": "1h", "input_series": inputs, "alert_rule_test": cases}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1h", "tests": [test]}))
    done = subprocess.run([require_tool("promtool"), "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    """A server with the metrics of a fleet."""

    def __init__(self, address):
        self.address = address

    def ready(self):
        try:
            return bool(urllib.request.urlopen(f"{self.address}/-/ready").status == 200)
        except OSError:
            return False

    def answer(self, query):
        """The series of a query, at the time of the run: their labels and values."""
        words = urllib.parse.urlencode({"query": query, "time": TIME})
        with urllib.request.urlopen(f"{self.address}/api/v1/query?{words}") as response:
            data = json.load(response)["data"]
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def one(self, query):
        ((_, value),) = self.answer(query)
        return value


def dated(metrics):
    """metrics.prom in OpenMetrics, which has a time for each value, and names a counter without `_total`."""
    lines = [line if line.startswith("#") else f"{line} {TIME}" for line in metrics.splitlines()]
    named = [re.sub(r"^(# (?:HELP|TYPE) \w+)_total ", r"\1 ", line) for line in lines]
    return "\n".join([*named, "# EOF", ""])


def served(place, metrics):
    (place / "metrics").write_text(dated(metrics))
    (place / "prometheus.yml").write_text("{}\n")
    fill = [require_tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", "metrics", "data"]
    subprocess.run(fill, cwd=place, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = [require_tool("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    options = ["--storage.tsdb.retention.time=100y", f"--web.listen-address={address}"]
    with (place / "log").open("w") as log, subprocess.Popen([*start, *options], cwd=place, stderr=log) as process:
        try:
            server = Prometheus(f"http://{address}")
            until(lambda: server.ready() or process.poll() is not None, on_timeout=(place / "log").read_text)
            yield server
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    waivers = [*fleets.WAIVERS, {**fleets.WAIVERS[0], "id": "a-promise", "status": "unsigned"}]
    hosts = tuple({**dict.fromkeys(STATE), **HOSTS})
    return exported(tmp_path_factory.mktemp("each"), ["prometheus"], HOSTS, hosts, waivers=waivers)["prometheus"]


@pytest.fixture(scope="module")
def each(metrics, tmp_path_factory):
    yield from served(tmp_path_factory.mktemp("server"), metrics)


@pytest.fixture(scope="module")
def well(tmp_path_factory):
    place = tmp_path_factory.mktemp("well")
    answers = {name: watched_hosts.watched() for name in ("web01", "web02")}
    text = exported(place, ["prometheus"], answers, tuple(answers), waivers=fleets.WAIVERS)["prometheus"]
    yield from served(place, text)


def firing(server):
    return {name for name, rule in ALERTS.items() if server.answer(rule["expr"])}


def test_alerts_fire_for_a_fleet_that_has_everything_and_none_where_all_is_well(each, well):
    assert {f"Proscribe{name}" for name in FIRING} == ALERTS.keys()
    without = {"ProscribeLifted", "ProscribeNoReport", "ProscribeNoMetrics", "ProscribeWaiverEnds"}
    assert ALERTS.keys() - firing(each) == without
    assert firing(well) == set()


@pytest.mark.parametrize("query", QUERIES)
def test_query_of_the_dashboard_has_an_answer(each, query):
    panel, target = QUERIES[query]
    found = each.answer(target["expr"])
    assert found, target["expr"]
    legend = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
    assert all(name in labels for labels, _ in found for name in legend)
    if panel["type"] == "stat":
        assert len(found) == 1, "a stat is one number"


@pytest.mark.parametrize(
    ("title", "metric"),
    [
        ("Hosts", "proscribe_expected_hosts"),
        ("Known", "proscribe_coverage_ratio"),
        ("Compliant", "proscribe_compliance_strict_ratio"),
        ("Compliant with waivers", "proscribe_compliance_with_waivers_ratio"),
        ("Requests that wait", "proscribe_requests_waiting"),
    ],
)
def test_the_dashboard_says_what_the_report_says(each, well, title, metric):
    (panel,) = [panel for panel in PANELS if panel["title"] == title]
    assert each.one(panel["targets"][0]["expr"]) == pytest.approx(each.one(metric))
    if metric == "proscribe_requests_waiting":  # which a fleet without requests does not have
        assert well.one(panel["targets"][0]["expr"]) == 0


def lost(written, read):
    if isinstance(written, dict) and isinstance(read, dict):
        parts = [lost(value, read[key]) if key in read else [key] for key, value in written.items()]
        return [part for own in parts for part in own]
    if isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        return [part for item, other in zip(written, read, strict=True) for part in lost(item, other)]
    return [] if written == read else [written]


def test_grafanas_own_types_have_everything_that_the_dashboard_says():
    needed = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    made = machine.made("Grafana's SDK", machine.CACHE / "grafana", sys.executable, needed["test-monitoring"])
    if made.missing:
        missing(f"needs Grafana's SDK: {made.missing}")
    dashboard = json.loads(DASHBOARD.read_text())
    for wrong in (None, "titel"):
        written = {**dashboard, "panels": [*PANELS, {**PANELS[0], **({wrong: "x"} if wrong else {})}]}
        argv = [made.tool("python"), "-c", READ]
        done = subprocess.run(argv, input=json.dumps(written), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert lost(written, json.loads(done.stdout)) == ([wrong] if wrong else [])
