"""The program for audits without root: audit_installer.py behind a part of loader.py, without what only people need."""

import ast
import re

from proscribe.host.audit_program import PROGRAM_PATH
from proscribe.host.system import STATE_DIRECTORY
from proscribe.wire.source_selection import ModuleSources, select_reached

from .bootstrap import CALLED_BY_PYTHON, HEAD, LOADER
from .part import Part

SOURCE = LOADER.with_name("audit_installer.py")
NAMES = {"@PROGRAM@": PROGRAM_PATH, "@STATE@": STATE_DIRECTORY}
OF_AUDIT = HEAD.format("The program for audits without root, which an enforcing run installs.")
MAIN = re.compile(r'^if __name__ == "__main__":\n(?: .*\n)+', re.MULTILINE)
OURS = re.compile(r"^from (?:__future__|\.loader) import .*\n", re.MULTILINE)


def source(path):
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return OURS.sub("", "".join(lines[ast.parse("".join(lines)).body[0].end_lineno :]))


def own(sources):
    whole = ModuleSources({"loader": source(LOADER), "own": sources}, ())
    sent = select_reached(whole, ["loader", "own"], ["main", *CALLED_BY_PYTHON])["own"]
    return "\n".join(line for line in sent.splitlines() if line) + "\n"


def module():
    text = own(source(SOURCE))
    for name, meant in NAMES.items():
        text = text.replace(name, meant)
    imports = "from ..host.loader_text import MODULES\nfrom .bootstrap import STORED\n"
    return f'{OF_AUDIT}{imports}\nAUDITING = r"""{text}"""\nAUDIT_TEXT = MODULES + STORED + AUDITING\n'


DERIVED = (Part("module_utils/proscribe/wire/audit_text.py", module),)
