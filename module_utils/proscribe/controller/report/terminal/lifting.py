"""What a run that lifts the ban has to say. It observes nothing, so it writes no report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....model.plan import CONTROLS
from ..collection.events import HostRunState
from ..evaluation.unobserved import BEGUN_REASON
from ..text.layout import wrap
from ..text.reinstalling import command, without_command
from ..text.wording import clean, counted, some

MOST = 10  # hosts that are listed one by one
MOST_NAMED = 3  # hosts that are named before a command


def lifted_hosts(expected: Mapping[str, str], heard: Mapping[str, HostRunState]) -> list[str]:
    """Return the hosts on which no control failed to lift."""
    return [host for host in expected if (one := heard.get(host)) and _is_lifted(one)]


def _is_lifted(heard: HostRunState) -> bool:
    return heard.is_touched and not heard.has_failed and not heard.reason and BEGUN_REASON not in heard.changes.values()


def render(
    expected: Mapping[str, str],
    heard: Mapping[str, HostRunState],
    *,
    check: bool,
    width: int,
    back: str = "",
    apart: Mapping[str, str] = {},
    controls: Sequence[str] = CONTROLS,
    file: str = "",
) -> str:
    """What was lifted, and on which hosts it was not and why; `check` for a run that only said what it would do.
    `back` is the command line that enforces the ban again (`Command.line`). `apart` are hosts that are not served,
    each with why. `controls` are those that the run was about. `file` has all of it.
    """
    lifted = lifted_hosts(expected, heard)
    actions = sum(len(heard[host].actions) for host in lifted)
    where = f"on {len(lifted):,} of {counted(len(expected), 'host')} ({counted(actions, 'action')})"
    if check:
        lines = wrap(f"would lift {where}; nothing was changed", width)
    else:
        part = "" if len(controls) == len(CONTROLS) else f" for {', '.join(controls)}"
        rest = f"; the ban is not in force there{part}" if lifted else ""
        lines = wrap(f"lifted {where}{rest}", width)
        lines += ["this enforces it again:", f"  {back}"] if lifted and back else []
    lines += _still_removed(heard, check, width)
    lines += wrap(f"all of it: {clean(file)}", width, 2) if file else []
    missed = [host for host in expected if host not in lifted]
    for host in missed[:MOST]:
        lines += wrap(f"not lifted on {clean(host)}: {_why(heard.get(host))}", width)
    if len(missed) > MOST:
        lines.append(f"... and {counted(len(missed) - MOST, 'more host')}")
    for host, why in list(apart.items())[:MOST]:
        lines += wrap(f"not served, and left alone: {clean(host)}, {clean(why)}", width)
    if len(apart) > MOST:
        lines.append(f"... and {counted(len(apart) - MOST, 'more host')} not served")
    refused = [(host, error["message"]) for host in lifted for error in heard[host].errors]
    for host, message in refused[:MOST]:
        lines += wrap(f"{clean(host)}: {clean(message)}", width)
    return "\n".join(["", *lines])


def _still_removed(heard: Mapping[str, HostRunState], check: bool, width: int) -> list[str]:
    """What is not installed again, and the line that does it, once for all hosts that have the same."""
    groups: dict[tuple[str, str], list[str]] = {}
    for host, one in heard.items():
        if one.removed:
            named = [f"{left.manager} {left.name} {left.version}".strip() for left in without_command(one.removed)]
            groups.setdefault((command(one.removed), some(named, MOST)), []).append(host)
    if not groups:
        return []
    total = sum(len(one.removed) for one in heard.values())
    stay = "would not be" if check else "is not" if total == 1 else "are not"
    lines = wrap(f"{counted(total, 'package')} that the ban had removed {stay} installed again", width, 2)
    for (line, by_hand), hosts in list(groups.items())[:MOST]:
        if line:
            lines += wrap(f"on {some(hosts, MOST_NAMED)}, as root:", width, 2)
            lines.append(f"  {line}")
        if by_hand:
            lines += wrap(f"on {some(hosts, MOST_NAMED)}, from their files: {by_hand}", width, 2)
    if len(groups) > MOST:
        lines.append(f"... and {counted(sum(map(len, list(groups.values())[MOST:])), 'more host')}")
    return lines


def _why(heard: HostRunState | None) -> str:
    if heard is None:
        return "no answer"
    return clean("; ".join(error["message"] for error in heard.errors) or heard.reason or "no answer")
