"""Questions to the user for missing options at a terminal; without a terminal, an error that names these options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from ...report.text.wording import clean_text
from .. import CommandError


def ask_missing_options(
    arguments: argparse.Namespace, questions: Mapping[str, str], options: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the value for each name in `questions`, from the command line options or typed by the user.

    `questions` has the text of each question by the attribute's name in `arguments`. `options` has the option for a
    name if it is not `--<name>`. Raises CommandError, with every missing option, if there is no terminal.
    """
    answers = {name: str(getattr(arguments, name) or "").strip() for name in questions}
    missing = [name for name, text in answers.items() if not text]
    if missing and not sys.stdin.isatty():
        missing_options = [(options or {}).get(name, f"--{name.replace('_', '-')}") for name in missing]
        raise CommandError(f"give {', '.join(missing_options)}: there is no terminal to ask at")
    for name in missing:
        while not answers[name]:
            answers[name] = ask_question(questions[name])
    return answers


def ask_question(question: str) -> str:
    """Print a question on stderr and return the line that the user types. Raises CommandError at the end of input."""
    print(f"{clean_text(question)}: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise CommandError("the input ended before everything was answered; nothing was written")
    return line.strip()
