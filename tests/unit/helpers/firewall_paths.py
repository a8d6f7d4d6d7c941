"""The paths and units of the firewall on a host."""

from __future__ import annotations

BOOT_FILE = "/etc/proscribe/firewall.nft"
LOAD_UNIT = "proscribe-firewall.service"
WATCH_UNIT = "proscribe-firewall-watch.service"
LOAD_UNIT_FILE = f"/etc/systemd/system/{LOAD_UNIT}"
WATCH_UNIT_FILE = f"/etc/systemd/system/{WATCH_UNIT}"
LOAD_ENABLED = f"/etc/systemd/system/sysinit.target.wants/{LOAD_UNIT}"
WATCH_ENABLED = f"/etc/systemd/system/multi-user.target.wants/{WATCH_UNIT}"
PROGRAM = "/usr/libexec/proscribe/firewall"
CHANGE_FOLDER = "/run/proscribe/firewall-change"
PREVIOUS_TABLE = f"{CHANGE_FOLDER}/previous.nft"
WANTED_TABLE = f"{CHANGE_FOLDER}/wanted.nft"
TRACE = "/var/lib/proscribe/firewall-taken-back"
