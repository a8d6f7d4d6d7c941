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
# Rights that no run as root needs. Such a run may change packages, files below /etc, firewalls and services of its
# machine. So it needs nearly all rights of root. (For another account, system call filters imply no_new_privs. Under
# that, sudo and a mail system's setgid programs do not work; systemd.exec(5).)
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
# For a service that also sends no mail. (If hosts are reached as an ordinary user with sudo, sudo runs on the hosts and
# not here.)
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


# Exit code of the catalogue's refresh: a publisher's list was wrong, and a notification has reported it.
LIST_REFUSED_CODE = 1


class ScheduleTimes(NamedTuple):
    """The start of runs, their random delay, and their time limit. Seconds."""

    calendar: str
    spread: int
    limit: int


def format_exec_start(argv: Sequence[str]) -> str:
    """Format a command line for ExecStart=. Each word is quoted, and systemd's own signs (% and $) are escaped."""
    return " ".join(_quote_argument(word) for word in argv)


def _quote_argument(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def format_environment(environment: Mapping[str, str]) -> str:
    """Format Environment= lines. There a $ is literal, and a % is escaped."""
    return "".join(
        "Environment={}\n".format(_quote_argument(f"{name}={content}").replace("$$", "$"))
        for name, content in sorted(environment.items())
    )


def format_timer(description: str, times: ScheduleTimes, is_fixed: bool) -> str:
    """Format a timer. A run that was missed while the machine was off starts when the machine is on again.

    With `is_fixed` each machine has its own constant delay within the spread, so that its runs are equally far apart.
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
    """Format the service of the controller's run over the inventory.

    systemd starts no second run meanwhile. A run that exceeds the time limit is ended, and the other unit reports it.
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
    """Format the service that reports a run that did not end by itself."""
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
    """Format the service that fetches publishers' lists and proposes changes on a branch."""
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
    """Format the alert of a unit that could not send it itself, except for exit codes that it has reported."""
    command = " ".join([f"ExecStopPost=+{GUARD_PATH} alert {name}.service", *map(str, reported_codes)])
    return f"{command}\nTimeoutStopSec=180\n"


def _format_service(
    name: str, checkout: str, account: str, command: str, environment: Mapping[str, str], option: str = ""
) -> str:
    """Format the section of a service.

    `option` is for the check of its files, which runs as root without the unit's restrictions ("+"). A missing checkout
    must not prevent the alert, so the working directory is optional ("-").
    """
    # Temporary files lie where systemd removes them, also after a run that was killed.
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
    """Format the service of a host's own run. It changes its own host, so it loses only rights that no run needs."""
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
    """Return the names of a part's service and timer."""
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
