"""A resolver that the host runs as a service, and that reads a folder of files: ours is one more of them.

It is started again and not reloaded. So a file that it cannot live with shows at once, and older answers are forgotten.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ...system import Host, Process
from .filtering import Command, Filter, Stage, restarting
from .observed import Observed, round_it
from .rendering import Language

FILE_NAME = "proscribe.conf"  # where the resolver reads every name, or *.conf


def filter_of(
    host: Host, observed: Observed, name: str, unit: str, file: str, language: Language, check: Command = ()
) -> Filter:
    """The resolver as a filter, with its names in `file`. The command `check` reads a candidate, which comes last."""
    address = observed.local or "127.0.0.1"
    return Filter(
        manager=name,
        file=file,
        language=language,
        stages=lambda text: [Stage({file: text}, restarting(unit), [(address, 53)], left=restarting(unit))],
        check=check,
        units=(unit,),
        bypasses=round_it(host, observed, name),
    )


def standing(observed: Observed, unit: str, files: Iterable[str]) -> list[Stage]:
    """Each of the files that such a resolver can have of ours."""
    restart = restarting(unit, "try-restart") if unit in observed.units else []
    return [Stage({file: ""}, (), (), left=restart) for file in dict.fromkeys(files)]


def others(host: Host, main: str, folders: Sequence[str], ours: Sequence[str] = (FILE_NAME,)) -> list[str]:
    """The files of the organisation's own that it reads: its main file, and those beside `ours`."""
    return [
        main,
        *(f"{folder}/{name}" for folder in folders for name in host.list_directory(folder) if name not in ours),
    ]


def users(host: Host, observed: Observed, unit: str) -> list[str]:
    """The account that it runs for."""
    pid = observed.units.get(unit, 0)
    owner = host.find_process_owner(Process(pid, "")) if pid else None
    return [owner.name] if owner else []
