"""The declarations of the controls: their files, their own rules and their clauses."""

import re

from proscribe.controller.controls import DECLARATIONS
from proscribe.controller.report.evaluation.control_rules import list_own_rules
from proscribe.controller.report.evaluation.frameworks import list_clauses, list_oscal_ids


def test_control_has_its_module_action_and_role(project):
    for declaration in DECLARATIONS.values():
        assert (project / "library" / f"{declaration.action}.py").is_file()
        assert (project / "action_plugins" / f"{declaration.action}.py").is_file()
        assert (project / "roles" / declaration.action / "tasks/present.yml").is_file()


def test_rule_that_a_control_reports_beside_services_is_among_its_own_rules(project):
    result = set()
    for path in (project / "module_utils/proscribe/host/controls").rglob("*.py"):
        text = path.read_text()
        for before in (r"(?:judge_rule|RuleVerdict)\(\s*", r"^\w*RULE(?:_NAME)? = "):
            result |= set(re.findall(before + r'"((?:apps|browser|firewall|dns)/[a-z-]+)"', text, re.MULTILINE))
    assert len(result) > 8
    known_names = {f"{control}/{name}" for control in DECLARATIONS for name in list_own_rules(control)}
    assert result - known_names == set()
    assert {"browser/dns-over-https", "firewall/quic", "firewall/ruleset", "apps/unmanaged-browsers"} <= known_names
    assert list_own_rules("watch") == frozenset()


def test_clauses_of_a_host_as_a_whole_are_those_of_every_control():
    whole = {clause.name for clause in list_clauses("host")}
    assert "NIST SP 800-53 Rev. 5 CM-7(4)" in whole
    assert all(whole < {clause.name for clause in list_clauses(control)} for control in DECLARATIONS)
    assert list_oscal_ids() == ["ac-20", "cm-10", "cm-11", "cm-7.4", "sc-7"]
