"""The rule `apps/quarantine`: a move into the quarantine, or out of it, that was cut short and has to be completed."""

from __future__ import annotations

from ...finding import Finding, Verdict, judge
from ...host import STATE_DIRECTORY, Host, Unseen

HOME = STATE_DIRECTORY + "/quarantine"
UNFINISHED = ".unfinished"  # ends the name of an item's folder until all is done
RULE = "apps/quarantine"


def observe(host: Host, mode: str) -> list[Verdict]:
    """A verdict only where something is unfinished, or cannot be seen although there is a quarantine."""
    try:
        names = [name for name in host.list(HOME) if name.endswith(UNFINISHED)]
    except Unseen as unseen:
        return [judge(RULE, {"mode": mode}, [], str(unseen))]
    found = [Finding("quarantine", name, path=f"{HOME}/{name}", detail="a move that was cut short") for name in names]
    return [judge(RULE, {"mode": mode}, found)] if found else []
