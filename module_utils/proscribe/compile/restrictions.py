"""The restrictions: the inventory variables that say what is banned on a host, since when, and how far it is enforced.

Every variable is one row of RESTRICTIONS. Their names all start with `proscribe_`, so a mistyped one is recognised and
stops the run before any host is touched.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..controls.browser.settings import ALLOW_LIST, EXTENSIONS
from ..finding import GATES
from ..report import exports
from ..rollout.limits import AUTO, read_batches, read_max_change, read_max_failures
from ..schedule import values as scheduled
from .errors import Expected, PolicyError, PolicyErrors, close_to
from .firewall_rules import read_rules
from .readers import (
    read_browser_settings,
    read_controls,
    read_exports,
    read_extensions,
    read_history,
    read_removed,
    read_tenants,
    read_texts,
)
from .schema import AUDIENCES, CATEGORIES
from .unquoted import written_right
from .values import (
    choice,
    day,
    flag,
    length,
    length_of,
    length_or_forever,
    line,
    name_servers,
    networks,
    pattern,
    whole_number,
    words,
)

PREFIX = "proscribe_"
ALL = "all"  # of proscribe_waivers_removed
# Variables of the same prefix that the playbooks themselves register, or are given for one run.
REGISTERED = frozenset(
    {
        "proscribe_asked",
        "proscribe_chosen",
        "proscribe_compiled",
        "proscribe_custody",
        "proscribe_failed",
        "proscribe_notice",
        "proscribe_observed",
        "proscribe_rollout",
        "proscribe_scheduled",
    }
)

DNS_BACKENDS = ("auto", "dnsmasq", "unbound", "networkmanager", "resolved", "hosts")
EXEC_CONTROLS = ("fapolicyd", "off")
SIGNATURE_MODES = ("required", "optional", "off")


@dataclass(frozen=True)
class Restrictions:
    """One host's restrictions, checked. Equal restrictions give equal plans."""

    hosts: str
    categories: tuple[str, ...]
    audiences: tuple[str, ...]
    services_include: tuple[str, ...]
    services_exclude: tuple[str, ...]
    effective_from: datetime.date
    controls: Mapping[str, str]
    tenants: Mapping[str, tuple[str, ...]]
    catalog_dirs: tuple[str, ...]
    waivers_dir: str
    waivers_removed: tuple[str, ...]
    compliance_gate: str
    gate_baseline: str
    history: str
    history_keep: int  # seconds; 0 keeps everything
    reports_keep: int  # seconds; 0 keeps everything
    stale_after: int  # seconds
    observe_timeout: int  # seconds
    exports: tuple[str, ...]
    contact: str
    user_notice: str  # a line for each language
    refusal_notice: str  # the same
    end_grace: int  # seconds
    quarantine_keep: int  # seconds; 0 keeps everything
    exec_control: str
    full_scan_every: int  # runs
    network_homes: str
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
    schedule_first_commit: str
    schedule_inventory: str
    schedule_ansible: str
    notify: Mapping[str, str]


class Variable(NamedTuple):
    """A restriction: what it is when nobody says anything, how a value of it is read, and what it is for."""

    default: Any
    read: Callable[[object], Any]
    meaning: str


RESTRICTIONS: Mapping[str, Variable] = {
    "hosts": Variable(
        "all",
        pattern,
        "The hosts that runs are about, as a pattern of Ansible's such as all:!switches; the others are no part of any "
        "run. --limit narrows it. One for all hosts.",
    ),
    "categories": Variable(
        ["instant_messaging", "webmail", "cloud_storage", "circumvention"],
        words(CATEGORIES, "categories"),
        "The categories of services that are banned.",
    ),
    "audiences": Variable(
        ["consumer", "both"],
        words(AUDIENCES, "audiences"),
        "Services sold to whom; enterprise services (WeCom, Slack) only where asked for.",
    ),
    "services_include": Variable([], words(None, "service ids"), "Service ids added to the categories."),
    "services_exclude": Variable([], words(None, "service ids"), "Service ids taken out of the categories."),
    "effective_from": Variable(
        "2024-10-31",
        day,
        "The first day of the ban; before it everything is reported as upcoming and nothing enforced.",
    ),
    "controls": Variable(
        {"apps": "enforce", "browser": "enforce", "firewall": "enforce", "dns": "enforce"},
        read_controls,
        "Per control: enforce, audit (report only) or off (not looked at).",
    ),
    "tenants": Variable(
        {"google": [], "microsoft": []}, read_tenants, "The organisation's own tenants, which stay reachable."
    ),
    "catalog_dirs": Variable(
        [],
        words(None, "directories"),
        "More service files, the organisation's own; relative to the project, the playbook's folder or the "
        "inventory's.",
    ),
    "waivers_dir": Variable(
        "",
        line,
        "A folder of waivers beside those of the inventories, relative to the project, the playbook's folder or the "
        "inventory's; docs/waivers.md.",
    ),
    "waivers_removed": Variable(
        [],
        read_removed,
        "The ids of waivers that the last run had and that were removed on purpose, or all; for one run, with -e.",
    ),
    "compliance_gate": Variable(
        "never",
        choice(*GATES),
        "What makes a host, and the run, fail: never, noncompliant, or incomplete (also what is unknown).",
    ),
    "gate_baseline": Variable(
        "",
        line,
        "Only what was not there in this earlier run makes the run fail: latest (the latest that passed and covers "
        "this one), a run's id, or the path of its report.",
    ),
    "history": Variable(
        "sqlite",
        read_history,
        "Where runs are remembered: sqlite (reports/history.db), a postgresql:// URL, or off. One for all hosts.",
    ),
    "history_keep": Variable("400d", length_or_forever, "How long runs are remembered: 400d, 2w, or forever."),
    "reports_keep": Variable(
        "forever",
        length_or_forever,
        "How long the folders of reports are kept: 400d, 2w, or forever; the latest always is. One for all hosts.",
    ),
    "stale_after": Variable("3d", length, "A host record older than this says nothing of how the host stands now."),
    # A look takes a second, and one whose homes are read whole for the first time may take minutes on a slow disk.
    "observe_timeout": Variable(
        "5m",
        length_of(1, 6 * 60),
        "How long one look at a host may take, 1m to 6h. Then it is given up, and the host is unknown for this reason; "
        "the others go on.",
    ),
    "exports": Variable(
        list(exports.usual()),
        read_exports,
        f"Other formats that each report is written in: some of {', '.join(exports.formats())}; docs/exports.md. "
        "One for all hosts.",
    ),
    "contact": Variable("your IT service desk", line, "Whom a refused user may ask; part of every refusal's message."),
    "browser_settings": Variable(
        {},
        read_browser_settings,
        "Ways round that browsers offer: each blocked or unmanaged; the defaults are in docs/browsers.md.",
    ),
    "browser_extensions_allowed": Variable(
        [], read_extensions, "With browser_settings.extensions: allow_list, the only extensions that may be installed."
    ),
    "probe": Variable(
        False,
        flag,
        "Whether audits also start each browser, for seconds and as a throw-away account, to see a site refused; "
        "docs/browsers.md.",
    ),
    "user_notice": Variable(
        "",
        read_texts,
        "What logged-in users are told, on their terminals and desktops, when something of theirs is ended or taken "
        "away; nothing if empty. A text, or by language: {en: ..., zh-HK: ...}, of which all are shown in this order.",
    ),
    "refusal_notice": Variable(
        "",
        read_texts,
        "What a user reads below the refusal of a package: a text, or by language as in proscribe_user_notice; "
        "docs/apps.md.",
    ),
    # What has to be saved is saved in a minute; a program that is given longer would hold the whole run up.
    "end_grace": Variable(
        5,
        whole_number(0, 60, "seconds"),
        "How many seconds a restricted program has to end by itself before it is killed.",
    ),
    "quarantine_keep": Variable(
        "90d",
        length_or_forever,
        "How long what is taken from users is kept in a host's quarantine: 90d, 26w, or forever. What is there already "
        "is kept as long as it was to be then; docs/apps.md.",
    ),
    "exec_control": Variable(
        "off",
        choice(*EXEC_CONTROLS),
        "Whether restricted paths are also denied by the kernel: fapolicyd (where it is installed and runs) or off; "
        "docs/apps.md.",
    ),
    # Nightly runs read everything once a week. What a run need not read again, it knows from the file system itself.
    "full_scan_every": Variable(
        7,
        whole_number(1, 1000, "runs"),
        "In every how many scheduled or enforcing runs a host's homes are read whole and its package systems are "
        "asked; in those between, only where something changed.",
    ),
    "network_homes": Variable(
        "unknown",
        choice("unknown", "scan"),
        "Homes on network and FUSE file systems: not entered, so that their rules are unknown, or scanned as the user "
        "they belong to (scan); docs/apps.md.",
    ),
    "unmanaged_browsers": Variable(
        "report",
        choice("report", "audit", "off"),
        "Browsers that no policy reaches, and copies of the others in homes: told (report), counted against the host "
        "(audit), or not looked for (off).",
    ),
    "management": Variable(
        [], networks, "Addresses and networks that the firewall never cuts, whatever the catalogue says."
    ),
    "dns_backend": Variable(
        "auto",
        choice(*DNS_BACKENDS),
        "What keeps names from resolving: auto (what fits the host), dnsmasq, unbound, networkmanager, resolved, or "
        "hosts; docs/dns.md.",
    ),
    "dns_upstreams": Variable(
        [], name_servers, "Name servers that the filter behind systemd-resolved asks; none are those that the host has."
    ),
    "dns_force": Variable(
        False,
        flag,
        "Whether only the host's own filtering resolver may ask name servers; the firewall refuses the rest.",
    ),
    "firewall_rules": Variable(
        [], read_rules, "The organisation's own rules for what comes in, goes out and passes through; docs/firewall.md."
    ),
    "firewall_quic": Variable(
        "unmanaged",
        choice("blocked", "unmanaged"),
        "Whether UDP port 443 is refused (blocked), so that browsers use TCP and can be filtered, or left (unmanaged).",
    ),
    "firewall_log": Variable(
        True,
        flag,
        "Whether refused connections are written to the kernel's log, a few a minute, with the user's number.",
    ),
    # Shorter than a connection over a slow line takes, every change would be taken back.
    "firewall_confirm_within": Variable(
        60,
        whole_number(10, 900, "seconds"),
        "For how many seconds a host waits for its controller to confirm new firewall rules over a new connection; "
        "then it takes them back.",
    ),
    "waiver_max_days": Variable(
        365, whole_number(1, 3660, "days"), "How long a waiver may run, in days. One for all hosts."
    ),
    "waiver_signatures": Variable(
        "optional",
        choice(*SIGNATURE_MODES),
        "Whether a waiver has to be signed by its approver: required, optional (one that is there has to fit), or off. "
        "One for all hosts.",
    ),
    "waiver_blanket": Variable(False, flag, "Whether a waiver may be for every host there is. One for all hosts."),
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
        choice(*scheduled.WAYS),
        "What ./proscribe schedule sets up: a timer on the controller, one on every host (pull), nothing (awx), or "
        "off, which takes it away; docs/scheduling.md. One for all hosts.",
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
        length,
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
    "schedule_first_commit": Variable(
        "",
        scheduled.read_commit,
        "With pull: the commit that the history of the branch has to begin with or come after; where empty, a host "
        "trusts the first one that it sees. One for all hosts.",
    ),
    "schedule_inventory": Variable(
        "",
        scheduled.read_inventory,
        "With pull: the inventory's path in the checkout; empty is that of the schedule run. One for all hosts.",
    ),
    "schedule_ansible": Variable(
        "",
        scheduled.read_program,
        "With pull: the ansible-playbook that hosts have, such as /usr/bin/ansible-playbook; where empty, each makes "
        "an environment of its own. One for all hosts.",
    ),
    "notify": Variable(
        {},
        scheduled.read_notify,
        "Where a scheduled run tells what drifted, and only then: {webhook: a URL that takes JSON, mail: an address}. "
        "In group_vars/all.yml.",
    ),
    "zone": Variable("", line, "The network zone that the host stands in; waivers can be scoped by it."),
}


def read_restrictions(values: Mapping[str, Any], where: Callable[[str], str]) -> Restrictions:
    """A host's restrictions out of its variables (`proscribe_*`, templated); what is not set has its default.

    `where` tells for a variable's name, or the way to a part of it (`proscribe_controls.apps`), where it was set, for
    the messages. Raises PolicyErrors with every mistake.
    """
    read, errors = read_in_part(values, where)
    if errors:
        raise PolicyErrors(errors)
    return read


def read_in_part(values: Mapping[str, Any], where: Callable[[str], str]) -> tuple[Restrictions, list[PolicyError]]:
    """As `read_restrictions`, with the mistakes: what is wrong has its default, so that the rest can be looked at."""
    errors: list[PolicyError] = []

    def note(key: str, value: object, expected: str) -> None:
        errors.append(PolicyError(where(key), key, value, expected))

    known = {PREFIX + name for name in RESTRICTIONS}
    for name in values:
        if name.startswith(PREFIX) and name not in known | REGISTERED:
            note(name, name, f"a known variable{close_to(name, known)}")
    read: dict[str, Any] = {}
    sound = set(RESTRICTIONS)
    for name, variable in RESTRICTIONS.items():
        try:
            read[name] = variable.read(values.get(PREFIX + name, variable.default))
        except Expected as wrong:
            sound.remove(name)
            read[name] = variable.read(variable.default)
            place = where(PREFIX + name + wrong.key)
            expected = wrong.expected + written_right(PREFIX + name, wrong, place)
            errors.append(PolicyError(place, PREFIX + name + wrong.key, wrong.value, expected))
    listed = read["browser_extensions_allowed"]
    allowing = read["browser_settings"].get(EXTENSIONS) == ALLOW_LIST
    if listed and not allowing and sound >= {"browser_extensions_allowed", "browser_settings"}:
        expected = "extensions: allow_list in proscribe_browser_settings"
        note(PREFIX + "browser_extensions_allowed[0]", listed[0], expected)
    if both := set(read["services_include"]) & set(read["services_exclude"]):
        at = list(values[PREFIX + "services_exclude"]).index(min(both))
        expected = "a service that is not in proscribe_services_include too"
        note(f"{PREFIX}services_exclude[{at}]", min(both), expected)
    return Restrictions(**read), errors
