"""The restrictions: the inventory variables that say what is banned on a host, since when, and how far it is enforced.

Every variable is one row of RESTRICTIONS. Their names all start with `proscribe_`, so a mistyped one is recognised and
stops the run before any host is touched.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..controls.browser.settings import ALLOW_LIST, EXTENSIONS, SETTINGS, UNMANAGED
from ..duration import GRAMMAR, seconds_of
from ..finding import GATES
from ..plan import CONTROLS
from ..report import exports
from ..rollout.limits import AUTO, read_batches, read_max_change, read_max_failures
from ..schedule import values as scheduled
from . import grammar
from .errors import Expected, InWords, PolicyError, PolicyErrors, close_to
from .firewall_rules import read_rules
from .networks import packed
from .schema import AUDIENCES, CATEGORIES, TENANT_PROVIDERS

PREFIX = "proscribe_"
# Variables of the same prefix that the playbooks themselves register, or are given for one run.
REGISTERED = frozenset(
    {
        "proscribe_compiled",
        "proscribe_failed",
        "proscribe_notice",
        "proscribe_observed",
        "proscribe_restore",
        "proscribe_rollout",
        "proscribe_scheduled",
    }
)

CONTROL_MODES = ("enforce", "audit", "off")
DNS_BACKENDS = ("auto", "dnsmasq", "unbound", "networkmanager", "resolved", "hosts")
EXEC_CONTROLS = ("fapolicyd", "off")
SIGNATURE_MODES = ("required", "optional", "off")


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
    gate_baseline: str
    history: str
    history_keep: int  # seconds; 0 keeps everything
    stale_after: int  # seconds
    exports: tuple[str, ...]
    contact: str
    user_notice: str
    end_grace: int  # seconds
    exec_control: str
    unmanaged_browsers: str
    management: tuple[str, ...]
    firewall_rules: tuple[dict[str, Any], ...]
    firewall_quic: str
    firewall_log: bool
    firewall_confirm_within: int  # seconds
    waiver_max_days: int
    waiver_signatures: str
    waiver_blanket: bool
    zone: str
    dns_backend: str
    dns_force: bool
    dns_upstreams: tuple[str, ...]
    browser_settings: Mapping[str, str]
    browser_extensions_allowed: tuple[str, ...]
    probe: bool
    batches: str | tuple[int | str, ...]
    max_change: Mapping[str, int | str]
    max_failures: str
    schedule: str
    schedule_calendar: str
    schedule_spread: int  # seconds
    schedule_timeout: int  # seconds
    schedule_options: tuple[str, ...]
    schedule_account: str
    schedule_directory: str
    schedule_repository: str
    schedule_branch: str
    schedule_signers: tuple[str, ...]
    schedule_inventory: str
    notify: Mapping[str, str]


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


def _browser_settings(value: object) -> Mapping[str, str]:
    """What is managed, by setting."""
    if not isinstance(value, Mapping):
        raise Expected("", value, "a mapping such as {private_windows: blocked, proxies: unmanaged}")
    chosen = {id_: row.default for id_, row in SETTINGS.items()}
    for id_, choice in value.items():
        if id_ not in SETTINGS:
            raise Expected(f".{id_}", id_, f"one of {', '.join(SETTINGS)}{close_to(str(id_), SETTINGS)}")
        allowed = SETTINGS[id_].values
        if choice not in allowed:
            raise Expected(f".{id_}", choice, f"one of {', '.join(allowed)}{close_to(str(choice), allowed)}")
        chosen[str(id_)] = str(choice)
    return {id_: choice for id_, choice in chosen.items() if choice != UNMANAGED}


def _extensions(value: object) -> tuple[str, ...]:
    read = _words(None, "ids of browser extensions")(value)
    for index, item in enumerate(read):
        if grammar.chrome_extension(item) and grammar.firefox_extension(item):
            raise Expected(f"[{index}]", item, "the id of a Chrome extension (32 letters) or of a Firefox add-on")
    return read


def _gate(value: object) -> str:
    if not isinstance(value, str) or value not in GATES:
        raise Expected("", value, f"one of {', '.join(GATES)}{close_to(str(value), GATES)}")
    return str(value)


def _length(value: object) -> int:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return seconds_of(value)
    raise Expected("", value, GRAMMAR)


def _length_or_forever(value: object) -> int:
    return 0 if value == "forever" else _length(value)


def _history(value: object) -> str:
    value = "off" if value is False else value  # YAML 1.1 reads an unquoted off as false
    if value in ("sqlite", "off"):
        return str(value)
    known = 'sqlite, "off", or a URL such as postgresql://proscribe@db.example.org/proscribe'
    try:
        url = urllib.parse.urlsplit(value) if isinstance(value, str) and value.isprintable() else None
    except ValueError:
        url = None
    if url is None or url.scheme.partition("+")[0] != "postgresql" or len(url.path) < 2:
        # What stands there may hold a password, so it is not repeated.
        raise Expected("", InWords("something else"), known)
    if url.password is not None or "password=" in url.query:
        # The URL stands in every report, and in what Ansible prints.
        told = "no password in the URL: put it in ~/.pgpass, in PGPASSFILE or in PGPASSWORD on the controller"
        raise Expected("", InWords("a URL with a password"), told)
    return str(value)


def _exports(value: object) -> tuple[str, ...]:
    names = _words(exports.FILES, "exports")(value)
    files: dict[str, str] = {}
    for index, name in enumerate(names):
        other = files.setdefault(exports.FILES[name], name)
        if other != name:
            raise Expected(f"[{index}]", name, f"one of {other} and {name}: both are {exports.FILES[name]}")
    return names


def _line(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise Expected("", value, "one line of at most 200 printable characters")
    return str(value)


def _networks(value: object) -> tuple[str, ...]:
    read = _words(None, "addresses or networks")(value)
    for index, item in enumerate(read):
        if packed(item) is None:
            raise Expected(f"[{index}]", item, "an address or a network such as 10.20.0.0/24")
    return tuple(str(ipaddress.ip_network(item)) for item in read)


def _days(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 3660:
        raise Expected("", value, "a whole number of days, 1 to 3660")
    return int(value)


def _signatures(value: object) -> str:
    value = "off" if value is False else value  # YAML 1.1 reads an unquoted off as false
    if value not in SIGNATURE_MODES:
        raise Expected("", value, f"one of {', '.join(SIGNATURE_MODES)}{close_to(str(value), SIGNATURE_MODES)}")
    return str(value)


def _flag(value: object) -> bool:
    value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value  # as -e gives it
    if not isinstance(value, bool):
        raise Expected("", value, "true or false")
    return bool(value)


def _dns_backend(value: object) -> str:
    if not isinstance(value, str) or value not in DNS_BACKENDS:
        raise Expected("", value, f"one of {', '.join(DNS_BACKENDS)}{close_to(str(value), DNS_BACKENDS)}")
    return str(value)


def _resolvers(value: object) -> tuple[str, ...]:
    read = _words(None, "addresses of name servers")(value)
    for index, item in enumerate(read):
        try:
            usable = not ipaddress.ip_address(item).is_multicast and "%" not in item
        except ValueError:
            usable = False
        if not usable:
            raise Expected(f"[{index}]", item, "the address of a name server such as 10.20.0.53")
    return tuple(str(ipaddress.ip_address(item)) for item in read)


def _trial(value: object) -> int:
    # Shorter than a connection over a slow line takes, every change would be taken back.
    if not isinstance(value, int) or isinstance(value, bool) or not 10 <= value <= 900:
        raise Expected("", value, "a whole number of seconds, 10 to 900")
    return int(value)


def _grace(value: object) -> int:
    # What has to be saved is saved in a minute; a program that is given longer would hold the whole run up.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 60:
        raise Expected("", value, "a whole number of seconds, 0 to 60")
    return int(value)


def _exec_control(value: object) -> str:
    value = "off" if value is False else value  # YAML 1.1 reads an unquoted off as false
    if value not in EXEC_CONTROLS:
        raise Expected("", value, f"one of {', '.join(EXEC_CONTROLS)}{close_to(str(value), EXEC_CONTROLS)}")
    return str(value)


def _unmanaged_browsers(value: object) -> str:
    value = "off" if value is False else value  # YAML 1.1 reads an unquoted off as false
    allowed = ("report", "audit", "off")
    if not isinstance(value, str) or value not in allowed:
        raise Expected("", value, f"one of {', '.join(allowed)}{close_to(str(value), allowed)}")
    return str(value)


def _quic(value: object) -> str:
    allowed = ("blocked", "unmanaged")
    if not isinstance(value, str) or value not in allowed:
        raise Expected("", value, f"one of {', '.join(allowed)}{close_to(str(value), allowed)}")
    return str(value)


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
    "gate_baseline": Variable(
        "",
        _line,
        "Only what was not there in this earlier run makes the run fail: latest, a run's id, or the path of its "
        "report.",
    ),
    "history": Variable(
        "sqlite",
        _history,
        "Where runs are remembered: sqlite (reports/history.db), a postgresql:// URL, or off. One for all hosts.",
    ),
    "history_keep": Variable("400d", _length_or_forever, "How long runs are remembered: 400d, 2w, or forever."),
    "stale_after": Variable("3d", _length, "A host record older than this says nothing of how the host stands now."),
    "exports": Variable(
        list(exports.EVERY),
        _exports,
        "Other formats that each report is written in: some of csv, junit, prometheus, sarif (or sarif_open) and "
        "oscal. One for all hosts.",
    ),
    "contact": Variable("your IT service desk", _line, "Whom a refused user may ask; part of every refusal's message."),
    "browser_settings": Variable(
        {},
        _browser_settings,
        "Ways round that browsers offer: each blocked or unmanaged; the defaults are in docs/browsers.md.",
    ),
    "browser_extensions_allowed": Variable(
        [], _extensions, "With browser_settings.extensions: allow_list, the only extensions that may be installed."
    ),
    "probe": Variable(
        False,
        _flag,
        "Whether audits also start each browser, for seconds and as a throw-away account, to see a site refused; "
        "docs/browsers.md.",
    ),
    "user_notice": Variable(
        "",
        _line,
        "What logged-in users are told, on their terminals and desktops, when something of theirs is ended or taken "
        "away; nothing if empty.",
    ),
    "end_grace": Variable(5, _grace, "How many seconds a restricted program has to end by itself before it is killed."),
    "exec_control": Variable(
        "off",
        _exec_control,
        "Whether restricted paths are also denied by the kernel: fapolicyd (where it is installed and runs) or off; "
        "docs/apps.md.",
    ),
    "unmanaged_browsers": Variable(
        "report",
        _unmanaged_browsers,
        "Browsers that no policy reaches, and copies of the others in homes: told (report), counted against the host "
        "(audit), or not looked for (off).",
    ),
    "management": Variable(
        [], _networks, "Addresses and networks that the firewall never cuts, whatever the catalogue says."
    ),
    "dns_backend": Variable(
        "auto",
        _dns_backend,
        "What keeps names from resolving: auto (what fits the host), dnsmasq, unbound, networkmanager, resolved, or "
        "hosts; docs/dns.md.",
    ),
    "dns_upstreams": Variable(
        [], _resolvers, "Name servers that the filter behind systemd-resolved asks; none are those that the host has."
    ),
    "dns_force": Variable(
        False,
        _flag,
        "Whether only the host's own filtering resolver may ask name servers; the firewall refuses the rest.",
    ),
    "firewall_rules": Variable(
        [], read_rules, "The organisation's own rules for what comes in, goes out and passes through; docs/firewall.md."
    ),
    "firewall_quic": Variable(
        "unmanaged",
        _quic,
        "Whether UDP port 443 is refused (blocked), so that browsers use TCP and can be filtered, or left (unmanaged).",
    ),
    "firewall_log": Variable(
        True,
        _flag,
        "Whether refused connections are written to the kernel's log, a few a minute, with the user's number.",
    ),
    "firewall_confirm_within": Variable(
        60,
        _trial,
        "For how many seconds a host waits for its controller to confirm new firewall rules over a new connection; "
        "then it takes them back.",
    ),
    "waiver_max_days": Variable(365, _days, "How long a waiver may run, in days. One for all hosts."),
    "waiver_signatures": Variable(
        "optional",
        _signatures,
        "Whether a waiver has to be signed by its approver: required, optional (one that is there has to fit), or off. "
        "One for all hosts.",
    ),
    "waiver_blanket": Variable(False, _flag, "Whether a waiver may be for every host there is. One for all hosts."),
    "batches": Variable(
        AUTO,
        read_batches,
        "In what portions hosts are corrected: auto (five or fewer at once; else 1, 5, 25, ...), or sizes such as "
        "[1, 10, '25%']. One for all hosts.",
    ),
    "max_change": Variable(
        {"hosts": "25%", "removals": AUTO},
        read_max_change,
        "How much one run may change before it stops and asks: hosts (a number, a share, unlimited) and removals (a "
        "number, auto, unlimited); docs/operations.md. One for all hosts.",
    ),
    "max_failures": Variable(
        "10%",
        read_max_failures,
        "The share of the hosts tried so far that may fail; with more the run stops before its next batch. In the "
        "first batch none may. One for all hosts.",
    ),
    "schedule": Variable(
        "controller",
        scheduled.read_way,
        "What ./proscribe schedule sets up: a timer on the controller, one on every host (pull), nothing (awx), or "
        "off, which takes it away; docs/operations.md. One for all hosts.",
    ),
    "schedule_calendar": Variable(
        "*-*-* 02:30",
        scheduled.read_calendar,
        "When scheduled runs begin, as systemd.time(7) writes it. One for all hosts.",
    ),
    "schedule_spread": Variable(
        "30m",
        scheduled.read_spread,
        "By how much a scheduled run may begin later, at random; 0 for not. One for all hosts.",
    ),
    "schedule_timeout": Variable(
        "6h",
        scheduled.read_length,
        "How long a scheduled run may take before it is ended and told of. One for all hosts.",
    ),
    "schedule_options": Variable(
        [], scheduled.read_options, "More words for scheduled runs, such as a vault's password file. One for all hosts."
    ),
    "schedule_account": Variable(
        "",
        scheduled.read_account,
        "The account on the controller that scheduled runs are started as; empty is the one that sets them up. One for "
        "all hosts.",
    ),
    "schedule_directory": Variable(
        "",
        scheduled.read_directory,
        "Where the checkout stands on a controller that is a host of the inventory, or, with pull and no repository, "
        "on every host. One for all hosts.",
    ),
    "schedule_repository": Variable(
        "", scheduled.read_repository, "With pull: where git on the hosts fetches the checkout from. One for all hosts."
    ),
    "schedule_branch": Variable(
        "main", scheduled.read_branch, "With pull: the branch that hosts follow. One for all hosts."
    ),
    "schedule_signers": Variable(
        [],
        scheduled.read_signers,
        "With pull: who has to sign commits, as lines of allowed_signers (ssh-keygen(1)); nobody if empty. One for all "
        "hosts.",
    ),
    "schedule_inventory": Variable(
        "",
        scheduled.read_inventory,
        "With pull: the inventory's path in the checkout; empty is that of the schedule run. One for all hosts.",
    ),
    "notify": Variable(
        {},
        scheduled.read_notify,
        "Where a scheduled run tells what drifted, and only then: {webhook: a URL that takes JSON, mail: an address}. "
        "In group_vars/all.yml.",
    ),
    "zone": Variable("", _line, "The network zone that the host stands in; waivers can be scoped by it."),
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
    if not errors and read["browser_extensions_allowed"] and read["browser_settings"].get(EXTENSIONS) != ALLOW_LIST:
        name = PREFIX + "browser_extensions_allowed"
        listed = read["browser_extensions_allowed"]
        errors.append(PolicyError(where(name), name, listed[0], "extensions: allow_list in proscribe_browser_settings"))
    if not errors and (both := set(read["services_include"]) & set(read["services_exclude"])):
        name = PREFIX + "services_exclude"
        errors.append(
            PolicyError(where(name), name, min(both), "a service that is not in proscribe_services_include too")
        )
    if errors:
        raise PolicyErrors(errors)
    return Restrictions(**read)
