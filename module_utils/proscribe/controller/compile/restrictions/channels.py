"""The channels of `proscribe_notify`. Each channel is a file of tasks, which defines the syntax of its value."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from ....wire import installation
from ...policy_errors import DescribedValue, UnexpectedValue, join_alternatives, propose_similar_names

CHANNELS_FOLDER = installation.PLAYBOOKS / "tasks/notify"


class Channel(NamedTuple):
    """The description of a channel in its file of tasks."""

    value: str  # a regular expression for the whole value
    expected: str  # the expected text for messages
    example: str
    secret: bool  # messages leave the value out
    setgid: bool  # sending needs setgid programs


def list_channel_names() -> list[str]:
    """Return the names of all channels. Reads no file, because every run imports declarations with the names."""
    return sorted(path.stem for path in CHANNELS_FOLDER.glob("*.yml"))


@functools.cache
def read_channels() -> Mapping[str, Channel]:
    """Return all channels, by their key in `proscribe_notify`."""
    return {name: _read_channel(CHANNELS_FOLDER / f"{name}.yml") for name in list_channel_names()}


def _read_channel(path: Path) -> Channel:
    (block,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Channel(**block["vars"]["proscribe_channel"])


def read_notify_channels(setting: object) -> Mapping[str, str]:
    """Return the targets of notifications, by channel. Raises UnexpectedValue."""
    if not isinstance(setting, Mapping):
        examples = ", ".join(f"{key}: {channel.example!r}" for key, channel in read_channels().items())
        raise UnexpectedValue("", setting, f"a mapping such as {{{examples}}}")
    for name, text in setting.items():  # most inventories have no channel, so files are read only here
        known_channels = read_channels()
        channel = known_channels.get(name)
        if channel is None:
            raise UnexpectedValue(
                f".{name}",
                name,
                f"{join_alternatives(list(known_channels))}{propose_similar_names(str(name), tuple(known_channels))}",
            )
        if not isinstance(text, str) or not re.fullmatch(channel.value, text):
            raise UnexpectedValue(
                f".{name}", DescribedValue("something else") if channel.secret else text, channel.expected
            )
    return {str(name): str(text) for name, text in setting.items()}


def is_setgid_needed(notify: Mapping[str, str]) -> bool:
    """Return True if a configured channel needs setgid programs."""
    return any(text and read_channels()[name].setgid for name, text in notify.items())
