"""The usage that the README of a role shows, run as it stands: it ends in a report."""

import re
from pathlib import Path

import pytest
import yaml
from checkout import PROJECT, REAL_ANSIBLE, clean_environment, launch, needs_root
from made_fleet import Fleet
from organisation import ROLES, Organisation
from proscribe.controller.compile.restrictions import RESTRICTIONS

pytestmark = pytest.mark.playbook

READMES = sorted((PROJECT / "roles").glob("*/README.md"))
CONTROLS = {"restricted_apps": "apps", "browser_policy": "browser", "host_firewall": "firewall", "dns_filter": "dns"}


def usage(role):
    (text,) = re.findall(r"```yaml\n(.*?)```", (PROJECT / "roles" / role / "README.md").read_text(), re.DOTALL)
    return str(text)


def test_every_role_shows_its_usage_and_its_options():
    assert {path.parent.name for path in READMES} == {path.name for path in (PROJECT / "roles").iterdir()}
    for path in READMES:
        entries = yaml.safe_load((path.parent / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        options = {option for entry in entries.values() for option in entry.get("options", {})}
        options -= {f"proscribe_{name}" for name in RESTRICTIONS}  # docs/restrictions.md
        assert options == set(re.findall(r"^\| `(\w+)` \|", path.read_text(), re.MULTILINE)), path


@needs_root
@pytest.mark.parametrize("role", ["compliance", *CONTROLS])
def test_the_usage_of_a_role_ends_in_a_report(tmp_path, role):
    organisation = Organisation(tmp_path)
    organisation.configured("", ROLES)
    organisation.inventory(enforced=CONTROLS.get(role, "dns"))
    ended = organisation.run(organisation.playbook(usage(role)), "--check", "--limit", "one")
    assert ended.code == 0, ended.said
    assert organisation.covered == [(1, 1)], ended.said
    controls = organisation.complete[0]["run"]["controls"]
    assert controls == ([CONTROLS[role]] if role in CONTROLS else list(CONTROLS.values()))


@needs_root
def test_the_usage_of_a_role_repairs_and_lifts_for_real(tmp_path):
    fleet = Fleet(tmp_path, 3)
    fleet.breaks("h3")
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\n{ROLES}")
    (tmp_path / "site.yml").write_text(usage("dns_filter"))
    environment = clean_environment(PROSCRIBE_REPORTS=str(tmp_path / "reports"))

    def run():
        return launch(Path(REAL_ANSIBLE), "-i", "fleet", "site.yml", cwd=tmp_path, environment=environment)

    code, said = run()
    assert code == 2, said
    assert fleet.corrected == {"h1", "h2"}
    assert fleet.states == {"h1": "repaired", "h2": "repaired", "h3": "error"}
    code, said = run()
    assert code == 2 and fleet.states == {"h1": "compliant", "h2": "compliant", "h3": "error"}, said
    assert said.count("changed: [") == 0, said

    lift = "  tasks:\n    - {name: Lift, ansible.builtin.import_role: {name: dns_filter, tasks_from: lift}}"
    (tmp_path / "site.yml").write_text(usage("dns_filter").replace("  roles:\n    - dns_filter", lift))
    code, said = run()
    assert (code, fleet.corrected) == (0, set()), said
    assert "lifted" in said


def test_the_schedule_of_the_readme_is_worked_out(tmp_path):
    """That role makes no report. Its units are not installed here."""
    organisation = Organisation(tmp_path)
    organisation.configured("")
    ended = organisation.run(organisation.playbook(usage("drift_schedule")), "--check", "--limit", "one")
    assert "TASK [Work out what runs where, before any machine is touched]" in ended.said, ended.said
    assert "nothing was evaluated" not in ended.said and "Traceback" not in ended.said
