"""Notification channels of `proscribe_notify`, such as mail.

Each channel is a file of Ansible tasks. That file also defines the syntax of the channel's value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from ....wire import installation
from ...policy_errors import DescribedValue, UnexpectedValue
from ..reading.value_readers import read_mapping

CHANNELS_FOLDER = installation.PLAYBOOKS / "tasks/notify"


class Channel(NamedTuple):
    """The description of a channel in its file of tasks."""

    value: str  # regular expression that the whole value must match
    expected: str  # description of a valid value, for error messages
    example: str
    secret: bool  # error messages do not show the value
    setgid: bool  # sending starts setgid programs, which systemd must not prevent


def list_channel_names() -> list[str]:
    """Return the names of all notification channels.

    The function opens no file: every run imports the module that declares the setting `notify`, and that module needs
    the names.
    """
    return sorted(path.stem for path in CHANNELS_FOLDER.glob("*.yml"))


@functools.cache
def read_channels() -> Mapping[str, Channel]:
    """Return all channels, by their key in `proscribe_notify`."""
    return {name: _read_channel(CHANNELS_FOLDER / f"{name}.yml") for name in list_channel_names()}


def _read_channel(path: Path) -> Channel:
    """Return the channel in a file of tasks.

    The file has a single block of tasks, whose variables describe it.
    """
    (task_block,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Channel(**task_block["vars"]["proscribe_channel"])


def read_notify_channels(setting: object) -> Mapping[str, str]:
    """Return the targets of notifications, by channel.

    Raises UnexpectedValue for an unknown channel or invalid target.
    """
    if not isinstance(setting, Mapping):
        examples = ", ".join(f"{key}: {channel.example!r}" for key, channel in read_channels().items())
        raise UnexpectedValue("", setting, f"a mapping such as {{{examples}}}")
    # the files of channels are read only here, because most inventories have no channel
    channels = read_channels() if setting else {}
    return read_mapping(setting, {name: functools.partial(_read_target, channel) for name, channel in channels.items()})


def _read_target(channel: Channel, setting: object) -> str:
    """Return the target of a channel's notifications."""
    if not isinstance(setting, str) or not re.fullmatch(channel.value, setting):
        raise UnexpectedValue("", DescribedValue("something else") if channel.secret else setting, channel.expected)
    return str(setting)


def is_setgid_needed(notify: Mapping[str, str]) -> bool:
    """Return True if a configured notification channel starts setgid programs to send."""
    return any(text and read_channels()[name].setgid for name, text in notify.items())
