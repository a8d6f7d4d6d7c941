"""The text of loader.py as it goes with every call: without what only people need."""

from __future__ import annotations

import re
from pathlib import Path

from proscribe.host.cache import PLACE
from proscribe.wire.sources import Whole, reached

from .part import Part

LOADER = Path(__file__).resolve().parents[2] / "module_utils/proscribe/wire/loader.py"
HEAD = '''\
"""The text of loader.py that goes with every call, which is not packed.

`python tests/derived` writes this file: do not edit.
"""

'''
CALLED_BY_PYTHON = ("find_spec", "create_module", "exec_module")


def text() -> str:
    """The program, indented by one space."""
    sent = reached(Whole({"loader": LOADER.read_text(encoding="utf-8")}, ()), ["loader"], ["reply", *CALLED_BY_PYTHON])
    lines = (line for line in sent["loader"].splitlines() if line)
    shorter = (re.sub("^ +", lambda indent: " " * (len(indent[0]) // 4), line) for line in lines)
    return "\n".join(shorter).replace("@PLACE@", PLACE) + "\n"


def module() -> str:
    return f'{HEAD}BOOTSTRAP = r"""{text()}"""\n'


DERIVED = (Part("module_utils/proscribe/wire/bootstrap.py", module),)
