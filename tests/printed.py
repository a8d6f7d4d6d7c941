"""What is printed, as somebody with a narrow screen reads it."""

import re

from proscribe.controller.report.text.terminal_layout import measure_columns

# A command is one line, however wide the screen is (controller/report/text/shell_commands.py).
# A path with a blank is in quotes.
COMMAND = re.compile(
    r"\s*(?:next: )?(?:cd (?:\S+|'[^']+') && )?(?:env (?:\S+=\S+ )+)?(?:\S+/|'[^']+/)?(?:proscribe|ansible-\w+)'?\s"
)


def too_wide(printed, width):
    """The lines that are wider than the screen, but commands, and paths or identifiers alone, which people copy."""
    wide = [line for line in printed.splitlines() if measure_columns(line) > width]
    return [line for line in wide if len(line.split()) > 1 and not COMMAND.match(line)]


def unread(reasons, printed):
    """The reasons of which the screen does not have every word, wherever its lines end."""
    screen = "".join(printed.split())
    return [reason for reason in reasons if "".join(reason.split()) not in screen]
