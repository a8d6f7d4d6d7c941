"""`./proscribe export all`: every format, in a directory of its own. A refused one does not keep back the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...host.system import ControlError
from ..enforcement_points import writing
from ..enforcement_points.declaration import NOTHING, Format, NotExportable
from ..enforcement_points.registry import FORMATS
from ..report.text.wording import counted
from . import Refused, say

ALL = "all"
REFUSED = 2  # as for a single one


def run(output: Path, export: Callable[[Format, Path], int]) -> int:
    """Write or check each format below a directory, by `export`; returns the worst exit code, that of a refused
    one before all. Raises Refused where the policy has nothing for any of them.
    """
    codes: list[int] = []
    nothing: dict[str, list[str]] = {}  # by reason, the formats
    refused: dict[str, list[str]] = {}
    for format_ in FORMATS.values():
        place = output / format_.name
        try:
            codes.append(export(format_, place))
        except NotExportable as wrong:
            stale = wrong.nothing and writing.earlier(place) is not None
            more = f". Delete {place}, which has an earlier export of it" if stale else ""
            reasons = nothing if wrong.nothing and not stale else refused
            reasons.setdefault(str(wrong).removeprefix(f"{NOTHING}: ") + more, []).append(format_.name)
        except (ControlError, Refused, OSError) as wrong:
            refused.setdefault(str(wrong), []).append(format_.name)
    if nothing:
        _name(nothing, "with nothing to export")
    if refused:
        _name(refused, "refused", error=True)
    if not codes and not refused:
        raise Refused("export all: the policy has nothing for any format")
    return REFUSED if refused else max(codes)


def _name(reasons: Mapping[str, list[str]], what: str, *, error: bool = False) -> None:
    say(f"{counted(sum(map(len, reasons.values())), 'format')} {what}:", error=error)
    for reason, those in reasons.items():
        say(f"  {', '.join(those)}: {reason}", error=error)
