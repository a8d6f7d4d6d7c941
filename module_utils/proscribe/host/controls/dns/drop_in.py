"""A resolver that the host runs as a service, and that reads a folder of files: ours is one more of them.

It is started again and not reloaded. So a file that it cannot live with shows at once, and older answers are forgotten.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ...system import Host, Process
from .filtering import Command, DnsFilter, FilterStage, make_restart_commands
from .observed import DnsObservation, find_bypasses
from .rendering import ResolverLanguage

DROP_IN_NAME = "proscribe.conf"  # where the resolver reads every name, or *.conf


def make_drop_in_filter(
    host: Host,
    observation: DnsObservation,
    name: str,
    unit: str,
    file_path: str,
    language: ResolverLanguage,
    check_command: Command = (),
) -> DnsFilter:
    """The resolver as a filter, with its names in `file_path`. The command `check_command` reads a candidate, which comes last."""
    address = observation.local_address or "127.0.0.1"
    return DnsFilter(
        manager=name,
        file_path=file_path,
        language=language,
        make_stages=lambda text: [
            FilterStage(
                {file_path: text},
                make_restart_commands(unit),
                [(address, 53)],
                removed_commands=make_restart_commands(unit),
            )
        ],
        check_command=check_command,
        units=(unit,),
        bypasses=find_bypasses(host, observation, name),
    )


def list_drop_in_stages(observation: DnsObservation, unit: str, file_paths: Iterable[str]) -> list[FilterStage]:
    """Each of the files that such a resolver can have of ours."""
    restart = make_restart_commands(unit, "try-restart") if unit in observation.pids_by_unit else []
    return [FilterStage({file_path: ""}, (), (), removed_commands=restart) for file_path in dict.fromkeys(file_paths)]


def list_other_files(
    host: Host, main_file: str, folders: Sequence[str], own_names: Sequence[str] = (DROP_IN_NAME,)
) -> list[str]:
    """The files of the organisation's own that it reads: its main file, and those beside `own_names`."""
    return [
        main_file,
        *(f"{folder}/{name}" for folder in folders for name in host.list_directory(folder) if name not in own_names),
    ]


def list_unit_users(host: Host, observation: DnsObservation, unit: str) -> list[str]:
    """The account that it runs for."""
    pid = observation.pids_by_unit.get(unit, 0)
    owner = host.find_process_owner(Process(pid, "")) if pid else None
    return [owner.name] if owner else []
