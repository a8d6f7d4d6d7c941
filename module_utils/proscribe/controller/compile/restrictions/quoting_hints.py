"""Hints for lists and mappings that came as text, as from an INI inventory or `-e key=value`."""

from __future__ import annotations

import json
from typing import Any

import yaml

from ...policy_errors import UnexpectedValue

MAX_TEXT_LENGTH = 200  # characters; longer texts get no hint
YAML_SUFFIXES = (".yml", ".yaml", ".json")
COMMAND_LINE = "<CLI option"  # beginning of Ansible's place for values of -e


def explain_quoting(variable: str, error: UnexpectedValue, place: str) -> str:
    """Return a hint for the message about a list or mapping that came as text; "" for other mistakes.

    `place` is the place of the value, `path:line`. The hint fits it: a YAML file, the option -e, or an INI inventory.
    """
    intended = _guess_intended(error)
    if intended is None:
        return ""
    file = place.rpartition(":")[0] or place
    if file.endswith(YAML_SUFFIXES):
        return "; the value is a text: write it without the quotes"
    as_json = json.dumps({variable: intended})
    if place.startswith(COMMAND_LINE):
        return f"; -e key=value gives texts only: write -e '{as_json}'"
    return (
        f"; an INI inventory gives a text where words are without quotes: write {variable}={intended!r} (in double "
        f"quotes"
        ' as a whole, "...", where it stands on the line of a host), or put it into group_vars/*.yml'
    )


def _guess_intended(error: UnexpectedValue) -> Any:
    """Return the list or mapping that the text of a wrong value means; None if the text means neither."""
    kinds = {"a mapping": dict, "a list": list}
    kind = next((kind for words, kind in kinds.items() if error.expected.startswith(words)), None)
    text = error.found_value
    if kind is None or error.key or not isinstance(text, str) or not text or len(text) > MAX_TEXT_LENGTH:
        return None
    try:
        intended = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return None
    if kind is list and isinstance(intended, str) and intended.isprintable() and not set(intended) & set("[]{}"):
        # words without brackets: `apps, dns` or `apps dns`
        intended = intended.replace(",", " ").split()
    return intended if isinstance(intended, kind) and _is_plain_data(intended) else None


def _is_plain_data(intended: Any) -> bool:
    """Return True if both JSON and an INI inventory can express the data, with lists nested once at most."""
    items = [*intended, *(intended.values() if isinstance(intended, dict) else ())]
    parts = [part for element in items for part in (element if isinstance(element, list) else [element])]
    return all(part is None or isinstance(part, str | int | float) for part in parts)
