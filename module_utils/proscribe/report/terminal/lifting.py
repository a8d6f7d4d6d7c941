"""What a run that lifts the ban has to say. It observes nothing, so it writes no report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...plan import CONTROLS
from ..collection.events import Heard
from ..text.layout import wrap
from ..text.wording import clean, counted

MOST = 10  # hosts that are told one by one


def lifted_hosts(expected: Mapping[str, str], heard: Mapping[str, Heard]) -> list[str]:
    """The hosts on which every control that was asked to lift did."""
    return [host for host in expected if (one := heard.get(host)) and one.touched and not one.failed and not one.reason]


def render(
    expected: Mapping[str, str],
    heard: Mapping[str, Heard],
    *,
    check: bool,
    width: int,
    back: str = "",
    apart: Mapping[str, str] = {},
    controls: Sequence[str] = CONTROLS,
) -> str:
    """What was lifted, and on which hosts it was not and why; `check` for a run that only said what it would do.
    `back` is the command that puts the ban back, as a line (`Command.line`). `apart` are hosts that are not served,
    each with why. `controls` are those that the run was about.
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


def _why(heard: Heard | None) -> str:
    if heard is None:
        return "no answer"
    return clean("; ".join(error["message"] for error in heard.errors) or heard.reason or "no answer")
