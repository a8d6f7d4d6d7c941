"""The channels of `proscribe_notify`: each is a file of tasks, which gives the syntax of its value."""

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
    """What a file of tasks says of its channel."""

    value: str  # a regular expression of the whole value
    expected: str  # the same for people
    example: str
    secret: bool  # whether the value is left out of messages
    setgid: bool  # whether sending needs setgid programs


def list_channel_names() -> list[str]:
    """The keys of all channels. No file is read for them: every run reads the meaning of the restrictions."""
    return sorted(path.stem for path in CHANNELS_FOLDER.glob("*.yml"))


@functools.cache
def read_channels() -> Mapping[str, Channel]:
    """All channels, by their key in `proscribe_notify`."""
    return {name: _read_channel(CHANNELS_FOLDER / f"{name}.yml") for name in list_channel_names()}


def _read_channel(path: Path) -> Channel:
    (block,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Channel(**block["vars"]["proscribe_channel"])


def read_notify_channels(setting: object) -> Mapping[str, str]:
    """Where notifications go, by channel. Raises Expected."""
    if not isinstance(setting, Mapping):
        examples = ", ".join(f"{key}: {channel.example!r}" for key, channel in read_channels().items())
        raise UnexpectedValue("", setting, f"a mapping such as {{{examples}}}")
    for name, text in setting.items():  # most inventories have none, and then no file is read
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
    """Whether one of the channels that are set needs setgid programs."""
    return any(text and read_channels()[name].setgid for name, text in notify.items())
