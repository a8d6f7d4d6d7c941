"""Readers for the limits of a run. Each raises UnexpectedValue for a wrong value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...policy_errors import UnexpectedValue
from ...rollout.limits import AUTO, UNLIMITED
from ..reading.value_readers import read_items, read_mapping

_PERCENT = re.compile(r"(100|[1-9]?[0-9])%")


def read_batches(setting: object) -> str | tuple[int | str, ...]:
    """Read the setting `batches`: `auto`, or the sizes of the batches.

    A size is a number of hosts, or a share ("10%") of the hosts to correct. The last size repeats.
    """
    if setting == AUTO:
        return AUTO
    return read_items(setting, _read_size, "auto, or sizes such as [2, 10, '25%']", minimum=1)


def _read_size(setting: object) -> int | str:
    size = _parse_amount(setting)
    if size is None or size in (0, "0%"):
        raise UnexpectedValue("", setting, "a number of hosts from 1, or a share such as '10%'")
    return size


def read_max_change(setting: object) -> dict[str, int | str]:
    """Read the setting `max_change`.

    Its form is {hosts: number | share | unlimited, removals: number | auto | unlimited}. A value without a key is the
    limit of `hosts`. `unlimited` without a key is the limit of both.
    """
    if setting == UNLIMITED:
        return {"hosts": UNLIMITED, "removals": UNLIMITED}
    limits: dict[str, int | str] = {"hosts": "25%", "removals": AUTO}
    if not isinstance(setting, Mapping) or list(setting) == ["hosts"]:
        return {**limits, "hosts": _read_max_hosts(setting["hosts"] if isinstance(setting, Mapping) else setting)}
    return {**limits, **read_mapping(setting, {"hosts": _read_max_hosts, "removals": _read_max_removals})}


def _read_max_hosts(setting: object) -> int | str:
    amount = UNLIMITED if setting == UNLIMITED else _parse_amount(setting)
    if amount is None:
        raise UnexpectedValue("", setting, "a number of hosts, a share such as '25%', or unlimited")
    return amount


def _read_max_removals(setting: object) -> int | str:
    amount = setting if setting in (AUTO, UNLIMITED) else _parse_amount(setting)
    if not isinstance(amount, int) and amount not in (AUTO, UNLIMITED):
        raise UnexpectedValue("", setting, "a number of removals, auto, or unlimited")
    return amount if isinstance(amount, int) else str(amount)


def read_max_failures(setting: object) -> str:
    """Read the setting `max_failures`: a share of the hosts, such as "10%"."""
    amount = _parse_amount(setting)
    if not isinstance(amount, str):
        raise UnexpectedValue("", setting, "a share of the hosts such as '10%'")
    return amount


def _parse_amount(setting: object) -> int | str | None:
    """Parse a number or a share ("10%"); None for any other value.

    A number may be a text, as -e options give it.
    """
    if isinstance(setting, int) and not isinstance(setting, bool) and setting >= 0:
        return int(setting)
    if isinstance(setting, str) and setting.isascii() and setting.isdigit():
        return int(setting)
    return str(setting) if isinstance(setting, str) and _PERCENT.fullmatch(setting) else None
