"""The restrictions: the inventory variables that say what is banned on a host, since when, and how far it is enforced.

Every variable is one row of RESTRICTIONS. Their names all start with `proscribe_`, so a mistyped one is recognised and
stops the run before any host is touched.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..finding import GATES
from ..plan import CONTROLS
from .errors import PolicyError, PolicyErrors, close_to
from .schema import AUDIENCES, CATEGORIES, TENANT_PROVIDERS

PREFIX = "proscribe_"
# Variables of the same prefix that the playbooks themselves register.
REGISTERED = frozenset({"proscribe_compiled", "proscribe_failed", "proscribe_observed"})

CONTROL_MODES = ("enforce", "audit", "off")


@dataclass(frozen=True)
class Restrictions:
    """One host's restrictions, checked. Equal restrictions give equal plans."""

    categories: tuple[str, ...]
    audiences: tuple[str, ...]
    services_include: tuple[str, ...]
    services_exclude: tuple[str, ...]
    effective_from: datetime.date
    controls: Mapping[str, str]
    tenants: Mapping[str, tuple[str, ...]]
    catalog_dirs: tuple[str, ...]
    compliance_gate: str
    contact: str
    management: tuple[str, ...]


class Expected(Exception):
    """A value that a variable cannot have: which part of it, what it is, and what was expected."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(expected)
        self.key, self.value, self.expected = key, value, expected


def _words(allowed: Iterable[str] | None, what: str) -> Callable[[object], tuple[str, ...]]:
    """A reader of a list of words, out of `allowed` if that is given."""
    known = tuple(allowed or ())

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise Expected("", value, f"a list of {what}")
        for index, item in enumerate(value):
            if not isinstance(item, str) or not item:
                raise Expected(f"[{index}]", item, what)
            if known and item not in known:
                raise Expected(f"[{index}]", item, f"one of {', '.join(known)}{close_to(item, known)}")
        return tuple(str(item) for item in dict.fromkeys(value))

    return read


def _day(value: object) -> datetime.date:
    # YAML reads an unquoted 2024-10-31 as a date.
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.date(value.year, value.month, value.day)
    try:
        return datetime.date.fromisoformat(str(value)) if isinstance(value, str) else _not_a_day(value)
    except ValueError:
        return _not_a_day(value)


def _not_a_day(value: object) -> datetime.date:
    raise Expected("", value, "a day such as 2024-10-31")


def _controls(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise Expected("", value, "a mapping such as {apps: enforce, browser: enforce, firewall: audit, dns: 'off'}")
    modes = dict.fromkeys(CONTROLS, "enforce")
    for name, mode in value.items():
        if name not in CONTROLS:
            raise Expected(f".{name}", name, f"a control, one of {', '.join(CONTROLS)}{close_to(str(name), CONTROLS)}")
        mode = "off" if mode is False else mode  # YAML 1.1 reads an unquoted off as false
        if mode not in CONTROL_MODES:
            raise Expected(f".{name}", mode, f"one of {', '.join(CONTROL_MODES)}{close_to(str(mode), CONTROL_MODES)}")
        modes[str(name)] = str(mode)
    return modes


def _tenants(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise Expected("", value, "a mapping such as {google: [example.org], microsoft: [<tenant id>]}")
    for name in value:
        if name not in TENANT_PROVIDERS:
            raise Expected(
                f".{name}", name, f"one of {', '.join(TENANT_PROVIDERS)}{close_to(str(name), TENANT_PROVIDERS)}"
            )
    read = _words(None, "tenant names")
    tenants: dict[str, tuple[str, ...]] = {}
    for provider in TENANT_PROVIDERS:
        try:
            tenants[provider] = read(value.get(provider) or [])
        except Expected as wrong:
            raise Expected(f".{provider}{wrong.key}", wrong.value, wrong.expected) from None
        for index, name in enumerate(tenants[provider]):
            # The name ends up in an HTTP header that browsers send.
            if not all(character.isascii() and (character.isalnum() or character in ".-") for character in name):
                raise Expected(f".{provider}[{index}]", name, "a domain or a tenant id: letters, digits, dots, hyphens")
    return tenants


def _gate(value: object) -> str:
    if not isinstance(value, str) or value not in GATES:
        raise Expected("", value, f"one of {', '.join(GATES)}{close_to(str(value), GATES)}")
    return str(value)


def _line(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise Expected("", value, "one line of at most 200 printable characters")
    return str(value)


def _networks(value: object) -> tuple[str, ...]:
    read = _words(None, "addresses or networks")(value)
    for index, item in enumerate(read):
        try:
            ipaddress.ip_network(item)
        except ValueError:
            raise Expected(f"[{index}]", item, "an address or a network such as 10.20.0.0/24") from None
    return tuple(str(ipaddress.ip_network(item)) for item in read)


class Variable(NamedTuple):
    """A restriction: what it is when nobody says anything, how a value of it is read, and what it is for."""

    default: Any
    read: Callable[[object], Any]
    meaning: str


RESTRICTIONS: Mapping[str, Variable] = {
    "categories": Variable(
        ["instant_messaging", "webmail", "cloud_storage", "circumvention"],
        _words(CATEGORIES, "categories"),
        "The categories of services that are banned.",
    ),
    "audiences": Variable(
        ["consumer", "both"],
        _words(AUDIENCES, "audiences"),
        "Services sold to whom; enterprise services (WeCom, Slack) only where asked for.",
    ),
    "services_include": Variable([], _words(None, "service ids"), "Service ids added to the categories."),
    "services_exclude": Variable([], _words(None, "service ids"), "Service ids taken out of the categories."),
    "effective_from": Variable(
        "2024-10-31",
        _day,
        "The first day of the ban; before it everything is reported as upcoming and nothing enforced.",
    ),
    "controls": Variable(
        {"apps": "enforce", "browser": "enforce", "firewall": "enforce", "dns": "enforce"},
        _controls,
        "Per control: enforce, audit (report only) or off (not looked at).",
    ),
    "tenants": Variable(
        {"google": [], "microsoft": []}, _tenants, "The organisation's own tenants, which stay reachable."
    ),
    "catalog_dirs": Variable(
        [],
        _words(None, "directories"),
        "More service files, the organisation's own; relative to the inventory's folder.",
    ),
    "compliance_gate": Variable(
        "never",
        _gate,
        "What makes a host, and the run, fail: never, noncompliant, or incomplete (also what is unknown).",
    ),
    "contact": Variable("your IT service desk", _line, "Whom a refused user may ask; part of every refusal's message."),
    "management": Variable(
        [], _networks, "Addresses and networks that the firewall never cuts, whatever the catalogue says."
    ),
}


def read_restrictions(values: Mapping[str, Any], where: Callable[[str], str]) -> Restrictions:
    """A host's restrictions out of its variables (`proscribe_*`, templated); what is not set has its default.

    `where` tells for a variable's name where it was set, for the messages. Raises PolicyErrors with every mistake.
    """
    errors: list[PolicyError] = []
    known = {PREFIX + name for name in RESTRICTIONS}
    for name in values:
        if name.startswith(PREFIX) and name not in known | REGISTERED:
            errors.append(PolicyError(where(name), name, name, f"a known variable{close_to(name, known)}"))
    read: dict[str, Any] = {}
    for name, variable in RESTRICTIONS.items():
        try:
            read[name] = variable.read(values.get(PREFIX + name, variable.default))
        except Expected as wrong:
            errors.append(PolicyError(where(PREFIX + name), PREFIX + name + wrong.key, wrong.value, wrong.expected))
    if not errors and (both := set(read["services_include"]) & set(read["services_exclude"])):
        name = PREFIX + "services_exclude"
        errors.append(
            PolicyError(where(name), name, min(both), "a service that is not in proscribe_services_include too")
        )
    if errors:
        raise PolicyErrors(errors)
    return Restrictions(**read)
