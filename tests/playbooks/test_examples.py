"""The examples of the gate for tasks of one's own, each run as `ansible-doc` shows it."""

import ast
import json
import textwrap

import pytest
import yaml
from checkout import PROJECT
from organisation import PATHS, Organisation
from proscribe.model.vocabulary import STATES

pytestmark = pytest.mark.playbook

MODULE, TEST = "library/compliance_state.py", "test_plugins/proscribe_failed.py"
PLAY = "- name: Tasks of our own\n  hosts: department\n  gather_facts: false\n  tasks:\n"


def documented(path, name):
    """A text of a documented file: DOCUMENTATION, EXAMPLES or RETURN."""
    for node in ast.parse((PROJECT / path).read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return str(ast.literal_eval(node.value))
    raise AssertionError(f"{path} has no {name}")


@pytest.fixture
def organisation(tmp_path):
    made = Organisation(tmp_path)
    made.configured("", PATHS)
    return made


def run(organisation, path, more=""):
    """Run the examples of a file as the tasks of a play, with tasks behind them."""
    tasks = textwrap.indent(documented(path, "EXAMPLES") + more, " " * 4)
    ended = organisation.run(organisation.playbook(PLAY + tasks), "--limit", "one")
    return ended.code, " ".join(ended.said.split())


def test_the_examples_of_the_module_fail_where_the_ban_is_not_in_effect(organisation):
    code, said = run(organisation, MODULE)
    assert code == 2 and "[Name what was found]" not in said, said
    assert "Fail where the ban is not in effect" in said.rpartition("TASK [")[2]


def test_the_examples_of_the_module_go_on_where_nothing_is_banned(organisation):
    own = {"proscribe_categories": "[]", "proscribe_services_include": "[whatsapp]"}
    organisation.inventory(**own, proscribe_effective_from="2099-01-01")
    code, said = run(organisation, MODULE)
    assert code == 0 and '"msg": []' in said, said


MORE = """
- assert:
    that: proscribe_observed is proscribe_failed(['noncompliant'])
- assert:
    that: proscribe_observed is proscribe_failed(['noncompliant', 'error'])
- assert:
    that: proscribe_observed is not proscribe_failed(['repaired'])
- compliance_state:
  register: skipped
  when: false
- assert:
    that: skipped is proscribe_failed and skipped is not proscribe_failed(['error', 'noncompliant'])
- command: /bin/true
  loop: [1]
  register: another
- assert:
    that: another is proscribe_failed(['unknown'])
"""


def test_the_examples_of_the_test_and_results_without_a_record_that_have_failed(organisation):
    code, said = run(organisation, TEST, MORE)
    assert code == 0, said
    assert '"msg": "one"' in said and '"msg": "deployed"' not in said


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("proscribe_observed is proscribe_failed(['bad'])", "states: found 'bad', expected a list of error, noncompl"),
        ("proscribe_observed is proscribe_failed('error')", "states: found 'error', expected a list of error"),
        ("'text' is proscribe_failed", "found str, expected what a task of compliance_state registered"),
    ],
)
def test_a_mistake_names_what_was_expected(organisation, condition, expected):
    code, said = run(organisation, TEST, f'- debug:\n  when: "{condition}"\n')
    assert code == 2 and expected in said, said


def test_documented_return_values_are_those_of_a_record():
    record = yaml.safe_load(documented(MODULE, "RETURN"))["record"]
    required = json.loads((PROJECT / "docs/schema/host-record.schema.json").read_text())["required"]
    assert record["contains"].keys() - {"controls"} == set(required) - {"host", "reason"}
    text = " ".join(record["description"])
    places = [text.index(f"V({state})") for state in STATES]
    assert places == sorted(places)
    option = yaml.safe_load(documented(TEST, "DOCUMENTATION"))["options"]["states"]
    assert (option["choices"], option["default"]) == (list(STATES), list(STATES[:3]))
