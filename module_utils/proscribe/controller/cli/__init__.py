"""Commands of the launcher without a playbook, such as `explain` or `report`, and the options of `quarantine`.

They run on the controller only. Each command is a module with `add_arguments(parser)` and `run(arguments) -> int`,
which returns the exit code.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from ...wire import installation
from ..report.collection.invocation import format_launcher, get_working_directory
from ..report.text.shell_commands import quote_word
from ..report.text.terminal_layout import fit_lines, fit_message, get_screen_width, measure_columns, wrap_text
from ..report.text.wording import clean_text


def get_launcher_command() -> tuple[str, ...]:
    """Return the command line that starts the launcher as the user called it, one argument per item.

    Help texts and proposed commands begin with it, so that users can paste them.
    """
    if installation.COLLECTION:  # a collection has no launcher: Python runs a file of it
        return (*format_launcher(sys.executable, get_working_directory(os.environ)), str(installation.COMMAND_PATH))
    return format_launcher(
        os.environ.get("PROSCRIBE_CALLED") or installation.LAUNCHER_PATH, get_working_directory(os.environ)
    )


def print_message(text: str, *, error: bool = False) -> None:
    """Print a message for users, wrapped at the width of the screen; to the standard error if `error` is true.

    Unprintable characters are replaced. Lines that begin with two blanks are for copying, and are not wrapped.
    """
    lines = "\n".join(map(clean_text, text.split("\n")))
    print(fit_message(lines, get_screen_width()), file=sys.stderr if error else sys.stdout, flush=error)


EXAMPLE_COMMAND = re.compile(r"\s+(?:\S*/)?(?:proscribe|ansible)\S* ")


class LauncherHelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formatter of help texts that fit the screen.

    Users can paste the examples, because `./proscribe` is replaced by the launcher as the user called it.
    """

    def add_text(self, text: str | None) -> None:
        """Add a text to the help, wrapped, with `./proscribe` replaced by the launcher as the user called it."""
        launcher_text = text and text.replace("./proscribe", " ".join(map(quote_word, get_launcher_command())))
        super().add_text(launcher_text and "\n".join(self._wrap_paragraphs(launcher_text.split("\n"))))

    def _wrap_paragraphs(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the lines of a help text, wrapped to the width of the help.

        Lines without indentation are prose, joined into paragraphs. Indented lines stay as they are if they fit. The
        command of an example is never broken: if the line is too long, its purpose moves to the next line.
        """
        paragraph: list[str] = []
        for line in (*lines, ""):
            if line[:1].strip():
                paragraph.append(line)
                continue
            yield from wrap_text(" ".join(paragraph), self._width) if paragraph else ()
            paragraph = []
            command, separator, purpose = line.rstrip().partition("    ") if line[:2].isspace() else (line, "", "")
            if measure_columns(line) > self._width and separator:
                yield from (command, fit_lines(f"      {purpose.strip()}", self._width))
            else:
                yield line if EXAMPLE_COMMAND.match(line) else fit_lines(line, self._width)


# A subcommand: the function that adds its options, the function that runs it, and its help. The help begins in lower
# case, because add_subcommands also makes a sentence of it.
Subcommand = tuple[Callable[[argparse.ArgumentParser], None], Callable[..., int], str]


def add_subcommands(
    parser: argparse.ArgumentParser,
    subcommands: Mapping[str, Subcommand],
    add_common_options: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add subcommands, by name, to the parser of a command, each with its own options and the common options.

    In the parsed arguments, `run_subcommand` is the function that runs the chosen subcommand.
    """
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, (add_arguments, run, help_) in subcommands.items():
        subcommand = subparsers.add_parser(
            name,
            help=help_,
            description=help_[0].upper() + help_[1:] + ".",
            formatter_class=LauncherHelpFormatter,
            allow_abbrev=False,
        )
        add_arguments(subcommand)
        add_common_options(subcommand)
        subcommand.set_defaults(run_subcommand=run)


class CommandError(Exception):
    """The error that a command cannot do what the user requested.

    The text gives the reason and a remedy. The exit code is 2.
    """
