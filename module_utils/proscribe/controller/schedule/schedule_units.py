"""The texts of systemd units. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...host.schedule.timers import CATALOGUE_UNIT, DRIFT_UNIT, GUARD_PATH, PULL_PROGRAM_PATH, PULL_UNIT
from ...host.system import WRITTEN_BY

_COMMON_HARDENING = """\
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
# For a service that runs as root: it loses only the rights that no run needs. Such a run may change packages, files
# below /etc, firewalls and services of its machine. So it needs nearly all rights of root. (For another account, system
# call filters would imply no_new_privs. Then sudo and a mail system's setgid programs do not work; systemd.exec(5).)
ROOT_HARDENING = f"""\
{_COMMON_HARDENING}SystemCallFilter=~@clock @cpu-emulation @obsolete @raw-io @reboot @swap
CapabilityBoundingSet=~CAP_BLOCK_SUSPEND CAP_LEASE CAP_PERFMON CAP_SYS_BOOT CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME
CapabilityBoundingSet=~CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM
"""
# For a service that never changes its own machine, and may send mail.
MAIL_HARDENING = """\
PrivateTmp=yes
ProtectSystem=full
ProtectControlGroups=yes
ProtectProc=invisible
"""
# For a service that never changes its own machine and sends no mail. (If hosts are reached as an ordinary user with
# sudo, sudo runs on the hosts and not on the controller.)
STRICT_HARDENING = f"""\
{MAIL_HARDENING}CapabilityBoundingSet=
{_COMMON_HARDENING}SystemCallFilter=@system-service
NoNewPrivileges=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
"""


# Exit code of a catalogue refresh that refused a publisher's list as wrong. It has already sent a notification of this.
LIST_REFUSED_CODE = 1


class ScheduleTimes(NamedTuple):
    """The start times of scheduled runs (systemd.time(7)). Random delay and time limit are in seconds."""

    calendar: str
    spread: int
    limit: int


def format_exec_start(argv: Sequence[str]) -> str:
    """Format a command line for ExecStart=.

    Each word is quoted, and systemd's special characters (% and $) are escaped.
    """
    return " ".join(_quote_argument(word) for word in argv)


def _quote_argument(word: str) -> str:
    """Return a word in double quotes, with all characters escaped that systemd treats specially."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def format_environment(environment: Mapping[str, str]) -> str:
    """Format Environment= lines. In these, systemd takes $ literally, so only % is escaped."""
    return "".join(
        "Environment={}\n".format(_quote_argument(f"{name}={content}").replace("$$", "$"))
        for name, content in sorted(environment.items())
    )


def format_timer(description: str, times: ScheduleTimes, is_fixed: bool) -> str:
    """Format a systemd timer.

    A run that was missed while the machine was off starts when the machine is on again. With `is_fixed`, each machine
    has a constant random delay, so its runs are equally far apart.
    """
    delay_line = "FixedRandomDelay=yes\n" if is_fixed else ""
    return f"""\
# {WRITTEN_BY}
[Unit]
Description=Timer of Proscribe: {description}

[Timer]
OnCalendar={times.calendar}
RandomizedDelaySec={times.spread}
{delay_line}AccuracySec=1
Persistent=yes

[Install]
WantedBy=timers.target
"""


def format_drift_service(
    checkout: str, account: str, command: str, environment: Mapping[str, str], times: ScheduleTimes, hardening: str
) -> str:
    """Format the systemd service with which the controller checks and corrects the hosts of the inventory.

    While the run is active, systemd starts no second run. systemd ends a run that exceeds the time limit. Then the unit
    of `format_failed_service` reports it.
    """
    return f"""\
# {WRITTEN_BY}
[Unit]
Description=Proscribe: check the hosts, and correct what has drifted
Documentation=file://{checkout.replace("%", "%%").replace(" ", "%%20")}/docs/scheduling.md
Wants=network-online.target
After=network-online.target
OnFailure={DRIFT_UNIT}-failed.service

{_format_service(DRIFT_UNIT, checkout, account, command, environment, "--alert")}TimeoutStartSec={times.limit}
TimeoutStopSec=60
{hardening}"""


def format_failed_service(
    checkout: str, account: str, command: str, environment: Mapping[str, str], hardening: str
) -> str:
    """Format the systemd service that reports a run of the controller that failed or did not end by itself."""
    return f"""\
# {WRITTEN_BY}
[Unit]
Description=Proscribe: report a scheduled run that failed

{_format_service(f"{DRIFT_UNIT}-failed", checkout, account, command, environment)}\
{_format_alert(DRIFT_UNIT)}TimeoutStartSec=300
{hardening}"""


def format_catalogue_service(
    checkout: str, account: str, command: str, environment: Mapping[str, str], hardening: str
) -> str:
    """Format the systemd service that refreshes the catalogue.

    The service fetches publishers' lists, and proposes changes of the catalogue on a git branch.
    """
    return f"""\
# {WRITTEN_BY}
[Unit]
Description=Proscribe: propose what publishers' lists change in the catalogue
Documentation=file://{checkout.replace("%", "%%").replace(" ", "%%20")}/docs/how-to/refresh-the-catalogue.md
Wants=network-online.target
After=network-online.target

{_format_service(CATALOGUE_UNIT, checkout, account, command, environment, "--alert")}\
{_format_alert(CATALOGUE_UNIT, LIST_REFUSED_CODE)}TimeoutStartSec=3h
{hardening}"""


def _format_alert(name: str, *reported_codes: int) -> str:
    """Format the lines that send an alert if a unit failed and could not send the alert itself.

    For the exit codes `reported_codes` no alert is sent: the unit has already reported these failures.
    """
    command = " ".join([f"ExecStopPost=+{GUARD_PATH} alert {name}.service", *map(str, reported_codes)])
    return f"{command}\nTimeoutStopSec=180\n"


def _format_service(
    name: str, checkout: str, account: str, command: str, environment: Mapping[str, str], option: str = ""
) -> str:
    """Format the [Service] section of a unit.

    Before each run, the guard program checks that no other account can change the files of the run. The guard runs as
    root without the unit's restrictions (prefix "+"); `option` is an option for it. With the prefix "-" the unit starts
    even if the checkout is missing, so its alert is still sent.
    """
    # Temporary files are in a directory that systemd removes, even if the run was killed.
    runtime_directory = "/run/" + name
    temporary_directories = {
        "TMPDIR": runtime_directory,
        "ANSIBLE_LOCAL_TEMP": runtime_directory,
        "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{runtime_directory}/cp",
    }
    return f"""\
[Service]
Type=oneshot
User={account}
WorkingDirectory=-{checkout.replace("%", "%%")}
RuntimeDirectory={name}
RuntimeDirectoryMode=0700
{format_environment({**temporary_directories, **environment})}UMask=0027
Nice=5
ExecStartPre=+{" ".join([GUARD_PATH, "check", *filter(None, [option])])}
ExecStart={command}
"""


def format_pull_service(times: ScheduleTimes) -> str:
    """Format the systemd service with which a host fetches and applies the policy itself.

    The service changes its host, so it runs as root. The hardening takes only rights that no run needs.
    """
    return f"""\
# {WRITTEN_BY}
[Unit]
Description=Proscribe: fetch the policy, and correct what has drifted on this host
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User=root
UMask=0077
Nice=5
IOSchedulingClass=idle
ExecStart={PULL_PROGRAM_PATH}
TimeoutStartSec={times.limit}
TimeoutStopSec=60
{ROOT_HARDENING}"""


def list_unit_names(schedule_part: str) -> tuple[str, str]:
    """Return the names of the service and the timer of a part of the schedule, such as DRIFT_UNIT."""
    return f"{schedule_part}.service", f"{schedule_part}.timer"


__all__ = [
    "DRIFT_UNIT",
    "PULL_UNIT",
    "ScheduleTimes",
    "format_environment",
    "format_drift_service",
    "format_failed_service",
    "list_unit_names",
    "format_pull_service",
    "format_timer",
]
