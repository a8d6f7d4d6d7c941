"""The program of the watch as one text: stored_watch.py behind loader.py, hashing.py and json_text.py."""

from __future__ import annotations

import re

from proscribe.host.watch.state.files import PLACE
from proscribe.wire.sources import Whole, reached

from .audit_text import MAIN, source
from .bootstrap import CALLED_BY_PYTHON, LOADER
from .part import Part

BASE = LOADER.parents[1] / "base"
SOURCES = [LOADER, BASE / "hashing.py", BASE / "json_text.py", LOADER.with_name("stored_watch.py")]
HEAD = '''\
"""The program of the watch, which an enforcing run installs: loader.py, hashing.py, json_text.py and
stored_watch.py as one text.

`python tests/derived` writes this file: do not edit.
"""

'''
OWN = re.compile(r"^from \.(?:loader|\.base\.hashing|\.base\.json_text) import .*\n", re.MULTILINE)


def text() -> str:
    """The program, without the lines that an installation puts before it."""
    whole = OWN.sub("", "".join(MAIN.sub("", source(path)) for path in SOURCES))
    whole = whole.replace("from ..host", "from proscribe.host").replace("@WATCH@", PLACE)
    sent = reached(
        Whole({"watch": f'{whole}\nif __name__ == "__main__":\n    main()\n'}, ()),
        ["watch"],
        ["main", *CALLED_BY_PYTHON],
    )
    return "\n".join(line for line in sent["watch"].splitlines() if line) + "\n"


def module() -> str:
    return f'{HEAD}WATCH_TEXT = r"""{text()}"""\n'


DERIVED = (Part("module_utils/proscribe/host/watch/program_text.py", module),)
