"""The program for audits without root as one text: stored_audit.py behind loader.py, without what only people need."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from proscribe.host.audit_program import PROGRAM
from proscribe.host.cache import PLACE
from proscribe.host.system import STATE_DIRECTORY
from proscribe.wire.sources import Whole, reached

from .bootstrap import CALLED_BY_PYTHON, LOADER
from .part import Part

SOURCE = LOADER.with_name("stored_audit.py")
NAMES = {"@PLACE@": PLACE, "@PROGRAM@": PROGRAM, "@STATE@": STATE_DIRECTORY}
HEAD = '''\
"""The program for audits without root, which an enforcing run installs: loader.py and stored_audit.py as one text.

`python tests/derived` writes this file: do not edit.
"""

'''
MAIN = re.compile(r'^if __name__ == "__main__":\n(?: .*\n)+', re.MULTILINE)
OURS = re.compile(r"^from (?:__future__|\.loader) import .*\n", re.MULTILINE)


def source(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return OURS.sub("", "".join(lines[ast.parse("".join(lines)).body[0].end_lineno :]))


def text() -> str:
    """The program, without the lines that an installation puts before it."""
    whole = MAIN.sub("", source(LOADER)) + source(SOURCE)
    for name, meant in NAMES.items():
        whole = whole.replace(name, meant)
    sent = reached(Whole({"observe": whole}, ()), ["observe"], ["main", *CALLED_BY_PYTHON])["observe"]
    return "\n".join(line for line in sent.splitlines() if line) + "\n"


def module() -> str:
    return f'{HEAD}AUDIT_TEXT = r"""{text()}"""\n'


DERIVED = (Part("module_utils/proscribe/wire/audit_text.py", module),)
