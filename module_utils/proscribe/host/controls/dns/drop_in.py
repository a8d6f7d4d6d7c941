"""DNS filter in a resolver that runs as a service and reads a folder of files: Proscribe adds a file there.

The resolver is restarted, not reloaded. So a file that the resolver cannot use is noticed immediately, and the resolver
forgets older answers.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ...system import Host, Process
from .dns_filter import Command, DnsFilter, FilterStage, make_restart_commands
from .filter_text import ResolverLanguage
from .resolver_observation import DnsObservation, find_bypasses

DROP_IN_NAME = "proscribe.conf"  # for folders where the resolver reads every file, or *.conf


def make_drop_in_filter(
    host: Host,
    observation: DnsObservation,
    name: str,
    unit: str,
    file_path: str,
    language: ResolverLanguage,
    check_command: Command = (),
) -> DnsFilter:
    """Return the description of the filter: the resolver of `unit` reads the blocked names from `file_path`.

    `name` is the name of the backend, and `language` the language of the file. `check_command` checks a candidate file,
    whose path is added as its last argument; () if there is no such command.
    """
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
    """Return, for removal, a stage for each file that Proscribe may have left in the resolver of `unit`.

    A resolver that does not run is not restarted.
    """
    restart = make_restart_commands(unit, "try-restart") if unit in observation.pids_by_unit else []
    return [FilterStage({file_path: ""}, (), (), removed_commands=restart) for file_path in dict.fromkeys(file_paths)]


def list_other_files(
    host: Host, main_file: str, folders: Sequence[str], own_names: Sequence[str] = (DROP_IN_NAME,)
) -> list[str]:
    """Return the resolver's files that are not Proscribe's: its main file, and the files in its folders.

    `own_names` are the names of Proscribe's files.
    """
    return [
        main_file,
        *(f"{folder}/{name}" for folder in folders for name in host.list_directory(folder) if name not in own_names),
    ]


def list_unit_users(host: Host, observation: DnsObservation, unit: str) -> list[str]:
    """Return the account that the resolver runs as, in a list; [] if it does not run."""
    pid = observation.pids_by_unit.get(unit, 0)
    owner = host.find_process_owner(Process(pid, "")) if pid else None
    return [owner.name] if owner else []
