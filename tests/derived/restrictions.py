"""The tables of docs/restrictions.md, and the entries of the variables in what roles say that they take."""

import json
import textwrap
from collections.abc import Mapping

from proscribe.controller.compile.reading.value_readers import ChoiceReader, NamesReader
from proscribe.controller.compile.restrictions import RESTRICTIONS
from proscribe.controller.policy_errors import UnexpectedValue
from proscribe.controller.report.collection.plays import CONTROL_BY_ACTION
from proscribe.model.tenants import TENANT_SETTINGS

from .part import OPTIONS, Part, table

LINE = 110  # characters


def written(value):
    """A value as YAML has it on one line, as people write it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    return '""' if value == "" else str(value)


def variables():
    rows = ((f"`proscribe_{name}`", f"`{written(one.default)}`", one.meaning) for name, one in RESTRICTIONS.items())
    return table(("variable", "default", "meaning"), rows)


# Values of Ansible's types, with nothing in them that any restriction takes.
SAMPLES = {"list": [object()], "dict": {"?": object()}, "bool": True}
TEXT, ANY = "str", "raw"


def type_of(one):
    """The type that Ansible checks and shows: the one that the reader takes, or `raw` where it takes several.

    A reader that takes a list or a mapping says where in it is a mistake, and of another value that it is one.
    """
    number = one.default if type(one.default) is int else 7
    types = {name for name, sample in {**SAMPLES, "int": number}.items() if _takes(one, sample)}
    types |= {TEXT} if isinstance(one.default, str) or _takes(one, "a text") or one.default is None else set()
    (type_,) = types if len(types) == 1 else (ANY,)
    return type_


def _takes(one, sample):
    try:
        one.read(sample)
    except UnexpectedValue as wrong:
        return bool(wrong.key)
    return True


def options():
    """For `options` of an entry point. Ansible refuses nothing here that the compiler takes."""
    lines = []
    for name, one in RESTRICTIONS.items():
        meaning = textwrap.wrap(one.meaning, LINE, break_on_hyphens=False, break_long_words=False)
        lines += [f"proscribe_{name}:", "  description: >-", *(f"    {line}" for line in meaning)]
        lines += [f"  type: {type_of(one)}"]
        if isinstance(one.read, ChoiceReader | NamesReader) and one.read.allowed_values:
            lines += ["  choices:", *(f"    - {json.dumps(word)}" for word in one.read.allowed_values)]
        lines += [f"  default: {json.dumps(one.default)}"] if one.default is not None else []
    return "".join(f"{OPTIONS}{line}\n" for line in lines)


def tenant_settings():
    """A row for each setting of a vendor that takes tenants."""
    heads = ("setting", "of", "takes", "how many", "form")
    rows = (
        (
            f"[`{setting.name}`]({setting.source})",
            setting.reader,
            " or ".join(f"{kind} of {setting.provider}" for kind in setting.kinds),
            "all" if setting.takes_many else "the own one, which is the first",
            setting.form,
        )
        for setting in TENANT_SETTINGS
    )
    return table(heads, rows)


ROLES = ("compliance", "drift_schedule", *CONTROL_BY_ACTION)
DERIVED = (
    Part("docs/restrictions.md", variables, "variables"),
    Part("docs/restrictions.md", tenant_settings, "tenant settings"),
    *(Part(f"roles/{role}/meta/argument_specs.yml", options, "variables") for role in ROLES),
)
