"""The observing code as one stream of bytes, for a Python on the other side that has nothing of ours.

Four fifths of what a module call costs a host is Python compiling Ansible's own module library. Our observing code
needs none of it, so it can be piped to `python3 -I -S -c BOOTSTRAP`, which takes it from standard input, answers one
call, and leaves nothing behind. Controller side.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGE = "proscribe"
HOST_SIDE = ("__init__.py", "finding.py", "plan.py", "run.py", "host/**/*.py", "controls/**/*.py")

# Begins the line of the answer. A login shell may print what it likes before it; what a host's users name their files
# may stand within it, but never at the beginning of a line: JSON escapes their line ends.
MARK = "proscribe-answer:"

# Runs on the host. What is imported comes out of the stream; a name that is not in it is the standard library's.
BOOTSTRAP = f"""
import json, sys, zlib
from importlib.machinery import ModuleSpec
stream = json.loads(zlib.decompress(sys.stdin.buffer.read()))
sources = stream["sources"]
class Stream:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in sources:
            return ModuleSpec(name, Stream, origin=name, is_package=name in stream["packages"])
    @staticmethod
    def create_module(spec):
        return None
    @staticmethod
    def exec_module(module):
        exec(compile(sources[module.__name__], module.__name__, "exec", dont_inherit=True), module.__dict__)
sys.meta_path.insert(0, Stream)
from {PACKAGE}.host import Host
from {PACKAGE}.run import compliance_state
print("\\n{MARK}" + json.dumps(compliance_state(Host(), **stream["call"])))
"""


def payload(call: Mapping[str, Any]) -> bytes:
    """The stream for one call of `run.compliance_state`: its arguments and the sources of the host side."""
    package = Path(__file__).parent
    paths = [path for pattern in HOST_SIDE for path in package.glob(pattern)]
    files = {".".join([PACKAGE, *path.relative_to(package).with_suffix("").parts]): path for path in paths}
    sources = {name.removesuffix(".__init__"): path.read_text(encoding="utf-8") for name, path in files.items()}
    packages = [name.removesuffix(".__init__") for name in files if name.endswith(".__init__")]
    stream = {"call": dict(call), "packages": packages, "sources": sources}
    return zlib.compress(json.dumps(stream).encode())


def answer(output: str) -> dict[str, Any] | None:
    """What the host answered; None if no answer came (no Python there, a Python that is too old, another shell)."""
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    try:
        told = json.loads(lines[-1].removeprefix(MARK)) if lines else None
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
