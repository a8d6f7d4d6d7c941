"""What to write where a list or a mapping came as text, as an INI inventory and `-e key=value` take it."""

from __future__ import annotations

import json
from typing import Any

import yaml

from ...policy_errors import Expected

LONGEST = 200  # characters of a text that is read once more, and shown
YAML = (".yml", ".yaml", ".json")
COMMAND_LINE = "<CLI option"  # how Ansible names the place of what -e says


def written_right(variable: str, wrong: Expected, place: str) -> str:
    """The end of a message about a variable that is a text and should be a list or a mapping: how to write that at the
    place where it is. "" where that is not what is wrong.
    """
    meant = _meant(wrong)
    if meant is None:
        return ""
    file = place.rpartition(":")[0] or place
    if file.endswith(YAML):
        return "; the value is a text: write it without the quotes"
    as_json = json.dumps({variable: meant})
    if place.startswith(COMMAND_LINE):
        return f"; -e key=value gives texts only: write -e '{as_json}'"
    return (
        f"; an INI inventory gives a text where words are without quotes: write {variable}={meant!r} (in double quotes"
        ' as a whole, "...", where it stands on the line of a host), or put it into group_vars/*.yml'
    )


def _meant(wrong: Expected) -> Any:
    """The list or mapping that a text was meant to be; None if it is another mistake."""
    kinds = {"a mapping": dict, "a list": list}
    kind = next((kind for words, kind in kinds.items() if wrong.expected.startswith(words)), None)
    text = wrong.value
    if kind is None or wrong.key or not isinstance(text, str) or not text or len(text) > LONGEST:
        return None
    try:
        meant = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return None
    if kind is list and isinstance(meant, str) and meant.isprintable() and not set(meant) & set("[]{}"):
        meant = meant.replace(",", " ").split()
    return meant if isinstance(meant, kind) and _plain(meant) else None


def _plain(meant: Any) -> bool:
    """Whether something is made of what both JSON and an INI inventory can write, one in the other at the most."""
    items = [*meant, *(meant.values() if isinstance(meant, dict) else ())]
    inner = [one for item in items for one in (item if isinstance(item, list) else [item])]
    return all(one is None or isinstance(one, str | int | float) for one in inner)
