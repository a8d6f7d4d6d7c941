"""Asking for what no option said: at a terminal question by question, elsewhere by naming all that is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from ...report.text.wording import clean
from .. import Refused


def ask_for(
    arguments: argparse.Namespace, questions: Mapping[str, str], options: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The answers by name, out of the options or asked for. `questions` says by name what is wanted, `options` which
    option gives it where that is not `--<name>`.

    Raises Refused, which names every option that is missing, where there is no terminal to ask at.
    """
    found = {name: str(getattr(arguments, name) or "").strip() for name in questions}
    missing = [name for name, value in found.items() if not value]
    if missing and not sys.stdin.isatty():
        named = [(options or {}).get(name, f"--{name.replace('_', '-')}") for name in missing]
        raise Refused(f"give {', '.join(named)}: there is no terminal to ask at")
    for name in missing:
        while not found[name]:
            found[name] = answer(questions[name])
    return found


def answer(question: str) -> str:
    """What somebody types in reply. Raises Refused at the end of the input."""
    print(f"{clean(question)}: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise Refused("the input ended before everything was answered; nothing was written")
    return line.strip()
