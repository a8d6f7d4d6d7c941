"""The restrictions: inventory variables for the banned services, the first day, and the enforcement on a host.

A variable is declared once, as a field of a base class of Restrictions: its type, its default, its reader, and its
meaning. All names start with `proscribe_`. So a mistyped name is recognised and stops the run before any host changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import yaml

from ....host.controls.browser.browser_settings import ALLOW_LIST, BLOCKED, EXTENSIONS, PROXY_EXTENSIONS
from ...policy_errors import PolicyError, PolicyErrors, UnexpectedValue, propose_similar_names
from .controls import DNS_BACKENDS as DNS_BACKENDS
from .controls import AppSettings, BrowserSettings, NetworkSettings
from .directory import DirectorySettings
from .export_settings import PointSettings
from .reporting import STORED as STORED
from .reporting import ReportSettings
from .runs import RolloutSettings, ScheduleSettings
from .selection import SelectionSettings, WaiverSettings
from .variable import Variable, get_variable
from .watch_settings import WatchVariables

PREFIX = "proscribe_"
ALL_WAIVERS = "all"  # value of proscribe_waivers_removed
# Variables with the same prefix that the playbooks register, or receive for a single run.
REGISTERED_VARIABLES = frozenset(
    {
        "proscribe_asked",
        "proscribe_chosen",
        "proscribe_compiled",
        "proscribe_custody",
        "proscribe_decided",
        "proscribe_failed",
        "proscribe_notice",
        "proscribe_notice_file",
        "proscribe_notice_sent",
        "proscribe_observed",
        "proscribe_repeats_failures",
        "proscribe_scheduled",
        "proscribe_sets_aside",
    }
)
MAX_HINTED_LENGTH = 200  # characters; longer texts get no hint
_YAML_SUFFIXES = (".yml", ".yaml", ".json")
_COMMAND_LINE = "<CLI option"  # beginning of Ansible's place for values of -e


# A dataclass has the fields of its last base first.
@dataclass(frozen=True)
class Restrictions(
    ScheduleSettings,
    RolloutSettings,
    PointSettings,
    WatchVariables,
    DirectorySettings,
    NetworkSettings,
    BrowserSettings,
    AppSettings,
    ReportSettings,
    WaiverSettings,
    SelectionSettings,
):
    """The checked restrictions of a host. Equal restrictions give equal plans."""


RESTRICTIONS: Mapping[str, Variable] = {
    variable_field.name: get_variable(variable_field) for variable_field in fields(Restrictions)
}


def read_restrictions(values: Mapping[str, object], locate: Callable[[str], str]) -> Restrictions:
    """Read a host's restrictions from its templated `proscribe_*` variables. Unset variables have their default.

    `locate` returns the place of a variable or of a part of it (`proscribe_controls.apps`), for messages. Raises
    PolicyErrors with every mistake.
    """
    restrictions, errors = read_noting_errors(values, locate)
    if errors:
        raise PolicyErrors(errors)
    return restrictions


def read_noting_errors(
    values: Mapping[str, object], locate: Callable[[str], str]
) -> tuple[Restrictions, list[PolicyError]]:
    """Read restrictions like `read_restrictions`, but return the errors instead of raising them.

    Wrong values are replaced by their defaults, so that the rest of a policy can still be checked.
    """
    errors: list[PolicyError] = []

    def note(key: str, setting: object, expected: str) -> None:
        """Add an error about a variable or a part of it (`key`)."""
        errors.append(PolicyError(locate(key), key, setting, expected))

    known_names = {PREFIX + name for name in RESTRICTIONS}
    for name in values:
        if name.startswith(PREFIX) and name not in known_names | REGISTERED_VARIABLES:
            note(name, name, f"a known variable{propose_similar_names(name, known_names)}")
    settings: dict[str, Any] = {}
    for name, variable in RESTRICTIONS.items():
        try:
            settings[name] = variable.read(values.get(PREFIX + name, variable.default))
        except UnexpectedValue as error:
            settings[name] = variable.read(variable.default)
            place = locate(PREFIX + name + error.key)
            expected = error.expected + explain_quoting(PREFIX + name, error, place)
            errors.append(PolicyError(place, PREFIX + name + error.key, error.found_value, expected))
    # Some correct values contradict each other. A default contradicts no value, so this check adds no error about a
    # wrong value that was replaced by its default.
    allowed_extensions = settings["browser_extensions_allowed"]
    browser_settings = settings["browser_settings"]
    # Without one of these settings, every extension is allowed, and a list of allowed ones has no effect.
    refuses_extensions = (
        browser_settings.get(EXTENSIONS) == ALLOW_LIST or browser_settings.get(PROXY_EXTENSIONS) == BLOCKED
    )
    if allowed_extensions and not refuses_extensions:
        expected = "extensions: allow_list or proxy_extensions: blocked in proscribe_browser_settings"
        note(PREFIX + "browser_extensions_allowed[0]", allowed_extensions[0], expected)
    if settings["probe"] and settings["audit_with"] == STORED:
        note(f"{PREFIX}probe", True, "false with proscribe_audit_with: stored, since a probe needs root")
    if contradicting := set(settings["services_include"]) & set(settings["services_exclude"]):
        excluded: Any = values[PREFIX + "services_exclude"]
        expected = "a service that is not in proscribe_services_include too"
        note(f"{PREFIX}services_exclude[{excluded.index(min(contradicting))}]", min(contradicting), expected)
    return Restrictions(**settings), errors


def explain_quoting(variable: str, error: UnexpectedValue, place: str) -> str:
    """Return a hint for the message about a list or mapping that came as text; "" for other mistakes.

    Values come as text from an INI inventory or `-e key=value`. `place` is the place of the value, `path:line`. The
    hint fits it: a YAML file, the option -e, or an INI inventory.
    """
    intended = _guess_intended(error)
    if intended is None:
        return ""
    file = place.rpartition(":")[0] or place
    if file.endswith(_YAML_SUFFIXES):
        return "; the value is a text: write it without the quotes"
    as_json = json.dumps({variable: intended})
    if place.startswith(_COMMAND_LINE):
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
    if kind is None or error.key or not isinstance(text, str) or not text or len(text) > MAX_HINTED_LENGTH:
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
