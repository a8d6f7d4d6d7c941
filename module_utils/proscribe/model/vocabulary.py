"""The fixed words and the limits of documents, from which the JSON Schemas take their enumerations and maxima.

Code that uses one of several words gives it a name: `ENFORCE, AUDIT, OFF = CONTROL_MODES`. This module imports no other
module of `model`, so `types/` and all other code can import it.
"""

from __future__ import annotations

from ..base.lazy_patterns import compile_pattern

# The value of the key `schema` in each document.
PLAN_SCHEMA = "proscribe/plan/1"
RECORD_SCHEMA = "proscribe/host/1"
REPORT_SCHEMA = "proscribe/report/1"
EVENT_SCHEMA = "proscribe/event/1"
EXPORT_SCHEMA = "proscribe/export/1"
QUARANTINE_LIST_SCHEMA = "proscribe/quarantine-list/1"

# Worst first. A host has the worst state of its rules. A rule that could not be checked (`unknown`) is worse than a
# waived, repaired or compliant rule. So a host with such a rule never counts as compliant.
STATES = ("error", "noncompliant", "unknown", "waived", "repaired", "compliant", "not_applicable")

# The values of proscribe_compliance_gate, mildest first.
GATES = ("never", "noncompliant", "incomplete")

CONTROLS = ("apps", "browser", "firewall", "dns")

# Groups of rules that belong to no control. Domain controllers have a rule for each Group Policy object of the project
# (controls/group_policy). Hosts with a watch, which observe and correct themselves, have rules such as watch/watcher.
EXTRA_RULE_GROUPS = ("group_policy", "watch")

RUN_MODES = ("audit", "enforce", "check")
CONTROL_MODES = ("enforce", "audit", "off")
# Modes in which a service has to be blocked. A control in a plan has one of these, too.
RESTRICTED_MODES = (
    "enforce",
    "audit",
)
SERVICE_MODES = (*RESTRICTED_MODES, "waived", "upcoming", "report")

DIGEST_PATTERN = compile_pattern("sha256:[0-9a-f]{64}")
# Browsers, JSON, INI files and terminals take such a URL without escaping: no quotes, no space, no user before an @.
URL_PATTERN = compile_pattern(
    r"https://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
    r"(?:[/?#][A-Za-z0-9._~/?#@!&*+,;=:%-]*)?"
)

# -- host records ------------------------------------------------------------------------------------------------------

PLATFORM_KEYS = ("os", "version", "kernel", "architecture", "python")
MAX_QUARANTINE_USERS = 20
MAX_INCIDENTS = 200
MAX_INCIDENT_RULES = 20
MAX_INCIDENT_USERS = 20
MAX_CAUSE_LENGTH = 300  # characters of the cause of an incident
MAX_ENDED_PROGRAMS = 200
JOURNAL = "journal"  # the key for the number of journal lines that could not be read
MAX_REQUESTS = 100
REQUEST_ID_PATTERN = compile_pattern("[0-9a-f]{16}")  # as hosts create it
REQUEST_ANSWERS = ("granted", "refused", "ended")
MAX_REQUEST_REASON_LENGTH = 300  # characters of a reason that a user or root typed

# -- reports -----------------------------------------------------------------------------------------------------------

# The states of a policy export for an enforcement point that scheduled runs write again, worst first.
POINT_STATES = ("changed", "not_signed", "expired", "older", "missing", "unknown", "current")

# The kinds of unexpected behaviour of a host.
NOTE_KINDS = (
    "unknown_host",  # it answered without being expected; its record is left out
    "duplicate",  # it answered more than once; its last record counts
    "other_plan",  # it answered for a plan that is not its own; it is unknown
    "too_few_rules",  # it evaluated fewer rules than its plan has; it is unknown or worse
    "stale",  # its record is too old; it is unknown
    "no_time",  # its record does not say when it was checked; it is unknown
    "clock_ahead",  # its record comes from the future; it counts
    "changed",  # it was changed in a run that only audits; it is in error
)
# The statuses of a waiver, worst first: invalid waivers that people may rely on, then ended, future and active ones.
WAIVER_STATUSES = (
    "bad_signature",
    "unsigned",
    "self_approved",
    "unauthorised",
    "blanket",
    "too_long",
    "no_hosts",
    "expired",
    "revoked",
    "not_yet_valid",
    "active",
)

# -- events ------------------------------------------------------------------------------------------------------------

EVENT_KINDS = ("host", "rule", "action", "between", "request", "gate", "run")
# `withdrawn`: the plan no longer has the rule. `gone`: the host has left the inventory. `lifted`: the ban was lifted,
# and no run has observed the host since. `not_served`: the host cannot be observed.
EXTRA_STATES = ("withdrawn", "gone", "lifted", "not_served")
EVENT_STATES = (*STATES, *EXTRA_STATES)
# Events of a host between two runs, in the order of reports.
BETWEEN_RUN_EVENTS = ("frozen", "stale", "unobserved", "incident", "ended")
# Facilities of syslog(3), without those for the kernel, mail systems and the like.
SYSLOG_FACILITIES = {"user": 1, "daemon": 3, "auth": 4, "authpriv": 10, **{f"local{n}": 16 + n for n in range(8)}}
# Values of the setting `send`: only changes since the previous observation in the history, or all events of every run.
SENT_EVENTS = (
    "changes",
    "all",
)

# -- quarantines -------------------------------------------------------------------------------------------------------

# What the next enforcing run does with a restored item: take it into the quarantine again, or leave it (`waived`:
# because of a waiver).
OUTLOOKS = ("taken", "waived", "left")
QUARANTINED_KINDS = {
    "appimage": "AppImage",
    "autostart": "autostart entry",
    "launcher": "launcher",
    "program": "program",
    "tree": "directory",
    "web_app": "web app",
    "wine": "Windows program",
}
