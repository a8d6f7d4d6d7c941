"""The program of the watch: watch_installer.py behind a part of loader.py, hashing.py and json_text.py."""

import re

from proscribe.host.watch.state.watch_files import WATCH_DIRECTORY

from .audit_text import MAIN, own, source
from .bootstrap import HEAD, LOADER
from .part import Part

BASE = LOADER.parents[1] / "base"
SOURCES = [BASE / "hashing.py", BASE / "json_text.py", LOADER.with_name("watch_installer.py")]
OF_WATCH = HEAD.format("The program of the watch, which an enforcing run installs.")
OWN = re.compile(r"^from \.(?:loader|\.base\.hashing|\.base\.json_text) import .*\n", re.MULTILINE)


def module():
    whole = OWN.sub("", "".join(MAIN.sub("", source(path)) for path in SOURCES))
    whole = whole.replace("from ..host", "from proscribe.host").replace("@WATCH@", WATCH_DIRECTORY)
    text = own(f'{whole}\nif __name__ == "__main__":\n    main()\n')
    imports = "from ..loader_text import MODULES\n"
    return f'{OF_WATCH}{imports}\nWATCHING = r"""{text}"""\nWATCH_TEXT = MODULES + WATCHING\n'


DERIVED = (Part("module_utils/proscribe/host/watch/program_text.py", module),)
