"""A resolver that the host runs as a service, and that reads a folder of files: ours is one more of them.

It is started again and not reloaded. So a file that it cannot live with shows at once, and older answers are forgotten.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ...system import Host, Process
from .filtering import Filter, Stage, restarting
from .observed import Observed, round_it
from .rendering import Language

FILE_NAME = "proscribe.conf"


def filter_of(
    host: Host, observed: Observed, name: str, unit: str, folder: str, language: Language, check: str, *options: str
) -> Filter:
    """The resolver as a filter, with a file in `folder`. The program `check` reads a candidate, after its options."""
    file = f"{folder}/{FILE_NAME}"
    address = observed.local or "127.0.0.1"
    return Filter(
        manager=name,
        file=file,
        language=language,
        stages=lambda text: [Stage({file: text}, restarting(unit), [(address, 53)], left=restarting(unit))],
        check=(host.tool(check) or check, *options),
        units=(unit,),
        bypasses=round_it(host, observed, name),
    )


def standing(observed: Observed, unit: str, folders: Iterable[str]) -> list[Stage]:
    """What can be in the folders of such a resolver."""
    restart = restarting(unit, "try-restart") if unit in observed.units else []
    return [Stage({f"{folder}/{FILE_NAME}": ""}, (), (), left=restart) for folder in dict.fromkeys(folders)]


def others(host: Host, main: str, folders: Sequence[str]) -> list[str]:
    """The files of the organisation's own that it reads: its main file, and those beside ours."""
    return [main, *(f"{folder}/{name}" for folder in folders for name in host.list(folder) if name != FILE_NAME)]


def users(host: Host, observed: Observed, unit: str) -> list[str]:
    """The account that it runs for."""
    pid = observed.units.get(unit, 0)
    owner = host.owner(Process(pid, "")) if pid else None
    return [owner.name] if owner else []
