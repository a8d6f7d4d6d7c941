"""The words that documents have for things, and how much of each they hold: what the JSON Schemas list and limit.

Where code speaks of one of several words, it gives it a name: `ENFORCE, AUDIT, OFF = CONTROL_MODES`. Nothing here
depends on anything else of this room, so the types in `types/` and the code that makes the documents can both have it.
"""

from __future__ import annotations

from ..base.patterns import compile_pattern

# What each document is called in its key `schema`.
PLAN_SCHEMA = "proscribe/plan/1"
RECORD_SCHEMA = "proscribe/host/1"
REPORT_SCHEMA = "proscribe/report/1"
EVENT_SCHEMA = "proscribe/event/1"
EXPORT_SCHEMA = "proscribe/export/1"
QUARANTINE_LIST_SCHEMA = "proscribe/quarantine-list/1"

# Worst first. A host's state is the worst state of its rules, so what could not be seen is never milder than what was.
STATES = ("error", "noncompliant", "unknown", "waived", "repaired", "compliant", "not_applicable")

# What proscribe_compliance_gate can be, mildest first.
GATES = ("never", "noncompliant", "incomplete")

CONTROLS = ("apps", "browser", "firewall", "dns")

# Beside the controls: what has rules of its own on domain controllers (a rule for each Group Policy object that is
# ours: controls/group_policy), and on hosts that keep themselves in line (watch/watcher, watch/plan).
EXTRA_RULE_GROUPS = ("group_policy", "watch")

RUN_MODES = ("audit", "enforce", "check")
CONTROL_MODES = ("enforce", "audit", "off")
RESTRICTED_MODES = (
    "enforce",
    "audit",
)  # the modes of a control that is in a plan, and of a service that has to be blocked
SERVICE_MODES = (*RESTRICTED_MODES, "waived", "upcoming", "report")

DIGEST_PATTERN = compile_pattern("sha256:[0-9a-f]{64}")
# What browsers, JSON, INI files and terminals all take as it is: no quotes, no space, no user before an @.
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
MAX_CAUSE_LENGTH = 300  # characters of what was found
MAX_ENDED_PROGRAMS = 200
JOURNAL = "journal"  # what lines of the journal that are none are left out of
MAX_REQUESTS = 100
REQUEST_ID_PATTERN = compile_pattern("[0-9a-f]{16}")  # as hosts make it
REQUEST_ANSWERS = ("granted", "refused", "ended")
MAX_REQUEST_REASON_LENGTH = 300  # characters, as a user or root typed it

# -- reports -----------------------------------------------------------------------------------------------------------

# What is to be said of an export that scheduled runs keep up to date, worst first.
POINT_STATES = ("changed", "not_signed", "expired", "older", "missing", "unknown", "current")

# What a host can do that is not expected of it.
NOTE_KINDS = (
    "unknown_host",  # it answered and was not asked; its record is left out
    "duplicate",  # it answered more than once; its last record counts
    "other_plan",  # it answered for another plan than its own; it is unknown
    "too_few_rules",  # it evaluated fewer rules than its plan has; it is unknown, if not worse
    "stale",  # its record is too old; it is unknown
    "no_time",  # its record does not say when it was checked; it is unknown
    "clock_ahead",  # its record comes from the future; it counts
    "changed",  # it was changed in a run that only audits; it is in error
)
# What a waiver is worth. Worst first: what somebody may rely on in error, then what is over, then what is to come, then
# what is in effect.
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
# How the state of a rule ends that its plan does not have any more, and of a host that has left the
# inventory. The others are instead of the state: the ban was lifted and no run has observed the host
# since; a host that is not served.
EXTRA_STATES = ("withdrawn", "gone", "lifted", "not_served")
EVENT_STATES = (*STATES, *EXTRA_STATES)
# What is to be known of a host between two runs, in the order in which it is reported.
BETWEEN_RUN_EVENTS = ("frozen", "stale", "unobserved", "incident", "ended")
# Of syslog(3). What is for a kernel, a mail system and the like is left out.
SYSLOG_FACILITIES = {"user": 1, "daemon": 3, "auth": 4, "authpriv": 10, **{f"local{n}": 16 + n for n in range(8)}}
SENT_EVENTS = (
    "changes",
    "all",
)  # what changed since the observation before, by the history, or everything in every run

# -- quarantines -------------------------------------------------------------------------------------------------------

# What the next enforcing run makes of a thing that is restored.
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
