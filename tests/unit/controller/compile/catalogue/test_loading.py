"""The project's own catalogue, and loads of catalogues."""

import io
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from made import catalogue, service
from made_catalogue import GOOD, OWN, Made
from made_policy import restrictions
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.catalogue.retired_keys import warning
from proscribe.controller.compile.catalogue.schema import BROWSER, CATEGORIES, SERVICE
from proscribe.controller.compile.inventory.reporting import nothing_known
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.exports import pour
from proscribe.controller.report.page.document import page
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import host_record
from proscribe.model.plan import CONTROLS
from proscribe.wire.replies.record import read


@pytest.fixture(scope="module")
def written():
    return {path: yaml.load(path.read_bytes(), yaml.CSafeLoader) for path in sorted(OWN.rglob("*.yml"))}


def test_the_project_s_own_catalogue_is_whole(own_catalogue, written):
    files = {(path.parent.name, path.stem) for path in OWN.glob("*/*.yml") if path.parent.name != "feeds"}
    assert files == {(one.category, one.id) for one in own_catalogue.services.values()}
    assert {category for category, _ in files} == set(CATEGORIES)
    browsers = written[OWN / "browsers.yml"]["browsers"]
    assert sorted(own_catalogue.browsers) == sorted(one["id"] for one in browsers)
    assert len(own_catalogue.version) == 12


def test_circumvention_is_for_consumers_and_has_a_class(own_catalogue):
    services = [service for service in own_catalogue.services.values() if service.category == "circumvention"]
    assert all(service.audience == "consumer" and service.service_class for service in services)


def test_a_service_is_read_as_it_is_written(own_catalogue):
    wechat = own_catalogue.services["wechat"]
    assert wechat.packages["flatpak"] == ("com.tencent.WeChat",)
    assert wechat.processes == ("wechat", "WeChatAppEx")
    assert "/opt/wechat/wechat" in wechat.paths
    assert "work.weixin.qq.com" in wechat.allow_domains
    assert wechat.overlaps_with == ("wecom",)
    assert Path(wechat.file) == OWN / "instant_messaging" / "wechat.yml"
    assert own_catalogue.browsers["firefox_esr"].policy_file == {"native": "/etc/firefox/policies/policies.json"}


def test_every_value_is_the_same_text_for_an_ordinary_yaml_reader(written):
    def list_values(data: Any) -> list[Any]:
        if isinstance(data, dict):
            return [value for item in data.values() for value in list_values(item)]
        return [value for item in data for value in list_values(item)] if isinstance(data, list) else [data]

    for path, document in written.items():
        types = {type(value) for value in list_values(document)}
        assert types <= {str, bool, date}, path


def read_keys(page: str, heading: str) -> set[str]:
    """The keys in the first column of the table below a heading."""
    rows = page.partition(f"\n## {heading}\n")[2].partition("| --- |")[2].partition("\n\n")[0].splitlines()[1:]
    return {key for row in rows for key in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_documentation_has_every_key_and_no_other_and_its_example_loads(tmp_path):
    page = (OWN.parent / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert read_keys(page, "Keys of a service") == set(SERVICE.keys)
    assert read_keys(page, "Keys of a browser") == set(BROWSER.keys)
    example = page.partition("```yaml\n")[2].partition("```")[0]
    directory = Made(tmp_path)(example, "instant_messaging/parrot.yml")
    assert load([OWN, directory]).services["parrot"].networks == ("198.51.100.0/24",)


OWL = {"id": "kestrel", "name": "Kestrel", "packages": {"apt": ["kestrel"]}, "processes": ["kestrel"]}
OWL |= {"policy_support": "chromium", "sources": ["a test"]}


def test_keys_of_earlier_versions_are_passed_over_and_named(tmp_path):
    write = Made(tmp_path)
    without = load([write(GOOD, directory="without")])
    old = f"{GOOD}user_data: [~/.config/Parrot]\nunverified:\n  user_data: [~/.parrot]\n"
    write(yaml.safe_dump({"browsers": [OWL | {"engine": "blink", "user_data": ["~/.owl"]}]}), "browsers.yml")
    write("---\namends: parrot\nadd:\n  user_data: [~/x]\nsources: [a test]\n", "amends/parrot.yml")
    directory = write(old)
    catalogue = load([directory])
    assert catalogue.services["parrot"].unverified == {}
    assert catalogue.services["parrot"].domains == without.services["parrot"].domains
    file = directory / "instant_messaging/parrot.yml"
    assert {f"{file}:{line}: user_data" for line in (14, 16)} < set(catalogue.retired)
    assert len(catalogue.retired) == 5 and without.retired == ()
    assert warning(catalogue.retired).startswith("catalogue: nothing reads the keys engine and user_data any more")


def test_programs_of_windows_are_known_by_what_is_below_the_folder_of_programs(tmp_path):
    paths = [r"%ProgramFiles%\Crow\Crow.EXE", r"%ProgramFiles%\Crow.exe", r"%AppData%\Crow\data", r"%A%\a\b\c.exe"]
    text = yaml.safe_dump({**yaml.safe_load(GOOD), "enforce": "true", "paths": {"windows": paths}})
    service = load([Made(tmp_path)(text)]).services["parrot"]
    assert (service.windows_programs, service.paths) == (("Crow/Crow.EXE", "a/b/c.exe"), ())


def test_rules_with_nothing_known_are_in_every_report():
    made = catalogue(service("parrot"), service("heron", domains=("heron.example",)), service("stork", enforce=False))
    plan = compile_plan(made, restrictions(), [], date(2026, 11, 25))
    digest, moment = plan["digest"], "2026-11-25T08:00:00Z"
    counts = {"apps": 1, "browser": 1, "firewall": 2, "dns": 1}
    facts: dict[str, Any] = {"platform": {}, "verdicts": [], "errors": [], "duration_ms": 1}
    answer = host_record(plan_digest=digest, checked_at=moment, nothing_known=counts, **facts)
    run = {
        **dict.fromkeys(("id", "playbook", "mode", "catalog_version", "limit"), ""),
        "started": moment,
        "inventory": [],
        "controls": list(CONTROLS),
        "hosts": {"web01": digest, "web02": digest},
        "nothing_known": {digest: nothing_known(plan, CONTROLS)},
    }
    settled = reconcile(run["hosts"], [read("web01", answer)], rules={digest: 5})
    result, records = fleet_report(run, settled, "2026-11-25T08:01:00Z"), settled.records
    assert {"rule": "apps/parrot", "hosts": 1} in result["nothing_known"] and len(result["nothing_known"]) == 5
    assert result["summary"]["rules"]["not_applicable"] == 5 and result["summary"]["rules"]["compliant"] == 0
    assert result["summary"]["hosts"]["compliant"] == 0
    screen = summary.render(result, records, summary.Screen(width=160))
    assert "nothing known" in screen and "apps: parrot" in screen
    assert "parrot" in "".join(page(result, records)).partition("Nothing known to look for")[2]
    poured = io.StringIO()
    pour(poured, result, records, "prometheus")
    assert 'proscribe_nothing_known_rules{control="firewall"} 2\n' in poured.getvalue()
