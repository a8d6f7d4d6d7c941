"""Texts of the systemd units of the watch. No input or output here."""

from __future__ import annotations

from ..system import WRITTEN_BY
from ..system.units import CONFINEMENT
from ..system.units import UNIT_DIRECTORY as UNIT_DIRECTORY
from .state import watch_files

TIMER_UNIT = "proscribe-watch.timer"
SERVICE_UNIT = "proscribe-watch.service"
LAUNCHES_UNIT = "proscribe-launches.service"
ENABLING_LINKS = {  # Key: a unit. Value: the symbolic link that enables the unit.
    TIMER_UNIT: f"{UNIT_DIRECTORY}/timers.target.wants/{TIMER_UNIT}",
    LAUNCHES_UNIT: f"{UNIT_DIRECTORY}/multi-user.target.wants/{LAUNCHES_UNIT}",
}
ALL_UNITS = (TIMER_UNIT, SERVICE_UNIT, LAUNCHES_UNIT)
OBSERVATION_TIMEOUT_SECONDS = 3600  # longest time for one observation with its corrections

# The service corrects everything that a run corrects: packages, files below /etc, firewalls, services. So the hardening
# forbids only operations that no run needs.
_HARDENING = """\
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallFilter=~@clock @cpu-emulation @obsolete @raw-io @reboot @swap
CapabilityBoundingSet=~CAP_BLOCK_SUSPEND CAP_LEASE CAP_PERFMON CAP_SYS_BOOT CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME
CapabilityBoundingSet=~CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM
"""

# The launches daemon observes and ends programs, and changes nothing else on the host. Its unit has no separate view of
# the file systems (mount namespace): that would hide program starts on mounts outside of this view.
_CONFINEMENT = f"""\
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_NET_ADMIN CAP_SETGID
CapabilityBoundingSet=CAP_SETUID CAP_SYS_ADMIN CAP_SYS_NICE CAP_SYS_PTRACE CAP_SYS_RESOURCE
RestrictAddressFamilies=AF_UNIX AF_NETLINK
SystemCallFilter=@system-service fanotify_init fanotify_mark
{CONFINEMENT}"""


def make_unit_texts(every: int) -> dict[str, str]:
    """Return the text of each unit of the watch, by unit name.

    `every` is the number of seconds between two observations of the host by itself.
    """
    return {TIMER_UNIT: _format_timer(every), SERVICE_UNIT: _SERVICE_TEXT, LAUNCHES_UNIT: _LAUNCHES_TEXT}


def _format_timer(every: int) -> str:
    """Return the text of the timer unit. `every` is the number of seconds between two observations."""
    # The random delay spreads the observations of hosts that one run has installed at the same moment.
    return f"""\
# {WRITTEN_BY}
[Unit]
Description=Timer of Proscribe: keeping this host in line

[Timer]
OnActiveSec={min(every, 60)}
OnUnitActiveSec={every}
RandomizedDelaySec={every // 10}
AccuracySec=1

[Install]
WantedBy=timers.target
"""


_SERVICE_TEXT = f"""\
# {WRITTEN_BY}
[Unit]
Description=Proscribe: observe this host, and correct what has drifted
ConditionPathExists={watch_files.SETTINGS_PATH}

[Service]
Type=oneshot
ExecStart={watch_files.PROGRAM_PATH} observe
UMask=0077
Nice=10
IOSchedulingClass=idle
TimeoutStartSec={OBSERVATION_TIMEOUT_SECONDS}
TimeoutStopSec=60
{_HARDENING}"""

_LAUNCHES_TEXT = f"""\
# {WRITTEN_BY}
[Unit]
Description=Proscribe: end restricted programs when they start
ConditionPathExists={watch_files.SETTINGS_PATH}
StartLimitIntervalSec=0

[Service]
ExecStart={watch_files.PROGRAM_PATH} launches
Restart=always
RestartSec=5
UMask=0077
OOMScoreAdjust=-500
MemoryMax=256M
TasksMax=64
{_CONFINEMENT}
[Install]
WantedBy=multi-user.target
"""
