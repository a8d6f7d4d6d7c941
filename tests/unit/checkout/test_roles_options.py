"""What roles say that they take: Ansible shows it, checks it first, and refuses nothing that the compiler takes."""

import datetime
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from proscribe.controller.compile.restrictions import RESTRICTIONS
from proscribe.controller.policy_errors import UnexpectedValue

ROLES = Path(__file__).resolve().parents[3] / "roles"
SPECS = yaml.safe_load((ROLES / "compliance/meta/argument_specs.yml").read_text())["argument_specs"]
OPTIONS = SPECS["main"]["options"]
VALUES = (
    *(True, False, "true", "false", "off", None),
    *(0, 1, 7, 60, "7", "7d", "30m", "25%", datetime.date(2026, 1, 1), "2026-01-01"),
    *("", "a text", "/srv/a", "https://git.example.org/a.git", "sqlite", "auto", "all", "weekly"),
    *([], ["a"], [2, "25%"], {}, {"en": "a"}, {"hosts": 5}, {"apps": "audit"}, {"google": ["example.org"]}),
)


def refused(name, value):
    spec = {key: OPTIONS[name][key] for key in ("type", "choices") if key in OPTIONS[name]}
    checked = ArgumentSpecValidator({name: spec}).validate({name: value})
    return [str(message) for message in checked.error_messages]


def takes(name, value):
    try:
        RESTRICTIONS[name].read(value)
    except UnexpectedValue:
        return False
    return True


@pytest.mark.parametrize("name", RESTRICTIONS)
def test_ansible_takes_whatever_the_compiler_takes(name):
    option = f"proscribe_{name}"
    choices = OPTIONS[option].get("choices", [])
    values = [RESTRICTIONS[name].default, *VALUES, *choices, choices]
    taken = [value for value in values if takes(name, value)]
    assert taken and [(value, said) for value in taken if (said := refused(option, value))] == []


@pytest.mark.parametrize(
    ("name", "type_", "wrong"),
    [
        ("compliance_gate", "str", "never mind"),
        ("waiver_signatures", "str", "offf"),
        ("categories", "list", ["chat"]),
        ("controls", "dict", ["apps"]),
        ("waiver_blanket", "bool", "perhaps"),
        ("end_grace", "int", "soon"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(name, type_, wrong):
    assert OPTIONS[f"proscribe_{name}"]["type"] == type_
    (said,) = refused(f"proscribe_{name}", wrong)
    assert f"proscribe_{name}" in said and not takes(name, wrong)
