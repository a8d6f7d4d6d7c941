"""The restrictions: the inventory variables that say what is banned on a host, since when, and how far it is enforced.

A variable is declared once, as a field of one of the classes that Restrictions is put together from: its type, what it
is when nobody sets it, its reader, and what it is for. Their names all start with `proscribe_`, so a mistyped one is
recognised and stops the run before any host is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ....host.controls.browser.settings import ALLOW_LIST, BLOCKED, EXTENSIONS, PROXY_EXTENSIONS
from ...policy_errors import Expected, PolicyError, PolicyErrors, close_to
from .controls import DNS_BACKENDS as DNS_BACKENDS
from .controls import Apps, Browsers, Network
from .directory import Directory
from .points import Points
from .reporting import STORED as STORED
from .reporting import Reporting
from .runs import Rollout, Schedule
from .selection import Selection, Waivers
from .unquoted import written_right
from .variable import Variable, variable_of
from .watching import Watch

PREFIX = "proscribe_"
ALL = "all"  # of proscribe_waivers_removed
# Variables of the same prefix that the playbooks themselves register, or are given for one run.
REGISTERED = frozenset(
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


# A dataclass has the fields of its last base first.
@dataclass(frozen=True)
class Restrictions(Schedule, Rollout, Points, Watch, Directory, Network, Browsers, Apps, Reporting, Waivers, Selection):
    """One host's restrictions, checked. Equal restrictions give equal plans."""


RESTRICTIONS: Mapping[str, Variable] = {one.name: variable_of(one) for one in fields(Restrictions)}


def read_restrictions(values: Mapping[str, object], where: Callable[[str], str]) -> Restrictions:
    """A host's restrictions out of its variables (`proscribe_*`, templated); what is not set has its default.

    `where` gives, for a variable's name or the path to a part of it (`proscribe_controls.apps`), where it was set; for
    the messages. Raises PolicyErrors with every mistake.
    """
    read, errors = read_in_part(values, where)
    if errors:
        raise PolicyErrors(errors)
    return read


def read_in_part(values: Mapping[str, object], where: Callable[[str], str]) -> tuple[Restrictions, list[PolicyError]]:
    """As `read_restrictions`, with the mistakes: what is wrong has its default, so that the rest can be checked."""
    errors: list[PolicyError] = []

    def note(key: str, value: object, expected: str) -> None:
        errors.append(PolicyError(where(key), key, value, expected))

    known = {PREFIX + name for name in RESTRICTIONS}
    for name in values:
        if name.startswith(PREFIX) and name not in known | REGISTERED:
            note(name, name, f"a known variable{close_to(name, known)}")
    read: dict[str, Any] = {}
    for name, variable in RESTRICTIONS.items():
        try:
            read[name] = variable.read(values.get(PREFIX + name, variable.default))
        except Expected as wrong:
            read[name] = variable.read(variable.default)
            place = where(PREFIX + name + wrong.key)
            expected = wrong.expected + written_right(PREFIX + name, wrong, place)
            errors.append(PolicyError(place, PREFIX + name + wrong.key, wrong.value, expected))
    # What is wrong has its default here, and no default contradicts what is set.
    listed = read["browser_extensions_allowed"]
    chosen = read["browser_settings"]
    refusing = chosen.get(EXTENSIONS) == ALLOW_LIST or chosen.get(PROXY_EXTENSIONS) == BLOCKED
    if listed and not refusing:
        expected = "extensions: allow_list or proxy_extensions: blocked in proscribe_browser_settings"
        note(PREFIX + "browser_extensions_allowed[0]", listed[0], expected)
    if read["probe"] and read["audit_with"] == STORED:
        note(f"{PREFIX}probe", True, "false with proscribe_audit_with: stored, since a probe needs root")
    if both := set(read["services_include"]) & set(read["services_exclude"]):
        given: Any = values[PREFIX + "services_exclude"]
        expected = "a service that is not in proscribe_services_include too"
        note(f"{PREFIX}services_exclude[{given.index(min(both))}]", min(both), expected)
    return Restrictions(**read), errors
