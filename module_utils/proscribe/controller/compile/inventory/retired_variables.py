"""Removed variables. A run reports their replacement before it contacts any host."""

from __future__ import annotations

from ....model.quarantine_ids import ITEM_ID
from ...policy_errors import PolicyError, PolicyErrors
from .host_variables import CompileInput

# It made the playbook `lift` restore from the quarantine. With a mistyped name, `lift` removed the ban instead.
RESTORE_VARIABLE = "proscribe_restore"


def refuse_retired_variables(compile_input: CompileInput) -> None:
    """Raise PolicyErrors if a host has a removed variable. The message has the command that replaces the variable.

    The message has no whole command line. The user has to keep the other options of the run, without the removed
    variable.
    """
    for host in compile_input.hosts:
        if RESTORE_VARIABLE in host.values:
            setting = host.values[RESTORE_VARIABLE]
            expected = (
                "no such variable any more; nothing was lifted. To restore from the quarantine, use the command"
                f" quarantine with its subcommand restore, {_format_id_options(setting)}and this run's other options"
            )
            raise PolicyErrors(
                [PolicyError(host.locate_variable(RESTORE_VARIABLE), RESTORE_VARIABLE, setting, expected)]
            )


def _format_id_options(setting: object) -> str:
    """Return the options of the command `quarantine restore` for the ids in the variable; "" for none."""
    return "".join(f"--id {id_}, " for id_ in _parse_ids(setting))


def _parse_ids(setting: object) -> list[str]:
    """Return the well-formed ids of quarantined items in the variable, a list or a text with commas."""
    texts = setting if isinstance(setting, list) else str(setting).split(",")
    return [id_ for id_ in (str(text).strip() for text in texts) if ITEM_ID.fullmatch(id_)]
