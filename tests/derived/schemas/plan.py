"""A compiled plan, in which each control has its own keys of a service."""

from proscribe.controller.compile.controls import COMPILERS
from proscribe.model.types.plan import Plan, PlanSection, ServicePolicy
from proscribe.model.vocabulary import CONTROLS

from .shapes import keyed
from .typed import keys_of, shape_of

MISSING_IN_OLD = "browsers"  # of plans that earlier versions wrote


def plan():
    schema = shape_of(Plan)
    keys = schema["properties"]
    objects = keys["group_policy"]["properties"]["objects"]["items"]["properties"]
    objects["browser"] |= _section("browser")
    del keys["controls"]["additionalProperties"]
    keys["controls"] |= keyed({control: _section(control) for control in CONTROLS}, required=())
    return {**schema, "required": [key for key in (*schema["required"], "digest") if key != MISSING_IN_OLD]}


def _section(control):
    section = shape_of(PlanSection)
    entry = section["properties"]["services"]["additionalProperties"]
    keys = [key for kind in (ServicePolicy, *COMPILERS[control].identifier_types) for key in keys_of(kind)]
    entry["properties"] = {key: entry["properties"][key] for key in keys}
    return section
