"""Command `./proscribe export all`: exports of all formats, each in its own directory.

A refused format does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...host.system import ControlError
from ..enforcement_points import export_directory
from ..enforcement_points.export_formats import EXPORT_FORMATS
from ..enforcement_points.format_declaration import NOTHING_TO_EXPORT, ExportError, ExportFormat
from ..report.text.wording import format_count
from . import CommandError, print_message

ALL_FORMATS = "all"
REFUSED_CODE = 2  # the same as if a single format is refused


def export_all_formats(output: Path, export_format: Callable[[ExportFormat, Path], int]) -> int:
    """Write or check an export of each format in its directory below `output`, and return the worst exit code.

    `export_format` writes or checks one export and returns its exit code. A refused format does not stop the others,
    but its exit code 2 takes precedence. A format for which the policy has nothing is refused only if its directory has
    an earlier export. Raises CommandError if the policy has nothing for any format.
    """
    exit_codes: list[int] = []
    empty_formats: dict[str, list[str]] = {}  # names of formats by reason
    refused_formats: dict[str, list[str]] = {}
    for format_ in EXPORT_FORMATS.values():
        directory = output / format_.name
        try:
            exit_codes.append(export_format(format_, directory))
        except ExportError as error:
            # An earlier export of such a format is outdated: the policy has nothing for this format any more.
            is_stale = error.is_nothing_to_export and export_directory.read_earlier_export(directory) is not None
            deletion_hint = f". Delete {directory}, which has an earlier export of it" if is_stale else ""
            reasons = empty_formats if error.is_nothing_to_export and not is_stale else refused_formats
            reasons.setdefault(str(error).removeprefix(f"{NOTHING_TO_EXPORT}: ") + deletion_hint, []).append(
                format_.name
            )
        except (ControlError, CommandError, OSError) as error:
            refused_formats.setdefault(str(error), []).append(format_.name)
    if empty_formats:
        _print_reasons(empty_formats, "with nothing to export")
    if refused_formats:
        _print_reasons(refused_formats, "refused", error=True)
    if not exit_codes and not refused_formats:
        raise CommandError("export all: the policy has nothing for any format")
    return REFUSED_CODE if refused_formats else max(exit_codes)


def _print_reasons(reasons: Mapping[str, list[str]], description: str, *, error: bool = False) -> None:
    """Print the number of formats with a common description, then each reason with the names of its formats."""
    print_message(f"{format_count(sum(map(len, reasons.values())), 'format')} {description}:", error=error)
    for reason, format_names in reasons.items():
        print_message(f"  {', '.join(format_names)}: {reason}", error=error)
