"""The units of the watch, as texts. Pure."""

from __future__ import annotations

from ..system import WRITTEN_BY
from ..system.units import CONFINED
from .state import files

FOLDER = "/etc/systemd/system"
TIMER = "proscribe-watch.timer"
SERVICE = "proscribe-watch.service"
LAUNCHES = "proscribe-launches.service"
ENABLED = {  # the link that enables a unit
    TIMER: f"{FOLDER}/timers.target.wants/{TIMER}",
    LAUNCHES: f"{FOLDER}/multi-user.target.wants/{LAUNCHES}",
}
ALL = (TIMER, SERVICE, LAUNCHES)
LIMIT = 3600  # seconds that one observation with its corrections may take

# It corrects what a run corrects: packages, files below /etc, firewalls, services. So this takes only what no run does.
_HARDENED = """\
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallFilter=~@clock @cpu-emulation @obsolete @raw-io @reboot @swap
CapabilityBoundingSet=~CAP_BLOCK_SUSPEND CAP_LEASE CAP_PERFMON CAP_SYS_BOOT CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME
CapabilityBoundingSet=~CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM
"""

# The daemon that notices starts reads programs and ends them, and changes nothing of the host. A view of the file
# system of its own would hide starts on the mounts of others, so it has none.
_CONFINED = f"""\
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_NET_ADMIN CAP_SETGID
CapabilityBoundingSet=CAP_SETUID CAP_SYS_ADMIN CAP_SYS_NICE CAP_SYS_PTRACE CAP_SYS_RESOURCE
RestrictAddressFamilies=AF_UNIX AF_NETLINK
SystemCallFilter=@system-service fanotify_init fanotify_mark
{CONFINED}"""


def texts(every: int) -> dict[str, str]:
    """The texts of the units by name. `every` is in seconds."""
    return {TIMER: _timer(every), SERVICE: _SERVICE_TEXT, LAUNCHES: _LAUNCHES_TEXT}


def _timer(every: int) -> str:
    # Hosts that were installed by one run do not all begin at the same moment.
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
ConditionPathExists={files.SETTINGS}

[Service]
Type=oneshot
ExecStart={files.PROGRAM} observe
UMask=0077
Nice=10
IOSchedulingClass=idle
TimeoutStartSec={LIMIT}
TimeoutStopSec=60
{_HARDENED}"""

_LAUNCHES_TEXT = f"""\
# {WRITTEN_BY}
[Unit]
Description=Proscribe: end restricted programs when they start
ConditionPathExists={files.SETTINGS}
StartLimitIntervalSec=0

[Service]
ExecStart={files.PROGRAM} launches
Restart=always
RestartSec=5
UMask=0077
OOMScoreAdjust=-500
MemoryMax=256M
TasksMax=64
{_CONFINED}
[Install]
WantedBy=multi-user.target
"""
